"""Both passes in one call: predictions, then scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from midframe.core.method import Interpolator
from midframe.evaluation.manifest import tidy
from midframe.evaluation.predictions import predict
from midframe.evaluation.scoring import Scores, score
from midframe.evaluation.target_set import listed_targets
from midframe.metrics.suite import DEFAULT, build_metrics


def evaluate(
    interpolator: Interpolator,
    list_path: Path,
    root: Path,
    out: Path,
    *,
    max_targets: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    metrics: Sequence[str] = DEFAULT,
    save_images: bool = False,
    on_target: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score an interpolator on a test list.

    Writes `scores.json` (the means, and how many frames are exact), `targets.csv` (one line a target),
    `manifest.json` and `list.tsv` into `out`, and with `save_images` each rounded prediction as
    `predictions/<number in targets.csv>.png`. A run that was interrupted leaves its predictions, and goes on from
    them when it is started again.

    Args:
        interpolator: The method under test.
        list_path: Test list (see `evaluation.target_list`).
        root: Folder that the paths in the list start from.
        out: Folder for the results; made if missing.
        max_targets: Score only so many targets, drawn with `seed`.
        seed: Seed of that draw, and of a stochastic method.
        device: Where the input frames are put.
        metrics: What to measure (see `metrics.suite`).
        save_images: Keep the predictions.
        on_target: Called as targets are made with the number done and the number of all.

    Returns:
        The means that `scores.json` holds.

    Raises:
        MediaError: The list or one of its files cannot be read.
        UsageError: The method does not offer an instant of the list, or `out` holds other predictions.
        ShapeError: The frames of a target differ in size.
        WriteError: The results cannot be written.
    """
    targets = listed_targets(list_path, root, max_targets=max_targets, seed=seed)
    predict(interpolator, targets, out, seed=seed, device=device, keep=save_images, on_target=on_target)
    scores = score(out, targets, build_metrics(metrics))
    tidy(out)
    return scores
