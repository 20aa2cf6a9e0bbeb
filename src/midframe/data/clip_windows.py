"""Clips of any length from a bank: every n-th frame, as a whole picture at one size, time never reversed."""

from __future__ import annotations

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
from midframe.data.bank import Run, load_frames, open_bank, split_by_scene, spread
from midframe.data.sharing import loader, share_of_batch


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """How clips are drawn.

    Attributes:
        frames: Of a clip.
        stride: Frames of the video from one to the next.
        height: In pixels; pictures of another shape are stretched.
        width: Likewise.
        batch: Clips in a batch.
    """

    frames: int = 14
    stride: int = 2
    height: int = 576
    width: int = 1024
    batch: int = 1

    def __post_init__(self) -> None:
        if min(self.frames, self.stride, self.height, self.width, self.batch) < 1:
            raise RecipeError("frames, stride, height, width and batch of clips must be positive.")

    @property
    def length(self) -> int:
        """Frames of the video that a clip covers."""
        return (self.frames - 1) * self.stride + 1


def usable_runs(bank: Path, recipe: ClipRecipe) -> list[Run]:
    """Runs that are long enough.

    Raises:
        RecipeError: There are none.
    """
    runs = [run for run in open_bank(bank) if run.length >= recipe.length]
    if not runs:
        longest = max((run.length for run in open_bank(bank)), default=0)
        raise RecipeError(
            f"{bank} holds no scene of {recipe.length} frames, which {recipe.frames} frames at a stride of "
            f"{recipe.stride} cover; the longest has {longest}."
        )
    return runs


class ClipStream(IterableDataset):
    """An endless stream of batches with `frames`, (batch, frame, 3, height, width) uint8.

    Args:
        bank: Folder of a bank.
        runs: What to draw from, each as likely as it has places for a clip.
        recipe: How.
        seed: Of everything random; a batch is a function of it and of its number.
        first: Number of the first batch.
        stride: Distance to the next number.
    """

    def __init__(
        self, bank: Path, runs: Sequence[Run], recipe: ClipRecipe, seed: int, first: int = 0, stride: int = 1
    ) -> None:
        self.bank, self.runs, self.recipe, self.seed = bank, list(runs), recipe, seed
        self.first, self.stride = first, stride

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        frames = load_frames(self.bank, self.runs, torch.device("cpu"))
        places = np.array([run.length - self.recipe.length + 1 for run in self.runs], dtype=float)
        number = self.first + offset * self.stride
        while True:
            random = np.random.default_rng((self.seed, number))
            clips = []
            for index in random.choice(len(self.runs), size=self.recipe.batch, p=places / places.sum()):
                run = self.runs[index]
                clips.append(cut_clip(frames, run, int(random.integers(int(places[index]))), self.recipe))
            yield {"frames": torch.stack(clips)}
            number += step * self.stride


def cut_clip(frames: Mapping[str, Tensor], run: Run, first: int, recipe: ClipRecipe) -> Tensor:
    """One clip of a run, (frame, 3, height, width) uint8."""
    start = run.first + first
    clip = frames[run.file][start : start + recipe.length : recipe.stride].permute(0, 3, 1, 2)
    size = recipe.height, recipe.width
    if clip.shape[-2:] == size:
        return clip.contiguous()
    return functional.interpolate(clip, size=size, mode="bilinear", antialias=True, align_corners=False)


def clip_batches(recipe: ClipRecipe, options: TrainOptions, runs: Sequence[Run], first: int) -> Iterator[Batch]:
    """Batches of a run from a step on; each training process takes an equal share.

    Raises:
        RecipeError: A batch that the training processes cannot share equally.
    """
    share = replace(recipe, batch=share_of_batch(recipe.batch, options))
    number = first * options.processes + options.process
    stream = ClipStream(options.bank, runs, share, options.seed, number, options.processes)
    return iter(loader(stream, options.workers))


def split_clips(bank: Path, recipe: ClipRecipe, validation: int) -> tuple[list[Run], list[dict[str, Tensor]]]:
    """Runs to train on, and fixed clips of the scenes set aside; all runs where no validation is wanted.

    Raises:
        RecipeError: No run is long enough, or the bank has too few scenes to set one aside.
    """
    runs = usable_runs(bank, recipe)
    if not validation:
        return runs, []
    training, held = split_by_scene(runs)
    if not held or not training:
        raise RecipeError(f"{bank} has too few scenes of {recipe.length} frames to set one aside for validation.")
    frames = load_frames(bank, held, torch.device("cpu"))
    middle = [cut_clip(frames, run, (run.length - recipe.length) // 2, recipe) for run in spread(held, validation)]
    return training, [clip_batch(clip[None]) for clip in middle]


def clip_batch(frames: Tensor) -> dict[str, Tensor]:
    """Clips as a validation batch: `frames`, and for the training loop `before`, `target` and `after`."""
    return {"frames": frames, "before": frames[:, :1], "target": frames[:, 1:-1], "after": frames[:, -1:]}
