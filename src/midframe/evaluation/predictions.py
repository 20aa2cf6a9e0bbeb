"""The first pass: one Interpolator makes every target of a set, and the pictures go to disk."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError, WriteError
from midframe.core.file_hash import sha256_of
from midframe.core.method import Interpolator
from midframe.engine.memory import TIMES_PER_CALL
from midframe.evaluation.clock import seconds_now
from midframe.evaluation.image_file import write_image
from midframe.evaluation.machine import MemoryPeak, describe_machine
from midframe.evaluation.manifest import (
    FILE,
    PICTURES,
    ROWS,
    SCORES,
    Manifest,
    Origin,
    describe_origin,
    read_manifest,
)
from midframe.evaluation.target_set import NumberedTarget, TargetSet
from midframe.ops.pad import pad_to_multiple
from midframe.ops.rounding import bytes_to_unit, round_to_bytes

SECONDS_BETWEEN_RECORDS = 5.0
"""The manifest is written this often, and at the end; what a crash leaves unrecorded is made again."""

OnTarget = Callable[[int, int], None]
"""Told the number of targets done and the number of all."""


def predict(
    interpolator: Interpolator,
    targets: TargetSet,
    out: Path,
    *,
    weights: Path | None = None,
    options: Mapping[str, str] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    keep: bool = True,
    on_target: OnTarget | None = None,
) -> Manifest:
    """Make every target of a set that is not there yet, rounded to 8 bit.

    Writes `predictions/<number>.png`, the targets as `list.tsv`, and `manifest.json`. A folder that an interrupted
    run left is completed, to the pictures that an uninterrupted run would have made. Targets between the same two
    frames are made by one call of the method, of at most eight frames. Scores of other predictions that lie there are
    deleted.

    Args:
        interpolator: The method under test.
        targets: What to make.
        out: Folder for the results; made if missing.
        weights: The file that the method was loaded from, for the record.
        options: How the method was loaded, for the record.
        seed: Start of the random numbers of a stochastic method; each window of frames draws its own.
        device: Where the input frames are put.
        keep: Recorded: whether the pictures stay when they have been scored.
        on_target: Called after each window.

    Raises:
        UsageError: The method does not offer an instant of the set, or the folder holds predictions of another
            origin: of other files under the same names too.
        MediaError: A frame cannot be read.
        ShapeError: The input frames of a target differ in size.
        WriteError: The folder cannot be written to.
    """
    targets.check_offered(interpolator)
    device = torch.device(device)
    origin = describe_origin(
        interpolator.spec.name,
        targets,
        weights=None if weights is None else sha256_of(weights),
        options=options or {},
        seed=seed,
        device=device,
        machine=describe_machine(device),
    )
    manifest = _begin(out, origin, targets)
    manifest.keep = manifest.keep or keep
    waiting = [
        window for window in targets.windows() if not all(manifest.has(numbered.number) for numbered in window)
    ]
    context = interpolator.spec.context
    store = targets.store(read for window in waiting for read in window[0].target.window(context))
    done = len(targets.targets) - sum(len(window) for window in waiting)
    peak = MemoryPeak(device)
    last_record = time.monotonic()
    try:
        for window in waiting:
            inputs = _same_size(window[0], [store.read(read) for read in window[0].target.window(context)])
            _predict_window(interpolator, window, inputs, manifest, device)
            done += len(window)
            if on_target is not None:
                on_target(done, len(targets.targets))
            if time.monotonic() - last_record > SECONDS_BETWEEN_RECORDS:
                manifest.write()
                last_record = time.monotonic()
    finally:
        if waiting:
            manifest.peak_memory_bytes = _larger(manifest.peak_memory_bytes, peak.read())
        manifest.write()
    return manifest


def _begin(out: Path, origin: Origin, targets: TargetSet) -> Manifest:
    """The record of a half-finished run of the same origin, or a new one."""
    earlier = read_manifest(out) if (out / FILE).is_file() else None
    if earlier is not None and earlier.origin == origin:
        manifest = earlier
    else:
        if earlier is not None and earlier.has_pictures():
            raise UsageError(
                f"{out} holds predictions that differ from those asked for in "
                f"{', '.join(earlier.origin.differences(origin))}; name another folder, or delete that one."
            )
        if earlier is None and any((out / PICTURES).glob("*.png")):
            raise UsageError(
                f"{out / PICTURES} holds pictures that no {FILE} describes; name another folder, or delete that one."
            )
        manifest = Manifest(folder=out, origin=origin, seconds=[None] * origin.count)
    try:
        if manifest is not earlier:
            # They are of other predictions. Beside the new record a report would take them for its own.
            for name in (SCORES, ROWS):
                (out / name).unlink(missing_ok=True)
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"The folder {out} cannot be prepared: {error}.") from error
    targets.write(out)
    manifest.root = str(targets.root.resolve())
    return manifest


def _same_size(numbered: NumberedTarget, inputs: Sequence[UInt8[Tensor, "3 height width"]]) -> Sequence[Tensor]:
    for picture in inputs:
        if picture.shape != inputs[0].shape:
            raise ShapeError(
                f"The frames of target {numbered.target.target} differ in size: "
                f"{tuple(picture.shape)} and {tuple(inputs[0].shape)}."
            )
    return inputs


@torch.inference_mode()
def _predict_window(
    interpolator: Interpolator,
    window: Sequence[NumberedTarget],
    inputs: Sequence[Tensor],
    manifest: Manifest,
    device: torch.device,
) -> None:
    height, width = inputs[0].shape[-2:]
    frames = bytes_to_unit(torch.stack(list(inputs))[None].to(device))
    frames = pad_to_multiple(frames, interpolator.spec.size_multiple)
    generator = None
    if interpolator.spec.stochastic:
        # By the place in the set, so that a resumed run draws what an uninterrupted one would have drawn. A checksum,
        # because a generator on the CPU looks at 32 bits alone.
        own_seed = zlib.crc32(f"{manifest.origin.seed} {window[0].number}".encode())
        generator = torch.Generator(device).manual_seed(own_seed)
    for start in range(0, len(window), TIMES_PER_CALL):
        part = window[start : start + TIMES_PER_CALL]
        started = seconds_now(device)
        made = interpolator.interpolate(frames, [numbered.target.time for numbered in part], generator=generator)
        seconds = (seconds_now(device) - started) / len(part)
        for numbered, frame in zip(part, made[0], strict=True):
            path = manifest.picture(numbered.number)
            written = path.with_suffix(".part.png")
            write_image(round_to_bytes(frame[:, :height, :width]).cpu(), written)
            written.replace(path)
            manifest.seconds[numbered.number - 1] = seconds
    manifest.size = manifest.size or (width, height)


def _larger(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)
