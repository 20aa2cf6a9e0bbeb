"""SVMV as a training task: what a recipe says, and what one batch means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.task import Batch, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.samples import validation_samples
from midframe.data.stages import Stage, check_stages, stage_batches
from midframe.losses.perceptual import FrameDistance, load_distance, pyramid_distance
from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.gather_loss import gather_loss
from midframe.methods.svmv.loss import Pictures, SvmvWeights, matching_loss, svmv_loss
from midframe.methods.svmv.network import MotionVolumeNetwork
from midframe.methods.svmv.synthesis import render
from midframe.methods.svmv.weights_file import LAYOUTS, build_network, load_network, save_network
from midframe.nn.saved import grown, layout_of, read_part

CONTEXT = 2
MATCHERS = ("encoder", "coarse", "middle")
"""Parts of the network that find motion, named as in this project's RIFE."""


@dataclass(frozen=True, kw_only=True)
class SvmvRecipe:
    """An SVMV experiment.

    Attributes:
        svmv: The network.
        weights: The objective.
        schedule: How long and how fast.
        matching_steps: First of all, train for so many steps only what finds motion, without any synthesis (`splat`).
        stages: In order; the last one must reach the schedule's end. Samples have four inputs.
        validation_samples: Fixed crops of the scenes set aside.
    """

    schedule: Schedule
    stages: tuple[Stage, ...]
    svmv: SvmvConfig = field(default_factory=SvmvConfig)
    weights: SvmvWeights = field(default_factory=SvmvWeights)
    validation_samples: int = 48
    matching_steps: int = 0

    def __post_init__(self) -> None:
        if self.matching_steps and self.svmv.synthesis == "gather":
            raise RecipeError("matching_steps: the gather variant finds no motion without its synthesis.")
        check_stages(self.stages, self.schedule.steps, CONTEXT)


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake.
        MediaError: No bank lies where it should.
        WeightsError: The weights to begin with are of another architecture, or the file of features does not fit.
        MissingExtraError: The file of features is an ONNX one, and the package onnx is not installed.
    """
    recipe = read_recipe(options.recipe, SvmvRecipe)
    torch.manual_seed(options.seed)
    if options.features is not None and not recipe.weights.perceptual:
        raise RecipeError("Features do not apply: the recipe has no perceptual term (weights.perceptual).")
    task = SvmvTask(recipe, load_distance(options.features, options.device))
    if options.init is not None:
        _begin_with(task, options.init)

    def batches(first: int) -> Iterator[Batch]:
        return stage_batches(recipe.stages, options, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_network(recipe.svmv, weights["svmv"], path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation_samples(options.bank, count=recipe.validation_samples, context=CONTEXT),
        resolved=asdict(recipe),
        export=export,
    )


class SvmvTask:
    """Train an SVMV network on windows of four frames (`midframe.data.samples`).

    Args:
        recipe: The experiment.
        distance: Of frames, for the perceptual term.
    """

    def __init__(self, recipe: SvmvRecipe, distance: FrameDistance = pyramid_distance) -> None:
        self.recipe, self.distance = recipe, distance
        self.network = build_network(recipe.svmv).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"svmv": self.network}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        pictures, weights = _pictures(batch), self.recipe.weights
        progress = step / self.recipe.schedule.steps
        if not isinstance(self.network, MotionVolumeNetwork):
            gathered = self.network(pictures.window, pictures.time)
            return {"svmv": gather_loss(gathered, pictures, weights, progress=progress, distance=self.distance)}
        known = {name: batch[name] for name in ("motion", "motion_weight") if name in batch}
        if step < self.recipe.matching_steps:
            return {"svmv": matching_loss(self.network.match(pictures.window).steps, pictures, weights, **known)}
        volumes = self.network(pictures.window)
        rendered = render(volumes.volume, pictures.before, pictures.after, pictures.time)
        scored = svmv_loss(rendered, volumes, pictures, weights, progress=progress, distance=self.distance, **known)
        return {"svmv": scored}

    def predict(self, batch: Batch) -> Tensor:
        pictures = _pictures(batch)
        if not isinstance(self.network, MotionVolumeNetwork):
            return self.network(pictures.window, pictures.time).frame.clamp(0, 1)
        volumes = self.network(pictures.window)
        return render(volumes.volume, pictures.before, pictures.after, pictures.time).frame.clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        return {"method": "svmv", "network": json.loads(json.dumps(asdict(self.recipe.svmv)))}


def _begin_with(task: SvmvTask, path: Path) -> None:
    """Copy weights into the task's network; those of a shallower one begin a deeper (`nn.saved.grown`).

    Of another method's file only what finds motion is taken: what matches two frames matches four.
    """
    network = task.network
    if layout_of(path) not in LAYOUTS:
        for part in MATCHERS if task.recipe.svmv.synthesis == "splat" else MATCHERS[:1]:
            known, wanted = read_part(path, f"{part}."), network.get_submodule(part)
            shapes = [
                {name: tuple(value.shape) for name, value in side.items()} for side in (known, wanted.state_dict())
            ]
            if shapes[0] != shapes[1]:
                raise WeightsError(f"{path} holds no SVMV weights, and no '{part}' like the recipe's.")
            wanted.load_state_dict(known)
        return
    trained, config = load_network(path), task.recipe.svmv
    state = trained.state_dict()
    if trained.config != config:
        same = trained.config.synthesis == config.synthesis and trained.config.members == config.members
        larger = grown(state, network.state_dict()) if same else None
        if larger is None:
            raise WeightsError(f"{path} is of {trained.config}; the recipe describes {config}.")
        state = larger
    network.load_state_dict(state)


def _pictures(batch: Batch) -> Pictures:
    """Bytes from the loader to RGB in [0, 1], on whatever device they lie."""
    names = ("earlier", "before", "target", "after", "later")
    return Pictures(**{name: batch[name].float() / 255 for name in names}, time=batch["time"])
