"""What the packets of a video say of its frames, without decoding one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from av.error import FFmpegError

from midframe.video.deinterlace import field_times
from midframe.video.last_frame import TrackEnd, is_cut_short
from midframe.video.probe import VideoInfo, open_video, seconds_of

STEP_BACK_SECONDS = Fraction(1, 10)
"""By more than this FFmpeg's own program takes a stamp of decoding for one of another clock."""


@dataclass(frozen=True)
class Scan:
    """What was found.

    Attributes:
        times: Of all frames, ascending, in seconds since the first whole one. Packets before that do not count.
        end: When the last of them ends, as a reader will find.
        left_out: Frames that are not among them, since the stamps step back behind others that had their time.
        step_back: When they do so first; None where they do not.
    """

    times: list[Fraction]
    end: Fraction
    is_cut_short: bool = False
    left_out: int = 0
    step_back: Fraction | None = None


def scan(info: VideoInfo) -> Scan | None:
    """Read all packets of the video.

    Returns:
        None where they carry no stamps.

    Raises:
        MediaError: The file cannot be opened.
    """
    durations: dict[Fraction, Fraction] = {}
    latest = decoded = step_back = None
    left_out = 0
    with open_video(info.path, info.input_rate) as (container, stream):
        track_end = TrackEnd(info, stream)
        try:
            for packet in container.demux(stream):
                track_end.add(packet)
                if packet.size == 0 or packet.is_discard:
                    continue
                time = seconds_of(packet)
                if time is None or packet.time_base is None:
                    return None
                if time < info.start_time:
                    continue
                if packet.dts is not None:
                    before, decoded = decoded, packet.dts * packet.time_base
                    if before is not None and decoded < before - STEP_BACK_SECONDS:
                        latest = max(durations)
                        step_back = latest if step_back is None else step_back
                if latest is not None and time <= latest:
                    left_out += 1
                else:
                    durations.setdefault(time, (packet.duration or 0) * packet.time_base)
        except (FFmpegError, OSError):
            pass  # a plan covers what can be read; the run names the damage
    if not durations:
        return None
    shown = sorted(durations)
    first, last = shown[0], shown[-1]
    step = last - shown[-2] if len(shown) > 1 else info.usual_step
    end = track_end.of_last(last - first, durations[last] or step, step)
    times = [time - first for time in shown]
    return Scan(
        field_times(times) if info.deinterlace == "fields" else times,
        end,
        is_cut_short(info, end, step),
        left_out,
        None if step_back is None else step_back - first,
    )


def scan_times(info: VideoInfo) -> list[Fraction] | None:
    """Times of all frames; see `Scan`."""
    found = scan(info)
    return None if found is None else found.times


def scan_held(info: VideoInfo) -> list[Fraction] | None:
    """As `scan_times`, of the frames that the source holds, whatever is to be made of their fields."""
    return scan_times(replace(info, deinterlace="off"))
