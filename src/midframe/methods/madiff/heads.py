"""From a decoder's features at full size to the picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.methods.madiff.config import CodecConfig
from midframe.nn.residual import normalisation
from midframe.ops.warp import backward_warp

Map = Float[Tensor, "batch channel height width"]
Pictures = Float[Tensor, "batch 3 height width"]
KERNEL_INNER = 32
"""Channels of a kernel head's second layer."""


class PlainHead(nn.Module):
    """One convolution to RGB; both neighbours' pixels stay out of it."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.widths[0]
        self.normalise = normalisation(width)
        self.last = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, h: Map, before: Pictures, after: Pictures) -> Pictures:
        """The picture in [-1, 1] and a little beyond; the neighbours' pixels do not count."""
        return self.last(functional.silu(self.normalise(h)))

    @property
    def last_weight(self) -> Tensor:
        """Of the layer by whose gradient objectives are balanced."""
        return self.last.weight


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

    def forward(self, h: Map, before: Pictures, after: Pictures) -> Pictures:
        h = self.last(functional.silu(self.normalise(h)))
        mask = torch.sigmoid(self.mask(h)).unflatten(1, (self.size, self.size))
        result = self.residual(h).float()
        for number, (picture, share) in enumerate(((before, mask), (after, 1 - mask))):
            weights = self.vertical[number](h)[:, :, None] * self.horizontal[number](h)[:, None] * share
            rows, columns = self.rows[number](h).float(), self.columns[number](h).float()
            result = result + gathered(picture, weights.flatten(1, 2).float(), rows, columns)
        return result

    @property
    def last_weight(self) -> Tensor:
        """Of the layer by whose gradient objectives are balanced."""
        return self.last.weight


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
