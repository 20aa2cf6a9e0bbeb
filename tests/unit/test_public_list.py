"""The front door: what it shows, and how little it costs to come in."""

from __future__ import annotations

import subprocess
import sys

import pytest

import midframe

HEAVY = ("torch", "numpy", "av", "rich", "typer", "scenedetect")


def test_the_public_list_is_what_it_was() -> None:
    assert set(midframe.__all__) == {
        "__version__",
        # what one does
        "interpolate_pictures",
        "interpolate_video",
        "load",
        "methods",
        "plan_video",
        # what a method is
        "Interpolator",
        "MethodSpec",
        # how its output is written
        "EncodeOptions",
        # what can go wrong
        "DeviceError",
        "MediaError",
        "MidframeError",
        "MissingExtraError",
        "FilterError",
        "RecipeError",
        "ShapeError",
        "UnknownNameError",
        "UsageError",
        "WeightsError",
        "WorkerError",
        "WriteError",
    }


@pytest.mark.parametrize("name", midframe.__all__)
def test_every_public_name_leads_to_something(name: str) -> None:
    assert getattr(midframe, name) is not None


def test_every_error_of_the_tree_is_public() -> None:
    def tree(error: type) -> set[str]:
        return {error.__name__}.union(*(tree(child) for child in error.__subclasses__()))

    assert tree(midframe.MidframeError) <= set(midframe.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'interpolate'"):
        midframe.interpolate  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    """Heavy libraries that a fresh interpreter holds after a statement."""
    script = f"import sys\n{statement}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    finished = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(finished.stdout.split())


def test_import_alone_loads_nothing_heavy() -> None:
    assert loaded_by("import midframe") == set()


def test_errors_can_be_named_without_pytorch() -> None:
    assert "torch" not in loaded_by("from midframe import MidframeError")


def test_the_command_line_starts_without_pytorch() -> None:
    assert loaded_by("import midframe.cli.app") == {"rich", "typer"}


def test_the_probe_sees_what_is_loaded() -> None:
    assert "torch" in loaded_by("from midframe import load")
