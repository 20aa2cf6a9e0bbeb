"""Scenes that look wrong backwards, and the ruler that finds it out."""

from __future__ import annotations

import pytest
import torch

from midframe.core.errors import RecipeError, ShapeError
from midframe.data.one_way import KINDS, OneWayStream, render_one_way
from midframe.metrics.trajectory import colour_distances, distances, track, wrong_way

FOUND_WITHIN = {"falling": 0.1, "spreading": 1.0, "traffic": 0.1}
"""Mean pixels between a known centre and the one that its colours have: puffs fade into each other."""


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_found_where_they_are(kind: str):
    clips = render_one_way(12, 9, 64, draw(), kinds=(kind,))
    tracks = track(clips.frames, clips.colour)
    there = clips.present[:, None].expand(-1, 9, -1)
    assert bool(tracks.found[there].all())
    assert float(distances(tracks, clips.position, clips.present).mean()) < FOUND_WITHIN[kind]
    assert not bool(tracks.found[~there].any())


def test_a_clip_played_backwards_moves_the_wrong_way():
    clips = render_one_way(24, 9, 64, draw())
    truth = track(clips.frames, clips.colour)
    same, judged = wrong_way(truth, truth, clips.present)
    backwards, _ = wrong_way(track(clips.frames.flip(1), clips.colour), truth, clips.present)
    assert float(same.sum()) == 0
    assert float(judged.sum()) > 200
    # Of a bounce some steps rise both ways.
    assert float(backwards.sum() / judged.sum()) > 0.9


def test_balls_land_and_rise_less_each_time():
    clips = render_one_way(16, 60, 64, draw(), kinds=("falling",))
    height = 58 - clips.extent[:, 0] - clips.position[..., 1].transpose(0, 1)
    assert float(height.min()) > -1e-3
    tops = torch.stack([part.amax(0) for part in height.split(20)])
    assert bool((tops[1:] <= tops[:-1] + 1e-3).all())
    assert float((tops[2] / tops[0]).mean()) < 0.6


def test_puffs_grow_and_cars_keep_to_the_right():
    puffs = render_one_way(8, 9, 64, draw(), kinds=("spreading",))
    assert bool((puffs.extent.diff(dim=1) > 0).all())
    cars = render_one_way(8, 9, 64, draw(), kinds=("traffic",))
    assert bool((cars.position[..., 0].diff(dim=1) > 1).all())
    assert bool((cars.position[..., 1].diff(dim=1) == 0).all())


def test_the_number_of_frames_does_not_change_the_motion():
    short, long = (render_one_way(6, frames, 64, draw(3)) for frames in (5, 9))
    assert torch.equal(short.frames, long.frames[:, :5])


def test_a_lost_object_counts_as_in_the_middle():
    clips = render_one_way(4, 3, 64, draw(), kinds=("traffic",))
    tracks = track(torch.full_like(clips.frames, 0.5), clips.colour)
    assert not bool(tracks.found.any())
    middle = (clips.position - 31.5).norm(dim=-1)
    expected = (middle * clips.present[:, None]).sum(-1) / clips.present[:, None].sum(-1)
    assert torch.allclose(distances(tracks, clips.position, clips.present), expected)


def test_batches_are_a_function_of_seed_and_number_and_a_pool_comes_again():
    stream = iter(OneWayStream(2, 3, 32, seed=5, pool=2))
    first, second, third = (next(stream)["frames"] for _ in range(3))
    assert first.dtype == torch.uint8
    assert torch.equal(first, third)
    assert not torch.equal(first, second)
    assert torch.equal(next(iter(OneWayStream(2, 3, 32, seed=5, first=1)))["frames"], second)


def test_unknown_kinds_and_tiny_clips_are_refused():
    with pytest.raises(RecipeError, match="got rising"):
        render_one_way(1, 9, 64, draw(), kinds=("rising",))
    with pytest.raises(RecipeError, match="at least 2 frames of 16 pixels; got 1 of 64"):
        render_one_way(1, 1, 64, draw())


def test_each_clip_needs_its_colours(without_shape_checks):
    with pytest.raises(ShapeError, match="2 clips and colours for 1"):
        track(torch.zeros(2, 3, 3, 8, 8), torch.zeros(1, 2, 3))


def test_an_object_in_two_halves_is_far_by_all_of_its_colour():
    """A red square that moves by 16 pixels, against its blend, whose middle is where it should be."""
    colour, present = torch.tensor([[[1.0, 0.0, 0.0]]]), torch.ones(1, 1, dtype=torch.bool)
    frames = torch.full((1, 3, 3, 32, 48), 0.5)
    for number in range(3):
        frames[0, number, :, 12:20, 12 + 8 * number : 20 + 8 * number] = colour[0, 0, :, None, None]
    faded = frames.clone()
    faded[:, 1] = (frames[:, 0] + frames[:, 2]) / 2
    truth = track(frames, colour)
    assert float(distances(track(faded, colour), truth.position, present)[0, 1]) < 0.1
    own, apart = (colour_distances(clip, colour, truth.position, present)[0] for clip in (frames, faded))
    # The mean distance from the middle of a square of side a is 0.383 a.
    assert torch.allclose(own, torch.full((3,), 0.383 * 8), atol=0.05)
    assert float(apart[1]) == pytest.approx(8.5, abs=0.5)
    lost = colour_distances(torch.full_like(frames, 0.5), colour, truth.position, present)
    assert float(lost[0, 0]) == pytest.approx(8.0, abs=0.1)
