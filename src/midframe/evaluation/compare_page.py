"""The page on which methods are compared: one HTML file with all pictures in it, which needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from midframe.core.errors import WriteError
from midframe.engine.span import SpanFrame
from midframe.evaluation.image_file import WEBP_QUALITY, image_address
from midframe.video import VideoInfo

PLACE = "__DATA__"
NOTE = (
    f"Pictures are stored as WebP of quality {WEBP_QUALITY}: differences of two or three levels come from that. "
    "Where a frame is from the source, all methods show the same."
)


class PageWriter:
    """Collects pictures and writes the page.

    Args:
        info: The clip.
        names: What is compared, in this order.
        folder: For `compare.html`; made if missing.

    Attributes:
        first_time: Output seconds of the first moment.

    Raises:
        WriteError: The folder cannot be made.
    """

    def __init__(self, info: VideoInfo, names: Sequence[str], folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WriteError(f"The folder {folder} cannot be made: {error}.") from error
        self._info, self._names, self._path = info, list(names), folder / "compare.html"
        self._pictures: list[str] = []
        self._of_source: dict[int, int] = {}
        self._frames: list[dict[str, Any]] = []
        self._times: list[Fraction] = []
        self._size = (0, 0)

    @property
    def count(self) -> int:
        """Moments so far."""
        return len(self._frames)

    @property
    def first_time(self) -> Fraction:
        return self._times[0]

    def add(self, moment: SpanFrame, pictures: Sequence[np.ndarray], seconds: Fraction) -> None:
        """Add one moment.

        Args:
            moment: When it is, and whether methods made it.
            pictures: One of each method, (height, width, 3) RGB uint8, upright.
            seconds: Of the clip.

        Raises:
            MissingExtraError: Pillow, which stores the pictures, is not installed.
        """
        self._size = pictures[0].shape[1], pictures[0].shape[0]
        if moment.is_made:
            places = [self._store(picture) for picture in pictures]
        else:
            if moment.source not in self._of_source:
                self._of_source[moment.source] = self._store(pictures[0])
            places = [self._of_source[moment.source]] * len(pictures)
        self._frames.append({"seconds": round(float(seconds), 4), "made": moment.is_made, "pictures": places})
        self._times.append(moment.time)

    def finish(self, end: Fraction) -> Path:
        """Write the page.

        Args:
            end: Output seconds at which the last moment ends.

        Raises:
            WriteError: The file cannot be written.
        """
        for frame, start, until in zip(self._frames, self._times, [*self._times[1:], end], strict=True):
            frame["lasts"] = round(float(until - start), 5)
        aspect = self._info.sample_aspect_ratio
        if self._info.quarter_turns % 2:
            aspect = 1 / aspect
        data = {
            "title": f"{self._info.path.name}: {', '.join(self._names)}",
            "note": NOTE,
            "names": self._names,
            "width": round(self._size[0] * aspect),
            "height": self._size[1],
            "frames": self._frames,
            "pictures": self._pictures,
        }
        template = resources.files("midframe.evaluation").joinpath("compare.html").read_text(encoding="utf-8")
        # Inside a script element only "</" could end it early.
        page = template.replace(PLACE, json.dumps(data, ensure_ascii=False).replace("</", "<\\/"))
        try:
            self._path.write_text(page, encoding="utf-8")
        except OSError as error:
            raise WriteError(f"{self._path} cannot be written: {error}.") from error
        return self._path

    def _store(self, picture: np.ndarray) -> int:
        """Number of the picture on the page."""
        self._pictures.append(image_address(picture))
        return len(self._pictures) - 1
