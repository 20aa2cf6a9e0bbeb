from fractions import Fraction

import pytest

from clips import Recipe, make_clip, make_sound, textures
from midframe.core.errors import MediaError
from midframe.video import probe
from midframe.video.colour import FULL, LIMITED, resolve_colour


def test_reads_the_facts_of_a_file(tmp_path):
    recipe = Recipe(rate=Fraction(24000, 1001), audio=0.6, aspect=Fraction(4, 3), rotation=90)
    info = probe(make_clip(tmp_path / "clip.mp4", textures(12), recipe))
    assert (info.width, info.height, info.codec, info.pixel_format) == (64, 48, "h264", "yuv420p")
    assert (info.bit_depth, info.has_alpha, info.interlaced) == (8, False, False)
    assert info.average_rate == Fraction(24000, 1001)
    assert info.duration == 12 * Fraction(1001, 24000)
    assert info.frame_count == 12
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert info.rotation == 90
    assert [(stream.kind, stream.codec) for stream in info.streams] == [("audio", "aac")]


def test_stated_colour_is_read(tmp_path):
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
    info = probe(make_clip(tmp_path / "clip.mp4", textures(2), Recipe(tags=tags)))
    assert (info.colour.matrix, info.colour.range) == (9, LIMITED)
    assert (info.colour.primaries, info.colour.transfer) == (9, 16)
    assert not info.colour.matrix_is_assumed
    assert "BT.2020" in info.colour.sentence()


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (719, 6), (720, 1), (2160, 1)])
def test_unstated_matrix_follows_the_usual_rule_and_is_said(height, matrix):
    colour = resolve_colour(2, 0, 2, 2, "yuv420p", height)
    assert (colour.matrix, colour.range) == (matrix, LIMITED)
    assert "not stated" in colour.sentence()


def test_jpeg_pixel_formats_have_full_range():
    assert resolve_colour(6, 0, 2, 2, "yuvj420p", 480).range == FULL


def test_a_matrix_that_cannot_be_converted_is_refused():
    with pytest.raises(MediaError, match=r"matrix 14 .* cannot convert"):
        resolve_colour(14, 1, 9, 16, "yuv420p10le", 2160)


def broken_missing(folder):
    return folder / "missing.mp4"


def broken_folder(folder):
    return folder


def broken_empty(folder):
    path = folder / "empty.mp4"
    path.touch()
    return path


def broken_text(folder):
    path = folder / "text.mp4"
    path.write_text("This is not a video, whatever its name says.\n" * 40)
    return path


def broken_sound(folder):
    return make_sound(folder / "sound.mp4")


def broken_head(folder):
    whole = make_clip(folder / "whole.mp4", textures(12)).read_bytes()
    path = folder / "head.mp4"
    path.write_bytes(whole[: len(whole) // 2])  # the index of an mp4 lies at its end
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (broken_missing, "does not exist"),
        (broken_folder, "There are no pictures in"),
        (broken_empty, "is empty"),
        (broken_text, "cannot be read as a video"),
        (broken_sound, "has no video stream"),
        (broken_head, "cannot be read as a video"),
    ],
)
def test_what_is_no_video_is_refused_in_one_sentence(tmp_path, make, sentence):
    with pytest.raises(MediaError, match=sentence) as caught:
        probe(make(tmp_path))
    assert "\n" not in str(caught.value)
