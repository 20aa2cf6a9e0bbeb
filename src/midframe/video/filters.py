"""Frames through FFmpeg's filters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingLeft
from av.error import FFmpegError
from av.filter import Graph, filters_available
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from jaxtyping import UInt8

from midframe.core.errors import ProgramError


def require_filter(name: str, feature: str) -> None:
    """Refuse a build of FFmpeg that lacks a filter.

    Raises:
        ProgramError: With what it was needed for.
    """
    if name not in filters_available:
        raise ProgramError(
            f"{feature} needs FFmpeg's filter '{name}', which PyAV {av.__version__} does not have here."
        )


def filtered(
    frames: UInt8[np.ndarray, "count plane height width"], pixel_format: str, name: str, options: str
) -> UInt8[np.ndarray, "made plane height width"]:
    """Pass frames one second apart through one filter.

    Args:
        frames: The planes of each, all of the frame's size.
        pixel_format: FFmpeg's name of a format with such planes.
        name: Of the filter.
        options: Its own, as FFmpeg writes them.

    Raises:
        ProgramError: The filter fails.
    """
    height, width = frames.shape[-2:]
    try:
        graph = Graph()
        enter = graph.add_buffer(width=width, height=height, format=VideoFormat(pixel_format), time_base=Fraction(1))
        graph.link_nodes(enter, graph.add(name, options), graph.add("buffersink")).configure()
        for second, planes in enumerate(frames):
            frame = VideoFrame(width, height, pixel_format)
            frame.pts, frame.time_base = second, Fraction(1)
            for plane, values in zip(frame.planes, planes, strict=True):
                _samples(plane)[:] = values
            graph.vpush(frame)
        graph.vpush(None)
        made = [np.stack([_samples(plane) for plane in frame.planes]) for frame in ready(graph.vpull)]
    except FFmpegError as error:
        raise ProgramError(f"FFmpeg's {name} failed on frames of {width}x{height}: {error.strerror}.") from error
    return np.stack(made) if made else frames[:0]


def _samples(plane: VideoPlane) -> UInt8[np.ndarray, "height width"]:
    """The plane's own memory, without what lies behind each line."""
    return np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def ready(pull: Callable[[], object]) -> Iterator[VideoFrame]:
    """What a filter has made so far, taken from it one by one."""
    while True:
        try:
            frame = pull()
        except (NothingYet, NothingLeft):
            return
        assert isinstance(frame, VideoFrame)  # of a filter for pictures
        yield frame
