"""Scores that others printed, protocol by protocol, from `published.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from midframe.core.errors import RecipeError
from midframe.core.recipe import read_recipe
from midframe.evaluation.protocol import protocols

FILE = Path(__file__).with_name("published.toml")
ABSENT = "-"
EVERY_COLUMN = "*"


@dataclass(frozen=True, kw_only=True)
class PublishedScore:
    """One printed figure.

    Attributes:
        protocol: Name of the protocol.
        method: As the source calls it.
        year: When the method was published; None for one without a paper.
        metric: As in `metrics`: psnr, psnr_luma, ssim, ssim_3d, ie, lpips_alex, flolpips, fid, fvd.
        value: Decibels for psnr and psnr_luma, 0 to 255 for ie, else without a unit.
        source: Where the figure was printed.
        note: How the source's protocol differs from the one named; "" where it is the same as far as is known.
    """

    protocol: str
    method: str
    year: int | None
    metric: str
    value: float
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the file, whose head describes the fields."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float, ...], ...]
    note: str = ""
    remarks: tuple[tuple[str, str, str], ...] = ()

    def __post_init__(self) -> None:
        methods = {str(row[0]) for row in self.rows}
        for row in self.rows:
            if len(row) != len(self.columns) + 2:
                raise RecipeError(f"the row of {row[0]} has {len(row) - 2} values for {len(self.columns)} columns.")
        for method, column, _ in self.remarks:
            if method not in methods or column not in (*self.columns, EVERY_COLUMN):
                raise RecipeError(f"a remark on {method}, {column} has no place in the table.")

    def scores(self) -> list[PublishedScore]:
        """The figures, row by row."""
        return [
            PublishedScore(
                protocol=column.split()[0],
                method=str(method),
                year=None if year == ABSENT else int(year),
                metric=column.split()[1],
                value=float(value),
                source=self.source,
                note=self._note(str(method), column),
            )
            for method, year, *values in self.rows
            for column, value in zip(self.columns, values, strict=True)
            if value != ABSENT
        ]

    def _note(self, method: str, column: str) -> str:
        remarks = [text for named, where, text in self.remarks if named == method and where in (column, EVERY_COLUMN)]
        return "; ".join(text for text in (self.note, *remarks) if text)


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """All tables of a file."""

    tables: tuple[Table, ...]


def published(protocol: str) -> list[PublishedScore]:
    """What others printed for a protocol, and for the one whose targets it shares; none for an unknown name."""
    known = protocols().get(protocol)
    names = {protocol} if known is None or not known.same_targets_as else {protocol, known.same_targets_as}
    return [score for score in all_published() if score.protocol in names]


@cache
def all_published() -> tuple[PublishedScore, ...]:
    """Every figure of the file, in its order."""
    return tuple(score for table in read_recipe(FILE, PublishedFile).tables for score in table.scores())
