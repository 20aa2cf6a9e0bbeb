"""How often an animation says it is to be played, which FFmpeg reads and keeps to itself."""

from __future__ import annotations

import re
from pathlib import Path

HEADER_BYTES = 1 << 16
# Each gives a number whose place is its group, and how it is stored.
GIF = re.compile(rb"\x21\xff\x0b(?:NETSCAPE2\.0|ANIMEXTS1\.0)\x03\x01(..)", re.DOTALL)
APNG = re.compile(rb"acTL....(....)", re.DOTALL)
WEBP = re.compile(rb"ANIM\x06\x00\x00\x00....(..)", re.DOTALL)


def read_plays(path: Path) -> int | None:
    """How often an animation is played, 0 for without end; None for what is no animation.

    A GIF without a word on it is played once.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError:
        return None
    if head.startswith((b"GIF87a", b"GIF89a")):
        found = GIF.search(head)
        if found is None:
            return 1
        repetitions = int.from_bytes(found[1], "little")
        return repetitions + 1 if repetitions else 0
    if head.startswith(b"\x89PNG"):
        found = APNG.search(head.partition(b"IDAT")[0])
        return None if found is None else int.from_bytes(found[1], "big")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = WEBP.search(head)
        return None if found is None else int.from_bytes(found[1], "little")
    return None
