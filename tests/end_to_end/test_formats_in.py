"""Sources that are no video file: pictures, animations, standard input."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blend import Blend
from clips import Recipe, make_clip, textures
from midframe import api
from midframe.core.errors import MediaError, UsageError, WriteError
from midframe.core.timeline import Multiply, ToRate
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, VideoReader, probe
from midframe.video.picture import write_picture

PATIENCE_SECONDS = 120
MILLISECOND = Fraction(1, 1000)
EXACT = EncodeOptions(codec="ffv1", pixel_format="bgr0")
UNEVEN = (20, 50, 100, 40, 210)


def pictures(folder: Path, names: list[str]) -> list[np.ndarray]:
    """Write moving pictures under some names, in the order of the names."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = textures(len(names))
    for name, pixels in zip(names, frames, strict=True):
        write_picture(folder / name, pixels)
    return frames


def run(source: Path, target: Path, rule=None, **options):
    return run_video(source, target, Blend(), rule or Multiply(1), sidecar=False, **({"encode": EXACT} | options))


def frames(path: Path) -> list:
    return list(VideoReader(probe(path)))


def shows(path: Path, expected: list[np.ndarray]) -> bool:
    found = frames(path)
    return len(found) == len(expected) and all((a.pixels == b).all() for a, b in zip(found, expected, strict=True))


# Pictures


@pytest.mark.parametrize("name", ["in", "in/f%d.png", "in/f*.png", "in/f?*.png"])
def test_pictures_are_read_in_the_order_of_their_numbers(tmp_path, name):
    expected = pictures(tmp_path / "in", [f"f{number}.png" for number in range(1, 13)])
    (tmp_path / "in" / "notes.txt").write_text("mine")
    run(tmp_path / name, tmp_path / "out.mkv")
    assert shows(tmp_path / "out.mkv", expected)


def test_the_rate_of_pictures_is_25_or_what_is_asked_for_and_the_plan_says_it(tmp_path):
    pictures(tmp_path / "in", [f"{number:04d}.png" for number in range(6)])
    plan = make_plan(probe(tmp_path / "in"), tmp_path / "out.mp4", Multiply(2))
    assert (plan.frames_in, plan.frames_out, plan.rate, plan.duration) == (6, 11, 50, Fraction(6, 25))
    assert "6 pictures, 0000.png to 0005.png, read at 25 frames a second (--input-rate changes it)." in plan.notes
    result = api.interpolate_video(tmp_path / "in", tmp_path / "out.mp4", method="blend", input_rate="23.976")
    assert result.duration == 6 * Fraction(1001, 24000)
    times = [frame.time for frame in frames(tmp_path / "out.mp4")]
    assert times == [number * Fraction(1001, 48000) for number in range(11)]


def test_missing_numbers_are_named(tmp_path):
    pictures(tmp_path / "in", [f"s01_{number:03d}.png" for number in (1, 2, 4, 5, 9)])
    note = "Pictures with the numbers 3, 6 to 8 are missing; those after them move up."
    assert note in run(tmp_path / "in", tmp_path / "out.mkv").notes
    pictures(tmp_path / "steps", [f"{number}.png" for number in range(0, 50, 10)])
    assert not any("missing" in note for note in probe(tmp_path / "steps").notes)


def test_pictures_become_pictures(tmp_path):
    expected = pictures(tmp_path / "in", [f"{number}.png" for number in range(3)])
    result = api.interpolate_video(f"{tmp_path}/in", f"{tmp_path}/out/", method="blend")
    written = sorted((tmp_path / "out").glob("*.png"))
    assert len(written) == result.frames_out == 5
    assert all((frames(path)[0].pixels == pixels).all() for path, pixels in zip(written[::2], expected, strict=True))
    with pytest.raises(WriteError, match="is the source itself"):
        api.interpolate_video(f"{tmp_path}/in", f"{tmp_path}/in", method="blend", overwrite=True)


def test_sixteen_bits_of_pictures_are_kept(tmp_path):
    deep = [np.full((48, 64, 3), 257 * level + 3, np.uint16) for level in (10, 200)]
    (tmp_path / "in").mkdir()
    for number, pixels in enumerate(deep):
        write_picture(tmp_path / "in" / f"{number}.png", pixels)
    run(tmp_path / "in", tmp_path / "out.apng", encode=None)
    assert shows(tmp_path / "out.apng", deep)


def test_a_changed_picture_is_not_mixed_in(tmp_path):
    pictures(tmp_path / "in", [f"{number}.png" for number in range(5)])
    source, target = tmp_path / "in", tmp_path / "out.mkv"

    def stop(_):
        (tmp_path / ".out.mkv.midframe" / "000000.segment").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(source, target, progress=stop)
    pictures(tmp_path / "in", ["5.png"])
    with pytest.raises(WriteError, match="source was"):
        run(source, target)


def test_a_picture_that_does_not_decode_is_named(tmp_path):
    pictures(tmp_path / "in", [f"{number}.png" for number in range(4)])
    (tmp_path / "in" / "2.png").write_bytes(b"no picture")
    with pytest.raises(MediaError, match=r"A frame does not decode at 0\.080 s: .*2\.png"):
        run(tmp_path / "in", tmp_path / "out.mkv")
    result = run(tmp_path / "in", tmp_path / "out.mkv", ToRate(Fraction(25)), skip_damaged=True)
    assert (result.frames_in, result.frames_out) == (3, 4)


def test_what_cannot_be_a_row_of_pictures_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MediaError, match="There are no pictures in"):
        probe(tmp_path / "empty")
    with pytest.raises(MediaError, match=r"no pictures that are named as in .*%d\.png"):
        probe(tmp_path / "empty" / "%d.png")
    pictures(tmp_path / "in", ["1.png"])
    (tmp_path / "in" / "2.jpg").write_bytes(b"")
    with pytest.raises(MediaError, match=r"several kinds \(\.jpg, \.png\); name one"):
        probe(tmp_path / "in")
    with pytest.raises(UsageError, match="has its own times"):
        probe(make_clip(tmp_path / "in.mp4", textures(2)), Fraction(30))


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    source = make_clip(tmp_path / "take [1] %02d.mp4", textures(3))
    assert run(source, tmp_path / "out.mkv").frames_in == 3


# Animations


@pytest.mark.parametrize("suffix", ["gif", "apng", "webp"])
def test_the_frames_of_an_animation_stand_as_long_as_it_says(tmp_path, suffix):
    source, expected = tmp_path / f"in.{suffix}", textures(len(UNEVEN))
    first, *others = (Image.fromarray(pixels) for pixels in expected)
    options = {"lossless": True} if suffix == "webp" else {}
    kind = "PNG" if suffix == "apng" else suffix
    first.save(source, format=kind, save_all=True, append_images=others, duration=UNEVEN, loop=3, **options)
    found = frames(source)
    assert [frame.duration / MILLISECOND for frame in found] == list(UNEVEN)
    assert [frame.time / MILLISECOND for frame in found] == [0, 20, 70, 170, 210]
    if suffix != "gif":
        assert all((frame.pixels == pixels).all() for frame, pixels in zip(found, expected, strict=True))
    assert probe(source).plays == (4 if suffix == "gif" else 3)
    result = run(source, tmp_path / "out.mkv", Multiply(2))
    assert result.duration == sum(UNEVEN) * MILLISECOND
    assert result.frames_out == 9


def test_webp_goes_round(tmp_path):
    source = make_clip(tmp_path / "in.mkv", textures(4), Recipe(codec="ffv1", pixel_format="bgr0", options={}))
    run(source, tmp_path / "out.webp", encode=None)
    assert shows(tmp_path / "out.webp", textures(4))
    assert not probe(tmp_path / "out.webp").has_alpha


def test_a_transparent_webp_is_known_to_be(tmp_path):
    glass = [np.dstack((pixels, np.full(pixels.shape[:2], 100, np.uint8))) for pixels in textures(2)]
    first, second = map(Image.fromarray, glass)
    first.save(tmp_path / "in.webp", save_all=True, append_images=[second], duration=40, lossless=True, exact=True)
    assert probe(tmp_path / "in.webp").has_alpha
    with pytest.raises(UsageError, match="transparency"):
        make_plan(probe(tmp_path / "in.webp"), tmp_path / "out.mp4", Multiply(2))


def test_a_transparent_gif_is_told_from_an_opaque_one(tmp_path):
    clear = [np.dstack((pixels, np.full(pixels.shape[:2], 255, np.uint8))) for pixels in textures(2)]
    for name, hole in (("opaque.gif", 255), ("clear.gif", 0)):
        for picture in clear:
            picture[:10, :10, 3] = hole
        first, second = map(Image.fromarray, clear)
        first.save(tmp_path / name, save_all=True, append_images=[second], duration=40, disposal=2)
    assert not probe(tmp_path / "opaque.gif").has_alpha
    with pytest.raises(UsageError, match="transparency of the source is lost"):
        make_plan(probe(tmp_path / "clear.gif"), tmp_path / "out.mp4", Multiply(2))
    run(tmp_path / "clear.gif", tmp_path / "out.apng", encode=None)
    with Image.open(tmp_path / "out.apng") as image:
        alpha = np.array(image.convert("RGBA"))[..., 3]
    assert (alpha[:10, :10] == 0).all()
    assert (alpha[10:] == 255).all()


@pytest.mark.parametrize("name", ["out.apng", "out.webp", "out/%d.png", "out/%d.tif"])
def test_transparency_of_pictures_is_kept(tmp_path, name):
    fading = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    glass = [np.dstack((pixels, np.roll(fading, 4 * number, axis=1))) for number, pixels in enumerate(textures(3))]
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(glass):
        Image.fromarray(picture).save(tmp_path / "in" / f"{number}.png")
    run(tmp_path / "in", tmp_path / name, encode=None)
    first = tmp_path / name.replace("%d", "1")
    with Image.open(first) as image:
        shown = np.array(image.convert("RGBA"))
    seen = glass[0][..., 3] > 0
    assert (shown[..., 3] == glass[0][..., 3]).all()
    assert (shown[seen] == glass[0][seen]).all()


def test_a_damaged_webp_is_refused(tmp_path):
    first, *others = map(Image.fromarray, textures(4))
    path = tmp_path / "in.webp"
    first.save(path, save_all=True, append_images=others, duration=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"in\.webp"):
        list(VideoReader(probe(path)))


# Standard input


def piped(content: bytes, *words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "midframe.cli", *map(str, words)]
    return subprocess.run(command, input=content, capture_output=True, check=False, timeout=PATIENCE_SECONDS)


def y4m(folder: Path, count: int = 12) -> bytes:
    """Raw frames, as a program before us in a pipe would write them."""
    source = make_clip(folder / "source.mp4", textures(count))
    run(source, folder / "source.y4m", encode=None)
    return (folder / "source.y4m").read_bytes()


def test_standard_input_is_read_and_nothing_is_left_of_it(tmp_path):
    content = y4m(tmp_path)
    done = piped(content, "interpolate", "-", tmp_path / "out.mp4", "--method", "blend", "--multi", "3")
    assert done.returncode == 0, done.stderr
    run(tmp_path / "source.y4m", tmp_path / "same.mp4", Multiply(3), encode=None)
    assert [frame.time for frame in frames(tmp_path / "out.mp4")] == [
        frame.time for frame in frames(tmp_path / "same.mp4")
    ]
    assert shows(tmp_path / "out.mp4", [frame.pixels for frame in frames(tmp_path / "same.mp4")])
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(".jsonl"))
    assert names == ["out.mp4", "same.mp4", "source.mp4", "source.y4m"]


def test_a_pipe_in_and_a_pipe_out(tmp_path):
    content = y4m(tmp_path, count=4)
    done = piped(content, "interpolate", "-", "-", "--method", "nearest", "--multi", "1")
    assert done.returncode == 0, done.stderr
    header, _, _ = content.partition(b"FRAME\n")
    assert done.stdout.startswith(header)
    assert len(done.stdout) == len(content)
    change = np.frombuffer(done.stdout, np.uint8).astype(int) - np.frombuffer(content, np.uint8)
    assert np.abs(change).mean() < 1  # to RGB and back


def test_a_plan_of_standard_input_writes_nothing(tmp_path):
    done = piped(y4m(tmp_path), "plan", "-", tmp_path / "out.mp4", "--method", "blend")
    assert done.returncode == 0, done.stderr
    assert b"standard input: rawvideo, 64x48" in b" ".join(done.stdout.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4", "source.y4m"]


@pytest.mark.parametrize(("content", "said"), [(b"", "Standard input is empty"), (b"no video", "cannot be read")])
def test_an_input_that_is_no_video_is_refused(tmp_path, content, said):
    done = piped(content, "interpolate", "-", tmp_path / "out.mp4", "--method", "blend")
    assert done.returncode == 1
    assert said in done.stderr.decode()
    assert not list(tmp_path.iterdir())


def test_the_same_input_goes_on_after_sigkill(tmp_path):
    content = y4m(tmp_path, count=300)
    target = tmp_path / "out.mp4"
    words = ("interpolate", "-", str(target), "--method", "blend", "--multi", "5", "--preset", "ultrafast")
    with subprocess.Popen(
        [sys.executable, "-m", "midframe.cli", *words],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(content)
        process.stdin.close()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not list(tmp_path.glob(".out.mp4.midframe/*.segment")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    done = piped(content, *words)
    assert done.returncode == 0, done.stderr
    assert b'"frames_resumed": 0' not in done.stdout
    assert len(frames(target)) == 299 * 5 + 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
