"""Forward splatting: colours travel along a motion that is known where they start, and add up where they land."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from midframe.core.errors import ShapeError

LEAST_WEIGHT = 1e-5
"""A pixel on which less than this has landed counts as a hole. Weights are meant to be of the order of one."""

IMPORTANCE_RANGE = 10.0
"""Importance is clamped to plus and minus this before the exponential: a contrast of e^20, well inside float32."""


@dataclass(frozen=True)
class Canvas:
    """What has landed on each output pixel, not yet divided. Canvases of several sources add up.

    Attributes:
        weighted_values: Sum of weight times value.
        weight: Sum of weights; 0 where nothing landed.
    """

    weighted_values: Float[Tensor, "batch channel height width"]
    weight: Float[Tensor, "batch 1 height width"]

    def __add__(self, other: Canvas) -> Canvas:
        """Let what landed on either canvas lie on one."""
        return Canvas(self.weighted_values + other.weighted_values, self.weight + other.weight)

    def is_covered(self) -> Bool[Tensor, "batch 1 height width"]:
        """Where at least `LEAST_WEIGHT` has landed; everywhere else is a hole."""
        return self.weight >= LEAST_WEIGHT

    def resolve(
        self, fill: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Divide by the weight, and take `fill` where there is a hole.

        Gradients are finite everywhere: holes divide by one, and pass theirs to `fill` alone.
        """
        covered = self.is_covered()
        mean = self.weighted_values / torch.where(covered, self.weight, torch.ones_like(self.weight))
        return torch.where(covered, mean, fill)


def splat(
    values: Float[Tensor, "batch channel height width"],
    flow: Float[Tensor, "batch members 2 height width"],
    weight: Float[Tensor, "batch members 1 height width"],
) -> Canvas:
    """Send every pixel to one place or several, and spread it there over four neighbours.

    With k(d) = max(0, 1 - |d_x|) max(0, 1 - |d_y|), the canvas holds at p

        weighted_values(p) = sum_m sum_q weight_m(q) k(p - q - flow_m(q)) values(q)
        weight(p)          = sum_m sum_q weight_m(q) k(p - q - flow_m(q))

    What lands outside the picture is lost. Computed in float32 whatever comes in, and differentiable through all
    three arguments. Equal input gives equal bits on the CPU; CUDA adds in no fixed order, which moves last digits.

    Args:
        values: What travels, of any range.
        flow: Displacements in pixels (x right, y down) from each source pixel to where it lands, one for each member.
        weight: Say of each member of each source pixel, not negative.

    Raises:
        ShapeError: The three differ in batch, members, height or width.

    Source: summation and average splatting of Niklaus and Liu 2020, section 3.1; several members for a pixel as in
        Hu et al. 2022 (M2M), section 3.1.
    """
    batch, channels, height, width = values.shape
    members = flow.shape[1]
    if flow.shape != (batch, members, 2, height, width) or weight.shape != (batch, members, 1, height, width):
        raise ShapeError(
            f"values {tuple(values.shape)}, flow {tuple(flow.shape)} and weight {tuple(weight.shape)} "
            "do not fit: (batch, channel, height, width), (batch, members, 2, ...) and (batch, members, 1, ...)."
        )
    values, flow, weight = values.float(), flow.float(), weight.float()
    # A channel of ones travels along, and arrives as the sum of weights.
    values = torch.cat((values, torch.ones_like(values[:, :1])), dim=1)
    column = torch.arange(width, device=flow.device)
    row = torch.arange(height, device=flow.device)[:, None]
    canvas = values.new_zeros(batch, channels + 1, height * width)
    for member in range(members):
        # The fraction is taken of the displacement, not of the place: beside a coordinate of 1000, float32 would
        # leave of it four digits, and a whole-pixel shift would leak into the neighbours.
        whole = flow[:, member].floor()
        fraction = flow[:, member] - whole
        left, top = column + whole[:, 0].long(), row + whole[:, 1].long()
        for down, right in product((0, 1), repeat=2):
            x, y = left + right, top + down
            kernel = (fraction[:, 0] if right else 1 - fraction[:, 0]) * (
                fraction[:, 1] if down else 1 - fraction[:, 1]
            )
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
            landing = values * (weight[:, member, 0] * kernel * inside)[:, None]
            canvas.scatter_add_(2, place.flatten(1)[:, None].expand_as(canvas), landing.flatten(2))
    canvas = canvas.unflatten(2, (height, width))
    return Canvas(weighted_values=canvas[:, :-1], weight=canvas[:, -1:])


def softmax_splat(
    values: Float[Tensor, "batch channel height width"],
    flow: Float[Tensor, "batch members 2 height width"],
    importance: Float[Tensor, "batch members 1 height width"],
) -> Canvas:
    """Splat with the weight exp(importance): where pixels collide, the more important one prevails.

    Resolved, the canvas is a softmax over all that landed on a pixel, from this source and from others added to it.
    A factor w on a whole source is a summand log(w) of its importance, subject to the clamp.

    Args:
        values: As in `splat`.
        flow: As in `splat`.
        importance: Logarithm of the weight, clamped to `IMPORTANCE_RANGE` either way.

    Raises:
        ShapeError: See `splat`.

    Source: Niklaus and Liu 2020, section 3.1, "softmax splatting".
    """
    return splat(values, flow, importance.float().clamp(-IMPORTANCE_RANGE, IMPORTANCE_RANGE).exp())
