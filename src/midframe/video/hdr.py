"""Static HDR metadata: how the display was set on which a video was mastered, and how bright it gets.

PyAV reads it from frames and can write it neither to a stream nor to an encoder. So it goes out on two ways: as
parameters of the encoders that have their own words for it, which end up in the coded stream; and into the header of
the file, for any codec, by way of an empty Matroska file that is written here, from whose stream that of the output
takes its description.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import OutputContainer
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

from midframe.video.ebml import element, real, whole

MASTERING, LIGHT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
DYNAMIC = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DOVI_METADATA": "Dolby Vision",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
}
"""Side data that changes from frame to frame, by the names that people know. It is not carried."""
CHROMATICITY, LUMINANCE = 50_000, 10_000
"""Steps of one in the coded streams of H.264, H.265 and AV1."""
# Encoder -> the option that holds its parameters, and those of mastering display and light levels.
PARAMETERS = {
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}
# Codec -> its name in Matroska, for the description of a stream.
MATROSKA_CODECS = {
    "h264": "V_MPEG4/ISO/AVC",
    "hevc": "V_MPEGH/ISO/HEVC",
    "av1": "V_AV1",
    "vp9": "V_VP9",
    "ffv1": "V_FFV1",
    "prores": "V_PRORES",
}


@dataclass(frozen=True, kw_only=True)
class HdrMetadata:
    """What a video says of itself as a whole (SMPTE ST 2086, CTA-861.3).

    Attributes:
        primaries: CIE 1931 x and y of red, green, blue and white of the mastering display; empty where not stated.
        luminance: Its darkest and brightest level in cd/m2; None where not stated.
        light: Most light of a pixel, and of a frame on average, in cd/m2; None where not stated.
    """

    primaries: tuple[tuple[Fraction, Fraction], ...] = ()
    luminance: tuple[Fraction, Fraction] | None = None
    light: tuple[int, int] | None = None

    def sentence(self) -> str:
        """For a person."""
        parts = []
        if self.luminance is not None:
            parts.append(f"mastered at {float(self.luminance[0]):g} to {float(self.luminance[1]):g} cd/m2")
        elif self.primaries:
            parts.append("primaries of the mastering display")
        if self.light is not None:
            parts.append(f"at most {self.light[0]} cd/m2, {self.light[1]} on average")
        return "; ".join(parts)


def read_hdr(side_data: Iterable[SideData]) -> HdrMetadata | None:
    """The metadata among a frame's side data; None where there is none."""
    found = {data.type.name: bytes(data) for data in side_data}
    primaries: tuple[tuple[Fraction, Fraction], ...] = ()
    luminance = light = None
    if MASTERING in found:
        # AVMasteringDisplayMetadata: ten fractions, then which of them are set.
        *numbers, has_primaries, has_luminance = struct.unpack("=22i", found[MASTERING][:88])
        values = [
            Fraction(above, below) if below else Fraction(0)
            for above, below in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        if has_primaries:
            primaries = tuple(zip(values[0:8:2], values[1:8:2], strict=True))
        if has_luminance:
            luminance = values[8], values[9]
    if LIGHT in found:
        light = struct.unpack("=2I", found[LIGHT][:8])
    if not primaries and luminance is None and light is None:
        return None
    return HdrMetadata(primaries=primaries, luminance=luminance, light=light)


def with_hdr(codec: str, options: dict[str, str], hdr: HdrMetadata | None) -> dict[str, str]:
    """An encoder's options, with what it is told of HDR; what was set by name is kept."""
    if hdr is None or codec not in PARAMETERS:
        return options
    key, display, light = PARAMETERS[codec]
    told: dict[str, str] = {}
    if hdr.primaries and hdr.luminance is not None:
        told[display] = _display(hdr.primaries, hdr.luminance, exact=codec == "libsvtav1")
    if hdr.light is not None:
        told[light] = f"{hdr.light[0]},{hdr.light[1]}"
    if not told:
        return options
    own = options.get(key, "")
    added = [f"{name}={value}" for name, value in told.items() if f"{name}=" not in own]
    return options | {key: ":".join([*([own] if own else []), *added])}


def carries_hdr(codec: str) -> bool:
    """Whether the metadata survives with an encoder."""
    return av.Codec(codec, "w").canonical_name in MATROSKA_CODECS


def add_described_stream(
    container: OutputContainer, codec: str, size: tuple[int, int], hdr: HdrMetadata
) -> VideoStream:
    """A new stream of a file that is written, which carries the metadata. It has no encoder of its own.

    Args:
        container: Before its header is written.
        codec: An encoder that `carries_hdr`.
        size: Width and height.
    """
    name = MATROSKA_CODECS[av.Codec(codec, "w").canonical_name]
    with av.open(io.BytesIO(_matroska(name, size, hdr)), "r", format="matroska") as described:
        # Elsewhere the context is one of an encoder; the name of AV1's decoder leads to none.
        stream = container.add_stream_from_template(described.streams.video[0], opaque=name == "V_AV1")
    assert isinstance(stream, VideoStream)
    return stream


def _display(
    primaries: tuple[tuple[Fraction, Fraction], ...], luminance: tuple[Fraction, Fraction], *, exact: bool
) -> str:
    """The encoders' common notation; SVT-AV1 writes plain numbers, the others whole steps."""

    def text(value: Fraction, steps: int) -> str:
        return f"{float(value):.6f}" if exact else str(round(value * steps))

    red, green, blue, white = primaries
    places = zip("GBR", (green, blue, red), strict=True)
    colours = [(name, place) for name, place in places] + [("WP", white)]
    darkest, brightest = luminance
    return (
        "".join(f"{name}({text(x, CHROMATICITY)},{text(y, CHROMATICITY)})" for name, (x, y) in colours)
        + f"L({text(brightest, LUMINANCE)},{text(darkest, LUMINANCE)})"
    )


def _matroska(codec: str, size: tuple[int, int], hdr: HdrMetadata) -> bytes:
    """A file of one stream without a frame."""
    mastering = b""
    if hdr.primaries:
        numbers = [number for place in hdr.primaries for number in place]
        mastering = b"".join(real(0x55D1 + index, number) for index, number in enumerate(numbers))
    if hdr.luminance is not None:
        mastering += real(0x55D9, hdr.luminance[1]) + real(0x55DA, hdr.luminance[0])
    colour = element(0x55D0, mastering)
    if hdr.light is not None:
        colour += whole(0x55BC, hdr.light[0]) + whole(0x55BD, hdr.light[1])
    video = whole(0xB0, size[0]) + whole(0xBA, size[1]) + element(0x55B0, colour)
    track = whole(0xD7, 1) + whole(0x73C5, 1) + whole(0x83, 1)
    track += element(0x86, codec.encode()) + element(0xE0, video)
    head = element(0x1A45DFA3, element(0x4282, b"matroska") + whole(0x4287, 4) + whole(0x4285, 2))
    parts = element(0x1549A966, whole(0x2AD7B1, 10**6)) + element(0x1654AE6B, element(0xAE, track))
    return head + element(0x18538067, parts + element(0x1F43B675, whole(0xE7, 0)))
