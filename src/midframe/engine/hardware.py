"""Which device computes, and in which precision: decided here and nowhere else, with no silent fallback."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from midframe.core.errors import DeviceError, UnknownNameError, UsageError

PRECISIONS: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

# Instructions that multiply in a short format without converting to float32 first. Names as in
# torch.cpu.get_capabilities(): the first ones are of x86-64, the last ones of ARM64.
_SHORT_FORMAT_INSTRUCTIONS: Mapping[torch.dtype, tuple[str, ...]] = {
    torch.bfloat16: ("amx_bf16", "avx512_bf16", "bf16"),
    torch.float16: ("amx_fp16", "avx512_fp16", "fp16_arith"),
}


def resolve_device(name: str | torch.device) -> torch.device:
    """Turn a name into a device that this machine has.

    Args:
        name: `auto` (the first CUDA device, or else the CPU), `cpu`, `cuda` or `cuda:N`; or a device of PyTorch.

    Raises:
        UsageError: A name of another kind.
        DeviceError: A CUDA device that is not here.
    """
    name = str(name)
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdecimal())):
        raise UsageError(f"A device is 'auto', 'cpu', 'cuda' or 'cuda:N'; got '{name}'.")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceError(f"Device '{name}' was asked for, but PyTorch sees no CUDA device here.")
    number = int(index or 0)
    if number >= torch.cuda.device_count():
        raise DeviceError(f"Device '{name}' was asked for, but there are {torch.cuda.device_count()} CUDA devices.")
    return torch.device("cuda", number)


def resolve_precision(name: str | torch.dtype, device: torch.device) -> torch.dtype:
    """Turn a name into a number format that the device computes in.

    Args:
        name: `fp32`, `bf16`, `fp16`, or `auto`: fp16 on CUDA, bf16 on a CPU that has it, else fp32;
            or a type of PyTorch.

    Raises:
        UnknownNameError: Another name.
        DeviceError: A format that the device has no instructions for.
    """
    if isinstance(name, torch.dtype):
        name = next((known for known, precision in PRECISIONS.items() if precision == name), str(name))
    if name == "auto":
        if device.type == "cuda":
            return torch.float16
        return torch.bfloat16 if instructions_for(torch.bfloat16) else torch.float32
    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, ["auto", *PRECISIONS])
    precision = PRECISIONS[name]
    if device.type == "cpu" and precision is not torch.float32 and not instructions_for(precision):
        wanted = ", ".join(_SHORT_FORMAT_INSTRUCTIONS[precision])
        raise DeviceError(
            f"Precision '{name}' was asked for on a CPU that has none of {wanted}; use 'fp32' or 'auto'."
        )
    if (
        device.type == "cuda"
        and precision is torch.bfloat16
        and not torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        raise DeviceError(f"Precision 'bf16' was asked for, but {torch.cuda.get_device_name(device)} has no bf16.")
    return precision


def instructions_for(precision: torch.dtype) -> tuple[str, ...]:
    """Names of the CPU's instructions for a 16-bit format; none where PyTorch cannot tell."""
    capabilities = _cpu_capabilities()
    return tuple(name for name in _SHORT_FORMAT_INSTRUCTIONS[precision] if capabilities.get(name))


def _cpu_capabilities() -> Mapping[str, Any]:
    # PyTorch before 2.11 or so cannot be asked in public; its CPU then counts as one without short formats.
    ask = getattr(torch.cpu, "get_capabilities", None)
    return ask() if ask is not None else {}
