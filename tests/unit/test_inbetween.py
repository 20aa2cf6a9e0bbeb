"""Generative inbetweening: rotation, both directions through one network, fusion, sampling, windows, memory."""

from __future__ import annotations

import ast
import math
import sys
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import torch

from midframe.core.errors import MissingExtraError, ShapeError, UsageError, WeightsError
from midframe.core.recipe import read_recipe
from midframe.methods.inbetween import backbone, memory
from midframe.methods.inbetween.attention import Pass, ReverseProjections, TwoWayNetwork, apply_deltas, is_upward
from midframe.methods.inbetween.config import ALL_PROJECTIONS, BackwardConfig, SmallConfig
from midframe.methods.inbetween.fitting import fitting
from midframe.methods.inbetween.fusion import (
    Denoise,
    Renoise,
    evaluations,
    frame_weights,
    fuse,
    guidance_ramp,
    moves,
)
from midframe.methods.inbetween.rotation import Projected, Stored, probabilities, rotated
from midframe.methods.inbetween.sample import ClipSampler, InbetweenInterpolator, SamplingSettings
from midframe.methods.inbetween.small_train import SmallRecipe
from midframe.methods.inbetween.weights_file import set_backward
from midframe.recipes import find_recipe
from small_inbetween import SMALL_INBETWEEN, small_interpolator, small_model

ROUNDING = 1e-5
"""Of float32 through a network of some forty layers."""


@pytest.fixture(scope="module")
def model() -> backbone.VideoModel:
    return small_model()


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def latents_and_condition(model: backbone.VideoModel, clips: int = 2, seed: int = 0):
    noisy = noise(clips, 5, 4, 4, 4, seed=seed)
    pictures = noise(clips, 3, 32, 32, seed=seed + 1).sigmoid()
    return noisy, torch.full((clips,), 1.5), model.condition(pictures)


# Rotation


def test_turning_maps_is_flipping_their_logits():
    logits = noise(3, 2, 5, 5)
    assert torch.allclose(rotated(logits.softmax(-1)), logits.flip((-2, -1)).softmax(-1), atol=1e-7)


def test_both_forms_of_a_rotated_map_agree():
    query, key, value = (noise(6, 2, 5, 8, seed=seed) for seed in range(3))
    fused = Projected(query, key).apply_rotated(value)
    stored = Stored(probabilities(query, key)).apply_rotated(value)
    assert torch.allclose(fused, stored, atol=1e-6)
    # And either is the formula A'[j, k] = A[N-1-j, N-1-k].
    written = torch.empty_like(value)
    maps = probabilities(query, key)
    for j in range(5):
        written[:, :, j] = sum(maps[:, :, 4 - j, 4 - k, None] * value[:, :, k] for k in range(5))
    assert torch.allclose(stored, written, atol=1e-6)


def test_a_map_that_looks_at_itself_alone_still_does_when_rotated():
    identity = torch.eye(5).expand(2, 1, 5, 5)
    assert torch.equal(rotated(identity), identity)
    value = noise(2, 1, 5, 3)
    assert torch.allclose(Stored(identity).apply_rotated(value), value)


# Both directions through one network


def test_the_library_sees_the_same_network_as_before(model):
    """Our processors in their forward form against the library's own."""
    torch.manual_seed(3)
    unet = backbone.build_unet(SMALL_INBETWEEN).eval()
    noisy, sigma, condition = latents_and_condition(model)
    features = torch.cat((noisy, condition.latent[:, None].expand(-1, 5, -1, -1, -1)), 2)
    arguments = features, sigma.log() / 4, condition.embedding
    with torch.no_grad():
        expected = unet(*arguments, added_time_ids=condition.facts, return_dict=False)[0]
        found = TwoWayNetwork(unet)(*arguments, condition.facts)
        maps: dict = {}
        recorded = TwoWayNetwork(unet)(*arguments, condition.facts, Pass("forward", taken=maps))
    assert torch.allclose(found, expected, atol=ROUNDING)
    assert torch.allclose(recorded, expected, atol=ROUNDING)
    assert len(maps) == len(TwoWayNetwork(unet).layers) == 7


@pytest.mark.parametrize("kept", ["probabilities", "projections"])
def test_both_at_once_is_one_after_the_other_with_maps_handed_over(model, kept):
    noisy, sigma, first = latents_and_condition(model)
    _, _, last = latents_and_condition(model, seed=7)
    maps: dict = {}
    with torch.no_grad():
        forward = model.velocity(noisy, sigma, first, Pass("forward", taken=maps, kept=kept))
        backward = model.velocity(noisy.flip(1), sigma, last, Pass("backward", given=maps))
        joined = backbone.Condition.join(first, last)
        both = model.velocity(torch.cat((noisy, noisy.flip(1))), sigma.repeat(2), joined, Pass("both"))
    assert torch.allclose(both[:2], forward, atol=ROUNDING)
    assert torch.allclose(both[2:], backward, atol=ROUNDING)
    assert not torch.allclose(backward, forward.flip(1), atol=0.01)


def test_equal_weights_and_conditions_make_the_backward_direction_the_forward_one_reversed():
    """With rotated maps, and frames not told their number, reversing time commutes with the whole network."""
    torch.manual_seed(1)
    model = small_model(backward=False)
    for name, parameter in model.network.named_parameters():
        if "time_pos_embed.linear_2" in name:
            parameter.zero_()
        if "temporal_res_block" in name and parameter.ndim == 5:
            parameter.copy_((parameter + parameter.flip(2)) / 2)  # convolutions over time, made symmetric
    noisy, sigma, condition = latents_and_condition(model)
    maps: dict = {}
    with torch.no_grad():
        forward = model.velocity(noisy, sigma, condition, Pass("forward", taken=maps))
        backward = model.velocity(noisy.flip(1), sigma, condition, Pass("backward", given=maps))
    assert torch.allclose(backward, forward.flip(1), atol=ROUNDING)


def test_a_flip_of_one_axis_alone_would_fail_that_test():
    query, key, value = (noise(6, 2, 5, 8, seed=seed) for seed in range(3))
    maps = probabilities(query, key)
    forward = maps @ value
    assert torch.allclose(rotated(maps) @ value.flip(-2), forward.flip(-2), atol=1e-6)
    assert not torch.allclose(maps.flip(-1) @ value.flip(-2), forward.flip(-2), atol=0.01)


def test_a_backward_pass_without_maps_is_refused(model):
    noisy, sigma, condition = latents_and_condition(model)
    with pytest.raises(WeightsError, match="was not given the map of down_blocks"):
        model.velocity(noisy, sigma, condition, Pass("backward"))


def test_both_directions_need_two_halves(model):
    noisy, sigma, condition = latents_and_condition(model, clips=1)
    with pytest.raises(ShapeError, match="even batch; got 1"):
        model.velocity(noisy, sigma, condition, Pass("both"))


def test_layers_that_do_not_rotate_use_their_own_maps():
    model = small_model()
    noisy, sigma, condition = latents_and_condition(model)
    with torch.no_grad():
        maps: dict = {}
        model.velocity(noisy, sigma, condition, Pass("forward", taken=maps))
        everywhere = model.velocity(noisy, sigma, condition, Pass("backward", given=maps))
        set_backward(model, model.network.backward, "up")
        upward = {layer: value for layer, value in maps.items() if is_upward(layer)}
        above = model.velocity(noisy, sigma, condition, Pass("backward", given=upward))
        set_backward(model, None, "none")
        plain = model.velocity(noisy, sigma, condition, Pass("backward"))
        forward = model.velocity(noisy, sigma, condition)
    assert 0 < len(upward) < len(maps)
    assert not torch.allclose(everywhere, above, atol=1e-4)
    assert torch.allclose(plain, forward, atol=ROUNDING)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "computed again"])
def test_gradients_reach_values_and_outputs_alone(checkpointing: bool):
    torch.manual_seed(0)
    model = small_model()
    trained = model.network.own_weights(BackwardConfig(projections=ALL_PROJECTIONS))
    model.network.backward = ReverseProjections(trained, BackwardConfig(projections=ALL_PROJECTIONS))
    if checkpointing:
        backbone.checkpoint_gradients(model.network)
    noisy, sigma, condition = latents_and_condition(model)
    maps: dict = {}
    with torch.no_grad():
        model.velocity(noisy, sigma, condition, Pass("forward", taken=maps))
    made = model.velocity(noisy.flip(1), sigma, condition, Pass("backward", given=maps))
    made.square().mean().backward()
    reached = {name for name, value in model.network.backward.named_weights().items() if value.grad is not None}
    assert reached == {name for name in trained if "to_v" in name or "to_out" in name}
    assert all(parameter.grad is None for parameter in model.network.unet.parameters())


def test_gradient_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        model = small_model()
        assert model.network.backward is not None
        model.network.backward.requires_grad_(True)
        if checkpointing:
            backbone.checkpoint_gradients(model.network)
        noisy, sigma, condition = latents_and_condition(model)
        maps: dict = {}
        with torch.no_grad():
            model.velocity(noisy, sigma, condition, Pass("forward", taken=maps))
        model.velocity(noisy.flip(1), sigma, condition, Pass("backward", given=maps)).square().mean().backward()
        gradients.append([value.grad for value in model.network.backward.parameters()])
    for kept, again in zip(*gradients, strict=True):
        assert torch.allclose(kept, again, atol=1e-7)


def test_differences_move_what_was_learnt_to_another_network():
    learner, other = small_model(seed=0), small_model(seed=5, backward=False)
    assert learner.network.backward is not None
    config = learner.network.backward.config
    deltas = learner.network.backward.deltas(learner.network.own_weights(config))
    base = other.network.own_weights(config)
    moved = apply_deltas(base, deltas, config).named_weights()
    for name, value in moved.items():
        assert torch.allclose(value, base[name] + deltas[name])
    with pytest.raises(WeightsError, match="does not fit this network in"):
        apply_deltas(base, dict(list(deltas.items())[1:]), config)


# Full size, from the configuration alone


def test_algorithm_1_trains_24_780_800_parameters_in_32_tensors():
    assert backbone.count_trainable() == 24_780_800
    with torch.device("meta"):
        network = TwoWayNetwork(backbone.build_unet())
    assert len(network.layers) == 16
    assert [len([name for name in network.layers if name.startswith(part)]) for part in ("down", "mid", "up")] == [
        6,
        1,
        9,
    ]
    trained = network.own_weights(BackwardConfig())
    assert len(trained) == 32
    assert sum(value.numel() for value in trained.values()) == 24_780_800
    every = network.own_weights(BackwardConfig(projections=ALL_PROJECTIONS))
    assert sum(value.numel() for value in every.values()) == pytest.approx(49.57e6, rel=1e-3)
    assert sum(value.numel() for value in network.unet.parameters()) == 1_524_623_082


# Fusion


def test_the_average_has_a_constant_guidance_of_two():
    assert guidance_ramp("average", 25, (1.0, 3.0)).tolist() == pytest.approx([2.0] * 25)
    assert frame_weights("average", 25).tolist() == [0.5] * 25
    ramp = guidance_ramp("linear", 25, (1.0, 3.0))
    assert (float(ramp[0]), float(ramp[12]), float(ramp[-1])) == (1.0, 2.0, 3.0)


def test_linear_weights_begin_at_one_key_frame_and_end_at_the_other():
    forward, backward = noise(1, 5, 4, 2, 2), noise(1, 5, 4, 2, 2, seed=1)
    fused = fuse(forward, backward, frame_weights("linear", 5))
    assert torch.equal(fused[:, 0], forward[:, 0])
    assert torch.equal(fused[:, -1], backward[:, 0])


def test_fusing_velocities_is_fusing_what_their_steps_lead_to():
    from midframe.diffusion.edm import clean_from_velocity, euler_step

    noisy, forward, backward = (noise(1, 5, 4, 2, 2, seed=seed) for seed in range(3))
    sigma, following = torch.tensor(3.0), torch.tensor(2.0)
    weights = frame_weights("linear", 5)

    def step(sample: torch.Tensor, velocity: torch.Tensor) -> torch.Tensor:
        return euler_step(clean_from_velocity(velocity, sample, sigma), sample, sigma, following)

    one = step(noisy, fuse(forward, backward, weights))
    other = fuse(step(noisy, forward), step(noisy.flip(1), backward), weights)
    assert torch.allclose(one, other, atol=1e-6)


def test_injection_repeats_the_first_half_of_the_steps():
    planned = moves("full", 50, injections=5, injection_share=0.5)
    assert sum(isinstance(move, Denoise) for move in planned) == 175
    assert planned[:4] == [Denoise(0), Renoise(0), Denoise(0), Renoise(0)]
    assert planned[-1] == Denoise(49)
    assert evaluations(planned, "full", guided=True) == 700
    assert len(moves("full", 50, 0, 0.5)) == len(moves("forward", 50, 5, 0.5)) == 50


def test_time_reversal_jumps_back_once_in_fifty_steps():
    planned = moves("time-reversal", 50, injections=0, injection_share=0.5)
    steps = [move.step for move in planned if isinstance(move, Denoise)]
    assert len(steps) == 55
    assert steps[:16] == [*range(10), *range(5, 10), 10]
    assert [move.step for move in planned if isinstance(move, Renoise)] == [9, 8, 7, 6, 5]


@pytest.mark.parametrize(("steps", "injections", "share"), [(0, 0, 0.5), (5, -1, 0.5), (5, 0, 1.5)])
def test_impossible_plans_are_refused(steps: int, injections: int, share: float):
    with pytest.raises(UsageError, match="at least one step, no negative injections"):
        moves("full", steps, injections, share)


# Sampling


class Sure(backbone.VideoModel):
    """A model that knows the clip: its velocity is the one that leads there."""

    def __init__(self, truth: torch.Tensor) -> None:
        self.truth = truth
        self.facts = replace(SMALL_INBETWEEN.facts(1.0), sigma_most=700.0, sigma_least=0.002)
        self.device = torch.device("cpu")
        self.calls: list[int] = []

    def velocity(self, noisy, sigma, condition, way=None):
        self.calls.append(len(noisy))
        sigma = sigma[:, None, None, None, None]
        signal, spread = (sigma**2 + 1).rsqrt(), sigma * (sigma**2 + 1).rsqrt()
        half = len(noisy) // 2
        clean = torch.cat((self.truth.expand(half, -1, -1, -1, -1), self.truth.flip(1).expand(half, -1, -1, -1, -1)))
        return (signal * (noisy * signal) - clean) / spread  # v = (signal z' - x) / noise


def facts_of(clips: int = 1) -> backbone.Condition:
    return backbone.Condition(torch.zeros(clips, 4, 4, 4), torch.zeros(clips, 1, 16), torch.zeros(clips, 3))


@pytest.mark.parametrize("system", ["full", "time-reversal"])
@pytest.mark.parametrize("injections", [0, 2])
def test_sampling_with_a_model_that_knows_ends_at_the_truth(system, injections):
    truth = noise(1, 5, 4, 4, 4)
    sure = Sure(truth)
    sampler = ClipSampler(sure, SamplingSettings(steps=12, system=system, injections=injections))
    made = sampler.sample(facts_of(), facts_of(), 5, torch.Generator().manual_seed(0))
    assert torch.allclose(made, truth, atol=1e-3)
    assert len(sure.calls) * 2 == sampler.evaluations


@pytest.mark.parametrize("batching", ["all", "one"])
@pytest.mark.parametrize("guidance", [(1.0, 1.0), (1.0, 3.0)], ids=["unguided", "guided"])
def test_how_much_is_done_at_once_changes_nothing(model, batching, guidance):
    made = []
    for way in ("directions", batching):
        settings = SamplingSettings(steps=2, injections=1, guidance=guidance, batching=way)
        first, last = (latents_and_condition(model, clips=1, seed=seed)[2] for seed in (0, 9))
        with torch.no_grad():
            made.append(ClipSampler(model, settings).sample(first, last, 5, torch.Generator().manual_seed(4)))
    assert torch.allclose(*made, atol=1e-3)


def test_noise_comes_from_the_callers_generator_alone():
    interpolator = small_interpolator()
    pair = noise(1, 2, 3, 32, 32).sigmoid()
    made = []
    for seed, unrelated in ((3, 0), (3, 1), (4, 0)):
        torch.manual_seed(unrelated)
        made.append(interpolator.clip(pair, generator=torch.Generator().manual_seed(seed)))
    assert torch.equal(made[0], made[1])
    assert not torch.allclose(made[0], made[2], atol=0.01)


def test_progress_tells_of_every_step_and_of_the_disagreement():
    interpolator = small_interpolator(steps=4, injections=1)
    seen = []
    interpolator.on_step = seen.append
    interpolator.clip(noise(1, 2, 3, 32, 32).sigmoid(), generator=torch.Generator().manual_seed(0))
    assert [state.done for state in seen] == list(range(1, 7))
    assert {state.total for state in seen} == {6}
    assert all(state.disagreement is not None and state.disagreement > 0 for state in seen)


def test_decoding_in_chunks_changes_frames_at_their_ends_alone(model):
    latents = noise(1, 5, 4, 8, 8)
    with torch.no_grad():
        whole, parts = model.decode(latents), model.decode(latents, 3)
    assert whole.shape == parts.shape == (1, 5, 3, 64, 64)
    assert torch.allclose(whole[:, 0], parts[:, 0], atol=0.3)
    assert not torch.allclose(whole[:, 2:4], parts[:, 2:4], atol=1e-4)


@pytest.mark.parametrize(
    ("frames", "windows"), [(3, [3]), (5, [5]), (6, [3, 4]), (9, [5, 5]), (13, [5, 5, 5]), (12, [4, 5, 5])]
)
def test_long_clips_are_windows_that_share_their_key_frames(frames: int, windows: list[int]):
    interpolator = small_interpolator(frames=frames, steps=1, injections=0)
    assert interpolator.windows() == windows
    assert sum(windows) - len(windows) + 1 == frames
    made = interpolator.clip(noise(1, 2, 3, 32, 32).sigmoid(), generator=torch.Generator().manual_seed(0))
    assert made.shape == (1, frames, 3, 32, 32)


def test_windows_meet_in_frames_of_the_coarse_clip():
    interpolator = small_interpolator(frames=9, steps=1, injections=0)
    pair = noise(1, 2, 3, 32, 32).sigmoid()
    made = interpolator.clip(pair, generator=torch.Generator().manual_seed(0))
    coarse = small_interpolator(frames=5, steps=1, injections=0).clip(
        pair, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(made[:, 4], coarse[:, 2])


def test_in_between_frames_are_those_of_the_clip():
    interpolator = small_interpolator()
    pair = noise(1, 2, 3, 32, 32).sigmoid()
    clip = interpolator.clip(pair, generator=torch.Generator().manual_seed(2))
    times = [Fraction(1, 4), Fraction(3, 4)]
    made = interpolator.interpolate(pair, times, generator=torch.Generator().manual_seed(2))
    assert torch.equal(made, clip[:, [1, 3]])


def test_a_clip_needs_a_generator():
    with pytest.raises(UsageError, match="draws random numbers: pass a generator"):
        small_interpolator().clip(torch.zeros(1, 2, 3, 32, 32))


# Sizes


def test_pictures_keep_their_shape_near_the_models_number_of_pixels():
    plan = fitting("keep", 1080, 1920, (576, 1024), 64)
    assert plan.inner == (576, 1024)
    tall = fitting("keep", 1920, 1080, (576, 1024), 64)
    assert tall.inner == (1024, 576)
    square = fitting("keep", 500, 500, (576, 1024), 64)
    assert square.inner == (768, 768)
    assert square.leave(torch.zeros(1, 3, 768, 768)).shape[-2:] == (500, 500)


def test_stretching_takes_the_whole_picture_to_the_models_size():
    plan = fitting("stretch", 480, 640, (576, 1024), 64)
    assert (plan.height, plan.width, plan.inner) == (480, 640, (576, 1024))
    assert plan.enter(torch.zeros(1, 3, 480, 640)).shape[-2:] == (576, 1024)


def test_cropping_keeps_the_middle():
    plan = fitting("crop", 480, 640, (576, 1024), 64)
    assert (plan.top, plan.left, plan.height, plan.width) == (60, 0, 360, 640)
    interpolator = small_interpolator(fit="crop")
    pair = noise(1, 2, 3, 32, 48).sigmoid()
    made = interpolator.clip(pair, generator=torch.Generator().manual_seed(0))
    assert made.shape == (1, 5, 3, 32, 32)
    assert torch.equal(interpolator.key_frames(pair), pair[..., 8:40])
    with pytest.raises(UsageError, match="make whole clips instead"):
        interpolator.interpolate(pair, [Fraction(1, 2)], generator=torch.Generator().manual_seed(0))


def test_a_size_that_the_network_cannot_halve_is_refused():
    with pytest.raises(UsageError, match="multiples of 64; got 500x1024"):
        fitting("stretch", 480, 640, (500, 1024), 64)


# Memory


def test_a_watch_counts_what_is_alive_and_forgets_what_is_not():
    def run() -> torch.Tensor:
        first = torch.empty(1000, device="meta")
        second = first * 2
        del first
        return second + 1

    assert memory.peak_bytes(run) == 2 * 4000


def test_memory_shrinks_along_the_ways_to_work():
    interpolator = small_interpolator(decode_chunk=2)
    sizes = interpolator.sizes(64, 64)
    assert [size.size_bytes for size in sizes] == sorted((size.size_bytes for size in sizes), reverse=True)
    assert sizes[0].size_bytes > sizes[-1].size_bytes
    least = interpolator.smaller(64, 64)
    while least is not None:
        interpolator = interpolator.resized(least)
        least = interpolator.smaller(64, 64)
    assert interpolator.settings.batching == "one"
    assert interpolator.memory_bytes(64, 64) == sizes[-1].size_bytes


def test_memory_grows_with_the_size_at_which_the_model_works():
    # 32 is what the test above measured.
    small, large = (small_interpolator(height=side, width=side, decode_chunk=2) for side in (32, 64))
    assert large.memory_bytes(64, 64) > small.memory_bytes(64, 64)


def test_the_estimate_of_a_pass_is_what_a_pass_takes(model):
    """The same watch over the real network with numbers, on the CPU."""
    noisy, sigma, condition = latents_and_condition(model)
    features = torch.cat((noisy, condition.latent[:, None].expand(-1, 5, -1, -1, -1)), 2)
    with torch.no_grad(), memory.PeakWatch() as watch, memory.FusedAttention():
        model.network(features, sigma, condition.embedding, condition.facts, Pass("both"))
    expected = memory.pass_bytes(model.network, 2, 5, 4, 4, keep_maps=False)
    assert watch.peak_bytes == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["kept", "computed again"])
def test_the_estimate_of_a_training_step_is_what_a_step_takes(checkpointing: bool):
    """The same watch over the real network with numbers, on the CPU."""
    model, config = small_model(), BackwardConfig(frames=5)
    network = model.network
    network.backward = ReverseProjections(network.own_weights(config), config).requires_grad_(True)
    expected = memory.step_bytes(network, config, 2, 4, 4, checkpointing=checkpointing)
    if checkpointing:
        backbone.checkpoint_gradients(network, memory.checkpointed_as_fused)
    noisy, sigma, condition = latents_and_condition(model)
    features = torch.cat((noisy, condition.latent[:, None].expand(-1, 5, -1, -1, -1)), 2)
    told = (sigma, condition.embedding, condition.facts)
    maps: dict = {}
    with memory.PeakWatch() as watch, memory.FusedAttention():
        with torch.no_grad():
            network(features, *told, Pass("forward", taken=maps))
        made = network(features.flip(1), *told, Pass("backward", given=maps))
        torch.autograd.backward([made.square().mean()])
    assert watch.peak_bytes == pytest.approx(expected, rel=0.15)


def test_training_that_does_not_fit_is_refused_before_it_begins(monkeypatch: pytest.MonkeyPatch):
    """What the model itself takes is not free, and what PyTorch holds without use is."""
    model, config = small_model(), BackwardConfig(frames=5)
    ask = partial(memory.check_step, model, config, 2, (32, 32), checkpointing=True)
    ask()
    needed = memory.step_bytes(model.network, config, 2, 4, 4, checkpointing=True)
    model.device = torch.device("cuda")
    for unused, held, used, fits in (
        (needed, 0, 0, True),
        (needed - 1, 0, 0, False),
        (0, needed + 10**9, 10**9, True),
        (needed - 1, 10**9, 10**9, False),
    ):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, unused=unused: (unused, 10**12))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device, held=held: held)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device, used=used: used)
        with nullcontext() if fits else pytest.raises(UsageError, match=r"about .* for 2 clips .* fewer clips"):
            ask()


def test_a_step_that_rotates_nothing_keeps_no_maps():
    network = small_model().network
    following, alone = (
        memory.step_bytes(network, BackwardConfig(frames=5, rotated=rotated), 2, 4, 4, checkpointing=True)
        for rotated in ("all", "none")
    )
    assert alone < following


@pytest.mark.slow
def test_a_training_step_at_full_size_takes_what_the_documentation_says():
    """Gigabytes of features, 14 x 576 x 1024, bfloat16, without numbers."""
    with torch.device("meta"):
        unet = backbone.build_unet()
    network = TwoWayNetwork(backbone.change_format(unet.to("meta"), torch.bfloat16).requires_grad_(False))
    taken = {
        (clips, again): memory.step_bytes(network, BackwardConfig(), clips, 72, 128, checkpointing=again) / 1e9
        for clips, again in ((1, True), (2, True), (4, True), (1, False))
    }
    expected = {(1, True): 27.0, (2, True): 52.2, (4, True): 102.7, (1, False): 45.1}
    assert taken == pytest.approx(expected, abs=0.1)


@pytest.mark.slow
def test_at_full_size_a_clip_fits_an_80_gb_card_and_one_way_takes_a_third():
    """Shapes of two sampling steps at 25 x 576 x 1024, without numbers."""
    facts = backbone.VideoFacts(frames=25, height=576, width=1024, latent_scale=0.18215)
    with torch.device("meta"):
        parts = backbone.build_unet(), backbone.build_codec(), backbone.build_image_encoder()
    unet, codec, encoder = (backbone.change_format(part.to("meta"), torch.float16) for part in parts)
    full = backbone.VideoModel(TwoWayNetwork(unet), codec, encoder, facts, device=torch.device("meta"))
    sizes = InbetweenInterpolator(full).sizes(576, 1024)
    assert 30e9 < sizes[0].size_bytes < 60e9
    assert sizes[-1].size_bytes < 12e9
    assert full.multiple == 64
    noisy = torch.empty(2, 25, 4, 72, 128, device="meta")
    condition = backbone.Condition(
        torch.empty(2, 4, 72, 128, device="meta"),
        torch.empty(2, 1, 1024, device="meta"),
        torch.empty(2, 3, device="meta"),
    )
    with torch.no_grad(), memory.FusedAttention():
        made = full.velocity(noisy, torch.empty(2, device="meta"), condition, Pass("both"))
    assert made.shape == noisy.shape


# The library


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'midframe\[svd\]'"):
        backbone.find_folder(None)
    with pytest.raises(MissingExtraError, match="Generative inbetweening needs diffusers and transformers"):
        backbone.build_unet()


@pytest.mark.parametrize("file", sorted(Path(backbone.__file__).parent.glob("*.py")), ids=lambda file: file.name)
def test_the_library_is_imported_by_one_file_and_there_not_before_it_is_needed(file: Path):
    tree = ast.parse(file.read_text())
    every = {name.split(".")[0] for node in ast.walk(tree) for name in _imports(node)}
    at_once = {name.split(".")[0] for node in tree.body for name in _imports(node)}
    library = {"diffusers", "transformers", "huggingface_hub"}
    assert not at_once & library
    assert not every & library or file.name == "backbone.py"


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


# Configurations


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widths": (48,), "attends": (True,)}, "multiples of 32; got 48"),
        ({"attends": (True,)}, "a value for each of 2 widths; got 1"),
        ({"frames": 2}, "at least 3 frames; got 2"),
        ({"size": 60}, "multiple of 16; got 60"),
        ({"heads": 5}, "cannot be shared by 5 heads"),
    ],
)
def test_impossible_architectures_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        SmallConfig(**values)


def test_projections_have_names_that_exist():
    with pytest.raises(UsageError, match="got to_x"):
        BackwardConfig(projections=("to_x",))


def test_the_shipped_size_stays_below_16_mib():
    config = read_recipe(find_recipe("inbetween-small"), SmallRecipe).model
    parts = backbone.build_unet(config), backbone.build_codec(config), backbone.build_image_encoder(config)
    count = sum(value.numel() for part in parts for value in part.parameters())
    backward = sum(value.numel() for value in TwoWayNetwork(parts[0]).own_weights(BackwardConfig()).values())
    assert 2 * (count + backward) < 16 * 2**20
    assert not math.isclose(count, 0)


def test_a_small_codec_has_no_group_normalisation():
    codec = backbone.build_codec(SMALL_INBETWEEN)
    assert not any(isinstance(layer, torch.nn.GroupNorm) for layer in codec.modules())


def test_a_small_u_net_normalises_sixteen_channels_together():
    unet = backbone.build_unet(replace(SMALL_INBETWEEN, widths=(32, 64)))
    shared = {
        layer.num_channels // layer.num_groups for layer in unet.modules() if isinstance(layer, torch.nn.GroupNorm)
    }
    assert shared == {16}


def test_a_convolution_over_time_is_the_librarys_three_dimensional_one():
    unet = backbone.build_unet(SMALL_INBETWEEN)
    layers = [layer for layer in unet.modules() if isinstance(layer, torch.nn.Conv3d)]
    assert layers
    for layer in layers[:2]:
        clip = noise(2, layer.in_channels, 5, 3, 4)
        expected = torch.nn.functional.conv3d(clip, layer.weight, layer.bias, padding=(1, 0, 0))
        assert torch.allclose(layer(clip), expected, atol=1e-5)
