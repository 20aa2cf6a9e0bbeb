"""A small campaign of faults; `./scripts/faults --kills 200 --mutations 2000` is the large one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PATIENCE_SECONDS = 600


def campaign(*wishes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [REPOSITORY / "scripts" / "faults", *wishes],
        env=os.environ | {"VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_small_campaign_finds_nothing_lost():
    done = campaign("--kills", "5", "--cases", "2", "--disks", "2", "--mutations", "60")
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert last.startswith("faults: 5 kills (")
    assert "60 mutations" in last
    assert "; 0 failures; " in last


def test_a_campaign_tells_a_loss_by_its_last_line_and_its_exit_code(tmp_path: Path):
    """A midframe that leaves a stray file beside each of its outputs."""
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [REPOSITORY / "scripts" / "faults", "--mutations", "12"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "left behind" in done.stdout
    assert "; 0 failures; " not in done.stdout.splitlines()[-1]


BROKEN = """
import os
if os.environ.get("MALLOC_ARENA_MAX") == "2":
    import pathlib
    real = pathlib.Path.replace
    def replace(self, target):
        pathlib.Path(target).with_suffix(".stray").write_bytes(b"left")
        return real(self, target)
    pathlib.Path.replace = replace
"""
