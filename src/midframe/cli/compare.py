"""`midframe compare`: the same moments from several methods, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from midframe.cli import options
from midframe.cli.candidates import load_candidates, parse_span


def compare(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any video that FFmpeg reads.")],
    at: Annotated[
        str, typer.Option("--at", metavar="START-END", help="The part to show: 12.5-14 seconds, 1:02-1:04.")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where compare.html and compare.mp4 go.")],
    methods: Annotated[
        str, typer.Option(metavar="A,B,…", help="Methods to compare; `midframe methods` lists them.")
    ] = "rife,blend",
    scales: Annotated[str, typer.Option(metavar="S,S,…", help="Scales of the flow: auto, 1, 0.5, 0.25.")] = "auto",
    fps: options.Fps = None,
    multi: options.Multi = None,
    slow: options.Slow = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Put methods beside each other: one HTML page to wipe, flip and step through, and one video.

    The page holds its pictures, opens without a network, and may be sent to others. Files that exist are replaced.
    """
    from midframe.core.rate import rate_rule
    from midframe.evaluation.compare import compare_clip  # Imports PyTorch: not before a command needs it.

    span = parse_span(at)
    rule = rate_rule(fps=fps, multi=multi, slow=slow)
    candidates = load_candidates(methods, scales, device=device, precision=precision)
    columns = ("{task.description}", MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("moments", total=None)
        result = compare_clip(
            video,
            candidates,
            span,
            rule,
            out,
            seed=seed,
            on_frame=lambda done: bar.update(task, completed=done),
        )
    typer.echo(
        f"{result.page} ({result.page.stat().st_size / 1e6:.1f} MB), {result.video}: {result.frames} moments, "
        f"{result.made} of them new."
    )
