"""`midframe doctor`: what this machine offers, and whether the installation is whole."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.table import Table

from midframe.core.errors import MidframeError, UsageError


def doctor() -> None:
    """Report Python, PyTorch, processor, CUDA, FFmpeg and encoders, and verify the shipped weights.

    Exits with 1 where something is broken.
    """
    table = Table("", "part", "found", box=None, show_header=False)
    whole = True
    for sound, part, found in _findings():
        whole = whole and sound
        table.add_row("ok" if sound else "BROKEN", part, found)
    Console(markup=False, soft_wrap=True).print(table)
    if not whole:
        raise typer.Exit(1)


def _findings() -> Iterator[tuple[bool, str, str]]:
    """(is sound, part, what was found), in order of dependence."""
    import torch  # Here for the time that it takes, as in every command.

    import midframe
    from midframe.engine.hardware import instructions_for, resolve_device, resolve_precision

    yield True, "midframe", midframe.__version__
    yield True, "python", f"{platform.python_version()} ({sys.executable})"
    yield True, "torch", f"{torch.__version__}, {torch.get_num_threads()} threads"
    yield True, "processor", f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    for name, precision in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        yield True, f"processor {name}", ", ".join(instructions_for(precision)) or "none; fp32 is used"
    yield True, "CUDA", _cuda_devices()
    device = resolve_device("auto")
    precision = str(resolve_precision("auto", device)).removeprefix("torch.")
    yield True, "by default", f"{precision} on {device}"
    yield from _media_findings()
    yield from _weight_findings()


def _cuda_devices() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none"
    names = (torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return ", ".join(names)


def _media_findings() -> Iterator[tuple[bool, str, str]]:
    try:
        from midframe.video.libraries import describe_libraries, usable_hardware_encoders

        libraries = describe_libraries()
    except ImportError as error:
        yield False, "PyAV", str(error)
        return
    yield True, "PyAV", f"{libraries.pyav}, libavcodec {libraries.libavcodec}"
    yield bool(libraries.encoders), "encoders", ", ".join(libraries.encoders) or "none that midframe knows"
    yield True, "short names", ", ".join(_short_names())
    usable = usable_hardware_encoders()
    unusable = ", ".join(name for name in libraries.hardware_encoders if name not in usable)
    yield True, "hardware encoders", ", ".join(usable) or "none that works here"
    yield True, "compiled in, unusable", unusable or "none"


def _short_names() -> Iterator[str]:
    """`--codec` names, each with the encoder that it means here."""
    from midframe.video.encoders import SHORT_NAMES, encoder_named

    for name in SHORT_NAMES:
        try:
            yield f"{name} = {encoder_named(name)}"
        except UsageError:
            yield f"{name} = none"


def _weight_findings() -> Iterator[tuple[bool, str, str]]:
    from midframe.weights import catalogue

    if not catalogue():
        yield True, "weights", "none are shipped with this version"
    for name, weights in catalogue().items():
        try:
            path = weights.verified_path()
        except MidframeError as error:
            yield False, f"weights of {name}", str(error)
        else:
            yield True, f"weights of {name}", f"{path.name}, verified"
