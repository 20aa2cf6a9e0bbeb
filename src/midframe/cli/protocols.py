"""`midframe protocols`: the test sets and rules that `midframe evaluate` knows by name."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from midframe.core.errors import UsageError

if TYPE_CHECKING:
    from midframe.evaluation import Protocol, PublishedScore

DIGITS = {"psnr": 2, "psnr_luma": 2, "ie": 2, "ssim": 4, "ssim_3d": 4}
"""After the point, as papers print them; other metrics vary."""


def protocols(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|FILE.toml]", help="One protocol, in full; without it all are listed."),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Also check that this folder has the layout.", file_okay=False),
    ] = None,
) -> None:
    """List the protocols, or say where the data of one comes from, how it must lie, and what others scored on it."""
    from midframe import evaluation  # Imports PyTorch: not before a command needs it.

    console = Console(markup=False, highlight=False)
    if name is None:
        if root is not None:
            raise UsageError("--root checks one protocol; name it.")
        console.print(_overview(list(evaluation.protocols().values())))
        return
    protocol = evaluation.find_protocol(name)
    targets = None if root is None else len(evaluation.protocol_targets(protocol, root))
    console.print(_description(protocol))
    scores = evaluation.published(protocol.name)
    if scores:
        console.print()
        sources = list(dict.fromkeys(score.source for score in scores))
        console.print(_scores(scores, sources))
        for number, source in enumerate(sources, start=1):
            console.print(f" {number}: {source}", soft_wrap=True)
    if targets is not None:
        console.print(f"\n{root} has the layout: {targets} targets.", soft_wrap=True)


def _overview(all_protocols: list[Protocol]) -> Table:
    table = Table("name", "inputs", "times", "targets", Column("set", overflow="fold"), box=None)
    for protocol in all_protocols:
        table.add_row(protocol.name, str(protocol.inputs), str(len(protocol.times)), _count(protocol), protocol.title)
    return table


def _description(protocol: Protocol) -> Table:
    average = "of all targets" if protocol.average == "targets" else "of each sequence, then of all sequences"
    table = Table(Column(no_wrap=True), Column(overflow="fold"), box=None, show_header=False)
    for heading, text in (
        ("name", protocol.name),
        ("set", protocol.title),
        ("from", protocol.source),
        ("layout", protocol.expects),
        ("list", protocol.split),
        ("targets", _count(protocol)),
        ("inputs", str(protocol.inputs)),
        ("times", ", ".join(map(str, protocol.times))),
        ("pictures", str(protocol.picture)),
        ("borders", protocol.border),
        ("rounding", protocol.rounding),
        ("scores", f"PSNR of {protocol.psnr}, SSIM {protocol.ssim}, LPIPS {protocol.lpips}; means {average}"),
        ("notes", protocol.notes),
    ):
        if text:
            table.add_row(heading, text)
    return table


def _scores(scores: list[PublishedScore], sources: list[str]) -> Table:
    """A line for each method in each source; figures whose protocols differ in another way get one of their own."""
    lines: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for score in scores:
        year = "" if score.year is None else str(score.year)
        digits = DIGITS.get(score.metric)
        value = f"{score.value:g}" if digits is None else f"{score.value:.{digits}f}"
        source = str(sources.index(score.source) + 1)
        lines[score.method, year, score.note, source].append(f"{score.metric} {value}")
    table = Table("published by", "year", "scores", "where protocols differ", "source", box=None)
    for (method, year, note, source), figures in lines.items():
        table.add_row(method, year, ", ".join(figures), note, source)
    return table


def _count(protocol: Protocol) -> str:
    return "not fixed" if protocol.targets is None else str(protocol.targets)
