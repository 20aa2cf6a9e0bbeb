"""SVMV: motion volumes, their synthesis, the objective, and the network around them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from midframe.core.errors import RecipeError, ShapeError, UsageError, WeightsError
from midframe.core.options import LoadOptions
from midframe.data.synthetic import SceneStyle, random_scenes, render_windows
from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.gather import GatherNetwork
from midframe.methods.svmv.gather_loss import gather_loss
from midframe.methods.svmv.loss import (
    LEAST_VARIANCE,
    Pictures,
    SvmvWeights,
    matching_loss,
    spatial_term,
    svmv_loss,
    temporal_term,
)
from midframe.methods.svmv.motion_volume import (
    MotionVolume,
    ensemble_variance,
    mean_motion,
    spatial_variance,
    time_from_source,
    with_opposite,
)
from midframe.methods.svmv.network import MotionVolumeNetwork, moved_together
from midframe.methods.svmv.sample import SvmvInterpolator, create, motion_volumes
from midframe.methods.svmv.synthesis import blur_of_splatting, render, second_differences
from midframe.methods.svmv.weights_file import build_network, save_network
from midframe.ops import rows
from small_svmv import SMALL_SVMV

ROUNDING = 1e-4
EXACT = 1e-5
BORDER = 8  # pixels next to the border, where motion comes from or goes outside
HALF = torch.tensor([0.5])


def volume(near: torch.Tensor, far: torch.Tensor, members: int = 1, gate: float = 1.0) -> MotionVolume:
    """A volume of both sources with equal members: `near` and `far` are (2, 2) or (2, 2, height, width)."""
    size = near.shape[2:] or (16, 16)
    near, far = (
        side.reshape(2, 1, 2, *(side.shape[2:] or (1, 1))).expand(2, members, 2, *size) for side in (near, far)
    )
    return MotionVolume(near, far, torch.zeros(2, members, 1, *size), torch.full((2, 1, 1, *size), gate))


def pictures_of(
    seed: int = 0, count: int = 2, side: int = 64, **style: float
) -> tuple[Pictures, torch.Tensor, torch.Tensor]:
    scenes = random_scenes(count, (side, side), SceneStyle(**style), torch.Generator().manual_seed(seed))
    time = torch.full((count,), 0.5)
    frames, motion, seen = render_windows(scenes, time, (side, side))
    return Pictures(*frames.unbind(1), time=time), motion, seen


def window(height: int = 32, width: int = 48, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 4, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_default_has_at_most_five_million_parameters():
    for synthesis in ("splat", "gather"):
        network = build_network(SvmvConfig(synthesis=synthesis))
        assert sum(value.numel() for value in network.parameters()) <= 5_000_000


def test_motion_passes_through_the_three_known_instants():
    near, far = torch.tensor([[3.0, -1.0]] * 2), torch.tensor([[-1.0, 2.0]] * 2)
    bent = volume(near, far)
    assert torch.allclose(bent.at(torch.tensor([0.0, 0.0])), torch.zeros(()))
    assert torch.allclose(bent.at(torch.tensor([1.0, 1.0]))[0, 0, :, 0, 0], near[0])
    assert torch.allclose(bent.at(torch.tensor([-1.0, -1.0]))[0, 0, :, 0, 0], far[0])


def test_half_way_the_far_frame_counts_an_eighth_against():
    near, far = torch.tensor([[8.0, 0.0]] * 2), torch.tensor([[0.0, 8.0]] * 2)
    made = volume(near, far).at(torch.tensor([0.5, 0.5]))[0, 0, :, 0, 0]
    assert torch.allclose(made, torch.tensor([3.0, -1.0]))  # 0.375 near - 0.125 far


def test_without_belief_in_acceleration_motion_is_linear():
    near, far = torch.tensor([[8.0, 0.0]] * 2), torch.tensor([[5.0, 5.0]] * 2)
    made = volume(near, far, gate=0.0).at(torch.tensor([0.25, 0.25]))[0, 0, :, 0, 0]
    assert torch.allclose(made, torch.tensor([2.0, 0.0]))


def test_of_two_accelerations_both_sources_make_one_cubic_curve():
    earlier, before, after, later = 0.0, 5.0, 7.0, 15.0
    near = torch.tensor([[after - before, 0.0], [before - after, 0.0]])
    far = torch.tensor([[earlier - before, 0.0], [later - after, 0.0]])
    curved = with_opposite(volume(near, far))
    for time in (0.25, 0.5, 0.75):
        at = torch.tensor([time])
        forth, back = curved.at(time_from_source(at))[:, 0, 0, 8, 8]
        assert before + forth == pytest.approx(float(after + back), abs=EXACT)
    forth = curved.at(time_from_source(HALF))[0, 0, 0, 8, 8]
    assert before + forth == pytest.approx((9 * (before + after) - earlier - later) / 16, abs=EXACT)


def test_a_constant_acceleration_is_a_parabola_to_both_sources():
    near, far = torch.tensor([[3.0, -1.0], [-3.0, 1.0]]), torch.tensor([[-1.0, 2.0], [5.0, 0.0]])
    bent, curved = volume(near, far), with_opposite(volume(near, far))
    for time in (0.2, 0.5, 0.9):
        at = torch.tensor([time, 1 - time])
        assert torch.allclose(curved.at(at), bent.at(at), atol=EXACT)


def test_the_other_acceleration_is_that_of_the_place_where_a_pixel_arrives():
    near = torch.tensor([[4.0, 0.0], [-4.0, 0.0]])[:, :, None, None].expand(2, 2, 16, 16)
    far = -near.clone()
    far[1, 0, :, 8:] += 1.0  # Only in the right half of `after`: what `before` has four pixels farther left.
    opposite = with_opposite(volume(near, far)).opposite
    assert opposite is not None
    assert torch.allclose(opposite[0, 0, 0, :, :4], torch.zeros(16, 4), atol=EXACT)
    assert torch.allclose(opposite[0, 0, 0, :, 4:], torch.ones(16, 12), atol=EXACT)
    assert not opposite[1].any()


def test_what_the_other_source_does_not_see_keeps_its_own_acceleration():
    """`after` has another motion where `before` arrives: something lies in front of it there."""
    near = torch.tensor([[4.0, 0.0], [4.0, 0.0]])
    far = torch.tensor([[-3.0, 0.0], [1.0, 0.0]])
    opposite = with_opposite(volume(near, far)).opposite
    assert opposite is not None
    assert torch.allclose(opposite[:, 0, 0, 8, 8], torch.tensor([1.0, 5.0]), atol=1e-3)


def test_where_one_outer_frame_is_missing_the_other_acceleration_holds_for_both():
    near, far = torch.tensor([[2.0, 0.0], [-2.0, 0.0]]), torch.tensor([[-4.0, 0.0], [0.0, 0.0]])
    sources = volume(near, far)
    gate = sources.acceleration.clone()
    gate[1] = 0.0
    curved = with_opposite(replace(sources, acceleration=gate), torch.tensor([1.0, 0.0]))
    parabola = volume(near, torch.tensor([[-4.0, 0.0], [0.0, 0.0]]))
    for time in (0.25, 0.5):
        at = torch.tensor([time, 1 - time])
        forth, back = curved.at(at)[:, 0, 0, 8, 8]
        assert float(forth) == pytest.approx(float(parabola.at(at)[0, 0, 0, 8, 8]), abs=EXACT)
        assert float(forth) == pytest.approx(2.0 + float(back), abs=EXACT)


def test_what_only_the_source_without_an_outer_frame_sees_moves_evenly():
    """`before` tells the acceleration of what it sees; where the motions do not close it saw something else."""
    near, far = torch.tensor([[4.0, 0.0], [4.0, 0.0]]), torch.tensor([[-3.0, 0.0], [0.0, 0.0]])
    sources = volume(near, far)
    gate = sources.acceleration.clone()
    gate[1] = 0.0
    curved = with_opposite(replace(sources, acceleration=gate), torch.tensor([1.0, 0.0]))
    for time in (0.25, 0.5):
        forth, back = curved.at(torch.tensor([time, 1 - time]))[:, 0, 0, 8, 8]
        alone = sources.at(torch.tensor([time, 1 - time]))[0, 0, 0, 8, 8]
        assert float(forth) == pytest.approx(float(alone), abs=1e-3)
        assert float(back) == pytest.approx(4 * (1 - time), abs=1e-3)


def test_without_outer_frames_motion_is_linear():
    near = torch.tensor([[2.0, 0.0], [-2.0, 0.0]])
    curved = with_opposite(volume(near, torch.zeros(2, 2), gate=0.0), torch.zeros(2))
    assert torch.allclose(curved.at(torch.tensor([0.25, 0.75]))[:, 0, 0, 8, 8], torch.tensor([0.5, -1.5]), atol=EXACT)


def test_both_accelerations_are_looked_at_unless_the_recipe_says_otherwise():
    frames = window(32, 64)
    for cubic in (True, False):
        torch.manual_seed(0)
        network = build_network(SvmvConfig(members=2, cubic=cubic)).eval()
        assert isinstance(network, MotionVolumeNetwork)
        assert (network(frames).volume.opposite is not None) == cubic


def test_a_window_without_motion_keeps_its_picture_at_any_time():
    picture = torch.rand(1, 3, 16, 16)
    still = volume(torch.zeros(2, 2), torch.zeros(2, 2), members=4)
    for time in (0.1, 0.5, 0.9):
        made = render(still, picture, picture, torch.tensor([time]))
        assert torch.allclose(made.frame, picture, atol=ROUNDING)
        assert bool(made.covered.all())


def test_a_shift_by_whole_pixels_is_exact():
    wide = torch.rand(1, 3, 16, 28)
    before, target, after = (wide[..., start : start + 16] for start in (8, 4, 0))
    moves = torch.tensor([[8.0, 0.0], [-8.0, 0.0]])
    made = render(volume(moves, -moves, members=2), before, after, HALF)
    assert torch.allclose(made.frame[..., BORDER:-BORDER], target[..., BORDER:-BORDER], atol=ROUNDING)


def test_holes_are_filled_with_the_blend():
    before, after = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    away = torch.tensor([[100.0, 0.0], [100.0, 0.0]])
    made = render(volume(away, -away), before, after, torch.tensor([0.25]))
    assert not bool(made.covered.any())
    assert torch.allclose(made.frame, torch.full_like(before, 0.25))


def test_the_nearer_frame_has_more_say():
    before, after = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    still = volume(torch.zeros(2, 2), torch.zeros(2, 2))
    for time in (0.1, 0.5, 0.8):
        made = render(still, before, after, torch.tensor([time])).frame
        assert torch.allclose(made, torch.full_like(made, time), atol=ROUNDING)


def test_exact_motion_makes_nearly_the_exact_frame_of_an_accelerating_scene():
    style = {
        "turn_radians": 0.0,
        "zoom": 0.0,
        "brightness": 0.0,
        "sprites": 1,
        "motion_pixels": 8.0,
        "acceleration": 1.0,
    }
    pictures, motion, _ = pictures_of(**style)
    exact = torch.cat((motion[:, :4], motion[:, 4:]))

    def error(gate: float) -> torch.Tensor:
        made = volume_of(exact, gate)
        frame = render(made, pictures.before, pictures.after, pictures.time).frame
        return (frame - pictures.target)[..., 16:-16, 16:-16].abs().mean((1, 2, 3))

    def volume_of(exact: torch.Tensor, gate: float) -> MotionVolume:
        score = torch.zeros(len(exact), 1, 1, 64, 64)
        return MotionVolume(exact[:, None, :2], exact[:, None, 2:], score, torch.full_like(score, gate))

    assert bool((error(1.0) < 0.015).all())  # two bilinear resamplings of noise
    assert bool((error(1.0) < error(0.0)).any())


def test_what_splatting_blurs_is_put_back():
    column = torch.arange(48, dtype=torch.float32)

    def wave(shift: float) -> torch.Tensor:
        return (0.5 + 0.3 * ((column - shift) * 0.9).sin()).expand(1, 3, 8, 48)

    # Half a pixel to the right and half a pixel back meet at the target: both bilinear kernels are at their widest.
    moves = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    before, target, after = wave(0.0), wave(0.5), wave(1.0)
    plain = volume(moves.reshape(2, 2, 1, 1).expand(2, 2, 8, 48), -moves.reshape(2, 2, 1, 1).expand(2, 2, 8, 48), 2)
    sharp = replace(plain, detail=torch.ones(2, 1, 1, 8, 48))
    inside = (..., slice(4, -4))
    blurred, restored = (
        (render(one, before, after, HALF).frame - target)[inside].abs().max() for one in (plain, sharp)
    )
    assert restored < 0.25 * blurred


def test_nothing_is_put_back_where_pixels_land_on_pixels():
    moved = torch.tensor([3.0, -2.0]).reshape(1, 1, 2, 1, 1).expand(1, 1, 2, 8, 8)
    share = torch.ones(1, 1, 1, 8, 8)
    assert not blur_of_splatting(second_differences(torch.rand(1, 3, 8, 8)), moved, share).any()
    assert blur_of_splatting(second_differences(torch.rand(1, 3, 8, 8)), moved + 0.5, share).any()


def test_a_correction_moves_the_members_near_the_mean_and_no_others():
    ensemble = torch.zeros(1, 2, 4, 3, 3)
    ensemble[:, 1, 0] = 9.0  # of the second member, x to near
    correction = torch.full((1, 4, 3, 3), 0.5)
    moved = moved_together(ensemble, torch.zeros(1, 4, 3, 3), correction) - ensemble
    assert torch.allclose(moved[:, 0], torch.tensor(0.5))
    assert float(moved[:, 1, :2].abs().max()) < ROUNDING
    assert torch.allclose(moved[:, 1, 2:], torch.tensor(0.5))


def test_least_squares_find_the_last_fraction_of_a_pixel():
    torch.manual_seed(0)
    style = {"turn_radians": 0.0, "zoom": 0.0, "brightness": 0.0, "sprites": 1, "motion_pixels": 1.2}
    pictures, motion, _ = pictures_of(acceleration=0.5, **style)
    exact = torch.cat((motion[:, :4], motion[:, 4:]))

    def error(alignment: tuple[int, int, int]) -> float:
        torch.manual_seed(0)
        network = MotionVolumeNetwork(replace(SMALL_SVMV, alignment=alignment)).eval()
        with torch.inference_mode():
            made = network(pictures.window).volume
        found = torch.cat((mean_motion(made.near, made.share()), mean_motion(made.far, made.share())), 1)
        return float((found - exact)[..., BORDER:-BORDER, BORDER:-BORDER].abs().median())

    assert error((1, 2, 1)) < 0.4 * error((0, 0, 0))


def test_variances_by_hand():
    # Two members at +1 and -1 in x, shares 3/4 and 1/4: mean 1/2, variance 3/4.
    motion = torch.zeros(1, 2, 2, 6, 6)
    motion[:, 0, 0], motion[:, 1, 0] = 1.0, -1.0
    share = torch.full((1, 2, 1, 6, 6), 0.75)
    share[:, 1] = 0.25
    assert torch.allclose(mean_motion(motion, share)[:, 0], torch.tensor(0.5))
    assert torch.allclose(ensemble_variance(motion, share), torch.tensor(0.75))


def test_a_member_without_weight_adds_no_variance():
    motion = torch.zeros(1, 2, 2, 4, 4)
    motion[:, 1] = 1000.0
    score = torch.zeros(1, 2, 1, 4, 4)
    score[:, 1] = -40.0
    assert float(ensemble_variance(motion, score.softmax(1)).max()) < ROUNDING


def test_spatial_variance_is_zero_in_a_rigid_motion_and_large_at_its_edge():
    motion = torch.full((1, 2, 12, 12), 1000.0)
    assert float(spatial_variance(motion).max()) < ROUNDING
    motion[..., 6:] += 4.0
    varied = spatial_variance(motion)[0, 0, 6]
    # Columns of a 5-wide window beside the edge: 2 of 5 differ by 4, in x and in y.
    assert varied[5] == pytest.approx(2 * 16 * (2 / 5) * (3 / 5), rel=1e-3)
    assert float(varied[:3].max()) < ROUNDING


def test_both_forms_of_the_spatial_term():
    varied, spread = torch.full((1, 1, 2, 2), 3.0), torch.full((1, 1, 2, 2), 1.0 - LEAST_VARIANCE)
    assert float(spatial_term(varied, spread, "ratio")) == pytest.approx(3.0)
    assert float(spatial_term(varied, spread, "log")) == pytest.approx(torch.tensor(4.0).log().item())


def test_the_spatial_term_waits_and_rises():
    weights = SvmvWeights(spatial=0.01)
    assert [weights.spatial_at(part) for part in (0.0, 0.05, 0.075, 0.1, 1.0)] == pytest.approx(
        [0, 0, 0.005, 0.01, 0.01]
    )


def test_the_temporal_term_is_small_for_the_true_motion_only():
    pictures, motion, _ = pictures_of(turn_radians=0.0, zoom=0.0, brightness=0.0, motion_pixels=10.0)
    exact = torch.cat((motion[:, :4], motion[:, 4:]))
    score = torch.zeros(len(exact), 1, 1, 64, 64)

    def term(scale: float) -> float:
        made = MotionVolume(exact[:, None, :2] * scale, exact[:, None, 2:] * scale, score, torch.ones_like(score))
        return float(temporal_term(made, made.at(time_from_source(pictures.time)), pictures, SvmvWeights()))

    assert term(1.0) < 0.5 * min(term(0.0), term(-1.0))


def test_time_is_counted_from_each_source():
    assert time_from_source(torch.tensor([0.25])).tolist() == [0.25, 0.75]


def test_a_window_played_backwards_gives_the_same_frame():
    torch.manual_seed(0)
    network = MotionVolumeNetwork(SMALL_SVMV).eval()
    interpolator = SvmvInterpolator(network)
    frames = window()
    forward = interpolator.interpolate(frames, [Fraction(1, 4)])
    backward = interpolator.interpolate(frames.flip(1), [Fraction(3, 4)])
    assert torch.allclose(forward, backward, atol=ROUNDING)


def test_volumes_are_computed_once_for_all_times(monkeypatch: pytest.MonkeyPatch):
    network = MotionVolumeNetwork(SMALL_SVMV).eval()
    calls = []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda *args: calls.append(1) or forward(*args))
    SvmvInterpolator(network).interpolate(window(), [Fraction(k, 8) for k in range(1, 8)])
    assert len(calls) == 1


def test_motion_estimated_on_a_smaller_picture_is_in_pixels_of_the_frame():
    torch.manual_seed(0)
    network = MotionVolumeNetwork(replace(SMALL_SVMV, cubic=True)).eval()
    frames = window(64, 96)
    small = torch.nn.functional.avg_pool2d(frames.flatten(0, 1), 2).unflatten(0, (2, 4))
    with torch.inference_mode():
        half, alone = motion_volumes(network, frames, Fraction(1, 2)), motion_volumes(network, small)
    assert half.near.shape[-2:] == (64, 96)
    assert float(half.near.mean()) == pytest.approx(2 * float(alone.near.mean()), rel=0.02)
    assert half.opposite is not None
    assert alone.opposite is not None
    assert float(half.opposite.abs().mean()) == pytest.approx(2 * float(alone.opposite.abs().mean()), rel=0.1)


def test_the_gather_variant_weighs_its_places_to_one_and_leaves_no_hole():
    torch.manual_seed(0)
    network = GatherNetwork(replace(SMALL_SVMV, synthesis="gather")).eval()
    with torch.inference_mode():
        made = network(window(), torch.tensor([0.3, 0.6]))
    assert torch.allclose(made.weight.sum((1, 2)), torch.ones(()), atol=ROUNDING)
    flat = network(torch.full((1, 4, 3, 32, 32), 0.6), HALF).frame
    assert torch.allclose(flat, torch.tensor(0.6), atol=ROUNDING)


def test_without_outer_frames_only_the_middle_ones_count_and_motion_is_linear():
    torch.manual_seed(0)
    network = MotionVolumeNetwork(replace(SMALL_SVMV, outer_frames=False)).eval()
    frames = window()
    other = torch.cat((frames[:, 3:], frames[:, 1:3], frames[:, :1]), 1)
    with torch.inference_mode():
        made, same = network(frames).volume, network(other).volume
    assert torch.equal(made.near, same.near)
    assert torch.allclose(made.at(torch.tensor([0.25] * 4)), made.near / 4)


def test_a_repeated_outer_frame_tells_no_acceleration():
    torch.manual_seed(0)
    network = MotionVolumeNetwork(SMALL_SVMV).eval()
    frames = window()
    frames[0, 0] = frames[0, 1]
    with torch.inference_mode():
        volume = network(frames).volume
    # The volumes of `before` of both items, then those of `after`.
    assert (volume.acceleration.amax((1, 2, 3, 4)) > 0).tolist() == [False, True, True, True]
    curved = MotionVolumeNetwork(replace(SMALL_SVMV, cubic=True)).eval()
    known = curved(frames).volume.known
    assert known is not None
    assert known.tolist() == [[0, 1], [1, 1], [1, 0], [1, 1]]


def test_the_gather_variant_refuses_another_flow_scale():
    network = GatherNetwork(replace(SMALL_SVMV, synthesis="gather"))
    with pytest.raises(UsageError, match="own scale"):
        SvmvInterpolator(network, scale=Fraction(1, 2))


@pytest.mark.parametrize(
    "options",
    [{"synthesis": "splat"}, {"alignment": (1, 1, 1), "sharpen": True, "visits": 2}, {"synthesis": "gather"}],
)
def test_the_objective_trains_every_parameter(options: dict[str, Any]):
    torch.manual_seed(0)
    network = build_network(replace(SMALL_SVMV, **options))
    pictures, motion, seen = pictures_of(motion_pixels=4.0)
    weights = SvmvWeights(temporal_members=3)
    if isinstance(network, MotionVolumeNetwork):
        volumes = network(pictures.window)
        rendered = render(volumes.volume, pictures.before, pictures.after, pictures.time)
        terms = svmv_loss(rendered, volumes, pictures, weights, motion=motion, motion_weight=seen.float())
    else:
        terms = gather_loss(network(pictures.window, pictures.time), pictures, weights)
    terms.total.backward()
    untrained = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not untrained
    assert all(bool(torch.isfinite(value.grad).all()) for value in network.parameters() if value.grad is not None)


@torch.no_grad()
def test_the_perceptual_term_is_the_weighted_distance_of_both_variants_frames():
    torch.manual_seed(0)
    pictures, _, _ = pictures_of(motion_pixels=4.0)
    weights = SvmvWeights(perceptual=0.5)
    splat, gather = (build_network(replace(SMALL_SVMV, synthesis=kind)) for kind in ("splat", "gather"))
    assert isinstance(splat, MotionVolumeNetwork)

    def distance(made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (made - target).square().mean((1, 2, 3))

    volumes, gathered = splat(pictures.window), gather(pictures.window, pictures.time)
    rendered = render(volumes.volume, pictures.before, pictures.after, pictures.time)
    for frame, terms in (
        (rendered.frame, svmv_loss(rendered, volumes, pictures, weights, distance=distance).terms),
        (gathered.frame, gather_loss(gathered, pictures, weights, distance=distance).terms),
    ):
        expected = 0.5 * float((frame - pictures.target).square().mean())
        assert float(terms["perceptual"]) == pytest.approx(expected, rel=1e-5)
    assert "perceptual" not in svmv_loss(rendered, volumes, pictures, SvmvWeights()).terms


def test_the_matching_objective_trains_what_finds_motion():
    torch.manual_seed(0)
    network = MotionVolumeNetwork(SMALL_SVMV)
    pictures, motion, seen = pictures_of(motion_pixels=4.0)
    steps = network.match(pictures.window).steps
    matching_loss(steps, pictures, SvmvWeights(), motion=motion, motion_weight=seen.float()).total.backward()
    trained = {name.split(".")[0] for name, value in network.named_parameters() if value.grad is not None}
    assert trained == {"encoder", "coarse", "middle"}


def test_the_exact_motion_costs_nothing():
    pictures, motion, seen = pictures_of(motion_pixels=6.0)
    exact = torch.cat((motion[:, :4], motion[:, 4:]))

    def term(steps: torch.Tensor) -> float:
        terms = matching_loss((steps,), pictures, SvmvWeights(), motion=motion, motion_weight=seen.float()).terms
        return float(terms["motion"])

    assert term(exact) < 0.05 * term(torch.zeros_like(exact))


def test_the_members_start_apart_but_near():
    torch.manual_seed(0)
    with torch.inference_mode():
        made = MotionVolumeNetwork(SvmvConfig())(window(64, 64)).volume
    spread = ensemble_variance(made.near, made.share())
    assert 0 < float(spread.mean()) < 1


def test_sides_that_do_not_divide_are_refused():
    with pytest.raises(ShapeError, match="multiples of 16"):
        MotionVolumeNetwork(SMALL_SVMV)(torch.rand(1, 4, 3, 24, 32))


def test_impossible_numbers_are_refused():
    with pytest.raises(UsageError, match="members"):
        SvmvConfig(members=0)
    with pytest.raises(UsageError, match="visits"):
        SvmvConfig(visits=0)
    with pytest.raises(UsageError, match="alignment"):
        SvmvConfig(alignment=(1, -1, 0))
    with pytest.raises(UsageError, match="belong to the splat synthesis"):
        SvmvConfig(synthesis="gather", sharpen=True)
    with pytest.raises(UsageError, match="belong to the splat synthesis"):
        SvmvConfig(synthesis="gather", cubic=True)
    with pytest.raises(RecipeError, match="temporal_members"):
        SvmvWeights(temporal_members=0)


def test_saved_weights_make_the_same_frame(tmp_path: Path):
    torch.manual_seed(0)
    network = MotionVolumeNetwork(SMALL_SVMV).eval()
    path = tmp_path / "svmv.safetensors"
    save_network(SMALL_SVMV, network.state_dict(), path, torch.float32)
    options = LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32)
    half = [Fraction(1, 2)]
    assert torch.equal(
        create(options).interpolate(window(), half), SvmvInterpolator(network).interpolate(window(), half)
    )


def test_weights_of_another_method_are_refused(tmp_path: Path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"not weights")
    options = LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32)
    with pytest.raises(WeightsError, match="cannot be read"):
        create(options)


@pytest.mark.parametrize("alignment", [(1, 1, 1), (0, 0, 0)])
def test_frames_made_in_strips_are_those_made_at_once(alignment: tuple[int, int, int], monkeypatch):
    torch.manual_seed(0)
    config = replace(SMALL_SVMV, cubic=True, sharpen=True, alignment=alignment)
    network = build_network(config).eval()
    assert isinstance(network, MotionVolumeNetwork)
    for parameter in network.parameters():  # fresh ones would send every pixel to its own place
        torch.nn.init.normal_(parameter, std=0.05)
    frames, time = window(48, 80), torch.tensor([0.3, 0.5])

    def made() -> tuple[torch.Tensor, torch.Tensor]:
        rendered = render(network(frames).volume, frames[:, 1], frames[:, 2], time)
        return rendered.frame.detach(), rendered.uncertainty.detach()

    recorded = made()
    with torch.no_grad():
        at_once = made()
        monkeypatch.setattr(rows, "STRIP_PIXELS", 6 * 80)
        in_strips = made()
    assert len(list(rows.strips(frames[:, 1]))) > 3
    for frame, other, third in zip(recorded, at_once, in_strips, strict=True):
        assert torch.allclose(frame, other, atol=ROUNDING)
        assert torch.allclose(frame, third, atol=ROUNDING)
    assert float((recorded[0] - frames[:, 1]).abs().mean()) > 0.05
