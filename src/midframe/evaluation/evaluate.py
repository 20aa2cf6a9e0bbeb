"""One Interpolator over one test list: predictions, scores and time."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean

import torch

from midframe.core.errors import ShapeError, UsageError, WriteError
from midframe.core.method import Interpolator
from midframe.evaluation.clock import seconds_now
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.image_file import write_image
from midframe.evaluation.target_list import Target, read_target_list, sample_targets
from midframe.metrics import interpolation_error, psnr, ssim, ssim_3d
from midframe.ops.pad import pad_to_multiple
from midframe.ops.rounding import bytes_to_unit, round_to_bytes


@dataclass(frozen=True, kw_only=True)
class TargetScores:
    """Scores of one prediction, rounded to 8 bit.

    Attributes:
        psnr: Decibels; infinity where the prediction is exact.
        ssim: Two-dimensional structural similarity.
        ssim_3d: Structural similarity with a window over the channels too.
        ie: Mean absolute error, 0 to 255.
        seconds: Wall time of the network alone.
    """

    psnr: float
    ssim: float
    ssim_3d: float
    ie: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Means over the targets of one list.

    Attributes:
        method: Name of the method.
        list: Name of the list, without its suffix.
        targets: Number of targets scored.
        psnr: Decibels; infinity if one prediction is exact.
        ssim: Two-dimensional structural similarity.
        ssim_3d: Structural similarity with a window over the channels too.
        ie: Mean absolute error, 0 to 255.
        seconds_per_frame: Wall time of the network alone.
    """

    method: str
    list: str
    targets: int
    psnr: float
    ssim: float
    ssim_3d: float
    ie: float
    seconds_per_frame: float


def evaluate(
    interpolator: Interpolator,
    list_path: Path,
    root: Path,
    out: Path,
    *,
    max_targets: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    save_images: bool = False,
    on_target: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score an interpolator on a test list.

    Writes `scores.json` (the means; null where a mean is infinite) and `targets.csv` (one line a target) into
    `out`, and with `save_images` each rounded prediction as `predictions/<number in targets.csv>.png`.

    Args:
        interpolator: The method under test.
        list_path: Test list (see `evaluation.target_list`).
        root: Folder that the paths in the list start from.
        out: Folder for the results; made if missing.
        max_targets: Score only so many targets, drawn with `seed`.
        seed: Seed of that draw, and of a stochastic method.
        device: Where the input frames are put.
        save_images: Keep the predictions.
        on_target: Called after each target with the number done and the number of all.

    Returns:
        The means that `scores.json` holds.

    Raises:
        MediaError: The list or one of its files cannot be read.
        UsageError: The method does not offer an instant of the list.
        ShapeError: The frames of a target differ in size.
        WriteError: The results cannot be written.
    """
    targets = read_target_list(list_path, root)
    if max_targets is not None:
        targets = sample_targets(targets, max_targets, seed)
    _check_times(interpolator, targets, list_path)
    pictures = out / "predictions"
    try:
        (pictures if save_images else out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"The folder {out} cannot be made: {error}.") from error

    context = interpolator.spec.context
    store = FrameStore(root, (read for target in targets for read in (*target.window(context), target.target)))
    device = torch.device(device)
    generator = torch.Generator(device).manual_seed(seed) if interpolator.spec.stochastic else None
    rows: list[TargetScores] = []
    for number, target in enumerate(targets, start=1):
        scores, prediction = _score(interpolator, target, store, device, generator)
        rows.append(scores)
        if save_images:
            write_image(prediction, pictures / f"{number:05d}.png")
        if on_target is not None:
            on_target(number, len(targets))

    means = Scores(
        method=interpolator.spec.name,
        list=list_path.stem,
        targets=len(rows),
        psnr=fmean(row.psnr for row in rows),
        ssim=fmean(row.ssim for row in rows),
        ssim_3d=fmean(row.ssim_3d for row in rows),
        ie=fmean(row.ie for row in rows),
        seconds_per_frame=fmean(row.seconds for row in rows),
    )
    _write_targets(out / "targets.csv", targets, rows)
    _write_scores(out / "scores.json", means)
    return means


def _check_times(interpolator: Interpolator, targets: Iterable[Target], list_path: Path) -> None:
    for target in targets:
        if not interpolator.spec.times.accepts(target.time):
            raise UsageError(
                f"{list_path.name} asks for the instant {target.time}; "
                f"{interpolator.spec.name} offers {interpolator.spec.times}."
            )


@torch.inference_mode()
def _score(
    interpolator: Interpolator,
    target: Target,
    store: FrameStore,
    device: torch.device,
    generator: torch.Generator | None,
) -> tuple[TargetScores, torch.Tensor]:
    inputs = [store.read(reference) for reference in target.window(interpolator.spec.context)]
    truth = store.read(target.target)
    for picture in inputs:
        if picture.shape != truth.shape:
            raise ShapeError(
                f"The frames of target {target.target} differ in size: "
                f"{tuple(picture.shape)} and {tuple(truth.shape)}."
            )
    height, width = truth.shape[-2:]
    frames = bytes_to_unit(torch.stack(inputs)[None].to(device))
    frames = pad_to_multiple(frames, interpolator.spec.size_multiple)
    started = seconds_now(device)
    synthesised = interpolator.interpolate(frames, [target.time], generator=generator)
    seconds = seconds_now(device) - started
    prediction = round_to_bytes(synthesised[0, 0, :, :height, :width]).cpu()
    scores = TargetScores(
        psnr=psnr(prediction, truth),
        ssim=ssim(prediction, truth),
        ssim_3d=ssim_3d(prediction, truth),
        ie=interpolation_error(prediction, truth),
        seconds=seconds,
    )
    return scores, prediction


def _write_targets(path: Path, targets: Sequence[Target], rows: Sequence[TargetScores]) -> None:
    names = [field.name for field in fields(TargetScores)]
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["number", "target", "time", *names])
            for number, (target, row) in enumerate(zip(targets, rows, strict=True), start=1):
                writer.writerow([number, target.target, target.time, *(asdict(row)[name] for name in names)])
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error


def _write_scores(path: Path, scores: Scores) -> None:
    # JSON has no infinity.
    values = {
        name: None if isinstance(value, float) and math.isinf(value) else value
        for name, value in asdict(scores).items()
    }
    try:
        path.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error
