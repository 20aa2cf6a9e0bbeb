"""The architectures as values: the default one, the paper's network, and the time-conditioned 4.x line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midframe.core.errors import UsageError

STRIDE = 4
"""Every block halves its input twice before its body."""
FLOW_SCALES = (0.25, 0.5, 1.0)
"""Resolutions, relative to the image, at which the finest block may estimate flow."""


def _check_widths(widths: tuple[int, ...]) -> None:
    # A block reaches its width in two steps, the first of which has half of it.
    if any(width < 2 or width % 2 for width in widths):
        raise UsageError(f"Block widths must be positive and even; got {widths}.")


def _divide(scales: tuple[int, ...], scale: float) -> tuple[int, ...]:
    if scale not in FLOW_SCALES:
        raise UsageError(f"Flow can be estimated at a scale of {', '.join(map(str, FLOW_SCALES))}; got {scale}.")
    return tuple(round(block_scale / scale) for block_scale in scales)


@dataclass(frozen=True, kw_only=True)
class PaperConfig:
    """The network of the paper: three flow blocks, then a refinement of the blend.

    Attributes:
        arbitrary_time: Blocks see the instant (RIFEm). Without it the network offers the midpoint only.
        teacher: Has the privileged block, which training needs and inference does not.
        widths: Channels of the three flow blocks; the teacher is as wide as the last.
        context_width: Channels of the finest context map; each coarser one has twice as many, and the fusion
            network twice as many as the context at each level.
    """

    arbitrary_time: bool = False
    teacher: bool = True
    widths: tuple[int, int, int] = (240, 150, 90)
    context_width: int = 16

    def __post_init__(self) -> None:
        _check_widths(self.widths)
        if self.context_width < 1:
            raise UsageError(f"context_width must be positive; got {self.context_width}.")

    @property
    def scales(self) -> tuple[int, ...]:
        """Each block works at the image's resolution divided by its scale."""
        return (4, 2, 1)

    def block_scales(self, scale: float = 1.0) -> tuple[int, ...]:
        """Block scales with flow estimated at `scale` times the image's resolution."""
        return _divide(self.scales, scale)

    def size_multiple(self, scale: float = 1.0) -> int:
        """What height and width must be multiples of.

        The refinement needs 16 at any scale. The authors' scripts pad to twice this number.
        """
        return STRIDE * self.block_scales(scale)[0]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The small network that 4.7 and later run once over each image.

    Attributes:
        hidden: Channels at half resolution.
        channels: Channels of the full-resolution features that are warped along with the images.
    """

    hidden: int = 16
    channels: int = 4


@dataclass(frozen=True, kw_only=True)
class IFNetConfig:
    """A network of the 4.x line: blocks that see the instant, no refinement.

    Attributes:
        widths: Channels of each block, coarse to fine.
        scales: Each block works at the image's resolution divided by its scale.
        encoder: Image features beside the colours, or None.
        mask_update: Later blocks add to the mask logit, or replace it.
        recurrent_channels: Features that each block hands to the next.
        unread_channels: Head channels that exist in released weights and are never read.
        teacher_width: Channels of a privileged training block, or None for a network without one.
    """

    widths: tuple[int, ...]
    scales: tuple[int, ...]
    encoder: EncoderConfig | None = None
    mask_update: Literal["accumulate", "replace"] = "replace"
    recurrent_channels: int = 0
    unread_channels: int = 0
    teacher_width: int | None = None

    def __post_init__(self) -> None:
        _check_widths(self.widths if self.teacher_width is None else (*self.widths, self.teacher_width))
        if not self.scales or len(self.widths) != len(self.scales):
            raise UsageError(f"widths {self.widths} and scales {self.scales} must have one entry for each block.")
        if any(scale < 1 or self.scales[0] % scale for scale in self.scales):
            raise UsageError(f"Every block scale must be positive and divide the first; got {self.scales}.")
        if any(finer >= coarser for coarser, finer in zip(self.scales, self.scales[1:], strict=False)):
            raise UsageError(f"Block scales must fall from block to block; got {self.scales}.")
        if self.recurrent_channels < 0 or self.unread_channels < 0:
            raise UsageError(
                f"Head channels cannot be negative; got recurrent_channels={self.recurrent_channels}, "
                f"unread_channels={self.unread_channels}."
            )

    @property
    def encoded_channels(self) -> int:
        """Image features of both images together."""
        return 2 * self.encoder.channels if self.encoder else 0

    @property
    def first_channels(self) -> int:
        """Input of the first block: both images, their features, the instant."""
        return 3 + 3 + self.encoded_channels + 1

    @property
    def later_channels(self) -> int:
        """Input of a later block: the first one's, mask, recurrent features, flow."""
        return self.first_channels + 1 + self.recurrent_channels + 4

    @property
    def head_channels(self) -> int:
        """Output of a block: flow, mask, recurrent features, and what is never read."""
        return 4 + 1 + self.recurrent_channels + self.unread_channels

    def block_scales(self, scale: float = 1.0) -> tuple[int, ...]:
        """Block scales with flow estimated at `scale` times the image's resolution."""
        return _divide(self.scales, scale)

    def size_multiple(self, scale: float = 1.0) -> int:
        """What height and width must be multiples of."""
        return STRIDE * self.block_scales(scale)[0]


VERSION_4_6 = IFNetConfig(
    widths=(192, 128, 96, 64),
    scales=(8, 4, 2, 1),
    mask_update="accumulate",
    unread_channels=1,
)
VERSION_4_25 = IFNetConfig(
    widths=(192, 128, 96, 64, 32),
    scales=(16, 8, 4, 2, 1),
    encoder=EncoderConfig(),
    recurrent_channels=8,
)
"""4.26 has the same layout."""


@dataclass(frozen=True, kw_only=True)
class MatchingConfig:
    """Widths and depths of the matching pyramid (see `matching.py`).

    Attributes:
        feature_widths: Encoder channels at 1/2, 1/4 and 1/8 of a level's size.
        coarse_width: Channels of the block shared by all levels from 1/8 down.
        coarse_depth: Residual convolutions in it.
        coarse_radius: Correlation window of it, in cells; motions up to twice that many cells.
        middle_width: Channels of the block at 1/4.
        middle_depth: Residual convolutions in it.
        middle_radius: Correlation window of it.
        fine_width: Channels of the block at 1/2.
        fine_depth: Residual convolutions in it.
        fine_radius: Correlation window of it; None for a block that sees features only.
        memory: Channels handed from each block to the next finer one.
        levels: Visits of the shared block in training: 3 means 1/32, 1/16, 1/8.
        visits: Times that the shared block looks at each level coarser than 1/8, where a look costs nearly nothing;
            a second one catches motions larger than the correlation window.
        alignment: Steps of `ops.alignment` on the colours: before the block at 1/4, before the one at 1/2, and on
            the finished flow at full size.
        sharpen: The fine block says for each pixel how much of the detail that bilinear sampling loses is put back.
        teacher: Build the privileged teacher, which exists in training only.
    """

    feature_widths: tuple[int, int, int] = (16, 32, 48)
    coarse_width: int = 96
    coarse_depth: int = 5
    coarse_radius: int = 3
    middle_width: int = 64
    middle_depth: int = 4
    middle_radius: int = 1
    fine_width: int = 32
    fine_depth: int = 2
    fine_radius: int | None = None
    memory: int = 24
    levels: int = 3
    visits: int = 1
    alignment: tuple[int, int, int] = (0, 0, 0)
    sharpen: bool = False
    teacher: bool = False

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise UsageError(f"levels must be at least 1; got {self.levels}.")
        if self.visits < 1:
            raise UsageError(f"visits must be at least 1; got {self.visits}.")
        if min(self.alignment) < 0:
            raise UsageError(f"a number of alignment steps cannot be negative; got {self.alignment}.")
        if min(self.coarse_radius, self.middle_radius, self.fine_radius or 0) < 0:
            raise UsageError("a correlation radius cannot be negative.")
