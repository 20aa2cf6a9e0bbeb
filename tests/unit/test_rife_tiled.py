"""The default RIFE network in tiles: the frame that it makes of the whole."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as functional

from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.sample import RifeInterpolator
from midframe.methods.rife.weights_file import load_network
from midframe.weights import find
from small_matching import SMALL_MATCHING

THIRD = [Fraction(1, 3)]
ROUNDING = 1e-4
"""Coordinates count from the corner of a window: they round in other places than those of the whole frame."""
TILE = 96 * 96


def lively_network(**changes: object) -> MatchingNetwork:
    """Random weights that move things by several pixels."""
    torch.manual_seed(1)
    network = MatchingNetwork(replace(SMALL_MATCHING, **changes))
    for block in (network.coarse, network.middle, network.fine):
        torch.nn.init.normal_(block.leave.weight, std=0.1)
    return network.eval()


def smooth_pictures(height: int, width: int, shift: tuple[int, int] = (3, 5)) -> torch.Tensor:
    """A smooth pattern, and the same moved."""
    coarse = torch.rand(1, 3, height // 8 + 8, width // 8 + 8, generator=torch.Generator().manual_seed(2))
    large = functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
    down, right = shift
    return torch.stack((large[0, :, :height, :width], large[0, :, down : down + height, right : right + width]))[None]


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(1, 2), Fraction(1, 4)])
@pytest.mark.parametrize("changes", [{}, {"fine_radius": 1, "sharpen": True, "alignment": (1, 1, 1)}])
def test_tiles_give_the_frame_that_the_whole_gives(scale: Fraction, changes: dict[str, object]):
    network = lively_network(**changes)
    frames = smooth_pictures(256, 384)
    whole = RifeInterpolator(network, scale=scale).interpolate(frames, THIRD)
    tiled = RifeInterpolator(network, scale=scale, tile_pixels=TILE).interpolate(frames, THIRD)
    assert (whole - frames.mean(1, keepdim=True)).abs().max() > 0.02  # it does more than blend
    assert (tiled - whole).abs().max() < ROUNDING


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(1, 2)])
def test_planes_beside_the_colours_are_tiled_with_them(scale: Fraction):
    network = lively_network(alignment=(0, 0, 0))
    frames = smooth_pictures(200, 300)[..., :192, :288]
    planes = frames[:, :, 2:]
    whole, moved = RifeInterpolator(network, scale=scale).interpolate_with_planes(frames, planes, THIRD)
    in_tiles = RifeInterpolator(network, scale=scale, tile_pixels=TILE).interpolate_with_planes(frames, planes, THIRD)
    assert (moved - planes.mean(1, keepdim=True)).abs().max() > 0.02  # it does more than blend
    assert (in_tiles[0] - whole).abs().max() < ROUNDING
    assert (in_tiles[1] - moved).abs().max() < ROUNDING


def test_several_gaps_and_times_are_tiled_as_one():
    network = lively_network()
    frames = torch.cat((smooth_pictures(192, 256), smooth_pictures(192, 256, (7, 1))))
    times = [Fraction(1, 4), Fraction(2, 3)]
    whole = RifeInterpolator(network).interpolate(frames, times)
    tiled = RifeInterpolator(network, tile_pixels=TILE).interpolate(frames, times)
    assert (tiled - whole).abs().max() < ROUNDING


def test_motion_longer_than_a_tile_leaves_no_seam():
    network = lively_network()
    with torch.no_grad():
        network.middle.leave.bias[:4] = torch.tensor([30.0, -12.0, -30.0, 12.0])  # 120 pixels across
    frames = smooth_pictures(256, 384)
    whole = RifeInterpolator(network).interpolate(frames, THIRD)
    tiled = RifeInterpolator(network, tile_pixels=TILE).interpolate(frames, THIRD)
    assert (tiled - whole).abs().max() < ROUNDING


def test_a_fine_correction_beyond_the_window_is_followed():
    network = lively_network()
    with torch.no_grad():
        network.fine.leave.bias[:4] = torch.tensor([20.0, 20.0, -20.0, -20.0])  # 40 pixels, more than the slack
    frames = smooth_pictures(256, 384)
    whole = RifeInterpolator(network).interpolate(frames, THIRD)
    tiled = RifeInterpolator(network, tile_pixels=TILE).interpolate(frames, THIRD)
    assert (tiled - whole).abs().max() < ROUNDING


def test_the_shipped_network_leaves_no_seam_on_textured_motion():
    network = load_network(find("rife")).eval()
    frames = smooth_pictures(192, 256, (4, 9))
    noisy = (frames + 0.05 * torch.rand(frames.shape, generator=torch.Generator().manual_seed(3))).clamp(0, 1)
    whole = RifeInterpolator(network).interpolate(noisy, THIRD)
    tiled = RifeInterpolator(network, tile_pixels=TILE).interpolate(noisy, THIRD)
    assert (tiled - whole).abs().max() < 1 / 255


def test_flat_frames_stay_flat_in_tiles():
    network = load_network(find("rife")).eval()
    frames = torch.full((1, 2, 3, 192, 256), 0.4)
    whole = RifeInterpolator(network).interpolate(frames, THIRD)
    tiled = RifeInterpolator(network, tile_pixels=TILE).interpolate(frames, THIRD)
    assert (tiled - whole).abs().max() < 1 / 255
