"""Files that are never half written, and hashes that say which file it was."""

from __future__ import annotations

import hashlib
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


def sha256(path: Path) -> str:
    """Hash of a file, in lower-case hexadecimal digits."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
