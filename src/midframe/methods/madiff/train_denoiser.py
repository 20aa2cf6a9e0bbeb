"""The denoiser as a training task, on a trained codec and its hints, which stay as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from midframe.core.errors import RecipeError, UsageError, WeightsError
from midframe.core.file_hash import sha256_of
from midframe.core.motion import MotionSource
from midframe.core.recipe import read_recipe
from midframe.core.seeds import draws_of
from midframe.core.task import Batch, Inspection, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.samples import validation_samples
from midframe.data.stages import Stage, check_stages, stage_batches
from midframe.diffusion.prediction import clean_from, diffuse
from midframe.losses.perceptual import FrameDistance, load_distance, pyramid_distance
from midframe.methods.madiff.config import DenoiserConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from midframe.methods.madiff.model import Hints, MadiffModel, Neighbour, moved
from midframe.methods.madiff.model_file import load_model, save_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.methods.madiff.weights_file import CodecModel, load_codec
from midframe.metrics.difference import capped_psnr
from midframe.ops.pad import reflect_to_multiple

MEASURED = (
    "latent_channels",
    "latent_mean",
    "latent_deviation",
    "hint_channels",
    "hint_deviation",
    "base_deviation",
)
"""Fields of the denoiser's configuration that training fills in."""
SIZES = ("latent_channels", "hint_channels")
"""Those of them that widths depend on."""
SAMPLED = ("sampling_steps", "eta", "sampling_hints", "refresh_every", "refresh_above")
"""Fields that say how the finished weights are used."""
LEAST_DEVIATION = 1e-4
SHOWN = 4
"""Samples of the validation in the strip."""


@dataclass(frozen=True, kw_only=True)
class DenoiserRecipe:
    """An experiment with the denoiser.

    Attributes:
        schedule: How long and how fast.
        stages: In order; the last one must reach the schedule's end. Targets lie half-way between their inputs.
        denoiser: The network, without what is measured (`measured`).
        hint_dropout: Part of the samples that are shown no hints: sampling begins without events.
        hint_estimates: Part of the samples whose hints, where they are shown, are of an estimate of the frame and not
            of the true one: of what the denoiser itself makes of one noisy latent at any step, without hints and
            decoded without; where hints are motion, with that of the neighbours alone. Much as in use, where an
            estimate comes from the step before, and from its hints.
        hints: Kinds of hints that the numbers are meant for; the codec's must be one of them.
        hint_pairs: Part of the samples whose hints, where they are shown and not of an estimate, are of the
            neighbours alone.
        draws: Noisy latents made of each sample: encoding a small picture costs more than denoising it.
        measured_batches: From so many of the first batches the statistics of latents and hints are taken.
        validation_samples: Fixed crops of the scenes set aside.
        validation_size: Their side.
        validation_steps: From noise to picture, at a validation: fewer than in use, for time.
    """

    schedule: Schedule
    stages: tuple[Stage, ...]
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    hint_dropout: float = 0.5
    hint_estimates: float = 0.0
    hint_pairs: float = 0.0
    hints: tuple[Literal["events", "simulator", "flow"], ...] = ("events", "simulator")
    draws: int = 1
    measured_batches: int = 8
    validation_samples: int = 24
    validation_size: int = 128
    validation_steps: int = 8

    def __post_init__(self) -> None:
        check_stages(self.stages, self.schedule.steps, 1)
        if any(stage.samples.any_time for stage in self.stages):
            raise RecipeError("MADIFF learns midpoints only: every stage's samples need any_time = 0.")
        for name in ("hint_dropout", "hint_estimates", "hint_pairs"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name} is a share in [0, 1]; got {getattr(self, name)}.")
        if self.draws < 1 or self.measured_batches < 1:
            raise RecipeError(
                f"draws and measured_batches must be at least 1; got {self.draws} and {self.measured_batches}."
            )


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake, or crops of a size that the networks cannot halve.
        UsageError: No codec was named.
        MediaError: No bank lies where it should.
        WeightsError: The codec's file does not fit, or the weights to begin with are of another architecture.
    """
    recipe = read_recipe(options.recipe, DenoiserRecipe)
    if options.builds_on is None:
        raise UsageError("The denoiser builds on a trained codec: name its file of weights with --builds-on.")
    codec = load_codec(options.builds_on)
    if codec.config.hints.kind not in recipe.hints:
        raise RecipeError(
            f"this recipe is for hints of kind {' or '.join(recipe.hints)}; those of {options.builds_on} are of kind "
            f"{codec.config.hints.kind}: take another recipe (madiff-denoiser-motion is for flow), or another codec."
        )
    for network in (codec.codec, codec.events):
        if network is not None:
            network.to(options.device).eval().requires_grad_(False)

    def batches(first: int) -> Iterator[Batch]:
        return stage_batches(recipe.stages, options, first)

    begun = None if options.init is None else load_model(options.init, motion=options.motion)
    if begun is not None and _same_codec(begun.codec, codec.codec):
        # What weights were trained for is what they go on with.
        config = replace(recipe.denoiser, **{name: getattr(begun.denoiser.config, name) for name in MEASURED})
    else:
        # All processes, and a run that goes on, measure the same batches.
        looked_at = stage_batches(recipe.stages, replace(options, workers=0, process=0), 0)
        first = islice(looked_at, recipe.measured_batches)
        config = measured(recipe.denoiser, codec, first, options.device, options.motion)
    torch.manual_seed(options.seed)
    model = MadiffModel(codec, LatentDenoiser(config), motion=options.motion).to(options.device)
    if recipe.schedule.precision == "bf16":
        model.precision = torch.bfloat16  # The frozen codec's: it takes as long as the denoiser.
    _check_crops(recipe, model)
    if begun is not None:
        _begin_with(model.denoiser, begun.denoiser, options.init)
    # Processes that train together draw other noise.
    seed = options.seed * options.processes + options.process
    distance = load_distance(options.features, options.device)
    task = DenoiserTask(recipe, model, distance, seed=seed, codec_sha256=sha256_of(options.builds_on))
    validation = validation_samples(options.bank, count=recipe.validation_samples, size=recipe.validation_size)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_model(model, weights["denoiser"], path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation,
        resolved=asdict(replace(recipe, denoiser=config)),
        export=export,
        inspect=partial(task.inspect, validation),
    )


@torch.no_grad()
def measured(
    config: DenoiserConfig,
    codec: CodecModel,
    batches: Iterator[Batch],
    device: torch.device,
    motion: MotionSource | None = None,
) -> DenoiserConfig:
    """A configuration with the statistics of a codec's latents and hints.

    The noise has unit variance, so the schedule is made for latents that have it too. Latent diffusion measures one
    factor on the first batch and keeps it with the weights (`scale_factor`); here it is a mean and a deviation for
    each channel, since nothing holds the channels of a quantised latent together. Hints are only divided by their
    root mean square: a hint of zero must stay zero.

    Args:
        config: What else it says.
        codec: On the device.
        batches: To measure.
        device: Where.
        motion: Loads another model, where hints are its motion.
    """
    kept, hint_squares, apart = [], [], []
    hints = codec.hints(motion)
    for batch in batches:
        before, target, after = _frames(batch, device)
        latents = codec.codec.encode(torch.cat((before, target, after))).latent.double()
        kept.append(latents.transpose(0, 1).flatten(1))
        earlier, wanted, later = latents.chunk(3)
        told = hints.pair(before, after) if hints.moves else hints.between(before, target, after)
        if hints.moves:
            factor = codec.config.codec.factor
            earlier, later = moved(earlier, told[0], factor), moved(later, told[1], factor)
        apart.append((wanted - (earlier + later) / 2).square().transpose(0, 1).flatten(1))
        size = (latents.shape[2], latents.shape[3])
        for hint in told:
            hint_squares.append(functional.adaptive_avg_pool2d(hint, size).double().square().mean())
    values = torch.cat(kept, 1)
    deviation = values.std(1).clamp(min=LEAST_DEVIATION)
    # Of each channel in its own deviations, as the denoiser sees latents.
    base = (torch.cat(apart, 1).mean(1) / deviation.square()).mean().sqrt()
    return replace(
        config,
        latent_channels=len(values),
        latent_mean=tuple(values.mean(1).tolist()),
        latent_deviation=tuple(deviation.tolist()),
        hint_channels=hints.channels,
        hint_deviation=max(math.sqrt(float(torch.stack(hint_squares).mean())), LEAST_DEVIATION),
        base_deviation=max(float(base), LEAST_DEVIATION),
    )


class DenoiserTask:
    """Train the denoiser to say what noise was added to the latent of a known frame.

    Args:
        recipe: The experiment.
        model: Codec and hints, frozen, and the denoiser.
        distance: Of frames, for the validation.
        seed: Of steps, noise and dropped hints, which are a function of it and of the training step, so that a
            resumed run repeats nothing.
        codec_sha256: Hash of the codec's file, to tell whether a run goes on with the same.
    """

    def __init__(
        self,
        recipe: DenoiserRecipe,
        model: MadiffModel,
        distance: FrameDistance = pyramid_distance,
        *,
        seed: int = 0,
        codec_sha256: str = "",
    ) -> None:
        self.recipe, self.model, self.distance, self.seed = recipe, model, distance, seed
        self.codec_sha256 = codec_sha256
        self.levels = model.config.denoiser.levels()
        self.plan = replace(SamplingPlan.of(model.config.denoiser), steps=recipe.validation_steps)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"denoiser": self.model.denoiser}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        draw = draws_of(self.seed, step)
        count = self.recipe.draws * len(batch["target"])
        shown = torch.rand(count, generator=draw) >= self.recipe.hint_dropout
        estimated = torch.rand(len(batch["target"]), generator=draw) < self.recipe.hint_estimates
        of_pair = None
        if self.recipe.hint_pairs:
            of_pair = torch.rand(len(batch["target"]), generator=draw) < self.recipe.hint_pairs
        errors = self._errors(batch, shown, draw, estimated=estimated, of_pair=of_pair)
        logs = {"hinted": shown.float().mean()}
        for name, chosen in (("with_hints", shown), ("without_hints", ~shown)):
            if chosen.any():
                logs[name] = errors[chosen.to(errors.device)].mean().detach()
        return {"denoiser": LossTerms({"squared": errors.mean()}, logs)}

    def predict(self, batch: Batch) -> Tensor:
        """The frame between, sampled as in use but in fewer steps."""
        before, _, after = _frames(batch, self.model.mean.device)
        height, width = before.shape[-2:]
        pair = reflect_to_multiple(torch.stack((before, after)), self.model.config.size_multiple)
        generator = torch.Generator(before.device).manual_seed(0)
        return sample_frame(self.model, pair[0], pair[1], self.plan, generator=generator)[..., :height, :width]

    @torch.no_grad()
    def inspect(self, validation: Sequence[Batch], predictions: Sequence[Tensor]) -> Inspection:
        """What was sampled beside the blend and beside the codec's own limit, the error of the noise, and pictures.

        `_codec` is what the codec makes of the true latent and the true hints, `_codec_pair` of the true latent and
        motion of the neighbours alone: with the same hints no denoiser can be expected to do better. `_looks`
        are distances by features, lower is closer. The noise's error is that of the weights of the moment, at steps
        spread evenly.

        Args:
            validation: Batches.
            predictions: What `predict` made of each, rounded to 8 bits.
        """
        device = self.model.mean.device
        found: dict[str, list[float]] = {}
        truths, makings = [], []
        for number, (batch, made) in enumerate(zip(validation, predictions, strict=True)):
            before, target, after = _frames(batch, device)
            made = made.to(device)
            others = {"_blend": (before + after) / 2, "_codec": self._reconstructed(before, target, after)}
            if self.model.moves:
                others["_codec_pair"] = self._reconstructed(before, target, after, pair=True)
            for name, frame in {"": made, **others}.items():
                frame = (frame * 255).round() / 255
                if name:  # The loop itself counts decibels of what was made.
                    found.setdefault(f"psnr{name}", []).append(capped_psnr((frame - target).square()))
                found.setdefault(f"looks{name}", []).append(float(self.distance(frame, target).mean()))
            for name, hinted in (("noise", True), ("noise_unhinted", False)):
                draw = torch.Generator().manual_seed(number)
                shown = torch.full((len(target),), hinted)
                place = (number + 0.5) / len(validation)
                found.setdefault(name, []).append(float(self._errors(batch, shown, draw, place).mean()))
            if number < SHOWN and (not truths or truths[0].shape == target[0].shape):
                truths.append(target[0])
                makings.append(made[0])
        scores = {f"validation_{name}": sum(values) / len(values) for name, values in found.items()}
        return Inspection(scores, torch.cat(truths, -1).cpu(), torch.cat(makings, -1).cpu())

    def description(self) -> Mapping[str, Any]:
        # What is measured follows from the codec, and may differ in its last digit from machine to machine.
        network = _architecture(self.model.config.denoiser)
        return {"method": "madiff-denoiser", "network": network, "codec": self.codec_sha256}

    def _errors(
        self,
        batch: Batch,
        shown: Tensor,
        draw: torch.Generator,
        place: float | None = None,
        estimated: Tensor | None = None,
        of_pair: Tensor | None = None,
    ) -> Tensor:
        """Squared error of the predicted noise, as a part of what it is before any training, for each noisy latent.

        Args:
            batch: Frames.
            shown: For each noisy latent whether its hints are shown; as many for each sample, behind each other.
            draw: Of steps, where none is given, and of noise.
            place: Of the step in the diffusion: 0 to 1.
            estimated: For each sample whether its hints are of an estimate; None for none.
            of_pair: For each sample whether they are of the neighbours alone, if not of an estimate; None for none.
        """
        model = self.model
        frames = reflect_to_multiple(torch.stack(_frames(batch, model.mean.device)), model.config.size_multiple)
        with torch.no_grad():
            encoded = model.encode(frames.flatten(0, 1))
            latents = encoded.latent.unflatten(0, (3, -1))
            hints = model.mixed_hints(frames[0], frames[1], frames[2], of_pair)
            if estimated is not None and estimated.any():
                chosen = estimated.to(frames.device)
                hints = (hints[0].clone(), hints[1].clone())
                for hint, guess in zip(hints, self._estimated_hints(encoded, chosen, draw), strict=True):
                    hint[chosen] = guess
        count, device = len(shown), frames.device
        times = count // frames.shape[1]
        clean = latents[1].repeat_interleave(times, 0)
        # Both hints or none: of events, sampling knows neither at its first step.
        chosen = shown.to(device).view(-1, 1, 1, 1)
        features, known_before, known_after = (
            torch.where(chosen, seen.repeat_interleave(times, 0), unseen.repeat_interleave(times, 0))
            for seen, unseen in zip(
                self._known(latents[0], latents[2], hints), self._known(latents[0], latents[2], None), strict=True
            )
        )
        if place is None:
            steps = torch.randint(len(self.levels), (count,), generator=draw).to(device)
        else:
            steps = torch.full((count,), int(place * len(self.levels)), device=device)
        epsilon = torch.randn(clean.shape, generator=draw).to(device)
        signal, noise = self.levels.to(device).at(steps, clean.ndim)
        predicted = model.denoiser(diffuse(clean, epsilon, signal, noise), steps, known_before, known_after, features)
        return ((predicted - epsilon) / model.denoiser.output_scale(steps)).square().mean((1, 2, 3))

    def _known(self, before: Tensor, after: Tensor, hints: Hints | None) -> tuple[Tensor, Tensor, Tensor]:
        """Features of hints, and the neighbours' latents as they lie with them."""
        return (self.model.hint_features(hints, before), *self.model.latents_there(before, after, hints))

    def _estimated_hints(self, encoded: Neighbour, chosen: Tensor, draw: torch.Generator) -> Hints:
        """Hints of frames as the denoiser makes them from one noisy latent, told what sampling begins with.

        Args:
            encoded: The frames before, the true ones and those after, behind each other.
            chosen: Samples to make them for.
            draw: Of steps and noise.
        """
        model = self.model
        parts = (encoded.frame.chunk(3), encoded.latent.chunk(3), *(level.chunk(3) for level in encoded.pyramid))
        before, true, after = (
            Neighbour(frame[chosen], latent[chosen], tuple(level[chosen] for level in pyramid))
            for frame, latent, *pyramid in zip(*parts, strict=True)
        )
        steps = torch.randint(len(self.levels), (len(true.latent),), generator=draw).to(chosen.device)
        signal, noise = self.levels.to(chosen.device).at(steps, true.latent.ndim)
        noisy = diffuse(true.latent, torch.randn(true.latent.shape, generator=draw).to(chosen.device), signal, noise)
        alone = model.pair_hints(before.frame, after.frame) if model.moves else None
        features, *latents = self._known(before.latent, after.latent, alone)
        epsilon = model.denoiser(noisy, steps, *latents, features)
        # Autocast keeps the weights that it has rounded here, without a gradient: PyTorch before 2.10 would take them
        # for the pass that learns, too.
        torch.clear_autocast_cache()
        frame = model.decode(clean_from("eps", epsilon, noisy, signal, noise), before, after, alone)
        return model.hints_between(before.frame, frame, after.frame, alone)

    def _reconstructed(self, before: Tensor, target: Tensor, after: Tensor, *, pair: bool = False) -> Tensor:
        """By the codec, from the true latent, with hints of the true frame or of the neighbours alone."""
        height, width = target.shape[-2:]
        frames = reflect_to_multiple(torch.stack((before, target, after)), self.model.config.size_multiple)
        earlier, middle, later = (self.model.encode(frame) for frame in frames)
        alone = self.model.pair_hints(earlier.frame, later.frame) if pair else None
        hints = alone or self.model.hints_between(earlier.frame, middle.frame, later.frame)
        return self.model.decode(middle.latent, earlier, later, hints)[..., :height, :width]


def _frames(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Bytes from the loader to RGB in [0, 1]."""
    before, target, after = (batch[name].to(device).float() / 255 for name in ("before", "target", "after"))
    return before, target, after


def _check_crops(recipe: DenoiserRecipe, model: MadiffModel) -> None:
    multiple = model.config.size_multiple
    for stage in recipe.stages:
        if stage.samples.size % multiple:
            raise RecipeError(
                f"crops of {stage.samples.size} pixels cannot be halved often enough: this codec and this denoiser "
                f"need multiples of {multiple}."
            )


def _begin_with(denoiser: LatentDenoiser, begun: LatentDenoiser, path: Path | None) -> None:
    fits = all(getattr(begun.config, name) == getattr(denoiser.config, name) for name in SIZES)
    if not fits or _architecture(begun.config) != _architecture(denoiser.config):
        raise WeightsError(f"{path} holds a denoiser of {begun.config}; the recipe describes {denoiser.config}.")
    denoiser.load_state_dict(begun.state_dict())


def _same_codec(one: nn.Module, other: nn.Module) -> bool:
    """Whether two codecs are equal in half precision, which is what files keep."""
    states = one.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(
        value.shape == states[1][name].shape and torch.equal(value.half(), states[1][name].to(value.device).half())
        for name, value in states[0].items()
        if value.is_floating_point()
    )


def _architecture(config: DenoiserConfig) -> dict[str, Any]:
    """What weights depend on, as JSON would give it back: lists for tuples."""
    kept = {name: value for name, value in asdict(config).items() if name not in (*MEASURED, *SAMPLED)}
    return json.loads(json.dumps(kept))
