"""Interlaced video as whole frames: each field's missing lines made from its neighbours in place and time.

The filter is `bwdif` of libavfilter. It gives one frame for each frame, or for each field; times stay exact: those of
second fields lie in the middle between two frames, on half ticks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

from midframe.core.errors import UnknownNameError
from midframe.video.filters import graph_of, ready
from midframe.video.probe import VideoInfo

MODES = {"off": "", "frames": "send_frame", "fields": "send_field"}
"""By their names in the filter."""


def deinterlaced(info: VideoInfo, mode: str) -> VideoInfo:
    """A video as it will be read: with `fields`, twice the frames at twice the rate.

    Args:
        mode: `off`, `frames` or `fields`.

    Raises:
        UnknownNameError: Another word.
    """
    if mode not in MODES:
        raise UnknownNameError("way to deinterlace", mode, MODES)
    if mode != "fields":
        return replace(info, deinterlace=mode)
    return replace(
        info,
        deinterlace=mode,
        average_rate=info.average_rate and 2 * info.average_rate,
        frame_count=info.frame_count and 2 * info.frame_count,
        time_base=info.time_base / 2,
    )


def field_times(times: list[Fraction]) -> list[Fraction]:
    """Times of all fields from those of all frames."""
    steps = [after - before for before, after in itertools.pairwise(times)]
    steps.append(steps[-1] if steps else Fraction(0))
    fields = (time + half for time, step in zip(times, steps, strict=True) for half in (Fraction(0), step / 2))
    return list(dict.fromkeys(fields))


def deinterlace(
    frames: Iterable[tuple[Fraction, VideoFrame]], info: VideoInfo
) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Frames with their times since the first, deinterlaced as `info` says.

    Where the opening frames of the video say that they are interlaced, frames that say they are not stay as they are;
    otherwise all are taken for it, the top field first. Memory: three frames.
    """
    first: Fraction | None = None
    graph: Graph | None = None
    for time, frame in frames:
        if frame.time_base is None or frame.pts is None:
            frame.time_base = frame.time_base or Fraction(1, av.time_base)
            frame.pts = round((info.start_time + time) / frame.time_base)
        if first is None:
            first = frame.pts * frame.time_base - time
        graph = graph or _graph(frame, frame.time_base, info)
        graph.vpush(frame)
        yield from _ready(graph, first)
    if graph is not None and first is not None:
        graph.vpush(None)
        yield from _ready(graph, first)


def _graph(frame: VideoFrame, time_base: Fraction, info: VideoInfo) -> Graph:
    which = "interlaced" if info.interlaced else "all"
    options = f"mode={MODES[info.deinterlace]}:parity=auto:deint={which}"
    return graph_of("bwdif", options, frame.width, frame.height, frame.format, time_base)


def _ready(graph: Graph, first: Fraction) -> Iterator[tuple[Fraction, VideoFrame]]:
    for frame in ready(graph.vpull):
        assert frame.pts is not None  # what went in had one
        assert frame.time_base is not None
        yield frame.pts * frame.time_base - first, frame
