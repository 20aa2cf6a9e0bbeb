"""What a report has to say of sets, methods and metrics besides their figures."""

from __future__ import annotations

from collections.abc import Sequence

from midframe.evaluation.column import column
from midframe.evaluation.manifest import Origin
from midframe.evaluation.report.markup import Markup, tag
from midframe.evaluation.report.results import Comparison

SSIM_NAMES = {"2d": "SSIM", "3d": "SSIM-3D", "luma": "SSIM-luma"}
PSNR_NAMES = {"rgb": "RGB", "luma": "the luma"}


def part_of_set(comparison: Comparison) -> str:
    """How the targets differ from the whole set, as in "a random part, 60 of 379 targets"; "" where they do not."""
    origin = comparison.results[0].manifest.origin
    if origin.count == origin.total:
        return ""
    return f"a part, {origin.count} of {origin.total} targets"


def set_facts(comparison: Comparison) -> Markup:
    """Where the targets come from and how they were treated."""
    origin = comparison.results[0].manifest.origin
    facts = [("targets", f"{origin.count} of {origin.total}"), ("pictures", str(comparison.prepare))]
    protocol = comparison.protocol
    if protocol is not None:
        average = "targets" if protocol["average"] == "targets" else "sequences, of the mean over the targets of each"
        facts += [
            ("mean over", average),
            ("papers print", f"{SSIM_NAMES[protocol['ssim']]}, PSNR of {PSNR_NAMES[protocol['psnr']]}"),
            ("borders", protocol["border"]),
            ("source", protocol["source"]),
            ("notes", protocol["notes"]),
        ]
    facts.append(("list of targets", tag("code", f"sha256 {origin.targets_sha256}")))
    return _facts(facts)


def method_facts(comparison: Comparison) -> Markup:
    """What each prediction was made from."""
    return _facts([(result.label, _made_from(result.manifest.origin)) for result in comparison.results])


def metric_facts(comparisons: Sequence[Comparison]) -> Markup:
    """What each column means."""
    names = dict.fromkeys(c.name for comparison in comparisons for c in comparison.columns)
    return _facts([(column(name).title, column(name).meaning) for name in names if column(name).meaning])


def _made_from(origin: Origin) -> str:
    options = ", ".join(f"{name} {value}" for name, value in origin.options.items())
    parts = [
        f"weights sha256 {origin.weights}" if origin.weights else "no weights",
        options,
        f"seed {origin.seed}",
        f"on {origin.device}: {origin.machine}",
        ", ".join(f"{name} {version}" for name, version in origin.versions.items()),
    ]
    return "; ".join(part for part in parts if part)


def _facts(facts: Sequence[tuple[str, str]]) -> Markup:
    entries = (part for name, value in facts if value for part in (tag("dt", name), tag("dd", value)))
    return tag("dl", *entries, class_="facts")
