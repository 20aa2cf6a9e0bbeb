"""Reads `catalogue.toml` and hands out a file only after its hash was checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from midframe.core.errors import WeightsError
from midframe.core.file_hash import sha256_of

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class ShippedWeights:
    """One row of the catalogue.

    Attributes:
        file: Name of the file in this folder.
        sha256: Its hash, in lower-case hexadecimal digits.
        licence: SPDX identifier.
        recipe: Recipe that trained it.
        data: What it was trained on, with what is known of the rights in it.
        hardware: Machine and hours.
        steps: Optimiser steps, and samples seen.
        score: What was measured, in words with the command.
    """

    file: str
    sha256: str
    licence: str
    recipe: str
    data: str
    hardware: str
    steps: str
    score: str

    def verified_path(self, folder: Path = FOLDER) -> Path:
        """Where the file lies, after reading it once.

        Raises:
            WeightsError: It is missing, or another file than the catalogue describes.
        """
        path = folder / self.file
        if not path.is_file():
            raise WeightsError(f"{path} is missing: the installation is damaged; install midframe again.")
        found = sha256_of(path)
        if found != self.sha256:
            raise WeightsError(
                f"{path} has the hash {found[:12]}… where {self.sha256[:12]}… was expected: "
                "the installation is damaged; install midframe again."
            )
        return path


@cache
def catalogue(folder: Path = FOLDER) -> Mapping[str, ShippedWeights]:
    """All shipped weights by the name of their method."""
    rows = tomllib.loads((folder / "catalogue.toml").read_text(encoding="utf-8"))
    return {name: ShippedWeights(**row) for name, row in rows.items()}


def find(name: str) -> Path:
    """The verified file of a method's shipped weights.

    Raises:
        WeightsError: None are shipped for this method, or the file is damaged.
    """
    if name not in catalogue():
        raise WeightsError(
            f"This version ships no weights for '{name}': name a file with --weights, or make one with "
            f"`midframe train {name}`."
        )
    return catalogue()[name].verified_path()
