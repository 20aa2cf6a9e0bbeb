"""How a picture is to be shown: turned, mirrored, with pixels that are not square, and without what is cut off."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from blend import Blend
from clips import Recipe, make_clip, textures
from midframe.core.errors import UsageError
from midframe.core.timeline import Multiply
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, VideoReader, probe

QUICK = EncodeOptions(preset="ultrafast")
SMEARED_CHROMA = 5  # levels on average, at the hard edges of a texture of random colours in 4:2:0
WIDE = Fraction(64, 45)
# Degrees counter-clockwise, then mirrored across and down: all eight ways, and one that is none of them.
TURNS = [(turn, mirrored, False) for turn in (0, 90, 180, 270) for mirrored in (False, True)] + [(37, False, False)]


def turned_clip(path, turn):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(*turn)
        for number, pixels in enumerate(textures(3)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_every_turn_and_mirror_is_kept(tmp_path, suffix):
    matrices = set()
    for number, turn in enumerate(TURNS):
        source, target = turned_clip(tmp_path / f"{number}.mp4", turn), tmp_path / f"out-{number}.{suffix}"
        run_video(source, target, Blend(), Multiply(2), encode=QUICK)
        before, after = probe(source), probe(target)
        assert after.rotation == before.rotation
        assert after.display_matrix == before.display_matrix
        matrices.add(before.display_matrix)
    assert len(matrices) == len(TURNS)


def test_what_is_turned_is_stored_as_it_was(tmp_path):
    source, target = turned_clip(tmp_path / "in.mp4", (90, False, False)), tmp_path / "out.mp4"
    run_video(source, target, Blend(), Multiply(2), encode=EncodeOptions(encoder_options={"qp": "0"}))
    first, shown = (next(iter(VideoReader(probe(path)))).pixels for path in (source, target))
    assert shown.shape == (48, 64, 3)
    assert np.abs(shown.astype(int) - first).mean() < SMEARED_CHROMA
    assert np.abs(shown[::-1, ::-1].astype(int) - first).mean() > 4 * SMEARED_CHROMA


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(8, 9), WIDE], ids=str)
@pytest.mark.parametrize(
    ("suffix", "codec"), [("mp4", None), ("mkv", None), ("mov", "prores_ks"), ("mp4", "libvpx-vp9")]
)
def test_pixels_keep_their_shape(tmp_path, suffix, codec, aspect):
    source, target = make_clip(tmp_path / "in.mp4", textures(3), Recipe(aspect=aspect)), tmp_path / f"out.{suffix}"
    run_video(source, target, Blend(), Multiply(2), encode=EncodeOptions(codec=codec))
    assert probe(source).sample_aspect_ratio == probe(target).sample_aspect_ratio == aspect


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(8, 9), WIDE], ids=str)
@pytest.mark.parametrize("codec", ["libvpx-vp9", "ffv1"])
def test_matroska_is_told_the_shape_that_the_codec_does_not_state(tmp_path, codec, aspect):
    recipe = Recipe(aspect=aspect, audio=0.2)
    source, target = make_clip(tmp_path / "in.mp4", textures(3), recipe), tmp_path / "out.mkv"
    run_video(source, target, Blend(), Multiply(2), cuts=False, encode=EncodeOptions(codec=codec))
    info = probe(target)
    assert info.sample_aspect_ratio == aspect
    assert [stream.codec for stream in info.streams] == ["aac"]
    assert len(list(VideoReader(info))) == 5
    with av.open(str(target)) as container:  # its index leads to where things are
        container.seek(container.duration or 0)
        assert next(container.decode(video=0))


@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(8, 9)], ids=str)
def test_webm_is_told_the_shape_in_whole_pixels(tmp_path, aspect):
    source, target = make_clip(tmp_path / "in.mp4", textures(3), Recipe(aspect=aspect)), tmp_path / "out.webm"
    run_video(source, target, Blend(), Multiply(2), cuts=False)
    info = probe(target)
    assert abs(info.width * info.sample_aspect_ratio - info.width * aspect) <= 1
    assert len(list(VideoReader(info))) == 5


@pytest.mark.parametrize("degrees", [45, -45])
@pytest.mark.parametrize("name", ["out.gif", "out.y4m", "out/%d.png"])
def test_a_turn_by_no_quarter_is_refused_where_it_cannot_be_said(tmp_path, name, degrees):
    source = turned_clip(tmp_path / "in.mp4", (degrees, False, False))
    with pytest.raises(UsageError, match=f"shown turned by {degrees} degrees"):
        run_video(source, tmp_path / name, Blend(), Multiply(2))
    allowed = EncodeOptions(allow_loss=True)
    plan = make_plan(probe(source), tmp_path / name, Multiply(2), encode=allowed)
    assert not any("Frames are turned" in note for note in plan.notes)
    run_video(source, tmp_path / name, Blend(), Multiply(2), encode=allowed)
    info = probe(tmp_path / name.replace("%d", "1"))
    assert (info.width, info.height) == (64, 48)


@pytest.mark.parametrize(
    ("name", "pixel_format"),
    [("out.webp", None), ("out/%d.webp", None), ("out.y4m", None), ("out.y4m", "yuv444p")],
)
def test_where_pixels_would_become_square_it_is_refused_unless_allowed(tmp_path, name, pixel_format):
    source = make_clip(tmp_path / "in.mp4", textures(3), Recipe(aspect=WIDE))
    encode = EncodeOptions(pixel_format=pixel_format)
    with pytest.raises(UsageError, match="pixels of 64:45 are shown square"):
        run_video(source, tmp_path / name, Blend(), Multiply(2), encode=encode)
    allowed = EncodeOptions(allow_loss=True)
    plan = make_plan(probe(source), tmp_path / name, Multiply(2), encode=allowed)
    assert any("Lost: pixels of 64:45" in note for note in plan.notes)


@pytest.mark.parametrize("size", [(62, 46), (34, 50)])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_the_coded_stream_cuts_off_stays_cut_off(tmp_path, codec, size):
    """Codecs store whole blocks, and say how much of them is to be seen."""
    width, height = size
    planes = [
        [np.full((height, width), level, np.uint8), *[np.full((height // 2, width // 2), 128, np.uint8)] * 2]
        for level in (60, 80, 100)
    ]
    options = {"qp": "0"} if codec == "libx264" else {"x265-params": "lossless=1:log-level=none"}
    recipe = Recipe(codec=codec, options=options, planes=planes, size=size)
    source, target = make_clip(tmp_path / "in.mp4", [None] * 3, recipe), tmp_path / "out.mp4"
    run_video(
        source, target, Blend(), Multiply(2), cuts=False, encode=EncodeOptions(codec=codec, encoder_options=options)
    )
    info = probe(target)
    assert (info.width, info.height) == size
    levels = [frame.pixels for frame in VideoReader(info)]
    assert len(levels) == 5
    assert all(pixels.shape == (height, width, 3) and np.ptp(pixels) <= 1 for pixels in levels)


def test_an_encoder_of_grey_and_colour_is_given_colour(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2))
    target = tmp_path / "out.mov"
    run_video(source, target, Blend(), Multiply(2), cuts=False, encode=EncodeOptions(codec="png"))
    assert probe(target).pixel_format == "rgb24"
    grey = make_plan(
        probe(source), target, Multiply(2), encode=EncodeOptions(codec="png", pixel_format="gray"), overwrite=True
    )
    assert any("all colour is lost" in note for note in grey.notes)


def test_grey_pictures_without_a_matrix_are_read(tmp_path):
    source = make_clip(tmp_path / "in.mov", textures(2), Recipe(codec="png", options={}, pixel_format="gray"))
    pixels = next(iter(VideoReader(probe(source)))).pixels
    assert (pixels[..., 0] == pixels[..., 1]).all()
