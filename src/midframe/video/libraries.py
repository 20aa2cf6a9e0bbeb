"""What the installed build of FFmpeg can do."""

from __future__ import annotations

from dataclasses import dataclass

import av

from midframe.video.encoders import (
    QUALITY,
    has_encoder,
    is_hardware,
    is_usable,
    memory_formats,
)


@dataclass(frozen=True)
class MediaLibraries:
    """Versions and encoders.

    Attributes:
        pyav: Version of PyAV.
        libavcodec: Version of the codec library inside it.
        encoders: Those present of the encoders that midframe has settings for.
        hardware_encoders: Those compiled in that take pictures from ordinary memory.
    """

    pyav: str
    libavcodec: str
    encoders: tuple[str, ...]
    hardware_encoders: tuple[str, ...]


def describe_libraries() -> MediaLibraries:
    """Ask PyAV what it was built with."""
    return MediaLibraries(
        pyav=av.__version__,
        libavcodec=".".join(str(part) for part in av.library_versions["libavcodec"]),
        encoders=tuple(name for name in QUALITY if has_encoder(name)),
        hardware_encoders=tuple(sorted(name for name in av.codecs_available if _is_offered_by_hardware(name))),
    )


def usable_hardware_encoders() -> tuple[str, ...]:
    """Those whose hardware and driver are here, found by opening each."""
    return tuple(name for name in describe_libraries().hardware_encoders if is_usable(name))


def _is_offered_by_hardware(name: str) -> bool:
    if not is_hardware(name) or not has_encoder(name):
        return False
    codec = av.Codec(name, "w")
    return codec.type == "video" and bool(memory_formats(codec))
