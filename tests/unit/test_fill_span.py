"""Part of a video is filled as a run over all of it would fill it."""

from fractions import Fraction

import numpy as np
import pytest

from blend import Blend
from clips import Recipe, make_clip, textures
from midframe.core.timeline import Multiply, SlowDown, ToRate
from midframe.engine import GapFiller, run_video
from midframe.engine.span import fill_span
from midframe.video import EncodeOptions, VideoReader, mark_cuts, probe
from midframe.video.span import read_frames

LOSSLESS = EncodeOptions(codec="libx264rgb", encoder_options={"qp": "0"})


@pytest.mark.parametrize("rule", [Multiply(3), ToRate(Fraction(60)), SlowDown(Fraction(3))])
@pytest.mark.parametrize("context", [1, 2])
def test_moments_inside_are_those_of_a_whole_run(tmp_path, rule, context):
    pictures = textures(8, seed=1) + textures(8, seed=2, brightness=90)
    recipe = Recipe(rate=Fraction(25), codec="libx264rgb", pixel_format="rgb24")
    info = probe(make_clip(tmp_path / "clip.mkv", pictures, recipe))
    target = tmp_path / "whole.mkv"
    run_video(info.path, target, Blend(context=context), rule, encode=LOSSLESS)
    whole = {round(frame.time, 2): frame.pixels for frame in VideoReader(probe(target))}
    method = Blend(context=context)
    marked = mark_cuts(read_frames(info, 2, 14))
    moments = list(fill_span(marked, GapFiller(method), method.spec, rule, info))
    inside = [moment for moment in moments if 4 <= moment.source < 11]
    assert len(inside) > 14
    assert {moment.is_made for moment in inside if moment.source == 7} == {False}, "held before the cut"
    assert any(moment.is_made for moment in inside)
    for moment in inside:
        assert np.array_equal(moment.pixels, whole[round(moment.time, 2)])


def test_the_last_frame_is_held(tmp_path):
    info = probe(make_clip(tmp_path / "clip.mp4", textures(6)))
    method = Blend()
    marked = [(frame, False) for frame in read_frames(info, 1, 4)]
    moments = list(fill_span(marked, GapFiller(method), method.spec, Multiply(2), info))
    assert [(moment.source, moment.is_made) for moment in moments] == [
        (1, False), (1, True), (2, False), (2, True), (3, False),
    ]  # fmt: skip
