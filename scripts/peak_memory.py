"""Peak memory and time of `midframe` with any arguments, in a process of its own.

    python scripts/peak_memory.py interpolate in.mp4 out.mp4 --memory 4GB

Prints what the command prints, then the largest resident size that the system saw.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def main() -> int:
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "midframe.cli", *sys.argv[1:]])
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"peak {usage.ru_maxrss * unit / 1e9:.3f} GB, {time.monotonic() - started:.1f} s")
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode


if __name__ == "__main__":
    raise SystemExit(main())
