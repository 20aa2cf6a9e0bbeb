"""Ways to damage a media file, most of which know how its container is built.

Each takes the bytes of a file and a random generator, and gives other bytes. Where a file has nothing that a mutator
knows, it falls back on flipping bits.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Mutator = Callable[[bytes, random.Random], bytes]

ODD_NUMBERS = (0, 1, 2, 3, 7, 255, 256, 1000, 32767, 32768, 65535, 65536, 100_000, 10**6, 10**9, 2**31 - 1)
ODD_NUMBERS += (2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
CONTAINER_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf")
MASTER_ELEMENTS = (0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0xA0, 0x1043A770, 0x1941A469, 0x55B0)
TS_PACKET = 188


def flip_bits(content: bytes, rng: random.Random) -> bytes:
    """A few bits anywhere."""
    data = bytearray(content)
    for _ in range(2 ** rng.randint(0, 6)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def flip_header_bits(content: bytes, rng: random.Random) -> bytes:
    """A few bits near the start or the end, where headers and indices are."""
    data = bytearray(content)
    reach = min(len(data), 1500)
    for _ in range(2 ** rng.randint(0, 4)):
        place = rng.randrange(reach)
        data[place if rng.random() < 0.6 else -1 - place] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(len(content))]


def take_out(content: bytes, rng: random.Random) -> bytes:
    """A piece is missing."""
    start, end = _piece(content, rng)
    return content[:start] + content[end:]


def repeat(content: bytes, rng: random.Random) -> bytes:
    """A piece is there twice."""
    start, end = _piece(content, rng)
    return content[:end] + content[start:]


def overwrite(content: bytes, rng: random.Random) -> bytes:
    """A piece is zero, noise, or a copy of another piece."""
    start, end = _piece(content, rng)
    source = rng.randrange(len(content))
    filling = rng.choice([bytes(end - start), rng.randbytes(end - start), content[source : source + end - start]])
    return content[:start] + filling + content[start + len(filling) :]


def odd_numbers(content: bytes, rng: random.Random) -> bytes:
    """Somewhere stands a number that no program expects."""
    data = bytearray(content)
    reach = len(data) if rng.random() < 0.3 else min(len(data), 2000)
    for _ in range(rng.randint(1, 4)):
        width = rng.choice([1, 2, 4, 8])
        place = max(0, rng.randrange(reach) - width)
        data[place : place + width] = _odd(rng, width, rng.choice(["big", "little"]))
    return bytes(data[: len(content)])


@dataclass(frozen=True)
class Part:
    """A part of a container.

    Attributes:
        kind: Its four letters, or its number.
        start: Where it begins, header included.
        body: Where its content begins.
        end: Where it ends.
    """

    kind: bytes | int
    start: int
    body: int
    end: int


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Part]:
    """All boxes of an mp4 or mov, containers before what they hold."""
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", content[start : start + 8])
        stop = end if size == 0 or start + size > end else start + size
        if size < 8:
            stop = end
        yield Part(kind, start, start + 8, stop)
        if kind in CONTAINER_BOXES:
            yield from boxes(content, start + 8, stop)
        start = stop


def box_field(content: bytes, rng: random.Random) -> bytes:
    """One field of a header box is odd: sizes, durations, time scales, edit lists, tables, sample descriptions."""
    found = [part for part in boxes(content) if part.kind not in (*CONTAINER_BOXES, b"mdat", b"ftyp", b"free")]
    if not found:
        return flip_header_bits(content, rng)
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        part = rng.choice(found)
        width = rng.choice([2, 4, 4, 4, 8])
        length = part.end - part.body
        if length < width:
            continue
        place = part.body + rng.randrange(0, length - width + 1, 2)
        data[place : place + width] = _odd(rng, width, "big")
    return bytes(data)


def box_order(content: bytes, rng: random.Random) -> bytes:
    """A box is missing, there twice, renamed, or says another size."""
    found = [part for part in boxes(content) if part.end - part.start < len(content) // 2]
    if not found:
        return take_out(content, rng)
    part = rng.choice(found)
    before, whole, after = content[: part.start], content[part.start : part.end], content[part.end :]
    way = rng.randrange(4)
    if way == 0:
        return before + after
    if way == 1:
        return before + whole + whole + after
    if way == 2:
        return (
            before
            + whole[:4]
            + bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(4))
            + content[part.body :]
        )
    return before + _odd(rng, 4, "big") + whole[4:] + after


def elements(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Part]:
    """All elements of a Matroska or WebM file, masters before what they hold."""
    end = len(content) if end is None else end
    while start < end:
        number, after = _vint(content, start, keep_marker=True)
        size, body = _vint(content, after, keep_marker=False)
        if number is None or size is None:
            return
        stop = min(end, body + size)
        yield Part(number, start, body, stop)
        if number in MASTER_ELEMENTS:
            yield from elements(content, body, stop)
        start = stop


def element_value(content: bytes, rng: random.Random) -> bytes:
    """The content of some elements is odd: sizes, durations, scales, codec headers, time codes."""
    found = [p for p in elements(content) if p.kind not in MASTER_ELEMENTS and 0 < p.end - p.body <= 200]
    if not found:
        return flip_header_bits(content, rng)
    data = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        part = rng.choice(found)
        length = part.end - part.body
        if length <= 8:
            data[part.body : part.end] = _odd(rng, length, "big")
        else:
            data[part.body + rng.randrange(length)] ^= 1 << rng.randrange(8)
    return bytes(data)


def element_order(content: bytes, rng: random.Random) -> bytes:
    """An element is missing, there twice, or has another number or size."""
    found = list(elements(content))[1:]
    if not found:
        return take_out(content, rng)
    part = rng.choice(found)
    way = rng.randrange(3)
    if way == 0:
        return content[: part.start] + content[part.end :]
    if way == 1:
        return content[: part.end] + content[part.start :]
    data = bytearray(content)
    data[rng.randrange(part.start, max(part.start + 1, part.body))] = rng.randrange(256)
    return bytes(data)


def transport_packets(content: bytes, rng: random.Random) -> bytes:
    """Packets of a transport stream are missing, there twice, in another order, or flipped in the header."""
    packets = [content[k : k + TS_PACKET] for k in range(0, len(content), TS_PACKET)]
    for _ in range(2 ** rng.randint(0, 4)):
        place = rng.randrange(len(packets))
        way = rng.randrange(4)
        if way == 0 and len(packets) > 2:
            del packets[place]
        elif way == 1:
            packets.insert(place, packets[rng.randrange(len(packets))])
        elif way == 2:
            other = rng.randrange(len(packets))
            packets[place], packets[other] = packets[other], packets[place]
        else:
            packets[place] = flip_header_bits(packets[place][:24], rng) + packets[place][24:]
    return b"".join(packets)


def png_chunks(content: bytes, rng: random.Random) -> bytes:
    """Chunks of a PNG or an animated one: odd fields under a right checksum; missing, repeated, moved."""
    found, place = [], 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        found.append(content[place + 4 : place + 8 + size])
        place += 12 + size
    if not found:
        return flip_header_bits(content, rng)
    for _ in range(rng.randint(1, 3)):
        index = rng.randrange(len(found))
        way = rng.randrange(5)
        if way == 0 and len(found) > 1:
            del found[index]
        elif way == 1:
            found.insert(rng.randrange(len(found)), found[index])
        else:
            index = index if rng.random() < 0.5 else 0
            chunk = bytearray(found[index])
            if len(chunk) >= 8:
                offset = 4 + 4 * rng.randrange(max(1, (min(len(chunk), 40) - 4) // 4))
                chunk[offset : offset + 4] = _odd(rng, 4, "big")
                found[index] = bytes(chunk)
    chunks = [struct.pack(">I", max(0, len(c) - 4)) + c + struct.pack(">I", zlib.crc32(c)) for c in found]
    return content[:8] + b"".join(chunks)


def gif_screen(content: bytes, rng: random.Random) -> bytes:
    """Sizes of the screen or of a picture, or delays, are odd."""
    data = bytearray(content)
    places = [6, 8]
    places += [k + 4 for k in range(len(data) - 8) if data[k : k + 3] == b"\x21\xf9\x04"]
    places += [k + offset for k in range(13, len(data) - 10) if data[k] == 0x2C for offset in (1, 3, 5, 7)]
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(places)
        data[place : place + 2] = _odd(rng, 2, "little")
    return bytes(data)


def chunk_field(content: bytes, rng: random.Random) -> bytes:
    """A field of an AVI header is odd: sizes, rates, scales, lengths."""
    data = bytearray(content)
    heads = [content.find(name) for name in (b"avih", b"strh", b"strf", b"idx1") if name in content]
    if not heads:
        return flip_header_bits(content, rng)
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(heads) + 4 * rng.randint(1, 14)
        data[place : place + 4] = _odd(rng, 4, "little")
    return bytes(data[: len(content)])


ANY: tuple[Mutator, ...] = (flip_bits, flip_header_bits, cut, take_out, repeat, overwrite, odd_numbers)
BY_SUFFIX: dict[str, tuple[Mutator, ...]] = {
    ".mp4": (box_field, box_field, box_field, box_order),
    ".mov": (box_field, box_field, box_field, box_order),
    ".mkv": (element_value, element_value, element_order),
    ".webm": (element_value, element_value, element_order),
    ".ts": (transport_packets, transport_packets),
    ".avi": (chunk_field, chunk_field),
    ".gif": (gif_screen, gif_screen),
    ".png": (png_chunks, png_chunks),
    ".apng": (png_chunks, png_chunks),
}


def _piece(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(content))
    return start, min(len(content), start + 2 ** rng.randint(0, 12))


def _odd(rng: random.Random, width: int, order: str) -> bytes:
    number = rng.choice(ODD_NUMBERS) if rng.random() < 0.8 else rng.getrandbits(8 * width)
    return (number % 2 ** (8 * width)).to_bytes(width, "little" if order == "little" else "big")


def _vint(content: bytes, place: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """A number of variable length as EBML writes it, and where it ends; None where there is none."""
    if place >= len(content) or content[place] == 0:
        return None, place
    length = 9 - content[place].bit_length()
    number = int.from_bytes(content[place : place + length], "big")
    return (number if keep_marker else number & (2 ** (7 * length) - 1)), place + length
