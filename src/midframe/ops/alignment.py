"""Sub-pixel alignment of two frames at an instant between them, by least squares on their colours."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.ops.warp import backward_warp

RADIUS = 3
"""Of the window, in pixels; its Gaussian weights fall to a third at the rim."""
DAMPING = 1e-4
"""Added to the squared gradients: where a window has less structure than this, the flow stays."""
TOLERATED = 0.05
"""Difference of colours, of 1, at which a pixel counts half: larger ones are rather occlusion than misalignment."""
LONGEST_STEP = 1.0
"""Pixels; the linear model of the colours holds no further."""


@torch.no_grad()
def align(
    pair: Float[Tensor, "pair channel height width"],
    flow: Float[Tensor, "batch 4 height width"],
    time: Float[Tensor, " batch"],
) -> Float[Tensor, "batch 4 height width"]:
    """Move both ends of a nearly right flow so that the two frames agree better: one Gauss-Newton step.

    The displacement d between the frames is corrected at each pixel by the u that minimises, over a window around it
    and with the window's mean of both terms taken off,

        sum w (W_after - W_before + g u)^2 + DAMPING u^2,     g = (1 - t) grad W_after + t grad W_before

    where W are the frames warped to the instant t. The flow to `before` then changes by -t u, the flow to `after` by
    (1 - t) u: a point keeps its place at the instant, as under constant velocity. Without the mean, a change of
    brightness between the frames would be taken for motion. Nothing is learned from here: no gradient passes.

    Args:
        pair: before and after along the batch axis, in [0, 1].
        flow: Target to before (x, y), then target to after, in pixels.
        time: Of each item of the batch, in (0, 1).

    Returns:
        The corrected flow in float32.

    Source: Lucas and Kanade 1981 in its symmetric form; weights as of Geman and McClure.
    """
    batch = flow.shape[0]
    share = time.to(torch.float32).view(-1, 1, 1, 1)
    warped = backward_warp(pair, torch.cat((flow[:, :2], flow[:, 2:])))
    before, after = warped[:batch], warped[batch:]
    difference = after - before
    right, down = _gradients(torch.lerp(after, before, share))
    weight = TOLERATED**2 / (difference.square().mean(1, keepdim=True) + TOLERATED**2)
    right_weighted, down_weighted = weight * right, weight * down
    products = (
        right_weighted * right,
        right_weighted * down,
        down_weighted * down,
        right_weighted * difference,
        down_weighted * difference,
    )
    sums = _window_mean(
        torch.cat(
            (
                weight,
                *(product.mean(1, keepdim=True) for product in products),
                right_weighted,
                down_weighted,
                weight * difference,
            ),
            dim=1,
        )
    )
    total, xx, xy, yy, x_d, y_d = sums[:, :6].unbind(1)
    mean_x, mean_y, mean_d = sums[:, 6:].chunk(3, dim=1)

    def centred(moment: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return moment - (first * second).mean(1) / total

    xx, xy, yy = centred(xx, mean_x, mean_x), centred(xy, mean_x, mean_y), centred(yy, mean_y, mean_y)
    x_d, y_d = centred(x_d, mean_x, mean_d), centred(y_d, mean_y, mean_d)
    xx, yy = xx + DAMPING, yy + DAMPING
    determinant = xx * yy - xy * xy
    step = torch.stack(((xy * y_d - yy * x_d) / determinant, (xy * x_d - xx * y_d) / determinant), dim=1)
    length = step.square().sum(1, keepdim=True).sqrt()
    step = step * (LONGEST_STEP / length.clamp(min=LONGEST_STEP))
    return flow.float() + torch.cat((-share * step, (1 - share) * step), dim=1)


def _gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down, of the border pixels repeated outside."""
    wide = functional.pad(image, (1, 1, 0, 0), mode="replicate")
    tall = functional.pad(image, (0, 0, 1, 1), mode="replicate")
    return (wide[..., 2:] - wide[..., :-2]) / 2, (tall[..., 2:, :] - tall[..., :-2, :]) / 2


def _window_mean(maps: Tensor) -> Tensor:
    """Gaussian mean over a window of `RADIUS`, of the border pixels repeated outside."""
    channels = maps.shape[1]
    offset = torch.arange(-RADIUS, RADIUS + 1, device=maps.device, dtype=torch.float32)
    kernel = torch.exp(-(offset**2) / (2 * (RADIUS / 1.5) ** 2))
    kernel = kernel / kernel.sum()
    maps = functional.pad(maps, (RADIUS,) * 4, mode="replicate")
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    along = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    with torch.autocast(device_type=maps.device.type, enabled=False):
        return functional.conv2d(functional.conv2d(maps, across, groups=channels), along, groups=channels)
