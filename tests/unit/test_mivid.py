"""MiVID's parts, each on cases with a known answer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

import midframe
from midframe.core.errors import RecipeError, ShapeError, UsageError, WeightsError
from midframe.core.options import LoadOptions
from midframe.losses.perceptual import load_distance, pyramid_distance
from midframe.methods.mivid.blend import neighbours, temporal_blend
from midframe.methods.mivid.config import FRAMES, MividConfig
from midframe.methods.mivid.loss import MividObjective, MividWeights, rise_at
from midframe.methods.mivid.masking import MaskRecipe, draw_visibility, ends_visible, hidden_count
from midframe.methods.mivid.network import Conditions, MaskedVideoNetwork, SpaceTimeConvolution, TemporalBlock
from midframe.methods.mivid.reconstruction import guess
from midframe.methods.mivid.sample import MividInterpolator, create, sample
from midframe.methods.mivid.weights_file import load_network, save_network
from midframe.methods.mivid.window import WindowAttention
from small_mivid import SMALL_MIVID

FRAMES_ONLY = MaskRecipe(occluders=0.0, patches=0.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(config: MividConfig) -> int:
    return sum(values.numel() for values in MaskedVideoNetwork(config).parameters())


def test_the_network_has_the_size_that_its_layers_were_specified_with():
    # 2.95 and 4.69 million, in print to two places.
    assert parameters(MividConfig()) / 1e6 == pytest.approx(2.95, abs=0.006)
    assert parameters(MividConfig(depth=2)) / 1e6 == pytest.approx(4.69, abs=0.006)


@pytest.mark.parametrize("changes", [{}, {"patch": 2}, {"conditioning": "neighbours"}], ids=str)
def test_an_untrained_network_is_the_temporal_blend(changes: dict[str, Any]):
    interpolator = MividInterpolator(MaskedVideoNetwork(replace(SMALL_MIVID, **changes)).eval())
    frames = torch.rand(1, 2, 3, 40, 56, generator=seeded())
    times = [Fraction(1, 8), Fraction(1, 2), Fraction(7, 8)]
    made = interpolator.interpolate(frames, times, generator=seeded())
    expected = torch.stack([frames[:, 0] * float(1 - t) + frames[:, 1] * float(t) for t in times], 1)
    assert torch.allclose(made, expected, atol=1e-5)


def test_attention_is_the_same_with_a_gradient_and_without():
    block = TemporalBlock(24, 2)
    torch.nn.init.normal_(block.merge.weight, generator=seeded())
    features = torch.randn(2, 24, FRAMES, 3, 4, generator=seeded(1))
    with torch.no_grad():
        fused = block(features)
    assert torch.allclose(block(features), fused, atol=1e-5)


def test_patches_come_back_to_their_place():
    network = MaskedVideoNetwork(replace(SMALL_MIVID, patch=2))
    centre = network.leave.conv.weight.new_zeros(12, network.leave.conv.in_channels, 3, 3)
    centre[5, 0, 1, 1] = 1.0  # Green, right above: the sixth of four numbers for each colour.
    network.leave.conv.weight = torch.nn.Parameter(centre)
    clip = torch.rand(1, 3, FRAMES, 16, 24, generator=seeded())
    made = network(clip, clip, torch.ones(1, 1, FRAMES, 16, 24), torch.tensor([5])).detach()
    assert made.shape == clip.shape
    lit = made.abs().amax((0, 2)) > 0
    assert not lit[[0, 2]].any()
    assert not lit[1, 1::2].any()
    assert not lit[1, :, ::2].any()
    assert lit[1, ::2, 1::2].float().mean() > 0.9


def test_a_convolution_in_space_and_time_is_a_three_dimensional_one():
    layer = SpaceTimeConvolution(3, 4)
    torch.nn.init.normal_(layer.time.weight)
    clip = torch.randn(2, 3, 5, 6, 7, generator=seeded())
    space = torch.nn.functional.conv3d(
        clip, layer.space.conv.weight[:, :, None], layer.space.conv.bias, padding=(0, 1, 1)
    )
    expected = torch.nn.functional.conv3d(space, layer.time.weight[..., None], layer.time.bias, padding=(1, 0, 0))
    assert torch.allclose(layer(clip), expected, atol=1e-5)


def test_attention_over_time_mixes_no_pixels():
    block = TemporalBlock(8, 2)
    torch.nn.init.normal_(block.merge.weight)
    clip = torch.randn(1, 8, FRAMES, 3, 4, generator=seeded())
    changed = clip.clone()
    changed[:, 0, 4, 1, 2] += 1  # One channel: an equal shift of all is what the normalisation removes.
    moved = (block(changed) - block(clip)).detach().abs().amax((0, 1))
    assert (moved[:, 1, 2] > 0).all()
    moved[:, 1, 2] = 0
    assert float(moved.max()) == 0


def test_attention_in_parts_is_attention_at_once(monkeypatch: pytest.MonkeyPatch):
    block = TemporalBlock(8, 2)
    torch.nn.init.normal_(block.merge.weight)
    clip = torch.randn(2, 8, FRAMES, 5, 4, generator=seeded())
    whole = block(clip)
    monkeypatch.setattr("midframe.methods.mivid.network.SEQUENCES_AT_ONCE", 7)
    assert torch.allclose(block(clip), whole, atol=1e-6)


def test_the_blend_takes_each_pixel_from_its_nearest_visible_instants():
    known = torch.zeros(1, 1, FRAMES, 1, 4)
    visible = torch.zeros_like(known)
    for pixel, shown in enumerate(({0: 8.0, 8: 16.0}, {2: 5.0, 5: 8.0}, {3: 7.0}, {})):
        for frame, value in shown.items():
            known[0, 0, frame, 0, pixel], visible[0, 0, frame, 0, pixel] = value, 1
    blended = temporal_blend(known, visible)[0, 0, :, 0]
    assert blended[:, 0].tolist() == pytest.approx([8, 9, 10, 11, 12, 13, 14, 15, 16])
    assert blended[:, 1].tolist() == pytest.approx([5, 5, 5, 6, 7, 8, 8, 8, 8])
    assert blended[:, 2].tolist() == [7] * FRAMES
    assert blended[:, 3].tolist() == [0] * FRAMES


def test_the_nearest_visible_frames_are_found_with_the_distance_between_them():
    known = torch.arange(1.0, 1 + FRAMES).view(1, 1, FRAMES, 1, 1)
    visible = torch.zeros_like(known)
    visible[:, :, [2, 6]] = 1
    found = neighbours(known, visible)
    assert found.before.flatten().tolist() == [3, 3, 3, 3, 3, 3, 7, 7, 7]
    assert found.after.flatten().tolist() == [3, 3, 3, 7, 7, 7, 7, 7, 7]
    assert found.share.flatten().tolist() == [1, 1, 0, 0.25, 0.5, 0.75, 0, 0, 0]
    nothing = neighbours(known, torch.zeros_like(visible))
    assert not any(values.any() for values in (nothing.before, nothing.after, nothing.share))


def test_a_network_that_sees_the_neighbours_lets_each_hidden_pixel_see_them_at_once():
    network = MaskedVideoNetwork(replace(SMALL_MIVID, conditioning="neighbours"))
    clip, visible = torch.rand(1, 3, FRAMES, 8, 8, generator=seeded()), ends_visible(1, 8, 8)
    entered: list[torch.Tensor] = []
    network.enter.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    noise, step = torch.zeros_like(clip), torch.tensor([5])
    for known in (clip, clip * visible):
        network(noise, network.conditions(known, visible).seen, visible, step)
    assert torch.equal(entered[0], entered[1])  # What is hidden is not seen.
    middle = entered[0][0, :, FRAMES // 2]
    assert torch.equal(middle[3:6], clip[0, :, 0])
    assert torch.equal(middle[6:9], clip[0, :, -1])
    assert torch.equal(middle[9:], torch.stack((torch.full((8, 8), 0.5), torch.zeros(8, 8))))


def moving_texture(way: tuple[int, int], size: int = 32) -> torch.Tensor:
    """Nine frames in [-1, 1] that move evenly by `way` pixels, down and right, from the first to the last."""
    coarse = torch.rand(1, 3, 24, 24, generator=seeded()) * 2 - 1
    world = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")
    moved = [[round(axis * frame / (FRAMES - 1)) for axis in way] for frame in range(FRAMES)]
    return torch.stack([world[..., 32 - y : 32 - y + size, 32 - x : 32 - x + size] for y, x in moved], 2)


@pytest.mark.parametrize("way", [(0, 0), (8, 0), (0, -8), (-8, 8)])
def test_a_pixel_finds_what_passes_through_it_in_the_window(way: tuple[int, int]):
    clip, visible = moving_texture(way), ends_visible(1, 32, 32)
    found = neighbours(clip * visible, visible)
    with torch.no_grad():
        attended = WindowAttention(5)(found, visible).found
    inner = (..., slice(1, -1), slice(8, -8), slice(8, -8))
    apart = (attended.blended() - clip)[inner].abs().mean()
    blended = (found.blended() - clip)[inner].abs().mean()
    assert float(apart) < 0.02
    assert float(blended) > 0.08 or way == (0, 0)
    # The ends are visible, and stay.
    assert torch.equal(attended.before[:, :, [0, -1]], clip[:, :, [0, -1]])


@pytest.mark.parametrize("end", [0, FRAMES - 1])
def test_what_is_in_the_way_in_one_place_moves_nothing_elsewhere(end: int):
    clip, visible = moving_texture((8, 0), 64), ends_visible(1, 64, 64)
    hidden = visible.clone()
    hidden[:, :, end, 4:22, 4:22] = 0
    with torch.no_grad():
        clear, crossed = (WindowAttention(5)(neighbours(clip * seen, seen), seen).found for seen in (visible, hidden))
    # Beyond a way (10) and the widest square (9 places of two pixels) from the rectangle.
    far = (..., slice(1, -1), slice(42, None), slice(42, None))
    assert torch.equal(clear.before[far], crossed.before[far])
    assert torch.equal(clear.after[far], crossed.after[far])


def test_what_is_found_in_a_window_is_a_mean_and_can_be_learnt():
    attention, visible = WindowAttention(2), ends_visible(2, 16, 24)
    flat = torch.full((2, 3, FRAMES, 16, 24), 0.4)
    found = attention(neighbours(flat * visible, visible), visible).found
    assert torch.allclose(found.before, flat, atol=1e-5)
    assert torch.allclose(found.after, flat, atol=1e-5)
    clip = torch.rand(2, 3, FRAMES, 16, 24, generator=seeded())
    attention(neighbours(clip * visible, visible), visible).found.blended().square().sum().backward()
    assert all(values.grad is not None for values in attention.parameters())
    assert attention.judge[-1].weight.grad.any()  # type: ignore[union-attr]
    # The last layer starts at zero: the layers before it learn as soon as it does not.
    torch.nn.init.normal_(attention.judge[-1].weight)  # type: ignore[arg-type]
    attention(neighbours(clip * visible, visible), visible).found.blended().square().sum().backward()
    assert attention.judge[0].weight.grad.any()  # type: ignore[union-attr]


def test_a_window_leaves_alone_what_is_wholly_visible():
    clip = torch.rand(1, 3, FRAMES, 16, 16, generator=seeded())
    found = neighbours(clip, torch.ones(1, 1, FRAMES, 16, 16))
    attended = WindowAttention(2)(found, torch.ones(1, 1, FRAMES, 16, 16)).found
    assert torch.equal(attended.before, found.before)
    assert torch.equal(attended.after, found.after)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_network_with_a_window_starts_at_what_it_finds_there(precision: torch.dtype):
    network = MaskedVideoNetwork(replace(SMALL_MIVID, conditioning="window", size=32)).to(precision).eval()
    clip = moving_texture((8, 0))
    made = MividInterpolator(network, steps=1).interpolate(
        clip[:, :, [0, -1]].transpose(1, 2) * 0.5 + 0.5, [Fraction(1, 2)], generator=seeded()
    )
    apart = (made[0, 0] * 2 - 1 - clip[0, :, 4])[:, 8:-8, 8:-8].abs().mean()
    assert float(apart) < 0.02


def test_all_that_is_compared_can_be_learnt_and_decides():
    attention, visible = WindowAttention(2), ends_visible(1, 16, 24)
    clip = torch.rand(1, 3, FRAMES, 16, 24, generator=seeded())
    torch.nn.init.normal_(attention.compare.leave.weight)
    attention(neighbours(clip * visible, visible), visible).found.blended().square().sum().backward()
    for part in (attention.compare.leave, attention.compare.enter, attention.compare.wide[0]):
        assert part.weight.grad.any()  # type: ignore[union-attr]
    # The second of five ways down, the fifth right.
    torch.nn.init.zeros_(attention.compare.leave.weight)
    with torch.no_grad():
        attention.compare.leave.bias[1 * 5 + 4] = 100.0  # type: ignore[index]
    assert attention(neighbours(clip * visible, visible), visible).weight[:, 1, 4].min() > 0.99


SPREAD = replace(SMALL_MIVID, conditioning="window", spread=0.2, size=32)


def spread_clip(network: MaskedVideoNetwork) -> tuple[Conditions, torch.Tensor]:
    """Conditions, and a truth that has the deviation from their base that the network expects."""
    known, visible = moving_texture((4, 0)).expand(2, -1, -1, -1, -1), ends_visible(2, 32, 32)
    conditions = network.conditions(known * visible, visible)
    return conditions, conditions.base + 0.2 * torch.randn(known.shape, generator=seeded())


def test_with_a_spread_nothing_said_is_the_posterior_mean():
    network = MaskedVideoNetwork(SPREAD).eval()
    with torch.no_grad():
        conditions, clean = spread_clip(network)
        levels, step = network.config.levels(), torch.tensor([100, 900])
        signal, noise = levels.at(step, 5)
        noisy = signal * clean + noise * torch.randn(clean.shape, generator=seeded(1))
        found = guess(network, levels, conditions, noisy, step).clean
    gain = signal * 0.2**2 / ((signal * 0.2).square() + noise.square())
    assert torch.allclose(found, conditions.base + gain * (noisy - signal * conditions.base), atol=1e-5)
    # The better of the two by itself is the less noisy one, and both are better than the base.
    error, base = ((x - clean)[:, :, 1:-1].square().mean((1, 2, 3, 4)) for x in (found, conditions.base))
    assert error[0] < error[1] <= base[1] * 1.001


@pytest.mark.parametrize("step", [20, 500, 999])
def test_with_a_spread_inputs_and_what_is_to_be_said_have_unit_size(step: int):
    network = MaskedVideoNetwork(SPREAD).eval()
    seen: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        conditions, clean = spread_clip(network)
        levels, steps = network.config.levels(), torch.full((2,), step)
        signal, noise = levels.at(steps, 5)
        noisy = signal * clean + noise * torch.randn(clean.shape, generator=seeded(1))
        silent = guess(network, levels, conditions, noisy, steps).clean
        torch.nn.init.ones_(network.leave.conv.bias)  # type: ignore[arg-type]
        unit = guess(network, levels, conditions, noisy, steps).clean - silent
    hidden = (slice(None), slice(None), slice(1, -1))
    assert float(seen[0][hidden].std()) == pytest.approx(1, abs=0.05)
    assert float(((clean - silent) / unit)[hidden].std()) == pytest.approx(1, abs=0.05)
    # What is known says how far the base is from it.
    ends = (slice(None), slice(None), [0, -1])
    assert torch.allclose(seen[0][ends], (conditions.known - conditions.base)[ends] / 0.2, atol=1e-5)


@pytest.mark.parametrize("conditioning", ["visible", "neighbours", "window"])
@pytest.mark.parametrize("prediction", ["x0", "v"])
def test_without_a_base_a_clip_is_restored_as_it_is_sampled(
    conditioning: Literal["visible", "neighbours", "window"], prediction: Literal["x0", "v"]
):
    config = replace(SMALL_MIVID, conditioning=conditioning, prediction=prediction, base="none", size=32)
    network = MaskedVideoNetwork(config).eval()
    clip, visible = moving_texture((8, 0)), ends_visible(1, 32, 32)
    known = clip * visible
    restorer = MividInterpolator(network, steps=2)
    shown = torch.tensor([True, *[False] * 7, True])
    made = restorer.restore(clip.transpose(1, 2) * 0.5 + 0.5, shown, generator=seeded())
    with torch.no_grad():
        sampled = sample(network, network.conditions(known, visible), restorer.steps, generator=seeded())
    assert torch.allclose(made.transpose(1, 2) * 2 - 1, sampled, atol=1e-4)


@pytest.mark.parametrize("shown", [[0], [8], [4], [0, 3]], ids=str)
def test_a_window_restores_clips_of_which_any_frames_are_known(shown: list[int]):
    network = MaskedVideoNetwork(replace(SMALL_MIVID, conditioning="window", size=32)).eval()
    clips = torch.cat([moving_texture((8, 0), 48), moving_texture((0, -8), 48)])
    frames = clips.transpose(1, 2) * 0.5 + 0.5
    visible = torch.zeros(FRAMES, dtype=torch.bool)
    visible[shown] = True
    both, one, other = (
        MividInterpolator(network, steps=1).restore(frames[part], visible, generator=seeded())
        for part in (slice(None), slice(0, 1), slice(1, 2))
    )
    assert torch.allclose(both, torch.cat((one, other)), atol=1e-4)
    assert torch.equal(both[:, visible], frames[:, visible].clamp(0, 1))
    if len(shown) == 1:
        assert torch.allclose(both, frames[:, shown].expand_as(both), atol=1e-4)


def test_a_large_picture_is_fetched_at_its_own_size():
    network = MaskedVideoNetwork(replace(SMALL_MIVID, conditioning="window", size=32)).eval()
    # Coarse enough to be followed at 32 lines, with detail of two pixels that they cannot hold.
    coarse, detail = (torch.rand(1, 3, side, side, generator=seeded()) * 2 - 1 for side in (12, 96))
    world = sum(torch.nn.functional.interpolate(part, (192, 192), mode="bilinear") / 2 for part in (coarse, detail))
    fine = torch.stack([world[..., 32 - 4 * frame : 160 - 4 * frame, 32:160] for frame in range(FRAMES)], 2)
    made = MividInterpolator(network, steps=1).interpolate(
        fine[:, :, [0, -1]].transpose(1, 2) * 0.5 + 0.5, [Fraction(1, 2)], generator=seeded()
    )
    inner = (..., slice(32, -32), slice(32, -32))
    apart = (made[0, 0] * 2 - 1 - fine[0, :, 4])[inner].abs().mean()
    blended = (fine[0, :, 0] / 2 + fine[0, :, -1] / 2 - fine[0, :, 4])[inner].abs().mean()
    assert float(apart) < 0.25 * float(blended)


def test_the_blend_does_not_see_what_is_hidden():
    clip, visible = torch.rand(1, 3, FRAMES, 4, 4, generator=seeded()), ends_visible(1, 4, 4)
    assert torch.equal(temporal_blend(clip, visible), temporal_blend(clip * visible, visible))


def test_more_frames_are_hidden_along_a_cosine_until_all_inner_ones_are():
    counts = [hidden_count(MaskRecipe(), progress) for progress in (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)]
    assert counts == [2, 3, 4, 6, 7, 7, 7]
    assert {hidden_count(MaskRecipe(ratio="fixed"), progress) for progress in (0.0, 0.5, 1.0)} == {4}


@pytest.mark.parametrize("kind", ["random", "block", "hybrid"])
def test_whole_frames_are_hidden_and_the_ends_never(kind):
    recipe = replace(FRAMES_ONLY, kind=kind)
    visible = draw_visibility(recipe, (200, 4, 4), 0.4, seeded())
    frames = visible[:, 0, :, 0, 0]
    assert torch.equal(visible, frames[:, None, :, None, None].expand_as(visible))
    assert (frames[:, [0, -1]] == 1).all()
    assert ((1 - frames).sum(1) == 4).all()
    # Neighbours only, where they come as a block: no more than one change from shown to hidden.
    blocks = (frames.diff(dim=1) == -1).sum(1) == 1
    shares = {"random": (0.0, 0.4), "block": (1.0, 1.0), "hybrid": (0.4, 0.8)}[kind]
    assert shares[0] <= float(blocks.float().mean()) <= shares[1]


def test_at_the_end_the_mask_is_that_of_interpolation():
    visible = draw_visibility(MaskRecipe(occluders=1.0, patches=1.0), (20, 16, 16), 0.95, seeded())
    assert torch.equal(visible, ends_visible(20, 16, 16))


def test_occluders_are_rectangles_on_successive_frames():
    recipe = MaskRecipe(first=0.0, occluders=1.0, patches=0.0)
    visible = draw_visibility(recipe, (40, 24, 24), 0.0, seeded())
    # One inner frame is hidden as a whole; of the rest some, and never too much of the ends.
    partly = (visible.mean((3, 4)) < 1) & (visible.mean((3, 4)) > 0)
    assert partly.any((1, 2)).float().mean() > 0.9
    assert float((1 - visible[:, :, [0, -1]]).mean((3, 4)).max()) <= 0.3


def test_patches_are_dropped_whole():
    recipe = MaskRecipe(ratio="fixed", fixed=1.0, occluders=0.0, patches=1.0, patch_rate=0.2)
    visible = draw_visibility(recipe, (30, 24, 20), 0.0, seeded())
    ends = visible[:, 0, 0]
    cells = ends[:, :24, :16].unfold(1, 8, 8).unfold(2, 8, 8).flatten(3)
    assert ((cells.amin(-1) == cells.amax(-1)).all()).item()
    assert 0.05 < float((1 - ends).mean()) < 0.25


def test_a_share_outside_zero_and_one_is_refused():
    with pytest.raises(RecipeError, match=r"first is a share in \[0, 1\]; got 1.5"):
        MaskRecipe(first=1.5)


def objective(**values) -> MividObjective:
    return MividObjective(MividWeights(**values), pyramid_distance)


def score(task: MividObjective, guessed: torch.Tensor, clean: torch.Tensor, progress: float = 0.0):
    visible = ends_visible(len(clean), *clean.shape[-2:])
    return task(guessed, clean, visible, trust=torch.ones(len(clean)), progress=progress)


def test_only_what_was_hidden_is_scored():
    clean = torch.rand(2, 3, FRAMES, 32, 32, generator=seeded()) * 2 - 1
    guessed = clean.clone()
    guessed[:, :, [0, -1]] = 9.0
    assert float(score(objective(), guessed, clean, progress=1.0).total) == pytest.approx(0, abs=1e-6)


def test_the_absolute_term_is_the_mean_difference_of_pictures_in_zero_to_one():
    clean = torch.zeros(1, 3, FRAMES, 32, 32)
    scored = score(objective(), clean + 0.2, clean)
    assert float(scored.terms["absolute"]) == pytest.approx(0.1)
    assert float(scored.logs["hidden"]) == pytest.approx(7 / 9)


@pytest.mark.parametrize("least_trust", [0.0, 0.25, 1.0])
def test_looks_of_a_guess_from_pure_noise_count_as_much_as_the_least_trust(least_trust: float):
    clean = torch.rand(1, 3, FRAMES, 32, 32, generator=seeded())
    guessed = clean + 0.1 * torch.randn(clean.shape, generator=seeded(1))
    visible = ends_visible(1, 32, 32)
    looks = [
        objective(least_trust=least_trust)(guessed, clean, visible, trust=torch.tensor([trust]), progress=1.0).terms
        for trust in (0.0, 1.0)
    ]
    assert float(looks[0]["perceptual"]) == pytest.approx(least_trust * float(looks[1]["perceptual"]))


def test_looks_come_in_as_training_goes_on():
    assert [rise_at(progress) for progress in (0.0, 0.2, 0.5, 0.8, 1.0)] == pytest.approx([0, 0, 0.5, 1, 1])
    clean = torch.rand(1, 3, FRAMES, 32, 32, generator=seeded())
    guessed = clean + 0.1 * torch.randn(clean.shape, generator=seeded(1))
    early, late = (score(objective(), guessed, clean, progress) for progress in (0.1, 1.0))
    assert "perceptual" not in early.terms
    assert float(late.terms["perceptual"]) == pytest.approx(0.1 * float(late.logs["looks"]))
    assert float(late.terms["absolute"]) == pytest.approx(0.5 * float(early.terms["absolute"]), rel=1e-4)
    assert "perceptual" not in score(objective(adaptive="none"), guessed, clean, 1.0).terms


def test_a_balanced_perceptual_term_has_the_size_of_the_absolute_one():
    clean = torch.rand(1, 3, FRAMES, 32, 32, generator=seeded())
    guessed = clean + 0.1 * torch.randn(clean.shape, generator=seeded(1))
    scored = score(objective(adaptive="balanced"), guessed, clean, 1.0)
    assert float(scored.terms["perceptual"]) == pytest.approx(0.2 * float(scored.terms["absolute"]), rel=1e-4)


def test_a_change_from_frame_to_frame_is_scored():
    clean = torch.zeros(1, 3, FRAMES, 32, 32)
    flicker = clean.clone()
    flicker[:, :, 1:-1:2] = 0.2
    steady = clean.clone()
    steady[:, :, 1:-1] = 0.2
    assert float(score(objective(), flicker, clean).terms["temporal"]) > 3 * float(
        score(objective(), steady, clean).terms["temporal"]
    )


def test_the_pyramid_distance_prefers_a_small_error_and_is_one_number_a_frame():
    picture = torch.rand(3, 3, 32, 32, generator=seeded())
    noise = torch.randn(picture.shape, generator=seeded(1)) * torch.tensor([0.0, 0.05, 0.1]).view(3, 1, 1, 1)
    distance = pyramid_distance(picture + noise, picture)
    assert distance.shape == (3,)
    assert distance[0] == 0
    assert float(distance[2]) == pytest.approx(2 * float(distance[1]), rel=0.1)


@pytest.mark.parametrize("name", ["vgg16", "squeezenet"])
def test_a_file_of_features_is_looked_through(name: str, tmp_path: Path):
    from midframe.nn import backbones

    torch.manual_seed(0)
    trunk = backbones.vgg16() if name == "vgg16" else backbones.squeezenet(partial_windows=True)
    torch.save(trunk.state_dict(), tmp_path / "features.pth")
    distance = load_distance(tmp_path / "features.pth", torch.device("cpu"))
    picture = torch.rand(2, 3, 64, 64, generator=seeded())
    other = picture.clone()
    other[1] = torch.rand(3, 64, 64, generator=seeded(1))
    other.requires_grad_()
    found = distance(other, picture)
    assert found.shape == (2,)
    assert float(found[0].detach()) == pytest.approx(0, abs=1e-6)
    assert float(found[1].detach()) > 1e-6
    found.sum().backward()
    assert other.grad is not None
    assert float(other.grad[1].abs().sum()) > 0


def test_a_file_of_features_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"no file .*vgg\.pth"):
        load_distance(tmp_path / "vgg.pth", torch.device("cpu"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base_width": 12}, "multiple of 8; got 12"),
        ({"heads": (3, 4, 4)}, "32 channels cannot be shared by 3 heads"),
        ({"prediction": "eps"}, "needs base 'none'"),
        ({"spread": -1.0}, "spread is a deviation"),
        ({"spread": 0.1}, "spread belongs to the base 'blend'"),
        ({"spread": 0.1, "conditioning": "window", "base": "none"}, "spread belongs to the base 'blend'"),
        ({"size": 30}, "multiple of 4; got 30"),
        ({"size": 68, "patch": 2}, "multiple of 8; got 68"),
        ({"sampling_steps": 2000}, "1 to 1000; got 2000"),
        ({"depth": 0}, "at least 1; got 0"),
    ],
)
def test_a_network_that_cannot_be_is_refused(values, message: str):
    with pytest.raises(UsageError, match=message):
        MividConfig(**values)


def test_any_frames_may_be_known():
    network = MaskedVideoNetwork(SMALL_MIVID).eval()
    frames = torch.rand(1, FRAMES, 3, 32, 32, generator=seeded())
    visible = torch.zeros(FRAMES, dtype=torch.bool)
    visible[[0, 3, 4]] = True
    interpolator = MividInterpolator(network)
    made = interpolator.restore(frames, visible, generator=seeded())
    assert torch.equal(made[:, visible], frames[:, visible])
    # Untrained: the blend of the neighbours, and behind the last known frame that frame.
    assert torch.allclose(made[:, 1], (2 * frames[:, 0] + frames[:, 3]) / 3, atol=1e-5)
    assert torch.allclose(made[:, 8], frames[:, 4], atol=1e-5)
    hidden_changed = torch.where(visible[None, :, None, None, None], frames, 0.5)
    assert torch.equal(interpolator.restore(hidden_changed, visible, generator=seeded()), made)


def test_what_cannot_be_restored_is_refused():
    interpolator = MividInterpolator(MaskedVideoNetwork(SMALL_MIVID).eval())
    frames, visible = torch.rand(1, FRAMES, 3, 32, 32), torch.ones(FRAMES, dtype=torch.bool)
    with pytest.raises(ShapeError, match="9 frames"):
        interpolator.restore(frames[:, 1:], visible, generator=seeded())
    with pytest.raises(UsageError, match="must be visible"):
        interpolator.restore(frames, ~visible, generator=seeded())
    with pytest.raises(UsageError, match="pass a generator"):
        interpolator.restore(frames, visible)


def test_a_frame_does_not_depend_on_which_others_are_wanted():
    network = MaskedVideoNetwork(SMALL_MIVID).eval()
    torch.nn.init.normal_(network.leave.conv.weight, std=0.05)
    interpolator = MividInterpolator(network)
    frames = torch.rand(1, 2, 3, 32, 32, generator=seeded())
    half, eighth = Fraction(1, 2), Fraction(1, 8)
    both = interpolator.interpolate(frames, [eighth, half], generator=seeded(1))
    alone = interpolator.interpolate(frames, [half], generator=seeded(1))
    assert torch.equal(both[:, 1:], alone)
    assert not torch.equal(alone, interpolator.interpolate(frames, [half], generator=seeded(2)))


def test_weights_come_back_with_their_architecture(tmp_path: Path):
    network = MaskedVideoNetwork(SMALL_MIVID)
    path = tmp_path / "mivid.safetensors"
    save_network(SMALL_MIVID, network.state_dict(), path, torch.float32)
    loaded = load_network(path)
    assert loaded.config == SMALL_MIVID
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in network.state_dict().items())
    options = LoadOptions(weights=path, device=torch.device("cpu"), precision=torch.float32)
    assert create(options).spec.name == "mivid"
    with pytest.raises(UsageError, match="estimates no flow"):
        create(replace(options, scale=Fraction(1, 2)))


def test_the_number_of_steps_can_be_chosen(tmp_path: Path):
    path = tmp_path / "mivid.safetensors"
    save_network(SMALL_MIVID, MaskedVideoNetwork(SMALL_MIVID).state_dict(), path, torch.float32)
    interpolator = midframe.load("mivid", weights=path, device="cpu", precision="fp32", steps=3)
    assert isinstance(interpolator, MividInterpolator)
    assert len(interpolator.steps) == 3
    with pytest.raises(UsageError, match=r"1 to \d+ steps; got 100000"):
        midframe.load("mivid", weights=path, device="cpu", precision="fp32", steps=100_000)
    with pytest.raises(UsageError, match=r"'blend' does not sample in steps; these do: mivid, madiff, inbetween"):
        midframe.load("blend", steps=3)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_half_precision_gives_nearly_the_same(tmp_path: Path, precision: torch.dtype):
    network = MaskedVideoNetwork(SMALL_MIVID)
    torch.manual_seed(0)
    torch.nn.init.normal_(network.leave.conv.weight, std=0.02)
    path = tmp_path / "mivid.safetensors"
    save_network(SMALL_MIVID, network.state_dict(), path, torch.float32)
    frames = torch.rand(1, 2, 3, 32, 32, generator=seeded())
    made = create(LoadOptions(weights=path, device=torch.device("cpu"), precision=precision)).interpolate(
        frames, [Fraction(1, 2)], generator=seeded()
    )
    exact = MividInterpolator(network.eval()).interpolate(frames, [Fraction(1, 2)], generator=seeded())
    assert float((made - exact).abs().mean()) < (1e-6 if precision == torch.float32 else 0.02)
