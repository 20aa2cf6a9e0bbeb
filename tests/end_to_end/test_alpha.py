"""Transparency: kept where it is, and moved with the colours."""

from __future__ import annotations

import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from blend import Blend, Doubting
from clips import HEIGHT, WIDTH, Recipe, make_clip
from midframe import api
from midframe.core.errors import UsageError
from midframe.core.method import MethodSpec, Midpoint
from midframe.core.timeline import Multiply
from midframe.engine import make_plan, run_video
from midframe.methods.baseline import BlendInterpolator, ClassicalInterpolator
from midframe.video import EncodeOptions, VideoReader, probe
from midframe.video.picture import read_picture

STEP = 8
ROUNDING = 1  # level of 255
PNG = EncodeOptions(codec="png")
EXAMPLE = Path(__file__).parents[2] / "examples" / "transparency.py"


def sprite(place: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A textured square: opaque inside, half transparent around; green stands in the file where nothing is seen."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., :3] = (0, 255, 0)
    rows = slice(8, 40)
    row, column = np.mgrid[:32, :32]
    texture = np.stack(
        (128 + 100 * np.sin(row / 3), 128 + 100 * np.cos(column / 4), 128 + 90 * np.sin((row + column) / 5)), axis=-1
    )
    picture[rows, place : place + 32, :3] = texture
    picture[rows, place : place + 32, 3] = 128
    picture[12:36, place + 4 : place + 28, 3] = 255
    return picture


SPRITES = [sprite(8 + STEP * k) for k in range(3)]


class Shift:
    """Knows the motion: every instant is the frame before, moved by its share of a step."""

    def __init__(self, *, planes: bool) -> None:
        self.spec = MethodSpec(name="shift", planes=planes)
        self.seen: list[torch.Tensor] = []

    def interpolate(self, frames, times, *, generator=None):
        self.seen.append(frames)
        return torch.stack([frames[:, 0].roll(round(STEP * time), dims=-1) for time in times], dim=1)

    def interpolate_with_planes(self, frames, planes, times, *, generator=None):
        return self.interpolate(frames, times), self.interpolate(planes, times)


def run(source, target, method, rule, **options):
    options.setdefault("cuts", False)  # a jump of a sprite on a small picture might pass for one
    return run_video(source, target, method, rule, **options)


def read(path):
    return [frame.pixels for frame in VideoReader(probe(path), alpha=True)]


def premultiplied(pixels):
    values = pixels.astype(float) / np.iinfo(pixels.dtype).max
    return np.concatenate((values[..., :3] * values[..., 3:], values[..., 3:]), axis=-1)


def clip(folder, name="in.mov", codec="png", pixel_format="rgba", frames=SPRITES, **options):
    recipe = Recipe(codec=codec, pixel_format=pixel_format, options=options)
    return make_clip(folder / name, frames, recipe)


@pytest.mark.parametrize("planes", [True, False], ids=["moved beside", "two grounds"])
@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_a_moving_sprite_lies_exactly_between(tmp_path, planes, suffix):
    source, target = clip(tmp_path), tmp_path / f"out.{suffix}"
    encode = PNG if suffix == "mov" else EncodeOptions(codec="ffv1", pixel_format="bgra")
    result = run(source, target, Shift(planes=planes), Multiply(2), encode=encode)
    assert (result.made, result.kept) == (2, 3)
    for index, pixels in enumerate(read(target)):
        truth = sprite(8 + STEP // 2 * index)
        seen = pixels[..., 3] > 0
        assert np.abs(pixels[..., 3].astype(int) - truth[..., 3]).max() <= ROUNDING
        assert np.abs(pixels[seen].astype(int) - truth[seen]).max() <= 2 * ROUNDING


def test_a_frame_without_transparency_is_made_as_if_there_were_no_alpha(tmp_path):
    opaque = [np.concatenate((pixels[..., :3], np.full_like(pixels[..., :1], 255)), axis=-1) for pixels in SPRITES]
    with_alpha = clip(tmp_path, frames=opaque)
    without = clip(tmp_path, "without.mov", pixel_format="rgb24", frames=[pixels[..., :3] for pixels in opaque])
    for method in (ClassicalInterpolator(), Blend()):
        shown = []
        for source in (with_alpha, without):
            run(source, tmp_path / "out.mov", method, Multiply(2), encode=PNG, overwrite=True)
            shown.append([frame.pixels for frame in VideoReader(probe(tmp_path / "out.mov"))])
        assert all(np.array_equal(a, b) for a, b in zip(*shown, strict=True))


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [
        ("in.mov", "qtrle", "argb"),
        ("in.mov", "prores_ks", "yuva444p10le"),
        ("in.mkv", "ffv1", "yuva420p"),
        ("in.mkv", "ffv1", "gbrap10le"),
        ("in.webm", "libvpx-vp9", "yuva420p"),
        ("in.apng", "apng", "rgba"),
    ],
)
def test_alpha_of_every_kind_of_source_is_mixed_premultiplied(tmp_path, name, codec, pixel_format):
    options = {"lossless": "1"} if codec == "libvpx-vp9" else {}
    source = clip(tmp_path, name, codec, pixel_format, **options)
    info = probe(source)
    assert info.has_alpha
    before = read(source)
    assert np.abs(before[0][..., 3] / np.iinfo(before[0].dtype).max * 255 - SPRITES[0][..., 3]).max() <= ROUNDING
    target = tmp_path / "out.mkv"
    deep = before[0].dtype == np.uint16
    run(
        source,
        target,
        BlendInterpolator(),
        Multiply(2),
        encode=EncodeOptions(codec="ffv1", pixel_format="gbrap12le" if deep else "bgra"),
    )
    after = read(target)
    assert probe(target).has_alpha
    for index in range(3):
        difference = premultiplied(after[2 * index]) - premultiplied(before[index])
        assert np.abs(difference).max() <= 1 / 255
    for index in range(2):
        mean = (premultiplied(before[index]) + premultiplied(before[index + 1])) / 2
        assert np.abs(premultiplied(after[2 * index + 1]) - mean).max() <= 1.5 / 255


@pytest.mark.parametrize(
    ("name", "encode", "error"),
    [
        ("out.mov", EncodeOptions(), 2),  # ProRes is lossy; its alpha is not, but has other levels
        ("out.mov", EncodeOptions(codec="qtrle"), 0),
        ("out.mkv", EncodeOptions(), 0),
        ("out.apng", EncodeOptions(), 0),
        ("out.webm", EncodeOptions(allow_loss=True), 8),  # VP9 at its usual quality
    ],
    ids=["prores", "qtrle", "ffv1", "apng", "vp9"],
)
def test_alpha_is_written_where_the_container_can_hold_it(tmp_path, name, encode, error):
    source, target = clip(tmp_path), tmp_path / name
    plan = make_plan(probe(source), target, Multiply(2), encode=encode)
    assert ("transparency", "kept") in plan.lines()
    run(source, target, BlendInterpolator(), Multiply(2), encode=encode)
    assert probe(target).has_alpha
    shown = read(target)
    assert len(shown) == 5
    for pixels, wanted in zip(shown[::2], SPRITES, strict=True):
        alpha = pixels[..., 3] / np.iinfo(pixels.dtype).max * 255
        assert np.abs(alpha - wanted[..., 3]).mean() <= error / 4
        inside = wanted[..., 3] == 255
        assert np.abs(alpha[inside] - 255).max() <= error


def test_a_container_without_transparency_is_refused_unless_the_loss_is_allowed(tmp_path):
    source = clip(tmp_path)
    with pytest.raises(UsageError, match="transparency of the source is lost"):
        run(source, tmp_path / "out.mp4", Blend(), Multiply(2))
    method = Shift(planes=True)
    run(source, tmp_path / "out.mp4", method, Multiply(2), encode=EncodeOptions(allow_loss=True))
    assert not probe(tmp_path / "out.mp4").has_alpha


def test_pictures_in_a_folder_keep_their_transparency(tmp_path):
    source, target = clip(tmp_path), tmp_path / "%03d.png"
    run(source, target, BlendInterpolator(), Multiply(2))
    for number, wanted in zip((1, 3, 5), SPRITES, strict=True):
        assert np.array_equal(read_picture(tmp_path / f"{number:03d}.png", alpha=True), wanted)


def test_motion_is_sought_in_colours_on_grey(tmp_path):
    method = Shift(planes=True)
    run(clip(tmp_path), tmp_path / "out.mov", method, Multiply(2), encode=PNG)
    colours, alpha = method.seen[:2]
    assert (colours.shape[2], alpha.shape[2]) == (3, 1)
    assert torch.allclose(colours[..., :4, :], torch.tensor(0.5))


def test_the_plan_says_which_methods_need_two_passes(tmp_path):
    info = probe(clip(tmp_path))
    twice = "makes each frame twice"
    slow = make_plan(info, tmp_path / "out.mov", Multiply(2), method=Shift(planes=False).spec)
    assert any(twice in note for note in slow.notes)
    quick = make_plan(info, tmp_path / "out.mov", Multiply(2), method=Shift(planes=True).spec)
    assert not any(twice in note for note in quick.notes)


def test_halving_and_doubt_work_with_transparency(tmp_path):
    source = clip(tmp_path)
    run(source, tmp_path / "out.mov", Blend(Midpoint()), Multiply(4), encode=PNG)
    shown = [premultiplied(pixels) for pixels in read(tmp_path / "out.mov")]
    quarter = 0.75 * premultiplied(SPRITES[0]) + 0.25 * premultiplied(SPRITES[1])
    assert np.abs(shown[1] - quarter).max() <= 2 / 255
    chart = tmp_path / "map.mkv"
    run(source, tmp_path / "doubt.mov", Doubting(), Multiply(2), encode=PNG, confidence=chart)
    assert chart.exists()
    assert len(read(tmp_path / "doubt.mov")) == 5


def test_a_stopped_run_goes_on_with_its_transparency(tmp_path):
    class Stopping(BlendInterpolator):
        def interpolate_with_planes(self, frames, planes, times, *, generator=None):
            if self.calls == 13:  # so far in the second scene that the first is on the disk
                raise KeyboardInterrupt
            self.calls += 1
            return super().interpolate_with_planes(frames, planes, times)

        calls = 0

    slow = [sprite(8 + 2 * k) for k in range(12)]
    other_scene = [np.maximum(pixels, (0, 0, 0, 254)).astype(np.uint8) for pixels in slow]
    source = clip(tmp_path, frames=[*slow[:4], *other_scene])
    encode = EncodeOptions(encoder_options={"lossless": "1"}, allow_loss=True)
    run(source, tmp_path / "whole.webm", BlendInterpolator(), Multiply(2), encode=encode, cuts=True)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out.webm", Stopping(), Multiply(2), encode=encode, cuts=True)
    result = run(source, tmp_path / "out.webm", BlendInterpolator(), Multiply(2), encode=encode, cuts=True)
    assert result.resumed > 0
    pairs = zip(read(tmp_path / "out.webm"), read(tmp_path / "whole.webm"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert Fraction(len(read(tmp_path / "out.webm"))) == result.frames_out


def test_the_shipped_network_moves_a_sprite_and_its_transparency_together():
    measure = runpy.run_path(str(EXAMPLE))["measure"]
    colours, alpha = measure(api.load("rife", device="cpu", precision="fp32"))
    assert colours > 45  # a blend reaches 21
    assert alpha > 50  # a blend reaches 24
