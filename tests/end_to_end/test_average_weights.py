"""The script that averages two weights of one network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "average_weights.py"


def average(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(EXAMPLE), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_the_mean_keeps_what_the_file_says_of_its_network(tmp_path: Path):
    first, second, out = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "out"))
    about = {"layout": "SvmvConfig"}
    save_file({"weight": torch.tensor([1.0, 3.0], dtype=torch.float16)}, first, metadata=about)
    save_file({"weight": torch.tensor([2.0, -1.0], dtype=torch.float16)}, second, metadata=about)
    done = average(first, second, out, "--share", "0.25")
    assert done.returncode == 0, done.stderr
    assert load_file(out)["weight"].tolist() == [1.25, 2.0]
    assert load_file(out)["weight"].dtype == torch.float16
    with safe_open(out, framework="pt") as file:
        assert file.metadata() == about


def test_different_networks_are_refused(tmp_path: Path):
    first, second, third = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "third"))
    save_file({"weight": torch.ones(2)}, first, metadata={"layout": "A"})
    save_file({"weight": torch.ones(2)}, second, metadata={"layout": "B"})
    save_file({"weight": torch.ones(3)}, third, metadata={"layout": "A"})
    for other in (second, third):
        done = average(first, other, tmp_path / "out.safetensors")
        assert done.returncode != 0
        assert f"{first} and {other} are of different networks." in done.stderr
        assert not (tmp_path / "out.safetensors").exists()
