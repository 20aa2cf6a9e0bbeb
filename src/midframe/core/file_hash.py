"""Which file, or folder, it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

SMALL_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """Hash of a file's content, in lower-case hexadecimal digits.

    Of a folder: of the names and sizes of all files below it, and of the content of the small ones. Gigabytes of
    weights are not read for it.
    """
    if path.is_dir():
        found = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            size = file.stat().st_size
            found.update(f"{file.relative_to(path).as_posix()} {size}\n".encode())
            if size <= SMALL_BYTES:
                found.update(file.read_bytes())
        return found.hexdigest()
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
