"""`midframe check`: which method suits a clip of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from midframe.cli import options
from midframe.cli.candidates import load_candidates, parse_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from midframe.evaluation.check import ClipCheck
    from midframe.evaluation.recommendation import Group
    from midframe.metrics.sqd import SqueezeDistance


def check(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Any video that FFmpeg reads.")],
    methods: Annotated[
        str, typer.Option(metavar="A,B,…", help="Methods to compare; `midframe methods` lists them.")
    ] = "rife,blend",
    scales: Annotated[
        str, typer.Option(metavar="S,S,…", help="Scales of the flow to try: auto, 1, 0.5, 0.25.")
    ] = "auto,0.5",
    at: options.Part = None,
    max_targets: Annotated[int, typer.Option("--max", metavar="N", help="Frames to remake, spread evenly.")] = 40,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write check.json and worst.png here.")
    ] = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    seed: options.Seed = 0,
) -> None:
    """Leave out every second frame of a clip, remake some, and say which method and scale do it best.

    Frames are left out inside scenes only, and never where one repeats another.
    """
    from midframe.evaluation.check import check_clip  # Imports PyTorch: not before a command needs it.
    from midframe.evaluation.check_files import make_folder, write_check, write_worst_case

    span = None if at is None else parse_span(at)
    candidates = load_candidates(methods, scales, device=device, precision=precision)
    distance = _distance()
    if out is not None:
        make_folder(out)  # What cannot be written to is said before the work.
    with _progress() as show:
        result = check_clip(
            video, candidates, span=span, max_targets=max_targets, seed=seed, distance=distance, on_progress=show
        )
    _print(result)
    if out is not None:
        typer.echo(f"Written: {write_check(result, out)}, {write_worst_case(result, candidates, out, seed)}")


def _distance() -> SqueezeDistance | None:
    """The perceptual distance, where its network lies in the cache: a check asks for no file."""
    import torch

    from midframe.core.errors import WeightsError
    from midframe.metrics.backbone_files import find_backbone
    from midframe.metrics.sqd import BACKBONE, SqueezeDistance

    try:
        path = find_backbone(BACKBONE)
    except WeightsError:
        return None
    return SqueezeDistance.load(path, torch.device("cpu"))


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int | None], None]]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks = {}

        def show(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.update(tasks[stage], completed=done)

        yield show


def _print(result: ClipCheck) -> None:
    from midframe.evaluation.check_files import CAVEAT
    from midframe.evaluation.recommendation import by_motion, by_scene, recommend, standings

    # Names of files may hold brackets, in which Rich would see markup.
    console = Console(markup=False, highlight=False)
    survey = result.survey
    console.print(
        f"{result.path}: {survey.frames} frames in {survey.scenes} scenes, {survey.repeats} repeats; "
        f"{len(result.remade)} of {len(survey.targets)} frames that can be left out were remade."
    )
    ranked = standings(result)
    has_distance = all(row.sqd is not None for row in ranked)
    table = Table("candidate", "PSNR", "SSIM", *(("SqD",) if has_distance else ()), "frames/s", box=None)
    for row in ranked:
        distance = () if row.sqd is None else (f"{row.sqd:.4f}",)
        table.add_row(row.name, f"{row.psnr:.2f}", f"{row.ssim:.4f}", *distance, f"{row.frames_per_second:.2f}")
    console.print()
    console.print(table)
    names = [row.name for row in ranked]
    for heading, groups in (("scene", by_scene(result)), ("motion", by_motion(result))):
        console.print()
        console.print(_group_table(heading, groups, names))
    choice = recommend(result)
    console.print()
    console.print(f"Recommended: {choice.name}. {choice.reason}", soft_wrap=True)
    console.print(CAVEAT, soft_wrap=True)


def _group_table(heading: str, groups: Sequence[Group], names: Sequence[str]) -> Table:
    """Mean PSNR of each candidate; a star marks the best of a line."""
    table = Table(heading, "frames", *names, box=None)
    for group in groups:
        best = max(group.psnr.values())
        cells = (f"{group.psnr[name]:.2f}{'*' if group.psnr[name] == best else ' '}" for name in names)
        table.add_row(group.name, str(group.targets), *cells)
    return table
