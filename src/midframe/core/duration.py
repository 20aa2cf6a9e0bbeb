"""Spans of time for people."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """A span of time as hours, minutes and seconds: 1:02:03."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
