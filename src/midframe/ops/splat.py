"""Forward splatting: colours travel along a motion that is known where they start, and add up where they land."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from midframe.core.errors import ShapeError
from midframe.ops.rows import strips
from midframe.ops.warp import sampling_grid

LEAST_WEIGHT = 1e-5
"""A pixel on which less than this has landed counts as a hole. Weights are meant to be of the order of one."""

MARGIN = 2
"""Pixels around a canvas: what lands outside the picture lies on them, however far off, with all four neighbours."""

LONGEST = 2.0**24
"""Pixels: longer displacements count as this one, far outside any picture, and exact in float32 and int32."""

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
    batch, _, height, width = values.shape
    members = flow.shape[1]
    if flow.shape != (batch, members, 2, height, width) or weight.shape != (batch, members, 1, height, width):
        raise ShapeError(
            f"values {tuple(values.shape)}, flow {tuple(flow.shape)} and weight {tuple(weight.shape)} "
            "do not fit: (batch, channel, height, width), (batch, members, 2, ...) and (batch, members, 1, ...)."
        )
    return _canvas(cast(Tensor, _Splat.apply(_with_ones(values), flow.float(), weight.float())))


def splat_rows(parts: Iterable[tuple[int, Tensor, Tensor, Tensor]], size: tuple[int, int]) -> Canvas:
    """As `splat`, of a picture that is made some rows at a time; without gradients.

    Args:
        parts: Of each the number of its first row, and what `splat` takes.
        size: Height and width of the whole picture.
    """
    landing: _Landing | None = None
    for top, values, flow, weight in parts:
        values = _with_ones(values)
        landing = landing or _Landing((*values.shape[:2], *size), values.device)
        landing.add(values, flow.float(), weight.float(), top)
    assert landing is not None  # a picture has a row at least
    return _canvas(landing.sums())


def _with_ones(values: Tensor) -> Tensor:
    """A channel of ones travels along, and arrives as the sum of weights."""
    return torch.cat((values.float(), torch.ones_like(values[:, :1], dtype=torch.float32)), dim=1)


def _canvas(sums: Tensor) -> Canvas:
    return Canvas(weighted_values=sums[:, :-1], weight=sums[:, -1:])


class _Landing:
    """Where a picture's pixels land, some rows of it at a time. No gradient passes: see `splat`.

    Args:
        size: Batch, channels, height and width of the whole picture.
        device: Of all that will be added.
    """

    def __init__(self, size: Sequence[int], device: torch.device) -> None:
        self._batch, self._channels, self._height, self._width = size
        self._stride = self._width + 2 * MARGIN
        cells = (self._height + 2 * MARGIN) * self._stride
        self._cells = torch.zeros(self._batch, self._channels, cells, device=device)

    def add(self, values: Tensor, flow: Tensor, weight: Tensor, top: int) -> None:
        """Send rows of a picture; arguments as those of `splat`, in float32.

        Args:
            top: Number of the first row.
        """
        rows = values.shape[-2]
        column = torch.arange(MARGIN, MARGIN + self._width, device=flow.device, dtype=torch.int32)
        row = torch.arange(MARGIN + top, MARGIN + top + rows, device=flow.device, dtype=torch.int32)[:, None]
        for member in range(flow.shape[1]):
            # The fraction is taken of the displacement, not of the place: beside a coordinate of 1000, float32 would
            # leave of it four digits, and a whole-pixel shift would leak into the neighbours.
            whole = flow[:, member].floor()
            fraction = flow[:, member] - whole
            # Beyond the margin all is lost alike. Bounded before it is a whole number, which holds no more than 2^31.
            across, down = whole.clamp_(-LONGEST, LONGEST).int().unbind(1)
            left = (across + column).clamp_(0, self._width + MARGIN)
            place = (down + row).clamp_(0, self._height + MARGIN).long().mul_(self._stride).add_(left)
            right_share = weight[:, member, 0] * fraction[:, 0]
            left_share = weight[:, member, 0] - right_share
            for share, beside in ((left_share, 0), (right_share, 1)):
                lower = share * fraction[:, 1]
                for part, cells in ((share - lower, beside), (lower, self._stride + beside)):
                    index = (place + cells).flatten(1)[:, None].expand(-1, self._channels, -1)
                    self._cells.scatter_add_(2, index, (values * part[:, None]).flatten(2))

    def sums(self) -> Tensor:
        """What has landed on the picture, (batch, channel, height, width)."""
        canvas = self._cells.unflatten(2, (self._height + 2 * MARGIN, self._stride))
        return canvas[..., MARGIN:-MARGIN, MARGIN:-MARGIN].contiguous()


class _Splat(torch.autograd.Function):
    """Splatting with its gradient in closed form: recorded step by step it took most of a training step.

    For any picture G the canvas satisfies  <G, splat(v, u, w)> = <w v, G sampled at p + u>:  gradients are those of
    the right side, and bilinear sampling has fast kernels.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, flow: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(values, flow, weight)
        landing = _Landing(values.shape, values.device)
        for rows in strips(values):
            landing.add(values[..., rows, :], flow[..., rows, :], weight[..., rows, :], rows.start)
        return landing.sums()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (gradient,) = grad_outputs
        values, flow, weight = ctx.saved_tensors
        wants_values, wants_flow, wants_weight = ctx.needs_input_grad
        height, width = values.shape[-2:]
        to_values = torch.zeros_like(values) if wants_values else None
        to_flow = torch.zeros_like(flow) if wants_flow else None
        to_weight = torch.zeros_like(weight) if wants_weight else None
        for member in range(flow.shape[1]):
            grid = sampling_grid(flow[:, member], (height, width))
            if to_values is not None or to_weight is not None:
                sampled = functional.grid_sample(gradient, grid, padding_mode="zeros", align_corners=False)
                if to_values is not None:
                    to_values.addcmul_(sampled, weight[:, member])
                if to_weight is not None:
                    to_weight[:, member] = sampled.mul_(values).sum(1, keepdim=True)
            if to_flow is not None:
                # Bilinear mode, zeros outside, align_corners=False; only the gradient of the grid.
                _, to_grid = torch.ops.aten.grid_sampler_2d_backward(
                    values * weight[:, member], gradient, grid, 0, 0, False, [False, True]
                )
                to_flow[:, member, 0] = to_grid[..., 0] * (2 / width)
                to_flow[:, member, 1] = to_grid[..., 1] * (2 / height)
        return to_values, to_flow, to_weight


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
