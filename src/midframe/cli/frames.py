"""`midframe frames`: pictures between two pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from midframe.cli import options
from midframe.core.errors import UsageError


def frames(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A picture.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another of the same size.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where 0001.png and so on go.")],
    times: Annotated[
        str, typer.Option(metavar="T,T,…", help="Fractions of the way, ascending: 1/4,1/2,3/4.")
    ] = "1/2",
    method: options.Method = "rife",
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    steps: options.Steps = None,
    seed: options.Seed = 0,
    allow_loss: options.AllowLoss = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Make the pictures between two pictures, as PNG files."""
    from midframe import api  # Imports PyTorch: not before a command needs it.

    instants = _parse_times(times)
    interpolator = api.load(
        method, weights=weights, device=device, precision=precision, scale=scale, tta=tta, steps=steps
    )
    written = api.interpolate_pictures(
        before,
        after,
        folder,
        instants,
        method=interpolator,
        device=device,
        seed=seed,
        allow_loss=allow_loss,
        overwrite=overwrite,
    )
    for time, path in zip(instants, written, strict=True):
        typer.echo(f"{time} {path}")


def _parse_times(text: str) -> list[Fraction]:
    try:
        return [Fraction(part.strip()) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"Times are fractions with commas between, such as 1/4,1/2,3/4; got '{text}'.") from None
