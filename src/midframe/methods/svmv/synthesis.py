"""From motion volumes to the frame at any instant: many-to-many splatting, with no network behind it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.methods.svmv.motion_volume import MotionVolume
from midframe.ops.rows import strips
from midframe.ops.splat import Canvas, splat, splat_rows


@dataclass(frozen=True)
class Rendered:
    """A synthesised frame.

    Attributes:
        frame: (batch, 3, height, width); not clamped.
        covered: (batch, 1, height, width), where something landed; the rest is a blend of the two middle frames.
        weights: What `before` and what `after` sent to each pixel, (batch, 1, height, width) each.
        separate: The frame as each of the two alone would make it, (batch, 3, height, width) each.
        uncertainty: (batch, 1, height, width), mean of two signs of doubt around each pixel: the standard deviation
            of the brightness of all that landed there, both frames and all members together, and how far apart the
            frames are that each source alone would make. Where nothing landed, how far apart the sources are counts
            as the deviation.
    """

    frame: Tensor
    covered: Tensor
    weights: tuple[Tensor, Tensor]
    separate: tuple[Tensor, Tensor]
    uncertainty: Tensor


def render(
    volumes: MotionVolume,
    before: Float[Tensor, "batch 3 height width"],
    after: Float[Tensor, "batch 3 height width"],
    time: Float[Tensor, " batch"],
) -> Rendered:
    """Send every pixel of both frames to its M places at an instant, and divide by the weights that meet there.

    Args:
        volumes: Of `before`, then of `after`, along the batch axis.
        before: RGB, as it should appear: not normalised.
        after: RGB.
        time: Instant of each item, in (0, 1).

    Source: Hu et al. 2022 (M2M), equations 4 to 6; the frame that is nearer in time has more say.
    """
    # w_before = (1 - t) exp(score), w_after = t exp(score); frame = sum w k c / sum w k
    canvases = [
        _sent(volume, picture, counted)
        for volume, picture, counted in zip(volumes.split(), (before, after), (time, 1 - time), strict=True)
    ]
    canvas = canvases[0] + canvases[1]
    fill = torch.lerp(before, after, time.view(-1, 1, 1, 1).to(before.dtype))
    apart = (before - after).mean(1, keepdim=True)
    resolved = canvas.resolve(torch.cat((fill, fill.mean(1, keepdim=True).square() + apart.square()), dim=1))
    frame, mean_square = resolved[:, :3], resolved[:, 3:]
    alone = [side.resolve(resolved)[:, :3] for side in canvases]
    with torch.no_grad():
        variance = mean_square - frame.mean(1, keepdim=True).square()
        spread = variance.clamp(min=0).sqrt()
        disagreement = (alone[0] - alone[1]).abs().mean(1, keepdim=True)
        uncertainty = _around(0.5 * (spread + disagreement))
    return Rendered(
        frame=frame,
        covered=canvas.is_covered(),
        weights=(canvases[0].weight, canvases[1].weight),
        separate=(alone[0], alone[1]),
        uncertainty=uncertainty,
    )


def _sent(
    volume: MotionVolume, picture: Float[Tensor, "batch 3 height width"], time: Float[Tensor, " batch"]
) -> Canvas:
    """What one source sends to an instant, counted from it."""
    curvature = second_differences(picture) if volume.detail is not None else None

    def of_rows(rows: slice) -> tuple[Tensor, Tensor, Tensor]:
        part, colours = volume.rows(rows), picture[..., rows, :]
        weight = part.score.exp() * (1 - time).view(-1, 1, 1, 1, 1)
        motion = part.at(time)
        if curvature is not None and part.detail is not None:
            across, down = (side[..., rows, :] for side in curvature)
            colours = colours + part.detail[:, 0] * blur_of_splatting((across, down), motion, part.share())
        # The square of the brightness travels along: its mean where colours meet tells how much they differ.
        return torch.cat((colours, colours.mean(1, keepdim=True).square()), dim=1), motion, weight

    if torch.is_grad_enabled():
        return splat(*of_rows(slice(None)))
    return splat_rows(
        ((rows.start, *of_rows(rows)) for rows in strips(picture)), (picture.shape[-2], picture.shape[-1])
    )


def _around(values: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Mean over the 5x5 pixels around each, the nearer ones counting more: errors do not stop at one pixel."""
    for _ in range(2):
        values = functional.avg_pool2d(functional.pad(values, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return values


@torch.no_grad()
def second_differences(picture: Float[Tensor, "batch channel height width"]) -> tuple[Tensor, Tensor]:
    """Second differences of a picture across and down, of the border pixels repeated outside."""
    padded = functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    across, down = padded[..., 1:-1, :], padded[..., 1:-1]
    return (
        across[..., 2:] + across[..., :-2] - 2 * picture,
        down[..., 2:, :] + down[..., :-2, :] - 2 * picture,
    )


@torch.no_grad()
def blur_of_splatting(
    curvature: tuple[Float[Tensor, "batch channel height width"], Float[Tensor, "batch channel height width"]],
    motion: Float[Tensor, "batch members 2 height width"],
    share: Float[Tensor, "batch members 1 height width"],
) -> Float[Tensor, "batch channel height width"]:
    """What a picture loses, to second order, when its pixels land between pixels; added to it, it comes out sharp.

    Bilinear weights at a fraction f between two samples give p + f (1 - f) / 2 p'' for a smooth picture p: so, along
    each axis, minus f (1 - f) / 2 times the second difference, averaged over the members by their share.

    Args:
        curvature: Second differences of the picture, across and down.
        motion: Displacements in pixels.
        share: Of each member; sums to one.
    """
    fraction = motion - motion.floor()
    across, down = (-0.5 * fraction * (1 - fraction) * share).sum(1).chunk(2, dim=1)
    return across * curvature[0] + down * curvature[1]
