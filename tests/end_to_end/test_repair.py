"""Repair makes frames only where none comes out of the source, and leaves all others as they are, bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from typer.testing import CliRunner

from blend import Blend
from clips import Recipe, make_clip, packet_bytes, packet_times, textures
from midframe import interpolate_video, plan_video
from midframe.cli.app import app
from midframe.core.errors import MediaError, UsageError
from midframe.core.repair import Repair, missing_instants
from midframe.engine.measure import FRAMES_AT_PLACE, PLACES
from midframe.video import EncodeOptions

LOSSLESS = EncodeOptions(codec="ffv1")
INTRA = {"qp": "12", "g": "1", "preset": "ultrafast"}
BLEND_TOLERANCE = 1.0
"""Mean levels: on its way through RGB a blend is rounded, and at the edges of strong colours clipped."""


def rewritten(source: Path, target: Path, change: Callable[[int, Packet], Packet | None]) -> Path:
    """Copy a file packet by packet; `change` sees the number of each video packet, in order of presentation."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        streams = [writing.add_stream_from_template(stream) for stream in reading.streams]
        shown = sorted(packet.pts for packet in reading.demux(video=0) if packet.pts is not None)
        reading.seek(0)
        for packet in reading.demux():
            if not packet.size:
                continue
            number = shown.index(packet.pts) if packet.stream.type == "video" else -1
            changed = packet if number < 0 else change(number, packet)
            if changed is not None:
                changed.stream = streams[packet.stream_index]
                writing.mux_one(changed)
    return target


def broken(packet: Packet) -> Packet:
    """The same packet with noise in its second half."""
    payload = bytearray(bytes(packet))
    payload[len(payload) // 2 :] = bytes(byte ^ 0x5A for byte in payload[len(payload) // 2 :])
    changed = Packet(bytes(payload))
    changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
    changed.duration, changed.is_keyframe = packet.duration, packet.is_keyframe
    return changed


def decoded(path: Path) -> dict[Fraction, list[bytes]]:
    """Planes of every whole frame by its time since the first."""
    frames: dict[Fraction, list[bytes]] = {}
    first = None
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                shown = packet.decode()
            except av.FFmpegError:
                continue
            for frame in shown:
                time = frame.pts * frame.time_base
                first = time if first is None else first
                if not frame.is_corrupt:
                    frames[time - first] = [_content(plane) for plane in frame.planes]
    return frames


def _content(plane) -> bytes:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)
    return rows[:, : plane.width].tobytes()


def clip(folder: Path, name: str = "whole.mkv", **recipe) -> Path:
    recipe = {"rate": Fraction(25), "options": INTRA} | recipe
    return make_clip(folder / name, textures(20), Recipe(**recipe))


def repair(source: Path, target: Path, encode: EncodeOptions = LOSSLESS):
    return interpolate_video(source, target, method=Blend(), repair=True, encode=encode)


def check(source: Path, target: Path, lost: set[int], step: Fraction = Fraction(1, 25), count: int = 20) -> None:
    """All frames but the lost ones are those of a source."""
    before, after = decoded(source), decoded(target)
    assert list(after) == [k * step for k in range(count)]
    for time, planes in after.items():
        assert (planes == before.get(time)) == (time / step not in lost), f"at {time}"


def test_frames_that_were_dropped_are_made_anew_and_all_others_are_exact(tmp_path: Path):
    source = rewritten(clip(tmp_path), tmp_path / "in.mkv", lambda k, packet: None if k in (4, 9, 10) else packet)
    result = repair(source, tmp_path / "out.mkv")
    check(source, tmp_path / "out.mkv", {4, 9, 10})
    assert result.remade == (Fraction(4, 25), Fraction(9, 25), Fraction(10, 25))
    assert (result.made, result.kept) == (3, 17)


def test_a_remade_frame_lies_between_its_neighbours(tmp_path: Path):
    source = rewritten(clip(tmp_path), tmp_path / "in.mkv", lambda k, packet: None if k == 4 else packet)
    repair(source, tmp_path / "out.mkv")
    luma = [np.frombuffer(planes[0], np.uint8).astype(float) for planes in decoded(tmp_path / "out.mkv").values()]
    assert np.abs(luma[4] - (luma[3] + luma[5]) / 2).mean() <= BLEND_TOLERANCE
    assert np.abs(luma[4] - luma[3]).mean() > 5 * BLEND_TOLERANCE


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_that_are_damaged_are_made_anew_and_all_others_are_exact(tmp_path: Path, suffix: str):
    source = rewritten(
        clip(tmp_path, f"whole{suffix}"),
        tmp_path / f"in{suffix}",
        lambda k, packet: broken(packet) if k in (3, 12) else packet,
    )
    result = repair(source, tmp_path / "out.mkv")
    check(tmp_path / f"whole{suffix}", tmp_path / "out.mkv", {3, 12})  # as if the others had never met the damage
    assert result.remade == (Fraction(3, 25), Fraction(12, 25))
    assert sum("damaged" in note or "does not decode" in note for note in result.notes) >= 2


@pytest.mark.parametrize("first", [5, 9])  # where reading stops at once, and where it gives the first frames alone
def test_the_time_of_a_repair_is_foretold_from_what_decodes(tmp_path: Path, first: int):
    source = rewritten(
        clip(tmp_path, "whole.mp4"),
        tmp_path / "in.mp4",
        lambda k, packet: broken(packet) if first <= k < first + 4 else packet,
    )
    plan = plan_video(source, tmp_path / "out.mkv", method=Blend(), repair=True, encode=LOSSLESS, measured=True)
    assert plan.estimate is not None
    assert 1 <= plan.estimate.frames < len(PLACES) * FRAMES_AT_PLACE
    assert "without the frames made for those that do not decode" in dict(plan.lines())["time"]
    with pytest.raises(MediaError, match="Skip damaged frames"):
        plan_video(source, tmp_path / "out.mkv", method=Blend(), multi=2, encode=LOSSLESS, measured=True)


def test_a_variable_rate_lacks_nothing_but_what_is_damaged(tmp_path: Path):
    times = [40 * k + 13 * (k % 3 == 1) for k in range(20)]
    whole = clip(tmp_path, times=times, time_base=Fraction(1, 1000))
    source = rewritten(whole, tmp_path / "in.mkv", lambda k, packet: broken(packet) if k == 7 else packet)
    result = repair(source, tmp_path / "out.mkv")
    assert result.remade == (Fraction(times[7], 1000),)
    assert list(decoded(tmp_path / "out.mkv")) == [Fraction(time, 1000) for time in times]


@pytest.mark.parametrize("codec", ["libx264", "ffv1"])
def test_a_whole_source_with_b_frames_and_sound_comes_out_as_it_is(tmp_path: Path, codec: str):
    options = {"qp": "20", "bf": "2", "g": "10", "preset": "veryfast"}
    source = clip(tmp_path, options=options, audio=0.8)
    encode = EncodeOptions(codec=codec, encoder_options={"qp": "0"} if codec == "libx264" else {})
    result = repair(source, tmp_path / "out.mkv", encode)
    check(source, tmp_path / "out.mkv", set())
    assert result.remade == ()
    assert packet_bytes(tmp_path / "out.mkv", "audio") == packet_bytes(source, "audio")


def test_ten_bits_stay_exact(tmp_path: Path):
    source = rewritten(
        clip(tmp_path, pixel_format="yuv420p10le"),
        tmp_path / "in.mkv",
        lambda k, packet: None if k == 5 else packet,
    )
    repair(source, tmp_path / "out.mkv")
    check(source, tmp_path / "out.mkv", {5})


def test_what_is_lost_at_the_end_is_held(tmp_path: Path):
    source = rewritten(
        clip(tmp_path), tmp_path / "in.mkv", lambda k, packet: broken(packet) if k in (18, 19) else packet
    )
    result = repair(source, tmp_path / "out.mkv")
    after = list(decoded(tmp_path / "out.mkv").values())
    assert len(after) == 20
    assert after[17] == after[18] == after[19]
    assert result.remade == (Fraction(18, 25), Fraction(19, 25))
    assert result.duration == Fraction(20, 25)


def test_the_plan_and_the_command_line_say_what_is_made_anew(tmp_path: Path):
    source = rewritten(clip(tmp_path), tmp_path / "in.mkv", lambda k, packet: None if k in (4, 9) else packet)
    plan = plan_video(source, tmp_path / "out.mkv", method=Blend(), repair=True, encode=LOSSLESS)
    assert (plan.frames_in, plan.frames_out, plan.frames_kept) == (18, 20, 18)
    assert any(heading == "repair" and "2 frames are missing" in text for heading, text in plan.lines())
    line = ["interpolate", str(source), str(tmp_path / "out.mkv"), "--repair", "--method", "blend", "--codec", "ffv1"]
    done = CliRunner().invoke(app, line, catch_exceptions=False)
    assert json.loads(done.stdout.splitlines()[-1])["remade_seconds"] == [0.16, 0.36]
    assert packet_times(tmp_path / "out.mkv", "video")[4] == Fraction(4, 25)


def test_a_pixel_format_that_changes_is_said(tmp_path: Path):
    plan = plan_video(
        clip(tmp_path),
        tmp_path / "out.mkv",
        method=Blend(),
        repair=True,
        encode=EncodeOptions(pixel_format="yuv444p"),
    )
    assert any("change a little on the way from yuv420p to yuv444p" in note for note in plan.notes)


def test_a_rate_of_its_own_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="repair keeps the source's rate"):
        interpolate_video(clip(tmp_path), tmp_path / "out.mkv", method=Blend(), repair=True, multi=2)


@pytest.mark.parametrize("name", ["out.y4m", "out/%d.png"])
def test_uneven_times_that_a_repair_keeps_are_not_lost_unasked(tmp_path: Path, name: str):
    times = [40 * k + 13 * (k % 3 == 1) for k in range(20)]
    source = clip(tmp_path, times=times, time_base=MILLISECOND)
    with pytest.raises(UsageError, match="uneven times of the frames are lost"):
        plan_video(source, tmp_path / name, method="blend", repair=True)
    plan = plan_video(source, tmp_path / name, method="blend", repair=True, encode=EncodeOptions(allow_loss=True))
    assert any("Lost: the uneven times" in note for note in plan.notes)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cadence_without_its_holes_is_even_and_has_the_rate_of_the_whole(tmp_path: Path, suffix: str):
    whole = clip(tmp_path, f"whole{suffix}")
    source = rewritten(whole, tmp_path / f"in{suffix}", lambda k, packet: None if k in (4, 9, 10) else packet)
    plan = plan_video(source, tmp_path / "out.y4m", method="blend", repair=True)
    assert (plan.frames_out, plan.rate, plan.duration) == (20, 25, Fraction(20, 25))


MILLISECOND = Fraction(1, 1000)


@pytest.mark.parametrize("last", [40, 5000], ids=["usual", "long"])
def test_the_rate_of_a_cadence_with_holes_is_that_of_its_steps_however_long_the_last_frame_stands(
    tmp_path: Path, last: int
):
    times = [40 * k for k in range(23) if k not in (4, 9, 10)]
    source = clip(tmp_path, "in.mkv", times=times, time_base=MILLISECOND, last=last)
    plan = plan_video(source, tmp_path / "out.mkv", method="blend", repair=True)
    assert plan.rate == 25


def test_a_hole_that_is_meant_does_not_count_in_the_step_of_a_repair():
    instants = (0, 40, 80, 2080, 2120)
    assert Repair(tuple(Fraction(time, 1000) for time in instants), Fraction(8), 1).step == Fraction(1, 25)


def rounded(numbers: list[int], rate: Fraction) -> list[Fraction]:
    return [round(k / rate / MILLISECOND) * MILLISECOND for k in numbers]


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001), Fraction(120)])
def test_holes_in_a_cadence_of_milliseconds_are_found(rate: Fraction):
    lost = {5, 17, 18, 19, 40}
    found = missing_instants(rounded([k for k in range(60) if k not in lost], rate), MILLISECOND)
    assert len(found) == len(lost)
    for time, number in zip(found, sorted(lost), strict=True):
        assert abs(time - number / rate) <= 2 * MILLISECOND


def test_a_long_pause_is_meant_and_an_uneven_rate_lacks_nothing():
    steady = [Fraction(k, 25) for k in range(30)]
    assert missing_instants(steady + [10 + time for time in steady], MILLISECOND) == []
    assert missing_instants(rounded([k * k for k in range(20)], Fraction(50)), MILLISECOND) == []
    assert missing_instants([Fraction(0), Fraction(1, 25)], MILLISECOND) == []
