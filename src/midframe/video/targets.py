"""Opens what joins the segments of a video, by the name of its target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from midframe.video.formats import PIPE, format_of, is_pictures
from midframe.video.pictures import PictureWriter
from midframe.video.pipe import PipeWriter
from midframe.video.render import RenderedWriter
from midframe.video.request import WriteRequest
from midframe.video.write import VideoWriter

Writer: TypeAlias = VideoWriter | RenderedWriter | PictureWriter | PipeWriter
"""A context manager that makes the whole output out of segments; see `VideoWriter`."""


def open_writer(
    request: WriteRequest,
    partial: Path,
    when_whole: Callable[[Path], None] = lambda partial: None,
) -> Writer:
    """What joins the segments of a video. To open and leave it says whether the target can be written.

    Arguments as of `VideoWriter`.

    Raises:
        WriteError: It must not or cannot be written.
    """
    if request.target == PIPE:
        return PipeWriter(request)
    if is_pictures(request.target):
        return PictureWriter(request, partial, when_whole)
    writer = RenderedWriter if format_of(request.target).is_rendered else VideoWriter
    return writer(request, partial, when_whole)
