"""Lists of cuts: what is read from each kind of file, what is refused, and which frame a place means."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scenedetect import FrameTimecode
from scenedetect.output import write_scene_list, write_scene_list_edl

from midframe.core.errors import MediaError, UsageError
from midframe.video import CutList, TimedFrame, mark_listed_cuts, read_cut_list

FILM, NTSC = Fraction(24000, 1001), Fraction(30000, 1001)


def written(folder: Path, text: str, name: str = "cuts.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def opened(places: tuple[Fraction | int, ...], rate: Fraction = FILM, count: int = 24) -> list[int]:
    pixels = np.zeros((2, 2, 3), np.uint8)
    frames = [TimedFrame(k, k / rate, 1 / rate, pixels, k == count - 1) for k in range(count)]
    return [frame.index for frame, opens in mark_listed_cuts(frames, CutList("cuts.txt", places)) if opens]


def test_lines_are_times_or_frame_numbers(tmp_path: Path) -> None:
    text = "\ufeff# found by hand\n83.5\n1:23.5\n\n0:01:24.250  # night falls\n#yes\n#2004\n 2:00:00 \n#2004\n"
    places = (Fraction("83.5"), Fraction("84.25"), 2004, Fraction(7200))
    assert read_cut_list(written(tmp_path, text), FILM) == CutList("cuts.txt", places)


def test_a_list_without_cuts_is_one_long_scene(tmp_path: Path) -> None:
    assert read_cut_list(written(tmp_path, "# none\n"), FILM).places == ()


@pytest.mark.parametrize("first_row", [True, False])
def test_scenes_of_pyscenedetect_open_with_cuts(tmp_path: Path, first_row: bool) -> None:
    edges = [FrameTimecode(k, 24.0) for k in (0, 11, 30, 48)]
    path = tmp_path / "scenes.csv"
    write_scene_list(path, list(pairwise(edges)), include_cut_list=first_row)
    assert read_cut_list(path, Fraction(24)).places == (0, 11, 30)


def test_a_table_of_seconds_alone_will_do(tmp_path: Path) -> None:
    path = written(tmp_path, "Scene Number, Start Time (seconds)\n1, 0.000\n2, 0.458\n", "scenes.csv")
    assert read_cut_list(path, FILM).places == (0, Fraction("0.458"))


def test_an_edl_of_another_program_is_read(tmp_path: Path) -> None:
    edges = [FrameTimecode(k, 24.0) for k in (0, 11, 30, 48)]
    path = tmp_path / "scenes.edl"
    write_scene_list_edl(path, list(pairwise(edges)), title="test", reel="AX")
    assert read_cut_list(path, Fraction(24)).places == (0, 11, 30)


def test_dissolves_and_sound_in_an_edl_are_no_cuts(tmp_path: Path) -> None:
    text = """TITLE: CUT 7
FCM: NON-DROP FRAME

001  AX       V     C        00:00:10:00 00:00:11:00 01:00:00:00 01:00:01:00
002  BX       V     C        00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00
* FROM CLIP NAME: NIGHT
003  BX       V     C        00:00:01:00 00:00:01:00 01:00:02:00 01:00:02:00
003  CX       V     D    012 00:00:00:00 00:00:01:00 01:00:02:00 01:00:03:00
004  CX       A     C        00:00:00:00 00:00:01:00 01:00:02:12 01:00:03:00
005  DX       AA/V  C        00:00:00:00 00:00:01:00 01:00:03:06 01:00:04:00
"""
    assert read_cut_list(written(tmp_path, text, "cuts.edl"), Fraction(25)).places == (0, 25, 81)


def test_drop_frame_time_code_leaves_numbers_out_and_no_frames(tmp_path: Path) -> None:
    text = """TITLE: CUT
FCM: DROP FRAME
001  AX  V  C  00:00:00;00 00:01:00;02 00:00:00;00 00:01:00;02
002  AX  V  C  00:01:00;02 00:10:00;00 00:01:00;02 00:10:00;00
003  AX  V  C  00:10:00;00 00:20:00;00 00:10:00;00 00:20:00;00
"""
    assert read_cut_list(written(tmp_path, text), NTSC).places == (0, 1800, 17982)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("cuts.txt", "1.5\nsoon\n", "line 2: a cut is a time such as 83.5 .*got 'soon'"),
        ("cuts.txt", "-3\n", "line 1: a cut is a time"),
        ("cuts.txt", "1.5 2.5\n", "line 1: a cut is a time"),
        ("scenes.csv", "Scene Number,Start Frame\n1,1\n2,later\n", "scene 2: neither 'Start Frame' nor"),
        ("scenes.csv", "Scene Number,Start Frame\n1,-4\n", "scene 1: neither 'Start Frame' nor"),
        ("cuts.edl", "TITLE: NOTHING\n", "an EDL without a picture event"),
        ("cuts.edl", "001 AX V C 1 2 3 4\n", "line 1: an event ends in two time codes"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_with_the_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        read_cut_list(written(tmp_path, text, name), FILM)


def test_a_video_as_a_list_of_cuts_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(MediaError, match="cannot be read as a list of cuts"):
        read_cut_list(path, FILM)


def test_time_code_needs_a_rate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not state its rate"):
        read_cut_list(written(tmp_path, "TITLE: X\n"), None)


def test_a_time_means_the_frame_that_starts_nearest_to_it() -> None:
    assert opened(tuple(Fraction(round(1000 * k / FILM), 1000) for k in (3, 10, 23))) == [3, 10, 23]
    assert opened((5 / FILM + Fraction(2, 5) / FILM, 8 / FILM - Fraction(2, 5) / FILM)) == [5, 8]


def test_the_start_of_the_video_is_no_cut() -> None:
    assert opened((0, Fraction(0), Fraction(1, 100), 7)) == [7]


@pytest.mark.parametrize(
    ("place", "message"),
    [(24, r"cut at frame 24, and the video has 24 frames"), (Fraction(3), r"cut at 3.000 s, and .* ends at 1.001 s")],
)
def test_a_list_of_another_video_is_refused(place: Fraction | int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CutList("cuts.txt", (place,)).check([k / FILM for k in range(24)], 24 / FILM)


def test_numbers_become_the_times_of_their_frames():
    times = [Fraction(k, 25) for k in range(5)]
    cuts = CutList("cuts.txt", (2, Fraction(1, 25), 9))
    assert cuts.timed(times).places == (times[2], Fraction(1, 25))
    assert cuts.timed(None) is cuts
