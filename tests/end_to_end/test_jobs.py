"""A run shared by several processes gives what one process gives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

import midframe
from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe.backends.local import LocalExecutor
from midframe.core.errors import MediaError, UsageError
from midframe.core.method import AnyTime, MethodSpec
from midframe.engine import Progress, segments
from midframe.engine.shares import SharedSegments
from midframe.engine.work_folder import work_folder_of
from midframe.video import EncodeOptions, VideoReader, probe

FAST = EncodeOptions(preset="veryfast")
PATIENCE_SECONDS = 120


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_FRAMES", 6)
    monkeypatch.setattr(segments, "FEWEST_FRAMES", 6)


def clip(folder: Path, frames: int = 24) -> Path:
    """Two scenes at a variable rate, with sound."""
    pictures = textures(frames // 2) + [255 - frame for frame in textures(frames // 2, seed=4)]
    times = [40 * k + 13 * (k % 3 == 1) for k in range(len(pictures))]
    recipe = Recipe(times=times, time_base=Fraction(1, 1000), audio=frames * 0.04)
    return make_clip(folder / "in.mp4", pictures, recipe)


def shown(path: Path) -> list[tuple[Fraction, Fraction, bytes]]:
    return [(frame.time, frame.duration, frame.pixels.tobytes()) for frame in VideoReader(probe(path))]


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in Path(f"{path}.midframe.jsonl").read_text().splitlines()]


def run(source: Path, target: Path, **options):
    return midframe.interpolate_video(source, target, multi=3, encode=FAST, **{"method": "blend"} | options)


@pytest.mark.parametrize("jobs", [2, 3])
def test_several_jobs_give_the_frames_of_one(tmp_path: Path, jobs: int):
    source, one, several = clip(tmp_path), tmp_path / "one.mp4", tmp_path / "several.mp4"
    alone = run(source, one)
    seen = []
    together = run(source, several, executor=LocalExecutor(jobs), progress=seen.append)
    assert shown(several) == shown(one)
    for stream in ("video", "audio"):
        assert packet_times(several, stream) == packet_times(one, stream)
    assert (together.frames_out, together.made, together.kept, together.cut_times, together.duration) == (
        alone.frames_out,
        alone.made,
        alone.kept,
        alone.cut_times,
        alone.duration,
    )
    assert seen[-1].frames_done == seen[-1].frames_total == together.frames_out
    assert lines(several)[1:] == lines(one)[1:]
    assert not work_folder_of(several).exists()


def test_each_segment_has_one_maker(tmp_path: Path):
    store = SharedSegments(tmp_path, frozenset({1}))
    assert [store.claim(number) for number in (0, 1, 2, 0, 2)] == [True, False, True, False, False]


def test_a_killed_run_of_several_jobs_goes_on_in_one(tmp_path: Path):
    source, whole, target = clip(tmp_path, 600), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), str(target)]
    command += ["--method", "blend", "--multi", "3", "--preset", "veryfast"]
    process = subprocess.Popen([*command, "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    limit = time.monotonic() + PATIENCE_SECONDS
    while not any(work_folder_of(target).glob("*.segment")) and process.poll() is None:
        assert time.monotonic() < limit
        time.sleep(0.005)
    process.kill()
    process.communicate()
    if process.returncode == -signal.SIGKILL:
        assert not target.exists()
    subprocess.run([*command, "--overwrite"], check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    subprocess.run([*command[:5], str(whole), *command[6:]], check=True, capture_output=True)
    assert shown(target) == shown(whole)


def test_the_last_report_of_a_resumed_team_does_not_count_what_was_found_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source, target = clip(tmp_path), tmp_path / "out.mp4"

    def stop(progress: Progress) -> None:
        if progress.frames_done > 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, target, progress=stop)
    told: list[tuple] = []
    after = Progress.after
    monkeypatch.setattr(Progress, "after", lambda *values: told.append(values) or after(*values))
    result = run(source, target, executor=LocalExecutor(2), progress=lambda progress: None)
    assert result.resumed > 0
    assert told[-1][1:] == (result.frames_out, result.resumed, result.frames_out)


def test_what_one_job_refuses_several_refuse(tmp_path: Path):
    source = clip(tmp_path)
    source.write_bytes(source.read_bytes()[:-4000])
    with pytest.raises(MediaError, match=r"in\.mp4"):
        run(source, tmp_path / "out.mp4", executor=LocalExecutor(2))
    assert not (tmp_path / "out.mp4").exists()


def test_only_a_method_that_can_be_made_again_is_shared(tmp_path: Path):
    source = clip(tmp_path)
    with pytest.raises(UsageError, match="name a method"):
        run(source, tmp_path / "out.mp4", method=Blend(), executor=LocalExecutor(2))
    with pytest.raises(UsageError, match="one job"):
        run(source, tmp_path / "out.mp4", confidence=tmp_path / "map.mkv", executor=LocalExecutor(2))


def test_the_sidecar_tells_of_every_new_frame(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    result = run(source, target)
    assert result.sidecar == tmp_path / "out.mp4.midframe.jsonl"
    run_line, *frames = lines(target)
    assert run_line["target"] == "out.mp4"
    assert run_line["method"] == "blend"
    assert run_line["weights"] == "none"
    assert str(source) in run_line["source"]
    assert run_line["frames_made"] == len(frames) == result.made
    assert run_line["cut_seconds"] == ["12/25"]
    times = [time for time, _, _ in shown(target)]
    for line in frames:
        assert times[line["frame"]] == Fraction(line["seconds"])
        assert line["place"] in ("1/3", "2/3")
    # No gap of the source is missing but the one before the cut and the one behind the last frame.
    assert {line["after"] for line in frames} == set(range(24)) - {11, 23}


def test_the_place_is_where_the_method_put_the_frame(tmp_path: Path):
    class Quarters(Blend):
        spec = MethodSpec(name="quarters", times=AnyTime())

        def __init__(self) -> None:
            super().__init__()
            self.spec = MethodSpec(name="quarters", times=midframe.core.method.Grid(4))

    target = tmp_path / "out.mp4"
    midframe.interpolate_video(clip(tmp_path), target, method=Quarters(), multi=3, encode=FAST)
    assert {line["place"] for line in lines(target)[1:]} == {"1/4", "3/4"}


def test_no_sidecar_where_none_is_wanted(tmp_path: Path):
    assert run(clip(tmp_path), tmp_path / "out.mp4", sidecar=False).sidecar is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_the_sidecar_of_an_output_that_is_replaced_goes_with_it(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    run(source, target)
    run(source, target, sidecar=False, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_source_frames_in_the_place_of_new_ones_are_not_called_new(tmp_path: Path):
    class Eighths(Blend):
        def __init__(self) -> None:
            super().__init__()
            self.spec = MethodSpec(name="eighths", times=midframe.core.method.Grid(8))

    target = tmp_path / "out.mp4"
    result = midframe.interpolate_video(clip(tmp_path), target, method=Eighths(), multi=20, encode=FAST)
    places = [Fraction(line["place"]) for line in lines(target)[1:]]
    assert len(places) == result.made
    assert all(0 < place < 1 for place in places)


def test_an_error_of_any_kind_comes_back_from_a_worker():
    import pickle

    from midframe.core.errors import MissingExtraError, UnknownNameError

    for error in (MissingExtraError("This", "that", "extra"), UnknownNameError("method", "a", ["b"])):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))
