"""Wall time of work on any device."""

from __future__ import annotations

import time

import torch


def seconds_now(device: torch.device) -> float:
    """Seconds on a monotonic clock, read once the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
