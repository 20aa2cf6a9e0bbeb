"""Video of high dynamic range: what it says of itself is in the output too."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from blend import Blend
from clips import Recipe, bars_planes, make_clip, textures
from midframe.core.errors import UsageError
from midframe.core.timeline import Multiply
from midframe.engine import make_plan, run_video
from midframe.video import EncodeOptions, HdrMetadata, probe

PQ, HLG = 16, 18
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
SETTINGS = "log-level=none:lossless=1"
HDR = HdrMetadata(
    primaries=tuple(
        (Fraction(x, 50_000), Fraction(y, 50_000))
        for x, y in ((34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450))
    ),
    luminance=(Fraction(1, 10_000), Fraction(1000)),
    light=(1000, 400),
)
QUIET = {"x265-params": "log-level=none"}


def hdr_clip(folder, transfer, metadata=f":master-display={DISPLAY}:max-cll=1000,400"):
    planes = [bars_planes(0.2627, 0.0593, False, depth=10)] * 3
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": transfer}
    options = {"x265-params": SETTINGS + metadata, "preset": "ultrafast"}
    recipe = Recipe(codec="libx265", options=options, pixel_format="yuv444p10le", planes=planes, tags=tags)
    return make_clip(folder / "in.mp4", [None] * 3, recipe)


def run(source, target, **options):
    run_video(source, target, Blend(), Multiply(2), encode=EncodeOptions(**options))
    return probe(target)


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.mp4", {"codec": "libx265", "encoder_options": QUIET}),
        ("out.mkv", {"codec": "libx265", "encoder_options": QUIET}),
        ("out.mp4", {}),
        ("out.mkv", {"codec": "ffv1"}),
        ("out.mov", {"codec": "prores_ks"}),
    ],
    ids=lambda value: value.get("codec", "libx264") if isinstance(value, dict) else value,
)
def test_tags_and_mastering_metadata_are_in_the_output(tmp_path, name, options, transfer):
    source = hdr_clip(tmp_path, transfer)
    before, after = probe(source), run(source, tmp_path / name, **options)
    assert before.hdr == HDR
    assert after.hdr == HDR
    assert after.colour == before.colour
    assert (after.colour.transfer, after.colour.primaries) == (transfer, 9)
    assert after.bit_depth >= 10


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_the_coded_stream_itself_carries_the_metadata(tmp_path, codec):
    run(
        hdr_clip(tmp_path, PQ), tmp_path / "out.mp4", codec=codec, encoder_options=QUIET if codec == "libx265" else {}
    )
    with av.open(str(tmp_path / "out.mp4")) as container:
        decoder = av.CodecContext.create(container.streams.video[0].codec_context.codec.canonical_name, "r")
        # Nothing but the codec's own header: what the file says beside it is not seen.
        decoder.extradata = container.streams.video[0].codec_context.extradata
        packets = [packet for packet in container.demux(video=0) if packet.size]
        frame = next(frame for packet in (*packets, None) for frame in decoder.decode(packet))
    kinds = {frame.side_data[index].type.name for index in range(len(frame.side_data))}
    assert kinds >= {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"}


def hlg_clip_of_8_bits(folder, **tags):
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": HLG} | tags
    return make_clip(folder / "in8.mp4", textures(3), Recipe(tags=tags))


@pytest.mark.parametrize("name", ["out/%d.png", "out.apng", "out.webm"])
def test_formats_that_can_say_the_transfer_do(tmp_path, name):
    source = hlg_clip_of_8_bits(tmp_path)
    run_video(source, tmp_path / name, Blend(), Multiply(2))
    colour = probe(tmp_path / name.replace("%d", "1")).colour
    assert (colour.primaries, colour.transfer) == (9, HLG)


@pytest.mark.parametrize("name", ["out.y4m", "-", "out.gif", "out.webp", "out/%d.jpg", "out/%d.tif", "out/%d.webp"])
def test_formats_that_cannot_say_the_transfer_are_refused_unless_allowed(tmp_path, name):
    info = probe(hlg_clip_of_8_bits(tmp_path))
    target = Path(name) if name == "-" else tmp_path / name
    with pytest.raises(UsageError, match=r"cannot say that the colours are HLG BT\.2020"):
        make_plan(info, target, Multiply(2))
    plan = make_plan(info, target, Multiply(2), encode=EncodeOptions(allow_loss=True))
    assert any("Lost:" in note and "HLG BT.2020" in note for note in plan.notes)


def test_ten_bits_of_hdr_reach_another_program_through_a_pipe_where_the_loss_is_allowed(tmp_path):
    info = probe(hdr_clip(tmp_path, PQ))
    plan = make_plan(info, Path("-"), Multiply(2), encode=EncodeOptions(allow_loss=True))
    assert plan.encoding.pixel_format == info.pixel_format
    assert any("PQ BT.2020" in note for note in plan.notes)


def test_a_wide_gamut_alone_is_not_lost_unasked_and_the_usual_ones_are_no_loss(tmp_path):
    wide = probe(hlg_clip_of_8_bits(tmp_path, color_primaries=12, color_trc=13, colorspace=1))
    with pytest.raises(UsageError, match="colours are Display P3"):
        make_plan(wide, tmp_path / "out.gif", Multiply(2))
    for primaries in (1, 5, 6):
        usual = replace(wide, colour=replace(wide.colour, primaries=primaries))
        make_plan(usual, tmp_path / "out.gif", Multiply(2))


def test_the_plan_names_what_is_kept_and_what_is_lost(tmp_path):
    info = probe(hdr_clip(tmp_path, PQ))
    plan = make_plan(info, tmp_path / "out.mp4", Multiply(2))
    assert ("hdr", "mastered at 0.0001 to 1000 cd/m2; at most 1000 cd/m2, 400 on average") in plan.lines()
    assert "PQ" in dict(plan.lines())["colour"]
    assert not any("HDR" in note for note in plan.notes)
    dynamic = make_plan(replace(info, dynamic_hdr=("Dolby Vision", "HDR10+")), tmp_path / "out.mp4", Multiply(2))
    assert any("Lost: Dolby Vision and HDR10+" in note for note in dynamic.notes)
    encode = EncodeOptions(codec="mpeg4", allow_loss=True)
    lossy = make_plan(info, tmp_path / "out.mp4", Multiply(2), encode=encode)
    assert any("Lost: HDR metadata (mastered at" in note for note in lossy.notes)


def test_a_video_without_metadata_gets_none(tmp_path):
    source = hdr_clip(tmp_path, HLG, metadata="")
    assert probe(source).hdr is None
    after = run(source, tmp_path / "out.mp4")
    assert (after.hdr, after.colour.transfer) == (None, HLG)


def test_light_levels_alone_are_kept(tmp_path):
    source = hdr_clip(tmp_path, PQ, metadata=":max-cll=700,300")
    assert run(source, tmp_path / "out.mkv").hdr == HdrMetadata(light=(700, 300))
