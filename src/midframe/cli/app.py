"""All commands under one name: each has a file, an import and a line here."""

from __future__ import annotations

from typing import Annotated

import typer

from midframe.cli.adapt import adapt
from midframe.cli.bench import bench
from midframe.cli.check import check
from midframe.cli.compare import compare
from midframe.cli.convert import convert
from midframe.cli.doctor import doctor
from midframe.cli.evaluate import evaluate
from midframe.cli.frames import frames
from midframe.cli.imagine import imagine
from midframe.cli.interpolate import interpolate
from midframe.cli.methods import methods
from midframe.cli.plan import plan
from midframe.cli.protocols import protocols
from midframe.cli.report import report
from midframe.cli.train import train

app = typer.Typer(
    help="Raise the frame rate of real video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    interpolate,
    frames,
    plan,
    methods,
    doctor,
    protocols,
    evaluate,
    report,
    check,
    compare,
    bench,
    train,
    adapt,
    imagine,
    convert,
):
    app.command()(command)


def _print_version(wanted: bool) -> bool:
    if wanted:
        import midframe

        typer.echo(midframe.__version__)
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
