"""Event volumes, the simulator, the image-to-event network, and what all hints have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_rife import triplet

from midframe.core.errors import ShapeError, UsageError
from midframe.core.motion import MotionSource
from midframe.methods.madiff.config import HintConfig
from midframe.methods.madiff.event_network import EventNetwork, plain_state, waking_relu
from midframe.methods.madiff.events import event_volume, simulate_events
from midframe.methods.madiff.hints import (
    FlowHints,
    HintSource,
    NetworkHints,
    SimulatedHints,
    make_hints,
    mixed_hints,
)
from small_madiff import FLOW, SAME_MOTION, SMALL_EVENTS, SameMotion

EXACT = 1e-5
WIDTH_SETTLED = 1e-3  # spectral norms after thirty power iterations


def ramp(first: float, last: float, instants: int) -> torch.Tensor:
    """A grey clip that changes its brightness evenly."""
    return torch.linspace(first, last, instants).view(1, instants, 1, 1, 1).expand(1, instants, 3, 4, 4)


def test_an_event_is_shared_by_the_bins_beside_it():
    volume = event_volume(
        torch.tensor([2]), torch.tensor([1]), torch.tensor([0.3]), torch.tensor([1]), (3, 4), span=(0.0, 1.0)
    )
    assert volume.shape == (18, 3, 4)
    # (9 - 1) * 0.3 = 2.4
    assert volume[2, 1, 2] == pytest.approx(0.6)
    assert volume[3, 1, 2] == pytest.approx(0.4)
    assert float(volume.sum()) == pytest.approx(1)


def test_the_mass_of_a_volume_is_the_number_of_events():
    generator = torch.Generator().manual_seed(0)
    columns, rows = torch.randint(5, (300,), generator=generator), torch.randint(4, (300,), generator=generator)
    times, signs = torch.rand(300, generator=generator), torch.randint(2, (300,), generator=generator) * 2 - 1
    volume = event_volume(columns, rows, times, signs, (4, 5))
    assert float(volume.sum()) == pytest.approx(300, abs=1e-3)
    assert float(volume[:9].sum()) == pytest.approx(int((signs > 0).sum()), abs=1e-3)
    assert bool((volume >= 0).all())
    swapped = event_volume(columns, rows, times, -signs, (4, 5))
    assert torch.allclose(swapped, volume.roll(9, 0), atol=EXACT)
    # The first and the last event lie in the first and the last bin.
    assert float(volume[[0, 9]].sum()) >= 1
    assert float(volume[[8, 17]].sum()) >= 1


def test_events_outside_the_picture_are_refused_and_none_are_fine():
    nothing = torch.zeros(0)
    assert not event_volume(nothing.long(), nothing.long(), nothing, nothing.long(), (2, 2)).any()
    with pytest.raises(ShapeError, match="1 events lie outside 2x2"):
        one = torch.ones(1)
        event_volume(one.long() * 2, one.long(), one, one.long(), (2, 2))


def test_a_still_pair_has_no_events():
    frames = torch.rand(2, 1, 3, 8, 8).expand(2, 2, 3, 8, 8)
    assert not simulate_events(frames).any()


def test_the_simulator_counts_thresholds_crossed():
    dark, bright = 0.2, 0.7
    volume = simulate_events(ramp(dark, bright, 2))
    assert volume.shape == (1, 18, 4, 4)
    assert bool((volume >= 0).all())
    # log((0.7 + 0.05) / (0.2 + 0.05)) / 0.15 = 7.3
    assert float(volume[0, :9, 0, 0].sum() * 4) == pytest.approx(7)
    assert not volume[:, 9:].any()
    fading = simulate_events(ramp(bright, dark, 2))
    assert float(fading[0, 9:, 0, 0].sum() * 4) == pytest.approx(7)
    assert not fading[:, :9].any()


def test_swapping_the_pair_exchanges_the_polarities():
    before, after = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0)).unbind()
    hints = SimulatedHints()
    forward, backward = hints(before, after).unflatten(1, (2, 9)), hints(after, before).unflatten(1, (2, 9))
    assert torch.allclose(forward.sum(2), backward.sum(2).flip(1), atol=EXACT)


def test_known_motion_between_the_frames_places_events_in_time():
    # Bright at once, then nothing: all events lie in the first half.
    clip = torch.cat((ramp(0.2, 0.7, 2), ramp(0.7, 0.7, 1)), 1)
    volume = simulate_events(clip)
    assert float(volume[0, :5].sum()) > 0
    assert not volume[0, 5:9].any()
    # A flash that is gone by the last frame: both polarities, which the pair of ends cannot tell.
    flash = torch.cat((ramp(0.2, 0.7, 2), ramp(0.2, 0.2, 1)), 1)
    assert simulate_events(flash)[:, 9:].any()
    assert not simulate_events(flash[:, [0, 2]]).any()


def test_an_event_depends_on_its_own_pixel_alone():
    frames = torch.rand(1, 2, 3, 16, 16)
    assert torch.equal(simulate_events(frames)[..., 4:9, 3:7], simulate_events(frames[..., 4:9, 3:7]))


def test_one_frame_is_refused():
    with pytest.raises(ShapeError, match="at least two are needed; got 1"):
        simulate_events(torch.rand(1, 1, 3, 4, 4))


def test_the_published_network_has_the_published_parameters():
    with torch.device("meta"):
        network = EventNetwork(HintConfig(kind="events"))
    assert sum(parameter.numel() for parameter in network.parameters()) == 13_362_162


def test_spectral_norms_become_part_of_the_weights():
    torch.manual_seed(0)
    training = EventNetwork(SMALL_EVENTS, spectral=True)
    pair = torch.rand(2, 2, 3, 13, 10).unbind()
    for _ in range(40):  # until the norms have settled
        training(*pair)
    state = plain_state(EventNetwork(SMALL_EVENTS, spectral=True), training.state_dict())
    plain = EventNetwork(SMALL_EVENTS)
    plain.load_state_dict(state)
    expected = training.eval()(*pair)
    assert float(expected.detach().abs().max()) > 10 * WIDTH_SETTLED
    assert torch.allclose(plain.eval()(*pair), expected, atol=WIDTH_SETTLED)


def test_a_sleeping_output_wakes_where_more_is_asked_of_it():
    x = torch.tensor([-1.0, -1.0, 2.0, 2.0], requires_grad=True)
    made = waking_relu(x)
    assert made.tolist() == [0, 0, 2, 2]
    made.backward(torch.tensor([-3.0, 3.0, -3.0, 3.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [-3, 0, -3, 3]


def sources() -> list[Callable[[], HintSource]]:
    return [
        SimulatedHints,
        lambda: NetworkHints(EventNetwork(SMALL_EVENTS)),
        lambda: FlowHints(SameMotion()),
    ]


@pytest.mark.parametrize("make", sources())
def test_hints_have_the_frames_size_and_no_gradient(make: Callable[[], HintSource]):
    hints = make()
    assert isinstance(hints, HintSource)
    before, frame, after = (torch.rand(2, 3, 24, 16, requires_grad=True) for _ in range(3))
    for found in (*hints.between(before, frame, after), *hints.pair(before, after)):
        assert found.shape == (2, hints.channels, 24, 16)
        assert found.dtype == torch.float32
        assert not found.requires_grad
        if not hints.moves:
            assert bool((found >= 0).all())
    with pytest.raises(ShapeError, match="differ in shape"):
        hints.pair(before, after[..., :15])
    with pytest.raises(ShapeError, match="differ in shape"):
        hints.between(before, frame[..., :15], after)


def test_events_of_the_pair_are_those_of_the_whole_gap():
    before, after = torch.rand(2, 1, 3, 8, 8)
    source = SimulatedHints()
    assert all(torch.equal(hint, source(before, after)) for hint in source.pair(before, after))


def test_motion_of_the_pair_is_what_the_model_says_in_its_units():
    towards, onwards = FlowHints(SameMotion((-4.0, 2.0, 8.0, -1.0), logit=2.0)).pair(*torch.rand(2, 1, 3, 8, 8))
    assert towards[0, :, 3, 3].tolist() == [-0.25, 0.125, 0.5]
    assert onwards[0, :, 3, 3].tolist() == [0.5, -0.0625, -0.5]
    sure, _ = FlowHints(SameMotion(logit=50.0)).pair(*torch.rand(2, 1, 3, 8, 8))
    assert sure[0, 2].unique().tolist() == [1.0]


def test_motion_of_a_known_frame_is_aligned_with_it():
    """The model is off by a pixel one way, the frame tells; what is asked of one side leaves the other."""
    before, after, frame = triplet(shift=4)  # moves two pixels to the right in each half
    source = FlowHints(SameMotion((-1.0, 0.0, 2.0, 0.0), logit=1.0))
    towards, onwards = source.between(before, frame, after)
    inside = (..., slice(8, -8), slice(8, -8))
    assert (towards[0, 0][inside] * 16).median().item() == pytest.approx(-2, abs=0.1)
    assert (onwards[0, 0][inside] * 16).median().item() == pytest.approx(2, abs=0.1)
    assert (towards[0, 1][inside] * 16).abs().median().item() < 0.1
    assert torch.equal(towards[:, 2], source.pair(before, after)[0][:, 2])


def test_some_samples_have_hints_of_the_pair_and_the_others_of_their_frame():
    before, frame, after = torch.rand(3, 4, 3, 16, 16)
    for source in (SimulatedHints(), FlowHints(SameMotion())):
        chosen = torch.tensor([True, False, False, True])
        of_pair, of_frame = source.pair(before, after), source.between(before, frame, after)
        mixed = mixed_hints(source, before, frame, after, chosen)
        for found, alone, told in zip(mixed, of_pair, of_frame, strict=True):
            assert torch.allclose(found[chosen], alone[chosen], atol=EXACT)
            assert torch.allclose(found[~chosen], told[~chosen], atol=EXACT)
        for all_of, wanted in ((None, of_frame), (chosen | True, of_pair)):
            found = mixed_hints(source, before, frame, after, all_of)
            assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_a_hint_network_stays_frozen_in_evaluation():
    network = EventNetwork(SMALL_EVENTS)
    hints = NetworkHints(network)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    hints(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_what_a_kind_needs_is_asked_for():
    assert isinstance(make_hints(HintConfig()), SimulatedHints)
    with pytest.raises(UsageError, match="need a trained image-to-event network"):
        make_hints(SMALL_EVENTS)
    with pytest.raises(UsageError, match="need another method's motion"):
        make_hints(FLOW)
    assert isinstance(make_hints(FLOW, motion=SAME_MOTION), FlowHints)
    assert isinstance(make_hints(HintConfig(), motion=MotionSource("none", "", pytest.fail)), SimulatedHints)
    with pytest.raises(ShapeError, match="has flow and mask of the shapes"):
        FlowHints(lambda *frames: SameMotion()(frames[0][..., :4], frames[1])).pair(*torch.rand(2, 1, 3, 8, 8))
