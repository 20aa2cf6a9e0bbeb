"""Temporal attention of a clip, and of the same clip seen backwards.

Frame j of the reversed clip attends to frame k as frame N-1-j of the clip did to frame N-1-k:

    A'[j, k] = A[N-1-j, N-1-k]        = flip(A) on both axes        = softmax(flip(Q) flip(K)ᵀ / sqrt(d))

since a permutation commutes with the softmax of a row. The first form needs the map, of rows x heads x N²; the
second one lets a fused kernel run, which never forms it, and needs queries and keys, of rows x heads x 2 N d.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

Heads = Float[Tensor, "rows heads frames width"]
Map = Float[Tensor, "rows heads frames frames"]


@runtime_checkable
class AttentionMap(Protocol):
    """What a layer hands from the forward pass to the backward one."""

    def apply_rotated(self, value: Heads) -> Heads:
        """The reversed clip's values, gathered along the motion of the clip."""
        ...


@dataclass(frozen=True, eq=False)
class Projected:
    """A map as the queries and keys that it comes from.

    Attributes:
        query: Of the forward pass.
        key: Of the forward pass.
    """

    query: Heads
    key: Heads

    def apply_rotated(self, value: Heads) -> Heads:
        return functional.scaled_dot_product_attention(self.query.flip(-2), self.key.flip(-2), value)


@dataclass(frozen=True, eq=False)
class Stored:
    """A map as probabilities.

    Attributes:
        probabilities: Rows are the frames that ask.
    """

    probabilities: Map

    def apply_rotated(self, value: Heads) -> Heads:
        return rotated(self.probabilities) @ value


def probabilities(query: Heads, key: Heads) -> Map:
    """softmax(Q Kᵀ / sqrt(d))."""
    return (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)).softmax(-1)


def rotated(maps: Map) -> Map:
    """The same maps turned by 180 degrees."""
    return maps.flip((-2, -1))
