"""When the last frame of a video ends: one rule for plans, for readers and for parts."""

from __future__ import annotations

from fractions import Fraction

from midframe.video.probe import AnyPacket, Stream, VideoInfo

# A file that ends earlier than it declares, by more than this, is taken for truncated.
SHORTEST_TRUNCATION_SECONDS = Fraction(1, 10)
LARGEST_FRAMES_MISSING = 2
LONGEST_FRAME_SECONDS = 24 * 3600
"""A declared end so far behind the start of the last frame is not believed."""


class TrackEnd:
    """Sees the packets of a video, and knows whether they reach the end that its track declares."""

    def __init__(self, info: VideoInfo, stream: Stream) -> None:
        self._info = info
        self._declared: Fraction | None = None
        if stream.duration is not None and stream.time_base is not None:
            self._declared = stream.duration * stream.time_base
        self._first: Fraction | None = None
        self._reached = Fraction(0)

    def add(self, packet: AnyPacket) -> None:
        """See one packet."""
        if packet.dts is None or packet.time_base is None:
            return
        start = packet.dts * packet.time_base
        self._first = start if self._first is None else self._first
        self._reached = max(self._reached, start + (packet.duration or 0) * packet.time_base - self._first)

    def of_last(self, start: Fraction, own: Fraction, step: Fraction) -> Fraction:
        """When the last frame ends, in seconds since the first: as the track says where all of it was seen.

        The track comes first, since a packet's duration in mp4 is a distance in decoding order: the frame that is
        shown last may stand for seconds where its packet says that it is one of many.

        Args:
            start: When it is shown.
            own: Its duration as its packet says.
            step: Seconds between it and the one before.
        """
        end = self._info.duration
        if end is not None and self._is_whole(step) and start < end <= start + LONGEST_FRAME_SECONDS:
            return end
        return start + own

    def _is_whole(self, step: Fraction) -> bool:
        if self._declared is None or self._first is None:
            return False
        return self._declared - self._reached <= _tolerance(step)


def is_cut_short(info: VideoInfo, end: Fraction, step: Fraction) -> bool:
    """Whether a video that ends here ends before its declared end."""
    return info.duration is not None and end < info.duration - _tolerance(step)


def _tolerance(step: Fraction) -> Fraction:
    return max(SHORTEST_TRUNCATION_SECONDS, step * LARGEST_FRAMES_MISSING)
