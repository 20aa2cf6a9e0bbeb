"""Event volumes: what an event camera would have seen between two frames.

A volume has a channel for each polarity and each of nine instants (brightening first), all of it non-negative. Zero
everywhere means that nothing changed, and also that nothing is known.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.methods.madiff.config import BINS, POLARITIES
from midframe.ops.luma import luma

SUB_STEPS = 17
"""Instants at which the simulator looks at brightness: both frames' own and fifteen between."""
DARKEST = 0.05
"""Added to luminance before the logarithm: a change in the dark is mostly noise."""
VOLUME_SCALE = 4.0
"""Simulated volumes are divided by it, and cut off at 1."""

Volume = Float[Tensor, "batch channel height width"]


def event_volume(
    columns: Int[Tensor, " event"],
    rows: Int[Tensor, " event"],
    times: Float[Tensor, " event"],
    polarities: Int[Tensor, " event"],
    size: tuple[int, int],
    *,
    bins: int = BINS,
    span: tuple[float, float] | None = None,
) -> Float[Tensor, "channel height width"]:
    """Count events in a volume; each is shared by the two bins that it lies between in time.

    Args:
        columns: Pixels from the left.
        rows: Pixels from the top.
        times: In any unit.
        polarities: 1 where it became brighter, -1 where darker.
        size: Height and width.
        bins: Instants.
        span: Times of the first and the last bin; by default those of the first and the last event.

    Returns:
        First the bins of brightening, then those of darkening.

    Raises:
        ShapeError: An event outside the picture or the span.

    Source: Zhu et al. 2021 (EventGAN), section 3.1.
    """
    height, width = size
    volume = torch.zeros(POLARITIES * bins * height * width)
    if not len(times):
        return volume.view(POLARITIES * bins, height, width)
    first, last = span or (float(times.min()), float(times.max()))
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height) & (times >= first) & (times <= last)
    if not bool(inside.all()):
        raise ShapeError(f"{int((~inside).sum())} events lie outside {height}x{width} pixels or {first} to {last}.")
    # V(b, y, x) = sum over events of max(0, 1 - |b - t*|), t* = (B - 1) (t - t_first) / (t_last - t_first)
    place = (bins - 1) * (times.double() - first) / max(last - first, 1e-12)
    lower = place.floor().clamp(max=bins - 2).long() if bins > 1 else torch.zeros_like(place).long()
    share = place - lower
    polarity = (polarities < 0).long()
    for bin_number, weight in ((lower, 1 - share), (lower + 1, share)):
        index = ((polarity * bins + bin_number.clamp(max=bins - 1)) * height + rows) * width + columns
        volume.index_add_(0, index, weight.float())
    return volume.view(POLARITIES * bins, height, width)


def log_brightness(frames: Float[Tensor, "*lead 3 height width"]) -> Float[Tensor, "*lead height width"]:
    """Logarithm of luminance, from RGB in [0, 1]."""
    return (luma(frames.float().clamp(0, 1)) + DARKEST).log()


@torch.no_grad()
def simulate_events(frames: Float[Tensor, "batch instant 3 height width"], threshold: float = 0.15) -> Volume:
    """The volume of a short clip's events: log brightness, linear between its frames, crossing steps of a threshold.

    At each of `SUB_STEPS` instants a pixel emits an event for every whole threshold that lies between its brightness
    and its reference, which follows. A bin stands for a fixed instant of the clip, not for one between the first and
    the last event: so a pixel's events depend on no other pixel.

    Args:
        frames: RGB in [0, 1], evenly spaced in time; two of them, or more for known motion between.
        threshold: Change of log brightness.

    Returns:
        (batch, 18, height, width) in [0, 1].

    Raises:
        ShapeError: Less than two frames.
    """
    if frames.shape[1] < 2:
        raise ShapeError(f"Events happen between frames: at least two are needed; got {frames.shape[1]}.")
    levels = log_brightness(frames)
    batch, given, height, width = levels.shape
    volume = levels.new_zeros(batch, POLARITIES, BINS, height, width)
    reference = levels[:, 0].clone()
    for step in range(1, SUB_STEPS):
        at = step * (given - 1) / (SUB_STEPS - 1)
        lower = min(int(at), given - 2)
        now = torch.lerp(levels[:, lower], levels[:, lower + 1], at - lower)
        counts = ((now - reference) / threshold).trunc()
        reference += counts * threshold
        place = step * (BINS - 1) / (SUB_STEPS - 1)
        earlier = min(int(place), BINS - 2)
        share = place - earlier
        for polarity, emitted in enumerate((counts.clamp(min=0), (-counts).clamp(min=0))):
            for bin_number, weight in ((earlier, 1 - share), (earlier + 1, share)):
                if weight:
                    volume[:, polarity, bin_number].add_(emitted, alpha=weight)
    return (volume / VOLUME_SCALE).clamp_(max=1).flatten(1, 2)
