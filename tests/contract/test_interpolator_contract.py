"""What `midframe.core.method.Interpolator` promises, held against every implementation."""

from fractions import Fraction

import pytest
import torch
from interpolators import INTERPOLATORS

from midframe.core.errors import UsageError
from midframe.core.method import AnyTime, Interpolator, LayeredInterpolator, Midpoint, UncertainInterpolator

BATCH_TOLERANCE = 1e-4  # a convolution may add up its terms in another order when the batch is larger


@pytest.fixture(params=INTERPOLATORS.values(), ids=INTERPOLATORS.keys())
def interpolator(request: pytest.FixtureRequest) -> Interpolator:
    return request.param()


def random_frames(interpolator: Interpolator, batch: int = 1, seed: int = 0) -> torch.Tensor:
    """Inputs of the smallest size above 48x64 that the method takes."""
    multiple = interpolator.spec.size_multiple
    height, width = (-(-side // multiple) * multiple for side in (48, 64))
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, interpolator.spec.window, 3, height, width, generator=generator)


def offered_times(interpolator: Interpolator) -> list[Fraction]:
    """Two or more instants where the method has them."""
    twelfths = [Fraction(part, 12) for part in range(1, 12)]
    offered = [time for time in twelfths if interpolator.spec.times.accepts(time)]
    assert offered, "no twelfth of the gap is offered: extend this list"
    return offered


def interpolate(interpolator: Interpolator, frames: torch.Tensor, times: list[Fraction]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1) if interpolator.spec.stochastic else None
    with torch.inference_mode():
        return interpolator.interpolate(frames, times, generator=generator)


def test_satisfies_the_protocol(interpolator):
    assert isinstance(interpolator, Interpolator)
    assert interpolator.spec.context in (1, 2)
    assert interpolator.spec.size_multiple >= 1


def test_gives_one_float_frame_for_each_time(interpolator):
    frames, times = random_frames(interpolator, batch=2), offered_times(interpolator)
    synthesised = interpolate(interpolator, frames, times)
    assert synthesised.shape == (2, len(times), *frames.shape[2:])
    assert synthesised.dtype == torch.float32
    assert synthesised.device == frames.device


def test_stays_in_range_even_where_the_input_does_not(interpolator):
    frames = random_frames(interpolator) * 3 - 1
    synthesised = interpolate(interpolator, frames, offered_times(interpolator))
    assert synthesised.isfinite().all()
    assert synthesised.min() >= 0
    assert synthesised.max() <= 1


def test_leaves_its_input_unchanged(interpolator):
    frames = random_frames(interpolator)
    copy = frames.clone()
    interpolate(interpolator, frames, offered_times(interpolator))
    assert torch.equal(frames, copy)


def test_repeats_itself_to_the_bit(interpolator):
    frames, times = random_frames(interpolator), offered_times(interpolator)
    assert torch.equal(interpolate(interpolator, frames, times), interpolate(interpolator, frames, times))


def test_depends_on_its_input(interpolator):
    times = offered_times(interpolator)
    first = interpolate(interpolator, random_frames(interpolator, seed=0), times)
    second = interpolate(interpolator, random_frames(interpolator, seed=1), times)
    assert not torch.allclose(first, second, atol=0.01)


def test_batch_neighbours_have_no_effect(interpolator):
    if interpolator.spec.stochastic:
        pytest.skip("one generator serves the whole batch, so that neighbours shift its draws")
    frames, times = random_frames(interpolator, batch=3), offered_times(interpolator)
    together = interpolate(interpolator, frames, times)
    alone = torch.cat([interpolate(interpolator, frames[row : row + 1], times) for row in range(3)])
    assert torch.allclose(together, alone, atol=BATCH_TOLERANCE)


def test_a_time_gives_the_same_frame_whichever_others_are_asked_for(interpolator):
    if interpolator.spec.stochastic:
        pytest.skip("further times draw from the same generator")
    frames, times = random_frames(interpolator), offered_times(interpolator)
    together = interpolate(interpolator, frames, times)
    alone = torch.cat([interpolate(interpolator, frames, [time]) for time in times], dim=1)
    assert torch.allclose(together, alone, atol=BATCH_TOLERANCE)


@pytest.mark.parametrize("time", [Fraction(0), Fraction(1), Fraction(-1, 2), Fraction(3, 2)], ids=str)
def test_refuses_a_time_outside_the_gap(interpolator, time):
    with pytest.raises(UsageError, match=f"cannot synthesise the instant {time}"):
        interpolate(interpolator, random_frames(interpolator), [time])


def test_refuses_a_time_that_its_spec_does_not_offer(interpolator):
    if interpolator.spec.times == AnyTime():
        pytest.skip("every instant is offered")
    unusual = Fraction(1, 97)
    with pytest.raises(UsageError, match="cannot synthesise the instant 1/97"):
        interpolate(interpolator, random_frames(interpolator), [unusual])


def test_refuses_times_that_do_not_ascend(interpolator):
    if interpolator.spec.times == Midpoint():
        pytest.skip("one instant only")
    times = offered_times(interpolator)[::-1]
    with pytest.raises(UsageError, match="strictly ascending"):
        interpolate(interpolator, random_frames(interpolator), times)


def test_refuses_a_window_of_another_length(interpolator):
    frames = random_frames(interpolator)
    with pytest.raises(UsageError, match="takes frames of shape"):
        interpolate(interpolator, frames[:, :-1], offered_times(interpolator))


def test_refuses_a_size_that_is_not_a_multiple(interpolator):
    if interpolator.spec.size_multiple == 1:
        pytest.skip("every size is a multiple of 1")
    with pytest.raises(UsageError, match="multiples of"):
        interpolate(interpolator, random_frames(interpolator)[..., :-1], offered_times(interpolator))


def test_says_how_sure_it_is_exactly_where_its_spec_says_so(interpolator):
    assert isinstance(interpolator, UncertainInterpolator) == interpolator.spec.uncertainty


def test_uncertainty_lies_beside_the_very_same_frames(interpolator):
    if not interpolator.spec.uncertainty:
        pytest.skip("this method does not say how sure it is")
    frames, times = random_frames(interpolator, batch=2), offered_times(interpolator)
    with torch.inference_mode():
        made, doubt = interpolator.interpolate_with_uncertainty(frames, times)
    assert torch.equal(made, interpolate(interpolator, frames, times))
    assert doubt.shape == (2, len(times), 1, *frames.shape[-2:])
    assert doubt.dtype == torch.float32
    assert 0 <= float(doubt.min()) <= float(doubt.max()) <= 1
    assert float(doubt.max()) > 0


def test_moves_further_planes_exactly_where_its_spec_says_so(interpolator):
    assert isinstance(interpolator, LayeredInterpolator) == interpolator.spec.planes


def test_planes_move_as_the_colours_do_beside_the_very_same_frames(interpolator):
    if not interpolator.spec.planes:
        pytest.skip("this method moves nothing beside the colours")
    frames, times = random_frames(interpolator), offered_times(interpolator)
    planes = frames[:, :, 1:2]
    made, moved = interpolator.interpolate_with_planes(frames, planes, times)
    assert torch.equal(made, interpolate(interpolator, frames, times))
    assert moved.shape == (1, len(times), 1, *frames.shape[-2:])
    assert moved.dtype == torch.float32
    flat = torch.full_like(planes, 0.25)
    _, still = interpolator.interpolate_with_planes(frames, flat, times)
    assert torch.allclose(still, torch.full_like(still, 0.25), atol=1e-5)
