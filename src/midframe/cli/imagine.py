"""`midframe imagine`: clips that begin with pictures, made by an image-to-video model alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from midframe.cli import options


def imagine(
    pictures: Annotated[Path, typer.Argument(metavar="PICTURES", help="A folder of pictures.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for 0001.mp4 and so on.")],
    method: options.Method = "inbetween",
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Clips to have in the end.")] = 100,
    frames: Annotated[
        int | None, typer.Option(metavar="N", help="Of a clip. Default: the model's own number.")
    ] = None,
    weights: options.Weights = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    steps: options.Steps = None,
    setting: options.Setting = None,
    seed: options.Seed = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Make clips to train on, each beginning with a picture; files that are there already are kept."""
    from midframe import api  # Imports PyTorch: not before a command needs it.

    interpolator = api.load(
        method,
        weights=weights,
        device=device,
        precision=precision,
        steps=steps,
        frames=frames,
        settings={"system": "forward", **options.settings(setting or ())},
    )
    written = api.imagine(
        pictures,
        out,
        method=interpolator,
        count=count,
        seed=seed,
        overwrite=overwrite,
        report=lambda line: typer.echo(line, err=True),
    )
    typer.echo(f"{len(written)} clips in {out}")
