"""Who may import whom: the plan of the house as data, held against every import statement."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "midframe"

LAYERS = (  # Lowest first. Rooms on one level do not see each other.
    {"core"},
    {"ops", "video"},
    {"nn"},
    {"diffusion", "losses", "metrics", "data"},
    {"methods"},  # methods/<a> never imports methods/<b>.
    {"engine", "weights", "recipes"},
    {"training", "evaluation"},
    {"api"},
    {"__init__"},  # The front door, midframe/__init__.py.
    {"backends"},
    {"cli", "web"},
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
BLIND_TO_METHODS = {"engine", "training", "evaluation"}  # They receive objects that satisfy a protocol.
HEAVY = {  # A heavy library is imported in one room.
    "av": "video",
    "cv2": "ops/inverse_search.py",
    "onnx": "nn/backbone_weights.py",
    "ray": "backends/ray.py",
    "gradio": "web",
    "typer": "cli",
    "rich": "cli",
    "diffusers": "methods/inbetween",
    "transformers": "methods/inbetween",
}
FILES = sorted(SOURCE.rglob("*.py"))


def imported_names(source: str) -> list[str]:
    """Full dotted names of everything that a file imports, at its top, in a function, or for types only."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import at line {node.lineno}"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def violations(path: str, source: str) -> list[str]:
    """Sentences on what `source`, at `path` below the package, must not import."""
    found = []
    parts = path.removesuffix(".py").split("/")
    room = parts[0]
    for name in imported_names(source):
        package, *inner = name.split(".")
        if package in HEAVY and not path.startswith(HEAVY[package]):
            found.append(f"{path} imports {package}, which belongs in {HEAVY[package]}")
        if package != "midframe":
            continue
        target = inner[0] if inner and inner[0] in LEVEL else "__init__"
        if target == room:
            if room == "methods" and parts[1] != "__init__" and len(inner) > 1 and inner[1] != parts[1]:
                found.append(f"{path} imports {name}: one method does not know another")
        elif LEVEL[target] >= LEVEL[room] or (target == "methods" and room in BLIND_TO_METHODS):
            found.append(f"{path} imports {name}: imports point down only")
    return found


@pytest.mark.parametrize("path", [file.relative_to(SOURCE).as_posix() for file in FILES])
def test_imports_point_down_only(path: str) -> None:
    assert path.split("/")[0].removesuffix(".py") in LEVEL, "a room that the plan does not know"
    assert violations(path, (SOURCE / path).read_text()) == []


def test_files_mention_no_folder_of_a_workplace() -> None:
    assert FILES
    assert [file for file in FILES if "/work/" in file.read_text()] == []


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("core/errors.py", "import midframe.ops.warp"),
        ("ops/warp.py", "from midframe.video import probe"),
        ("engine/run.py", "def later():\n    from midframe.methods import rife"),
        ("methods/rife/sample.py", "from midframe.methods.svmv import network"),
        ("methods/rife/sample.py", "from midframe import weights"),
        ("metrics/psnr.py", "import av"),
        ("methods/baseline/classical.py", "def later():\n    import cv2"),
        ("engine/run.py", "from rich.progress import Progress"),
        ("training/loop.py", "from midframe import load"),
    ],
)
def test_each_rule_catches_its_offender(path: str, statement: str) -> None:
    assert len(violations(path, statement)) == 1
