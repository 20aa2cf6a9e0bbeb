"""Scores as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from midframe.evaluation import Scores


def score_table(scores: Sequence[Scores]) -> Table:
    """One line for each method on each set; a metric that was not asked of a set leaves its place empty."""
    from midframe.evaluation.column import column

    columns = [column(name) for name in dict.fromkeys(name for entry in scores for name in entry.values)]
    table = Table("method", "list", "targets", *(c.title for c in columns), "seconds a frame", box=None)
    for entry in scores:
        table.add_row(
            entry.method,
            entry.list,
            str(entry.targets),
            *(c.format(entry.values.get(c.name, math.nan)) for c in columns),
            f"{entry.seconds_per_frame:.4f}",
        )
    return table
