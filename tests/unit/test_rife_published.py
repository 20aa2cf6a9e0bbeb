"""The published RIFE layouts: sizes, conventions, refusals."""

from __future__ import annotations

import pytest
import torch
from small_rife import (
    TINY,
    TINY_ANY_TIME,
    TINY_PAPER,
    TINY_RECURRENT,
    Config,
    Network,
    build,
    midpoint,
    triplet,
)
from torch import nn

from midframe.core.errors import ShapeError, UsageError
from midframe.methods.rife.ifnet import IFNet
from midframe.methods.rife.layouts import VERSION_4_6, VERSION_4_25, IFNetConfig, PaperConfig
from midframe.methods.rife.paper import PaperNetwork

AVERAGE_TOLERANCE = 1e-6  # float32 rounding of a warp by zero flow


def count(module: nn.Module | None) -> int:
    assert module is not None
    return sum(parameter.numel() for parameter in module.parameters())


def silence_heads(network: Network) -> None:
    """Zero the last layer of every block, so that flows and masks are zero."""
    for name, parameter in network.named_parameters():
        if ".lastconv." in name:
            nn.init.zeros_(parameter)


def test_the_paper_network_has_the_published_size():
    with torch.device("meta"):
        network = PaperNetwork(PaperConfig())
    assert count(network) == 10_708_215
    assert count(network.block_tea) == 636_665
    assert count(network.block0) == 4_436_645
    assert count(network.block1) == 1_747_580
    assert count(network.block2) == 635_450
    assert count(network.contextnet) == 294_000
    assert count(network.unet) == 2_957_875
    assert len(network.state_dict()) == 190


@pytest.mark.parametrize(
    ("config", "parameters", "tensors"), [(VERSION_4_6, 5_306_256, 120), (VERSION_4_25, 5_664_776, 158)]
)
def test_a_released_version_has_the_published_size(config: IFNetConfig, parameters: int, tensors: int):
    with torch.device("meta"):
        network = IFNet(config)
    assert count(network) == parameters
    assert len(network.state_dict()) == tensors


@pytest.mark.parametrize("config", TINY)
def test_without_flow_and_mask_every_block_averages_the_images(config: Config):
    network = build(config)
    silence_heads(network)
    before, after, target = triplet()
    result = network(before, after, midpoint(), target)
    assert result.teacher is not None
    for merged in (*result.merged, result.teacher.merged):
        assert torch.allclose(merged, (before + after) / 2, atol=AVERAGE_TOLERANCE)


@pytest.mark.parametrize("config", TINY)
def test_the_first_flow_and_a_high_mask_show_the_before_image(config: Config):
    """A constant head: `before` is fetched from 2 pixels to the left, and the mask shows it alone."""
    network = build(config)
    silence_heads(network)
    head = network.block0.lastconv
    last = head if isinstance(head, nn.ConvTranspose2d) else head[0]
    assert last.bias is not None
    # The head's value is in pixels of the resolution where it is made.
    coarsest = config.scales[0] * (2 if isinstance(config, PaperConfig) else 1)
    values = torch.zeros(len(last.bias) // (1 if isinstance(config, PaperConfig) else 4))
    values[0], values[4] = -2 / coarsest, 20
    last.bias.data = values if isinstance(config, PaperConfig) else values.repeat_interleave(4)
    before, after, _ = triplet()
    result = network(before, after, midpoint())
    assert torch.allclose(result.flows[0][:, 0], torch.tensor(-2.0), atol=1e-5)
    assert torch.allclose(result.merged[0][..., 2:], before[..., :-2], atol=1e-4)


@pytest.mark.parametrize("config", TINY)
def test_the_result_holds_one_estimate_for_each_block(config: Config):
    before, after, target = triplet()
    result = build(config)(before, after, midpoint(), target)
    assert len(result.flows) == len(result.masks) == len(result.merged) == 3
    assert all(flow.shape == (1, 4, 64, 64) for flow in result.flows)
    assert all(mask.shape == (1, 1, 64, 64) for mask in result.masks)
    assert result.output.shape == before.shape
    assert result.output.min() >= 0
    assert result.output.max() <= 1


@pytest.mark.parametrize("config", TINY)
def test_without_a_target_there_is_no_teacher(config: Config):
    network = build(config)
    before, after, target = triplet()
    alone, taught = network(before, after, midpoint()), network(before, after, midpoint(), target)
    assert alone.teacher is None
    assert taught.teacher is not None
    assert torch.equal(alone.output, taught.output)


@pytest.mark.parametrize("config", [VERSION_4_6, VERSION_4_25])
@pytest.mark.parametrize("time", [0.1, 0.73])
def test_a_released_version_runs_at_any_instant(config: IFNetConfig, time: float):
    size = config.size_multiple()
    before, after, _ = triplet(size)
    with torch.no_grad():
        result = build(config)(before, after, torch.tensor([time]))
    assert result.output.shape == before.shape
    assert result.output.isfinite().all()


@pytest.mark.parametrize("config", TINY_ANY_TIME)
def test_the_instant_changes_the_result(config: Config):
    network = build(config)
    before, after, _ = triplet()
    early, late = (network(before, after, torch.tensor([time])).flows[-1] for time in (0.25, 0.75))
    assert not torch.allclose(early, late)


@pytest.mark.parametrize("config", TINY_ANY_TIME)
def test_each_item_of_a_batch_has_its_own_instant(config: Config):
    network = build(config).eval()
    before, after, _ = triplet()
    times = torch.tensor([0.25, 0.75])
    with torch.no_grad():
        together = network(before.repeat(2, 1, 1, 1), after.repeat(2, 1, 1, 1), times).output
        apart = torch.cat([network(before, after, time[None]).output for time in times])
    assert torch.allclose(together, apart, atol=1e-5)


def test_the_midpoint_network_refuses_other_instants():
    before, after, _ = triplet()
    with pytest.raises(UsageError, match=r"instant 0\.5 only; got \[0\.25\]"):
        build(TINY_PAPER)(before, after, torch.tensor([0.25]))


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("config", TINY)
def test_refuses_one_instant_for_two_items(config: Config):
    before, after, _ = triplet()
    with pytest.raises(ShapeError, match=r"each of 2 items; got \(1,\)"):
        build(config)(before.repeat(2, 1, 1, 1), after.repeat(2, 1, 1, 1), midpoint())


@pytest.mark.usefixtures("without_shape_checks")
@pytest.mark.parametrize("config", TINY)
def test_refuses_images_of_different_size(config: Config):
    before, after, target = triplet()
    network = build(config)
    with pytest.raises(ShapeError, match=r"before .* and after .* differ in shape"):
        network(before, after[..., :32], midpoint())
    with pytest.raises(ShapeError, match=r"before .* and target .* differ in shape"):
        network(before, after, midpoint(), target[..., :32])


@pytest.mark.parametrize("config", TINY)
def test_a_flow_scale_does_not_drift_from_call_to_call(config: Config):
    network = build(config).eval()
    before, after, _ = triplet()
    with torch.no_grad():
        first = network(before, after, midpoint(), scale=0.5)
        second = network(before, after, midpoint(), scale=0.5)
        full = network(before, after, midpoint())
    assert torch.equal(first.output, second.output)
    assert not torch.equal(first.flows[-1], full.flows[-1])
    assert config.scales == (4, 2, 1)


@pytest.mark.parametrize("scale", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("config", TINY)
def test_the_smallest_size_of_each_flow_scale_works(config: Config, scale: float):
    size = config.size_multiple(scale)
    before, after, _ = triplet(size)
    with torch.no_grad():
        result = build(config)(before, after, midpoint(), scale=scale)
    assert result.output.shape == (1, 3, size, size)


def test_size_multiples_follow_the_coarsest_block():
    assert PaperConfig().size_multiple() == 16
    assert VERSION_4_6.size_multiple() == 32
    assert VERSION_4_25.size_multiple() == 64
    assert VERSION_4_25.size_multiple(0.25) == 256


@pytest.mark.parametrize("config", TINY)
def test_refuses_a_size_that_does_not_divide(config: Config):
    image = torch.rand(1, 3, 24, 32)
    with pytest.raises(ShapeError, match="multiples of 16; got 24x32"):
        build(config)(image, image, midpoint())


def test_refuses_an_unknown_flow_scale():
    before, after, _ = triplet()
    with pytest.raises(UsageError, match=r"0\.25, 0\.5, 1\.0; got 0\.3"):
        build(TINY_RECURRENT)(before, after, midpoint(), scale=0.3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (16, 8), "scales": (4, 2, 1)}, "one entry for each block"),
        ({"widths": (16, 8), "scales": (1, 2)}, "divide the first|fall from block to block"),
        ({"widths": (16, 8), "scales": (4, 3)}, "divide the first"),
        ({"widths": (16, 7), "scales": (2, 1)}, "positive and even"),
        ({"widths": (16, 8), "scales": (2, 1), "teacher_width": 0}, "positive and even"),
        ({"widths": (16, 8), "scales": (2, 1), "recurrent_channels": -1}, "cannot be negative"),
    ],
)
def test_refuses_an_impossible_configuration(fields: dict, message: str):
    with pytest.raises(UsageError, match=message):
        IFNetConfig(**fields)


@pytest.mark.parametrize("config", TINY)
def test_flows_and_masks_stay_in_float32_under_autocast(config: Config):
    before, after, target = triplet()
    network = build(config)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = network(before, after, midpoint(), target)
    exact = network(before, after, midpoint(), target)
    assert result.teacher is not None
    everything = (*result.flows, *result.masks, *result.merged, result.output, *vars(result.teacher).values())
    assert {tensor.dtype for tensor in everything} == {torch.float32}
    # The convolutions did run in bfloat16: the values differ, but only by its rounding.
    assert not torch.equal(result.flows[-1], exact.flows[-1])
    assert torch.allclose(result.output, exact.output, atol=0.05)
