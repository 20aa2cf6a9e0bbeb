"""Files that are never half written."""

from __future__ import annotations

from pathlib import Path

from midframe.core.errors import WriteError


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, whole.

    Raises:
        WriteError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error
