"""What it costs that threads spin while they wait for each other, on free cores and beside a busy process.

    taskset -c 0,1 python examples/waiting_threads.py [ROUNDS]

A process for each setting, in turns, ROUNDS times; each makes three frames of 448x256 between two by RIFE five times,
and gives its median after the first two. Printed are the medians over the rounds, in seconds, with as many threads
as PyTorch takes of itself. The busy process has one thread, and a session of its own, as another program has, since
the kernel shares cores between sessions first. Without `taskset` it takes neither of the two where there are more.
GOMP_SPINCOUNT=1000 is what the command line sets; the settings are those of GNU's OpenMP.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from statistics import median

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "as they are": {},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
}
NAMES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
MEASURED = """
import statistics, time, torch, midframe
from fractions import Fraction
method, pair, seconds = midframe.load("rife", device="cpu"), torch.rand(1, 2, 3, 256, 448), []
for _ in range(5):
    begun = time.perf_counter()
    method.interpolate(pair, [Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)])
    seconds.append(time.perf_counter() - begun)
print(statistics.median(seconds[2:]))
"""


def main() -> None:
    """Measure, and print a line for each setting."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("setting\tfree\tbeside a busy process")
    free = measured(rounds)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
    try:
        beside = measured(rounds)
    finally:
        busy.kill()
        busy.wait()
    for name in SETTINGS:
        print(f"{name}\t{free[name]:.2f}\t{beside[name]:.2f}")


def measured(rounds: int) -> dict[str, float]:
    """Seconds by setting."""
    others = {name: value for name, value in os.environ.items() if name not in NAMES}
    found: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(rounds):
        for name, setting in SETTINGS.items():
            line = [sys.executable, "-c", MEASURED]
            done = subprocess.run(line, env={**others, **setting}, stdout=subprocess.PIPE, text=True, check=True)
            found[name].append(float(done.stdout))
    return {name: median(seconds) for name, seconds in found.items()}


if __name__ == "__main__":
    main()
