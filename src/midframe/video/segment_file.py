"""Encoded packets of a part of a video on disk: what a finished part leaves behind, until all are joined.

    payloads of all packets | index, JSON | length of the index, 8 bytes | SHA-256 of all before, 32 bytes

No container is used, since most round time stamps or cannot hold every codec, and all that is needed is to give the
packets back as they were.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from av.packet import Packet, PacketSideData, PktSideDataT

from midframe.core.errors import MediaError, WriteError
from midframe.video.probe import reason

LENGTH_BYTES = 8
HASH_BYTES = 32
BLOCK_BYTES = 1 << 20
BESIDE: PktSideDataT = "matroska_block_additional"
BESIDE_NUMBER = get_args(PktSideDataT).index(BESIDE)


@dataclass(frozen=True)
class PacketEntry:
    """One packet of the index.

    Attributes:
        pts: When it is shown, in ticks of the video's time base.
        size_bytes: Of its payload.
        is_key: Decoding can start here.
        beside_bytes: Of what is stored behind the payload: the alpha of VP9, which is coded as a picture of its own.
    """

    pts: int
    size_bytes: int
    is_key: bool
    beside_bytes: int = 0


@dataclass(frozen=True)
class SegmentIndex:
    """What a segment file holds.

    Attributes:
        extradata: Header of the encoder; equal for all segments of a video.
        packets: In order of decoding.
    """

    extradata: bytes
    packets: tuple[PacketEntry, ...]


class SegmentFile:
    """Takes packets and becomes a file under its own name only when it is whole, and on the disk.

    To be ended by `finish` or by `discard`.

    Raises:
        WriteError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._hash = hashlib.sha256()
        self._packets: list[PacketEntry] = []
        try:
            self._file = self._partial.open("wb")
        except OSError as error:
            raise WriteError(f"{path} cannot be written: {reason(error)}.") from error

    def add(self, packet: Packet) -> None:
        """Append one packet, in order of decoding."""
        assert packet.pts is not None  # encoders stamp what they are given with a stamp
        payload = bytes(packet)
        beside = bytes(packet.get_sidedata(BESIDE)) if packet.has_sidedata(BESIDE) else b""
        self._put(payload)
        self._put(beside)
        self._packets.append(PacketEntry(packet.pts, len(payload), packet.is_keyframe, len(beside)))

    def finish(self, extradata: bytes) -> None:
        """Write the index, flush to the disk, and give the file its name."""
        packets = [[entry.pts, entry.size_bytes, int(entry.is_key), entry.beside_bytes] for entry in self._packets]
        index = json.dumps({"extradata": extradata.hex(), "packets": packets}).encode()
        self._put(index)
        self._put(len(index).to_bytes(LENGTH_BYTES, "big"))
        try:
            self._file.write(self._hash.digest())
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._path)
        except OSError as error:
            raise WriteError(f"{self._path} cannot be completed: {reason(error)}.") from error

    def discard(self) -> None:
        """Leave nothing of an unfinished file."""
        with contextlib.suppress(OSError):  # what still waits to be written may not fit on a full disk
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def _put(self, content: bytes) -> None:
        self._hash.update(content)
        try:
            self._file.write(content)
        except OSError as error:
            raise WriteError(f"{self._path} cannot be written: {reason(error)}.") from error


def read_index(path: Path) -> SegmentIndex:
    """The index of a segment file.

    Raises:
        MediaError: The file is missing or not one of these.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(-LENGTH_BYTES - HASH_BYTES, os.SEEK_END)
            length = int.from_bytes(file.read(LENGTH_BYTES), "big")
            file.seek(end - length)
            content: dict[str, Any] = json.loads(file.read(length))
        packets = tuple(PacketEntry(pts, size, bool(key), beside) for pts, size, key, beside in content["packets"])
        return SegmentIndex(bytes.fromhex(content["extradata"]), packets)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(f"{path} is no finished segment: {error}.") from error


def read_packets(path: Path, index: SegmentIndex) -> Iterator[tuple[PacketEntry, Packet]]:
    """Packets without stamps, each with its entry, in order of decoding."""
    try:
        with path.open("rb") as file:
            for entry in index.packets:
                packet = Packet(file.read(entry.size_bytes))
                if entry.beside_bytes:
                    # PyAV's stub does not know its arguments.
                    beside = PacketSideData(BESIDE_NUMBER, entry.beside_bytes)  # pyright: ignore[reportCallIssue]
                    beside.update(file.read(entry.beside_bytes))
                    packet.set_sidedata(beside)
                yield entry, packet
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {reason(error)}.") from error


def is_whole(path: Path) -> bool:
    """Whether the file is there and holds what was written into it, by its hash."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            left = file.seek(0, os.SEEK_END) - HASH_BYTES
            if left < LENGTH_BYTES:
                return False
            file.seek(0)
            while left:
                block = file.read(min(left, BLOCK_BYTES))
                digest.update(block)
                left -= len(block)
            return file.read() == digest.digest()
    except OSError:
        return False
