"""How far things move between the inputs of a target: the horizontal axis of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.motion import motion_pixels
from midframe.evaluation.report.results import Comparison
from midframe.evaluation.target_list import Target

MOST_TARGETS = 200
"""More would say no more, and take long; they are taken at equal steps."""


def measure_motion(comparison: Comparison, targets: Sequence[Target], root: Path) -> Mapping[int, float]:
    """Motion between the two inputs of targets (see `evaluation.motion`), by their positions in the set.

    Raises:
        MediaError: A frame of the set cannot be read.
    """
    step = -(-len(targets) // MOST_TARGETS)
    pairs = {number: (targets[number].before, targets[number].after) for number in range(0, len(targets), step)}
    distinct = dict.fromkeys(pairs.values())
    store = FrameStore(root, (read for pair in distinct for read in pair), comparison.prepare)
    sizes = {pair: motion_pixels(store.read(pair[0]), store.read(pair[1])) for pair in distinct}
    return {number: sizes[pair] for number, pair in pairs.items()}
