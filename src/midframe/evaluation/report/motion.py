"""How far things move between the inputs of a target: the horizontal axis of a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import MissingExtraError
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.report.results import Comparison
from midframe.evaluation.target_list import Target
from midframe.ops.inverse_search import SMALLEST_SIDE, InverseSearch
from midframe.ops.luma import luma_bytes
from midframe.ops.rounding import bytes_to_unit

EXCEEDED_BY = 0.1
"""Part of the picture that moves farther than the size that is reported. The median would be nothing wherever the
camera stands still."""
MOST_TARGETS = 400
"""More would say no more; they are taken at equal steps."""


@dataclass(frozen=True)
class Motion:
    """Sizes of motion, all by one measure.

    Attributes:
        sizes: By the position of the target in its set.
        measure: The axis, in words.
        unit: Of one value.
    """

    sizes: Mapping[int, float]
    measure: str
    unit: str


def measure_motion(comparison: Comparison, targets: Sequence[Target], root: Path) -> Motion:
    """How much changes between the two inputs of each target, by optical flow where OpenCV is installed.

    Raises:
        MediaError: A frame of the set cannot be read.
    """
    step = -(-len(targets) // MOST_TARGETS)
    positions = range(0, len(targets), step)
    pairs = {position: (targets[position].before, targets[position].after) for position in positions}
    distinct = dict.fromkeys(pairs.values())
    store = FrameStore(root, (read for pair in distinct for read in pair), comparison.prepare)
    try:
        search = InverseSearch()
    except MissingExtraError:
        search = None
    sizes = {(before, after): _size(store.read(before), store.read(after), search) for before, after in distinct}
    if search is None:
        measure, unit = "mean difference of the two inputs, of 255", "levels"
    else:
        measure, unit = "motion between the two inputs, in pixels: a tenth of the picture moves farther", "px"
    return Motion({position: sizes[pair] for position, pair in pairs.items()}, measure, unit)


def _size(
    before: UInt8[Tensor, "3 height width"],
    after: UInt8[Tensor, "3 height width"],
    search: InverseSearch | None,
) -> float:
    if search is None:
        return (before.double() - after.double()).abs().mean().item()
    if min(before.shape[-2:]) < SMALLEST_SIDE:
        return math.nan
    flow = search(luma_bytes(bytes_to_unit(before[None])), luma_bytes(bytes_to_unit(after[None])))[0]
    return float(np.quantile(torch.linalg.vector_norm(flow, dim=0).numpy(), 1 - EXCEEDED_BY))
