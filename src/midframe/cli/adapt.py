"""`midframe adapt`: weights that know one video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midframe.cli import options


def adapt(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="The video to adapt to.")],
    out: Annotated[Path, typer.Option(metavar="FILE.safetensors", help="File of weights to write, for --weights.")],
    method: options.Method = "rife",
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to begin with; default: the shipped ones.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.0, help="Most time for training; it may stop earlier.")] = 10.0,
    short_side: Annotated[
        int, typer.Option(min=64, help="Larger frames are reduced to this many pixels on their shorter side.")
    ] = 540,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 1,
    overwrite: options.Overwrite = False,
) -> None:
    """Fine-tune a method on one video's own frames; frames kept apart decide whether the result is any better.

    The file holds whichever weights measured better, the adapted or the given ones; the last line says which.
    """
    from midframe import api  # Imports PyTorch: not before a command needs it.

    result = api.adapt(
        video,
        out,
        method=method,
        weights=weights,
        minutes=minutes,
        short_side=short_side,
        seed=seed,
        overwrite=overwrite,
        report=lambda line: typer.echo(line, err=True),
    )
    typer.echo(str(result), err=True)
    typer.echo(result.path)
