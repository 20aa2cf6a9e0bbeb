"""Dense optical flow without weights: OpenCV's dense inverse search."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import MissingExtraError, ShapeError

SMALLEST = 16


def dense_inverse_search(
    source: UInt8[Tensor, "3 height width"], destination: UInt8[Tensor, "3 height width"]
) -> Float[Tensor, "2 height width"]:
    """Where every pixel of `source` has gone in `destination`, by the medium preset on grey values.

    Args:
        source: RGB on the CPU.
        destination: RGB of the same size.

    Returns:
        Displacement in pixels, x (right) before y (down).

    Raises:
        ShapeError: The frames differ in size, or have fewer than 16 pixels on a side.
        MissingExtraError: OpenCV is not installed.

    Source: Kroeger et al. 2016, "Fast optical flow using dense inverse search".
    """
    if source.shape != destination.shape or min(source.shape[-2:]) < SMALLEST:
        raise ShapeError(
            f"Dense flow needs two frames of one size, at least {SMALLEST}x{SMALLEST} pixels; "
            f"got {tuple(source.shape)} and {tuple(destination.shape)}."
        )
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("Dense flow", "opencv-python-headless", "classical") from error

    def grey(picture: Tensor) -> np.ndarray:
        return cv2.cvtColor(picture.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)

    # The search starts anew in each thread's stripe: with more threads the flow would depend on their number.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        # A flow in place of None would be taken as a first guess; OpenCV's type stub does not know the absence.
        flow = estimator.calc(grey(source), grey(destination), None)  # pyright: ignore
    finally:
        cv2.setNumThreads(threads)
    return torch.from_numpy(flow).permute(2, 0, 1).contiguous()
