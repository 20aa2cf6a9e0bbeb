"""Scores as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from midframe.evaluation import Scores


def score_table(scores: Sequence[Scores]) -> Table:
    """One line for each method on each set; all were scored by the same metrics."""
    from midframe.evaluation.column import column

    columns = [column(name) for name in scores[0].values]
    table = Table("method", "list", "targets", *(c.title for c in columns), "seconds a frame", box=None)
    for entry in scores:
        table.add_row(
            entry.method,
            entry.list,
            str(entry.targets),
            *(c.format(entry.values[c.name]) for c in columns),
            f"{entry.seconds_per_frame:.4f}",
        )
    return table
