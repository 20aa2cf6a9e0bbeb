"""What the frames of a run depend on: a run that was stopped goes on only where all of it is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version

from midframe.core.file_hash import sha256_of
from midframe.engine.plan import Plan
from midframe.video import VideoInfo
from midframe.video.libraries import describe_libraries
from midframe.video.picture_list import is_picture_list, list_pictures


def run_identity(plan: Plan, *, seed: int, skip_damaged: bool, made_with: Mapping[str, str]) -> dict[str, str]:
    """Everything that changes a frame or its encoding, as text under names that a person knows.

    Args:
        plan: Of the run.
        seed: Of a stochastic method.
        skip_damaged: Frames that do not decode are left out.
        made_with: What only the caller knows of the method: weights, precision, options.
    """
    libraries = describe_libraries()
    options = " ".join(f"{key}={value}" for key, value in sorted(plan.encoding.options.items()))
    size = plan.memory.size if plan.memory else None
    return {
        "source": _source_identity(plan.source),
        "rate": str(plan.rule),
        "cuts": f"{plan.cuts}{', the nearer frame repeated' if plan.repeat_at_cuts else ''}",
        "deinterlace": plan.source.deinterlace,
        "dedupe": str(plan.dedupe),
        "protect overlays": str(plan.protect_overlays),
        "codec": plan.encoding.codec,
        "pixel format": plan.encoding.pixel_format,
        "encoder options": options,
        "seed": str(seed),
        "skip damaged": str(skip_damaged),
        "midframe": version("midframe"),
        "media libraries": f"PyAV {libraries.pyav}, libavcodec {libraries.libavcodec}",
        "method": str(plan.method),
        **made_with,
        **({"flow scale": str(size.scale)} if size else {}),
        # Most methods' tiles change nothing that is seen.
        **({"tiles": str(size.tile_pixels)} if size and not size.seamless else {}),
    }


def _source_identity(info: VideoInfo) -> str:
    """What tells a source from any other, or from itself when it has changed."""
    path = info.path
    if info.is_spooled:
        return f"standard input, {path.stat().st_size} bytes, SHA-256 {sha256_of(path)}"
    if is_picture_list(path):
        digest = hashlib.sha256()
        pictures = list_pictures(path)
        for picture in pictures:
            known = picture.stat()
            digest.update(f"{picture.name}\0{known.st_size}\0{known.st_mtime_ns}\n".encode())
        return f"{path.resolve()}, {len(pictures)} pictures {digest.hexdigest()[:16]}, {info.input_rate} a second"
    known = path.stat()
    return f"{path.resolve()}, {known.st_size} bytes, changed at {known.st_mtime_ns}"
