"""What the installed build of FFmpeg can do."""

from __future__ import annotations

from dataclasses import dataclass

import av

from midframe.video.encode import VISUALLY_LOSSLESS

HARDWARE_ENCODERS = ("h264_nvenc", "hevc_nvenc", "av1_nvenc", "h264_videotoolbox", "h264_qsv", "h264_vaapi")


@dataclass(frozen=True)
class MediaLibraries:
    """Versions and encoders.

    Attributes:
        pyav: Version of PyAV.
        libavcodec: Version of the codec library inside it.
        encoders: Those present of the encoders that midframe has settings for.
        hardware_encoders: Those compiled in; whether the machine has the hardware shows only in use.
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
        encoders=tuple(name for name in VISUALLY_LOSSLESS if _has_encoder(name)),
        hardware_encoders=tuple(name for name in HARDWARE_ENCODERS if _has_encoder(name)),
    )


def _has_encoder(name: str) -> bool:
    try:
        av.Codec(name, "w")
    except ValueError:
        return False
    return True
