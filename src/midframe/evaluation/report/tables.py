"""The tables of a report."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np

from midframe.evaluation.bootstrap import Interval, SequenceBootstrap
from midframe.evaluation.column import Column
from midframe.evaluation.exact_frames import EXACT_PSNR
from midframe.evaluation.published import PublishedScore, published
from midframe.evaluation.report.charts import interval_strip, shared_bounds, swatch
from midframe.evaluation.report.markup import Markup, tag
from midframe.evaluation.report.results import Comparison, Result

MEBIBYTE = 2**20


def summary_table(comparison: Comparison, bootstrap: SequenceBootstrap, numbers: Mapping[str, int]) -> Markup:
    """Every metric of every method, with intervals; the first metric as a chart too."""
    columns = comparison.columns
    intervals = {
        result.label: {c.name: _interval(result, c, bootstrap) for c in columns} for result in comparison.results
    }
    first = columns[0]
    bounds = shared_bounds([row[first.name] for row in intervals.values()])
    best = {c.name: _best([row[c.name].mean for row in intervals.values()], c) for c in columns}
    rows = []
    for result in comparison.ranked:
        cells = [
            _value_cell(
                intervals[result.label][c.name],
                c,
                best=len(intervals) > 1 and best[c.name],
                exact=result.exact(c.name),
            )
            for c in columns
        ]
        strip = interval_strip(
            intervals[result.label][first.name], bounds, numbers[result.label], f"{result.label}: {first.title}"
        )
        rows.append([_method_head(result.label, numbers), *cells, tag("td", strip, class_="middle")])
    heads = [*(column_head(c) for c in columns), tag("th", f"{first.title}, 95 % interval", scope="col")]
    return table([tag("th", "method", scope="col"), *heads], rows)


def difference_table(comparison: Comparison, bootstrap: SequenceBootstrap) -> Markup:
    """Differences between every two methods on the same targets, the one with the better mean first."""
    columns = comparison.frame_columns
    first = columns[0]
    pairs = list(combinations(comparison.ranked, 2))
    found = {
        (one.label, other.label): {c.name: difference(one, other, c, bootstrap) for c in columns}
        for one, other in pairs
    }
    bounds = shared_bounds([*(row[first.name] for row in found.values()), Interval(0.0)])
    rows = []
    for one, other in pairs:
        row = found[one.label, other.label]
        cells = [_difference_cell(row[c.name], c) for c in columns]
        wins = _share_ahead(one, other, first)
        strip = interval_strip(row[first.name], bounds, 5, f"{one.label} less {other.label}: {first.title}")
        head = tag("th", f"{one.label} less {other.label}", scope="row")
        rows.append([head, *cells, tag("td", wins, class_="number"), tag("td", strip, class_="middle")])
    heads = [
        tag("th", "difference", scope="col"),
        *(column_head(c) for c in columns),
        tag("th", f"ahead by {first.title}", scope="col"),
        tag("th", "zero is dashed", scope="col"),
    ]
    return table(heads, rows)


def difference(one: Result, other: Result, metric: Column, bootstrap: SequenceBootstrap) -> Interval:
    """Mean of one less the other over the same targets."""
    pairs = zip(one.counted(metric.name), other.counted(metric.name), strict=True)
    return bootstrap.interval([a - b for a, b in pairs])


def published_table(comparison: Comparison, remark: str) -> Markup | None:
    """Our figures among the printed ones, best first; None where nothing that we measured was printed.

    Figures of a part of the set stand below.

    Args:
        comparison: What we measured.
        remark: How our own targets differ from the protocol's; "" where they do not.
    """
    scores = published(comparison.name) if comparison.protocol is not None else []
    shown = [c for c in comparison.columns if any(score.metric == c.name for score in scores)]
    if not shown:
        return None
    printed: dict[tuple[str, int | None, str], list[PublishedScore]] = defaultdict(list)
    for score in scores:
        if any(score.metric == c.name for c in shown):
            printed[score.method, score.year, score.source].append(score)
    sources = list(dict.fromkeys(source for _, _, source in printed))
    entries = [
        _Line(result.label, _measured(result, shown), {c.name: result.means[c.name] for c in shown}, remark, own=True)
        for result in comparison.ranked
    ]
    for (method, year, source), of_method in printed.items():
        notes = "; ".join(dict.fromkeys(score.note for score in of_method if score.note))
        detail = f"{'' if year is None else f'{year} '}[{sources.index(source) + 1}]"
        entries.append(_Line(method, detail, {score.metric: score.value for score in of_method}, notes))
    # What was measured on a part of the set has no rank among whole sets: it comes last.
    entries.sort(key=lambda line: (line.own and line.note != "", _rank(line.values, shown[0])))
    heads = [
        tag("th", "method", scope="col"),
        *(column_head(c) for c in shown),
        tag("th", "where the protocol differs", class_="text", scope="col"),
    ]
    listed = (tag("li", source) for source in sources)
    return tag(
        "div", table(heads, [_published_row(line, shown) for line in entries]), tag("ol", *listed, class_="note")
    )


@dataclass(frozen=True)
class _Line:
    """A method among published figures."""

    method: str
    detail: str
    values: Mapping[str, float]
    note: str
    own: bool = False


def _measured(result: Result, shown: Sequence[Column]) -> str:
    """Other code may count exact frames in another way: the reader has to know of them."""
    exact = max(result.exact(c.name) for c in shown)
    return "measured here" + (f", {exact} exact as {EXACT_PSNR:g} dB" if exact else "")


def _published_row(line: _Line, shown: Sequence[Column]) -> Markup:
    head = tag("th", line.method, " ", tag("span", line.detail, class_="muted"), scope="row")
    cells = [_plain_cell(line.values.get(c.name, math.nan), c) for c in shown]
    note = tag("td", line.note or ("in nothing" if line.own else "in nothing that is known"), class_="text")
    return tag("tr", head, *cells, note, class_="own" if line.own else None)


def cost_table(comparisons: Sequence[Comparison], numbers: Mapping[str, int]) -> Markup:
    """Time and memory of the first pass."""
    rows = []
    for comparison in comparisons:
        for result in comparison.results:
            seconds = [value for value in result.manifest.seconds if value is not None]
            peak = result.manifest.peak_memory_bytes
            size = result.manifest.size
            rows.append(
                [
                    _method_head(result.label, numbers),
                    tag("td", comparison.name, class_="text"),
                    tag("td", "-" if size is None else f"{size[0]}x{size[1]}", class_="number"),
                    tag("td", _milliseconds(median(seconds)), class_="number"),
                    tag("td", _milliseconds(float(np.quantile(seconds, 0.95))), class_="number"),
                    tag("td", f"{1 / median(seconds):.2f}" if median(seconds) else "-", class_="number"),
                    tag("td", "-" if peak is None else f"{peak / MEBIBYTE:.0f} MiB", class_="number"),
                    tag("td", result.manifest.origin.options.get("precision", "-"), class_="text"),
                ]
            )
    names = ("method", "set", "first picture", "median ms", "95 % within ms", "frames/s", "peak memory", "precision")
    texts = ("set", "precision")
    return table([tag("th", name, scope="col", class_="text" if name in texts else None) for name in names], rows)


def table(heads: Sequence[Markup], rows: Sequence[Sequence[Markup] | Markup]) -> Markup:
    """A table that scrolls sideways where it is wider than the page."""
    lines = [row if isinstance(row, Markup) else tag("tr", *row) for row in rows]
    inner = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *lines))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label="table")


def column_head(metric: Column) -> Markup:
    """Title, unit, and the direction of better values."""
    arrow = "↑" if metric.higher_is_better else "↓"
    unit = f" {metric.unit}" if metric.unit else ""
    return tag("th", f"{metric.title}{unit} {arrow}", scope="col")


def _interval(result: Result, metric: Column, bootstrap: SequenceBootstrap) -> Interval:
    if metric.name in result.rows:
        return bootstrap.interval(result.counted(metric.name))
    return Interval(result.means[metric.name])


def _best(values: Sequence[float], metric: Column) -> float:
    return max(values) if metric.higher_is_better else min(values)


def _share_ahead(one: Result, other: Result, metric: Column) -> str:
    pairs = zip(one.rows[metric.name], other.rows[metric.name], strict=True)
    ahead = sum(a > b if metric.higher_is_better else a < b for a, b in pairs)
    return f"{ahead} of {len(one.targets)}"


def _rank(values: Mapping[str, float], metric: Column) -> float:
    """Sort key: best first, without a value last."""
    value = values.get(metric.name, math.nan)
    if math.isnan(value):
        return math.inf
    return -value if metric.higher_is_better else value


def _method_head(label: str, numbers: Mapping[str, int]) -> Markup:
    return tag("th", swatch(numbers[label]), " ", label, scope="row")


def _value_cell(interval: Interval, metric: Column, *, best: float | bool, exact: int) -> Markup:
    parts: list[str] = [metric.format(interval.mean)]
    if interval.low is not None and interval.high is not None:
        ends = f"{metric.format(interval.low)} to {metric.format(interval.high)}"
        parts.append(tag("span", ends, class_="interval"))
    if exact:
        parts.append(tag("span", f"{exact} exact", class_="interval"))
    is_best = best is not False and interval.mean == best
    return tag("td", *parts, class_="number best" if is_best else "number")


def _difference_cell(interval: Interval, metric: Column) -> Markup:
    parts: list[str] = [metric.format(interval.mean, sign=True)]
    if interval.low is not None and interval.high is not None:
        ends = f"{metric.format(interval.low, sign=True)} to {metric.format(interval.high, sign=True)}"
        parts.append(tag("span", ends, class_="interval"))
    return tag("td", *parts, class_="number")


def _plain_cell(value: float, metric: Column) -> Markup:
    return tag("td", metric.format(value), class_="number")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.1 else f"{seconds * 1000:.0f}"
