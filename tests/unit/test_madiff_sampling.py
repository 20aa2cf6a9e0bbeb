"""Motion-aware sampling: what it looks at and when, known answers, seeds, sizes, parts, and files."""

from __future__ import annotations

import inspect
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import midframe
from midframe.core.errors import UsageError, WeightsError
from midframe.core.motion import Motion
from midframe.core.options import LoadOptions
from midframe.core.work_size import Resizable
from midframe.diffusion.prediction import noise_in
from midframe.engine import interpolate_pair
from midframe.methods.madiff.config import HintConfig
from midframe.methods.madiff.hints import FlowHints
from midframe.methods.madiff.memory import FRAMES, MOTION, work_sizes
from midframe.methods.madiff.model import Hints, MadiffModel
from midframe.methods.madiff.model_file import load_model, save_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.methods.madiff.parts import Gap
from midframe.methods.madiff.sample import MadiffInterpolator, create
from midframe.methods.madiff.weights_file import save_codec
from small_madiff import SAME_MOTION, SMALL_CODEC
from small_madiff_model import SMALL_DENOISER, small_codec, small_model, small_moved_model

HALF = [Fraction(1, 2)]
ROUNDING = 1e-5
SIMULATED = HintConfig(kind="simulator")
ATTENTION = replace(SMALL_CODEC, warp="attention")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pair(height: int = 32, width: int = 48, seed: int = 0) -> tuple[Tensor, Tensor]:
    before, after = torch.rand(2, 1, 3, height, width, generator=seeded(seed)).unbind(0)
    return before, after


def code_latent(model: MadiffModel, rows: int = 8, columns: int = 12) -> Tensor:
    """A latent of codes alone, at the denoiser's scale."""
    book = model.codec.quantiser.book.weight
    with torch.no_grad():
        book.mul_(10)  # Far apart: a little noise changes no code.
    codes = torch.randint(len(book), (1, rows, columns), generator=seeded())
    return (book.detach()[codes].permute(0, 3, 1, 2) - model.mean) / model.deviation


def knowing(model: MadiffModel, clean: Tensor, seen: list[Tensor] | None = None) -> MadiffModel:
    """The same model with a denoiser that knows the clean latent; it keeps what it was shown of hints."""
    levels = model.config.denoiser.levels()

    def epsilon(noisy: Tensor, step: int, before: Tensor, after: Tensor, features: Tensor) -> Tensor:
        if seen is not None:
            seen.append(features)
        return noise_in(clean, noisy, levels.signal[step], levels.noise[step])

    model.epsilon = epsilon
    return model


@pytest.mark.parametrize("codec", [SMALL_CODEC, ATTENTION], ids=["moves features", "does not look at hints"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_denoiser_that_knows_ends_at_the_decoded_truth_and_its_hints(codec, eta: float):
    model = small_model(codec=codec)
    truth = code_latent(model)
    seen: list[Tensor] = []
    before, after = pair()
    plan = SamplingPlan(steps=4, eta=eta)
    made = sample_frame(knowing(model, truth, seen), before, after, plan, generator=seeded())
    # The same by hand: every estimate is the truth, and only what is known of hints grows.
    earlier, later = model.encode(before), model.encode(after)
    hints, frames = None, []
    for _ in range(4):
        frames.append(model.decode(truth, earlier, later, hints))
        hints = model.hints_between(before, frames[-1], after)
    expected = model.decode(truth, earlier, later, hints)
    assert torch.allclose(made, expected, atol=ROUNDING)
    if codec is ATTENTION:
        # The decoder's answer does not depend on hints, so all of them are those of the decoded truth.
        assert torch.allclose(frames[0], made, atol=ROUNDING)
        final = model.hint_features(model.hints_between(before, made, after), truth)
        assert all(torch.allclose(features, final, atol=1e-4) for features in seen[1:])


def test_hints_are_nothing_first_and_then_those_of_the_newest_estimate():
    model = small_model()
    truth = code_latent(model)
    seen: list[Tensor] = []
    watched: list[tuple[int, Tensor]] = []
    before, after = pair()
    sample_frame(
        knowing(model, truth, seen),
        before,
        after,
        SamplingPlan(steps=4),
        generator=seeded(),
        watch=lambda jump, frame: watched.append((jump.step, frame)),
    )
    assert [step for step, _ in watched] == [751, 501, 251, 1]
    assert not seen[0].any()
    for features, (_, frame) in zip(seen[1:], watched, strict=False):
        expected = model.hint_features(model.hints_between(before, frame, after), truth)
        assert torch.equal(features, expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"refresh_every": 2}, [0, 1, 0, 1, 0, 1]),
        ({"refresh_every": 4}, [0, 1, 0, 0, 0, 1]),
        ({"refresh_above": 0.05}, [0, 0, 1, 1, 1, 1]),
        ({"refresh_every": 3, "refresh_above": 0.05}, [0, 0, 1, 0, 0, 1]),
        ({"hints": "pair"}, [0] * 6),
        ({"hints": "none"}, [0] * 6),
    ],
)
def test_hints_are_refreshed_as_planned_and_always_at_the_last_step(values, expected: list[int]):
    plan = SamplingPlan(steps=6, **values)
    jumps = plan.jumps(SMALL_DENOISER, torch.device("cpu"))
    assert [round(float(jump.signal) ** 2, 2) for jump in jumps] == [0.0, 0.02, 0.12, 0.35, 0.69, 1.0]
    assert [int(refresh) for refresh in plan.refreshes(jumps)] == expected


def test_pair_hints_are_those_of_the_neighbours_and_none_are_zeros():
    for mode, expected in (("pair", True), ("none", False)):
        model = small_model()
        seen: list[Tensor] = []
        truth = code_latent(model)
        before, after = pair()
        plan = SamplingPlan(steps=3, hints=mode)
        sample_frame(knowing(model, truth, seen), before, after, plan, generator=seeded())
        hints = model.pair_hints(before, after) if expected else None
        assert all(torch.equal(features, model.hint_features(hints, truth)) for features in seen)
        assert bool(seen[0].any()) == expected


def test_motion_of_the_pair_is_known_before_the_first_step():
    """Estimates align it; none is needed to begin with, and latents lie where it says from the first step on."""
    model = small_moved_model()
    before, after = pair()
    latents: list[Tensor] = []
    forward = model.denoiser.forward

    def watched(noisy: Tensor, step: Tensor, earlier: Tensor, later: Tensor, features: Tensor) -> Tensor:
        latents.append(torch.stack((earlier, later)))
        return forward(noisy, step, earlier, later, features)

    model.denoiser.forward = watched
    for mode in ("motion", "pair", "none"):
        latents.clear()
        sample_frame(model, before, after, SamplingPlan(steps=2, hints=mode), generator=seeded())
        still = [model.encode(frame).latent for frame in (before, after)]
        moved = model.latents_there(*still, model.pair_hints(before, after))
        assert torch.allclose(latents[0], torch.stack(still if mode == "none" else list(moved)), atol=ROUNDING)
        assert torch.equal(latents[0], latents[1]) == (mode != "motion")
    # A latent pixel is four of the picture: those of motions of two pixels lie half-way between two.
    half = (still[0][..., 1:] + still[0][..., :-1]) / 2
    assert torch.allclose(moved[0][..., 1:], half, atol=ROUNDING)


def test_motion_reaches_the_head_at_full_size_and_is_found_once(monkeypatch: pytest.MonkeyPatch):
    """Halved it would lose its edges. Sampled by hand with the pair's motion, and with its alignment."""
    calls: list[int] = []

    def edged(before: Tensor, after: Tensor) -> Motion:
        calls.append(1)
        columns = torch.arange(before.shape[-1]) % 5.0
        flow = columns.view(1, 1, 1, -1).expand(len(before), 4, *before.shape[-2:])
        return Motion(flow, flow[:, :1] - 2)

    model = small_moved_model()
    model._hints = FlowHints(edged)
    truth = code_latent(model)
    before, after = pair()
    neighbours = model.encode(before), model.encode(after)
    alone = model.pair_hints(before, after)
    calls.clear()
    made = sample_frame(knowing(model, truth), before, after, SamplingPlan(steps=3, hints="pair"), generator=seeded())
    assert torch.allclose(made, model.decode(truth, *neighbours, alone), atol=ROUNDING)
    first = model.decode(truth, *neighbours, alone)
    second = model.decode(truth, *neighbours, model.hints_between(before, first, after, alone))
    calls.clear()
    made = sample_frame(knowing(model, truth), before, after, SamplingPlan(steps=1), generator=seeded())
    assert torch.allclose(made, second, atol=1e-3)  # Alignment on noise: rounding grows.
    assert len(calls) == 1


def test_given_hints_are_believed_to_the_end():
    model = small_model()
    seen: list[Tensor] = []
    truth = code_latent(model)
    before, after = pair()
    target = torch.rand(before.shape, generator=seeded(5))
    hints = model.hints_between(before, target, after)
    made = sample_frame(
        knowing(model, truth, seen), before, after, SamplingPlan(steps=3), generator=seeded(), given=hints
    )
    assert all(torch.equal(features, model.hint_features(hints, truth)) for features in seen)
    expected = model.decode(truth, model.encode(before), model.encode(after), hints)
    assert torch.allclose(made, expected, atol=ROUNDING)


def test_sampling_never_sees_the_target():
    # Nothing that makes frames for use can be handed one, ...
    for call in (MadiffInterpolator, MadiffInterpolator.interpolate):
        names = set(inspect.signature(call).parameters)
        assert not names & {"target", "given", "truth", "oracle"}
    # ... and every hint is taken between a neighbour and what was decoded.
    model = small_model()
    decoded: list[Tensor] = []
    looked_at: list[tuple[Tensor, Tensor, Tensor]] = []
    decode, between = model.decode, model.hints_between

    def spying_decode(*given):
        decoded.append(decode(*given))
        return decoded[-1]

    def spying_hints(before: Tensor, frame: Tensor, after: Tensor, alone: Hints | None):
        looked_at.append((before, frame, after))
        return between(before, frame, after, alone)

    model.decode, model.hints_between = spying_decode, spying_hints
    before, after = pair()
    MadiffInterpolator(model, steps=3).interpolate(torch.stack((before, after), 1), HALF, generator=seeded())
    assert len(looked_at) == 3
    for number, (earlier, frame, later) in enumerate(looked_at):
        assert torch.equal(earlier, before)
        assert torch.equal(later, after)
        assert torch.equal(frame, decoded[number])


def interpolated(interpolator: MadiffInterpolator, frames: Tensor, seed: int = 0) -> Tensor:
    return interpolator.interpolate(frames, HALF, generator=seeded(seed))


def test_a_seed_says_everything_and_the_global_generator_nothing():
    interpolator = MadiffInterpolator(small_model(), steps=3)
    frames = torch.stack(pair(), 1)
    torch.manual_seed(1)
    first, state = interpolated(interpolator, frames), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert torch.equal(interpolated(interpolator, frames), first)
    assert not torch.equal(interpolated(interpolator, frames, seed=1), first)
    with pytest.raises(UsageError, match="pass a generator"):
        interpolator.interpolate(frames, HALF)


def test_frames_of_any_size_are_mirrored_and_cut_again():
    interpolator = MadiffInterpolator(small_model())
    frames = torch.rand(1, 2, 3, 27, 45, generator=seeded())
    made = interpolated(interpolator, frames)
    assert made.shape == (1, 1, 3, 27, 45)
    rows = [*range(27), 25, 24, 23, 22, 21]
    columns = [*range(45), 43, 42, 41]
    mirrored = interpolated(interpolator, frames[..., rows, :][..., columns])
    assert torch.equal(mirrored[..., :27, :45], made)


def test_other_instants_are_midpoints_of_midpoints():
    interpolator = MadiffInterpolator(small_model())
    before, after = (np.random.default_rng(seed).integers(256, size=(20, 24, 3), dtype=np.uint8) for seed in (0, 1))
    times = [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]
    made = interpolate_pair(interpolator, before, after, times)
    assert [frame.shape for frame in made] == [(20, 24, 3)] * 3
    assert len({frame.tobytes() for frame in made}) == 3
    with pytest.raises(UsageError, match="cannot synthesise the instant 1/4"):
        interpolator.interpolate(torch.rand(1, 2, 3, 16, 16), times[:1], generator=seeded())


def pointwise(model: MadiffModel, noisy_seen: list[Tensor]) -> MadiffModel:
    """A model whose parts look at nothing around a latent pixel: parts of a frame then say what the whole says."""

    def epsilon(noisy: Tensor, step: int, before: Tensor, after: Tensor, features: Tensor) -> Tensor:
        noisy_seen.append(noisy)
        return 0.7 * noisy + 0.1 * before + features[:, :3]

    def decode(latent: Tensor, before, after, hints) -> Tensor:
        shown = torch.nn.functional.interpolate(latent.sigmoid(), scale_factor=float(model.config.codec.factor))
        return 0.5 * shown + 0.25 * (before.frame + after.frame)

    encode = model.encode

    def flat_encode(frame: Tensor):
        return replace(encode(frame), latent=torch.nn.functional.avg_pool2d(frame, model.config.codec.factor))

    model.epsilon, model.decode, model.encode = epsilon, decode, flat_encode
    return model


def test_parts_of_a_frame_share_its_noise_and_leave_no_trace_where_nothing_looks_around():
    before, after = pair(64, 96)
    plan = SamplingPlan(steps=3)
    whole_seen: list[Tensor] = []
    model = pointwise(small_model(SIMULATED), whole_seen)
    whole = sample_frame(model, before, after, plan, generator=seeded())
    parts_seen: list[Tensor] = []
    model = pointwise(small_model(SIMULATED), parts_seen)
    made = sample_frame(model, before, after, plan, generator=seeded(), tile_pixels=32**2)
    assert torch.allclose(made, whole, atol=ROUNDING)
    # At the first step every part sees its own place of the whole frame's noise.
    boxes = [part.box.divided(4) for part in Gap(model, before, after, 32**2).parts]
    assert len(boxes) == 12
    for box, noisy in zip(boxes, parts_seen, strict=False):
        assert torch.equal(noisy, whole_seen[0][(..., *box.slices())])


def test_a_part_is_never_larger_than_asked_nor_smaller_than_the_networks_need():
    model = small_model(SIMULATED)
    before, after = pair(32, 48)
    for tile_pixels in (1, 16**2, 30**2, 32**2):
        sides = {(part.box.height, part.box.width) for part in Gap(model, before, after, tile_pixels).parts}
        side = max(int(tile_pixels**0.5) // 16 * 16, 16)
        assert sides == {(side, side)}
    assert len(Gap(model, before, after).parts) == 1


def test_a_large_frame_needs_less_memory_in_parts():
    interpolator = MadiffInterpolator(small_model())
    assert isinstance(interpolator, Resizable)
    sizes = interpolator.sizes(2160, 3840)
    assert sizes[0].tile_pixels is None
    assert [sizes[0].sentence(), sizes[1].sentence()] == ["whole frames", "overlapping parts of 1.05 million pixels"]
    assert not any(size.seamless for size in sizes)
    memory = [size.size_bytes for size in sizes]
    assert memory == sorted(memory, reverse=True)
    assert interpolator.smaller(2160, 3840) == sizes[1]
    smallest = interpolator.resized(sizes[-1])
    assert smallest.tile_pixels == sizes[-1].tile_pixels
    assert smallest.model is interpolator.model
    assert smallest.smaller(2160, 3840) is None
    assert len(interpolator.sizes(64, 64)) == 1


def test_wider_networks_are_expected_to_need_more_memory():
    config = small_model().config
    needs = work_sizes(config, 0, 512, 512)[0].size_bytes
    for wider in (
        replace(config, codec=replace(config.codec, base_width=64)),
        replace(config, codec=replace(config.codec, head="kernels", base_width=64)),
        replace(config, hints=replace(config.hints, width=32)),
    ):
        assert work_sizes(wider, 0, 512, 512)[0].size_bytes > needs
    assert work_sizes(config, 10**6, 512, 512)[0].size_bytes == needs + 10**6
    # RIFE takes more than a decoder of eight channels. Motion is kept at full size: three values for each pixel and
    # neighbour, as many as both levels of a pyramid have.
    moved = work_sizes(small_moved_model().config, 0, 512, 512)[0].size_bytes
    assert moved == (MOTION + FRAMES + 2 * 4 * (3 + 3)) * 512**2


def save_small(path: Path, model: MadiffModel | None = None, precision: torch.dtype = torch.float32) -> MadiffModel:
    model = model or small_model()
    save_model(model, model.denoiser.state_dict(), path, precision)
    return model


@pytest.mark.parametrize("hints", ["events", "simulator", "flow"])
def test_one_file_holds_all_parts(hints, tmp_path: Path):
    config = replace(small_model().config.hints, kind=hints)
    model = small_moved_model() if hints == "flow" else small_model(config)
    save_small(tmp_path / "madiff.safetensors", model)
    loaded = load_model(tmp_path / "madiff.safetensors", motion=SAME_MOTION)
    assert loaded.told_by == (SAME_MOTION.words if hints == "flow" else "")
    assert loaded.config == model.config
    assert not loaded.training
    frames = torch.stack(pair(), 1)
    expected = interpolated(MadiffInterpolator(model), frames)
    assert torch.equal(interpolated(MadiffInterpolator(loaded), frames), expected)


def test_a_codec_alone_is_no_interpolator(tmp_path: Path):
    codec = small_codec()
    assert codec.events is not None
    path = tmp_path / "codec.safetensors"
    save_codec(codec.config, codec.codec.state_dict(), codec.events.state_dict(), path, torch.float32)
    with pytest.raises(WeightsError, match="holds no MADIFF architecture"):
        load_model(path)


def test_a_file_without_its_denoiser_is_refused(tmp_path: Path):
    model = small_model()
    save_model(model, {}, tmp_path / "madiff.safetensors", torch.float32)
    with pytest.raises(WeightsError, match=r"does not fit its own architecture in: .*enter\.weight"):
        load_model(tmp_path / "madiff.safetensors")


def test_it_is_made_by_name_with_steps_of_choice(tmp_path: Path):
    path = tmp_path / "madiff.safetensors"
    save_small(path)
    interpolator = midframe.load("madiff", weights=path, device="cpu", precision="fp32", steps=3)
    assert isinstance(interpolator, MadiffInterpolator)
    assert interpolator.plan == SamplingPlan(steps=3, eta=1.0, hints="motion", refresh_every=1, refresh_above=0.0)
    with pytest.raises(UsageError, match=r"1 to \d+ steps; got 100000"):
        midframe.load("madiff", weights=path, device="cpu", precision="fp32", steps=100_000)
    with pytest.raises(UsageError, match="takes no scale of flow"):
        midframe.load("madiff", weights=path, device="cpu", scale=0.5)


def test_how_its_file_wants_it_sampled_is_how_it_samples():
    denoiser = replace(SMALL_DENOISER, sampling_steps=7, eta=0.5, refresh_every=3, refresh_above=0.1)
    plan = MadiffInterpolator(small_model(denoiser=denoiser)).plan
    assert plan == SamplingPlan(steps=7, eta=0.5, hints="motion", refresh_every=3, refresh_above=0.1)


def test_half_precision_draws_the_same_noise_and_gives_nearly_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "madiff.safetensors"
    save_small(path)
    drawn: list[Tensor] = []
    randn = torch.randn

    def spying(*shape, **options) -> Tensor:
        drawn.append(randn(*shape, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "randn", spying)
    frames = torch.stack(pair(), 1)
    made = []
    for precision in (torch.float32, torch.bfloat16):
        interpolator = create(LoadOptions(weights=path, device=torch.device("cpu"), precision=precision, steps=2))
        made.append(interpolated(interpolator, frames))
    assert len(drawn) == 6
    assert all(torch.equal(one, other) for one, other in zip(drawn[:3], drawn[3:], strict=True))
    assert made[1].dtype == torch.float32
    # Untrained, a code of another kind may be looked up here and there.
    assert float((made[0] - made[1]).abs().mean()) < 0.05


def test_averaging_with_mirrored_frames_is_the_mean_of_two_samples():
    model = small_model()
    frames = torch.stack(pair(), 1)
    generator = seeded()
    straight = MadiffInterpolator(model).interpolate(frames, HALF, generator=generator)
    mirrored = MadiffInterpolator(model).interpolate(frames.flip(-1), HALF, generator=generator).flip(-1)
    averaged = interpolated(MadiffInterpolator(model, tta=True), frames)
    assert torch.allclose(averaged, (straight + mirrored) / 2, atol=1e-6)


def test_one_step_is_that_of_the_most_noise():
    config = replace(SMALL_DENOISER, base="neighbours", base_deviation=0.3)
    (jump,) = SamplingPlan(steps=1).jumps(config, torch.device("cpu"))
    assert jump.step == config.noise_steps - 1
    model = small_model(HintConfig(kind="simulator"), config)
    nn.init.zeros_(model.denoiser.leave.weight)
    nn.init.zeros_(cast(Tensor, model.denoiser.leave.bias))
    before, after = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    plan = SamplingPlan(steps=1, hints="none", eta=0.0)
    made = sample_frame(model, before, after, plan, generator=torch.Generator().manual_seed(1))
    sides = [model.encode(frame) for frame in (before, after)]
    middle = model.decode((sides[0].latent + sides[1].latent) / 2, sides[0], sides[1], None)
    # Up to what the first level leaves of the noise, which may choose other codes.
    assert float((made - middle).abs().mean()) < 0.05
