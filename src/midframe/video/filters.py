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
from jaxtyping import UInt8

from midframe.core.errors import FilterError
from midframe.video.colour import plane_values
from midframe.video.probe import reason


def require_filter(name: str, feature: str) -> None:
    """Refuse a build of FFmpeg that lacks a filter.

    Raises:
        FilterError: With what it was needed for.
    """
    if name not in filters_available:
        raise FilterError(
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
        FilterError: The filter fails.
    """
    height, width = frames.shape[-2:]
    try:
        graph = graph_of(name, options, width, height, VideoFormat(pixel_format), Fraction(1))
        for second, planes in enumerate(frames):
            frame = VideoFrame(width, height, pixel_format)
            frame.pts, frame.time_base = second, Fraction(1)
            for index, values in enumerate(planes):
                plane_values(frame, index, 8)[:] = values
            graph.vpush(frame)
        graph.vpush(None)
        made = [
            np.stack([plane_values(frame, index, 8) for index in range(frames.shape[1])])
            for frame in ready(graph.vpull)
        ]
    except FFmpegError as error:
        raise FilterError(f"FFmpeg's {name} failed on frames of {width}x{height}: {reason(error)}.") from error
    return np.stack(made) if made else frames[:0]


def graph_of(
    name: str, options: str, width: int, height: int, pixel_format: VideoFormat, time_base: Fraction
) -> Graph:
    """One filter between a way in and a way out. Keep it: PyAV's filters do not outlive their graph."""
    graph = Graph()
    enter = graph.add_buffer(width=width, height=height, format=pixel_format, time_base=time_base)
    graph.link_nodes(enter, graph.add(name, options), graph.add("buffersink")).configure()
    return graph


def ready(pull: Callable[[], object]) -> Iterator[VideoFrame]:
    """What a filter has made so far, taken from it one by one."""
    while True:
        try:
            frame = pull()
        except (NothingYet, NothingLeft):
            return
        assert isinstance(frame, VideoFrame)  # of a filter for pictures
        yield frame
