"""What a run shows of itself, on a terminal and elsewhere."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from midframe.cli import progress
from midframe.cli.progress import show_progress
from midframe.engine import Progress


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=120)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_terminal_shows_frames_speed_and_time_left() -> None:
    console = terminal()
    with show_progress(console) as report:
        report(Progress(30, 120, 12.5, 3725.0))
    for part in ("30/120", "12.5 frames/s", "1:02:05 left"):
        assert part in written(console)


def test_a_terminal_shows_an_unknown_total_without_a_time_left() -> None:
    console = terminal()
    with show_progress(console) as report:
        report(Progress(30, None, 12.5, None))
    assert "30/?" in written(console)
    assert "left" not in written(console)


def test_a_terminal_shows_no_bar_for_what_fails_at_once() -> None:
    console = terminal()
    with pytest.raises(ValueError, match="at once"), show_progress(console):
        raise ValueError("at once")
    assert "━" not in written(console)


def test_lines_come_once_a_second_and_with_the_last_frame(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 0.0, 0.5, 1.1, 1.1, 1.2, 1.2])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with show_progress(Console(file=io.StringIO(), force_terminal=False)) as report:
        for done in (1, 2, 3, 4):
            report(Progress(done, 4, 2.0, float(4 - done)))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frames_done"] for line in lines] == [1, 3, 4]
    assert lines[1] == {
        "event": "progress",
        "frames_done": 3,
        "frames_total": 4,
        "frames_per_second": 2.0,
        "seconds_left": 1.0,
    }
