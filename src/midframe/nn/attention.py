"""Attention of pixels inside windows of a picture and along coarse grids of it (MaxViT).

Both kinds split a map into groups of window x window tokens that attend to each other: a window takes neighbours, a
grid takes tokens spread evenly over the whole map. One after the other they see everything, at a cost that grows
linearly with the number of pixels.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor, nn

from midframe.core.errors import ShapeError

Grouping: TypeAlias = Literal["window", "grid"]
EXPANSION = 4
"""Width of a feed-forward layer, as a multiple of its input."""

Map = Float[Tensor, "batch channel height width"]
Groups = Float[Tensor, "batch group token channel"]


class MaxVitBlock(nn.Module):
    """Windowed attention, feed-forward, grid attention, feed-forward; each normalised before and added to its input.

    Without a context the map attends to itself, with one its queries look at the context of the same size.

    Args:
        width: Channels of map and context.
        heads: Attention heads; they share the channels.
        window: Tokens along a side of a group: height and width of a map must be multiples of it.

    Source: Tu et al., ECCV 2022, section 3, without its convolutions.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.window_attention = GroupedAttention(width, heads, window, "window")
        self.window_layers = FeedForward(width)
        self.grid_attention = GroupedAttention(width, heads, window, "grid")
        self.grid_layers = FeedForward(width)

    def forward(self, x: Map, context: Float[Tensor, "batch _ _ _"] | None = None) -> Map:
        """Let pixels exchange what they know.

        Raises:
            ShapeError: Height or width is no multiple of the window, or the context has another shape.
        """
        tokens = x.permute(0, 2, 3, 1)
        beside = None if context is None else context.permute(0, 2, 3, 1)
        if context is not None and context.shape != x.shape:
            raise ShapeError(f"map {tuple(x.shape)} and context {tuple(context.shape)} differ in shape.")
        tokens = self.window_layers(self.window_attention(tokens, beside))
        tokens = self.grid_layers(self.grid_attention(tokens, beside))
        return tokens.permute(0, 3, 1, 2)


class GroupedAttention(nn.Module):
    """Multi-head attention inside groups of tokens, with a learned value for each relative position.

    Queries, keys and values have no bias. Channels last.
    """

    def __init__(self, width: int, heads: int, window: int, grouping: Grouping) -> None:
        super().__init__()
        if width % heads:
            raise ShapeError(f"{width} channels cannot be shared by {heads} heads.")
        self.heads, self.window = heads, window
        self.grouping: Grouping = grouping
        self.normalise = nn.LayerNorm(width)
        self.queries = nn.Linear(width, width, bias=False)
        self.keys = nn.Linear(width, width, bias=False)
        self.values = nn.Linear(width, width, bias=False)
        self.merge = nn.Linear(width, width, bias=False)
        self.relative = nn.Embedding((2 * window - 1) ** 2, heads)
        nn.init.normal_(self.relative.weight, std=0.02)
        self.index: Tensor
        self.register_buffer("index", relative_index(window), persistent=False)

    def forward(
        self,
        tokens: Float[Tensor, "batch height width channel"],
        context: Float[Tensor, "batch height width channel"] | None = None,
    ) -> Float[Tensor, "batch height width channel"]:
        size = (tokens.shape[1], tokens.shape[2])
        asking = split_groups(self.normalise(tokens), self.window, self.grouping)
        # One normalisation serves both sides.
        asked = asking if context is None else split_groups(self.normalise(context), self.window, self.grouping)
        query, key, value = (
            layer(groups).unflatten(-1, (self.heads, -1)).transpose(2, 3).flatten(0, 1)
            for layer, groups in ((self.queries, asking), (self.keys, asked), (self.values, asked))
        )
        position = self.relative(self.index).permute(2, 0, 1).to(query.dtype)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=position)
        groups = attended.unflatten(0, asking.shape[:2]).transpose(2, 3).flatten(3)
        return tokens + join_groups(self.merge(groups), size, self.window, self.grouping)


class FeedForward(nn.Module):
    """Two layers on every token, added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, EXPANSION * width),
            nn.GELU(),
            nn.Linear(EXPANSION * width, width),
        )

    def forward(self, tokens: Float[Tensor, "*place channel"]) -> Float[Tensor, "*place channel"]:
        return tokens + self.layers(tokens)


def split_groups(tokens: Float[Tensor, "batch height width channel"], window: int, grouping: Grouping) -> Groups:
    """Take a map apart into groups of window x window tokens.

    Token (i, j) of group (x, y) is the pixel (x w + i, y w + j) for windows, and (i height/w + x, j width/w + y) for
    grids.

    Raises:
        ShapeError: Height or width is no multiple of the window.
    """
    height, width = tokens.shape[1:3]
    if height % window or width % window:
        raise ShapeError(
            f"Attention in groups of {window}x{window} needs sides in its multiples; got {height}x{width}."
        )
    if grouping == "window":
        parts = tokens.unflatten(2, (width // window, window)).unflatten(1, (height // window, window))
        return parts.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    parts = tokens.unflatten(2, (window, width // window)).unflatten(1, (window, height // window))
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(3, 4).flatten(1, 2)


def join_groups(
    groups: Groups, size: tuple[int, int], window: int, grouping: Grouping
) -> Float[Tensor, "batch height width channel"]:
    """Put a map of that height and width together again: the inverse of `split_groups`."""
    rows, columns = size[0] // window, size[1] // window
    parts = groups.unflatten(1, (rows, columns)).unflatten(3, (window, window))
    if grouping == "window":
        return parts.transpose(2, 3).flatten(3, 4).flatten(1, 2)
    return parts.permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2)


def relative_index(window: int) -> Int[Tensor, "token token"]:
    """For each pair of tokens of a group, the number of their displacement, from 0 to (2 window - 1)² - 1."""
    line = torch.arange(window)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
    apart = places[:, None] - places[None] + window - 1
    return apart[..., 0] * (2 * window - 1) + apart[..., 1]
