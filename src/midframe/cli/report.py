"""`midframe report`: finished evaluations side by side, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape


def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Results of `midframe evaluate`, or folders of them.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="The page; it needs nothing but a browser.")],
    root: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the set lies now, if it was moved.", file_okay=False)
    ] = None,
) -> None:
    """Join finished evaluations into one page: tables, intervals, charts, and pictures to compare."""
    from midframe.evaluation.report import write_report  # Imports PyTorch: not before a command needs it.

    with show_steps() as show:
        write_report(folders, out, root=root, on_step=show)
    Console(markup=False, soft_wrap=True).print(f"{out} is written.")


@contextmanager
def show_steps() -> Iterator[Callable[[str], None]]:
    """A line on the terminal that says what the report is at."""
    with Console(stderr=True).status("report") as status:
        yield lambda step: status.update(f"report: {escape(step)}")
