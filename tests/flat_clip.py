"""A clip whose frames are told apart by their brightness."""

from pathlib import Path

import av
import numpy as np


def write_flat_clip(path: Path, frames: int) -> None:
    """Write 64x48 pixels, lossless; frame n has the luma 20 + 10 n everywhere."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"qp": "0"}
        for number in range(frames):
            luma = np.full((48, 64), 20 + 10 * number, dtype=np.uint8)
            chroma = np.full((24, 64), 128, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def gray_of_luma(luma: int) -> int:
    """Red, green and blue of a colourless pixel in limited range."""
    return round((luma - 16) * 255 / 219)
