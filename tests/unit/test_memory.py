"""Memory: sizes in words, what is free, what a run takes, and how it stays within a bound."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import midframe
from clips import make_clip, textures
from midframe.core.errors import UsageError
from midframe.core.method import MethodSpec
from midframe.core.work_size import Resizable, WorkSize
from midframe.engine.memory import (
    _group_rooms,
    fit,
    frames_waiting,
    free_bytes,
    gaps_waiting,
    held_bytes,
    in_words,
    parse_size,
    times_per_call,
)
from midframe.engine.synthesis import GapFiller
from midframe.methods.baseline.blend import BlendInterpolator
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.sample import RifeInterpolator
from midframe.video import EncodeOptions, VideoInfo, probe, resolve_encoding
from small_matching import SMALL_MATCHING

HALF = [Fraction(1, 2)]
GB = 10**9


@pytest.fixture
def info(tmp_path: Path) -> VideoInfo:
    path = tmp_path / "clip.mkv"
    make_clip(path, textures(4))
    return probe(path)


def sized(info: VideoInfo, width: int, height: int) -> VideoInfo:
    return replace(info, width=width, height=height)


def rife(scale: Fraction | None = None) -> RifeInterpolator:
    return RifeInterpolator(MatchingNetwork(SMALL_MATCHING).eval(), scale=scale)


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * GB), ("800MB", 800 * 10**6), ("2GiB", 2 * 2**30), ("1.5 gb", 1_500_000_000), (4 * GB, 4 * GB)],
)
def test_sizes_are_read_in_the_usual_units(text: str | int, size: int):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "4XB", "-4GB", "4GB more", "a lot"])
def test_other_words_are_refused_with_an_example(text: str):
    with pytest.raises(UsageError, match="4GB, 800MB or 2GiB"):
        parse_size(text)


def test_a_size_without_a_unit_that_no_run_could_keep_is_refused():
    with pytest.raises(UsageError, match=r"at least 100 MB of memory; got 4\. Write the unit"):
        parse_size("4")
    with pytest.raises(UsageError, match=r"at least 100 MB of memory; got 10MB\.$"):
        parse_size("10MB")


def test_the_tightest_control_group_counts_in_either_version(tmp_path: Path):
    own = tmp_path / "cgroup"
    own.write_text("0::/outer/inner\n")
    for place, limit, used in (("outer", "5000", "1000"), ("outer/inner", "max", "400")):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "memory.max").write_text(limit)
        (folder / "memory.current").write_text(used)
    (tmp_path / "outer" / "memory.stat").write_text("anon 5\ninactive_file 300\n")
    assert list(_group_rooms(tmp_path, own)) == [4300]
    own.write_text("7:cpu:/x\n8:memory:/job\n")
    job = tmp_path / "memory" / "job"
    job.mkdir(parents=True)
    (job / "memory.limit_in_bytes").write_text("900")
    (job / "memory.usage_in_bytes").write_text("100")
    assert list(_group_rooms(tmp_path, own)) == [800]


def test_this_machine_has_something_free():
    free = free_bytes()
    assert free is None or 10**6 < free < 2**50


def test_queues_are_bounded_in_bytes(info: VideoInfo):
    assert (gaps_waiting(info), frames_waiting(info), times_per_call(48, 64)) == (4, 8, 8)
    huge = sized(info, 7680, 4320)
    assert (gaps_waiting(huge), frames_waiting(huge), times_per_call(4320, 7680)) == (1, 1, 1)


def fitted(info: VideoInfo, limit: int | None, interpolator: object = None):
    encoding = resolve_encoding(info, Path("out.mp4"), EncodeOptions())
    return fit(interpolator or rife(), info, encoding, limit, held=held_bytes(info, 1, 1))  # type: ignore[arg-type]


@pytest.mark.parametrize(("multi", "frames"), [(2, 2), (3, 2), (5, 4), (9, 8), (20, 8)])
def test_the_estimate_counts_the_frames_of_one_call_of_the_method(info: VideoInfo, multi: int, frames: int):
    plan, least = (midframe.plan_video(info.path, "out.mp4", method="blend", multi=k) for k in (multi, 1))
    assert plan.memory is not None and least.memory is not None
    more = (frames - 2) * info.width * info.height * 12
    assert plan.memory_bytes - least.memory_bytes == more
    assert plan.memory.estimate_bytes - least.memory.estimate_bytes == more


def test_gaps_that_grow_by_copies_count_as_the_longest(info: VideoInfo):
    plan = midframe.plan_video(info.path, "out.mp4", method="blend", multi=2, dedupe=True)
    assert plan.memory_bytes == held_bytes(info, 1, times_per_call(info.height, info.width))


def test_sizes_are_said_in_one_way():
    assert [in_words(size) for size in (1_234_000_000, 45_600_000, 12_300)] == ["1.23 GB", "46 MB", "12 KB"]


def test_with_room_enough_whole_frames_are_worked_on(info: VideoInfo):
    _, _, plan = fitted(sized(info, 3840, 2160), 32 * GB)
    assert plan.size is not None and (plan.size.scale, plan.size.tile_pixels) == (1, None)
    assert not plan.notes


def test_less_memory_means_tiles_first_and_then_a_lower_scale_and_is_said(info: VideoInfo):
    large = sized(info, 3840, 2160)
    seen = []
    for limit in (8 * GB, 4 * GB, 3 * GB, 2 * GB):
        interpolator, _, plan = fitted(large, limit)
        assert plan.estimate_bytes <= limit
        assert plan.size is not None
        assert isinstance(interpolator, RifeInterpolator)
        assert (interpolator.scale, interpolator.tile_pixels) == (plan.size.scale, plan.size.tile_pixels)
        assert any("Too little memory" in note for note in plan.notes) == (limit < 8 * GB)
        seen.append((plan.size.scale, plan.size.tile_pixels is not None))
    assert seen[:2] == [(1, False), (1, True)]
    assert seen[-1][0] < 1
    assert [scale for scale, _ in seen] == sorted((scale for scale, _ in seen), reverse=True)


def test_a_scale_that_was_asked_for_is_kept(info: VideoInfo):
    _, _, plan = fitted(sized(info, 3840, 2160), 4 * GB, rife(Fraction(1)))
    assert plan.size is not None and plan.size.scale == 1
    with pytest.raises(UsageError, match=r"rife needs about .* GB for frames of 3840x2160; the bound is 2.00 GB"):
        fitted(sized(info, 3840, 2160), 2 * GB, rife(Fraction(1)))


def test_what_was_asked_of_the_encoder_is_kept(info: VideoInfo):
    large = sized(info, 3840, 2160)
    asked = resolve_encoding(large, Path("out.mp4"), EncodeOptions(encoder_options={"rc-lookahead": "40"}))
    _, encoding, _ = fit(rife(), large, asked, 7 * GB // 2, held=held_bytes(large, 1, 1))
    assert encoding.options["rc-lookahead"] == "40"


def test_a_method_without_a_choice_is_refused_in_a_sentence_where_it_does_not_fit(info: VideoInfo):
    assert fitted(sized(info, 1920, 1080), 3 * GB, BlendInterpolator())[2].size is None
    with pytest.raises(UsageError, match="blend needs about"):
        fitted(sized(info, 7680, 4320), 1 * GB, BlendInterpolator())


def test_an_impossible_bound_is_refused_before_the_target_is_touched(tmp_path: Path):
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    make_clip(source, textures(4))
    with pytest.raises(UsageError, match=r"about \d+ MB .* the bound is 100 MB"):
        midframe.interpolate_video(source, target, method="blend", memory="100MB")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mkv"]


class Greedy:
    """Runs out of memory until it works in its smallest size."""

    def __init__(self, error: BaseException, size: int = 0, calls: list[int] | None = None) -> None:
        self.error, self.size = error, size
        self.calls: list[int] = [] if calls is None else calls
        self.spec = MethodSpec(name="greedy")
        self.last = 2

    def interpolate(
        self, frames: Tensor, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ) -> Tensor:
        self.calls.append(self.size)
        if self.size < self.last:
            raise self.error
        return frames.mean(1, keepdim=True).expand(-1, len(times), -1, -1, -1)

    def sizes(self, height: int, width: int) -> Sequence[WorkSize]:
        return [WorkSize(scale=Fraction(1, 2**k), size_bytes=100 - k) for k in range(3)]

    def smaller(self, height: int, width: int) -> WorkSize | None:
        return self.sizes(height, width)[self.size + 1] if self.size < 2 else None

    def resized(self, size: WorkSize) -> Greedy:
        made = Greedy(self.error, size.scale.denominator.bit_length() - 1, self.calls)
        made.last = self.last
        return made


OUT = "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
PICTURES = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20)]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError(OUT),
        RuntimeError("not enough memory: you tried to allocate 9 bytes."),
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_running_out_of_memory_is_met_one_size_smaller_and_said(error: BaseException):
    method = Greedy(error)
    assert isinstance(method, Resizable)
    filler = GapFiller(method)
    (made,) = filler.fill(PICTURES, HALF)
    assert made.max() == made.min() == 15
    assert method.calls == [0, 1, 2]
    assert len(filler.notes) == 2 and "Memory ran out at 8x8" in filler.notes[0]
    list(filler.fill(PICTURES, HALF))
    assert method.calls == [0, 1, 2, 2]  # what was learned holds for the next gap


def test_retries_end_with_the_smallest_size():
    method = Greedy(MemoryError())
    method.last = 9
    with pytest.raises(UsageError, match="Memory ran out while greedy made a frame of 8x8"):
        list(GapFiller(method).fill(PICTURES, HALF))
    assert method.calls == [0, 1, 2]


def test_other_errors_of_a_method_are_not_taken_for_a_lack_of_memory():
    method = Greedy(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        list(GapFiller(method).fill(PICTURES, HALF))
    assert method.calls == [0]


def test_sizes_of_rife_fall_and_end():
    method: RifeInterpolator = rife()
    sizes = method.sizes(2160, 3840)
    assert all(later.size_bytes < earlier.size_bytes for earlier, later in itertools.pairwise(sizes))
    walked = []
    while (below := method.smaller(2160, 3840)) is not None:
        walked.append(below)
        method = method.resized(below)
    assert walked == list(sizes[1:])
