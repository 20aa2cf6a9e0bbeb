"""Lists of cuts that a person or another program made: read, checked against a video, marked in its frames."""

from __future__ import annotations

import csv
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from midframe.core.errors import MediaError, UsageError
from midframe.video.read import TimedFrame

LARGEST_BYTES = 10_000_000
TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")
TIMECODE = re.compile(r"(\d\d):(\d\d):(\d\d)([:;])(\d\d+)")
PICTURE_TRACK = re.compile(r"V\d*|AA?/V|B")
FRAME_COLUMN, SECONDS_COLUMN = "Start Frame", "Start Time (seconds)"


@dataclass(frozen=True)
class CutList:
    """Where scenes open.

    Attributes:
        name: Of the file.
        places: Seconds since the first frame (fractions), or numbers of frames from 0 (integers), as in the file.
    """

    name: str
    places: tuple[Fraction | int, ...]

    def __str__(self) -> str:
        digest = sha256(repr(self.places).encode()).hexdigest()
        return f"{len(self.places)} places, SHA-256 {digest[:16]}"

    def check(self, times: Sequence[Fraction], end: Fraction) -> None:
        """Refuse a list that belongs to another video.

        Args:
            times: Of all frames, in seconds since the first.
            end: When the last of them ends.

        Raises:
            UsageError: A place behind the end of the video.
        """
        for place in self.places:
            if isinstance(place, int) and place >= len(times):
                raise UsageError(
                    f"{self.name} lists a cut at frame {place}, and the video has {len(times)} frames, from 0 on: "
                    "is it the list of another video?"
                )
            if isinstance(place, Fraction) and place > end:
                raise UsageError(
                    f"{self.name} lists a cut at {float(place):.3f} s, and the video ends at {float(end):.3f} s: "
                    "is it the list of another video?"
                )

    def timed(self, times: Sequence[Fraction] | None) -> CutList:
        """The list by times alone; as it is where the times of the frames are unknown.

        Args:
            times: Of all frames that the source holds, in seconds since the first.
        """
        if times is None:
            return self
        known = (place for place in self.places if isinstance(place, Fraction) or place < len(times))
        moments = (times[place] if isinstance(place, int) else place for place in known)
        return CutList(self.name, tuple(dict.fromkeys(moments)))

    def sentence(self, most: int = 8) -> str:
        """The list for a person."""
        shown = [f"frame {place}" if isinstance(place, int) else f"{float(place):.3f} s" for place in self.places]
        more = f" and {len(shown) - most} more" if len(shown) > most else ""
        return f"{len(shown)} listed in {self.name}: {', '.join(shown[:most]) or 'none'}{more}"


def read_cut_list(path: Path, rate: Fraction | None) -> CutList:
    """Read lines of times or frame numbers, PySceneDetect's list of scenes (CSV), or an edit decision list.

    * Lines: `83.5`, `1:23.5`, `0:01:23.500` (time since the first frame) or `#2004` (number of a frame, from 0).
      Empty lines, and what follows a `#` without a number behind it, do not count.
    * PySceneDetect: the column of start frames, else that of start seconds. Each scene opens with a cut.
    * EDL (CMX 3600): where the pictures of an event come in on the record side, counted from the first event; in time
      code of the video's own rate. Dissolves and wipes are no cuts.

    Args:
        path: The file.
        rate: Frames per second of the video, for the time code of an EDL.

    Raises:
        MediaError: The file is missing or no text.
        UsageError: A line that is none of these; or an EDL for a video of unknown rate.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise MediaError(f"{path} is too large for a list of cuts.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MediaError(f"{path} cannot be read as a list of cuts: {error}.") from error
    table = next((k for k, line in enumerate(lines[:2]) if {FRAME_COLUMN, SECONDS_COLUMN} & _cells(line)), None)
    if table is not None:
        places = _of_table(path, lines[table:])
    elif path.suffix.lower() == ".edl" or any(line.startswith(("TITLE:", "FCM:")) for line in lines[:5]):
        places = _of_edl(path, lines, rate)
    else:
        places = _of_lines(path, lines)
    return CutList(path.name, tuple(dict.fromkeys(places)))


def mark_listed_cuts(frames: Iterable[TimedFrame], cuts: CutList) -> Iterator[tuple[TimedFrame, bool]]:
    """Say of each frame whether a listed cut opens it; the first frame of all is never opened.

    A time stands for the frame whose start is nearest to it: lists round times. Where that frame was taken out of the
    time base as a copy, the next drawing is meant. Memory: one frame.
    """
    numbers = sorted(place for place in cuts.places if isinstance(place, int))
    moments = sorted(place for place in cuts.places if isinstance(place, Fraction))
    passed = 0
    for frame in frames:
        shown = frame.copies[0] - frame.time if frame.copies else frame.duration
        now = bisect_right(moments, frame.time + shown / 2) + bisect_right(numbers, frame.index)
        yield frame, frame.index > 0 and now > passed
        passed = now


def _cells(line: str) -> set[str]:
    return {cell.strip() for cell in line.split(",")}


def _of_lines(path: Path, lines: Iterable[str]) -> Iterator[Fraction | int]:
    for number, line in enumerate(lines, start=1):
        text = re.sub(r"#(?!\d).*", "", line).strip()
        if re.fullmatch(r"#\d+", text):
            yield int(text[1:])
        elif found := TIME.fullmatch(text):
            yield int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 + Fraction(found[3])
        elif text:
            raise UsageError(
                f"{path}, line {number}: a cut is a time such as 83.5 or 0:01:23.500, or a frame such as #2004; "
                f"got '{text[:40]}'."
            )


def _of_table(path: Path, lines: Sequence[str]) -> Iterator[Fraction | int]:
    for number, row in enumerate(csv.DictReader(lines, skipinitialspace=True), start=1):
        try:
            if row.get(FRAME_COLUMN):
                yield _not_negative(int(row[FRAME_COLUMN]) - 1)  # counted from 1
            else:
                yield _not_negative(Fraction(row[SECONDS_COLUMN]))
        except (ValueError, TypeError, KeyError, ZeroDivisionError) as error:
            raise UsageError(
                f"{path}, scene {number}: neither '{FRAME_COLUMN}' nor '{SECONDS_COLUMN}' holds where it starts."
            ) from error


def _not_negative(place):
    if place < 0:
        raise ValueError(place)
    return place


def _of_edl(path: Path, lines: Iterable[str], rate: Fraction | None) -> list[int]:
    if rate is None:
        raise UsageError(f"{path} is in time code, and the video does not state its rate: list seconds instead.")
    opened: list[tuple[int, bool]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) < 8 or not words[0].isdigit() or not PICTURE_TRACK.fullmatch(words[2]):
            continue  # a title, a comment, sound
        record = words[-2:]
        codes = [TIMECODE.fullmatch(word) for word in record]
        if None in codes:
            raise UsageError(
                f"{path}, line {number}: an event ends in two time codes such as 01:00:05:10; got '{line}'."
            )
        start, stop = (_frame_number(code, round(rate)) for code in codes if code)
        if stop > start:  # the event of no length before a dissolve is no picture
            opened.append((start, words[3] == "C"))
    if not opened:
        raise UsageError(f"{path} is an EDL without a picture event such as '001 AX V C 4 time codes'.")
    first = min(start for start, _ in opened)
    return [start - first for start, is_cut in opened if is_cut]


def _frame_number(code: re.Match[str], nominal: int) -> int:
    """Time code to frames; `;` before the frames drops two numbers a minute (of 30), except every tenth."""
    hours, minutes, seconds, frames = int(code[1]), int(code[2]), int(code[3]), int(code[5])
    minutes += 60 * hours
    dropped = nominal // 15 * (minutes - minutes // 10) if code[4] == ";" and nominal % 30 == 0 else 0
    return (minutes * 60 + seconds) * nominal + frames - dropped
