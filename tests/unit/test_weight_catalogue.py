"""Shipped weights are handed out only when they are what the catalogue describes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from midframe.core.errors import WeightsError
from midframe.weights import catalogue, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.safetensors").write_bytes(b"numbers")
    digest = hashlib.sha256(b"numbers").hexdigest()
    (tmp_path / "catalogue.toml").write_text(
        f"""
        [net]
        file = "net.safetensors"
        sha256 = "{digest}"
        licence = "MIT"
        recipe = "net.toml"
        data = "nothing"
        hardware = "none"
        steps = "0"
        score = "1 dB"
        """
    )
    return tmp_path


def test_a_whole_file_is_handed_out(folder: Path) -> None:
    assert catalogue(folder)["net"].verified_path(folder) == folder / "net.safetensors"


def test_a_changed_file_is_refused(folder: Path) -> None:
    (folder / "net.safetensors").write_bytes(b"number")
    with pytest.raises(WeightsError, match="the installation is damaged"):
        catalogue(folder)["net"].verified_path(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "net.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"net\.safetensors is missing"):
        catalogue(folder)["net"].verified_path(folder)


def test_a_method_without_shipped_weights_is_named() -> None:
    with pytest.raises(WeightsError, match="ships no weights for 'blend'"):
        find("blend")


def test_every_shipped_file_is_whole() -> None:
    for weights in catalogue().values():
        assert weights.verified_path().is_file()
