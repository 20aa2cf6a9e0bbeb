import json
import time
from collections.abc import Sequence
from fractions import Fraction
from statistics import median

import pytest
import torch

from midframe.core.errors import UsageError
from midframe.core.method import Grid, MethodSpec, check_request
from midframe.evaluation import bench
from midframe.evaluation.bench import bench_in_turns, machine_facts
from midframe.methods.baseline import BlendInterpolator

NAP_SECONDS = 0.02
HOARD_BYTES = 200_000_000


class SleepingInterpolator:
    """Takes a known time for each call, and keeps what it was given."""

    def __init__(self, spec: MethodSpec, nap_seconds: float = NAP_SECONDS) -> None:
        self.spec, self.nap_seconds = spec, nap_seconds
        self.calls: list[tuple[tuple[int, ...], list[Fraction]]] = []

    def interpolate(
        self, frames: torch.Tensor, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        check_request(self.spec, frames, times)
        self.calls.append((tuple(frames.shape), list(times)))
        time.sleep(self.nap_seconds)
        return frames[:, : len(times)]


def test_frames_per_second_follow_from_the_median_time():
    interpolator = SleepingInterpolator(MethodSpec(name="sleeping"))
    result = bench(interpolator, (64, 48), warm_up_runs=1, timed_runs=3, precision="bfloat16")
    assert len(interpolator.calls) == 4
    assert len(result["seconds"]) == 3
    assert result["seconds_minimum"] == min(result["seconds"]) >= NAP_SECONDS
    assert result["frames_per_second"] == 1 / median(result["seconds"]) <= 1 / NAP_SECONDS
    assert result["threads"] == torch.get_num_threads()
    assert (result["method"], result["size"], result["device"], result["precision"]) == (
        "sleeping", "64x48", "cpu", "bfloat16",
    )  # fmt: skip
    assert json.loads(json.dumps(result)) == result


def test_nineteen_of_twenty_runs_take_no_longer_than_the_95th_percentile():
    result = bench(SleepingInterpolator(MethodSpec(name="sleeping"), 0.001), (64, 48), timed_runs=21)
    ordered = sorted(result["seconds"])
    assert result["seconds_p95"] == pytest.approx(ordered[19])


def test_a_method_takes_turns_with_a_slower_one_and_is_faster_by_the_ratio_of_their_times():
    order = []

    class Noting(SleepingInterpolator):
        def interpolate(self, frames, times, *, generator=None):
            order.append(self.spec.name)
            return super().interpolate(frames, times, generator=generator)

    fast = Noting(MethodSpec(name="fast"), NAP_SECONDS)
    slow = Noting(MethodSpec(name="slow"), 4 * NAP_SECONDS)
    result = bench_in_turns(fast, slow, (64, 48), warm_up_runs=1, timed_runs=4)
    assert order == ["fast", "slow", "fast", "slow", "slow", "fast", "fast", "slow", "slow", "fast"]
    against = result["against"]
    assert against["ratios"] == [b / a for a, b in zip(result["seconds"], against["seconds"], strict=True)]
    assert against["ratio_lowest"] <= against["ratio"] <= against["ratio_highest"]
    assert 1.5 < against["ratio"] < 6, "about four, on a machine that does other things too"


def test_the_machine_is_described():
    facts = machine_facts(torch.device("cpu"))
    assert facts["name"] and facts["system"]
    assert (facts["torch"], facts["threads"]) == (torch.__version__, torch.get_num_threads())


def test_memory_that_a_run_holds_shows_in_its_peak():
    class Hoarding(SleepingInterpolator):
        def interpolate(self, frames, times, *, generator=None):
            torch.ones(HOARD_BYTES // 4)
            return super().interpolate(frames, times)

    lean = bench(SleepingInterpolator(MethodSpec(name="lean"), 0), (64, 48), timed_runs=2)["peak_memory_bytes"]
    rich = bench(Hoarding(MethodSpec(name="rich"), 0), (64, 48), timed_runs=2)["peak_memory_bytes"]
    if lean is None or rich is None:
        pytest.skip("this system does not tell how much memory a process held")
    assert rich - lean > HOARD_BYTES // 2


def test_a_four_frame_method_on_a_grid_gets_a_padded_window_and_an_instant_it_offers():
    interpolator = SleepingInterpolator(MethodSpec(name="sleeping", context=2, times=Grid(parts=3), size_multiple=32))
    bench(interpolator, (40, 33), warm_up_runs=0, timed_runs=1)
    assert interpolator.calls == [((1, 4, 3, 64, 64), [Fraction(1, 3)])]


def test_more_pixels_take_longer():
    small = bench(BlendInterpolator(), (64, 48))
    large = bench(BlendInterpolator(), (1280, 960))
    assert large["frames_per_second"] < small["frames_per_second"]


@pytest.mark.parametrize("size", [(0, 48), (64, -1)])
def test_refuses_a_size_that_is_not_positive(size):
    with pytest.raises(UsageError, match=f"must be positive; got {size[0]}x{size[1]}"):
        bench(BlendInterpolator(), size)


def test_refuses_to_time_no_run():
    with pytest.raises(UsageError, match="At least one run must be timed; got 2 to warm up and 0 timed"):
        bench(BlendInterpolator(), (64, 48), timed_runs=0)
