"""Checkpoints: written under a temporary name and renamed, so that a kill never leaves half a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from midframe.core.errors import WeightsError

KEPT = 3


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write `step-N.pt` and remove all but the newest few."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step}.pt"
    write_whole(path, state)
    for old in _numbered(folder)[:-KEPT]:
        old.unlink()
    return path


def write_whole(path: Path, state: dict[str, Any]) -> None:
    """Save a state so that the name exists only when the file is complete."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the highest step, or none."""
    found = _numbered(folder)
    return found[-1] if found else None


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are accepted.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types here, from zip errors to unpickling ones
        raise WeightsError(f"cannot read the checkpoint {path}: {error}.") from error


def _numbered(folder: Path) -> list[Path]:
    paths = (path for path in folder.glob("step-*.pt") if re.fullmatch(r"step-\d+", path.stem))
    return sorted(paths, key=lambda path: int(path.stem.removeprefix("step-")))
