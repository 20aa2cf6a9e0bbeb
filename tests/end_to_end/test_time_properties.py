"""Properties of time over made clips: rates, dropped frames, jitter, B-frames, offsets of the sound, containers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips import Recipe, make_clip, textures
from midframe.core.timeline import Multiply, RateRule, SlowDown, ToRate
from midframe.video import VideoReader, probe
from timing import MILLISECOND, check_run

NTSC = Fraction(1000, 1001)
RATES = (12, 24 * NTSC, 24, 25, 30 * NTSC, 30, 50, 60 * NTSC, 60, 120)
TARGETS = (24, 24 * NTSC, 30, 48, 50, 60 * NTSC, 60, 90, 120)
PICTURES = [picture[..., :1].repeat(3, axis=2) for picture in textures(16, brightness=40)]


@dataclass(frozen=True)
class Clip:
    """A clip to be made.

    Attributes:
        rate: Frames per second before drops and jitter.
        kept: Which of 16 frames are there; the first always is.
        jitter: Quarters of a frame, from -1 to 1, by which each frame is late.
        lead: Frame durations by which the picture starts after the sound.
        b_frames: It has some.
        audio: It has sound.
        suffix: Its container.
    """

    rate: Fraction
    kept: tuple[bool, ...]
    jitter: tuple[int, ...]
    lead: int
    b_frames: bool
    audio: bool
    suffix: str

    def make(self, folder: Path) -> Path:
        base = MILLISECOND if self.suffix == ".mkv" else 1 / (12000 * self.rate.numerator * Fraction(1))
        base = Fraction(1, 90_000) if self.suffix == ".ts" else base
        indices = [k for k in range(16) if k == 0 or self.kept[k]]
        times = [
            round((k + self.lead + (Fraction(self.jitter[k], 5) if k else 0)) / self.rate / base) for k in indices
        ]
        options = {"qp": "0", "preset": "ultrafast"} | ({"bf": "2", "b-adapt": "0"} if self.b_frames else {})
        recipe = Recipe(rate=self.rate, times=times, time_base=base, options=options, audio=0.4 if self.audio else 0)
        return make_clip(folder / f"in{self.suffix}", [PICTURES[k] for k in indices], recipe)


def check(clip: Clip, rule: RateRule, suffix: str) -> None:
    with TemporaryDirectory() as folder:
        source = clip.make(Path(folder))
        info = probe(source)
        *_, last = VideoReader(info)
        assert info.average_rate is not None
        check_run(source, Path(folder) / f"out{suffix}", rule, last.time + last.duration, info.average_rate)


flags = st.lists(st.sampled_from([True, True, True, False]), min_size=16, max_size=16)
shifts = st.one_of(st.just([0] * 16), st.lists(st.integers(-1, 1), min_size=16, max_size=16))
wishes = st.tuples(
    st.sampled_from(RATES), flags, shifts, st.integers(0, 3), st.booleans(), st.booleans(),
    st.sampled_from([".mp4", ".mov", ".mkv", ".ts"]),
)  # fmt: skip
rules = st.one_of(
    st.tuples(st.just("rate"), st.sampled_from(TARGETS)),
    st.tuples(st.just("multiply"), st.integers(1, 5)),
    st.tuples(st.just("slow"), st.fractions(Fraction(1, 2), 4, max_denominator=4)),
)
outputs = st.sampled_from([".mp4", ".mkv", ".mov"])


def run_example(wish, stated, suffix: str) -> None:
    rate, kept, jitter, lead, b_frames, audio, container = wish
    clip = Clip(Fraction(rate), tuple(kept), tuple(jitter), lead if audio else 0, b_frames, audio, container)
    kind, number = stated
    rule = {"rate": ToRate, "multiply": Multiply, "slow": SlowDown}[kind]
    check(clip, rule(number if kind == "multiply" else Fraction(number)), suffix)


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@given(wishes, rules, outputs)
@settings(max_examples=20, derandomize=True, **SETTINGS)
def test_every_promise_on_time_holds_for_a_few_made_clips(wish, stated, suffix) -> None:
    run_example(wish, stated, suffix)


@pytest.mark.slow
@given(wishes, rules, outputs)
@settings(max_examples=400, **SETTINGS)
def test_every_promise_on_time_holds_for_many_made_clips(wish, stated, suffix) -> None:
    run_example(wish, stated, suffix)


def test_a_wrong_time_would_be_noticed(tmp_path: Path) -> None:
    clip = Clip(Fraction(24), (True,) * 16, (0,) * 16, 0, False, True, ".mp4")
    source = clip.make(tmp_path)
    with pytest.raises(AssertionError, match="lasts as long"):
        check_run(source, tmp_path / "a.mp4", ToRate(Fraction(60)), Fraction(16, 24) + Fraction(1, 200), Fraction(24))
