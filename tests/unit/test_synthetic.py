from fractions import Fraction

import torch

from midframe.data.synthetic import SceneStyle, random_scenes, render_scene, render_triplets
from midframe.ops.warp import backward_warp

SIZE = (96, 128)
WARP_ERROR = 0.02  # bilinear resampling of textures with detail at pixel scale


def triplets(seed: int = 0, count: int = 6, **style: float):
    generator = torch.Generator().manual_seed(seed)
    scenes = random_scenes(count, SIZE, SceneStyle(brightness=0.0, **style), generator)
    return render_triplets(scenes, torch.linspace(0.2, 0.8, count), SIZE)


def test_the_exact_flow_warps_both_neighbours_onto_the_target_where_it_is_seen():
    frames, flow, seen = triplets()
    for neighbour, flow_part, visible in ((0, flow[:, :2], seen[:, 0]), (2, flow[:, 2:], seen[:, 1])):
        error = (backward_warp(frames[:, neighbour], flow_part) - frames[:, 1]).abs().mean(1)
        unwarped = (frames[:, neighbour] - frames[:, 1]).abs().mean()
        assert error[visible].mean() < WARP_ERROR
        assert error[visible].mean() < 0.3 * unwarped
        assert error[~visible].mean() > 2 * error[visible].mean()


def test_without_acceleration_motion_is_proportional_to_time():
    generator = torch.Generator().manual_seed(1)
    style = SceneStyle(turn_radians=0.0, zoom=0.0, acceleration=0.0)
    scenes = random_scenes(4, SIZE, style, generator)
    _, flow, _ = render_triplets(scenes, torch.full((4,), 0.25), SIZE)
    assert torch.allclose(flow[:, :2] * -3, flow[:, 2:], atol=1e-3)


def test_motion_stays_within_its_bound():
    _, flow, _ = triplets(turn_radians=0.0, zoom=0.0, acceleration=0.0, motion_pixels=10.0)
    # A layer's own motion and half of it again from the camera.
    assert flow.norm(dim=1).max() < 2 * 15


def test_equal_seeds_give_equal_scenes_and_time_moves_them():
    first = render_scene(3, SIZE, [Fraction(0), Fraction(1, 2)])
    again = render_scene(3, SIZE, [Fraction(0), Fraction(1, 2)])
    assert torch.equal(first, again)
    assert (first[0] - first[1]).abs().mean() > 1e-3
    assert first.shape == (2, 3, *SIZE)
    assert first.min() >= 0
    assert first.max() <= 1


def test_shares_of_all_layers_sum_to_one():
    generator = torch.Generator().manual_seed(2)
    scenes = random_scenes(2, SIZE, SceneStyle(), generator)
    _, shares = scenes.render(torch.tensor([0.1, 0.9]), SIZE)
    assert torch.allclose(shares.sum(1), torch.ones(2, *SIZE), atol=1e-5)
