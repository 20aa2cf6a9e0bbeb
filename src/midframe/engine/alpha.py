"""Transparency, moved as the colours move, with methods that know three channels.

Frames with alpha are premultiplied here: their colours are weighed by it, so that what is transparent has no say in
what is mixed or fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.method import Interpolator, LayeredInterpolator, UncertainInterpolator
from midframe.engine.pixels import Pixels

GROUND = 0.5
"""Grey on which a method sees the colours: neither black nor white shapes vanish on it."""


def alike(before: Pixels, after: Pixels) -> tuple[Pixels, Pixels]:
    """Two pictures, both with alpha if one of them has it."""
    if before.shape[2] == after.shape[2]:
        return before, after
    return _with_alpha(before), _with_alpha(after)


def _with_alpha(pixels: Pixels) -> Pixels:
    if pixels.shape[2] == 4:
        return pixels
    opaque = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate((pixels, opaque), axis=2)


def interpolate_with_alpha(
    method: Interpolator,
    frames: Float[Tensor, "batch window 4 height width"],
    times: Sequence[Fraction],
    *,
    generator: torch.Generator | None = None,
    uncertainty: bool = False,
) -> Float[Tensor, "batch time channel height width"]:
    """Frames at instants of the gap, premultiplied, with a map of doubt as fifth channel where that is asked for.

    A method that can move further planes along its motion sees the colours on grey, and moves alpha beside them. Any
    other makes the frame twice, on black and on white: alpha is where the two agree. Both give opaque frames the
    colours that they would have without alpha; the second is exact where the method mixes pixels by weights that do
    not depend on the ground, and takes twice as long.

    Args:
        frames: Premultiplied RGBA; the rest as for `core.method.Interpolator.interpolate`.
    """
    colours, alpha = frames[:, :, :3], frames[:, :, 3:]
    doubt: tuple[Tensor, ...] = ()
    if method.spec.planes and not uncertainty:
        layered = cast(LayeredInterpolator, method)
        made, moved = layered.interpolate_with_planes(
            torch.add(colours, 1 - alpha, alpha=GROUND), alpha, times, generator=generator
        )
        moved = moved.clamp(0, 1)
        weighed = made - GROUND * (1 - moved)
    else:
        start = None if generator is None else generator.get_state()
        on_white = method.interpolate(colours + (1 - alpha), times, generator=generator)
        if generator is not None and start is not None:
            generator.set_state(start)  # both grounds meet the same chance
        if uncertainty:
            uncertain = cast(UncertainInterpolator, method)
            weighed, map_of_doubt = uncertain.interpolate_with_uncertainty(colours, times, generator=generator)
            doubt = (map_of_doubt,)
        else:
            weighed = method.interpolate(colours, times, generator=generator)
        moved = (1 - (on_white - weighed).mean(2, keepdim=True)).clamp(0, 1)
    return torch.cat((torch.minimum(weighed.clamp(min=0), moved), moved, *doubt), dim=2)
