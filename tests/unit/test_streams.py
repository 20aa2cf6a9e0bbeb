"""What stands beside the picture, in files that hold a little of everything."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from blend import Blend
from clips import HEIGHT, WIDTH, Recipe, make_clip, packet_bytes, packet_times, textures
from midframe.core.errors import UsageError
from midframe.core.timeline import Multiply, SlowDown
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, decide_streams, probe
from midframe.video.picture import write_pictures
from midframe.video.streams import codecs_of

MILLISECOND = Fraction(1, 1000)
SUBTITLES = [(100, 200, b"Hello"), (300, 150, b"World")]
CHAPTERS = [
    {"id": 1, "start": 0, "end": 250, "time_base": MILLISECOND, "metadata": {"title": "One"}},
    {"id": 2, "start": 250, "end": 500, "time_base": MILLISECOND, "metadata": {"title": "Two"}},
]


@pytest.fixture
def everything(tmp_path: Path) -> Path:
    """A Matroska file with pictures, subtitles, an attachment, chapters and a title."""
    path = tmp_path / "everything.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        subtitles = container.add_mux_stream("subrip")
        subtitles.time_base = MILLISECOND
        subtitles.metadata["language"] = "deu"
        container.add_attachment("font.ttf", "font/ttf", b"not really a font")
        container.metadata["title"] = "A film"
        container.set_chapters(CHAPTERS)
        for index, pixels in enumerate(textures(12)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start, duration, text in SUBTITLES:
            packet = av.Packet(text)
            packet.pts = packet.dts = start
            packet.duration, packet.time_base, packet.stream = duration, MILLISECOND, subtitles
            container.mux(packet)
    return path


def run(source, target, rule):
    return run_video(source, target, Blend(), rule, encode=EncodeOptions(preset="ultrafast"))


def test_subtitles_attachments_chapters_and_title_are_carried_over(everything, tmp_path):
    target = tmp_path / "out.mkv"
    run(everything, target, Multiply(2))
    assert packet_bytes(target, "subtitle") == [text for _, _, text in SUBTITLES]
    assert packet_times(target, "subtitle") == [start * MILLISECOND for start, _, _ in SUBTITLES]
    with av.open(str(target)) as container:
        assert container.metadata["title"] == "A film"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two"]
        assert container.streams.attachments[0].data == b"not really a font"
        assert container.streams.subtitles[0].language == "deu"


def test_what_mp4_cannot_hold_is_named_and_the_rest_is_carried_over(everything, tmp_path):
    result = run(everything, tmp_path / "out.mp4", Multiply(2))
    assert any("subtitle stream 1 (subrip, deu), since mp4 cannot hold subrip" in note for note in result.notes)
    assert any("mp4 cannot hold attachments" in note for note in result.notes)
    assert probe(tmp_path / "out.mp4").chapter_count == 2


def test_slow_motion_stretches_the_chapters(everything, tmp_path):
    run(everything, tmp_path / "out.mkv", SlowDown(Fraction(3)))
    with av.open(str(tmp_path / "out.mkv")) as container:
        ends = [chapter["end"] * chapter["time_base"] for chapter in container.chapters()]
    assert ends == [Fraction(3, 4), Fraction(3, 2)]


def test_slow_motion_keeps_only_what_has_no_time(everything, tmp_path):
    fate = decide_streams(probe(everything), tmp_path / "out.mkv", keeps_time=False)
    assert [stream.kind for stream in fate.kept] == ["attachment"]
    assert [(stream.kind, "in sync" in cause) for stream, cause in fate.lost] == [("subtitle", True)]


def test_slow_motion_keeps_the_cover(tmp_path):
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    (cover,) = write_pictures(tmp_path, [textures(1)[0]])
    with av.open(str(source), "w") as container, av.open(str(cover)) as pictures:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        attached = container.add_stream_from_template(pictures.streams.video[0])
        attached.disposition = Disposition.attached_pic
        for index, pixels in enumerate(textures(6)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 24)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        packet = av.Packet(cover.read_bytes())
        packet.pts = packet.dts = 0
        packet.stream, packet.time_base = attached, Fraction(1, 24)
        container.mux(packet)
    result = run(source, target, SlowDown(Fraction(2)))
    assert not [note for note in result.notes if note.startswith("Lost")]
    assert [(stream.codec, stream.is_cover) for stream in probe(target).streams] == [("png", True)]
    with av.open(str(target)) as container:
        (kept,) = [stream for stream in container.streams if Disposition.attached_pic in stream.disposition]
        assert [bytes(packet) for packet in container.demux(kept) if packet.size] == [cover.read_bytes()]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_files_that_were_joined_byte_by_byte_give_what_comes_first_and_say_so(tmp_path, suffix):
    recipe = Recipe(rate=Fraction(25), options={"preset": "ultrafast", "g": "1"}, audio=1)
    parts = [make_clip(tmp_path / f"{count}.ts", textures(count), recipe) for count in (25, 40)]
    source, target = tmp_path / "joined.ts", tmp_path / f"out.{suffix}"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    plan = make_plan(probe(source), target, Multiply(2))
    assert (plan.frames_in, plan.duration) == (40, Fraction(40, 25))
    assert any("step back at 0.960 s" in note and "25 frames" in note for note in plan.notes)
    fast = EncodeOptions(preset="ultrafast")
    result = run_video(source, target, Blend(), Multiply(2), encode=fast, skip_damaged=True)
    assert result.frames_in == 39  # FFmpeg takes the last one before the join for damaged
    assert any(note.startswith("25 frames were left out") for note in result.notes)
    (said,) = [note for note in result.notes if "packets of stream 1" in note]
    sound = packet_times(target, "audio")
    assert len(sound) == len(set(sound))
    with av.open(str(source)) as container:
        assert sum(packet.size > 0 for packet in container.demux(audio=0)) == len(sound) + int(said.split()[0])


@pytest.mark.parametrize("name", ["out.avi", "out.png", "out"])
def test_a_name_without_a_known_container_is_refused(name):
    with pytest.raises(UsageError, match=r"names no container .* Known: \.mp4"):
        codecs_of(Path(name))
