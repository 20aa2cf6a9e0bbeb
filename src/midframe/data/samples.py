"""Training and validation samples from a clip bank and from synthetic scenes.

A batch is a dict of tensors: `before`, `target`, `after` (batch, 3, size, size) uint8; `time` (batch,) float; and
for the synthetic part exact motion in pixels with a weight, which is zero for samples from clips:

    two frames     `flow` (batch, 4, size, size), target to before and to after; `flow_weight` (batch, 2, ...)
    four frames    `earlier` and `later` too, a gap before and behind; `motion` (batch, 8, ...), before to after and
                   to earlier, after to before and to later; `motion_weight` (batch, 4, ...)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor
from torch.utils.data import IterableDataset

from midframe.core.errors import RecipeError
from midframe.data.bank import (
    MOTION_CELL,
    Run,
    drawing_weights,
    load_frames,
    load_motion,
    open_bank,
    split_by_scene,
    spread,
)
from midframe.data.synthetic import SceneStyle, random_scenes, render_triplets, render_windows
from midframe.data.textures import TexturePool

REFERENCE_SIDE = 192
"""Side of the crop for which a recipe's `motion_pixels` holds; other crops move in proportion."""
HIDDEN_FLOW_WEIGHT = 0.2
"""Weight of the exact flow where its goal is hidden: right as an extrapolation, useless for blending."""
CROP_MULTIPLE = 64
"""Sides of fixed crops are multiples of it, which suits every layout."""
FRAME_NAMES = {1: ("before", "target", "after"), 2: ("earlier", "before", "target", "after", "later")}
"""Frames of a sample, in order of time, by how many inputs lie on each side of the target."""
OUTER_MOTION = slice(1, None, 2)
"""Of a window's four exact motions, those to the outer frames."""


@dataclass(frozen=True)
class SampleRecipe:
    """How samples are drawn.

    Attributes:
        size: Side of the square crops, in pixels after scaling.
        batch: Samples in a batch.
        strides: Probability of a distance of 1, 2, 3 ... frames between target and input.
        scales: Factors by which source frames are resized, one drawn for each batch.
        any_time: Probability that a sample's time is not 1/2.
        synthetic: Share of each batch that is rendered.
        motion_focus: Probability that a crop is placed where there is motion.
        motion_pixels: Largest motion of a rendered layer.
        acceleration: Largest second-order motion of a rendered layer, as a part of the first-order one.
        context: Input frames on each side of the target, 1 or 2.
        repeated: Probability that both outer frames of a window of four repeat the inner ones, as where there are
            only two; clips' own first and last windows do so in any case.
    """

    size: int = 128
    batch: int = 16
    strides: tuple[float, ...] = (0.5, 0.3, 0.2)
    scales: tuple[float, ...] = (0.5, 0.5, 0.75, 1.0)
    any_time: float = 0.0
    synthetic: float = 0.3
    motion_focus: float = 0.75
    motion_pixels: float = 48.0
    acceleration: float = 0.25
    context: int = 1
    repeated: float = 0.0

    def source_size(self, scale: float) -> int:
        """Side of a crop before it is resized, in pixels of the clip."""
        return round(self.size / scale)

    def __post_init__(self) -> None:
        if not 0 <= self.synthetic <= 1:
            raise RecipeError(f"synthetic is a share in [0, 1]; got {self.synthetic}.")
        if abs(sum(self.strides) - 1) > 1e-6:
            raise RecipeError(f"strides are probabilities that sum to 1; got {self.strides}.")
        if self.context not in FRAME_NAMES:
            raise RecipeError(f"context is 1 or 2 frames on each side; got {self.context}.")
        if not 0 <= self.repeated <= 1 or (self.repeated and self.context == 1):
            raise RecipeError(
                f"repeated is a probability, of windows of four frames (context = 2); got {self.repeated} with "
                f"context {self.context}."
            )


class SampleStream(IterableDataset):
    """An endless stream of batches; equal seeds and first batches give equal streams.

    Args:
        bank: Folder of a bank (`midframe.data.bank`).
        recipe: How to draw.
        seed: Of everything random.
        first: Number of the first batch, so that a resumed run does not repeat what it has seen.
        stride: Distance to the next number; more than 1 where several training processes share the numbers.
        device: Where clips lie and batches are made. On a GPU all frames must fit into its memory.
    """

    def __init__(
        self,
        bank: Path,
        recipe: SampleRecipe,
        seed: int,
        first: int = 0,
        stride: int = 1,
        device: torch.device | None = None,
    ) -> None:
        self.bank, self.recipe, self.seed, self.first, self.stride = bank, recipe, seed, first, stride
        self.device = device or torch.device("cpu")

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        runs = split_by_scene(open_bank(self.bank))[0]
        frames = load_frames(self.bank, runs, self.device)
        sampler = _Sampler(runs, frames, load_motion(self.bank, runs), self.recipe, self.device)
        number = self.first + offset * self.stride
        while True:
            yield sampler.batch(self.seed, number)
            number += step * self.stride


def check_crops(bank: Path, recipes: Iterable[SampleRecipe]) -> None:
    """Refuse crops for which no clip is large enough, at once and not when their stage begins.

    Raises:
        RecipeError: There are some.
    """
    frames = load_frames(bank, split_by_scene(open_bank(bank))[0], torch.device("cpu"))
    largest = max((min(pictures.shape[1:3]) for pictures in frames.values()), default=0)
    for recipe in recipes:
        for scale in recipe.scales:
            if recipe.source_size(scale) > largest:
                raise RecipeError(
                    f"crops of {recipe.size} pixels at a scale of {scale} need clips of at least "
                    f"{recipe.source_size(scale)} lines; the largest here has {largest}."
                )


class _Sampler:
    def __init__(
        self,
        runs: list[Run],
        frames: dict[str, Tensor],
        motion: dict[str, np.ndarray],
        recipe: SampleRecipe,
        device: torch.device,
    ) -> None:
        self.runs, self.frames, self.motion, self.recipe, self.device = runs, frames, motion, recipe, device
        self.weight = drawing_weights(runs)
        sides = np.array([min(frames[run.file].shape[1:3]) for run in runs])
        # For each scale, the chance of each run: of those large enough for its crops.
        self.chances = {scale: self.weight * (sides >= recipe.source_size(scale)) for scale in recipe.scales}
        self.textures = TexturePool(runs, frames, device)

    def batch(self, seed: int, number: int) -> dict[str, Tensor]:
        """Batch `number` of the stream with this seed: a function of both, so that resuming repeats nothing."""
        recipe = self.recipe
        random = np.random.default_rng((seed, number))
        rendered = int(np.floor(recipe.batch * recipe.synthetic + random.random()))
        real = recipe.batch - rendered
        scale = float(random.choice(recipe.scales))
        source = recipe.source_size(scale)
        chance = self.chances[scale] / self.chances[scale].sum()
        names = FRAME_NAMES[recipe.context]
        # The crop of the source is gathered for all samples first; one resize then serves the batch.
        raw = torch.empty(real, len(names), source, source, 3, dtype=torch.uint8, device=self.device)
        time = torch.full((recipe.batch,), 0.5, device=self.device)
        for item in range(real):
            time[item] = self._crop(random, raw[item], chance)
        # Channels-last bytes: PyTorch resizes those several times faster than planar floats.
        clips = raw.flatten(0, 1).permute(0, 3, 1, 2)
        if source != recipe.size:
            clips = self._resize(clips, (recipe.size, recipe.size))
        clips = clips.unflatten(0, (real, len(names)))
        inputs = 2 * recipe.context
        motion = torch.zeros(recipe.batch, 2 * inputs, recipe.size, recipe.size, device=self.device)
        weight = torch.zeros(recipe.batch, inputs, recipe.size, recipe.size, device=self.device)
        if rendered:
            time[real:], scene_frames, motion[real:], weight[real:] = self._render(random, rendered, seed, number)
            clips = torch.cat((clips, scene_frames))
        if recipe.repeated:
            alone = torch.from_numpy(random.random(recipe.batch) < recipe.repeated).to(self.device)
            clips[alone, 0], clips[alone, -1] = clips[alone, 1], clips[alone, -2]
            weight[alone, OUTER_MOTION] = 0  # What moved there is no longer to be seen.
        known = ("flow", "flow_weight") if recipe.context == 1 else ("motion", "motion_weight")
        return {
            **dict(zip(names, clips.unbind(1), strict=True)),
            "time": time,
            **dict(zip(known, (motion, weight), strict=True)),
        }

    def _render(
        self, random: np.random.Generator, count: int, seed: int, number: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Times, frames as bytes, exact motion and its weight of that many rendered scenes."""
        recipe = self.recipe
        size = (recipe.size, recipe.size)
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        style = SceneStyle(
            motion_pixels=recipe.motion_pixels * recipe.size / REFERENCE_SIDE, acceleration=recipe.acceleration
        )
        scenes = random_scenes(count, size, style, generator, self.textures.of(seed, number))
        time = torch.full((count,), 0.5)
        if recipe.any_time:
            moved = torch.rand(count, generator=generator) < recipe.any_time
            drawn = torch.rand(count, generator=generator) * 0.8 + 0.1
            time = torch.where(moved, drawn, time)
        time = time.to(self.device)
        render = render_triplets if recipe.context == 1 else render_windows
        frames, motion, seen = render(scenes, time, size)
        return time, (frames * 255).round().to(torch.uint8), motion, torch.where(seen, 1.0, HIDDEN_FLOW_WEIGHT)

    def _resize(self, clips: Tensor, size: tuple[int, int]) -> Tensor:
        if self.device.type == "cpu":
            return functional.interpolate(clips, size=size, mode="bilinear", antialias=True, align_corners=False)
        # On a GPU PyTorch resizes floats only.
        resized = functional.interpolate(
            clips.float(), size=size, mode="bilinear", antialias=True, align_corners=False
        )
        return resized.round().clamp(0, 255).to(torch.uint8)

    def _crop(self, random: np.random.Generator, out: Tensor, chance: np.ndarray) -> float:
        """Fill `out` (frames, source, source, 3) with one augmented sample; return its time."""
        run = self.runs[random.choice(len(self.runs), p=chance)]
        before, target, after = self._instants(random, run)
        frames = self.frames[run.file]
        source = out.shape[1]
        top, left = self._place(random, run, before, after, source)
        indices = [run.first + index for index in _window(run, before, target, after, self.recipe.context)]
        time = (target - before) / (after - before)
        if random.random() < 0.5:
            indices.reverse()
            time = 1 - time
        crop = torch.stack([frames[index, top : top + source, left : left + source] for index in indices])
        crop = crop.rot90(int(random.integers(4)), (1, 2))
        if random.random() < 0.5:
            crop = crop.flip(2)
        if random.random() < 0.5:
            crop = crop.flip(3)  # Red and blue: a colour says nothing about motion.
        out.copy_(crop)
        return time

    def _instants(self, random: np.random.Generator, run: Run) -> tuple[int, int, int]:
        recipe = self.recipe
        most = (run.length - 1) // 2
        stride = min(int(random.choice(len(recipe.strides), p=recipe.strides)) + 1, most)
        any_time = random.random() < recipe.any_time and most > 1
        if any_time:
            stride = max(stride, 2)  # A gap of two frames has no instant but its middle.
        before = int(random.integers(run.length - 2 * stride))
        after = before + 2 * stride
        target = before + stride
        while any_time and target == before + stride:
            target = int(random.integers(before + 1, after))
        return before, target, after

    def _place(self, random: np.random.Generator, run: Run, before: int, after: int, source: int) -> tuple[int, int]:
        """Top left corner of a crop, drawn where the pictures change."""
        height, width = self.frames[run.file].shape[1:3]
        top, left = int(random.integers(height - source + 1)), int(random.integers(width - source + 1))
        if random.random() >= self.recipe.motion_focus:
            return top, left
        cells = self.motion[run.file][run.first + before : run.first + after].astype(np.float32).mean(0)
        weight = cells.ravel() + 1e-3
        cell = int(random.choice(weight.size, p=weight / weight.sum()))
        row, column = divmod(cell, cells.shape[1])
        # The chosen cell lands anywhere inside the crop.
        top = int(np.clip(row * MOTION_CELL - random.integers(source), 0, height - source))
        left = int(np.clip(column * MOTION_CELL - random.integers(source), 0, width - source))
        return top, left


def _window(run: Run, before: int, target: int, after: int, context: int) -> tuple[int, ...]:
    """Frames of a sample, in order of time. Where the run has no outer frame, its neighbour is repeated."""
    if context == 1:
        return before, target, after
    gap = after - before
    earlier = before - gap if before >= gap else before
    later = after + gap if after + gap < run.length else after
    return earlier, before, target, after, later


def validation_samples(
    bank: Path, *, count: int, size: int = 256, stride: int = 2, context: int = 1
) -> list[dict[str, Tensor]]:
    """Fixed centre crops of held-out scenes, one batch a sample.

    Args:
        bank: Folder of a bank (`midframe.data.bank`).
        count: Most samples; evenly spread over the scenes.
        size: Side of the crop; smaller pictures are cropped to a multiple of `CROP_MULTIPLE`.
        stride: Frames between target and input; fewer where a run is too short.
        context: Input frames on each side of the target, 1 or 2.

    Raises:
        RecipeError: The bank has too few scenes to set one aside.
    """
    held = sorted(split_by_scene(open_bank(bank))[1], key=lambda run: (run.scene, run.first))
    if not held:
        raise RecipeError(f"{bank} leaves no scene for validation; it needs at least six scenes.")
    return centre_samples(bank, held, count=count, size=size, stride=stride, context=context)


def centre_samples(
    bank: Path, runs: Sequence[Run], *, count: int, size: int, stride: int, context: int = 1
) -> list[dict[str, Tensor]]:
    """Crops of the middle of some runs, one batch a run; arguments as of `validation_samples`.

    Runs whose pictures are smaller than `CROP_MULTIPLE` are left out.
    """
    frames = load_frames(bank, runs, torch.device("cpu"))
    samples = []
    for run in spread(runs, count):
        video = frames[run.file]
        height, width = (min(side // CROP_MULTIPLE * CROP_MULTIPLE, size) for side in video.shape[1:3])
        if not height or not width:
            continue
        top, left = (video.shape[1] - height) // 2, (video.shape[2] - width) // 2
        apart = min(stride, (run.length - 1) // 2)
        before = (run.length - 1 - 2 * apart) // 2
        window = _window(run, before, before + apart, before + 2 * apart, context)
        pictures = (
            video[run.first + index, top : top + height, left : left + width].permute(2, 0, 1)[None].clone()
            for index in window
        )
        samples.append(dict(zip(FRAME_NAMES[context], pictures, strict=True)) | {"time": torch.tensor([0.5])})
    return samples
