"""`midframe frames`: pictures between two pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from midframe.cli import options
from midframe.cli.progress import show_clip
from midframe.core.errors import UsageError


def frames(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A picture.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another of the same size.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where 0001.png and so on go.")],
    times: Annotated[
        str | None, typer.Option(metavar="T,T,…", help="Fractions of the way, ascending: 1/4,1/2,3/4. Default: 1/2.")
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--frames", metavar="N", help="Instead of times: a clip of N, BEFORE and AFTER included."),
    ] = None,
    ends: Annotated[
        str,
        typer.Option(
            metavar="given|made",
            help="With --frames: begin and end with the pictures themselves, or as the method makes them.",
        ),
    ] = "given",
    method: options.Method = "rife",
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    steps: options.Steps = None,
    setting: options.Setting = None,
    seed: options.Seed = 0,
    allow_loss: options.AllowLoss = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Make the pictures between two pictures, as PNG files."""
    from midframe import api  # Imports PyTorch: not before a command needs it.

    if count is not None and times is not None:
        raise UsageError("Name times or a number of frames, not both.")
    makes_clips = method in api.methods() and api.methods()[method].clips
    interpolator = api.load(
        method,
        weights=weights,
        device=device,
        precision=precision,
        scale=scale,
        tta=tta,
        steps=steps,
        frames=count if makes_clips else None,
        settings=options.settings(setting or ()),
    )
    common = {"device": device, "seed": seed, "allow_loss": allow_loss, "overwrite": overwrite}
    if count is None:
        instants = _parse_times(times or "1/2")
        written = api.interpolate_pictures(before, after, folder, instants, method=interpolator, **common)
    else:
        console = Console(stderr=True)
        instants = [Fraction(place, max(count - 1, 1)) for place in range(count)]
        with show_clip(console) as show:
            written = api.make_clip(
                before,
                after,
                folder,
                count,
                method=interpolator,
                ends=ends,
                on_memory=lambda line: typer.echo(line, err=True),
                on_step=show,
                **common,
            )
    for time, path in zip(instants, written, strict=True):
        typer.echo(f"{time} {path}")


def _parse_times(text: str) -> list[Fraction]:
    try:
        return [Fraction(part.strip()) for part in text.split(",")]
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"Times are fractions with commas between, such as 1/4,1/2,3/4; got '{text}'.") from None
