"""The frames of a test list, read from disk in the order in which targets ask for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.evaluation.image_file import read_image
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.target_list import FrameReference
from midframe.video.scoring_frames import read_raw_frames, read_scoring_frames


class FrameStore:
    """Hands out frames; decodes every clip once, and forgets each of its frames after its last use.

    Images are read anew each time. In a list that treats one clip after the other, memory holds at most
    the listed frames of one clip.
    """

    def __init__(self, root: Path, reads: Iterable[FrameReference], prepare: Preparation | None = None) -> None:
        """Plan the reads to come.

        Args:
            root: Folder that the paths of the references start from.
            reads: Every read, with repetitions, that will be asked of the store.
            prepare: What is done to every picture; nothing by default.
        """
        self._root = root
        self._prepare = prepare or Preparation()
        self._remaining_reads: Counter[FrameReference] = Counter()
        self._wanted: dict[Path, set[int]] = defaultdict(set)
        for reference in reads:
            if reference.index is not None:
                self._remaining_reads[reference] += 1
                self._wanted[reference.path].add(reference.index)
        self._frames: dict[FrameReference, np.ndarray] = {}

    def __len__(self) -> int:
        """Number of clip frames in memory."""
        return len(self._frames)

    def read(self, reference: FrameReference) -> UInt8[Tensor, "3 height width"]:
        """Read one RGB frame.

        Raises:
            MediaError: The file does not decode, or the clip ends before the frame.
            ShapeError: The picture is too small to be prepared.
        """
        is_image = reference.index is None
        picture = read_image(self._root / reference.path) if is_image else self._read_from_clip(reference)
        return self._prepare(torch.from_numpy(picture).permute(2, 0, 1)).contiguous()

    def _read_from_clip(self, reference: FrameReference) -> np.ndarray:
        if not self._remaining_reads[reference]:
            raise KeyError(f"a read of {reference} was not planned")
        if reference not in self._frames:
            indices = sorted(self._wanted.pop(reference.path))
            path, raw_size = self._root / reference.path, self._prepare.raw_size
            decoded = read_raw_frames(path, indices, raw_size) if raw_size else read_scoring_frames(path, indices)
            for index, frame in zip(indices, decoded, strict=True):
                self._frames[FrameReference(reference.path, index)] = frame
        picture = self._frames[reference]
        self._remaining_reads[reference] -= 1
        if not self._remaining_reads[reference]:
            del self._frames[reference]
        return picture
