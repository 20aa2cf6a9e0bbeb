"""A run that was stopped goes on where it was, and gives the same frames as one that was not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from blend import Blend
from clips import Recipe, flat, make_clip, packet_times, textures
from midframe.core.errors import WriteError
from midframe.core.timeline import Multiply, ToRate
from midframe.engine import run_video, segments
from midframe.engine.work_folder import WorkFolder, work_folder_of
from midframe.video import EncodeOptions, VideoReader, probe

FAST = EncodeOptions(preset="veryfast")  # with B-frames, unlike the fastest
SEGMENT_FRAMES = 6
PATIENCE_SECONDS = 120


class Stopped(Exception):
    """What stops a run in these tests."""


class StoppedAt(Blend):
    """Raises in one of its calls."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self._last = call

    def interpolate(self, frames, times, *, generator=None):
        if len(self.calls) == self._last:
            raise Stopped
        return super().interpolate(frames, times)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_FRAMES", SEGMENT_FRAMES)
    monkeypatch.setattr(segments, "FEWEST_FRAMES", SEGMENT_FRAMES)


def clip(folder: Path, name: str = "in.mp4", second: int = 9) -> Path:
    """Two scenes at a variable rate, with sound; frames of the second may be chosen."""
    frames = textures(11) + [255 - frame for frame in textures(second, seed=4)]
    times = [40 * k + 13 * (k % 3 == 1) for k in range(len(frames))]
    return make_clip(folder / name, frames, Recipe(times=times, time_base=Fraction(1, 1000), audio=0.8))


def shown(path: Path) -> list[tuple[Fraction, Fraction, bytes]]:
    return [(frame.time, frame.duration, frame.pixels.tobytes()) for frame in VideoReader(probe(path))]


def run(source: Path, target: Path, method: Blend | None = None, **options):
    return run_video(source, target, method or Blend(), Multiply(3), encode=FAST, **options)


def stop(source: Path, target: Path, call: int) -> int:
    """Run until the method's call of that number; returns how many segments are left behind."""
    with pytest.raises(Stopped):
        run(source, target, StoppedAt(call))
    assert not target.exists()
    return len(list(work_folder_of(target).glob("*.segment")))


@pytest.mark.parametrize("call", [6, 8, 11, 15])
def test_goes_on_behind_the_last_finished_segment(tmp_path: Path, call: int):
    source, whole, target = clip(tmp_path), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    undisturbed = run(source, whole)
    finished = stop(source, target, call)
    assert finished > 0
    method = Blend()
    result = run(source, target, method)
    assert result.resumed >= finished * SEGMENT_FRAMES / 2
    assert len(method.calls) <= undisturbed.made // 2 - (finished - 1) * SEGMENT_FRAMES // 3
    assert (result.frames_out, result.made, result.cut_times) == (
        undisturbed.frames_out,
        undisturbed.made,
        undisturbed.cut_times,
    )
    assert shown(target) == shown(whole)
    for stream in ("video", "audio"):
        assert packet_times(target, stream) == packet_times(whole, stream)
    assert not work_folder_of(target).exists()


def test_stopped_again_and_again(tmp_path: Path):
    # Long enough for three times six calls, and what the encoder finishes of the last of them.
    source, whole, target = clip(tmp_path, second=19), tmp_path / "whole.mkv", tmp_path / "out.mkv"
    run(source, whole)
    left = [stop(source, target, 6) for _ in range(3)]
    assert left == sorted(left)
    assert left[0] < left[-1]
    assert run(source, target).resumed
    assert shown(target) == shown(whole)


def test_a_damaged_segment_is_made_again(tmp_path: Path):
    source, whole, target = clip(tmp_path), tmp_path / "whole.mp4", tmp_path / "out.mp4"
    run(source, whole)
    assert stop(source, target, 10) >= 2
    first, second = sorted(work_folder_of(target).glob("*.segment"))[:2]
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:-9])
    run(source, target)
    assert shown(target) == shown(whole)


def test_other_options_do_not_mix_and_are_named(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    stop(source, target, 8)
    slower = EncodeOptions(preset="fast")
    with pytest.raises(WriteError, match=r"encoder options was .*veryfast.* is .*preset=fast.*--restart"):
        run_video(source, target, Blend(), Multiply(3), encode=slower)
    with pytest.raises(WriteError, match="rate was multi 3, is fps 50"):
        run_video(source, target, Blend(), ToRate(Fraction(50)), encode=FAST)
    with pytest.raises(WriteError, match="weights was not set, is mine"):
        run(source, target, made_with={"weights": "mine"})
    assert run_video(source, target, Blend(), Multiply(3), encode=slower, restart=True).resumed == 0


def test_a_changed_source_is_not_mixed_in(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    stop(source, target, 8)
    make_clip(source, textures(12, seed=9))
    with pytest.raises(WriteError, match="source was"):
        run(source, target)


def test_two_runs_do_not_write_one_output(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    refused: list[str] = []

    class Meddling(Blend):
        """Starts another run of the same from within."""

        def interpolate(self, frames, times, *, generator=None):
            if not refused:
                with pytest.raises(WriteError) as caught:
                    run(source, target)
                refused.append(str(caught.value))
            return super().interpolate(frames, times)

    run(source, target, Meddling())
    assert refused == [f"{target} is being written by another run of midframe."]
    assert len(shown(target)) == 58


def test_restart_begins_anew_with_equal_options_too(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    assert stop(source, target, 8) > 0
    assert run(source, target, restart=True).resumed == 0


def stopped_before_it_could_tidy_up(target: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run until the output has its name, and no further; returns the source."""
    source = clip(target.parent)
    with monkeypatch.context() as patch:
        patch.setattr(WorkFolder, "remove", stop_here)
        with pytest.raises(Stopped):
            run(source, target)
    assert target.exists()
    assert work_folder_of(target).exists()
    return source


def stop_here(folder: WorkFolder) -> None:
    raise Stopped


def test_a_run_stopped_before_it_could_tidy_up_ends_well_with_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "out.mp4"
    source = stopped_before_it_could_tidy_up(target, monkeypatch)
    before = shown(target)
    assert run(source, target).made > 0
    assert shown(target) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "out.mp4.midframe.jsonl"]


def test_stopped_again_before_the_joined_file_got_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "out.mp4"
    source = stopped_before_it_could_tidy_up(target, monkeypatch)
    with monkeypatch.context() as patch:
        expect = WorkFolder.expect
        patch.setattr(WorkFolder, "expect", lambda folder, output: (expect(folder, output), stop_here(folder)))
        with pytest.raises(Stopped):
            run(source, target)
    run(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "out.mp4.midframe.jsonl"]


def test_tidying_up_ends_with_what_says_that_the_output_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    removed: list[str] = []
    unlink = Path.unlink

    def noting(path: Path, missing_ok: bool = False) -> None:
        removed.append(path.name)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", noting)
    target = tmp_path / "out.mp4"
    run(clip(tmp_path), target)
    assert removed[-1] == "joined.json"
    assert not work_folder_of(target).exists()


def test_another_file_in_the_place_of_a_finished_output_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "out.mp4"
    source = stopped_before_it_could_tidy_up(target, monkeypatch)
    target.write_bytes(b"mine")
    with pytest.raises(WriteError, match="exists already"):
        run(source, target)
    assert target.read_bytes() == b"mine"
    with pytest.raises(WriteError, match="other options"):
        run_video(source, target, Blend(), Multiply(2), encode=FAST)
    assert target.read_bytes() == b"mine"


def test_what_a_killed_run_left_of_the_joined_file_is_removed(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    stop(source, target, 8)
    (work_folder_of(target) / "joining.partial").write_bytes(b"half of it")
    run(source, target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4", "out.mp4.midframe.jsonl"]


def test_a_run_that_finished_nothing_leaves_nothing(tmp_path: Path):
    source, target = clip(tmp_path), tmp_path / "out.mp4"
    assert stop(source, target, 0) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_what_cannot_be_written_is_said_before_the_first_frame(tmp_path: Path):
    source, method = clip(tmp_path), Blend()
    with pytest.raises(WriteError):
        run_video(
            source,
            tmp_path / "out.mp4",
            method,
            Multiply(3),
            encode=EncodeOptions(encoder_options={"x264-params": "no-such-parameter=1:level=banana"}),
        )
    assert not method.calls


SLOW = pytest.mark.slow


@pytest.mark.parametrize("segments_there", [pytest.param(1, marks=SLOW), 3, pytest.param(6, marks=SLOW)])
def test_goes_on_after_sigkill(tmp_path: Path, segments_there: int):
    """The real thing: a process of its own, killed while it works."""
    source, whole, target = tmp_path / "in put.mp4", tmp_path / "whole.mp4", tmp_path / "out [1].mp4"
    make_clip(source, textures(160) + flat(90, 40) + textures(160, seed=2), Recipe(rate=Fraction(25), audio=14))
    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(source)]
    options = ["--method", "blend", "--multi", "5", "--preset", "ultrafast"]
    subprocess.run([*command, str(whole), *options], check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    process = subprocess.Popen([*command, str(target), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(list(work_folder_of(target).glob("*.segment"))) < segments_there and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    if process.returncode == -signal.SIGKILL:
        assert not target.exists()
    done = subprocess.run(
        [*command, str(target), *options, "--overwrite"],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    if process.returncode == -signal.SIGKILL:
        assert '"frames_resumed": 0' not in done.stdout
    assert shown(target) == shown(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "in put.mp4",
        "out [1].mp4",
        "out [1].mp4.midframe.jsonl",
        "whole.mp4",
        "whole.mp4.midframe.jsonl",
    ]


def command_line(source: Path, target: Path) -> list[str]:
    """A run of `midframe` that takes a few seconds."""
    return [
        *(sys.executable, "-m", "midframe.cli", "interpolate", str(source), str(target)),
        *("--method", "blend", "--multi", "5", "--preset", "ultrafast"),
    ]


def test_goes_on_after_sigterm_and_says_so(tmp_path: Path):
    source, whole, target = tmp_path / "in.mp4", tmp_path / "whole.mp4", tmp_path / "out.mp4"
    make_clip(source, textures(400), Recipe(rate=Fraction(25)))
    subprocess.run(command_line(source, whole), check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    process = subprocess.Popen(
        command_line(source, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not list(work_folder_of(target).glob("*.segment")):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.terminate()
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 143
    assert "the same command goes on from there" in said
    assert not target.exists()
    other = [*command_line(source, target), "--codec", "h265"]
    refused = subprocess.run(other, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert refused.returncode == 1
    assert "other options" in refused.stderr
    assert "goes on" not in refused.stderr, "said of the very command that was refused"
    subprocess.run(command_line(source, target), check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    assert shown(target) == shown(whole)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 600 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_goes_on_after_a_full_disk(tmp_path: Path, small_disk: Path):
    source, whole, target = tmp_path / "in.mp4", tmp_path / "whole.mp4", small_disk / "out.mp4"
    make_clip(source, textures(400), Recipe(rate=Fraction(25)))
    subprocess.run(command_line(source, whole), check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    filler = small_disk / "filler"
    filler.write_bytes(bytes(600_000 - whole.stat().st_size // 2))
    failed = subprocess.run(
        command_line(source, target), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert failed.returncode == 1
    assert "No space left on device" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not target.exists()
    left = len(list(work_folder_of(target).glob("*.segment")))
    assert left > 0
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    done = subprocess.run(
        command_line(source, target), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert '"frames_resumed": 0' not in done.stdout
    assert shown(target) == shown(whole)
