"""Sub-pixel alignment of two frames at an instant between them, by least squares on their colours."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError
from midframe.ops.resize import cell_sums, resize
from midframe.ops.warp import backward_warp

CELL = 2
"""Side in pixels of the cells on which the sums are taken: the window is smooth, and a quarter of the work."""
WINDOW = (0.274, 0.452, 0.274)
"""Weights of neighbouring cells, across and along: a Gaussian of one cell."""
DAMPING = 1e-4
"""Added to the squared gradients: where a window has less structure than this, the flow stays."""
TOLERATED = 0.05
"""Difference of colours, of 1, at which a pixel counts half: larger ones are rather occlusion than misalignment."""
LONGEST_STEP = 1.0
"""Pixels; the linear model of the colours holds no further."""


@torch.no_grad()
def align(
    pair: Float[Tensor, "pair channel height width"],
    flow: Float[Tensor, "batch 4 height width"],
    time: Float[Tensor, " batch"],
) -> Float[Tensor, "batch 4 height width"]:
    """Move both ends of a nearly right flow so that the two frames agree better: one Gauss-Newton step.

    The displacement between the frames is corrected at each pixel by the u that minimises, over a window around it
    and with the window's mean of both terms taken off,

        sum w (W_after - W_before + g u)^2 + DAMPING u^2,     g = (1 - t) grad W_after + t grad W_before

    where W are the frames warped to the instant t. The flow to `before` then changes by -t u, the flow to `after` by
    (1 - t) u: a point keeps its place at the instant, as under constant velocity. Without the mean, a change of
    brightness between the frames would be taken for motion. Nothing is learned from here: no gradient passes.

    Args:
        pair: before and after along the batch axis, in [0, 1], any number of channels. Colours say more than luma
            alone, and take twice as long.
        flow: Target to before (x, y), then target to after, in pixels.
        time: Of each item of the batch, in [0, 1]. At 0 `before` stays where it is, and the whole correction is
            that of the flow to `after`.

    Returns:
        The corrected flow in float32.

    Raises:
        ShapeError: Height or width is odd.

    Source: Lucas and Kanade 1981 in its symmetric form; weights as of Geman and McClure.
    """
    height, width = flow.shape[-2:]
    if height % CELL or width % CELL:
        raise ShapeError(f"height and width must be multiples of {CELL}; got {height}x{width}.")
    share = time.to(torch.float32).view(-1, 1, 1, 1)
    sides = flow.float().unflatten(1, (2, 2))
    before, after = backward_warp(pair, sides.transpose(0, 1).flatten(0, 1)).chunk(2)
    difference = after - before
    right, down = _gradients(torch.lerp(after, before, share))
    weight = _mean(difference.square()).add_(TOLERATED**2).reciprocal_().mul_(TOLERATED**2)
    right_weighted, down_weighted, difference_weighted = weight * right, weight * down, weight * difference
    cells = (
        cell_sums(weight, CELL),
        _product_sums(right_weighted, right),
        _product_sums(right_weighted, down),
        _product_sums(down_weighted, down),
        _product_sums(right_weighted, difference),
        _product_sums(down_weighted, difference),
        cell_sums(right_weighted, CELL),
        cell_sums(down_weighted, CELL),
        cell_sums(difference_weighted, CELL),
    )
    sums = _window_sums(torch.cat(cells, dim=1))
    total, xx, xy, yy, x_d, y_d = sums[:, :6].unbind(1)
    mean_x, mean_y, mean_d = sums[:, 6:].chunk(3, dim=1)

    def centred(moment: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return moment.sub_(_mean(first * second)[:, 0].div_(total))

    xx, xy, yy = centred(xx, mean_x, mean_x), centred(xy, mean_x, mean_y), centred(yy, mean_y, mean_y)
    x_d, y_d = centred(x_d, mean_x, mean_d), centred(y_d, mean_y, mean_d)
    xx, yy = xx.add_(CELL**2 * DAMPING), yy.add_(CELL**2 * DAMPING)
    determinant = (xx * yy).addcmul_(xy, xy, value=-1)
    step = torch.stack(((xy * y_d).addcmul_(yy, x_d, value=-1), (xy * x_d).addcmul_(xx, y_d, value=-1)), dim=1)
    step.div_(determinant[:, None])
    length = step.square().sum(1, keepdim=True).sqrt()
    step = resize(step.mul_(length.clamp_(min=LONGEST_STEP).reciprocal_().mul_(LONGEST_STEP)), (height, width))
    return torch.addcmul(sides, torch.stack((-share, 1 - share), dim=1), step[:, None]).flatten(1, 2)


def _mean(map_: Tensor) -> Tensor:
    """Over the channels, of which there is often one only."""
    return map_ if map_.shape[1] == 1 else map_.mean(1, keepdim=True)


def _product_sums(one: Tensor, other: Tensor) -> Tensor:
    """Sums over cells of the channels' mean product; rows are added as they are multiplied, in half the time."""
    rows = one[..., ::CELL, :] * other[..., ::CELL, :]
    for start in range(1, CELL):
        rows.addcmul_(one[..., start::CELL, :], other[..., start::CELL, :])
    rows = _mean(rows)
    return sum((rows[..., start::CELL] for start in range(1, CELL)), rows[..., ::CELL])


def _gradients(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences to the right and down, of the border pixels repeated outside."""
    wide = functional.pad(image, (1, 1, 0, 0), mode="replicate")
    tall = functional.pad(image, (0, 0, 1, 1), mode="replicate")
    return (wide[..., 2:] - wide[..., :-2]).div_(2), (tall[..., 2:, :] - tall[..., :-2, :]).div_(2)


def _window_sums(cells: Tensor) -> Tensor:
    """Weighted sums over a window around each cell, of the border cells repeated outside."""
    side, middle, _ = WINDOW
    cells = functional.pad(cells, (1, 1, 1, 1), mode="replicate")
    cells = (cells[..., :-2] + cells[..., 2:]).mul_(side).add_(cells[..., 1:-1], alpha=middle)
    return (cells[..., :-2, :] + cells[..., 2:, :]).mul_(side).add_(cells[..., 1:-1, :], alpha=middle)
