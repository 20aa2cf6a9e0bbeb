"""What the image-to-event network learns from: two frames, and the events between them as brightness tells them.

Rendered scenes are looked at in `RENDERED_INSTANTS` instants of the gap, so that events lie where and when edges
pass. Real clips show one frame inside the gap, through which brightness is followed. The network sees the ends alone.

A batch is a dict: `before` and `after` (batch, 3, size, size) uint8, and `volume` (batch, 18, size, size).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from midframe.core.task import Batch, TrainOptions
from midframe.data.bank import load_frames, open_bank, split_by_scene
from midframe.data.samples import REFERENCE_SIDE, SampleRecipe, SampleStream, check_crops, validation_samples
from midframe.data.sharing import loader, share_of_batch
from midframe.data.stages import Stage
from midframe.data.synthetic import SceneStyle, random_scenes
from midframe.data.textures import TexturePool
from midframe.methods.madiff.config import BINS
from midframe.methods.madiff.events import simulate_events

RENDERED_INSTANTS = 9
LEAST_GAIN, MOST_GAIN = 0.8, 1.2
"""Of a sample's brightness, and of the power that it is raised to."""
RENDERING = 1
"""Tells the random numbers of rendering from those of cropping."""


class EventStream(IterableDataset):
    """An endless stream of batches; equal seeds and first batches give equal streams.

    Args:
        bank: Folder of a bank (`midframe.data.bank`).
        recipe: How to draw; `synthetic` is rounded to whole samples.
        threshold: Of the simulator.
        seed: Of everything random.
        first: Number of the first batch.
        stride: Distance to the next number.
    """

    def __init__(
        self, bank: Path, recipe: SampleRecipe, threshold: float, seed: int, first: int = 0, stride: int = 1
    ) -> None:
        self.bank, self.recipe, self.threshold = bank, recipe, threshold
        self.seed, self.first, self.stride = seed, first, stride

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        rendered = round(self.recipe.batch * self.recipe.synthetic)
        real = self.recipe.batch - rendered
        runs = split_by_scene(open_bank(self.bank))[0]
        textures = TexturePool(runs, load_frames(self.bank, runs, torch.device("cpu")), torch.device("cpu"))
        clips: Iterator[dict[str, Tensor]] = itertools.repeat({})
        if real:
            drawn = replace(self.recipe, batch=real, synthetic=0.0)
            # It takes its own place among the workers, so both number their batches alike.
            clips = iter(SampleStream(self.bank, drawn, self.seed, self.first, self.stride))
        numbers = itertools.count(self.first + offset * self.stride, step * self.stride)
        for number, triplets in zip(numbers, clips, strict=False):
            random = np.random.default_rng((self.seed, number, RENDERING))
            parts = []
            if real:
                names = ("before", "target", "after")
                parts.append(torch.stack([triplets[name] for name in names], 1).float() / 255)
            if rendered:
                parts.append(self._render(random, rendered, textures.of(self.seed, number)))
            yield _joined([_seen(self._exposed(random, part), self.threshold) for part in parts])

    def _render(self, random: np.random.Generator, count: int, textures: Tensor) -> Tensor:
        """(count, RENDERED_INSTANTS, 3, size, size): scenes from one end of the gap to the other."""
        recipe = self.recipe
        size = (recipe.size, recipe.size)
        style = SceneStyle(
            motion_pixels=recipe.motion_pixels * recipe.size / REFERENCE_SIDE, acceleration=recipe.acceleration
        )
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        scenes = random_scenes(count, size, style, generator, textures)
        instants = torch.linspace(0, 1, RENDERED_INSTANTS)
        return torch.stack([scenes.render(at.expand(count), size)[0] for at in instants], 1)

    def _exposed(self, random: np.random.Generator, clips: Tensor) -> Tensor:
        """Clips with another gain and gamma each, the same for all frames, before their events are counted."""
        gain, gamma = (
            torch.tensor(random.uniform(LEAST_GAIN, MOST_GAIN, len(clips)), dtype=torch.float32)[
                :, None, None, None, None
            ]
            for _ in range(2)
        )
        return (gain * clips.pow(gamma)).clamp(0, 1)


def _seen(clips: Tensor, threshold: float) -> dict[str, Tensor]:
    before, after = ((clips[:, at] * 255).round().to(torch.uint8) for at in (0, -1))
    return {"before": before, "after": after, "volume": simulate_events(clips, threshold)}


def _joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def event_batches(stages: tuple[Stage, ...], threshold: float, options: TrainOptions, first: int) -> Iterator[Batch]:
    """Batches of each stage in turn, from a step on; they are made on the CPU.

    Raises:
        RecipeError: A batch that the training processes cannot share equally, or crops larger than any clip.
    """
    check_crops(options.bank, [stage.samples for stage in stages])
    step = first
    for stage in stages:
        if step >= stage.until:
            continue
        share = replace(stage.samples, batch=share_of_batch(stage.samples.batch, options))
        number = step * options.processes + options.process
        stream = EventStream(options.bank, share, threshold, options.seed, number, options.processes)
        for batch in loader(stream, options.workers):
            yield batch
            step += 1
            if step >= stage.until:
                break


def validation_events(bank: Path, *, count: int, size: int, threshold: float) -> list[dict[str, Tensor]]:
    """Fixed pairs of the scenes set aside, one batch a pair, with their events through the frame between.

    Returns:
        Batches as of the stream, with `target`: the volume's picture as bytes.

    Raises:
        RecipeError: The bank has too few scenes to set one aside.
    """
    batches = []
    for sample in validation_samples(bank, count=count, size=size):
        clip = torch.stack([sample[name] for name in ("before", "target", "after")], 1).float() / 255
        batch = _seen(clip, threshold)
        batch["target"] = (volume_picture(batch["volume"]) * 255).round().to(torch.uint8)
        batches.append(batch)
    return batches


def volume_picture(volume: Tensor) -> Tensor:
    """A volume as RGB in [0, 1]: red where it became brighter, blue where darker, green where both; by the sum over
    time."""
    brighter, darker = (volume.unflatten(1, (2, -1)).sum(2) * (2 / BINS)).clamp(0, 1).unbind(1)
    return torch.stack((brighter, torch.minimum(brighter, darker), darker), 1)
