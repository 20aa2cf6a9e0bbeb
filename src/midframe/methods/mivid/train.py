"""MiVID as a training task: what a recipe says, and what one batch means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.seeds import draws_of
from midframe.core.task import Batch, Inspection, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.segments import SegmentRecipe, segment_batches, validation_segments
from midframe.diffusion.prediction import diffuse, target_of
from midframe.diffusion.sampler import sampling_steps
from midframe.losses.perceptual import FrameDistance, load_distance, pyramid_distance
from midframe.methods.mivid.blend import temporal_blend
from midframe.methods.mivid.config import FRAMES, MividConfig
from midframe.methods.mivid.loss import MividObjective, MividWeights
from midframe.methods.mivid.masking import MaskRecipe, draw_visibility, ends_visible
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.reconstruction import guess
from midframe.methods.mivid.sample import sample
from midframe.methods.mivid.weights_file import load_network, save_network
from midframe.metrics.difference import capped_psnr
from midframe.metrics.moving import moving_pixels
from midframe.nn.modes import evaluating

MASKS, PURE_NOISE = MaskRecipe(first=0.6), 0.3
"""As in the recipe of the shipped weights: for whoever goes on from them, or plans a run like theirs."""
SHOWN_CLIPS, SHOWN_FRAMES = 3, (2, 4, 6)
"""Of the validation, in the strip of samples."""


@dataclass(frozen=True, kw_only=True)
class MividRecipe:
    """A MiVID experiment.

    Attributes:
        mivid: The network and its diffusion.
        masks: What is hidden.
        weights: The objective.
        segments: How clips are drawn.
        schedule: How long and how fast.
        pure_noise: Share of the clips that are trained at the last step of the noise, where sampling begins; the
            rest at any step.
        validation_segments: Fixed clips of the scenes set aside.
        validation_steps: From noise to picture, at a validation: fewer than in use, for time.
    """

    schedule: Schedule
    mivid: MividConfig = field(default_factory=MividConfig)
    masks: MaskRecipe = field(default_factory=MaskRecipe)
    weights: MividWeights = field(default_factory=MividWeights)
    segments: SegmentRecipe = field(default_factory=SegmentRecipe)
    pure_noise: float = 0.0
    validation_segments: int = 32
    validation_steps: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.pure_noise <= 1:
            raise RecipeError(f"pure_noise is a share in [0, 1]; got {self.pure_noise}.")
        if self.segments.size != self.mivid.size:
            raise RecipeError(
                f"segments of {self.segments.size} pixels do not suit a network for {self.mivid.size} pixels."
            )


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake, or the bank too few scenes.
        MediaError: No bank lies where it should.
        WeightsError: The weights to begin with are of another architecture, or the file of features does not fit.
    """
    return set_up(read_recipe(options.recipe, MividRecipe), options)


def set_up(recipe: MividRecipe, options: TrainOptions) -> TrainingSetup:
    """As `prepare`, with a recipe at hand; errors as there."""
    torch.manual_seed(options.seed)
    # Processes that train together see other clips, and hide other parts of them.
    seed = options.seed * options.processes + options.process
    task = MividTask(recipe, load_distance(options.features, options.device), seed=seed)
    if options.init is not None:
        _begin_with(task.network, options.init)
    validation = validation_segments(options.bank, count=recipe.validation_segments, size=recipe.segments.size)

    def batches(first: int) -> Iterator[Batch]:
        return segment_batches(recipe.segments, options, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_network(recipe.mivid, weights["mivid"], path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation,
        resolved=asdict(recipe),
        export=export,
        inspect=partial(task.inspect, validation),
    )


class MividTask:
    """Train a MiVID network on segments of nine frames (`midframe.data.segments`).

    Args:
        recipe: The experiment.
        distance: Of frames, for the perceptual term.
        progress: Masks and weights as at this part of a training; by default as the step says.
        seed: Of masks and noise, which are a function of it and of the step, so that a resumed run repeats nothing.
    """

    def __init__(
        self,
        recipe: MividRecipe,
        distance: FrameDistance = pyramid_distance,
        *,
        progress: float | None = None,
        seed: int = 0,
    ) -> None:
        self.recipe, self.progress, self.seed = recipe, progress, seed
        # In bfloat16 convolutions are faster in this order of memory.
        self.network = MaskedVideoNetwork(recipe.mivid).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.objective = MividObjective(recipe.weights, distance)
        self.levels = recipe.mivid.levels()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"mivid": self.network}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        clean = _clip(batch)
        count, _, _, height, width = clean.shape
        progress = step / self.recipe.schedule.steps if self.progress is None else self.progress
        draw = draws_of(self.seed, step)
        visible = draw_visibility(self.recipe.masks, (count, height, width), progress, draw).to(clean.device)
        levels = self.levels.to(clean.device)
        at = torch.randint(len(levels), (count,), generator=draw)
        if self.recipe.pure_noise:
            at[torch.rand(count, generator=draw) < self.recipe.pure_noise] = len(levels) - 1
        at = at.to(clean.device)
        signal, noise = levels.at(at, clean.ndim)
        epsilon = torch.randn(clean.shape, generator=draw).to(clean.device)
        known = clean * visible
        conditions = self.network.conditions(known, visible)
        noisy = diffuse(clean, epsilon, signal, noise)
        guessed = guess(self.network, levels, conditions, noisy, at)
        trust = levels.signal[at].square()
        kind = self.recipe.mivid.prediction
        # A clean clip from predicted noise is divided by the signal: near zero it would explode.
        scored = self.objective(
            guessed.clean,
            clean,
            visible,
            trust=trust,
            progress=progress,
            pixel_trust=None if kind == "x0" else trust,
        )
        if kind == "x0":
            return {"mivid": scored}
        wanted = target_of(kind, clean, epsilon, signal, noise)
        hidden = (1 - visible).expand_as(clean)
        squared = ((guessed.output - wanted).square() * hidden).sum() / hidden.sum().clamp(min=1)
        return {"mivid": LossTerms({**scored.terms, "squared": squared}, scored.logs)}

    def predict(self, batch: Batch) -> Tensor:
        """The seven inner frames, (batch, 7, 3, height, width), from the first and the last."""
        clip = _clip(batch)
        visible = ends_visible(len(clip), *clip.shape[-2:]).to(clip.device)
        generator = torch.Generator(clip.device).manual_seed(0)
        steps = sampling_steps(len(self.levels), self.recipe.validation_steps)
        with evaluating(self.network):
            made = sample(self.network, self.network.conditions(clip * visible, visible), steps, generator=generator)
        return (made.transpose(1, 2)[:, 1:-1] * 0.5 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def inspect(self, validation: Sequence[Batch], predictions: Sequence[Tensor]) -> Inspection:
        """What the network made against the temporal blend, on all pixels and on those that move most; and pictures.

        Args:
            validation: Batches.
            predictions: What `predict` made of each, rounded to 8 bits.
        """
        device = next(self.network.parameters()).device
        found: dict[str, list[float]] = {"blend": [], "moving": [], "blend_moving": []}
        truths, makings = [], []
        for number, (batch, made) in enumerate(zip(validation, predictions, strict=True)):
            clip = _clip({name: value.to(device) for name, value in batch.items()})
            visible = ends_visible(len(clip), *clip.shape[-2:]).to(device)
            blend, truth = (
                (x.transpose(1, 2)[:, 1:-1] * 0.5 + 0.5) for x in (temporal_blend(clip * visible, visible), clip)
            )
            blend = (blend * 255).round() / 255
            moving = moving_pixels(clip[:, :, 0], clip[:, :, -1])[:, None, None]
            found["blend"].append(capped_psnr((blend - truth).square()))
            found["moving"].append(capped_psnr((made - truth).square()[moving.expand_as(truth)]))
            found["blend_moving"].append(capped_psnr((blend - truth).square()[moving.expand_as(truth)]))
            if number < SHOWN_CLIPS:
                inner = [frame - 1 for frame in SHOWN_FRAMES]
                truths.append(_side_by_side(truth[0, inner]))
                makings.append(_side_by_side(made[0, inner]))
        scores = {f"validation_psnr_{name}": sum(values) / len(values) for name, values in found.items()}
        return Inspection(scores, torch.cat(truths, -1).cpu(), torch.cat(makings, -1).cpu())

    def description(self) -> Mapping[str, Any]:
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        return {"method": "mivid", "network": json.loads(json.dumps(asdict(self.recipe.mivid)))}


def _begin_with(network: MaskedVideoNetwork, path: Path) -> None:
    begun = load_network(path)
    if begun.config != network.config:
        raise WeightsError(f"{path} is of {begun.config}; the recipe describes {network.config}.")
    network.load_state_dict(begun.state_dict())


def _clip(batch: Batch) -> Tensor:
    """Bytes from the loader to (batch, 3, 9, height, width) in [-1, 1]."""
    frames = batch["frames"]
    assert frames.shape[1] == FRAMES
    return frames.transpose(1, 2).float() / 127.5 - 1


def _side_by_side(frames: Tensor) -> Tensor:
    return torch.cat(list(frames), -1)
