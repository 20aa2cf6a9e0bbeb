"""Pictures worked on some rows at a time, so that what is made on the way stays in a CPU's caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from midframe.ops.flow import resize_flow

STRIP_PIXELS = 2**15
"""Most pixels of a strip, those of all pictures of a batch, unless two rows have more."""


def strips(picture: Tensor) -> Iterator[slice]:
    """Rows of a picture (batch, ..., height, width), a few pairs at a time; a GPU has no use for short strips."""
    height, width = picture.shape[-2:]
    rows = max(2, STRIP_PIXELS // (len(picture) * width) // 2 * 2) if picture.device.type == "cpu" else height
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))


def by_rows(make: Callable[[slice], Tensor], like: Tensor) -> Tensor:
    """What a function makes of each pixel's own surroundings, for all rows of a picture.

    Args:
        make: From rows to what belongs there, (batch, ..., rows, width). Called once, for all rows, where gradients
            are recorded.
        like: Of the picture's batch, height and width.
    """
    height = like.shape[-2]
    parts = list(strips(like))
    if torch.is_grad_enabled() or len(parts) == 1:
        return make(slice(0, height))
    made: Tensor | None = None
    for rows in parts:
        part = make(rows)
        if made is None:
            made = part.new_empty(*part.shape[:-2], height, part.shape[-1])
        made[..., rows, :] = part
    assert made is not None  # a picture has a row at least
    return made


def rows_behind(rows: slice, height: int) -> slice:
    """Rows of a picture of some height that bilinear sampling sees where these rows of twice its size are made."""
    return slice(max(rows.start // 2 - 1, 0), min(-(-rows.stop // 2) + 1, height))


def doubled_flow(flow: Tensor, there: slice, rows: slice) -> Tensor:
    """Some rows of a flow at twice its size, as `resize_flow` makes all of them.

    Args:
        flow: (batch, channel, rows, width): those of the whole flow that are `there`.
        there: From `rows_behind`.
        rows: Wanted.
    """
    part = resize_flow(flow, (2 * flow.shape[-2], 2 * flow.shape[-1]))
    return part[..., rows.start - 2 * there.start : rows.stop - 2 * there.start, :]
