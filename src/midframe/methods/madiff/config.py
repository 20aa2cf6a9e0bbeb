"""The architecture as values: what tells motion, and the autoencoder that uses it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from midframe.core.errors import UsageError
from midframe.diffusion.levels import NoiseLevels, root_linear_levels

BINS = 9
"""Instants of an event volume."""
POLARITIES = 2
EVENT_CHANNELS = POLARITIES * BINS
"""First the bins of brightening, then those of darkening."""
FLOW_CHANNELS = 2
MOTION_CHANNELS = 3
"""Of a hint that is another model's motion: flow, x before y, and the logit of that neighbour's weight."""
FLOW_MULTIPLE = 8
"""Of height and width where such a hint is aligned: cells of two pixels at a quarter of the size."""
FLOW_SCALE = 16.0
"""Pixels of flow that become a hint of 1."""
MASK_SCALE = 4.0
"""Logit of a weight that becomes a hint of 1."""
HEAD_WIDTH = 32
"""Channels of an attention head where neighbours' features are attended to."""


@dataclass(frozen=True, kw_only=True)
class HintConfig:
    """What tells how pixels move between two frames.

    Attributes:
        kind: "events" is a network that predicts event volumes, "simulator" computes them from brightness, "flow" is
            another model's motion from the wanted frame to either neighbour.
        width: Channels of the event network's first layer; each halving doubles them.
        halvings: How often it halves the picture.
        residual: Residual blocks at its smallest size.
        threshold: Change of log brightness that the simulator calls an event.
        model: Of kind "flow": the method whose motion it is; filled in by training.
        model_sha256: Hash of its weights then.
    """

    kind: Literal["events", "simulator", "flow"] = "simulator"
    width: int = 32
    halvings: int = 4
    residual: int = 2
    threshold: float = 0.15
    model: str = ""
    model_sha256: str = ""

    def __post_init__(self) -> None:
        if min(self.width, self.halvings, self.residual) < 1:
            raise UsageError(
                f"width, halvings and residual must be positive; got {self.width}, {self.halvings}, {self.residual}."
            )
        if self.threshold <= 0:
            raise UsageError(f"threshold must be positive; got {self.threshold}.")

    @property
    def channels(self) -> int:
        """Of a hint."""
        return MOTION_CHANNELS if self.kind == "flow" else EVENT_CHANNELS


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Widths and switches of the autoencoder (see `codec.py`).

    Attributes:
        base_width: Channels at full size.
        multiples: Channels of each level, as multiples of it, from full size down. Every level halves the picture.
        latent_channels: Of the latent.
        codes: Size of the codebook.
        window: Side of the attention's groups, in latent pixels.
        warp: How the decoder uses the neighbours' features: "motion" moves them as hints say, "attention" looks at
            them where they lie (LDMVFI's way, and the baseline).
        offsets: Whether the two neighbours' motion has weights of its own ("separate"), or one set, with the hint of
            the later neighbour turned round in time ("shared").
        anchor: Where displacements start from: "zero", or the "hint", which is another model's motion.
        head: "plain" ends in a convolution, "pixels" moves both neighbours' pixels and draws what they lack,
            "kernels" samples them with separable kernels.
        kernel_size: Of these.
        sampling: How a head of pixels samples the neighbours.
        hint_channels: Of a hint.
        hint_gain: What the decoder multiplies hints by: event volumes are nearly empty, their root mean square is
            about 0.04, where features are about 1.
        commitment, legacy_commitment: See `nn.quantiser.VectorQuantiser`.
    """

    base_width: int = 32
    multiples: tuple[int, ...] = (1, 2, 4)
    latent_channels: int = 3
    codes: int = 1024
    window: int = 4
    warp: Literal["motion", "attention"] = "motion"
    offsets: Literal["separate", "shared"] = "separate"
    anchor: Literal["zero", "hint"] = "zero"
    head: Literal["plain", "pixels", "kernels"] = "plain"
    kernel_size: int = 5
    sampling: Literal["bilinear", "bicubic"] = "bilinear"
    hint_channels: int = EVENT_CHANNELS
    hint_gain: float = 20.0
    commitment: float = 0.25
    legacy_commitment: bool = True

    def __post_init__(self) -> None:
        positive = (self.base_width, self.latent_channels, self.codes, self.window, self.hint_channels)
        if min(positive) < 1 or not self.multiples or min(self.multiples) < 1:
            raise UsageError(f"widths, codes and window must be positive; got {positive} and {self.multiples}.")
        if self.hint_gain <= 0:
            raise UsageError(f"hint_gain must be positive; got {self.hint_gain}.")
        if self.base_width % 8:
            raise UsageError(f"base_width must be a multiple of 8; got {self.base_width}.")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise UsageError(f"kernel_size must be odd; got {self.kernel_size}.")
        if self.offsets == "shared" and self.hint_channels != EVENT_CHANNELS:
            raise UsageError("offsets 'shared' turn an event volume round in time: hints must be event volumes.")

        if self.anchor == "hint" and (self.hint_channels != MOTION_CHANNELS or self.warp != "motion"):
            raise UsageError("anchor 'hint' starts displacements at a flow: it needs such hints, and warp 'motion'.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level, from full size down; the neighbours' features have them too."""
        return tuple(self.base_width * multiple for multiple in self.multiples)

    @property
    def factor(self) -> int:
        """Side of the picture behind one latent pixel."""
        return 2 ** len(self.multiples)

    @property
    def size_multiple(self) -> int:
        """What height and width must be multiples of: whole groups of attention at the smallest size."""
        return self.factor * self.window

    def heads_at(self, width: int) -> int:
        """Attention heads among that many channels."""
        return max(width // HEAD_WIDTH, 1)


@dataclass(frozen=True, kw_only=True)
class CodecModelConfig:
    """A trained autoencoder with the hints that it was trained on: what a file of its weights holds.

    Attributes:
        codec: The autoencoder.
        hints: What its hints come from.
    """

    codec: CodecConfig = field(default_factory=CodecConfig)
    hints: HintConfig = field(default_factory=HintConfig)

    def __post_init__(self) -> None:
        if self.codec.hint_channels != self.hints.channels:
            raise UsageError(
                f"hints of kind '{self.hints.kind}' have {self.hints.channels} channels; the codec expects "
                f"{self.codec.hint_channels}."
            )
        if self.hints.kind == "flow" and self.codec.size_multiple % FLOW_MULTIPLE:
            raise UsageError(
                f"hints of kind 'flow' need frames in multiples of {FLOW_MULTIPLE}; the codec takes multiples of "
                f"{self.codec.size_multiple}."
            )


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """Widths and switches of the latent U-Net (see `denoiser.py`), and the diffusion that its weights belong to.

    What is said of latents and hints is filled in by training: it follows from the codec's file and is measured.

    Attributes:
        base_width: What widths are counted in; four times it is the width of the step's embedding.
        multiples: Channels of each stage, as multiples of it. All but the last halve the latent.
        depth: Residual blocks of a stage on the way down; the way up has one more.
        window: Side of the attention's groups, in latent pixels.
        hint_input: How hints come in: averaged over the area of each latent pixel, through a stem of strided
            convolutions, or not at all.
        stem_widths: Of the stem's convolutions, each of which halves the hint.
        noise_steps: Steps of the diffusion.
        first_variance: Added by its first step.
        last_variance: Added by its last one.
        sampling_steps: Steps from noise to picture when used.
        eta: Share of fresh noise in each of them.
        sampling_hints: Where hints come from then; see `motion_sampling.SamplingPlan`.
        refresh_every: Steps from one extraction of hints to the next.
        refresh_above: Share of signal in the variance from which on hints are extracted.
        latent_channels: Of the codec's latents.
        latent_mean: Of each of these channels.
        latent_deviation: Of each: the diffusion sees (latent - mean) / deviation.
        hint_channels: Of a hint.
        hint_deviation: Root mean square of hints at the latent's size: the network sees hint / deviation.
        base: What the network starts from: "noise", all of which it has to tell, or "neighbours", the mean of both
            neighbours' latents, from which it tells how the wanted latent differs.
        base_deviation: Root mean square of that difference, in deviations of latents.
    """

    base_width: int = 256
    multiples: tuple[int, ...] = (1, 2, 4)
    depth: int = 2
    window: int = 2
    hint_input: Literal["area", "stem", "none"] = "area"
    stem_widths: tuple[int, ...] = (32, 64, 64, 64, 16)
    noise_steps: int = 1000
    first_variance: float = 0.0015
    last_variance: float = 0.0195
    sampling_steps: int = 25
    eta: float = 1.0
    sampling_hints: Literal["motion", "pair", "none"] = "motion"
    refresh_every: int = 1
    refresh_above: float = 0.0
    latent_channels: int = 3
    latent_mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    latent_deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    hint_channels: int = EVENT_CHANNELS
    hint_deviation: float = 1.0
    base: Literal["noise", "neighbours"] = "noise"
    base_deviation: float = 1.0

    def __post_init__(self) -> None:
        if self.base_width < 8 or self.base_width % 8:
            raise UsageError(f"base_width must be a multiple of 8; got {self.base_width}.")
        counts = (self.depth, self.window, self.latent_channels, self.hint_channels, *self.multiples)
        if not self.multiples or min(counts) < 1:
            raise UsageError(f"multiples, depth, window and channels must be positive; got {counts}.")
        if not len(self.latent_mean) == len(self.latent_deviation) == self.latent_channels:
            raise UsageError(
                f"mean and deviation are of each of {self.latent_channels} latent channels; got {self.latent_mean} "
                f"and {self.latent_deviation}."
            )
        if min(*self.latent_deviation, self.hint_deviation, self.base_deviation) <= 0:
            raise UsageError(
                f"deviations must be positive; got {self.latent_deviation}, {self.hint_deviation} and "
                f"{self.base_deviation}."
            )
        if not 1 <= self.sampling_steps <= self.noise_steps:
            raise UsageError(f"sampling_steps lies in 1 to {self.noise_steps}; got {self.sampling_steps}.")
        if not 0 <= self.eta <= 1:
            raise UsageError(f"eta is a share in [0, 1]; got {self.eta}.")
        if self.refresh_every < 1 or not 0 <= self.refresh_above < 1:
            raise UsageError(
                "refresh_every is at least 1 and refresh_above a share in [0, 1); got "
                f"{self.refresh_every} and {self.refresh_above}."
            )
        self.levels()

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage, from full size down."""
        return tuple(self.base_width * multiple for multiple in self.multiples)

    @property
    def hint_features(self) -> int:
        """Channels of both hints as the network sees them."""
        return 2 * {"area": self.hint_channels, "stem": self.stem_widths[-1], "none": 0}[self.hint_input]

    @property
    def size_multiple(self) -> int:
        """What height and width of a latent must be multiples of: whole groups at the smallest size."""
        return 2 ** (len(self.multiples) - 1) * self.window

    def heads_at(self, width: int) -> int:
        """Attention heads among that many channels."""
        return max(width // HEAD_WIDTH, 1)

    def levels(self) -> NoiseLevels:
        """Signal and noise of each step."""
        return root_linear_levels(self.noise_steps, self.first_variance, self.last_variance)


@dataclass(frozen=True, kw_only=True)
class MadiffConfig:
    """All parts of the method: what the file of its weights holds.

    Attributes:
        codec: The autoencoder.
        hints: What tells motion.
        denoiser: The latent U-Net.
    """

    codec: CodecConfig = field(default_factory=CodecConfig)
    hints: HintConfig = field(default_factory=HintConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)

    def __post_init__(self) -> None:
        CodecModelConfig(codec=self.codec, hints=self.hints)
        if self.denoiser.hint_channels != self.codec.hint_channels:
            raise UsageError(
                f"hints have {self.codec.hint_channels} channels; the denoiser expects {self.denoiser.hint_channels}."
            )
        if self.denoiser.latent_channels != self.codec.latent_channels:
            raise UsageError(
                f"latents have {self.codec.latent_channels} channels; the denoiser expects "
                f"{self.denoiser.latent_channels}."
            )
        halvings = len(self.codec.multiples)
        if self.denoiser.hint_input == "stem" and len(self.denoiser.stem_widths) != halvings:
            raise UsageError(
                f"latents are {halvings} times halved; the stem halves {len(self.denoiser.stem_widths)} times."
            )

    @property
    def size_multiple(self) -> int:
        """What height and width of frames must be multiples of."""
        return math.lcm(self.codec.size_multiple, self.codec.factor * self.denoiser.size_multiple)
