"""Frames of a clip by their number, converted as other evaluations convert them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from midframe.core.errors import MediaError


def read_scoring_frames(path: Path, indices: Sequence[int]) -> list[np.ndarray]:
    """Decode a clip once and keep the frames asked for.

    The clip is taken as BT.709 in limited range, whatever its tags say, and converted with swscale's default
    rounding, as by most tools. An exact conversion is about one level of 255 brighter, which moves scores in
    the third digit: compare only scores of frames that were converted alike.

    Args:
        path: Any file that FFmpeg reads.
        indices: Frame numbers from 0; any order, repetitions allowed.

    Returns:
        RGB frames of shape (height, width, 3), uint8, in the order asked for.

    Raises:
        MediaError: The clip is missing, does not decode, or ends before one of the frames.
    """
    return _read(path, indices, lambda: av.open(str(path.absolute())))


def read_raw_frames(path: Path, indices: Sequence[int], size: tuple[int, int]) -> list[np.ndarray]:
    """As `read_scoring_frames`, from a raw file of planar YUV 4:2:0 frames of 8 bit.

    Args:
        path: The file, without any header.
        indices: Frame numbers from 0; any order, repetitions allowed.
        size: Width and height of the frames.
    """
    options = {"video_size": f"{size[0]}x{size[1]}", "pixel_format": "yuv420p"}
    return _read(path, indices, lambda: av.open(str(path.absolute()), format="rawvideo", options=options))


def _read(path: Path, indices: Sequence[int], open_file: Callable[[], InputContainer]) -> list[np.ndarray]:
    wanted = set(indices)
    frames: dict[int, np.ndarray] = {}
    if not path.is_file():
        raise MediaError(f"There is no clip {path}.")
    reformatter = VideoReformatter()
    decoded = 0
    try:
        with open_file() as container:
            for frame in container.decode(video=0):
                if wanted <= frames.keys():
                    break
                if decoded in wanted:
                    picture = reformatter.reformat(
                        frame,
                        format="rgb24",
                        src_colorspace=Colorspace.ITU709,
                        dst_colorspace=Colorspace.ITU709,
                        src_color_range=ColorRange.MPEG,
                        dst_color_range=ColorRange.JPEG,
                    )
                    frames[decoded] = picture.to_ndarray()
                decoded += 1
    except (av.error.FFmpegError, IndexError) as error:
        raise MediaError(f"{path} does not decode as video: {error}.") from error
    missing = sorted(wanted - frames.keys())
    if missing:
        raise MediaError(f"{path} has {decoded} frames; frame {missing[0]} does not exist (counted from 0).")
    return [frames[index] for index in indices]
