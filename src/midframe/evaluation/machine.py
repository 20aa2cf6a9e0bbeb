"""What a measurement ran on: the processor by name, and the most memory that the work held."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

_PROCESSOR = Path("/proc/cpuinfo")
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"  # Linux, proc(5): sets the peak back to what is held now.
_KIBIBYTE = 1024


def describe_machine(device: torch.device) -> str:
    """The GPU by name, or the processor with the threads that PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} {'thread' if threads == 1 else 'threads'}"


def _processor() -> str:
    if _PROCESSOR.is_file():
        for line in _PROCESSOR.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


class MemoryPeak:
    """The most memory held since this object was made.

    On a GPU what PyTorch holds there; on a CPU the resident memory of the whole process, PyTorch included, which
    only Linux lets one measure from a given moment on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._known = True
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            _CLEAR.write_text(_CLEAR_PEAK)
        except OSError:
            self._known = False

    def read(self) -> int | None:
        """Bytes; None where the system does not say."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if not self._known:
            return None
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIBIBYTE
        return None
