"""`midframe convert`: a published checkpoint as a file for --weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midframe.cli import options


def convert(
    method: options.MethodArgument,
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A file or folder, as it was published.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="File to write, .safetensors.")],
    base: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Model that the checkpoint was tuned from (inbetween: for 14 frames)."),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Read weights that others have published into this project's form."""
    from midframe import api  # Imports PyTorch: not before a command needs it.

    values = api.convert(method, checkpoint, target, base=base, overwrite=overwrite)
    typer.echo(f"{values} values in {target}")
