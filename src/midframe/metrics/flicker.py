"""Temporal flicker: how much a sequence pulses because every second frame of it is made and not kept.

A made frame is often softer than its neighbours, or a little brighter or darker. At twice the rate this alternates
from frame to frame, which the eye sees as a shimmer even where each frame looks well. For a quantity q of a frame,
a frame m made between the kept frames a and b alternates by

    q(m) - (q(a) + q(b)) / 2

and the flicker of a sequence is the mean size of this, less the same of the true sequence, which may pulse by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TypeAlias

from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError
from midframe.metrics.difference import check_same_size
from midframe.metrics.sample import Sample
from midframe.ops.luma import luma

Quantity: TypeAlias = Callable[[Tensor], float]


def mean_luma(picture: UInt8[Tensor, "3 height width"]) -> float:
    """Brightness of a frame: mean BT.601 luma, 0 to 255."""
    return luma(picture.double()).mean().item()


def sharpness(picture: UInt8[Tensor, "3 height width"]) -> float:
    """Fine detail of a frame: 10 log10(1 + mean square of the luma's Laplacian), in decibels; 0 for a flat one.

    The Laplacian is four times a pixel less its four neighbours, in levels of 255; border pixels are left out.

    Raises:
        ShapeError: The frame is smaller than 3x3 pixels.
    """
    if min(picture.shape[-2:]) < 3:
        raise ShapeError(f"Sharpness needs at least 3x3 pixels; got {tuple(picture.shape)}.")
    levels = luma(picture.double())
    neighbours = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    power = (4 * levels[1:-1, 1:-1] - neighbours).square().mean()
    return 10 * math.log10(1 + power.item())


def alternation(
    quantity: Quantity,
    before: UInt8[Tensor, "3 height width"],
    made: Sequence[UInt8[Tensor, "3 height width"]],
    after: UInt8[Tensor, "3 height width"],
) -> float:
    """How far the made frames of one gap lie from the kept ones beside them, in units of the quantity.

    Args:
        quantity: `mean_luma`, `sharpness`, or another number of a frame.
        before: Kept frame before the gap.
        made: Frames of the gap at instants whose mean is the middle, such as 1/2, or 1/4, 1/2 and 3/4.
        after: Kept frame after the gap.

    Returns:
        Signed: below zero where the made frames have less of the quantity.

    Raises:
        ShapeError: The frames differ in size.
        UsageError: No frame was made.
    """
    if not made:
        raise UsageError("Flicker needs at least one made frame in each gap.")
    for frame in (*made, after):
        check_same_size(frame, before)
    return fmean(quantity(frame) for frame in made) - (quantity(before) + quantity(after)) / 2


class Flicker:
    """Mean size of the alternation of a set's gaps, less that of the true frames."""

    higher_is_better = False

    def __init__(self, name: str, quantity: Quantity) -> None:
        """Start with no gap.

        Args:
            name: Column in every table.
            quantity: What may alternate.
        """
        self.name = name
        self._quantity = quantity
        self._predicted: list[float] = []
        self._true: list[float] = []

    def update(self, clip: Sequence[Sample]) -> None:
        """Take in all targets of one gap, one at least; errors as in `alternation`."""
        before, after = clip[0].inputs(self.name)
        made = alternation(self._quantity, before, [sample.prediction for sample in clip], after)
        true = alternation(self._quantity, before, [sample.target for sample in clip], after)
        self._predicted.append(abs(made))
        self._true.append(abs(true))

    def compute(self) -> float:
        """0 where the result pulses as the true sequence does; above, it flickers.

        Raises:
            UsageError: Nothing was taken in.
        """
        if not self._predicted:
            raise UsageError("Flicker needs at least one gap; got none.")
        return fmean(self._predicted) - fmean(self._true)
