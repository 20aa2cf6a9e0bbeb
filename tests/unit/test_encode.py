from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.codeccontext import VideoCodecContext

from blend import Blend
from clips import make_clip, textures
from midframe.core.errors import UsageError, WriteError
from midframe.core.timeline import Multiply
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, VideoInfo, VideoReader, encoders, probe, resolve_encoding
from midframe.video.encode import _nearest_format
from midframe.video.encoders import settled
from midframe.video.libraries import describe_libraries


@pytest.fixture
def info(tmp_path) -> VideoInfo:
    return probe(make_clip(tmp_path / "in.mp4", textures(2)))


def resolve(info, target="out.mp4", **options):
    return resolve_encoding(info, Path(target), EncodeOptions(**options))


@pytest.mark.parametrize(
    ("pixel_format", "depth", "chosen"),
    [
        ("yuv420p", 8, "yuv420p"),
        ("yuvj420p", 8, "yuv420p"),
        ("nv12", 8, "yuv420p"),
        ("gray", 8, "yuv420p"),
        ("yuv422p", 8, "yuv422p"),
        ("yuv444p", 8, "yuv444p"),
        ("rgb24", 8, "yuv444p"),
        ("gbrp", 8, "yuv444p"),
        ("yuv420p10le", 10, "yuv420p10le"),
        ("yuv422p10le", 10, "yuv422p10le"),
        ("p010le", 10, "yuv420p10le"),
    ],
)
def test_the_nearest_pixel_format_keeps_depth_and_chroma(info, pixel_format, depth, chosen):
    encoding = resolve(replace(info, pixel_format=pixel_format, bit_depth=depth))
    assert encoding.pixel_format == chosen
    assert encoding.losses == ()


def test_odd_sides_are_kept_by_full_chroma(info):
    assert resolve(replace(info, width=63)).pixel_format == "yuv444p"
    assert resolve(replace(info, width=63), "out.webm").pixel_format == "yuv420p"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pixel_format": "yuv420p12le", "bit_depth": 12}, "12 bits become 10"),
        ({"pixel_format": "yuva420p", "has_alpha": True}, "transparency"),
    ],
)
def test_a_loss_is_refused_unless_it_is_asked_for(info, changes, sentence):
    source = replace(info, **changes)
    with pytest.raises(UsageError, match=sentence):
        resolve(source, codec="libx264")
    assert sentence in resolve(source, allow_loss=True).losses[0]
    assert sentence in resolve(source, pixel_format="yuv420p").losses[0].replace("become 8", "become 10")


def test_the_codec_follows_the_container(info):
    assert resolve(info, "out.mkv").codec == "libx264"
    assert resolve(info, "out.webm").codec == "libvpx-vp9"


@pytest.mark.parametrize(
    ("changes", "target", "codec", "pixel_format"),
    [
        ({"pixel_format": "yuv420p12le", "bit_depth": 12}, "out.mp4", "libx265", "yuv420p12le"),
        ({"pixel_format": "yuva420p", "has_alpha": True}, "out.mov", "prores_ks", "yuva444p10le"),
        ({"pixel_format": "yuva420p", "has_alpha": True}, "out.mkv", "ffv1", "yuva420p"),
        ({"pixel_format": "yuva420p", "has_alpha": True}, "out.webm", "libvpx-vp9", "yuva420p"),
        (
            {"pixel_format": "yuva444p12le", "bit_depth": 12, "has_alpha": True, "codec": "prores"},
            "out.mov",
            "prores_ks",
            "yuva444p10le",
        ),
        ({"pixel_format": "rgba", "has_alpha": True}, "out.mkv", "ffv1", "bgra"),
        ({"pixel_format": "gbrap12le", "has_alpha": True, "bit_depth": 12}, "out.mkv", "ffv1", "gbrap12le"),
        ({"pixel_format": "bgra", "has_alpha": False, "codec": "gif"}, "out.mp4", "libx264", "yuv444p"),
    ],
)
def test_a_source_that_the_usual_codec_cannot_hold_gets_one_that_can(info, changes, target, codec, pixel_format):
    encoding = resolve(replace(info, **changes), target)
    assert (encoding.codec, encoding.pixel_format, encoding.losses) == (codec, pixel_format, ())


def test_a_refused_transparency_says_where_it_would_be_kept(info):
    with pytest.raises(UsageError, match=r"A \.mov, \.mkv, \.webm, \.apng or \.webp can hold transparency"):
        resolve(replace(info, pixel_format="yuva420p", has_alpha=True))
    with pytest.raises(UsageError, match="transparency"):
        resolve(replace(info, pixel_format="yuva420p", has_alpha=True), codec="libx265")


@pytest.mark.parametrize(
    ("target", "options", "has_quality"),
    [
        ("out.mp4", {}, True),
        ("out.mp4", {"codec": "mpeg4"}, False),
        ("out.mp4", {"codec": "mpeg4", "encoder_options": {"b": "2M"}}, True),
        ("out.webm", {"codec": "libvpx"}, False),
        ("out.mkv", {"codec": "ffv1"}, True),
    ],
)
def test_an_encoder_left_to_its_own_quality_is_known(info, target, options, has_quality):
    encoding = resolve(info, target, **options)
    assert encoding.has_quality == has_quality
    plan = make_plan(info, info.path.with_name(target), Multiply(2), encode=EncodeOptions(**options))
    assert any("No quality set" in note for note in plan.notes) != has_quality


@pytest.mark.parametrize(
    "offered", [["nv12", "p010le", "bgra", "x2rgb10le"], ["yuv420p", "nv12", "p010le", "p016le"]]
)
def test_ten_bits_reach_a_hardware_encoder(info, offered):
    deep = replace(info, pixel_format="yuv420p10le", bit_depth=10)
    assert _nearest_format(deep, offered) == "p010le"


def test_a_rate_control_of_ones_own_replaces_the_default(info):
    assert resolve(info).options["crf"] == "16"
    assert resolve(info, quality=20).options["crf"] == "20"
    assert "crf" not in resolve(info, encoder_options={"qp": "0"}).options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"codec": "nonsense"}, "no encoder 'nonsense'"),
        ({"codec": "aac"}, "encodes audio, not video"),
        ({"codec": "libvpx-vp9", "pixel_format": "gbrp16le"}, "does not offer pixel format"),
        ({"codec": "mpeg4", "quality": 20}, "no constant rate factor"),
        ({"encoder_options": {"crff": "3"}}, "libx264 has no option 'crff'. Did you mean 'crf'?"),
        ({"codec": "mpeg4", "preset": "fast"}, "mpeg4 has no presets"),
        ({"preset": "10"}, "no preset of libx264 '10'"),
        ({"preset": "ultrafats"}, "no preset of libx264 'ultrafats'. Did you mean 'ultrafast'?"),
        ({"codec": "libsvtav1", "preset": "fast"}, "a number, -2 to 13; got 'fast'"),
        ({"codec": "libsvtav1", "preset": "14"}, "a number, -2 to 13; got '14'"),
        ({"quality": 99}, "between 0 and 51 here, lower is better; got 99"),
        ({"quality": -3}, "between 0 and 51 here"),
        ({"codec": "prores_ks"}, "mp4 cannot hold what prores_ks encodes"),
    ],
)
def test_impossible_options_are_refused(info, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        resolve(info, **options)


@pytest.mark.parametrize("preset", ["veryfast", "0", "9"])
def test_a_preset_may_be_named_or_counted(info, preset):
    assert resolve(info, preset=preset).options["preset"] == preset


@pytest.mark.parametrize(
    ("name", "target", "encoder"),
    [
        ("h264", "out.mp4", "libx264"),
        ("h265", "out.mkv", "libx265"),
        ("hevc", "out.mp4", "libx265"),
        ("vp9", "out.webm", "libvpx-vp9"),
        ("av1", "out.mp4", "libsvtav1"),
        ("prores", "out.mov", "prores_ks"),
        ("ffv1", "out.mkv", "ffv1"),
    ],
)
def test_a_short_name_means_the_encoder_that_is_here_and_the_file_can_be_read(tmp_path, info, name, target, encoder):
    assert resolve(info, target, codec=name).codec == encoder
    result = run_video(info.path, tmp_path / target, Blend(), Multiply(2), encode=EncodeOptions(codec=name))
    frames = list(VideoReader(probe(tmp_path / target)))
    assert len(frames) == result.frames_out == 3
    source = next(iter(VideoReader(info))).pixels.astype(int)
    depth = 255 if frames[0].pixels.dtype == np.uint8 else 65535
    loss = np.abs(frames[0].pixels / depth * 255 - source)
    assert loss.mean() < 6  # hard edges of chroma at random, the hardest there is
    assert not any("No quality set" in note for note in result.notes)


def test_a_codec_without_an_encoder_here_is_refused_with_the_names_that_were_tried(info, monkeypatch):
    monkeypatch.setitem(encoders.SHORT_NAMES, "vp9", ("no-such-encoder", "nor-this"))
    with pytest.raises(UsageError, match="no encoder of vp9 that works here: no-such-encoder, nor-this"):
        resolve(info, "out.webm", codec="vp9")


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("h264_nvenc", {"rc": "vbr", "cq": "23", "b": "0"}),
        ("hevc_qsv", {"global_quality": "23"}),
        ("h264_vaapi", {"rc_mode": "CQP", "global_quality": "23"}),
        ("hevc_videotoolbox", {"flags": "+qscale", "global_quality": str(23 * 118)}),
        ("h264_amf", {"rc": "cqp", "qp_i": "23", "qp_p": "23"}),
        ("libsvtav1", {"crf": "23", "preset": "6"}),
    ],
)
def test_a_quality_reaches_each_family_of_encoders_by_its_own_option(encoder, options):
    scale = encoders.quality_scale(encoder)
    assert scale is not None
    assert scale.setting(23) == options


@pytest.mark.parametrize("encoder", ["h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_qsv", "hevc_qsv", "hevc_amf"])
def test_hardware_encoders_have_the_options_that_their_quality_needs(info, encoder):
    if not encoders.has_encoder(encoder):
        pytest.skip(f"FFmpeg was built without {encoder}")
    target = "out.mkv"
    chosen = resolve(info, target, codec=encoder, quality=23).options
    known = av.CodecContext.create(encoder, "w").supported_options
    assert set(chosen) <= {option.name for option in (*known.generic, *known.private)}
    assert resolve(info, target, codec=encoder).has_quality


def test_an_encoder_opens_or_is_not_called_usable(info):
    assert encoders.is_usable("libx264")
    broken = [name for name in describe_libraries().hardware_encoders if not encoders.is_usable(name)]
    for name in broken:
        with pytest.raises(WriteError, match=f"cannot be written with {name}"):
            run_video(info.path, info.path.with_name("x.mkv"), Blend(), Multiply(2), encode=EncodeOptions(codec=name))
    assert not info.path.with_name("x.mkv").exists()


def test_h265_has_the_name_that_all_players_of_mp4_know_and_prints_nothing(tmp_path, info, capfd):
    options = EncodeOptions(codec="h265", encoder_options={"x265-params": "bframes=2"})
    for name in ("out.mp4", "out.mov"):
        run_video(info.path, tmp_path / name, Blend(), Multiply(2), encode=options)
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].codec_context.codec_tag == "hvc1"
    assert capfd.readouterr().err == ""


def test_h264_is_the_same_to_the_bit_whenever_it_is_encoded():
    # x264's AVX-512 code gives several streams in six runs over such pictures.
    small = torch.rand(1, 3, 18, 32, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(small, size=(108, 192), mode="bilinear")[0]
    moving = [picture.roll(3 * number, -1) for number in range(20)]
    blended = [torch.lerp(*pair, part / 4) for pair in pairwise(moving) for part in range(4)]
    pictures = [(frame * 255).byte().permute(1, 2, 0).contiguous().numpy() for frame in blended]

    def stream() -> bytes:
        encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 192, 108, "yuv420p", Fraction(1, 100)
        encoder.options = settled("libx264", {"preset": "veryfast", "crf": "16"})
        made = []
        for number, pixels in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            made += encoder.encode(frame)
        return b"".join(bytes(packet) for packet in (*made, *encoder.encode(None)))

    assert len({stream() for _ in range(6)}) == 1


def test_what_the_options_say_themselves_is_kept():
    assert settled("libx264", {"x264-params": "asm=none"}) == {"x264-params": "asm=none"}
    assert settled("libx265", {"x265-params": "crf=20"})["x265-params"] == "crf=20:log-level=error"
    assert settled("ffv1", {"level": "3"}) == {"level": "3"}
