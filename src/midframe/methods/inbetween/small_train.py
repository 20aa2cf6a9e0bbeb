"""The small model from nothing, in three stages: codec, image-to-video U-Net, backward model.

Each stage's file holds what the stages before it learnt, and begins the next one. All three learn from rendered
scenes that look wrong backwards (`midframe.data.one_way`); scenes of the validation have a seed of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.seeds import draws_of
from midframe.core.task import Batch, LossTerms, Schedule, TrainingSetup, TrainOptions, TrainTask
from midframe.data.clip_windows import clip_batch
from midframe.data.one_way import OneWayStream, numbered_generator, render_one_way, to_bytes
from midframe.data.sharing import loader, share_of_batch
from midframe.diffusion.edm import clean_from_velocity
from midframe.methods.inbetween.algorithm import JUDGED_SIGMA, BackwardTask, as_frames
from midframe.methods.inbetween.backbone import Condition, VideoModel
from midframe.methods.inbetween.config import BackwardConfig, SmallConfig
from midframe.methods.inbetween.loss import draw_sigma, velocity_loss
from midframe.methods.inbetween.weights_file import (
    BACKWARD,
    NETWORKS,
    SmallWeights,
    build_from,
    read_small,
    save_small,
    with_backward,
)

VALIDATION_SEED = 2**31
"""Apart from the seed of any run."""
ENCODED_AT_ONCE = 16
"""Clips."""
VALIDATION_BATCH = 4


@dataclass(frozen=True, kw_only=True)
class CodecStage:
    """The codec learns to give back pictures.

    Attributes:
        schedule: How long and how fast.
        batch: Clips in a batch.
        frames: Of each.
        absolute: Weight of absolute differences. Small beside the squared ones: where most of a picture is
            background, they teach to leave small objects out.
        regularity: Weight of the divergence of latents from a normal distribution.
    """

    schedule: Schedule
    batch: int = 4
    frames: int = 3
    absolute: float = 0.05
    regularity: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class BaseStage:
    """The image-to-video U-Net and the image encoder learn together.

    Attributes:
        schedule: How long and how fast.
        batch: Clips in a batch.
        clips: Rendered and encoded once, at the start.
        blind: Share of clips whose condition is hidden, so that guidance works.
    """

    schedule: Schedule
    batch: int = 8
    clips: int = 4096
    blind: float = 0.1


@dataclass(frozen=True, kw_only=True)
class BackwardStage:
    """Algorithm 1.

    Attributes:
        schedule: How long and how fast.
        batch: Clips in a batch.
        clips: Different ones; the paper has 100.
        projections: That are trained.
        rotated: Layers that follow the forward model.
    """

    schedule: Schedule
    batch: int = 8
    clips: int = 128
    projections: tuple[str, ...] = BackwardConfig().projections
    rotated: str = "all"

    def config(self, frames: int) -> BackwardConfig:
        """Of the backward model of clips of a length."""
        if self.rotated not in ("all", "up", "none"):
            raise RecipeError(f"rotated is 'all', 'up' or 'none'; got '{self.rotated}'.")
        return BackwardConfig(projections=self.projections, rotated=cast(Any, self.rotated), frames=frames)


@dataclass(frozen=True, kw_only=True)
class SmallRecipe:
    """A small model's training.

    Attributes:
        codec, base, backward: The stages.
        model: The architecture.
        validation_clips: Fixed scenes that no stage learns from.
    """

    codec: CodecStage
    base: BaseStage
    backward: BackwardStage
    model: SmallConfig = field(default_factory=SmallConfig)
    validation_clips: int = 16

    def __post_init__(self) -> None:
        if self.model.backward is not None:
            raise RecipeError("The backward model is described under [backward], not under [model].")
        if self.backward.clips % self.backward.batch or self.base.clips < self.base.batch:
            raise RecipeError(
                "The backward stage's clips fill whole batches, and the base stage has one batch at least."
            )


def prepare_codec(options: TrainOptions) -> TrainingSetup:
    """Make the first stage ready.

    Raises:
        MissingExtraError: The extra `svd` is not installed.
        RecipeError: The recipe has a mistake.
        WeightsError: The weights to begin with do not fit.
    """
    return _prepare(options, (), _set_up_codec)


def prepare_base(options: TrainOptions) -> TrainingSetup:
    """Make the second stage ready, on what the first one left; errors as `prepare_codec`."""
    return _prepare(options, ("codec",), _set_up_base)


def prepare(options: TrainOptions) -> TrainingSetup:
    """Make the last stage ready, Algorithm 1, on what the second one left; errors as `prepare_codec`."""
    return _prepare(options, NETWORKS, _set_up_backward)


SetUp = Callable[[SmallRecipe, TrainOptions, VideoModel, SmallWeights], TrainingSetup]


def _prepare(options: TrainOptions, needed: Sequence[str], set_up: SetUp) -> TrainingSetup:
    """Read a recipe, and take up the model as the stages before left it.

    What is built on stays, as far as another stage learns it; weights to begin with are of the same stage.
    """
    recipe = read_recipe(options.recipe, SmallRecipe)
    torch.manual_seed(options.seed)
    file = options.init or options.builds_on
    if file is None:
        if needed:
            raise WeightsError(
                f"This stage begins with what the one before it left, which has {', '.join(needed)}: name its file "
                "by --builds-on."
            )
        weights = SmallWeights(recipe.model, {}, 1.0)
    else:
        weights = read_small(file)
        missing = [part for part in needed if part not in weights.parts]
        if missing:
            raise WeightsError(f"{file} lacks {', '.join(missing)}, which this stage begins with.")
        if replace(weights.config, backward=None) != recipe.model:
            raise WeightsError(f"{file} is of {weights.config}; the recipe describes {recipe.model}.")
        # A backward model that is there already is trained anew.
        parts = {name: part for name, part in weights.parts.items() if name != BACKWARD}
        weights = SmallWeights(recipe.model, parts, weights.latent_scale)
    model = build_from(weights, file or Path("nothing"), device=options.device, complete=False)
    return set_up(recipe, options, model, weights)


# Codec


class CodecTask:
    """Pictures into latents and back.

    Args:
        model: Its codec is trained.
        stage: How.
        seed: Of what is drawn from posteriors.
    """

    def __init__(self, model: VideoModel, stage: CodecStage, seed: int) -> None:
        self.model, self.stage, self.seed = model, stage, seed
        model.codec.requires_grad_(True).train()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"codec": self.model.codec}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        frames = as_frames(batch["frames"])
        draw = draws_of(self.seed, step)
        mean, spread = self.model.posterior(frames)
        latents = mean + spread * torch.randn(mean.shape, generator=draw).to(mean.device)
        error = self.model.decode(latents) - frames
        # KL(N(m, s²) || N(0, 1)) for each number of a latent.
        divergence = 0.5 * (mean.square() + spread.square() - 1 - 2 * spread.clamp(min=1e-6).log()).mean()
        terms = {
            "absolute": self.stage.absolute * error.abs().mean(),
            "squared": 4 * error.square().mean(),
            "regularity": self.stage.regularity * divergence,
        }
        return {"codec": LossTerms(terms, {"divergence": divergence.detach(), "latent": mean.detach().std()})}

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """The inner frames, there and back."""
        mean, _ = self.model.posterior(as_frames(batch["frames"]))
        return self.model.decode(mean)[:, 1:-1].clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        return {"method": "inbetween-small", "trains": "codec"}


def _set_up_codec(
    recipe: SmallRecipe, options: TrainOptions, model: VideoModel, weights: SmallWeights
) -> TrainingSetup:
    stage = recipe.codec
    task = CodecTask(model, stage, options.seed)
    share = share_of_batch(stage.batch, options)

    def batches(first: int) -> Iterator[Batch]:
        stream = _scenes(options, share, stage.frames, recipe.model.size, first)
        return iter(loader(stream, options.workers))

    def export(state: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_small(SmallWeights(recipe.model, {"codec": state["codec"]}, 1.0), path, torch.float16)

    return _setup(task, recipe, stage.schedule, batches, export, asdict(recipe))


# Image-to-video U-Net


class BaseTask:
    """An image-to-video model learns from encoded clips.

    Args:
        model: Its U-Net and image encoder are trained.
        recipe: The architecture's noise, and how.
        seed: Of noise, and of which conditions are hidden.
    """

    def __init__(self, model: VideoModel, recipe: SmallRecipe, seed: int) -> None:
        self.model, self.recipe, self.seed = model, recipe, seed
        self.trained = nn.ModuleDict({"unet": model.network.unet, "image_encoder": model.image_encoder})
        self.trained.requires_grad_(True).train()

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"base": self.trained}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        draw = draws_of(self.seed, step)
        mean, spread = batch["mean"].float(), batch["spread"].float()
        device, count = mean.device, len(mean)
        config = self.recipe.model
        clean = mean + spread * torch.randn(mean.shape, generator=draw).to(device)
        epsilon = torch.randn(mean.shape, generator=draw).to(device)
        sigma = draw_sigma(count, config.noise_mean, config.noise_spread, draw).to(device)
        hidden = (torch.rand(count, generator=draw) < self.recipe.base.blind).to(device)
        condition = self._condition(batch, hidden)
        noisy = clean + sigma[:, None, None, None, None] * epsilon
        loss = velocity_loss(self.model.velocity(noisy, sigma, condition), clean, epsilon, sigma)
        return {"base": LossTerms({"velocity": loss})}

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """The clip's inner frames, restored in one step from a fixed level of noise."""
        frames = as_frames(batch["frames"])
        draw = torch.Generator().manual_seed(0)
        clean, _ = self.model.posterior(frames)
        sigma = torch.full((len(frames),), JUDGED_SIGMA, device=frames.device)
        noisy = clean + JUDGED_SIGMA * torch.randn(clean.shape, generator=draw).to(frames.device)
        velocity = self.model.velocity(noisy, sigma, self.model.condition(frames[:, 0]))
        restored = clean_from_velocity(velocity, noisy, sigma[:, None, None, None, None])
        return self.model.decode(restored)[:, 1:-1].clamp(0, 1)

    def description(self) -> Mapping[str, Any]:
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        network = json.loads(json.dumps(asdict(self.recipe.model)))
        return {"method": "inbetween-small", "trains": "base", "network": network}

    def _condition(self, batch: Batch, hidden: Tensor) -> Condition:
        pictures = as_frames(batch["first"])
        facts = self.model.facts
        told = torch.tensor([[facts.rate - 1, facts.motion, facts.augmentation]], device=pictures.device)
        shown = (~hidden).float()
        return Condition(
            batch["first_latent"].float() * shown[:, None, None, None],
            self.model.embed(pictures) * shown[:, None, None],
            told.float().expand(len(pictures), -1),
        )


@dataclass(frozen=True, eq=False)
class EncodedClips:
    """Clips as latents, for drawing batches from.

    Attributes:
        mean, spread: Of the posterior, not scaled, float16.
        first: First frames, uint8.
        first_latent: What conditions on them, float16.
    """

    mean: Float[Tensor, "clip frame channel rows columns"]
    spread: Float[Tensor, "clip frame channel rows columns"]
    first: UInt8[Tensor, "clip 3 height width"]
    first_latent: Float[Tensor, "clip channel rows columns"]

    @property
    def latent_scale(self) -> float:
        """What makes latents of unit variance."""
        variance = self.mean.float().var() + self.spread.float().square().mean()
        return float(variance.rsqrt())

    def batches(self, batch: int, scale: float, seed: int, first: int, stride: int) -> Iterator[Batch]:
        """An endless stream, a function of the seed and of the batches' numbers."""
        number = first
        while True:
            draw = numbered_generator(seed, number)
            picked = torch.randint(len(self.mean), (batch,), generator=draw)
            yield {
                "mean": self.mean[picked] * scale,
                "spread": self.spread[picked] * scale,
                "first": self.first[picked],
                "first_latent": self.first_latent[picked],
            }
            number += stride


@torch.no_grad()
def encode_clips(model: VideoModel, count: int, frames: int, side: int, seed: int) -> EncodedClips:
    """Render clips and encode them once. The model's scale is taken to be 1."""
    assert model.facts.latent_scale == 1.0
    parts: list[tuple[Tensor, ...]] = []
    for number, start in enumerate(range(0, count, ENCODED_AT_ONCE)):
        draw = numbered_generator(seed, number)
        clips = render_one_way(min(ENCODED_AT_ONCE, count - start), frames, side, draw).frames
        noise = torch.randn(clips[:, 0].shape, generator=draw)
        pictures = clips.to(model.device)
        mean, spread = model.posterior(pictures)
        latent = model.condition(pictures[:, 0], noise.to(model.device)).latent
        parts.append((mean.half().cpu(), spread.half().cpu(), to_bytes(clips[:, 0]), latent.half().cpu()))
    return EncodedClips(*(torch.cat(values) for values in zip(*parts, strict=True)))


def _set_up_base(
    recipe: SmallRecipe, options: TrainOptions, model: VideoModel, weights: SmallWeights
) -> TrainingSetup:
    stage, config = recipe.base, recipe.model
    model.facts = replace(model.facts, latent_scale=1.0)
    encoded = encode_clips(model, stage.clips, config.frames, config.size, options.seed)
    scale = encoded.latent_scale
    model.facts = replace(model.facts, latent_scale=scale)
    task = BaseTask(model, recipe, options.seed * options.processes + options.process)
    share = share_of_batch(stage.batch, options)

    def batches(first: int) -> Iterator[Batch]:
        number = first * options.processes + options.process
        return encoded.batches(share, scale, options.seed, number, options.processes)

    def export(state: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        parts: dict[str, dict[str, Tensor]] = {name: {} for name in ("unet", "image_encoder")}
        for name, value in state["base"].items():
            part, _, inner = name.partition(".")
            parts[part][inner] = value
        save_small(SmallWeights(config, {**weights.parts, **parts}, scale), path, torch.float16)

    return _setup(task, recipe, stage.schedule, batches, export, asdict(recipe))


# Backward model


def _set_up_backward(
    recipe: SmallRecipe, options: TrainOptions, model: VideoModel, weights: SmallWeights
) -> TrainingSetup:
    stage, config = recipe.backward, recipe.model
    kind = stage.config(config.frames)
    task = BackwardTask(
        model,
        kind,
        noise=(config.noise_mean, config.noise_spread),
        seed=options.seed * options.processes + options.process,
    )
    share = share_of_batch(stage.batch, options)

    def batches(first: int) -> Iterator[Batch]:
        pool = stage.clips // share
        stream = _scenes(options, share, config.frames, config.size, first, pool)
        return iter(loader(stream, options.workers))

    def export(state: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_small(with_backward(weights, task.deltas(state["backward"]), kind), path, torch.float16)

    return _setup(task, recipe, stage.schedule, batches, export, asdict(recipe))


# All stages


def _scenes(
    options: TrainOptions, batch: int, frames: int, side: int, first: int, pool: int | None = None
) -> Iterable[Batch]:
    number = first * options.processes + options.process
    return OneWayStream(batch, frames, side, options.seed, number, options.processes, pool)


def _validation(recipe: SmallRecipe) -> list[dict[str, Tensor]]:
    config = recipe.model
    batches = []
    for number, start in enumerate(range(0, recipe.validation_clips, VALIDATION_BATCH)):
        draw = numbered_generator(VALIDATION_SEED, number)
        count = min(VALIDATION_BATCH, recipe.validation_clips - start)
        batches.append(clip_batch(to_bytes(render_one_way(count, config.frames, config.size, draw).frames)))
    return batches


def _setup(
    task: TrainTask,
    recipe: SmallRecipe,
    schedule: Schedule,
    batches: Callable[[int], Iterator[Batch]],
    export: Callable[[Mapping[str, Mapping[str, Tensor]], Path], None],
    resolved: Mapping[str, Any],
) -> TrainingSetup:
    return TrainingSetup(
        task=task,
        schedule=schedule,
        batches=batches,
        validation=_validation(recipe),
        resolved=resolved,
        export=export,
    )
