"""All commands under one name: each has a file, an import and a line here."""

from __future__ import annotations

from typing import Annotated

import typer

from midframe.cli.doctor import doctor
from midframe.cli.methods import methods

app = typer.Typer(
    help="Raise the frame rate of real video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(methods)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        import midframe

        typer.echo(midframe.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
