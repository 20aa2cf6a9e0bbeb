"""The architecture as values: what tells motion, and the autoencoder that uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from midframe.core.errors import UsageError

BINS = 9
"""Instants of an event volume."""
POLARITIES = 2
EVENT_CHANNELS = POLARITIES * BINS
"""First the bins of brightening, then those of darkening."""
FLOW_CHANNELS = 2
HEAD_WIDTH = 32
"""Channels of an attention head where neighbours' features are attended to."""


@dataclass(frozen=True, kw_only=True)
class HintConfig:
    """What tells how pixels move between two frames.

    Attributes:
        kind: "events" is a network that predicts event volumes, "simulator" computes them from brightness, "flow" is
            another model's optical flow.
        width: Channels of the event network's first layer; each halving doubles them.
        halvings: How often it halves the picture.
        residual: Residual blocks at its smallest size.
        threshold: Change of log brightness that the simulator calls an event.
    """

    kind: Literal["events", "simulator", "flow"] = "simulator"
    width: int = 32
    halvings: int = 4
    residual: int = 2
    threshold: float = 0.15

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
        return FLOW_CHANNELS if self.kind == "flow" else EVENT_CHANNELS


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
        head: "plain" ends in a convolution, "kernels" in separable kernels that sample both neighbours' pixels.
        kernel_size: Of these.
        hint_channels: Of a hint.
        commitment, legacy_commitment: See `nn.quantiser.VectorQuantiser`.
    """

    base_width: int = 32
    multiples: tuple[int, ...] = (1, 2, 4)
    latent_channels: int = 3
    codes: int = 1024
    window: int = 4
    warp: Literal["motion", "attention"] = "motion"
    offsets: Literal["separate", "shared"] = "separate"
    head: Literal["plain", "kernels"] = "plain"
    kernel_size: int = 5
    hint_channels: int = EVENT_CHANNELS
    commitment: float = 0.25
    legacy_commitment: bool = True

    def __post_init__(self) -> None:
        positive = (self.base_width, self.latent_channels, self.codes, self.window, self.hint_channels)
        if min(positive) < 1 or not self.multiples or min(self.multiples) < 1:
            raise UsageError(f"widths, codes and window must be positive; got {positive} and {self.multiples}.")
        if self.base_width % 8:
            raise UsageError(f"base_width must be a multiple of 8; got {self.base_width}.")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise UsageError(f"kernel_size must be odd; got {self.kernel_size}.")
        if self.offsets == "shared" and self.hint_channels != EVENT_CHANNELS:
            raise UsageError("offsets 'shared' turn an event volume round in time: hints must be event volumes.")

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
