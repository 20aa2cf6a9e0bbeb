"""What the frames of a run depend on: a run that was stopped goes on only where all of it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from midframe.engine.plan import Plan
from midframe.video.libraries import describe_libraries


def run_identity(plan: Plan, *, seed: int, skip_damaged: bool, made_with: Mapping[str, str]) -> dict[str, str]:
    """Everything that changes a frame or its encoding, as text under names that a person knows.

    Args:
        plan: Of the run.
        seed: Of a stochastic method.
        skip_damaged: Frames that do not decode are left out.
        made_with: What only the caller knows of the method: weights, precision, options.
    """
    source = plan.source.path.stat()
    libraries = describe_libraries()
    options = " ".join(f"{key}={value}" for key, value in sorted(plan.encoding.options.items()))
    size = plan.memory.size if plan.memory else None
    return {
        "source": f"{plan.source.path.resolve()}, {source.st_size} bytes, changed at {source.st_mtime_ns}",
        "rate": str(plan.rule),
        "cuts": f"{plan.cuts}{', the nearer frame repeated' if plan.repeat_at_cuts else ''}",
        "deinterlace": plan.source.deinterlace,
        "dedupe": str(plan.dedupe),
        "codec": plan.encoding.codec,
        "pixel format": plan.encoding.pixel_format,
        "encoder options": options,
        "seed": str(seed),
        "skip damaged": str(skip_damaged),
        "midframe": version("midframe"),
        "media libraries": f"PyAV {libraries.pyav}, libavcodec {libraries.libavcodec}",
        "method": str(plan.method),
        **made_with,
        **({"flow scale": str(size.scale)} if size else {}),  # tiles change nothing that is seen
    }
