"""Elements of EBML, of which Matroska and WebM files are made: number, length, content."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

CRC, VOID = 0xBF, 0xEC
HEAD_OF_VOID = 9


@dataclass(frozen=True)
class Place:
    """Where an element lies in some bytes.

    Attributes:
        number: Of its kind.
        start: Its first byte.
        content: The first byte of its content.
        end: Behind its last byte.
    """

    number: int
    start: int
    content: int
    end: int


def element(number: int, content: bytes) -> bytes:
    """One element, its length in eight bytes."""
    return (
        number.to_bytes(-(-number.bit_length() // 8), "big") + (len(content) | 1 << 56).to_bytes(8, "big") + content
    )


def whole(number: int, value: int) -> bytes:
    """An element of a whole number."""
    return element(number, value.to_bytes(8, "big"))


def real(number: int, value: Fraction) -> bytes:
    """An element of a real number."""
    return element(number, struct.pack(">d", float(value)))


def void(size_bytes: int) -> bytes:
    """An element that holds nothing, of a size in all."""
    return element(VOID, bytes(size_bytes - HEAD_OF_VOID))


def places(data: bytes, start: int, end: int) -> Iterator[Place]:
    """Elements that lie one behind the other.

    Raises:
        ValueError: What is there is none.
    """
    while start < end:
        number, at = _number(data, start, marked=True)
        length, content = _number(data, at, marked=False)
        yield Place(number, start, content, content + length)
        start = content + length


def master(number: int, children: Iterable[bytes], *, with_crc: bool) -> bytes:
    """An element of elements, with the check sum that some writers put first."""
    content = b"".join(children)
    check = element(CRC, zlib.crc32(content).to_bytes(4, "little")) if with_crc else b""
    return element(number, check + content)


def _number(data: bytes, start: int, *, marked: bool) -> tuple[int, int]:
    """A number whose first bit that is set says how long it is, and the place behind it; with or without that bit."""
    if start >= len(data) or not data[start]:
        raise ValueError("not an element of EBML")
    length = 9 - data[start].bit_length()
    value = int.from_bytes(data[start : start + length], "big")
    return (value if marked else value & ((1 << 7 * length) - 1)), start + length
