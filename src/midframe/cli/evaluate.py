"""`midframe evaluate`: the scores of a method on test lists."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from midframe.cli import options
from midframe.core.errors import UsageError

if TYPE_CHECKING:
    from midframe.evaluation import Scores


def evaluate(
    method: options.MethodArgument,
    lists: Annotated[
        list[Path],
        typer.Option("--list", metavar="LIST.tsv", help="Test list; give it again for further lists."),
    ],
    root: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where the paths in the lists start.", file_okay=False)
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where scores go; with several lists, a folder in it for each."),
    ],
    max_targets: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="Score N targets of each list, at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of that choice, and of methods that draw.")] = 0,
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    save_images: Annotated[bool, typer.Option("--save-images", help="Keep the predictions as PNG files.")] = False,
) -> None:
    """Score a method on test lists: PSNR, SSIM, interpolation error, and time.

    Writes scores.json and targets.csv, and prints a table.
    """
    from midframe import api, evaluation  # These import PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device

    folders = _folders(lists, out)
    interpolator = api.load(method, weights=weights, device=device, precision=precision, scale=scale, tta=tta)
    table = Table("list", "targets", "PSNR", "SSIM", "SSIM-3D", "IE", "seconds a frame", box=None)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for list_path, folder in zip(lists, folders, strict=True):
            task = progress.add_task(escape(list_path.stem), total=None)
            scores = evaluation.evaluate(
                interpolator,
                list_path,
                root,
                folder,
                max_targets=max_targets,
                seed=seed,
                device=resolve_device(device),
                save_images=save_images,
                on_target=lambda done, total, task=task: progress.update(task, completed=done, total=total),
            )
            table.add_row(*_cells(scores))
    Console(markup=False).print(table)


def _folders(lists: list[Path], out: Path) -> list[Path]:
    """A folder for the results of each list.

    Raises:
        UsageError: Two lists would write into one folder.
    """
    if len(lists) == 1:
        return [out]
    name, count = Counter(path.stem for path in lists).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} lists are called '{name}', and would write into one folder; rename them.")
    return [out / path.stem for path in lists]


def _cells(scores: Scores) -> tuple[str, ...]:
    return (
        scores.list,
        str(scores.targets),
        f"{scores.psnr:.2f}",
        f"{scores.ssim:.4f}",
        f"{scores.ssim_3d:.4f}",
        f"{scores.ie:.2f}",
        f"{scores.seconds_per_frame:.4f}",
    )
