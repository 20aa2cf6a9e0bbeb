"""Scores as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from midframe.evaluation import Scores


def score_table(scores: Sequence[Scores]) -> Table:
    """One line for each method on each set; a metric that was not asked of a set leaves its place empty.

    Exact frames have a column where there are some: a mean of decibels rests on them.
    """
    from midframe.evaluation.column import column
    from midframe.evaluation.exact_frames import EXACT_PSNR

    columns = [column(name) for name in dict.fromkeys(name for entry in scores for name in entry.values)]
    some_exact = any(entry.exact for entry in scores)
    heads = ("method", "list", "targets", *(["exact"] if some_exact else []))
    table = Table(*heads, *(c.title for c in columns), "seconds a frame", box=None)
    if some_exact:
        table.caption = f"An exact frame counts as {EXACT_PSNR:g} dB."
    for entry in scores:
        table.add_row(
            entry.method,
            entry.list,
            str(entry.targets),
            *([str(max(entry.exact.values(), default=0))] if some_exact else []),
            *(c.format(entry.values.get(c.name, math.nan)) for c in columns),
            f"{entry.seconds_per_frame:.4f}",
        )
    return table
