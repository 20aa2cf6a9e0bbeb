"""Names of methods, parts of a clip and scales as the commands for clips of one's own take them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from midframe.core.errors import UsageError

if TYPE_CHECKING:
    from midframe.evaluation.check import Candidate


def load_candidates(
    methods: str, scales: str = "auto", *, device: str = "auto", precision: str = "auto"
) -> list[Candidate]:
    """Every method named, and those with a network at every scale named.

    Args:
        methods: Names with commas between.
        scales: `auto`, `1`, `0.5` or `0.25` with commas between.
        device: As in `api.load`.
        precision: As in `api.load`.

    Raises:
        MidframeError: What `api.load` raises.
        UsageError: No method, or one named twice.
    """
    from midframe import api  # These import PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device
    from midframe.evaluation.check import Candidate

    names, wanted_scales = _parts(methods, "method"), _parts(scales, "scale")
    candidates = []
    for name in names:
        known = api.methods().get(name)
        for scale in wanted_scales if known is None or known.has_network else ["auto"]:
            interpolator = api.load(name, device=device, precision=precision, scale=scale)
            label = name if scale == "auto" else f"{name} at {scale}"
            candidates.append(Candidate(label, interpolator, resolve_device(device)))
    return candidates


def parse_span(text: str) -> tuple[Fraction, Fraction]:
    """Seconds of the start and the end of `12.5-14` or `1:02-1:04.5`.

    Raises:
        UsageError: Something else.
    """
    start, dash, end = text.partition("-")
    try:
        if not dash:
            raise ValueError
        return _seconds(start), _seconds(end)
    except (ValueError, ZeroDivisionError):
        raise UsageError(
            f"A part of a clip is written as 12.5-14 or 1:02-1:04.5 (start, end); got '{text}'."
        ) from None


def _seconds(text: str) -> Fraction:
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Fraction(part.strip())
    return seconds


def _parts(text: str, what: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise UsageError(f"At least one {what} must be named.")
    for part in parts:
        if parts.count(part) > 1:
            raise UsageError(f"The {what} '{part}' is named {parts.count(part)} times.")
    return parts
