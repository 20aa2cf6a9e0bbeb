"""The default RIFE network and its interpolator."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from midframe.core.errors import ShapeError, UsageError, WeightsError
from midframe.core.options import LoadOptions
from midframe.methods.rife.layouts import MatchingConfig
from midframe.methods.rife.matching import Estimate, MatchingNetwork, size_multiple
from midframe.methods.rife.matching_loss import MatchingWeights, matching_loss
from midframe.methods.rife.sample import RifeInterpolator, create
from midframe.methods.rife.weights_file import save_network
from midframe.nn.pyramid import pyramid_levels
from midframe.ops.luma import luma
from midframe.ops.warp import backward_warp
from small_matching import SMALL_MATCHING

SMALL = replace(SMALL_MATCHING, teacher=True)
AVERAGE_ERROR = 1e-4  # warping by a zero flow, and a blend by one half
HALF = [Fraction(1, 2)]


def idle_network() -> MatchingNetwork:
    """A network whose blocks change nothing: zero flow, even mask, no residual."""
    torch.manual_seed(0)
    network = MatchingNetwork(SMALL)
    for block in (network.coarse, network.middle, network.fine):
        torch.nn.init.zeros_(block.leave.weight)
    return network.eval()


def pictures(height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.rand(2, 2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_parameters_of_the_default_layout():
    assert sum(value.numel() for value in MatchingNetwork(MatchingConfig()).parameters()) == 909_694


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_an_idle_network_blends_at_any_number_of_levels(levels: int):
    network, frames = idle_network(), pictures()
    with torch.inference_mode():
        encoded = network.encode(frames[:, 0], frames[:, 1], levels)
        result = network.synthesise(encoded, torch.tensor([0.3, 0.6]))
    assert len(result.estimates) == levels + 2
    assert torch.allclose(result.output, frames.mean(1), atol=AVERAGE_ERROR)


@pytest.mark.parametrize("scale", [Fraction(1), Fraction(1, 2), Fraction(1, 4)])
def test_flow_may_be_estimated_at_a_lower_scale(scale: Fraction):
    interpolator = RifeInterpolator(idle_network(), scale=scale)
    assert interpolator.spec.size_multiple == size_multiple(SMALL.levels) / scale
    frames = pictures(64, 128)
    made = interpolator.interpolate(frames, HALF)
    assert torch.allclose(made[:, 0], frames.mean(1), atol=AVERAGE_ERROR)


def test_flow_of_a_lower_scale_is_in_pixels_of_the_frame():
    network = idle_network()
    # A block that always answers: target -> before 2 pixels to the right, in its own pixels at half size.
    torch.nn.init.zeros_(network.fine.leave.bias)
    network.fine.leave.bias.data[0] = 2.0
    network.fine.leave.bias.data[4:8] = 50.0  # the mask shows `before` alone
    columns = torch.arange(128.0).expand(1, 2, 3, 64, 128) / 255
    for scale in (Fraction(1), Fraction(1, 2)):
        made = RifeInterpolator(network, scale=scale).interpolate(columns, HALF)[0, 0, 0, 32]
        moved = (made - columns[0, 0, 0, 32]) * 255
        expected = 4 / scale
        assert torch.allclose(moved[:64], torch.full((64,), float(expected)), atol=0.05)


def test_larger_pictures_get_more_levels():
    assert pyramid_levels(3, 256, 448) == 3
    assert pyramid_levels(3, 480, 854) == 3
    assert pyramid_levels(3, 720, 1280) == 4
    assert pyramid_levels(3, 1280, 720) == 4
    assert pyramid_levels(3, 2160, 3840) == 5


def test_turned_frames_give_the_turned_result_under_augmentation():
    torch.manual_seed(1)
    interpolator = RifeInterpolator(MatchingNetwork(SMALL).eval(), tta=True)
    frames = pictures()
    straight = interpolator.interpolate(frames, HALF)
    turned = interpolator.interpolate(frames.flip(-1, -2), HALF).flip(-1, -2)
    assert torch.allclose(straight, turned, atol=AVERAGE_ERROR)


def test_a_size_that_does_not_divide_is_refused():
    network = idle_network()
    with pytest.raises(ShapeError, match="multiples of 16"):
        network(torch.rand(1, 3, 40, 64), torch.rand(1, 3, 40, 64), torch.tensor([0.5]))


def test_the_teacher_sees_the_target_and_only_in_training():
    torch.manual_seed(0)
    network, frames = MatchingNetwork(SMALL), pictures()
    before, after = frames.unbind(1)
    time = torch.full((2,), 0.5)
    assert network(before, after, time).teacher is None
    first = network(before, after, time, target=before).teacher
    second = network(before, after, time, target=after).teacher
    assert first is not None
    assert second is not None
    assert not torch.equal(first.flow, second.flow)


def test_exact_flow_costs_nothing_and_wrong_flow_something():
    network, frames = idle_network(), pictures()
    before, after = frames.unbind(1)
    result = network(before, after, torch.full((2,), 0.5))
    known = torch.ones(2, 2, 64, 96)
    zero, one = torch.zeros(2, 4, 64, 96), torch.ones(2, 4, 64, 96)
    weights = MatchingWeights(flow=1.0)
    right = matching_loss(result, frames.flatten(0, 1), before, weights, zero, known).terms["flow"]
    wrong = matching_loss(result, frames.flatten(0, 1), before, weights, one, known).terms["flow"]
    unknown = matching_loss(result, frames.flatten(0, 1), before, weights, one, known * 0).terms["flow"]
    assert right < 0.05
    assert wrong > 1.0
    assert unknown == 0


def test_weights_survive_the_file(tmp_path: Path):
    torch.manual_seed(2)
    network = MatchingNetwork(SMALL)
    path = tmp_path / "rife.safetensors"
    save_network(SMALL, network.state_dict(), path, torch.float32)
    options = LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32)
    frames = pictures()
    loaded = create(options).interpolate(frames, HALF)
    assert torch.equal(loaded, RifeInterpolator(network.eval()).interpolate(frames, HALF))


def test_a_file_of_another_architecture_is_refused(tmp_path: Path):
    path = tmp_path / "rife.safetensors"
    save_network(replace(SMALL, coarse_width=10), MatchingNetwork(SMALL).state_dict(), path, torch.float32)
    options = LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32)
    with pytest.raises(WeightsError, match=r"does not fit its own architecture in: .*coarse.enter.weight"):
        create(options)


def test_a_damaged_file_is_refused(tmp_path: Path):
    path = tmp_path / "rife.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        create(LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32))


def test_a_tenth_less_error_counts_the_same_in_an_easy_sample_as_in_a_hard_one():
    network, frames = idle_network(), pictures()
    with torch.inference_mode():
        result = network(frames[:, 0], frames[:, 1], torch.tensor([0.5, 0.5]))
    weights = MatchingWeights(decibels=1.0)

    def decibels(errors: tuple[float, float]) -> float:
        target = result.output + torch.tensor(errors)[:, None, None, None]
        return float(matching_loss(result, frames.transpose(0, 1).flatten(0, 1), target, weights).terms["decibels"])

    least = 0.02  # errors well above the one at which the term levels off
    full, easier, harder = (decibels((least * a, 10 * least * b)) for a, b in ((1, 1), (0.9, 1), (1, 0.9)))
    assert full - easier == pytest.approx(full - harder, rel=0.1)
    assert full - easier == pytest.approx(-10 * math.log10(0.9), rel=0.1)  # of 20 log10, half: one sample of two


def test_alignment_mends_a_flow_that_the_blocks_leave_wrong():
    """A network whose blocks see no motion at all, on a pattern that moves by less than a pixel."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")

    def pattern(moved: float) -> torch.Tensor:
        x = columns - moved
        wave = torch.sin(x * 0.4 + rows * 0.2) + torch.sin(x * 0.25 - rows * 0.5)
        return (0.5 + 0.2 * wave).expand(1, 3, 64, 96)

    errors = []
    for steps in ((0, 0, 0), (0, 2, 2)):
        torch.manual_seed(0)
        network = MatchingNetwork(replace(SMALL, alignment=steps)).eval()
        network.load_state_dict(idle_network().state_dict())
        with torch.inference_mode():
            flow = network(pattern(0.0), pattern(0.8), torch.tensor([0.5])).estimates[-1].flow
        errors.append(
            float((flow - torch.tensor((-0.4, 0, 0.4, 0)).view(1, 4, 1, 1))[..., 12:-12, 12:-12].abs().mean())
        )
    assert errors[1] < errors[0] / 10


def test_sharing_of_detail_goes_from_bilinear_to_bicubic_samples():
    frames = pictures().transpose(0, 1)[0]  # (2, 3, height, width)
    flow = torch.full((1, 4, 64, 96), 0.5)
    estimate = Estimate(flow, torch.full((1, 1, 64, 96), 50.0))  # shows `before` alone
    bilinear, bicubic = (luma(backward_warp(frames[:1], flow[:, :2], kernel)) for kernel in ("bilinear", "bicubic"))
    for share, expected in ((0.0, bilinear), (1.0, bicubic), (0.5, (bilinear + bicubic) / 2)):
        merged = MatchingNetwork.merge(frames, estimate, torch.full((1, 1, 64, 96), share))
        assert torch.allclose(luma(merged), expected, atol=1e-5)


def test_a_flow_of_another_size_than_the_frames_is_refused():
    estimate = Estimate(torch.zeros(1, 4, 32, 48), torch.zeros(1, 1, 32, 48))
    with pytest.raises(ShapeError, match="differ in size"):
        MatchingNetwork.merge(torch.rand(2, 3, 64, 96), estimate)


def test_alignment_steps_are_not_negative():
    with pytest.raises(UsageError, match="cannot be negative"):
        MatchingConfig(alignment=(0, -1, 0))
