"""MADIFF's latent U-Net: published size, what it depends on, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as functional

from midframe.core.errors import UsageError
from midframe.methods.madiff.config import CodecConfig, DenoiserConfig, HintConfig, MadiffConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from small_madiff import SMALL_CODEC, SMALL_EVENTS
from small_madiff_model import SMALL_DENOISER, unsettle

PAPER = DenoiserConfig()
HINTS = SMALL_DENOISER.hint_channels


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(config: DenoiserConfig) -> int:
    with torch.device("meta"):
        network = LatentDenoiser(config)
    return sum(values.numel() for values in network.parameters())


def built(config: DenoiserConfig = SMALL_DENOISER) -> LatentDenoiser:
    torch.manual_seed(0)
    network = LatentDenoiser(config)
    unsettle(network)
    return network


def inputs(network: LatentDenoiser, rows: int = 8, columns: int = 12) -> dict[str, torch.Tensor]:
    draw = seeded()
    latents = torch.randn(3, 1, 3, rows, columns, generator=draw)
    hints = torch.rand(1, network.config.hint_features, rows, columns, generator=draw)
    return {"noisy": latents[0], "before": latents[1], "after": latents[2], "hints": hints}


def test_the_parent_s_network_has_the_published_size():
    # LDMVFI's, which has no hints: 416.5 million.
    assert parameters(replace(PAPER, hint_input="none")) / 1e6 == pytest.approx(416.5, abs=0.05)


def test_hints_widen_the_first_layer_and_nothing_else():
    without = parameters(replace(SMALL_DENOISER, hint_input="none"))
    # 3 x 3 weights of 8 channels for each of 36 further inputs.
    assert parameters(SMALL_DENOISER) - without == 9 * 8 * 36
    stem = sum(9 * inputs * outputs + outputs for inputs, outputs in ((18, 4), (4, 4)))
    assert parameters(replace(SMALL_DENOISER, hint_input="stem")) - without == 9 * 8 * 8 + stem


def test_the_paper_s_frames_are_multiples_of_256():
    paper = MadiffConfig(codec=CodecConfig(base_width=64, multiples=(1, 2, 2, 2, 4), window=8), denoiser=PAPER)
    assert paper.size_multiple == 256
    small = MadiffConfig(codec=CodecConfig(multiples=(1, 2, 4), window=4), denoiser=PAPER)
    assert small.size_multiple == 64


NEAR = replace(SMALL_DENOISER, base="neighbours", base_deviation=0.2)


def noised(
    network: LatentDenoiser, steps: torch.Tensor
) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Arguments for latents that lie 0.2 from the mean of their neighbours, that mean, and the noise."""
    draw = seeded()
    before, after, apart, noise = torch.randn(4, len(steps), 3, 32, 32, generator=draw).unbind()
    middle = (before + after) / 2
    signal, level = network.config.levels().at(steps, 4)
    noisy = (signal * (middle + 0.2 * apart) + level * noise).float()
    hints = torch.zeros(len(steps), network.config.hint_features, 32, 32)
    return {"noisy": noisy, "before": before, "after": after, "hints": hints}, middle, noise


@torch.no_grad()
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
def test_from_the_neighbours_pure_noise_begins_as_their_mean(precision: torch.dtype):
    """Where there is only noise; where there is hardly any, with the latent as it is. In any precision of weights."""
    network = LatentDenoiser(NEAR).to(precision)
    steps = torch.tensor([0, len(network.config.levels()) - 1])
    arguments, middle, _ = noised(network, steps)
    signal, level = network.config.levels().at(steps, 4)
    clean = (arguments["noisy"] - level.float() * network(step=steps, **arguments)) / signal.float()
    wanted = arguments["noisy"][0] / signal[0].float()
    # Of the two guesses, each has its weight: 0.04 / (0.04 + 0.0015) of what is seen, and 0.002 of it.
    assert float((clean[0] - wanted).square().mean().sqrt()) < 0.01
    assert float((clean[1] - middle[1]).square().mean().sqrt()) < 0.005


@torch.no_grad()
def test_what_is_left_to_tell_has_unit_variance_at_every_step():
    network = LatentDenoiser(NEAR)
    steps = torch.linspace(0, len(network.config.levels()) - 1, 7).long()
    arguments, _, noise = noised(network, steps)
    left = (network(step=steps, **arguments) - noise) / network.output_scale(steps)
    assert left.square().mean((1, 2, 3)).tolist() == pytest.approx([1.0] * 7, abs=0.1)


@torch.no_grad()
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_in_half_precision_it_answers_nearly_the_same(precision: torch.dtype):
    network = built(NEAR)
    steps = torch.linspace(0, len(network.config.levels()) - 1, 5).long()
    arguments, _, _ = noised(network, steps)
    exact = network(step=steps, **arguments)
    apart = (network.to(precision)(step=steps, **arguments) - exact) / network.output_scale(steps)
    assert float(apart.square().mean().sqrt()) < 0.05


@torch.no_grad()
def test_the_network_answers_in_the_same_units_at_every_step():
    network = built(NEAR)
    steps = torch.linspace(0, len(network.config.levels()) - 1, 5).long()
    arguments, _, _ = noised(network, steps)
    trained = network(step=steps, **arguments)
    network.leave.weight.zero_()
    assert network.leave.bias is not None
    network.leave.bias.zero_()
    told = (trained - network(step=steps, **arguments)) / network.output_scale(steps)
    sizes = told.square().mean((1, 2, 3)).sqrt()
    assert float(sizes.max() / sizes.min()) < 3


def test_it_begins_with_a_guess_of_no_noise():
    network = LatentDenoiser(SMALL_DENOISER)
    found = network(step=torch.tensor([3]), **inputs(network))
    assert found.shape == (1, 3, 8, 12)
    assert not found.any()


@pytest.mark.parametrize("name", ["noisy", "before", "after", "hints"])
def test_it_sees_everything_that_it_is_told(name: str):
    network = built()
    given = inputs(network)
    first = network(step=torch.tensor([3]), **given)
    changed = {**given, name: given[name] + 1}
    assert not torch.allclose(network(step=torch.tensor([3]), **changed), first, atol=1e-4)
    assert not torch.allclose(network(step=torch.tensor([700]), **given), first, atol=1e-4)


def test_each_latent_of_a_batch_has_its_own_step():
    network = built()
    given = {name: values.expand(2, -1, -1, -1) for name, values in inputs(network).items()}
    together = network(step=torch.tensor([3, 700]), **given)
    alone = [network(step=torch.tensor([step] * 2), **given) for step in (3, 700)]
    assert torch.allclose(together, torch.stack((alone[0][0], alone[1][1])), atol=1e-5)


def test_hints_come_in_as_means_over_each_latent_pixel():
    network = built(replace(SMALL_DENOISER, hint_deviation=0.25))
    before, after = torch.rand(2, 1, HINTS, 32, 48, generator=seeded())
    found = network.hint_features(before, after, (8, 12))
    expected = torch.cat([functional.avg_pool2d(hint, 4) / 0.25 for hint in (before, after)], 1)
    assert torch.allclose(found, expected, atol=1e-5)
    # A single event is not missed, whichever pixel it is at.
    lone = torch.zeros(1, HINTS, 32, 48)
    lone[0, 2, 13, 17] = 1
    assert float(network.hint_features(lone, torch.zeros_like(lone), (8, 12)).sum()) == pytest.approx(4 / 16)


def test_hints_of_nothing_stay_nothing():
    network = built(replace(SMALL_DENOISER, hint_deviation=0.01))
    nothing = torch.zeros(1, HINTS, 16, 16)
    assert not network.hint_features(nothing, nothing, (4, 4)).any()


def test_hints_at_half_the_size_say_the_same():
    network = built()
    hints = torch.rand(2, 1, HINTS, 32, 48, generator=seeded())
    halved = [functional.avg_pool2d(hint, 2) for hint in hints]
    found = network.hint_features(*halved, (8, 12))
    assert torch.allclose(found, network.hint_features(*hints, (8, 12)), atol=1e-6)


def test_a_stem_sees_hints_at_full_size_and_learns():
    network = built(replace(SMALL_DENOISER, hint_input="stem"))
    given = inputs(network)
    hints = torch.rand(2, 1, HINTS, 32, 48, generator=seeded())
    given["hints"] = network.hint_features(*hints, (8, 12))
    assert given["hints"].shape == (1, 2 * 4, 8, 12)
    network(step=torch.tensor([3]), **given).square().sum().backward()
    assert network.stem is not None
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.stem.parameters())


def test_without_hints_it_asks_for_none():
    network = built(replace(SMALL_DENOISER, hint_input="none"))
    hints = torch.rand(2, 1, HINTS, 32, 48, generator=seeded())
    assert network.hint_features(*hints, (8, 12)).shape == (1, 0, 8, 12)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base_width": 60}, "multiple of 8; got 60"),
        ({"multiples": ()}, "must be positive"),
        ({"depth": 0}, "must be positive"),
        ({"latent_mean": (0.0,)}, "each of 3 latent channels"),
        ({"latent_deviation": (1.0, 0.0, 1.0)}, "deviations must be positive"),
        ({"sampling_steps": 2000}, "1 to 1000; got 2000"),
        ({"eta": 1.5}, r"share in \[0, 1\]; got 1.5"),
        ({"refresh_every": 0}, "at least 1"),
        ({"refresh_above": 1.0}, r"share in \[0, 1\)"),
        ({"first_variance": 0.5}, "must ascend"),
    ],
)
def test_a_denoiser_that_cannot_be_is_refused(values, message: str):
    with pytest.raises(UsageError, match=message):
        DenoiserConfig(**values)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"codec": replace(SMALL_CODEC, latent_channels=4)}, "latents have 4 channels; the denoiser expects 3"),
        (
            {"codec": replace(SMALL_CODEC, hint_channels=3), "hints": HintConfig(kind="flow")},
            "hints have 3 channels; the denoiser expects 18",
        ),
        (
            {"denoiser": replace(SMALL_DENOISER, hint_input="stem", stem_widths=(4, 4, 4))},
            "2 times halved; the stem halves 3 times",
        ),
        ({"codec": replace(SMALL_CODEC, hint_channels=2)}, "hints of kind 'events' have 18 channels"),
        (
            {"codec": replace(SMALL_CODEC, hint_channels=3, window=1), "hints": HintConfig(kind="flow")},
            "need frames in multiples of 8; the codec takes multiples of 4",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, message: str):
    with pytest.raises(UsageError, match=message):
        MadiffConfig(**{"codec": SMALL_CODEC, "hints": SMALL_EVENTS, "denoiser": SMALL_DENOISER, **parts})
