"""Decode a clip small, for data sets: 8-bit RGB at a given short side."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from midframe.core.errors import MediaError
from midframe.video.probe import reason


def read_scaled(path: Path, short_side: int) -> Iterator[np.ndarray]:
    """Yield the frames of a clip, scaled so that the shorter side has `short_side` pixels.

    A clip that is smaller already keeps its size. Sizes are even. Colours are read as BT.709 limited range
    unless the stream says BT.601.

    Args:
        path: Any video that FFmpeg reads.
        short_side: Pixels.

    Yields:
        Arrays (height, width, 3), uint8, RGB.

    Raises:
        MediaError: The file cannot be opened, has no video stream, or does not decode.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        factor = min(Fraction(1), Fraction(short_side, min(stream.width, stream.height)))
        width, height = (2 * round(side * factor / 2) for side in (stream.width, stream.height))
        try:
            for frame in container.decode(stream):
                # 5 and 6 are FFmpeg's numbers for the two BT.601 matrices.
                matrix = Colorspace.ITU601 if int(frame.colorspace) in (5, 6) else Colorspace.ITU709
                full = int(frame.color_range) == int(ColorRange.JPEG)
                yield frame.to_ndarray(
                    format="rgb24",
                    width=width,
                    height=height,
                    src_colorspace=matrix,
                    dst_colorspace=matrix,
                    src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                    dst_color_range=ColorRange.JPEG,
                    interpolation=Interpolation.AREA,
                )
        except FFmpegError as error:
            raise MediaError(f"{path} does not decode to its end: {error}.") from error


def count_packets(path: Path) -> int:
    """Frames that a clip should have, from its packets, without decoding; errors as in `read_scaled`."""
    with _open(path) as container:
        return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)


def _open(path: Path) -> InputContainer:
    try:
        container = av.open(str(path.absolute()))
    except (OSError, FFmpegError) as error:
        raise MediaError(f"cannot open {path} as a video: {reason(error)}.") from error
    if not container.streams.video:
        container.close()
        raise MediaError(f"{path} has no video stream.")
    return container
