"""The pictures of a report: which targets are shown, and how they become part of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from midframe.core.errors import MediaError
from midframe.evaluation.column import Column
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.image_file import image_address, read_image
from midframe.evaluation.report.results import Comparison, Result
from midframe.evaluation.target_list import Target

WORST, BEST, APART = 3, 2, 2
"""Cases of each kind."""
WIDEST = 960
"""Pixels; wider pictures are reduced for the page."""
ERROR_SCALE = 64
"""Levels of 255 that the brightest colour of an error map stands for."""
_HEAT = np.array(
    [
        (0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99),
        (212, 72, 66), (245, 125, 21), (250, 193, 39), (252, 255, 164),
    ],
    dtype=np.float64,
)  # fmt: skip
"""From black over red to yellow, each step lighter than the last: the order survives without colour vision."""


@dataclass(frozen=True)
class Case:
    """One target that the report shows.

    Attributes:
        position: Its place in the set, from 0.
        reason: Why it is shown, in a few words.
    """

    position: int
    reason: str


@dataclass(frozen=True)
class CasePictures:
    """Data addresses of the pictures of one case.

    Attributes:
        size: Width and height of the frames as they were scored.
        shown: Width and height on the page.
        truth: The true frame.
        inputs: Both inputs, one over the other.
        predictions: One for each result.
        errors: Their error maps.
    """

    size: tuple[int, int]
    shown: tuple[int, int]
    truth: str
    inputs: str
    predictions: tuple[str, ...]
    errors: tuple[str, ...]


def choose_cases(comparison: Comparison) -> list[Case]:
    """The worst and the best targets of the leading method, and those on which the runner-up is farthest ahead of it.

    One of each sequence at most for each reason, and no target twice.
    """
    columns = comparison.frame_columns
    if not columns:
        return []
    leader, *others = comparison.ranked
    goodness = _goodness(leader, columns[0])
    order = np.argsort(goodness, kind="stable")
    kinds = [
        (WORST, order, f"worst of {leader.label}"),
        (BEST, order[::-1], f"best of {leader.label}"),
    ]
    if others:
        lead = goodness - _goodness(others[0], columns[0])
        behind = [position for position in np.argsort(lead, kind="stable") if lead[position] < 0]
        kinds.insert(1, (APART, np.asarray(behind, dtype=int), f"{others[0].label} ahead of {leader.label}"))
    chosen: dict[int, str] = {}
    for count, candidates, reason in kinds:
        sequences: set[str] = set()
        for position in map(int, candidates):
            sequence = comparison.sequences[position]
            if len(sequences) < count and position not in chosen and sequence not in sequences:
                sequences.add(sequence)
                chosen[position] = reason
    return [Case(position, reason) for position, reason in chosen.items()]


def _goodness(result: Result, metric: Column) -> np.ndarray:
    values = np.asarray(result.rows[metric.name])
    return np.nan_to_num(values if metric.higher_is_better else -values, posinf=1e9, neginf=-1e9)


def case_pictures(
    comparison: Comparison, targets: Sequence[Target], root: Path, cases: Sequence[Case]
) -> Iterator[CasePictures]:
    """The pictures of each case, read from the set and from the predictions.

    Raises:
        MediaError: A frame of the set cannot be read.
    """
    wanted = [targets[case.position] for case in cases]
    store = FrameStore(
        root, (read for target in wanted for read in (target.before, target.target, target.after)), comparison.prepare
    )
    for case, target in zip(cases, wanted, strict=True):
        before, truth, after = (
            store.read(read).permute(1, 2, 0).numpy() for read in (target.before, target.target, target.after)
        )
        predictions = [read_image(result.manifest.picture(case.position + 1)) for result in comparison.results]
        height, width = truth.shape[:2]
        shown = (width, height) if width <= WIDEST else (WIDEST, round(height * WIDEST / width))
        overlay = ((before.astype(np.uint16) + after) // 2).astype(np.uint8)
        yield CasePictures(
            size=(width, height),
            shown=shown,
            truth=image_address(truth, shown),
            inputs=image_address(overlay, shown),
            predictions=tuple(image_address(picture, shown) for picture in predictions),
            errors=tuple(image_address(error_map(picture, truth), shown) for picture in predictions),
        )


def with_pictures(comparison: Comparison) -> Comparison:
    """The results whose predictions are all still there.

    Raises:
        MediaError: There is none.
    """
    shown = tuple(
        result
        for result in comparison.results
        if all(result.manifest.has(number) for number in range(1, result.manifest.origin.count + 1))
    )
    if not shown:
        raise MediaError(not_kept(comparison.results))
    return Comparison(shown)


def not_kept(results: Sequence[Result]) -> str:
    """Why the pictures of some results are not shown."""
    labels = ", ".join(result.label for result in results)
    return f"The predictions of {labels} were not kept; evaluate with --save-images to see them here."


def error_map(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean absolute difference over the channels as colours, from black over red to yellow at `ERROR_SCALE`."""
    difference = np.abs(prediction.astype(np.int16) - truth).mean(axis=2)
    place = np.clip(difference / ERROR_SCALE, 0, 1) * (len(_HEAT) - 1)
    channels = [np.interp(place, range(len(_HEAT)), _HEAT[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)


def error_colours() -> str:
    """The colours of the error map as a CSS gradient."""
    return ", ".join(f"rgb({int(r)} {int(g)} {int(b)})" for r, g, b in _HEAT)
