"""A set of targets: its hash, its windows, and the rules that a protocol adds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from midframe.evaluation import FrameReference, Target, TargetSet, find_protocol

FRAMES = [FrameReference(Path("clip.mp4"), index) for index in range(9)]


def between(before: int, target: int, after: int) -> Target:
    time = Fraction(target - before, after - before)
    return Target(
        before=FRAMES[before], target=FRAMES[target], after=FRAMES[after], time=time, earlier=None, later=None
    )


def targets_of(*targets: Target, protocol: str | None = None) -> TargetSet:
    return TargetSet(
        name="some",
        source="some.tsv",
        root=Path("anywhere"),
        targets=targets,
        total=len(targets),
        protocol=None if protocol is None else find_protocol(protocol),
    )


def numbers(targets: TargetSet) -> list[list[int]]:
    return [[numbered.number for numbered in window] for window in targets.windows()]


def test_a_window_holds_consecutive_targets_between_the_same_frames_at_ascending_times():
    targets = targets_of(
        between(0, 1, 4), between(0, 2, 4), between(4, 6, 8), between(0, 3, 4), between(0, 3, 4), between(0, 1, 4)
    )
    assert numbers(targets) == [[1, 2], [3], [4], [5], [6]]


def test_an_outer_frame_that_differs_begins_a_window():
    first, second = between(0, 1, 4), replace(between(0, 2, 4), later=FRAMES[8])
    assert numbers(targets_of(first, second)) == [[1], [2]]


def test_the_hash_is_that_of_the_written_list_and_knows_every_field_and_the_preparation(tmp_path):
    base = between(0, 2, 4)
    sets = [
        targets_of(base),
        targets_of(replace(base, time=Fraction(1, 3))),
        targets_of(replace(base, later=FRAMES[8])),
        targets_of(replace(base, target=FRAMES[3])),
        targets_of(base, base),
        targets_of(base, protocol="davis-7"),
    ]
    hashes = {targets.sha256 for targets in sets}
    assert len(hashes) == len(sets)
    assert replace(sets[0], root=Path("elsewhere"), name="other").sha256 == sets[0].sha256
    sets[0].write(tmp_path)
    assert hashlib.sha256((tmp_path / "list.tsv").read_bytes()).hexdigest() == sets[0].sha256


def test_a_protocol_of_luma_asks_for_it():
    luma = {"psnr_luma", "ssim_luma"}
    assert luma < set(targets_of(between(0, 1, 2), protocol="hd-720p").default_metrics)
    assert not luma & set(targets_of(between(0, 1, 2), protocol="davis-7").default_metrics)
    assert not luma & set(targets_of(between(0, 1, 2)).default_metrics)
