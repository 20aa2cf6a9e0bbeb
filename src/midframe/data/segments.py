"""Segments of nine frames from a clip bank: whole scenes made small, as masked modelling needs them.

A batch is a dict with `frames`, (batch, 9, 3, size, size) uint8: the largest square of the clip's height at a random
place, resized. A crop of a large frame would not do: what moves out of a small crop cannot be restored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import IterableDataset

from midframe.core.errors import RecipeError
from midframe.core.task import Batch, TrainOptions
from midframe.data.bank import Run, drawing_weights, load_frames, open_bank, split_by_scene, spread
from midframe.data.sharing import loader, share_of_batch

LENGTH = 9
"""Frames of a segment."""
UCF101_CLIP = re.compile(r"(v_[A-Za-z]+_g(\d+))_c\d+")
"""File name of UCF101: clips of one group g are cut from one video."""
UCF101_TEST_GROUPS = range(1, 8)
"""Groups of the test split 1, of which the benchmark UCF101-7 is cut."""


@dataclass(frozen=True)
class SegmentRecipe:
    """How segments are drawn.

    Attributes:
        size: Side in pixels.
        batch: Segments in a batch.
        strides: Probability of a distance of 1, 2, 3 ... frames of the clip between two of the segment.
    """

    size: int = 64
    batch: int = 4
    strides: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if self.size < 4 or self.size % 4:
            raise RecipeError(f"size must be a multiple of 4; got {self.size}.")
        if self.batch < 1:
            raise RecipeError(f"batch must be at least 1; got {self.batch}.")
        if not self.strides or abs(sum(self.strides) - 1) > 1e-6:
            raise RecipeError(f"strides are probabilities that sum to 1; got {self.strides}.")


def split_segments(bank: Path) -> tuple[list[Run], list[Run]]:
    """Runs to train on and runs to validate with, long enough for a segment, no source video in both.

    Clips of UCF101's test split are in neither: the benchmark UCF101-7 is cut from them.

    Raises:
        RecipeError: Nothing is left to train on.
    """
    usable = [
        replace(run, scene=source_video(run.scene))
        for run in open_bank(bank)
        if run.length >= LENGTH and not is_benchmark_clip(run.scene)
    ]
    training, held = split_by_scene(usable)
    if not training:
        raise RecipeError(f"{bank} holds no scene of at least {LENGTH} frames to train on.")
    shared = {run.scene for run in training} & {run.scene for run in held}
    assert not shared, f"source videos in training and validation: {shared}"
    return training, held


def source_video(scene: str) -> str:
    """The video that a scene was cut from, where its name tells."""
    match = UCF101_CLIP.search(scene)
    return match[1] if match else scene


def is_benchmark_clip(scene: str) -> bool:
    """Whether a scene belongs to UCF101's test split 1."""
    match = UCF101_CLIP.search(scene)
    return match is not None and int(match[2]) in UCF101_TEST_GROUPS


class SegmentStream(IterableDataset):
    """An endless stream of batches; equal seeds and first batches give equal streams.

    Args:
        bank: Folder of a bank (`midframe.data.bank`).
        recipe: How to draw.
        seed: Of everything random.
        first: Number of the first batch.
        stride: Distance to the next number.
        runs: What to draw from; by default the bank's training part.
    """

    def __init__(
        self,
        bank: Path,
        recipe: SegmentRecipe,
        seed: int,
        first: int = 0,
        stride: int = 1,
        runs: Sequence[Run] | None = None,
    ) -> None:
        self.bank, self.recipe, self.seed, self.first, self.stride = bank, recipe, seed, first, stride
        self.runs = list(split_segments(bank)[0] if runs is None else runs)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        frames = load_frames(self.bank, self.runs, torch.device("cpu"))
        weight = drawing_weights(self.runs)
        number = self.first + offset * self.stride
        while True:
            yield self._batch(np.random.default_rng((self.seed, number)), frames, weight / weight.sum())
            number += step * self.stride

    def _batch(
        self, random: np.random.Generator, frames: Mapping[str, Tensor], chance: np.ndarray
    ) -> dict[str, Tensor]:
        segments = []
        for _ in range(self.recipe.batch):
            run = self.runs[random.choice(len(self.runs), p=chance)]
            most = (run.length - 1) // (LENGTH - 1)
            stride = min(int(random.choice(len(self.recipe.strides), p=self.recipe.strides)) + 1, most)
            first = int(random.integers(run.length - stride * (LENGTH - 1)))
            segment = cut_segment(
                frames[run.file], run.first + first, stride, self.recipe.size, place=float(random.random())
            )
            if random.random() < 0.5:
                segment = segment.flip(0)
            if random.random() < 0.5:
                segment = segment.flip(-1)
            segments.append(segment)
        return {"frames": torch.stack(segments)}


def cut_segment(video: Tensor, first: int, stride: int, size: int, *, place: float = 0.5) -> Tensor:
    """Nine frames as small squares.

    Args:
        video: (frame, height, width, 3) uint8.
        first: Index of the first frame.
        stride: Distance of the others.
        size: Side in pixels.
        place: Where along the longer side the square lies: 0 to 1.

    Returns:
        (9, 3, size, size) uint8.
    """
    height, width = video.shape[1:3]
    side = min(height, width)
    top, left = int(place * (height - side)), int(place * (width - side))
    clip = video[first : first + stride * (LENGTH - 1) + 1 : stride, top : top + side, left : left + side]
    planes = clip.permute(0, 3, 1, 2)
    if side == size:
        return planes.contiguous()
    return functional.interpolate(planes, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def segment_batches(recipe: SegmentRecipe, options: TrainOptions, first: int) -> Iterator[Batch]:
    """Batches of a run from a step on; each training process takes an equal share.

    Raises:
        RecipeError: A batch that the training processes cannot share equally, or nothing to train on.
    """
    share = replace(recipe, batch=share_of_batch(recipe.batch, options))
    number = first * options.processes + options.process
    stream = SegmentStream(options.bank, share, options.seed, number, options.processes)
    return iter(loader(stream, options.workers))


def validation_segments(bank: Path, *, count: int, size: int) -> list[dict[str, Tensor]]:
    """Fixed segments of the scenes set aside, one batch a segment.

    Returns:
        Batches with `frames`, and for the training loop `before` and `after` (1, 1, 3, size, size) and `target`
        (1, 7, 3, size, size).

    Raises:
        RecipeError: The bank has too few scenes to set one aside.
    """
    held = sorted(split_segments(bank)[1], key=lambda run: (run.scene, run.first))
    if not held:
        raise RecipeError(
            f"{bank} leaves no scene for validation; it needs at least six scenes of {LENGTH} frames or more."
        )
    return centre_segments(bank, held, count=count, size=size)


def centre_segments(bank: Path, runs: Sequence[Run], *, count: int, size: int) -> list[dict[str, Tensor]]:
    """The middle of some runs, one batch a segment; the rest as `validation_segments`."""
    frames = load_frames(bank, runs, torch.device("cpu"))
    return [
        segment_batch(cut_segment(frames[run.file], run.first + (run.length - LENGTH) // 2, 1, size))
        for run in spread(runs, count)
    ]


def segment_batch(segment: Tensor) -> dict[str, Tensor]:
    """One segment as a validation batch (see `validation_segments`)."""
    frames = segment[None].clone()
    return {"frames": frames, "before": frames[:, :1], "target": frames[:, 1:-1], "after": frames[:, -1:]}
