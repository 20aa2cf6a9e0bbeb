"""Shape annotations are checked in every test run; the data folder is found by an environment variable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import config, install_import_hook

install_import_hook("midframe", "beartype.beartype")

settings.register_profile("steady", deadline=None)  # a deadline would measure how busy the machine is
settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of clips and test sets."""
    folder = Path(os.environ.get("MIDFRAME_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}; set MIDFRAME_SHARED")
    return folder


@pytest.fixture
def without_shape_checks() -> Iterator[None]:
    """Run as in production, so that a test sees the error a user would see and not the annotation's."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
