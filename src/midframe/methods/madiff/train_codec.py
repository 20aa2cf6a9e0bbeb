"""The codec as a training task: three frames in a row, the middle one made small and restored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from midframe.core.errors import RecipeError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.core.seeds import draws_of
from midframe.core.task import Batch, Inspection, LossTerms, Schedule, TrainingSetup, TrainOptions
from midframe.data.samples import validation_samples
from midframe.data.stages import Stage, check_stages, stage_batches
from midframe.losses.adversarial import PatchDiscriminator
from midframe.losses.perceptual import FrameDistance, load_distance, pyramid_distance
from midframe.methods.madiff.codec import Decoded, MotionAwareCodec
from midframe.methods.madiff.codec_loss import CodecWeights, codec_losses
from midframe.methods.madiff.config import CodecConfig, CodecModelConfig, HintConfig
from midframe.methods.madiff.event_network import EventNetwork
from midframe.methods.madiff.hints import HintSource, make_hints, mixed_hints
from midframe.methods.madiff.model import moved
from midframe.methods.madiff.weights_file import load_codec, load_events, save_codec
from midframe.metrics.difference import capped_psnr
from midframe.nn.modes import evaluating
from midframe.nn.quantiser import Quantised
from midframe.ops.pad import pad_to_multiple

CONTEXT = 1
EXCHANGED = ("hint_channels", "hint_gain", "anchor", "sampling")
"""Of a codec's configuration, what a run may change that begins with its weights."""
TELLING = (".layers.5.", ".gate.2.", "head.choose.")
"""Layers that say where pixels come from: they start at zero."""
SHOWN = 3
"""Samples of the validation, in the strip of samples."""

Pictures = Float[Tensor, "batch 3 height width"]


@dataclass(frozen=True, kw_only=True)
class CodecRecipe:
    """An experiment with the codec.

    Attributes:
        codec: The autoencoder.
        hints: What hints come from. Of kind "events" only the kind counts: the network comes with its own widths.
        weights: The objective.
        schedule: How long and how fast.
        stages: In order; the last one must reach the schedule's end.
        validation_samples: Fixed crops of the scenes set aside.
        validation_size: Their side.
    """

    schedule: Schedule
    stages: tuple[Stage, ...]
    codec: CodecConfig = field(default_factory=CodecConfig)
    hints: HintConfig = field(default_factory=HintConfig)
    weights: CodecWeights = field(default_factory=CodecWeights)
    validation_samples: int = 32
    validation_size: int = 192

    def __post_init__(self) -> None:
        check_stages(self.stages, self.schedule.steps, CONTEXT)
        check_crop_multiples(self.stages, self.codec)


def check_crop_multiples(stages: Sequence[Stage], codec: CodecConfig) -> None:
    """Refuse crops that the codec cannot take.

    Raises:
        RecipeError: A side is no multiple of `codec.size_multiple`.
    """
    for stage in stages:
        if stage.samples.size % codec.size_multiple:
            raise RecipeError(
                f"crops must be multiples of {codec.size_multiple} pixels for this codec; got {stage.samples.size}."
            )


def prepare(options: TrainOptions) -> TrainingSetup:
    """Read a recipe and make everything ready that the loop needs.

    Raises:
        RecipeError: The recipe has a mistake, the bank too few scenes, or hints of kind "events" have no network.
        MediaError: No bank lies where it should.
        WeightsError: Weights are of another architecture, or the file of features does not fit.
    """
    recipe = read_recipe(options.recipe, CodecRecipe)
    events = _events(recipe, options)
    config = CodecModelConfig(codec=recipe.codec, hints=_hint_config(recipe, events, options))
    torch.manual_seed(options.seed)
    # Processes that train together hide the hints of other samples.
    seed = options.seed * options.processes + options.process
    network = None if events is None else events.to(options.device)
    source = make_hints(config.hints, network=network, motion=options.motion)
    task = CodecTask(recipe, source, load_distance(options.features, options.device), config=config, seed=seed)
    if options.init is not None:
        _begin_with(task.codec, options.init)
    validation = validation_samples(options.bank, count=recipe.validation_samples, size=recipe.validation_size)

    def batches(first: int) -> Iterator[Batch]:
        return stage_batches(recipe.stages, options, first)

    def export(weights: Mapping[str, Mapping[str, Tensor]], path: Path) -> None:
        save_codec(config, weights["codec"], None if events is None else events.state_dict(), path, torch.float16)

    return TrainingSetup(
        task=task,
        schedule=recipe.schedule,
        batches=batches,
        validation=validation,
        resolved=asdict(recipe),
        export=export,
        inspect=partial(task.inspect, validation),
    )


@dataclass(frozen=True, eq=False)
class Sight:
    """What the decoder sees of each sample of a batch.

    Attributes:
        hints: Whether it sees hints; zeros if not.
        neighbours: Whether it sees the neighbours; zeros for features and grey for pixels if not.
        of_pair: Whether hints are of the neighbours alone, and not of the frame.
        guessed: Whether it sees the mean of the neighbours' latents in place of the frame's.
    """

    hints: Bool[Tensor, " batch"]
    neighbours: Bool[Tensor, " batch"]
    of_pair: Bool[Tensor, " batch"]
    guessed: Bool[Tensor, " batch"]

    def to(self, device: torch.device) -> Sight:
        return Sight(*(flags.to(device) for flags in (self.hints, self.neighbours, self.of_pair, self.guessed)))


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Target frames as the codec makes them.

    Attributes:
        decoded: Frames and displacements.
        quantised: Their latents.
    """

    decoded: Decoded
    quantised: Quantised


class CodecTask:
    """Train the codec on triplets (`midframe.data.samples`).

    The target is encoded and decoded; what moves between it and its neighbours is taken from the target itself, or
    from the neighbours alone (`CodecWeights.pair_share`), and hidden from a part of the samples, so that the decoder
    also serves where hints are poor or missing. A part is decoded from what the neighbours' latents tell of the
    target's (`guess_share`).

    Args:
        recipe: The experiment.
        source: Of hints.
        distance: Of frames, for the perceptual term.
        config: What identifies the result; by default as in the recipe.
        seed: Of which samples see hints: a function of it and of the step, so that a resumed run repeats nothing.
    """

    def __init__(
        self,
        recipe: CodecRecipe,
        source: HintSource,
        distance: FrameDistance = pyramid_distance,
        *,
        config: CodecModelConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.recipe, self.source, self.distance, self.seed = recipe, source, distance, seed
        self.config = config or CodecModelConfig(codec=recipe.codec, hints=recipe.hints)
        weights = recipe.weights
        # Not channels last: PyTorch's group normalisation in bfloat16 takes ten times as long there, and with it a
        # step of the codec twice as long.
        self.codec = MotionAwareCodec(recipe.codec)
        self.critic = PatchDiscriminator(3, width=weights.critic_width, layers=weights.critic_layers)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return {"codec": self.codec, "critic": self.critic}

    def losses(self, batch: Batch, step: int) -> Mapping[str, LossTerms]:
        before, target, after = pictures_of(batch)
        weights = self.recipe.weights

        def drawn(share: float, purpose: int) -> Tensor:
            return samples_shown(len(target), share, self.seed, step, purpose)

        shown = drawn(weights.hint_share, 0)
        beside = torch.ones_like(shown)
        if weights.hides_neighbours:
            # Beside neighbours that show nearly everything a decoder never learns to read codes that say nothing yet.
            share = weights.neighbour_share if step >= weights.neighbours_from else 0.0
            beside = drawn(share, 1)
        of_pair = drawn(weights.pair_share, 2)
        # Without the neighbours there is nothing to make a guess right by.
        guessed = drawn(weights.guess_share, 3) & beside
        made = self._reconstruct(before, target, after, Sight(shown, beside, of_pair, guessed).to(target.device))
        judged = weights.adversarial > 0 and step >= weights.adversarial_from
        losses = codec_losses(
            made.decoded,
            target,
            made.quantised.loss,
            self.codec.last_weight,
            self.critic if judged else None,
            weights,
            self.distance,
        )
        scored = losses["codec"]
        losses["codec"] = LossTerms(scored.terms, {**scored.logs, **self._logs(made, target, shown)})
        return losses

    def _reconstruct(
        self,
        before: Pictures,
        target: Pictures,
        after: Pictures,
        sight: Sight,
        *,
        latent: bool = True,
    ) -> Reconstruction:
        """The target through the codec.

        Args:
            before: The neighbour before.
            target: The frame.
            after: The neighbour after.
            sight: What each sample's decoder sees.
            latent: Without it the decoder sees the latent's mean over the picture in its place.
        """
        seen = sight.hints.view(-1, 1, 1, 1).float()
        told = mixed_hints(self.source, before, target, after, sight.of_pair)
        hint_before, hint_after = told[0] * seen, told[1] * seen
        # One pass for all three: a third of the calls on thrice the batch.
        encoded = self.codec.encode(torch.cat((before, target, after)))
        earlier, _, later = zip(*(level.chunk(3) for level in encoded.pyramid), strict=True)
        if not sight.neighbours.all():
            kept = sight.neighbours.view(-1, 1, 1, 1)
            earlier, later = ([level * kept for level in side] for side in (earlier, later))
            # Grey is the zero of a head, which sees pixels in [-1, 1].
            before, after = (torch.where(kept, frame, 0.5) for frame in (before, after))
        known_before, known, known_after = encoded.latent.chunk(3)
        quantised = self.codec.quantise(known)
        code = quantised.latent
        if sight.guessed.any():
            if self.source.moves:
                factor = self.recipe.codec.factor
                known_before, known_after = (
                    moved(known_before, hint_before, factor),
                    moved(known_after, hint_after, factor),
                )
            # Without a gradient: latents are not to be made such that their mean is right.
            guess = self.codec.quantiser.looked_up((known_before + known_after) / 2)
            code = torch.where(sight.guessed.view(-1, 1, 1, 1), guess, code)
        if not latent:
            code = code.mean((2, 3), keepdim=True).expand_as(code)
        decoded = self.codec.reconstruct(code, earlier, later, hint_before, hint_after, before, after)
        return Reconstruction(decoded, quantised)

    @torch.no_grad()
    def _logs(self, made: Reconstruction, target: Pictures, shown: Tensor) -> dict[str, Tensor]:
        """How much of the codebook, of motion and of hints is in use."""
        logs = {
            "codes_in_batch": torch.tensor(float(made.quantised.codes.unique().numel())),
            "codes_in_use": (self.codec.quantiser.uses > 0).float().mean(),
        }
        for pair in made.decoded.offsets:
            # In pixels of the picture: level l is a 2^(l+1)th of it.
            scale = target.shape[-1] // pair[0].shape[-1]
            name = "offset_pixels" if scale == 1 else f"offset_level_{scale.bit_length() - 2}"
            logs[name] = torch.stack(pair).norm(dim=2).mean() * scale
        error = (made.decoded.frames.detach() - target).square().mean((1, 2, 3)).cpu()
        for name, part in (("with_hints", error[shown]), ("without_hints", error[~shown])):
            if len(part):
                logs[f"squared_{name}"] = part.mean()
        return logs

    def predict(self, batch: Batch) -> Tensor:
        """The target through the codec, with hints of the target."""
        return self.restored(batch, hints=True)

    def restored(
        self, batch: Batch, *, hints: bool, latent: bool = True, pair: bool = False, guess: bool = False
    ) -> Pictures:
        """The target through the codec, in [0, 1]; frames of any size.

        Args:
            batch: Three frames in a row.
            hints: Whether it sees hints.
            latent: Whether it sees the target's latent, or the mean of it.
            pair: Whether hints are of the neighbours alone.
            guess: Whether it is decoded from the neighbours' latents.
        """
        frames = pictures_of(batch)
        height, width = frames[0].shape[-2:]
        padded = [pad_to_multiple(frame, self.recipe.codec.size_multiple) for frame in frames]
        flags = (torch.full((len(frames[0]),), flag, device=frames[0].device) for flag in (hints, True, pair, guess))
        with evaluating(self.codec):
            made = self._reconstruct(padded[0], padded[1], padded[2], Sight(*flags), latent=latent)
        return made.decoded.frames[..., :height, :width].clamp(0, 1)

    @torch.no_grad()
    def inspect(self, validation: Sequence[Batch], predictions: Sequence[Tensor]) -> Inspection:
        """What hints and the latent are worth on the validation, in colours and in looks; and pictures.

        Args:
            validation: Batches.
            predictions: What `predict` made of each, with hints.
        """
        device = next(self.codec.parameters()).device
        found: dict[str, list[float]] = {}
        truths, makings = [], []
        for batch, made in zip(validation, predictions, strict=True):
            batch = {name: value.to(device) for name, value in batch.items()}
            target = pictures_of(batch)[1]
            others = {
                "_without_hints": self.restored(batch, hints=False),
                "_without_latent": self.restored(batch, hints=True, latent=False),
            }
            if self.recipe.weights.pair_share:
                others["_with_pair_hints"] = self.restored(batch, hints=True, pair=True)
            if self.recipe.weights.guess_share:
                others["_from_guess"] = self.restored(batch, hints=True, pair=True, guess=True)
            for name, frame in {"": made, **others}.items():
                if name:  # The loop itself counts decibels of what was made.
                    found.setdefault(f"psnr{name}", []).append(capped_psnr((frame - target).square()))
                found.setdefault(f"looks{name}", []).append(float(self.distance(frame, target).mean()))
            if len(truths) < SHOWN and (not truths or target.shape[-2] == truths[0].shape[-2]):
                truths.append(target[0])
                makings.append(made[0])
        scores = {f"validation_{name}": sum(values) / len(values) for name, values in found.items()}
        return Inspection(scores, torch.cat(truths, -1).cpu(), torch.cat(makings, -1).cpu())

    def description(self) -> Mapping[str, Any]:
        # As JSON would give it back: lists for tuples, so that a checkpoint's description compares equal.
        return {"method": "madiff-codec", "network": json.loads(json.dumps(asdict(self.config)))}


def pictures_of(batch: Batch) -> tuple[Pictures, Pictures, Pictures]:
    """The neighbour before, the target and the neighbour after: RGB in [0, 1] from the loader's bytes."""
    before, target, after = ((batch[name].float() / 255).contiguous() for name in ("before", "target", "after"))
    return before, target, after


def samples_shown(count: int, share: float, *seeds: int) -> Bool[Tensor, " {count}"]:
    """Which samples of a batch see both hints (or both neighbours); the others see neither."""
    return torch.rand(count, generator=draws_of(*seeds)) < share


def _hint_config(recipe: CodecRecipe, events: EventNetwork | None, options: TrainOptions) -> HintConfig:
    """The recipe's, with what only the run knows."""
    if events is not None:
        return events.config
    if recipe.hints.kind == "flow" and options.motion is not None:
        return replace(recipe.hints, model=options.motion.name, model_sha256=options.motion.sha256)
    return recipe.hints


def _events(recipe: CodecRecipe, options: TrainOptions) -> EventNetwork | None:
    if recipe.hints.kind != "events":
        if options.builds_on is not None:
            raise RecipeError(
                f"hints of kind '{recipe.hints.kind}' come from no network: {options.builds_on} would not be used."
            )
        return None
    if options.builds_on is None:
        raise RecipeError(
            "hints of kind 'events' need the image-to-event network that 'madiff-events' trains: name its file with "
            "--builds-on."
        )
    return load_events(options.builds_on)


def _begin_with(codec: MotionAwareCodec, path: Path) -> None:
    begun = load_codec(path).codec
    if begun.config == codec.config:
        codec.load_state_dict(begun.state_dict())
        return
    one, other = asdict(begun.config), asdict(codec.config)
    if any(value != other[name] for name, value in one.items() if name not in EXCHANGED):
        raise WeightsError(f"{path} is of {begun.config}; the recipe describes {codec.config}.")
    # Of other hints everything is known but what they mean: where displacements lead is learnt anew.
    anew = any(one[name] != other[name] for name in ("hint_channels", "anchor"))
    own = codec.state_dict()
    for name, value in begun.state_dict().items():
        if anew and any(part in name for part in TELLING):
            continue
        if (
            own[name].shape != value.shape
        ):  # The first layer behind a hint: its columns lie between those of features.
            width = (value.shape[1] - begun.config.hint_channels) // 2
            grown = torch.zeros_like(own[name])
            grown[:, :width], grown[:, -width:] = value[:, :width], value[:, -width:]
            value = grown
        own[name] = value
    codec.load_state_dict(own)
