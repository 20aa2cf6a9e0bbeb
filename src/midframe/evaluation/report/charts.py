"""Charts as inline SVG. Colours come from the style sheet, by the number of the series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from midframe.evaluation.bootstrap import Interval
from midframe.evaluation.report.markup import Markup, join, tag

STRIP_WIDTH, STRIP_HEIGHT = 150, 22
WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 46
GROUPS = 5
"""Most groups of targets by size of motion that a line joins."""
LEAST_IN_GROUP = 6
DOT, POINT = 5.0, 3.0
"""Half the size of a mark."""
SWATCH = 14
MARKS = ("circle", "diamond", "triangle", "square")


@dataclass(frozen=True)
class Series:
    """Points of one method; not finite ones are left out."""

    label: str
    number: int
    x: Sequence[float]
    y: Sequence[float]


def interval_strip(interval: Interval, bounds: tuple[float, float], number: int, label: str) -> Markup:
    """A mean as a dot on the line of its interval, on a scale that a column of strips shares."""
    low, high = bounds
    if not math.isfinite(interval.mean):
        return Markup("")

    def across(value: float) -> float:
        return 6 + (STRIP_WIDTH - 12) * ((value - low) / (high - low) if high > low else 0.5)

    middle = STRIP_HEIGHT / 2
    parts = [tag("line", class_="rail", x1=6, x2=STRIP_WIDTH - 6, y1=middle, y2=middle)]
    if low <= 0 <= high:
        parts.append(tag("line", class_="zero", x1=_n(across(0.0)), x2=_n(across(0.0)), y1=2, y2=STRIP_HEIGHT - 2))
    if interval.low is not None and interval.high is not None:
        parts.append(
            tag("line", class_=f"whisker s{number}", x1=_n(across(interval.low)), x2=_n(across(interval.high)),
                y1=middle, y2=middle)
        )  # fmt: skip
    parts.append(_mark(number, across(interval.mean), middle, DOT))
    return tag(
        "svg", *parts, class_="strip", viewBox=f"0 0 {STRIP_WIDTH} {STRIP_HEIGHT}", width=STRIP_WIDTH,
        height=STRIP_HEIGHT, role="img", aria_label=label,
    )  # fmt: skip


def shared_bounds(intervals: Sequence[Interval]) -> tuple[float, float]:
    """A scale that holds all finite means and intervals."""
    ends = [v for i in intervals for v in (i.mean, i.low, i.high) if v is not None and math.isfinite(v)]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)


def scatter(series: Sequence[Series], *, x_title: str, y_title: str, label: str) -> Markup:
    """Points of several methods over a logarithmic axis, each with a line through the medians of its groups.

    Every group holds as many targets as the next.
    """
    kept = [_finite(one) for one in series]
    x_values = np.concatenate([one.x for one in kept])
    y_values = np.concatenate([one.y for one in kept])
    if not len(x_values):
        return Markup("")
    floor = max(float(x_values[x_values > 0].min()) if (x_values > 0).any() else 0.1, 0.05)
    x_low, x_high = math.log2(floor), math.log2(max(float(x_values.max()), floor * 2))
    y_ticks = _ticks(float(y_values.min()), float(y_values.max()))

    def across(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log2(max(value, floor)) - x_low) / (x_high - x_low)

    def down(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (y_ticks[-1] - value) / (y_ticks[-1] - y_ticks[0])

    parts = [*_axes(floor, 2**x_high, y_ticks, across, down, x_title, y_title)]
    for one in kept:
        for x, y in zip(one.x, one.y, strict=True):
            parts.append(_mark(one.number, across(x), down(y), POINT, faint=True))
    for one in kept:
        line = _medians(one)
        path = "M" + "L".join(f"{_n(across(x))},{_n(down(y))}" for x, y in line)
        parts.append(tag("path", class_=f"median halo s{one.number}", d=path))
        parts.append(tag("path", class_=f"median s{one.number}", d=path))
        parts.extend(_mark(one.number, across(x), down(y), DOT) for x, y in line)
    return tag("svg", *parts, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label)


def swatch(number: int) -> Markup:
    """The mark of a series, for legends and tables."""
    mark = _mark(number, SWATCH / 2, SWATCH / 2, DOT)
    box = f"0 0 {SWATCH} {SWATCH}"
    return tag("svg", mark, class_="swatch", viewBox=box, width=SWATCH, height=SWATCH, aria_hidden="true")


def _finite(series: Series) -> Series:
    pairs = [(x, y) for x, y in zip(series.x, series.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    return Series(series.label, series.number, [x for x, _ in pairs], [y for _, y in pairs])


def _medians(series: Series) -> list[tuple[float, float]]:
    order = np.argsort(series.x, kind="stable")
    groups = max(1, min(GROUPS, len(order) // LEAST_IN_GROUP))
    x, y = np.asarray(series.x)[order], np.asarray(series.y)[order]
    parts = zip(np.array_split(x, groups), np.array_split(y, groups), strict=True)
    return [(float(np.median(a)), float(np.median(b))) for a, b in parts if len(a)]


def _axes(
    x_low: float,
    x_high: float,
    y_ticks: Sequence[float],
    across: Callable[[float], float],
    down: Callable[[float], float],
    x_title: str,
    y_title: str,
) -> list[Markup]:
    parts = []
    for value in y_ticks:
        y = _n(down(value))
        parts.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(tag("text", f"{value:g}", class_="tick end", x=LEFT - 8, y=_n(down(value) + 4)))
    for value in _octaves(x_low, x_high):
        x = _n(across(value))
        parts.append(tag("line", class_="grid", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM))
        parts.append(tag("text", f"{value:g}", class_="tick middle", x=x, y=HEIGHT - BOTTOM + 18))
    parts.append(tag("text", x_title, class_="axis middle", x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8))
    parts.append(
        tag(
            "text",
            y_title,
            class_="axis middle",
            transform=f"translate(13 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)",
        )
    )
    return parts


def _octaves(low: float, high: float) -> list[float]:
    """Powers of two inside a range, at most eight."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    step = max(1, math.ceil((last - first + 1) / 8))
    return [2.0**power for power in range(first, last + 1, step)]


def _ticks(low: float, high: float) -> list[float]:
    """Round values from at or below `low` to at or above `high`."""
    span = max(high - low, 1e-9)
    size = 10 ** math.floor(math.log10(span / 4))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(float(number * step), 10) for number in range(first, max(last, first + 1) + 1)]


def _mark(number: int, x: float, y: float, size: float, *, faint: bool = False) -> Markup:
    """The shape and colour of a series: told apart without colour too."""
    style = f"mark s{number}{' faint' if faint else ''}"
    kind = MARKS[number % len(MARKS)]
    if kind == "circle":
        return tag("circle", class_=style, cx=_n(x), cy=_n(y), r=size)
    if kind == "square":
        return tag("rect", class_=style, x=_n(x - size), y=_n(y - size), width=2 * size, height=2 * size)
    if kind == "diamond":
        long = size * 1.3
        path = f"M{_n(x)},{_n(y - long)}l{_n(long)},{_n(long)}l{_n(-long)},{_n(long)}l{_n(-long)},{_n(-long)}z"
    else:
        long = size * 1.2
        path = f"M{_n(x)},{_n(y - long)}l{_n(long)},{_n(2 * long)}h{_n(-2 * long)}z"
    return tag("path", class_=style, d=path)


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def legend(labels: Sequence[tuple[str, int]]) -> Markup:
    """Marks with their names."""
    entries = (tag("span", swatch(number), " ", label, class_="key") for label, number in labels)
    return tag("p", join(*entries), class_="legend")
