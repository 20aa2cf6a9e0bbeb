"""Textures for rendered scenes, cut from the clips of a bank."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.data.bank import Run

COUNT = 256
"""Textures held at a time."""
BATCHES = 150
"""Batches that draw from one pool, so that cutting stays cheap."""
SIDE = 224


class TexturePool:
    """Cuts textures anew after some batches.

    Args:
        runs: Where to cut.
        frames: Frames of each file that a run names, (frames, height, width, 3) uint8.
        device: Where they lie.
    """

    def __init__(self, runs: list[Run], frames: dict[str, Tensor], device: torch.device) -> None:
        self.runs, self.frames, self.device = runs, frames, device
        self.held: tuple[tuple[int, int], Tensor] | None = None

    def of(self, seed: int, number: int) -> Float[Tensor, "count 3 side side"]:
        """The pool that batch `number` of the stream with this seed draws from, RGB in [0, 1]."""
        block = (seed, number // BATCHES)
        if self.held is None or self.held[0] != block:
            random = np.random.default_rng((*block, BATCHES))
            self.held = block, torch.stack([self._cut(random, item) for item in range(COUNT)])
        return self.held[1]

    def _cut(self, random: np.random.Generator, item: int) -> Tensor:
        run = self.runs[int(random.integers(len(self.runs)))]
        frame = self.frames[run.file][run.first + int(random.integers(run.length))]
        # Every second texture is shrunk: compressed footage is sharp only at half its size.
        side = SIDE * (1 + item % 2)
        top = int(random.integers(max(frame.shape[0] - side, 0) + 1))
        left = int(random.integers(max(frame.shape[1] - side, 0) + 1))
        piece = frame[top : top + side, left : left + side].permute(2, 0, 1).to(self.device).float() / 255
        if item % 2:
            piece = functional.avg_pool2d(piece, 2)
        # Pieces smaller than a texture are mirrored at their border, as often as it takes.
        while min(piece.shape[1:]) < SIDE:
            piece = torch.cat((piece, piece.flip(1)), 1) if piece.shape[1] < SIDE else piece
            piece = torch.cat((piece, piece.flip(2)), 2) if piece.shape[2] < SIDE else piece
        return piece[:, :SIDE, :SIDE]
