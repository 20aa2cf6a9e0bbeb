"""Algorithm 2: one clip between two key frames; and the method as an interpolator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError, WeightsError
from midframe.core.method import ClipProgress, CutFrames, Frames, Grid, MethodSpec, Window, check_request
from midframe.core.options import LoadOptions
from midframe.core.recipe import build
from midframe.core.work_size import WorkSize
from midframe.diffusion.edm import clean_from_velocity, euler_step, karras_sigmas, renoise
from midframe.methods.inbetween.attention import Pass, ReverseProjections
from midframe.methods.inbetween.backbone import (
    BACKWARD_FILE,
    REPOSITORY_14,
    Condition,
    VideoModel,
    change_format,
    check_extra,
    find_folder,
    load_video_model,
)
from midframe.methods.inbetween.config import Rotated
from midframe.methods.inbetween.fitting import Fit, Fitting, fitting
from midframe.methods.inbetween.fusion import (
    Denoise,
    System,
    Weighting,
    disagreement,
    evaluations,
    frame_weights,
    fuse,
    guidance_ramp,
    guided,
    moves,
)
from midframe.methods.inbetween.memory import Batching, working_bytes
from midframe.methods.inbetween.rotation import AttentionMap
from midframe.methods.inbetween.weights_file import load_backward, load_small, set_backward

BATCHINGS: tuple[Batching, ...] = ("all", "directions", "one")
DECODE_CHUNKS = (8, 4, 2)
"""Tried where memory is short."""
OBTAIN_BACKWARD = (
    "Train one with `midframe train inbetween`, or convert the authors' checkpoint (unet of "
    "svd_reverse_motion_with_attnflip, mirrored as fffiloni/svd_keyframe_interpolation on Hugging Face) with "
    f"`midframe convert inbetween CHECKPOINT {BACKWARD_FILE} --base SVD14`, SVD14 being {REPOSITORY_14}."
)

Latents = Float[Tensor, "batch frame channel rows columns"]


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """How a clip is sampled.

    Attributes:
        frames: Of a clip, key frames included; None for the model's own number. More are chained in windows.
        steps: Levels of noise; None for the model's own number.
        system: Algorithm 2, or a baseline on the same skeleton.
        weighting: Share of the forward direction in each frame; None for what the system's paper has.
        injections: Repetitions of each of the first steps; None for the model's own number.
        injection_share: Part of the steps that are repeated.
        guidance: Of the conditioning frame and of the one farthest from it; None for the model's own. 1 and 1 is no
            guidance, at half the cost.
        fit: How pictures of another shape go in.
        height: Of the frames that the model works on, None for what it was trained on.
        width: Likewise.
        decode_chunk: Frames that are decoded at a time; None for all.
        batching: How much goes through the network at once: "all" of directions and guidance, both "directions", or
            "one" clip at a time, with attention maps kept between the directions.
        offload: Keep each part of the model on the CPU while another one works.
        tuned: Use the backward model; without it the forward model's weights serve both directions.
        rotated: Layers whose maps are handed over; None for those that the backward model was trained with.
        backward: File of a backward model, in the place of the one that lies beside the weights or in them.
    """

    frames: int | None = None
    steps: int | None = None
    system: System = "full"
    weighting: Weighting | None = None
    injections: int | None = None
    injection_share: float = 0.5
    guidance: tuple[float, float] | None = None
    fit: Fit = "keep"
    height: int | None = None
    width: int | None = None
    decode_chunk: int | None = None
    batching: Batching = "directions"
    offload: bool = False
    tuned: bool = True
    rotated: Rotated | None = None
    backward: str | None = None

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 3:
            raise UsageError(f"A clip has at least 3 frames, two of them key frames; got {self.frames}.")
        if self.decode_chunk is not None and self.decode_chunk < 1:
            raise UsageError(f"At least one frame is decoded at a time; got {self.decode_chunk}.")

    @property
    def frame_weighting(self) -> Weighting:
        """What is asked for, or what the system's paper has."""
        return self.weighting or ("linear" if self.system == "time-reversal" else "average")

    @property
    def guidance_weighting(self) -> Weighting:
        """Averaged with averaged frames; the image-to-video model alone has its own ramp."""
        return "linear" if self.system == "forward" else self.frame_weighting


OnStep = Callable[[ClipProgress], None]


def _silent(state: ClipProgress) -> None:
    """Nobody watches."""


class ClipSampler:
    """Algorithm 2 over latents.

    Args:
        model: With its backward model set.
        settings: How.
    """

    def __init__(self, model: VideoModel, settings: SamplingSettings) -> None:
        self.model, self.settings = model, settings
        facts = model.facts
        self.steps = facts.steps if settings.steps is None else settings.steps
        self.injections = facts.injections if settings.injections is None else settings.injections
        self.ends = facts.guidance if settings.guidance is None else settings.guidance
        self.guided = tuple(self.ends) != (1.0, 1.0)
        self.planned = moves(settings.system, self.steps, self.injections, settings.injection_share)

    @property
    def evaluations(self) -> int:
        """Clips that go through the network for one window."""
        return evaluations(self.planned, self.settings.system, guided=self.guided)

    def sample(
        self,
        first: Condition,
        last: Condition,
        frames: int,
        generator: torch.Generator,
        on_step: Callable[[float | None], None] = lambda apart: None,
    ) -> Latents:
        """Scaled latents of clips between key frames.

        Args:
            first: Of the first key frames.
            last: Of the last ones.
            frames: Of a clip, both key frames included.
            generator: Source of all noise, on the model's device.
            on_step: Called after each denoising with the directions' disagreement.
        """
        sigmas = karras_sigmas(self.steps, self.model.facts.sigma_least, self.model.facts.sigma_most)
        sigmas = sigmas.to(self.model.device)
        shape = (len(first.latent), frames, *first.latent.shape[1:])
        noise = torch.randn(shape, generator=generator, device=self.model.device)
        noisy = noise * (sigmas[0].square() + 1).sqrt()
        for move in self.planned:
            sigma, following = sigmas[move.step], sigmas[move.step + 1]
            if not isinstance(move, Denoise):
                noisy = renoise(noisy, sigma, following, generator)
                continue
            velocity, apart = self._velocity(noisy, sigma, first, last)
            noisy = euler_step(clean_from_velocity(velocity, noisy, sigma), noisy, sigma, following)
            on_step(apart)
        return noisy

    def _velocity(
        self, noisy: Latents, sigma: Tensor, first: Condition, last: Condition
    ) -> tuple[Latents, float | None]:
        """The fused prediction, and how far the directions are apart."""
        settings, frames = self.settings, noisy.shape[1]
        ramp = guidance_ramp(settings.guidance_weighting, frames, (self.ends[0], self.ends[1]))
        if settings.system == "forward":
            return self._combined(self._forward(noisy, sigma, first), ramp), None
        forward, backward = (self._combined(parts, ramp) for parts in self._both(noisy, sigma, first, last))
        fused = fuse(forward, backward, frame_weights(settings.frame_weighting, frames))
        return fused, disagreement(forward, backward)

    def _combined(self, parts: Sequence[Latents], ramp: Tensor) -> Latents:
        return guided(parts[0], parts[1], ramp) if len(parts) == 2 else parts[0]

    def _forward(self, noisy: Latents, sigma: Tensor, first: Condition) -> list[Latents]:
        conditions = [first.nothing(), first] if self.guided else [first]
        if self.settings.batching == "all":
            joined = self._run(torch.cat([noisy] * len(conditions)), sigma, Condition.join(*conditions), None)
            return list(joined.chunk(len(conditions)))
        return [self._run(noisy, sigma, condition, None) for condition in conditions]

    def _both(
        self, noisy: Latents, sigma: Tensor, first: Condition, last: Condition
    ) -> tuple[list[Latents], list[Latents]]:
        """Predictions of each direction in its own order of time; with guidance the unconditioned one comes first."""
        pairs = [(first.nothing(), last.nothing()), (first, last)] if self.guided else [(first, last)]
        reversed_ = noisy.flip(1)
        if self.settings.batching == "one":
            return self._after_another(noisy, reversed_, sigma, pairs)
        if self.settings.batching == "all":
            together = Condition.join(*(pair[0] for pair in pairs), *(pair[1] for pair in pairs))
            clips = torch.cat([noisy] * len(pairs) + [reversed_] * len(pairs))
            parts = self._run(clips, sigma, together, Pass("both")).chunk(2 * len(pairs))
            return list(parts[: len(pairs)]), list(parts[len(pairs) :])
        found = [
            self._run(torch.cat((noisy, reversed_)), sigma, Condition.join(*pair), Pass("both")).chunk(2)
            for pair in pairs
        ]
        return [parts[0] for parts in found], [parts[1] for parts in found]

    def _after_another(
        self, noisy: Latents, reversed_: Latents, sigma: Tensor, pairs: Sequence[tuple[Condition, Condition]]
    ) -> tuple[list[Latents], list[Latents]]:
        network = self.model.network
        followed = any(network.rotates(layer) for layer in network.layers)
        forward, backward = [], []
        for one, other in pairs:
            maps: dict[str, AttentionMap] = {}
            forward.append(self._run(noisy, sigma, one, Pass("forward", taken=maps if followed else None)))
            backward.append(self._run(reversed_, sigma, other, Pass("backward", given=maps)))
        return forward, backward

    def _run(self, clips: Latents, sigma: Tensor, condition: Condition, way: Pass | None) -> Latents:
        return self.model.velocity(clips, sigma.expand(len(clips)), condition, way)


class InbetweenInterpolator:
    """A clip between two key frames, as an interpolator of all its instants at once.

    Args:
        model: With its backward model set.
        settings: How clips are sampled.
        name: In the registry.
    """

    def __init__(
        self, model: VideoModel, settings: SamplingSettings | None = None, *, name: str = "inbetween"
    ) -> None:
        self.model, self.settings = model, settings or SamplingSettings()
        self.sampler = ClipSampler(model, self.settings)
        self.on_step: OnStep = _silent
        self._spec = MethodSpec(
            name=name, context=1, times=Grid(self.frames - 1), stochastic=True, together=True, pixel_bytes=0
        )

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where input belongs."""
        return self.model.device

    @property
    def frames(self) -> int:
        """Of a whole clip, both key frames included."""
        return self.settings.frames or self.model.facts.frames

    @torch.inference_mode()
    def interpolate(
        self, frames: Window, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`.

        Raises:
            UsageError: Also where pictures are to be cropped, whose middle would come back alone.
        """
        check_request(self.spec, frames, times)
        if self.settings.fit == "crop" and self.cropped(frames.shape[-2], frames.shape[-1]):
            raise UsageError("With fit 'crop' the middle of each picture is made alone: make whole clips instead.")
        clip = self.clip(frames, generator=generator)
        return clip[:, [int(time * (self.frames - 1)) for time in times]]

    @torch.inference_mode()
    def clip(self, frames: Window, *, generator: torch.Generator | None = None) -> CutFrames:
        """The whole clip, its first and last frame as the model makes them.

        Args:
            frames: The two key frames, in [0, 1].
            generator: Source of randomness, on the model's device.

        Returns:
            `self.frames` frames in [0, 1], float32, of the input's size; with fit "crop", of the cut's.

        Raises:
            UsageError: There is no generator.
        """
        if generator is None:
            raise UsageError(f"{self.spec.name} draws random numbers: pass a generator.")
        height, width = frames.shape[-2:]
        plan = self._fitting(height, width)
        keys = plan.enter(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        made = self._chained(keys, generator)
        return plan.leave(made.flatten(0, 1)).unflatten(0, made.shape[:2])

    def entered(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 rows columns"]:
        """Pictures at the size at which the model works."""
        return self._fitting(pictures.shape[-2], pictures.shape[-1]).enter(pictures)

    def cropped(self, height: int, width: int) -> bool:
        """Whether a part of pictures of a size is left out."""
        plan = self._fitting(height, width)
        return (plan.height, plan.width) != (height, width)

    def key_frames(self, frames: Window) -> CutFrames:
        """The key frames as they belong to `clip`'s result: cut as it is."""
        plan = self._fitting(*frames.shape[-2:])
        bottom, right = plan.top + plan.height, plan.left + plan.width
        return frames[..., plan.top : bottom, plan.left : right]

    def windows(self) -> list[int]:
        """Lengths of the windows that a clip is made of: nearly equal, none longer than the model's clip."""
        gaps, most = self.frames - 1, self.model.facts.frames - 1
        count = -(-gaps // most)
        return [gaps * (part + 1) // count - gaps * part // count + 1 for part in range(count)]

    def evaluations(self) -> int:
        """Clips that go through the network in all."""
        windows = self.windows()
        return self.sampler.evaluations * (len(windows) + (len(windows) > 1))

    def _chained(self, keys: Window, generator: torch.Generator) -> Frames:
        """One window, or several: their key frames are taken from a clip of the model's own length over the whole."""
        windows = self.windows()
        total = (len(windows) + (len(windows) > 1)) * sum(isinstance(move, Denoise) for move in self.sampler.planned)
        done = 0

        def tick(apart: float | None) -> None:
            nonlocal done
            done += 1
            self.on_step(ClipProgress(done, total, apart))

        if len(windows) == 1:
            return self._window(keys, windows[0], generator, tick)
        length = self.model.facts.frames
        coarse = self._window(keys, length, generator, tick)
        ends = [keys[:, 0]]
        position = 0
        for window in windows[:-1]:
            position += window - 1
            ends.append(coarse[:, round(position * (length - 1) / (self.frames - 1))])
        ends.append(keys[:, 1])
        parts = [
            self._window(torch.stack((ends[part], ends[part + 1]), 1), window, generator, tick)
            for part, window in enumerate(windows)
        ]
        # Where two windows meet, the frame is the key frame that both were made from.
        joined = [parts[0]]
        for part, end in zip(parts[1:], ends[1:-1], strict=True):
            joined[-1] = torch.cat((joined[-1][:, :-1], end[:, None]), 1)
            joined.append(part[:, 1:])
        return torch.cat(joined, 1)

    def _window(
        self, keys: Window, frames: int, generator: torch.Generator, tick: Callable[[float | None], None]
    ) -> Frames:
        model = self.model
        pictures = keys.to(model.device)
        # One tensor of noise for both: what differs between the key frames is the motion, not the noise.
        noise = torch.randn(pictures[:, 0].shape, generator=generator, device=model.device)
        first, last = (model.condition(pictures[:, side], noise) for side in (0, 1))
        with model.at_work(model.network):
            latents = self.sampler.sample(first, last, frames, generator, tick)
        return model.decode(latents, self.settings.decode_chunk).clamp(0, 1)

    def _fitting(self, height: int, width: int) -> Fitting:
        settings, facts = self.settings, self.model.facts
        size = (settings.height or facts.height, settings.width or facts.width)
        return fitting(settings.fit, height, width, size, self.model.multiple)

    def memory_bytes(self, height: int, width: int) -> int:
        """Largest memory of a clip on the device, weights included."""
        return self._bytes(Way(self.settings.batching, self.settings.decode_chunk), height, width)

    # As `core.work_size.Resizable`: the same clip with less at once.
    def sizes(self, height: int, width: int) -> Sequence[WorkSize]:
        """Ways to work, the fastest first."""
        return [WorkSize(size_bytes=self._bytes(way, height, width), words=way.words) for way in self._ways()]

    def smaller(self, height: int, width: int) -> WorkSize | None:
        """The next way that takes less memory; None where there is none."""
        current, *below = self.sizes(height, width)
        return next((size for size in below if size.size_bytes < current.size_bytes), None)

    def resized(self, size: WorkSize) -> InbetweenInterpolator:
        """The same method working in that way; shares its weights."""
        way = next(way for way in self._ways() if way.words == size.words)
        settings = replace(self.settings, batching=way.batching, decode_chunk=way.decode_chunk)
        made = InbetweenInterpolator(self.model, settings, name=self.spec.name)
        made.on_step = self.on_step
        return made

    def _ways(self) -> list[Way]:
        """From the way that is set to the one that takes least."""
        settings = self.settings
        most = settings.decode_chunk or self.frames
        chunks = [chunk for chunk in DECODE_CHUNKS if chunk < most]
        below = BATCHINGS[BATCHINGS.index(settings.batching) + 1 :]
        first = Way(settings.batching, settings.decode_chunk)
        # Decoding takes most at full size: first less of that, which costs no time.
        ways = [first, *(Way(settings.batching, chunk) for chunk in chunks)]
        return [*ways, *(Way(batching, ways[-1].decode_chunk) for batching in below)]

    def _bytes(self, way: Way, height: int, width: int) -> int:
        return working_bytes(
            self.model,
            frames=max(self.windows()),
            size=self._fitting(height, width).inner,
            batching=way.batching,
            guided=self.sampler.guided,
            directions=1 if self.settings.system == "forward" else 2,
            decode_chunk=way.decode_chunk,
        )


@dataclass(frozen=True)
class Way:
    """How much is done at once.

    Attributes:
        batching: Through the network.
        decode_chunk: Frames decoded at a time; None for all.
    """

    batching: Batching
    decode_chunk: int | None

    @property
    def words(self) -> str:
        """For a person."""
        frames = "all frames" if self.decode_chunk is None else f"frames by {self.decode_chunk}"
        return f"{_WORDS[self.batching]} through the network at once, {frames} decoded"


_WORDS: dict[Batching, str] = {
    "all": "both directions with their guidance",
    "directions": "both directions",
    "one": "one direction",
}


def create(options: LoadOptions) -> InbetweenInterpolator:
    """Build the interpolator from a folder of Stable Video Diffusion, with the backward model that lies in it.

    Raises:
        MissingExtraError: The extra `svd` is not installed.
        WeightsError: The folder or a part of it is missing; says what to download, and its licence.
        UsageError: A setting that does not exist, or an option that this method does not have.
    """
    settings = _settings(options)
    folder = find_folder(options.weights)
    beside = folder / BACKWARD_FILE
    file = Path(settings.backward) if settings.backward else beside if beside.is_file() else None
    if settings.system == "full" and settings.tuned and file is None:
        raise WeightsError(
            f"{folder} holds no {BACKWARD_FILE}, the backward model. {OBTAIN_BACKWARD} Without it there are "
            "--set system=time-reversal and --set system=forward."
        )
    model = load_video_model(folder, device=options.device, precision=options.precision, offload=settings.offload)
    backward = load_backward(file, model) if file is not None and uses_backward(settings) else None
    return _finish(model, backward, settings, "inbetween")


def create_small(options: LoadOptions) -> InbetweenInterpolator:
    """Build the interpolator from the file of a small model; errors as `create`."""
    settings = _settings(options)
    if options.weights is None:
        raise WeightsError("inbetween-small needs a file of weights.")
    check_extra()
    model = load_small(options.weights, device=options.device)
    backward = load_backward(Path(settings.backward), model) if settings.backward else model.network.backward
    if settings.system == "full" and settings.tuned and backward is None:
        raise WeightsError(f"{options.weights} holds no backward model: the last stage of its training is missing.")
    for part in (model.network, model.codec, model.image_encoder):
        change_format(part, options.precision)
    return _finish(model, backward if uses_backward(settings) else None, settings, "inbetween-small")


def uses_backward(settings: SamplingSettings) -> bool:
    """Whether the backward direction has weights of its own."""
    return settings.system == "full" and settings.tuned


def _finish(
    model: VideoModel, backward: ReverseProjections | None, settings: SamplingSettings, name: str
) -> InbetweenInterpolator:
    plain = settings.system != "full"
    set_backward(model, backward, "none" if plain else settings.rotated)
    return InbetweenInterpolator(model, settings, name=name)


def _settings(options: LoadOptions) -> SamplingSettings:
    if options.scale is not None:
        raise UsageError(
            f"Generative inbetweening estimates no flow: a scale ({options.scale}) does not apply to it."
        )
    if options.tta:
        raise UsageError("Generative inbetweening has no average over mirrored frames: two samples are two motions.")
    values: dict[str, object] = dict(options.settings)
    for name, value in (("steps", options.steps), ("frames", options.frames)):
        if value is not None:
            values[name] = value
    return build(SamplingSettings, values, "--set")
