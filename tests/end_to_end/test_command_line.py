"""The command line as a person meets it: files in, files out, and one sentence where something is wrong."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from clips import Recipe, flat, make_clip, make_sound, packet_times, textures
from midframe import cli
from midframe.cli.app import app
from midframe.core.errors import MidframeError
from midframe.methods.svmv.weights_file import build_network, save_network
from midframe.video.picture import read_picture, write_pictures
from small_svmv import SMALL_SVMV

BLEND = ("--method", "blend")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", textures(12), Recipe(rate=Fraction(12), audio=1))


def run(*arguments: str | Path) -> Result:
    """A command in this process; errors of midframe pass through."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    line = [sys.executable, "-m", "midframe.cli", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def events(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("wish", "times"),
    [
        (("--fps", "60"), [Fraction(k, 60) for k in range(60)]),
        (("--multi", "3"), [Fraction(k, 36) for k in range(34)]),
        ((), [Fraction(k, 24) for k in range(23)]),
        (("--vfr",), [Fraction(k, 24) for k in range(23)]),
        (("--slow", "2"), [Fraction(k, 12) for k in range(24)]),
    ],
)
def test_interpolate_shows_a_frame_at_every_instant_asked_for(
    wish: tuple[str, ...], times: list[Fraction], clip: Path, tmp_path: Path
) -> None:
    result = run("interpolate", clip, tmp_path / "out.mp4", *wish, *BLEND)
    assert result.exit_code == 0
    assert packet_times(tmp_path / "out.mp4", "video") == times


def test_progress_and_result_are_json_lines_away_from_a_terminal(clip: Path, tmp_path: Path) -> None:
    lines = events(run("interpolate", clip, tmp_path / "out.mp4", *BLEND).stdout)
    *before, last = lines
    assert {line["event"] for line in before} == {"progress"}
    assert (before[-1]["frames_done"], before[-1]["frames_total"]) == (23, 23)
    assert last["event"] == "done"
    assert (last["frames_in"], last["frames_out"], last["frames_made"], last["frames_kept"]) == (
        12,
        23,
        11,
        12,
    )
    assert last["target"] == str(tmp_path / "out.mp4")


def test_cuts_are_held_unless_switched_off(tmp_path: Path) -> None:
    scenes = [*textures(8), *textures(8, seed=1, brightness=90)]
    source = make_clip(tmp_path / "cut.mp4", scenes)
    with_cuts = events(run("interpolate", source, tmp_path / "a.mp4", *BLEND).stdout)[-1]
    without = events(run("interpolate", source, tmp_path / "b.mp4", "--cuts", "off", *BLEND).stdout)[-1]
    assert with_cuts["cut_seconds"] == [pytest.approx(8 / 24)]
    assert with_cuts["frames_held"] == 1
    assert without["cut_seconds"] == []
    assert without["frames_held"] == 0


def test_output_options_reach_the_encoder(clip: Path, tmp_path: Path) -> None:
    rough, fine = tmp_path / "rough.mp4", tmp_path / "fine.mp4"
    encoder = ("--codec", "libx264", "--preset", "ultrafast", "--pixel-format", "yuv444p")
    for path, quality in ((rough, "45"), (fine, "5")):
        run("interpolate", clip, path, "--quality", quality, "--encoder-option", "g=1", *encoder, *BLEND)
    assert rough.stat().st_size < fine.stat().st_size
    assert "yuv444p" in run("plan", fine, *BLEND).stdout


def test_plan_prints_what_interpolate_would_do_and_writes_nothing(clip: Path, tmp_path: Path) -> None:
    result = run("plan", clip, "--fps", "60", *BLEND)
    assert "12 in, 60 out" in result.stdout
    assert "blend" in result.stdout
    assert "aac" in result.stdout
    assert list(tmp_path.iterdir()) == [clip]


def test_a_plan_without_a_target_needs_no_writable_name(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    (tmp_path / "clip-midframe.mp4").write_text("of an earlier run")
    assert "12 in, 23 out" in run("plan", clip, *BLEND).stdout
    other = make_clip(tmp_path / "clip.avi", textures(12), Recipe(codec="mpeg4", options={}))
    assert "clip-midframe.mkv" in run("plan", other, *BLEND).stdout
    with pytest.raises(MidframeError, match="names no container"):
        run("plan", other, tmp_path / "out.avi", *BLEND)


def test_brackets_in_a_name_are_printed(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    source = clip.rename(tmp_path / "clip [1080p] [red].mp4")
    assert str(source) in run("plan", source, *BLEND).stdout


def test_frames_writes_a_picture_for_each_time(tmp_path: Path) -> None:
    before, after = write_pictures(tmp_path, [flat(40, 1)[0], flat(80, 1)[0]])
    result = run("frames", before, after, tmp_path / "out", "--times", "1/4, 1/2, 3/4", *BLEND)
    assert result.stdout.split()[::2] == ["1/4", "1/2", "3/4"]
    written = [read_picture(Path(path)) for path in result.stdout.split()[1::2]]
    for picture, level in zip(written, (50, 60, 70), strict=True):
        np.testing.assert_array_equal(picture, flat(level, 1)[0])


def test_a_name_with_a_colon_is_a_file_name(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip.rename("Movie: part.mp4")
    run("interpolate", "Movie: part.mp4", "file: out.mp4", *BLEND)
    assert len(packet_times(tmp_path / "file: out.mp4", "video")) == 23
    assert packet_times(tmp_path / "file: out.mp4", "audio")


def test_a_method_says_how_sure_it_was_in_a_map_and_a_table_beside_the_video(clip: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "svmv.safetensors"
    save_network(SMALL_SVMV, build_network(SMALL_SVMV).state_dict(), weights, torch.float32)
    svmv = ("--method", "svmv", "--weights", weights, "--precision", "fp32", "--confidence", tmp_path / "map.mkv")
    assert run("interpolate", clip, tmp_path / "out.mp4", *svmv).exit_code == 0
    assert len(packet_times(tmp_path / "map.mkv", "video")) == len(packet_times(tmp_path / "out.mp4", "video")) == 23
    kinds = [line.split(",")[2] for line in (tmp_path / "map.csv").read_text().splitlines()[1:]]
    assert kinds == ["source", "made"] * 11 + ["source"]


def test_methods_lists_every_method_and_the_state_of_its_weights() -> None:
    lines = run("methods").stdout.splitlines()
    for name in ("rife", "svmv", "blend", "nearest", "classical", "minterpolate"):
        assert [line for line in lines if line.split()[:1] == [name]], name


def test_doctor_finds_this_installation_whole() -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert "BROKEN" not in result.stdout
    for part in ("python", "torch", "threads", "bf16", "CUDA", "PyAV", "libx264", "weights"):
        assert part in result.stdout


def test_doctor_fails_where_shipped_weights_are_damaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from midframe import weights

    said = dict.fromkeys(("data", "hardware", "steps", "recipe", "score"), "none")
    row = weights.ShippedWeights(file="gone", sha256="0", licence="MIT", **said)
    monkeypatch.setattr(weights, "catalogue", lambda: {"rife": row})
    result = run("doctor")
    assert result.exit_code == 1
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{clip}", "{out}", "--fps", "0"), "A frame rate lies above 0"),
        (("{clip}", "{out}", "--fps", "fast"), "A frame rate is a number"),
        (("{clip}", "{out}", "--multi", "0"), "multiplied by 1 or more"),
        (("{clip}", "{out}", "--multi", "2", "--fps", "60"), "goes with neither fps nor slow"),
        (("{clip}", "{out}", "--encoder-option", "crf"), "KEY=VALUE"),
        (("{clip}", "{out}", "--codec", "nothing"), "no encoder 'nothing'"),
        (("{clip}", "{clip}"), "is the source itself"),
        (("{clip}", "{folder}/none/out.mp4"), "there is no folder"),
        (("{clip}", "{folder}/out.words"), "names no container"),
        (("{folder}/gone.mp4", "{out}"), "does not exist"),
        (("{folder}", "{out}"), "There are no pictures in"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_and_leaves_no_file(
    arguments: tuple[str, ...], message: str, clip: Path, tmp_path: Path
) -> None:
    places = {"clip": clip, "out": tmp_path / "out.mp4", "folder": tmp_path}
    with pytest.raises(MidframeError, match=message):
        run("interpolate", *(argument.format(**places) for argument in arguments), *BLEND)
    assert list(tmp_path.iterdir()) == [clip]


def bad_inputs(folder: Path) -> dict[str, Path]:
    (folder / "empty.mp4").touch()
    (folder / "words.mp4").write_text("not a video" * 100)
    make_sound(folder / "sound.mp4")
    whole = make_clip(folder / "whole.mkv", textures(48), Recipe(options={"qp": "10"}))
    (folder / "truncated.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    names = ("missing.mp4", "empty.mp4", "words.mp4", "sound.mp4", "truncated.mkv")
    return {name.split(".")[0]: folder / name for name in names}


def test_bad_input_gets_one_sentence_and_a_failing_exit_code(tmp_path: Path) -> None:
    for kind, path in bad_inputs(tmp_path).items():
        finished = command("interpolate", path, tmp_path / "out.mp4", *BLEND)
        assert finished.returncode == 1, kind
        assert finished.stderr.startswith("midframe: "), kind
        assert len(finished.stderr.splitlines()) == 1, kind
        assert path.name in finished.stderr, kind
        assert not (tmp_path / "out.mp4").exists(), kind


def test_a_misused_command_exits_with_2(clip: Path, tmp_path: Path) -> None:
    unknown = command("interpolate", clip, tmp_path / "out.mp4", "--method", "blnd")
    assert unknown.returncode == 2
    assert unknown.stderr == (
        "midframe: There is no method 'blnd'. Did you mean 'blend'? "
        "Known: blend, classical, inbetween, inbetween-small, madiff, minterpolate, mivid, nearest, rife, svmv.\n"
    )
    assert command("interpolate", clip).returncode == 2
    assert "Traceback" not in command("interpolate", clip, "--nonsense").stderr


@pytest.mark.parametrize(
    ("sent", "code", "said"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stopped_run_leaves_no_file_and_says_so(sent: signal.Signals, code: int, said: str, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "clip.mp4", textures(200))
    line = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), str(tmp_path / "out.mp4")]
    # A shell starts its background jobs, and so these tests in one, with Ctrl-C ignored; a child would inherit that.
    # A part ends with its gap, and a finished one is kept: one of so many frames takes twenty seconds.
    process = subprocess.Popen(
        [*line, "--multi", "20000", *BLEND],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    begun, started = tmp_path / ".out.mp4.midframe" / "000000.partial", time.monotonic()
    while not begun.exists():
        assert process.poll() is None
        if time.monotonic() - started > 60:
            process.kill()  # Left alone it would go on for hours.
            pytest.fail("no part was begun within a minute")
        time.sleep(0.01)
    process.send_signal(sent)
    started = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert errors == f"midframe: {said}.\n"
    assert time.monotonic() - started < 60
    assert list(tmp_path.iterdir()) == [source]


def test_a_helper_that_was_forked_leaves_ctrl_c_to_the_program() -> None:
    """PyTorch's workers know it as an exception of this name, and take an exit for a crash."""
    results = multiprocessing.get_context("fork").SimpleQueue()
    helper = multiprocessing.get_context("fork").Process(target=interrupted, args=(results,))
    helper.start()
    helper.join(timeout=60)
    assert results.get() == "KeyboardInterrupt"
    with pytest.raises(SystemExit) as stopped:
        cli._stop(signal.SIGINT, None)
    assert stopped.value.code == 130


def interrupted(results: SimpleQueue) -> None:
    try:
        cli._stop(signal.SIGINT, None)
    except BaseException as error:
        results.put(type(error).__name__)


def test_version_is_printed() -> None:
    import midframe

    assert run("--version").stdout.strip() == midframe.__version__


@pytest.mark.parametrize(
    ("given", "spins", "policy"),
    [
        ({}, "1000", None),
        ({"GOMP_SPINCOUNT": "5"}, "5", None),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None, "ACTIVE"),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, None, "PASSIVE"),
    ],
)
def test_threads_do_not_spin_for_long_unless_they_are_told_to(
    given: dict[str, str], spins: str | None, policy: str | None
):
    """Otherwise a frame takes far longer where another process has a core (`examples/waiting_threads.py`)."""
    script = (
        "import os, sys\n"
        "from midframe.cli import main\n"
        "assert 'torch' not in sys.modules  # which reads it when it is loaded\n"
        "sys.argv = ['midframe', 'methods']\n"
        "try: main()\n"
        "finally: print('found', os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))\n"
    )
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in names} | given
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.stdout.splitlines()[-1] == f"found {spins} {policy}", done.stderr
