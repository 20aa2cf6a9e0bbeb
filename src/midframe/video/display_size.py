"""The shape of pixels, put into the header of a finished Matroska or WebM file.

FFmpeg takes it from where PyAV cannot put it. So it is written afterwards: the header's description of the picture
grows by it, and the empty space that FFmpeg leaves before that shrinks by as much. Nothing behind it moves.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import BinaryIO

from midframe.core.errors import MediaError
from midframe.video.ebml import CRC, HEAD_OF_VOID, VOID, Place, element, master, places, void, whole

HEADER_BYTES = 1 << 20
SEGMENT, SEEK_HEAD, TRACKS, TRACK, PICTURE = 0x18538067, 0x114D9B74, 0x1654AE6B, 0xAE, 0xE0
SEEK, SEEK_POSITION, TRACK_TYPE = 0x4DBB, 0x53AC, 0x83
WIDTH, HEIGHT, UNIT = 0x54B0, 0x54BA, 0x54B2
RATIO = 3
"""What the two sides are given in: neither pixels nor centimetres."""


def state_display_size(file: BinaryIO, size: tuple[int, int], aspect: Fraction, *, webm: bool) -> None:
    """Say how large the picture is to be shown.

    Args:
        file: A whole file that FFmpeg wrote, open for reading and writing.
        size: Width and height of the stored picture.
        aspect: Width of a pixel over its height.
        webm: Browsers want whole pixels; elsewhere the ratio is given, which is exact.

    Raises:
        MediaError: The header is not as FFmpeg writes it.
    """
    header = file.read(HEADER_BYTES)
    try:
        changed = _changed(header, _display(size, aspect, webm))
    except (ValueError, StopIteration) as error:
        raise MediaError("The shape of pixels cannot be put into the header of the file.") from error
    file.seek(0)
    file.write(changed)


def _display(size: tuple[int, int], aspect: Fraction, webm: bool) -> bytes:
    width, height = size
    if webm:
        wide = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        return whole(WIDTH, wide[0]) + whole(HEIGHT, wide[1])
    ratio = width * aspect / height
    return whole(WIDTH, ratio.numerator) + whole(HEIGHT, ratio.denominator) + whole(UNIT, RATIO)


def _changed(header: bytes, display: bytes) -> bytes:
    """The header with the display size, as long as before."""
    segment = next(place for place in places(header, 0, len(header)) if place.number == SEGMENT)
    found: dict[int, Place] = {}
    for place in places(header, segment.content, len(header)):
        found.setdefault(place.number, place)
        if place.number == TRACKS:
            break
    index, space, tracks = found.get(SEEK_HEAD), found.get(VOID), found.get(TRACKS)
    if index is None or space is None or tracks is None or not index.end <= space.start < space.end <= tracks.start:
        raise ValueError("no empty space before the tracks")
    described = _described(header, tracks, display)
    grown = len(described) - (tracks.end - tracks.start)
    left = space.end - space.start - grown
    if left < HEAD_OF_VOID:
        raise ValueError("too little empty space")
    moved = range(space.end - segment.content, tracks.end - segment.content)
    return b"".join(
        (
            header[: index.start],
            _shifted(header, index, moved, grown),
            header[index.end : space.start],
            void(left),
            header[space.end : tracks.start],
            described,
            header[tracks.end :],
        )
    )


def _described(header: bytes, tracks: Place, display: bytes) -> bytes:
    """The description of all tracks, with the display size in that of the first picture."""
    children, done = [], False
    inner = list(places(header, tracks.content, tracks.end))
    for track in inner:
        parts = list(places(header, track.content, track.end)) if track.number == TRACK else []
        kind = next((header[part.content : part.end] for part in parts if part.number == TRACK_TYPE), b"")
        if done or int.from_bytes(kind, "big") != 1:
            children.append((track.number, header[track.start : track.end]))
            continue
        done = True
        rebuilt = (
            _with_display(header, part, display) if part.number == PICTURE else header[part.start : part.end]
            for part in parts
        )
        children.append((TRACK, element(TRACK, b"".join(rebuilt))))
    with_crc = inner[0].number == CRC
    return master(TRACKS, (content for number, content in children if number != CRC), with_crc=with_crc)


def _with_display(header: bytes, picture: Place, display: bytes) -> bytes:
    kept = (
        header[part.start : part.end]
        for part in places(header, picture.content, picture.end)
        if part.number not in (WIDTH, HEIGHT, UNIT)
    )
    return element(PICTURE, b"".join(kept) + display)


def _shifted(header: bytes, index: Place, moved: range, distance: int) -> bytes:
    """The index of the file, in which what lies in the part that moved comes earlier; no number gets longer."""
    data = bytearray(header[index.start : index.end])
    parts = list(places(header, index.content, index.end))
    for seek in parts:
        if seek.number != SEEK:
            continue
        for part in places(header, seek.content, seek.end):
            position = int.from_bytes(header[part.content : part.end], "big")
            if part.number == SEEK_POSITION and position in moved:
                place = slice(part.content - index.start, part.end - index.start)
                data[place] = (position - distance).to_bytes(part.end - part.content, "big")
    if parts[0].number == CRC:
        check, rest = parts[0], parts[0].end - index.start
        data[check.content - index.start : rest] = zlib.crc32(data[rest:]).to_bytes(4, "little")
    return bytes(data)
