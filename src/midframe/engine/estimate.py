"""What a whole run takes, as far as a few of its frames tell."""

from __future__ import annotations

from dataclasses import dataclass

from midframe.core.duration import clock
from midframe.engine.memory import in_words


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Time and disk of a run.

    Attributes:
        seconds: Of work on this machine, in one job.
        seconds_per_frame: Of the work for one output frame.
        picture_bytes: Of all coded pictures. The finished parts and the file that is made of them need twice that
            until the end.
        frames: Output frames that were measured.
        leaves_out: What the seconds do not include, in words; empty for nothing.
    """

    seconds: float
    seconds_per_frame: float
    picture_bytes: int
    frames: int
    leaves_out: str = ""

    def lines(self) -> list[tuple[str, str]]:
        """For a person: pairs of a heading and its text."""
        measured = f"{self.seconds_per_frame:.2f} s an output frame, measured on {self.frames}"
        if self.leaves_out:
            measured += f"; without {self.leaves_out}"
        return [
            ("time", f"about {clock(self.seconds)} ({measured})"),
            ("disk", f"about {in_words(self.picture_bytes)} for the pictures, twice that while the parts are joined"),
        ]
