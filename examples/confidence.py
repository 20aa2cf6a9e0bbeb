"""Does a method's map of doubt predict its error? Tried on test sets, whose true frames are known.

    python examples/confidence.py ROOT LIST [LIST ...] [--weights FILE] [--method svmv] [--svg FILE.svg]

For each list: the rank correlation (Spearman) between the map and the absolute error over the pixels of each frame,
as its mean over the frames, and between the mean of the map and that of the error over the frames. Then the
risk-coverage curve: the mean absolute error, of 255, of the share of all pixels that the map is surest of, and in
brackets what the best possible map (the error itself) would give.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import torch
import typer

import midframe
from midframe.core.method import UncertainInterpolator
from midframe.evaluation.target_set import TargetSet, listed_targets
from midframe.metrics.uncertainty import rank_correlation, risk_coverage
from midframe.ops.pad import pad_to_multiple
from midframe.ops.rounding import bytes_to_unit, round_to_bytes

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3)
PIXELS_PER_FRAME = 20_000
"""Drawn from each frame, equally from all, so that memory is bounded and large pictures do not outvote small ones."""


def main(
    root: Path,
    lists: list[Path],
    weights: Annotated[Path | None, typer.Option()] = None,
    method: Annotated[str, typer.Option()] = "svmv",
    svg: Annotated[Path | None, typer.Option()] = None,
    max_targets: Annotated[int | None, typer.Option()] = None,
) -> None:
    """Print a line for each list, and one for all of them."""
    interpolator = midframe.load(method, weights=weights)
    assert isinstance(interpolator, UncertainInterpolator), f"{method} draws no map"
    print("list\tframes\tpixels: rank correlation\tframes: rank correlation\t" + "\t".join(map(label, COVERAGES)))
    everything: list[tuple[np.ndarray, np.ndarray]] = []
    for path in lists:
        pairs = measure(interpolator, listed_targets(path, root, max_targets=max_targets))
        everything += pairs
        print(row(path.stem, pairs), flush=True)
    print(row("all", everything))
    if svg is not None:
        svg.write_text(drawing(everything))


@torch.inference_mode()
def measure(interpolator: UncertainInterpolator, targets: TargetSet) -> list[tuple[np.ndarray, np.ndarray]]:
    """Doubt and absolute error of pixels drawn from each target."""
    generator = np.random.default_rng(0)
    windows = list(targets.windows())
    context = interpolator.spec.context
    reads = [
        reference
        for window in windows
        for reference in (*window[0].target.window(context), *(one.target.target for one in window))
    ]
    store, pairs = targets.store(reads), []
    for window in windows:
        frames = torch.stack([bytes_to_unit(store.read(frame)) for frame in window[0].target.window(context)])[None]
        height, width = frames.shape[-2:]
        padded = pad_to_multiple(frames, interpolator.spec.size_multiple)
        times = [one.target.time for one in window]
        made, doubt = interpolator.interpolate_with_uncertainty(padded, times)
        for number, one in enumerate(window):
            truth = store.read(one.target.target).float()
            error = (round_to_bytes(made[0, number, :, :height, :width]).float() - truth).abs().mean(0).flatten()
            unsure = doubt[0, number, 0, :height, :width].flatten()
            drawn = generator.permutation(len(error))[:PIXELS_PER_FRAME]
            pairs.append((unsure.numpy()[drawn], error.numpy()[drawn]))
    return pairs


def row(name: str, pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """One line of the table; the best possible map in brackets."""
    within = fmean(rank_correlation(doubt, error) for doubt, error in pairs)
    between = rank_correlation(
        np.array([doubt.mean() for doubt, _ in pairs]), np.array([error.mean() for _, error in pairs])
    )
    doubt, error = (np.concatenate(side) for side in zip(*pairs, strict=True))
    risks = (
        f"{risk:.2f} ({best:.2f})"
        for risk, best in zip(
            risk_coverage(doubt, error, COVERAGES), risk_coverage(error, error, COVERAGES), strict=True
        )
    )
    return f"{name}\t{len(pairs)}\t{within:.3f}\t{between:.3f}\t" + "\t".join(risks)


def label(share: float) -> str:
    """Heading of a column."""
    return f"surest {share:.0%}"


def drawing(pairs: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """The risk-coverage curve as a picture."""
    doubt, error = (np.concatenate(side) for side in zip(*pairs, strict=True))
    shares = tuple(number / 50 for number in range(1, 51))
    curves = {
        "map of doubt": ("#1b6ca8", risk_coverage(doubt, error, shares)),
        "best possible map": ("#888888", risk_coverage(error, error, shares)),
        "no map": ("#c0392b", [float(error.mean())] * len(shares)),
    }
    highest = 1.1 * float(error.mean())
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 330" font-family="sans-serif" font-size="12">',
        '<rect width="560" height="330" fill="white"/>',
    ]
    for tick in range(0, 101, 20):
        x = 50 + 4.9 * tick
        parts.append(f'<line x1="{x}" x2="{x}" y1="20" y2="280" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="296" text-anchor="middle">{tick} %</text>')
    for number in range(5):
        y, value = 280 - 65 * number, highest * number / 4
        parts.append(f'<line x1="50" x2="540" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="44" y="{y + 4}" text-anchor="end">{value:.1f}</text>')
    for number, (name, (colour, risks)) in enumerate(curves.items()):
        points = " ".join(
            f"{50 + 490 * share:.1f},{280 - 260 * risk / highest:.1f}"
            for share, risk in zip(shares, risks, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="70" y="{60 + 18 * number}" fill="{colour}">{name}</text>')
    parts.append('<text x="295" y="318" text-anchor="middle">share of pixels kept, the surest first</text>')
    parts.append('<text x="14" y="150" transform="rotate(-90 14 150)" text-anchor="middle">mean error of 255</text>')
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    typer.run(main)
