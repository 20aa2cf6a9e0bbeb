"""`midframe bench`: the speed of a method on this machine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from midframe.cli import options
from midframe.core.errors import UsageError, WriteError


def bench(
    method: options.MethodArgument,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Size of the frames.")] = "1280x720",
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs, after two that warm up.")] = 7,
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
) -> None:
    """Time a method: frames per second of the network alone, without reading or writing video."""
    from midframe import api, evaluation  # These import PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device, resolve_precision

    pixels = _parse_size(size)
    interpolator = api.load(method, weights=weights, device=device, precision=precision, scale=scale, tta=tta)
    resolved_device = resolve_device(device)
    result = evaluation.bench(
        interpolator,
        pixels,
        timed_runs=runs,
        device=resolved_device,
        precision=str(resolve_precision(precision, resolved_device)).removeprefix("torch."),
    )
    if json_path is not None:
        try:
            json_path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise WriteError(f"{json_path} cannot be written: {error}.") from error
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{result['method']} at {result['size']}: {result['frames_per_second']:.2f} frames a second "
        f"(median of {runs} runs, {result['device']}, {result['precision']}, {result['threads']} threads)"
    )


def _parse_size(text: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        UsageError: Something other than two whole numbers with an x between.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text, flags=re.ASCII)
    if match is None:
        raise UsageError(f"A size is written as 1280x720 (width, height); got '{text}'.")
    return int(match[1]), int(match[2])
