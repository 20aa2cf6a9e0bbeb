"""The one sentence that says why a folder is not the set it should be."""

from __future__ import annotations

from pathlib import Path

from midframe.core.errors import MediaError
from midframe.evaluation.protocol import Protocol


def refusal(protocol: Protocol, root: Path, problem: str) -> MediaError:
    """The error to raise; `problem` is a clause such as "im1.png is missing"."""
    return MediaError(f"{root} does not fit the protocol '{protocol.name}': {problem}; expected: {protocol.expects}.")
