"""Outputs that are no video container: animations, pictures, y4m."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from blend import Blend
from clips import HEIGHT, WIDTH, Recipe, bars_planes, make_clip, textures
from midframe import api
from midframe.core.errors import UsageError, WriteError
from midframe.core.timeline import Multiply, ToRate
from midframe.engine import make_plan, run_video, segments
from midframe.engine.work_folder import work_folder_of
from midframe.video import EncodeOptions, VideoReader, probe
from midframe.video import pictures as pictures_module
from midframe.video.loops import read_plays

PATIENCE_SECONDS = 120
MILLISECOND = Fraction(1, 1000)
UNEVEN = [0, 40, 60, 160, 200, 320]
"""Stamps in milliseconds; twice the frames stand at whole hundredths of a second all the same."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_FRAMES", 7)
    monkeypatch.setattr(segments, "FEWEST_FRAMES", 7)


def run(source: Path, target: Path, rule=None, method=None, **options):
    return run_video(source, target, method or Blend(), rule or Multiply(2), **({"sidecar": False} | options))


def clip(folder: Path, count: int = 12, **recipe) -> Path:
    """Moving pictures in RGB, so that what an output shows can be told to the bit."""
    exact = {"codec": "ffv1", "pixel_format": "bgr0", "options": {}, "rate": Fraction(12)} | recipe
    return make_clip(folder / "in.mkv", textures(count), Recipe(**exact))


def animation(path: Path) -> tuple[list[np.ndarray], list[Fraction]]:
    """Frames of an animation, and how long each stands, in milliseconds, by another library than the one at work."""
    with Image.open(path) as image:
        pictures, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            durations.append(Fraction(image.info["duration"]).limit_denominator(1000))
            pictures.append(np.array(image.convert("RGB")))
    return pictures, durations


def shown(path: Path) -> list[np.ndarray]:
    return [frame.pixels for frame in VideoReader(probe(path))]


def reference(source: Path, rule=None) -> list[np.ndarray]:
    """What any output of a run should show."""
    target = source.with_name("reference.mkv")
    run(source, target, rule, encode=EncodeOptions(codec="ffv1", pixel_format="bgr0"), overwrite=True)
    return shown(target)


# Animations


@pytest.mark.parametrize("name", ["out.gif", "out.apng", "out.webp"])
def test_an_animation_holds_all_frames_for_the_times_that_they_stand(tmp_path, name):
    source = clip(tmp_path, count=6, times=UNEVEN, time_base=MILLISECOND)
    result = run(source, tmp_path / name)
    pictures, durations = animation(tmp_path / name)
    assert len(pictures) == result.frames_out == 11
    assert durations == [20, 20, 10, 10, 50, 50, 20, 20, 60, 60, durations[-1]] or name == "out.gif"
    tick = 10 if name == "out.gif" else 1
    assert abs(sum(durations) - result.duration / MILLISECOND) <= tick
    loss = [np.abs(a.astype(int) - b) for a, b in zip(pictures, reference(source), strict=True)]
    if name == "out.gif":
        assert np.mean(loss) < 3  # 256 colours for 255 random ones and their mixtures
    else:
        assert np.max(loss) == 0


def test_a_gif_moves_frames_apart_that_it_cannot_show_and_says_so(tmp_path):
    source = clip(tmp_path, count=6, times=UNEVEN, time_base=MILLISECOND)
    result = run(source, tmp_path / "out.gif")
    _, durations = animation(tmp_path / "out.gif")
    assert min(durations) == 20
    assert any("less than 20 ms apart" in note for note in result.notes)


def test_stamps_of_a_gif_are_rounded_without_drifting(tmp_path):
    source = clip(tmp_path, count=25, rate=Fraction(24))
    run(source, tmp_path / "out.gif", ToRate(Fraction(30)))
    _, durations = animation(tmp_path / "out.gif")
    ends = np.cumsum([float(duration) for duration in durations])
    assert np.abs(ends[:-1] - np.arange(1, len(ends)) * 1000 / 30).max() <= 5


def test_a_gif_has_the_colours_of_the_whole_video(tmp_path):
    levels = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [np.full((HEIGHT, WIDTH, 3), level, np.uint8) for level in levels for _ in range(4)]
    exact = Recipe(codec="ffv1", pixel_format="bgr0", options={}, rate=Fraction(12))
    source = make_clip(tmp_path / "in.mkv", frames, exact)
    run(source, tmp_path / "out.gif", Multiply(1))
    pictures, _ = animation(tmp_path / "out.gif")
    assert [tuple(picture[24, 32]) for picture in pictures[::4]] == levels


def test_a_gif_of_more_than_fifty_frames_a_second_is_refused(tmp_path):
    source = clip(tmp_path)
    with pytest.raises(UsageError, match=r"gif shows at most 50 frames a second, and 60 were asked for: .*--fps 50"):
        make_plan(probe(source), tmp_path / "out.gif", ToRate(Fraction(60)))
    plan = make_plan(probe(source), tmp_path / "out.apng", ToRate(Fraction(120)))
    assert any("Browsers show frames this short" in note for note in plan.notes)


@pytest.mark.parametrize(("first", "second"), [("gif", "apng"), ("apng", "webp"), ("apng", "gif"), ("gif", "webp")])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_the_number_of_plays_survives_from_animation_to_animation(tmp_path, first, second, plays):
    source, target = tmp_path / f"in.{first}", tmp_path / f"out.{second}"
    pictures = [Image.fromarray(frame) for frame in textures(3)]
    loop = {} if (first, plays) == ("gif", 1) else {"loop": plays - 1 if plays and first == "gif" else plays}
    options = {"save_all": True, "append_images": pictures[1:], "duration": 100, **loop}
    pictures[0].save(source, format="PNG" if first == "apng" else first, **options)
    assert probe(source).plays == plays
    run(source, target, ToRate(Fraction(20)))
    assert read_plays(target) == plays
    assert len(animation(target)[0]) == 6


def test_a_film_becomes_an_animation_without_end(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(3), Recipe(audio=0.2))
    for name in ("out.gif", "out.apng", "out.webp"):
        plan = make_plan(probe(source), tmp_path / name, Multiply(2))
        assert any("Lost: audio stream 1" in note for note in plan.notes)
        run(source, tmp_path / name)
        assert read_plays(tmp_path / name) == 0


def test_ten_bits_reach_apng_and_are_refused_by_gif_and_webp(tmp_path):
    planes = [bars_planes(0.2126, 0.0722, False, depth=10)] * 2
    recipe = Recipe(pixel_format="yuv444p10le", planes=planes, tags={"colorspace": 1, "color_range": 1})
    source = make_clip(tmp_path / "in.mp4", [None] * 2, recipe)
    for name in ("out.gif", "out.webp", "out/%d.jpg"):
        with pytest.raises(UsageError, match="10 bits become 8"):
            make_plan(probe(source), tmp_path / name, Multiply(2))
    run(source, tmp_path / "out.apng")
    before, after = shown(source)[0], shown(tmp_path / "out.apng")[0]
    assert after.dtype == np.uint16
    assert np.abs(after.astype(int) - before).max() <= 1
    run(source, tmp_path / "out.gif", encode=EncodeOptions(allow_loss=True))


def test_lossy_webp_that_halves_chroma_is_refused_where_the_source_has_it_whole(tmp_path):
    source = clip(tmp_path, count=2)
    lossy = EncodeOptions(quality=80)
    with pytest.raises(UsageError, match="chroma resolution"):
        make_plan(probe(source), tmp_path / "out.webp", Multiply(2), encode=lossy)
    film = make_clip(tmp_path / "in.mp4", textures(2), Recipe(tags={"colorspace": 1, "color_range": 1}))
    run(film, tmp_path / "out.webp", Multiply(1))
    loss = np.abs(animation(tmp_path / "out.webp")[0][0].astype(int) - shown(film)[0])
    assert loss.mean() < 6  # hard edges of chroma at random; a wrong matrix is another 10


@pytest.mark.parametrize("name", ["out.gif", "out.apng", "out.webp", "out.y4m", "out/%04d.png"])
def test_a_stopped_run_goes_on_and_ends_with_the_same_file(tmp_path, name):
    source = clip(tmp_path, count=20)
    whole, target = tmp_path / "whole" / name, tmp_path / name
    whole.parent.mkdir(parents=True)
    run(source, whole)
    with pytest.raises(RuntimeError, match="the network failed"):
        run(source, target, method=FailingAt(12))
    left = sorted(work_folder_of(target).glob("*.segment"))
    assert left
    assert not target.exists()
    assert run(source, target).resumed > 0
    if "%" in name:
        files = sorted(target.parent.iterdir())
        assert [path.name for path in files] == [f"{number:04d}.png" for number in range(1, 40)]
        assert [path.read_bytes() for path in files] == [path.read_bytes() for path in sorted(whole.parent.iterdir())]
    else:
        assert target.read_bytes() == whole.read_bytes()
        assert not work_folder_of(target).exists()


class FailingAt(Blend):
    """Fails in its call of that number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def interpolate(self, frames, times, *, generator=None):
        if len(self.calls) == self._number:
            raise RuntimeError("the network failed")
        return super().interpolate(frames, times)


# Pictures


@pytest.mark.parametrize(
    ("target", "first"), [("out/", "000001.png"), ("there", "000001.png"), ("out/f_%03d.tif", "f_001.tif")]
)
def test_a_folder_or_a_pattern_means_a_picture_for_each_frame(tmp_path, target, first):
    (tmp_path / "there").mkdir()
    source = clip(tmp_path, audio=1.0)
    result = api.interpolate_video(source, f"{tmp_path}/{target}", method="blend")
    assert result.sidecar == result.target.with_name(result.target.name + ".midframe.jsonl")
    files = sorted(path for path in result.target.parent.iterdir() if path != result.sidecar)
    assert files[0].name == first
    expected = reference(source)
    assert len(files) == len(expected) == result.frames_out == 23
    for path, pixels in zip(files, expected, strict=True):
        assert (shown(path)[0] == pixels).all()
    assert any("cannot hold audio" in note for note in result.notes)
    assert any("show them at 24 frames a second" in note for note in result.notes)


def test_pictures_in_jpeg_have_their_own_matrix_and_range(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2), Recipe(tags={"colorspace": 1, "color_range": 1}))
    run(source, tmp_path / "out" / "%d.jpg")
    with Image.open(tmp_path / "out" / "1.jpg") as image:
        loss = np.abs(np.array(image).astype(int) - shown(source)[0])
    assert loss.mean() < 4


def test_a_picture_of_a_phone_is_turned_upright(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(2), Recipe(rotation=90))
    run(source, tmp_path / "out" / "%d.png")
    run(source, tmp_path / "out.gif")
    (picture,) = shown(tmp_path / "out" / "1.png")
    assert (picture == np.rot90(shown(source)[0], 1)).all()
    assert animation(tmp_path / "out.gif")[0][0].shape == (WIDTH, HEIGHT, 3)
    plan = make_plan(probe(source), tmp_path / "x.gif", Multiply(2))
    assert any("turned by 90 degrees" in note for note in plan.notes)


def test_pictures_that_are_there_are_kept_unless_they_may_be_replaced(tmp_path):
    source = clip(tmp_path)
    folder = tmp_path / "out"
    run(source, folder / "%d.png", Multiply(3))
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(WriteError, match=r"1\.png exists already"):
        run(source, folder / "%d.png")
    run(source, folder / "%d.png", overwrite=True)
    assert len(list(folder.glob("*.png"))) == 23  # those of the longer row are gone
    assert (folder / "notes.txt").read_text() == "mine"
    assert not list(folder.glob(".*"))


def test_a_run_stopped_while_pictures_get_their_names_ends_well_with_the_same_command(tmp_path, monkeypatch):
    source, target = clip(tmp_path), tmp_path / "out" / "%02d.png"
    named = pictures_module.picture_path

    def stop_at_five(pattern: Path, number: int) -> Path:
        if number == 5:
            raise KeyboardInterrupt
        return named(pattern, number)

    with monkeypatch.context() as patch:
        patch.setattr(pictures_module, "picture_path", stop_at_five)
        with pytest.raises(KeyboardInterrupt):
            run(source, target)
    assert [path.name for path in sorted(target.parent.glob("*.png"))] == ["01.png", "02.png", "03.png", "04.png"]
    assert run(source, target).resumed == 23
    run(source, tmp_path / "whole" / "%02d.png")
    ours, theirs = (sorted(folder.iterdir()) for folder in (target.parent, tmp_path / "whole"))
    assert [path.name for path in ours] == [path.name for path in theirs]
    assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]


def test_uneven_times_are_not_lost_unasked(tmp_path):
    source = clip(tmp_path, count=6, times=UNEVEN, time_base=MILLISECOND)
    for name in ("out.y4m", "out/%d.png"):
        with pytest.raises(UsageError, match="uneven times of the frames are lost"):
            make_plan(probe(source), tmp_path / name, Multiply(2), encode=EncodeOptions(pixel_format=None))
        make_plan(probe(source), tmp_path / name, ToRate(Fraction(25)), encode=EncodeOptions(allow_loss=True))
    assert run(source, tmp_path / "out" / "%d.png", encode=EncodeOptions(allow_loss=True)).frames_out == 11


def test_a_folder_in_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(WriteError, match="there is no folder"):
        run(clip(tmp_path), tmp_path / "a" / "b" / "%d.png")


# y4m


def film(folder: Path, **recipe) -> Path:
    return make_clip(folder / "in.mp4", textures(12), Recipe(**recipe))


def y4m_frames(content: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(content), format="yuv4mpegpipe") as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def test_y4m_holds_the_pixels_as_they_are_encoded(tmp_path):
    source = film(tmp_path)
    result = run(source, tmp_path / "out.y4m")
    content = (tmp_path / "out.y4m").read_bytes()
    assert content.startswith(b"YUV4MPEG2 W64 H48 F48:1 Ip A")
    run(source, tmp_path / "out.mkv", encode=EncodeOptions(codec="ffv1"))
    with av.open(str(tmp_path / "out.mkv")) as container:
        expected = [frame.to_ndarray() for frame in container.decode(video=0)]
    assert len(y4m_frames(content)) == result.frames_out
    assert all((a == b).all() for a, b in zip(y4m_frames(content), expected, strict=True))


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv444p12le"])
def test_deep_pixels_reach_y4m(tmp_path, pixel_format):
    exact = Recipe(codec="ffv1", options={}, pixel_format=pixel_format)
    source = make_clip(tmp_path / "in.mkv", textures(3), exact)
    run(source, tmp_path / "out.y4m")
    assert probe(tmp_path / "out.y4m").pixel_format == pixel_format


def midframe(*words: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "midframe.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE_SECONDS)


def test_standard_output_carries_frames_and_no_other_byte(tmp_path):
    source = film(tmp_path)
    done = midframe("interpolate", source, "-", "--method", "blend")
    assert done.returncode == 0, done.stderr
    run(source, tmp_path / "out.y4m")
    assert done.stdout == (tmp_path / "out.y4m").read_bytes()
    assert b'"event": "done"' in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.y4m"]


def test_standard_output_takes_one_job(tmp_path):
    done = midframe("interpolate", film(tmp_path), "-", "--method", "blend", "--jobs", "2")
    assert done.returncode == 2
    assert b"Standard output takes frames in order" in done.stderr
    assert done.stdout == b""


def test_a_reader_that_leaves_ends_the_run_in_one_sentence(tmp_path):
    source = make_clip(tmp_path / "in.mp4", textures(200))
    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), "-", "--method", "blend"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(PATIENCE_SECONDS) == 1
    assert "Standard output cannot be written: Broken pipe" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.name == "nt", reason="Windows has no bound on the size of a file")
def test_a_disk_that_takes_not_all_of_standard_output_is_no_success(tmp_path):
    import resource

    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(film(tmp_path)), "-", "--method", "blend"]
    whole = len(midframe(*command[3:]).stdout)
    room = whole - 100  # the last write is short, and it takes one more to hear why

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    with (tmp_path / "out.y4m").open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False, preexec_fn=bound)
    assert done.returncode == 1
    assert b"Standard output cannot be written: File too large" in done.stderr
    assert b'"event": "done"' not in done.stderr
