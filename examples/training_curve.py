"""What a training logged, as a picture: validation above (change since the first), parts of the objective below.

    python examples/training_curve.py RUN OUT.png [--term absolute]... [--epoch STEPS] [--title TEXT]

RUN is a folder that `midframe train` wrote into. Draws every `validation_psnr*` of its `log.jsonl` that changes, over
the steps (over epochs, with the steps of one), and the terms whose names end as asked for, as running means. Needs
matplotlib (`pip install matplotlib`), which midframe itself does not.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

RUNNING_MEAN = 9
"""Lines of the log that a point of a term is the mean of: a single batch says little."""


def main(
    run: Path,
    out: Path,
    term: Annotated[list[str] | None, typer.Option(help="End of a logged name; again for more.")] = None,
    epoch: Annotated[float | None, typer.Option(help="Steps of an epoch.")] = None,
    title: Annotated[str, typer.Option()] = "",
) -> None:
    """Read the log and draw."""
    from matplotlib.figure import Figure

    curves = read(run / "log.jsonl")
    scores = {name: curve for name, curve in curves.items() if name.startswith("validation_psnr")}
    terms = {name: curve for name, curve in curves.items() if name.split("/")[-1] in (term or ["absolute"])}
    if not scores or not terms:
        raise SystemExit(f"{run} has logged {', '.join(sorted(curves))}: nothing to draw.")
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for name, (steps, values) in scores.items():
        if np.ptp(values) > 0:
            label = f"{name.removeprefix('validation_')}: at last {values[-1]:.2f} dB"
            above.plot(steps / (epoch or 1), values - values[0], marker="o", markersize=3, label=label)
    for name, (steps, values) in terms.items():
        width = min(RUNNING_MEAN, len(values))
        smooth = np.convolve(values, np.full(width, 1 / width), mode="valid")
        below.plot(steps[width - 1 :] / (epoch or 1), smooth, label=name.split("/")[-1])
    above.set(ylabel="validation, dB since the first", title=title)
    below.set(ylabel="objective", xlabel="epochs" if epoch else "steps", yscale="log")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, ncols=2)
    figure.savefig(out, dpi=110)
    print(f"wrote {out}")


def read(log: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values of everything logged; of a step that was repeated after a resume, the last."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        for name, value in entry.items():
            if name not in {"step", "clock"}:
                found[name][entry["step"]] = value
    return {
        name: (np.array(sorted(by_step)), np.array([by_step[step] for step in sorted(by_step)]))
        for name, by_step in found.items()
    }


if __name__ == "__main__":
    typer.run(main)
