"""One self-contained page over finished evaluations: it asks nothing of any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from midframe.core.errors import MidframeError
from midframe.evaluation.bootstrap import LEVEL, RESAMPLES, SequenceBootstrap
from midframe.evaluation.exact_frames import EXACT_PSNR
from midframe.evaluation.motion import MEANING
from midframe.evaluation.report.cases import CasePictures, case_pictures, choose_cases, not_kept, with_pictures
from midframe.evaluation.report.charts import Series, legend, scatter
from midframe.evaluation.report.facts import method_facts, metric_facts, part_of_set, set_facts
from midframe.evaluation.report.gallery import error_scale, gallery
from midframe.evaluation.report.markup import Markup, join, tag
from midframe.evaluation.report.motion import measure_motion
from midframe.evaluation.report.results import Comparison, read_comparisons
from midframe.evaluation.report.tables import (
    cost_table,
    difference,
    difference_table,
    published_table,
    summary_table,
)
from midframe.evaluation.result_file import replace_text
from midframe.evaluation.target_list import read_target_list
from midframe.evaluation.target_set import FILE as LIST

FOLDER = Path(__file__).parent
FEW_SEQUENCES = 10
"""With fewer, the interval rests on too few draws to be taken for exact."""

OnStep = Callable[[str], None]
"""Told what is being prepared."""


@dataclass(frozen=True)
class Sight:
    """What the pictures of a set show; without them the reason.

    Attributes:
        motion: Pixels by target; None where the set is not at hand.
        shown: The results whose predictions were kept.
        pictures: Of each case of these.
        missing: Why there are none.
    """

    motion: Mapping[int, float] | None = None
    shown: Comparison | None = None
    pictures: tuple[CasePictures, ...] = ()
    missing: str = ""


def write_report(
    folders: Sequence[Path], out: Path, *, root: Path | None = None, on_step: OnStep = lambda step: None
) -> None:
    """Write one HTML file over everything finished in some folders and below them.

    Args:
        folders: Results of `evaluate`. Methods on the same targets are compared target by target.
        out: The file.
        root: Where the sets lie now, if not where they were read from; needed for pictures alone.
        on_step: Called as the work goes on.

    Raises:
        MediaError: A folder holds no finished evaluation, or a damaged one.
        UsageError: Two sets of different targets go by one name.
        WriteError: The file cannot be written.
    """
    comparisons = read_comparisons(folders)
    labels = dict.fromkeys(result.label for comparison in comparisons for result in comparison.results)
    numbers = {label: number % 8 for number, label in enumerate(labels)}
    sections = []
    findings = []
    for number, comparison in enumerate(comparisons, start=1):
        on_step(comparison.name)
        bootstrap = comparison.bootstrap()
        findings.append(_finding(comparison, bootstrap))
        sections.append(_section(comparison, bootstrap, _look(comparison, root), numbers, f"set-{number}"))
    on_step("page")
    title = f"{_and(list(labels))} on {_and([comparison.name for comparison in comparisons])}"
    body = tag(
        "main",
        tag("h1", title),
        tag(
            "p", "How close frames made between two given frames come to the frames that were filmed.", class_="lead"
        ),
        tag("ul", *findings, class_="findings"),
        _contents(comparisons),
        *sections,
        tag("h2", "Speed and memory", id="cost"),
        tag(
            "p",
            "Wall time of the network alone, for one new frame; reading, writing and scoring are not in it. Where "
            "several frames were made by one call, each has an equal part of it. Whatever else the machine did "
            "counts too; each method's machine is named below. Memory is the most that was held while predictions "
            "were made: the whole process on a CPU, PyTorch's share on a GPU.",
            class_="note",
        ),
        cost_table(comparisons, numbers),
        tag("h2", "How this was measured", id="method"),
        *_method(comparisons),
    )
    page = Template((FOLDER / "page.html").read_text(encoding="utf-8")).substitute(
        title=Markup(tag("i", title)[3:-4]),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        script=(FOLDER / "script.js").read_text(encoding="utf-8"),
        body=body,
    )
    replace_text(out, page)


def _look(comparison: Comparison, root: Path | None) -> Sight:
    """Motion and pictures of a set, as far as its files are at hand."""
    manifest = comparison.results[0].manifest
    place = root or Path(manifest.root)
    try:
        targets = read_target_list(manifest.folder / LIST, place)
        motion = measure_motion(comparison, targets, place)
    except MidframeError as error:
        return Sight(missing=f"The frames of the set could not be read: {error}")
    try:
        shown = with_pictures(comparison)
        pictures = tuple(case_pictures(shown, targets, place, choose_cases(shown)))
    except MidframeError as error:
        return Sight(motion=motion, missing=str(error))
    return Sight(motion=motion, shown=shown, pictures=pictures)


def _section(
    comparison: Comparison, bootstrap: SequenceBootstrap, sight: Sight, numbers: dict[str, int], name: str
) -> Markup:
    parts = [
        tag("h2", comparison.name, id=name),
        tag("p", _about(comparison, bootstrap)),
        summary_table(comparison, bootstrap, numbers),
    ]
    if len(comparison.results) > 1 and comparison.frame_columns:
        parts.append(tag("h3", "Differences on the same targets"))
        parts.append(difference_table(comparison, bootstrap))
    remark = part_of_set(comparison)
    among = published_table(comparison, remark)
    if among is not None:
        parts.append(tag("h3", "Among published figures"))
        parts.append(among)
    if sight.motion is not None and comparison.frame_columns:
        parts.append(tag("h3", f"{comparison.frame_columns[0].title} against motion"))
        parts.append(_motion_chart(comparison, sight.motion, numbers))
    parts.append(tag("h3", "Cases"))
    if sight.shown is None:
        parts.append(tag("p", sight.missing, class_="note"))
    else:
        absent = [result for result in comparison.results if result not in sight.shown.results]
        if absent:
            parts.append(tag("p", not_kept(absent), class_="note"))
        parts.extend(_cases(sight.shown, sight, name))
    return tag("section", *parts)


def _cases(comparison: Comparison, sight: Sight, name: str) -> list[Markup]:
    cases = choose_cases(comparison)
    words = []
    for case in cases:
        size = None if sight.motion is None else sight.motion.get(case.position)
        words.append("" if size is None else f"motion {size:.1f} px")
    note = tag(
        "p",
        "Drag across a picture, or focus it and use the arrow keys: the prediction is on the left, the true frame on "
        "the right. Pictures are compressed for this page; scores come from the exact ones.",
        class_="note",
    )
    return [note, error_scale(), gallery(comparison, list(zip(cases, sight.pictures, strict=True)), words, name)]


def _motion_chart(comparison: Comparison, motion: Mapping[int, float], numbers: dict[str, int]) -> Markup:
    metric = comparison.frame_columns[0]
    positions = list(motion)
    series = [
        Series(
            result.label,
            numbers[result.label],
            [motion[position] for position in positions],
            [values[position] for position in positions],
        )
        for result in comparison.results
        for values in [result.counted(metric.name)]
    ]
    unit = f" ({metric.unit})" if metric.unit else ""
    chart = scatter(
        series,
        x_title=f"motion between the two inputs: {MEANING}",
        y_title=f"{metric.title}{unit}",
        label=f"{metric.title} of every target against the size of motion, by method",
    )
    count = f" {len(positions)} of {len(comparison.results[0].targets)} targets are shown."
    caption = (
        "Each faint mark is a target. Lines join the medians of groups with equally many targets, from least to most "
        "motion. A motion of more than a thirteenth of the longer side counts as about that much."
        + (count if len(positions) < len(comparison.results[0].targets) else "")
    )
    keys = legend([(result.label, numbers[result.label]) for result in comparison.ranked])
    return tag("figure", tag("div", keys, chart, class_="chart-card"), tag("figcaption", caption))


def _finding(comparison: Comparison, bootstrap: SequenceBootstrap) -> Markup:
    """One sentence on the two best methods of a set, no stronger than the interval of their difference."""
    leader, *others = comparison.ranked
    first = comparison.columns[0]
    unit = f" {first.unit}" if first.unit else ""
    where = tag("b", comparison.name)
    if not others or first not in comparison.frame_columns:
        value = f"{first.title} {first.format(leader.means[first.name])}{unit}"
        return tag("li", where, f": {leader.label} reaches {value}.")
    second = others[0]
    gap = difference(leader, second, first, bootstrap)
    if gap.low is None or gap.high is None:
        text = (
            f": {leader.label} {first.format(leader.means[first.name])}{unit}, {second.label} "
            f"{first.format(second.means[first.name])}{unit}; there is no interval for this difference."
        )
        return tag("li", where, text)
    low, high = sorted((abs(gap.low), abs(gap.high)))
    rough = f", rough with {bootstrap.count} sequences" if bootstrap.count < FEW_SEQUENCES else ""
    if gap.excludes_zero:
        text = (
            f": {leader.label} is ahead of {second.label} by {first.format(abs(gap.mean))}{unit} {first.title} "
            f"(95 % interval {first.format(low)} to {first.format(high)}{rough})."
        )
        return tag("li", where, text, class_="clear")
    ends = f"{first.format(gap.low, sign=True)} to {first.format(gap.high, sign=True)}"
    text = (
        f": {leader.label} and {second.label} cannot be told apart by {first.title}: the difference is "
        f"{first.format(gap.mean, sign=True)}{unit} (95 % interval {ends}{rough})."
    )
    return tag("li", where, text)


def _exact(comparison: Comparison) -> str:
    """A sentence on exact frames, which a mean of decibels rests on; "" where there are none."""
    first = comparison.columns[0]
    counts = {result.label: result.exact(first.name) for result in comparison.ranked}
    if not any(counts.values()):
        return ""
    said = ", ".join(f"{count} of {label}" for label, count in counts.items())
    return f" Frames made exactly count as {EXACT_PSNR:g} {first.unit}: {said}."


def _about(comparison: Comparison, bootstrap: SequenceBootstrap) -> str:
    count = len(comparison.results[0].targets)
    text = f"{count} targets from {_counted(bootstrap.count, 'sequence')}."
    if comparison.protocol is not None:
        text = f"{comparison.protocol['title']}: {text}"
    remark = part_of_set(comparison)
    if remark:
        text += f" This is {remark}."
    if bootstrap.count == 1:
        text += " One sequence gives no interval."
    elif bootstrap.count < FEW_SEQUENCES:
        text += " So few sequences make rough intervals."
    return text + _exact(comparison)


def _contents(comparisons: Sequence[Comparison]) -> Markup:
    links = [tag("a", c.name, href=f"#set-{number}") for number, c in enumerate(comparisons, start=1)]
    links += [tag("a", "Speed and memory", href="#cost"), tag("a", "How this was measured", href="#method")]
    return tag("nav", *links, aria_label="Contents")


def _method(comparisons: Sequence[Comparison]) -> list[Markup]:
    intervals = (
        f"Intervals hold {LEVEL:.0%} of {RESAMPLES:,} bootstrap means. Whole sequences are drawn, not "
        "single targets, because the frames of one sequence err together. They say how far the result depends on "
        "which sequences the set happens to hold; they do not cover how a method was trained, or other kinds of "
        "footage. Differences are taken target by target. Intervals of several methods may overlap where their "
        f"difference is beyond doubt. A frame made exactly has no finite PSNR; it counts as {EXACT_PSNR:g} dB."
    )
    return [
        tag("p", intervals),
        tag("h3", "Metrics"),
        metric_facts(comparisons),
        *(
            join(tag("h3", f"Set: {comparison.name}"), set_facts(comparison), method_facts(comparison))
            for comparison in comparisons
        ),
    ]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
