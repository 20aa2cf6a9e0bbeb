"""Optical flow without a network, by OpenCV. The only file that knows OpenCV."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import MissingExtraError, ShapeError

SMALLEST_SIDE = 12
"""Pixels of height and width below which there is no place for a patch and its neighbours."""


class InverseSearch:
    """Dense inverse search in OpenCV's medium preset, on the CPU: patches of 8 pixels every 3, from the half-size
    picture on, 25 steps of gradient descent each, then 5 of variational refinement.

    Equal input gives equal bits. One object serves one thread at a time.

    Raises:
        MissingExtraError: OpenCV is not installed.

    Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search", arXiv 1603.03590.
    """

    name = "OpenCV dense inverse search, medium"

    def __init__(self) -> None:
        try:
            import cv2  # An extra: the other methods do without.
        except ImportError as error:
            raise MissingExtraError("Flow by dense inverse search", "OpenCV", "classical") from error
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def __call__(
        self, source: UInt8[Tensor, "batch height width"], target: UInt8[Tensor, "batch height width"]
    ) -> Float[Tensor, "batch 2 height width"]:
        """Find where each pixel of `source` went.

        Args:
            source: Luma, on any device.
            target: Luma of the same size.

        Returns:
            Displacements in pixels (x right, y down) from `source` to `target`, float32, on the device of `source`.

        Raises:
            ShapeError: The two differ in shape, or have a side below `SMALLEST_SIDE`.
        """
        if source.shape != target.shape or min(source.shape[-2:]) < SMALLEST_SIDE:
            raise ShapeError(
                f"Dense inverse search takes two pictures of one size of {SMALLEST_SIDE} pixels or more each way; "
                f"got {tuple(source.shape)} and {tuple(target.shape)}."
            )
        flows = [
            self._search.calc(first.cpu().numpy(), second.cpu().numpy(), None)  # pyright: ignore[reportCallIssue, reportArgumentType]
            for first, second in zip(source, target, strict=True)
        ]
        return torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2).contiguous().to(source.device)
