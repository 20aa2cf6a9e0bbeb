"""The command behind `./scripts/faults`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import av  # noqa: F401  (children are forked with everything imported)
import scenedetect  # noqa: F401
import torch

import midframe.api
import midframe.cli.app
import midframe.methods.baseline
import midframe.methods.rife.sample  # noqa: F401
from fault_campaign.kills import fill_disks, kill_runs, prepared_cases
from fault_campaign.mutations import run_mutations

KEPT = Path(__file__).parents[2] / "runs" / "faults"


def main() -> int:
    """Run what was asked for; 1 where anything was lost, hung, or wrongly called a success."""
    wishes = argparse.ArgumentParser(prog="faults", description=__doc__)
    wishes.add_argument(
        "--kills", type=int, default=0, metavar="N", help="runs to stop by signals, and to go on with"
    )
    wishes.add_argument("--disks", type=int, metavar="D", help="runs on a disk too small; by default a fifth of N")
    wishes.add_argument("--mutations", type=int, default=0, metavar="M", help="damaged inputs to try")
    wishes.add_argument("--seed", type=int, default=1, help="of everything random")
    wishes.add_argument("--cases", type=int, default=99, help="most kinds of runs to disturb")
    wishes.add_argument("--only", type=int, metavar="K", help="try damaged input K alone, and print what came of it")
    wish = wishes.parse_args()
    torch.set_num_threads(1)  # in every child; threads do not survive the fork
    started = time.monotonic()
    disks = wish.kills // 5 if wish.disks is None else wish.disks
    failures: list[str] = []
    text = []
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        if wish.kills or disks:
            ready = prepared_cases(folder, wish.cases, _say)
            killed = kill_runs(ready, wish.kills, wish.seed, folder, _say)
            filled = fill_disks(ready, disks, wish.seed, folder, _say)
            failures += killed.failures + filled.failures
            text.append(f"{killed.total} kills ({_counts(killed.stopped)}) in {killed.finished} runs")
            text.append(f"{filled.total} full disks ({_counts(filled.stopped)}) in {filled.finished} runs")
        if wish.mutations or wish.only is not None:
            tried = run_mutations(wish.mutations, wish.seed, folder, KEPT, _say, wish.only)
            failures += tried.failures
            text.append(
                f"{sum(tried.by_kind.values())} mutations ({tried.done} done, {tried.refused} refused, "
                f"{tried.planned} planned only; slowest {tried.slowest_seconds:.1f} s, "
                f"most {tried.peak_bytes / 1e6:.0f} MB)"
            )
            _say(f"mutations by kind: {_counts(dict(tried.by_kind))}")
    for failure in failures:
        _say(f"FAILURE {failure}")
    print(f"faults: {'; '.join(text)}; {len(failures)} failures; {time.monotonic() - started:.0f} s")
    return 1 if failures else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _counts(counted: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))


if __name__ == "__main__":
    sys.exit(main())
