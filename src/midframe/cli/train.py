"""`midframe train`: teach a method on folders of clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="Name of the method, or of a stage of one, such as madiff-codec.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where decoded clips, checkpoints and weights go.")],
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", "--clips", metavar="FOLDER", help="Folder of videos; give it again for further ones."),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(metavar="NAME|FILE.toml", help="A shipped recipe by name, or a file; default: the method's."),
    ] = "",
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.0, metavar="H", help="Instead of a recipe: measure the machine, and plan a run of H hours (mivid)."
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Network that a perceptual term looks through: VGG-16 or SqueezeNet 1.1, as .pth or .onnx.",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="shipped|METHOD|FILE", help="Weights to begin with, to fine-tune; default: random ones."
        ),
    ] = None,
    builds_on: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of the stage before, of a method trained in stages; for inbetween the folder of its model. "
            "They stay as they are.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint in --out.")] = False,
    until: Annotated[
        int | None, typer.Option(min=1, metavar="STEP", help="Stop before this step, ready to resume.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare batches.")] = 1,
    short_side: Annotated[int, typer.Option(min=64, help="Pixels of the decoded clips' shorter side.")] = 288,
    frames_per_clip: Annotated[int, typer.Option(min=3, help="Most frames kept of one clip.")] = 120,
) -> None:
    """Train a method on your own clips; the result is a file for --weights.

    With several GPUs: torchrun --nproc-per-node N -m midframe.cli train ...
    """
    from midframe import api  # Imports PyTorch: not before a command needs it.

    path = api.train(
        method,
        recipe=recipe or None,
        hours=hours,
        features=features,
        data=data or (),
        out=out,
        init=init,
        builds_on=builds_on,
        resume=resume,
        until=until,
        seed=seed,
        workers=workers,
        short_side=short_side,
        frames_per_clip=frames_per_clip,
        report=lambda line: typer.echo(line, err=True),
    )
    typer.echo(path)
