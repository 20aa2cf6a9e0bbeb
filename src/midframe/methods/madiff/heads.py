"""From a decoder's features at full size to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.methods.madiff.config import CodecConfig
from midframe.methods.madiff.motion_warp import Hint, HintAnchor
from midframe.nn.residual import normalisation, start_at_zero
from midframe.ops.flow import resize_flow
from midframe.ops.resize import resize
from midframe.ops.warp import backward_warp

Map = Float[Tensor, "batch channel height width"]
Pictures = Float[Tensor, "batch 3 height width"]
HintPair: TypeAlias = tuple[Hint, Hint]
Displacements: TypeAlias = tuple[Tensor, Tensor]
"""From the wanted frame to the neighbour before and to the one after: (batch, 2, height, width), in pixels."""
KERNEL_INNER = 32
"""Channels of a kernel head's second layer."""
DRAWN_LOGIT = -4.0
"""Of the share of what is drawn, before training, in a decoder that starts at hints (also where they are hidden)."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A picture.

    Attributes:
        picture: RGB in [-1, 1] and a little beyond.
        offsets: Where in the neighbours its pixels were taken from, in pixels; None where none were moved as a whole.
    """

    picture: Pictures
    offsets: Displacements | None = None


class PlainHead(nn.Module):
    """One convolution to RGB; both neighbours' pixels stay out of it."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.widths[0]
        self.normalise = normalisation(width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(
        self, h: Map, before: Pictures, after: Pictures, offsets: Displacements | None, hints: HintPair
    ) -> Finished:
        """The picture of `h`; neither the neighbours' pixels nor offsets and hints count."""
        return Finished(self.last(functional.silu(self.normalise(h))))


class PixelHead(nn.Module):
    """MA-WARP once more, on the neighbours' pixels: both moved to the wanted frame, and a picture of what they lack.

        offset_n = the largest level's, enlarged, + change_n
        shares   = softmax(...)                                       three of them for every pixel
        out      = share_0 warp(I_before, offset_before) + share_1 warp(I_after, offset_after) + share_2 drawn

    Where displacements start at hints, offset_n = hint_n + the largest level's change, enlarged, + change_n, and the
    softmax is of changes to (log w, log (1 - w), DRAWN_LOGIT), w the hint's weight of the neighbour before.

    Changes and shares start at zero, so that the first picture is a third of each; with `CodecConfig.anchor` "hint"
    displacements start at the hints' flow, the neighbours' shares at their weights. Detail comes from the neighbours
    as it is, where `PlainHead` has to draw it and `KernelHead` fetches each pixel from 50 places. This head is the
    project's.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.widths[0]
        self.sampling: Literal["bilinear", "bicubic"] = config.sampling
        self.anchor = HintAnchor(config, pixels=1) if config.anchor == "hint" else None
        self.normalise = normalisation(width)
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.draw = nn.Conv2d(width, 3, 3, padding=1)
        self.choose = nn.Conv2d(width, 7, 3, padding=1)
        start_at_zero(self.choose)

    def forward(
        self, h: Map, before: Pictures, after: Pictures, offsets: Displacements | None, hints: HintPair
    ) -> Finished:
        """The picture, and where its pixels come from.

        Args:
            h: Features at full size.
            before: RGB in [-1, 1].
            after: RGB in [-1, 1].
            offsets: Of the largest level, whose pixels are two of the picture's; where displacements start at the
                hints, what that level added to them. None for zeros.
            hints: As the decoder sees them.
        """
        h = functional.silu(self.last(functional.silu(self.normalise(h))))
        chosen = self.choose(h).float()
        moves = chosen[:, :2], chosen[:, 2:4]
        if offsets is not None:
            size = (before.shape[-2], before.shape[-1])
            moves = moves[0] + resize_flow(offsets[0], size), moves[1] + resize_flow(offsets[1], size)
        shares = chosen[:, 4:]
        if self.anchor is not None:
            size = (before.shape[-2], before.shape[-1])
            known = [resize(hint.float(), size) for hint in hints]
            moves = moves[0] + self.anchor.flow(known[0]), moves[1] + self.anchor.flow(known[1])
            weights = [functional.logsigmoid(self.anchor.logit(hint)) for hint in known]
            shares = shares + torch.cat((*weights, torch.full_like(weights[0], DRAWN_LOGIT)), 1)
        of_before, of_after, of_drawn = torch.softmax(shares, 1).chunk(3, 1)
        moved_before = backward_warp(before, moves[0], self.sampling)
        moved = of_before * moved_before + of_after * backward_warp(after, moves[1], self.sampling)
        return Finished(moved + of_drawn * self.draw(h).float(), moves)


class KernelHead(nn.Module):
    """Every pixel is a weighted sum of k x k samples of each neighbour, the places of the samples learned, plus a
    residual.

        out(y, x) = sum over n, i, j of vertical_n[i] horizontal_n[j] mask_n[i, j] I_n(y', x')
        y' = y + i - r + rows_n[i, j],  x' = x + j - r + columns_n[i, j],  r = (k - 1) / 2

    with the second mask one less the first, and kernels that need not sum to one.

    Source: Danier et al., AAAI 2024, equation 8; layers as in their code. Their samples lie one pixel further to the
    top left, which training makes up for.
    """

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width, taps = config.widths[0], config.kernel_size**2
        self.size = config.kernel_size
        self.last = nn.Conv2d(width, width, 3, padding=1)
        self.normalise = normalisation(width)
        self.rows = nn.ModuleList(_dense_layers(width, taps) for _ in range(2))
        self.columns = nn.ModuleList(_dense_layers(width, taps) for _ in range(2))
        self.vertical = nn.ModuleList(_dense_layers(width, self.size) for _ in range(2))
        self.horizontal = nn.ModuleList(_dense_layers(width, self.size) for _ in range(2))
        self.mask = _dense_layers(width, taps)
        self.residual = _dense_layers(width, 3)

    def forward(
        self, h: Map, before: Pictures, after: Pictures, offsets: Displacements | None, hints: HintPair
    ) -> Finished:
        """The picture; neither the levels' offsets nor hints count."""
        h = self.last(functional.silu(self.normalise(h)))
        mask = torch.sigmoid(self.mask(h)).unflatten(1, (self.size, self.size))
        result = self.residual(h).float()
        for number, (picture, share) in enumerate(((before, mask), (after, 1 - mask))):
            weights = self.vertical[number](h)[:, :, None] * self.horizontal[number](h)[:, None] * share
            rows, columns = self.rows[number](h).float(), self.columns[number](h).float()
            result = result + gathered(picture, weights.flatten(1, 2).float(), rows, columns)
        return Finished(result)


def gathered(
    picture: Pictures,
    weights: Float[Tensor, "batch tap height width"],
    rows: Float[Tensor, "batch tap height width"],
    columns: Float[Tensor, "batch tap height width"],
) -> Pictures:
    """Weighted sum of samples around each pixel.

    Args:
        picture: Any value range; beyond its border the nearest pixel counts.
        weights: Of each sample; taps are a square, row by row.
        rows: How far down of its place in the square each sample is taken, in pixels.
        columns: How far to the right.
    """
    size = round(weights.shape[1] ** 0.5)
    reach = (size - 1) / 2
    result = torch.zeros_like(picture)
    for tap, (weight, down, right) in enumerate(
        zip(weights.unbind(1), rows.unbind(1), columns.unbind(1), strict=True)
    ):
        row, column = divmod(tap, size)
        flow = torch.stack((right + (column - reach), down + (row - reach)), 1)
        result = result + weight[:, None] * backward_warp(picture, flow)
    return result


def _dense_layers(width: int, outputs: int) -> nn.Sequential:
    inner = min(KERNEL_INNER, width)
    widths: Sequence[int] = (width, width, inner, outputs, outputs)
    layers: list[nn.Module] = []
    for entering, leaving in pairwise(widths):
        layers += [nn.Conv2d(entering, leaving, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
