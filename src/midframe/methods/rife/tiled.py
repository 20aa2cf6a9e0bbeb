"""The matching network on frames that do not fit into memory at once: the same frame, part by part.

Motion is found once for the whole frame, at 1/4 of its size and below (`MatchingNetwork.estimate`). What follows is
local and is done in tiles: features at 1/2, the fine block, alignment, warping, blending, residual. Each tile is
computed in a window around it that holds all that the tile depends on: the receptive field of what is done there
(`halo`), and every place that its flow fetches from. So tiles leave no seams: what a tile holds is what the whole
frame would hold, but for the rounding of coordinates, which count from the window's corner.

The fine block may correct the flow; a tile that then fetches from outside its window is computed again in a larger
one.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from midframe.methods.rife.layouts import MatchingConfig
from midframe.methods.rife.matching import Encoded, Estimate, MatchingNetwork, Rough
from midframe.ops.flow import resize_flow
from midframe.ops.resize import halvings, resize
from midframe.ops.tiles import Box, cover, quarters

ENCODER_HALO = 24
"""Pixels around a part of a picture that its features at 1/8 depend on: 21, in whole cells."""
FEATURE_HALO = 4
"""The same for features at 1/2: 3."""
CELL = 4
"""Windows begin and end at whole pixels of 1/4 of the size, and at whole cells of the alignment at 1/2."""
SLACK = 8
"""Pixels by which the fine block and the alignment may lengthen the flow before a tile is computed again."""
SHORTEST_SIDE = 64
"""Pixels; a tile below is not cut further, however far its motion reaches."""


def halo(config: MatchingConfig) -> int:
    """Pixels around a tile that it depends on, beside those that its flow fetches."""
    convolutions = 2 * (config.fine_depth + 2)  # at 1/2
    correlation = 2 * (config.fine_radius or 0)
    _, before_half, at_full = config.alignment
    alignment = 2 * 8 * before_half + 8 * at_full  # gradients, cells, window, and the way back to pixels
    return -(-(convolutions + correlation + alignment + 2 * CELL) // CELL) * CELL


def encode_in_tiles(network: MatchingNetwork, pair: Tensor, levels: int, area: int) -> Encoded:
    """As `MatchingNetwork.encode_pair`, in parts of at most `area` pixels and without the features at 1/2."""
    quarter, eighth = _features(network, pair, area)
    smaller = halvings(pair, max(levels, 3))
    pyramid = (eighth, *(_features(network, smaller[level], area)[1] for level in range(1, levels)))
    return Encoded(pair, None, quarter, smaller[2], pyramid)


def finish_in_tiles(
    network: MatchingNetwork, pair: Tensor, rough: Rough, time: Tensor, area: int
) -> Iterator[tuple[Box, Estimate, Tensor]]:
    """As `MatchingNetwork.finish`, in windows of about `area` pixels; each tile with its estimate and its frame.

    Args:
        pair: before and after along the batch axis; height and width multiples of 8.
        rough: What `estimate` gave for them.
        time: Of each item.
        area: Most pixels of a window, the margins included, as far as a tile of `SHORTEST_SIDE` allows.
    """
    frame = Box(0, 0, *pair.shape[-2:])
    waiting = list(cover(frame.height, frame.width, area, CELL))
    while waiting:
        tile = waiting.pop()
        window = _window(tile, rough.estimates[-1].flow, frame, halo(network.config))
        if window.area > area and max(tile.height, tile.width) > SHORTEST_SIDE:
            waiting.extend(quarters(tile, CELL))
            continue
        estimate, output = _finish(network, pair, rough, time, tile, window)
        fetched = _fetched(estimate.flow, tile).grown(1).fitted(frame, CELL)
        if not window.holds(fetched):
            window = window.joined(fetched.grown(SLACK + FEATURE_HALO).fitted(frame, CELL))
            estimate, output = _finish(network, pair, rough, time, tile, window)
        yield tile, estimate, output


def merge_in_tiles(pair: Tensor, small: Estimate, area: int) -> Iterator[tuple[Box, Tensor]]:
    """Blend large frames by the flow and mask of smaller ones, in tiles of at most `area` pixels.

    Args:
        pair: before and after along the batch axis.
        small: Flow and mask of their size divided by a whole number.
        area: Most pixels of a tile.
    """
    height, width = pair.shape[-2:]
    factor = height // small.flow.shape[-2]
    frame = Box(0, 0, height, width)
    for tile in cover(height, width, area, factor):
        window = tile.grown(factor).fitted(frame, factor)  # what bilinear sampling sees
        part = (..., *window.divided(factor).slices())
        inner = (..., *tile.within(window).slices())
        flow = resize_flow(small.flow[part], (window.height, window.width))[inner]
        mask = resize(small.mask[part], (window.height, window.width))[inner]
        yield tile, MatchingNetwork.merge(pair, Estimate(flow, mask), corner=(tile.top, tile.left))


def _features(network: MatchingNetwork, pictures: Tensor, area: int) -> tuple[Tensor, Tensor]:
    """Features at 1/4 and 1/8."""
    frame = Box(0, 0, *pictures.shape[-2:])
    made: list[Tensor] = []
    for tile in cover(frame.height, frame.width, area, 8):
        window = tile.grown(ENCODER_HALO).fitted(frame, 8)
        _, *features = network.encoder(pictures[(..., *window.slices())] - 0.5)
        for index, (divisor, part) in enumerate(zip((4, 8), features, strict=True)):
            if len(made) <= index:
                size = (*part.shape[:2], frame.height // divisor, frame.width // divisor)
                made.append(part.new_empty(size).to(memory_format=torch.channels_last))
            inner = tile.within(window).divided(divisor).slices()
            made[index][(..., *tile.divided(divisor).slices())] = part[(..., *inner)]
    quarter, eighth = made
    return quarter, eighth


def _finish(
    network: MatchingNetwork, pair: Tensor, rough: Rough, time: Tensor, tile: Box, window: Box
) -> tuple[Estimate, Tensor]:
    """One tile, computed in a window as if that were the frame."""
    seen = pair[(..., *window.slices())]
    part = (..., *window.divided(CELL).slices())
    estimate = Estimate(rough.estimates[-1].flow[part], rough.estimates[-1].mask[part])
    half = network.encoder.halve(seen - 0.5)
    finished, output = network.finish(seen, half, Rough((estimate,), rough.memory[part]), time)
    inner = (..., *tile.within(window).slices())
    return Estimate(finished.flow[inner], finished.mask[inner]), output[inner]


def _window(tile: Box, flow: Tensor, frame: Box, margin: int) -> Box:
    """What must be known to compute a tile whose flow at 1/4 of the size is known."""
    around = tile.grown(margin).fitted(frame, CELL)
    cells = around.divided(CELL)
    fetched = _fetched(flow[(..., *cells.slices())], cells)
    there = Box(fetched.top * CELL, fetched.left * CELL, fetched.bottom * CELL, fetched.right * CELL)
    return around.joined(there.grown(SLACK + FEATURE_HALO).fitted(frame, CELL)).fitted(frame, CELL)


def _fetched(flow: Tensor, tile: Box) -> Box:
    """The smallest box of the flow's own pixels that holds every place it points at from within `tile`."""
    rows = torch.arange(tile.top, tile.bottom, device=flow.device, dtype=torch.float32)[:, None]
    columns = torch.arange(tile.left, tile.right, device=flow.device, dtype=torch.float32)
    down, right = flow[:, 1::2] + rows, flow[:, 0::2] + columns
    return Box(
        int(down.min().floor()), int(right.min().floor()), int(down.max().ceil()) + 1, int(right.max().ceil()) + 1
    )
