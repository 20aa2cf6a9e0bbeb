"""Clips that a method makes of single pictures, and weights that others have published."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from midframe.api.loading import LOADED, load
from midframe.api.registry import able_to, imported, registered
from midframe.core.errors import MediaError, UsageError, WriteError
from midframe.core.method import Interpolator
from midframe.engine.pixels import to_pixels, to_tensor
from midframe.video.clip import write_clip
from midframe.video.picture import read_picture

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}
RATE = Fraction(7)
"""Frames a second of a written clip: what the published model is told."""


def imagine(
    pictures: Path,
    out: Path,
    *,
    method: str | Interpolator,
    count: int,
    seed: int = 0,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Let a method make clips that begin with pictures: what it can be fine-tuned on.

    Args:
        pictures: A folder of pictures; they are taken in turn.
        out: Folder for `0001.mp4` and so on; made if missing. Files that are there already are kept and skipped.
        method: Name of a method that can, or one of `load`.
        count: Clips to have in the end.
        seed: Of the first clip; each has its own.
        overwrite: Make the files anew that are there.
        report: Called with a line for each clip.

    Returns:
        All files.

    Raises:
        UsageError: A method that makes no clips of its own, or no clips to make.
        MediaError: The folder holds no picture, or one cannot be read.
        WriteError: A file cannot be written.
    """
    interpolator = load(method) if isinstance(method, str) else method
    name = LOADED[interpolator][0] if interpolator in LOADED else interpolator.spec.name
    if not registered(name).imagines:
        raise UsageError(f"Method '{name}' makes no clips of single pictures; these do: {able_to('imagines')}.")
    if count < 1:
        raise UsageError(f"At least one clip is made; got {count}.")
    files = sorted(file for file in pictures.glob("*") if file.suffix.lower() in PICTURES)
    if not files:
        raise MediaError(f"{pictures} holds no picture ({', '.join(sorted(PICTURES))}).")
    make = cast("Callable[[Interpolator, Tensor, torch.Generator], Tensor]", imported(registered(name).imagines))
    device = torch.device(getattr(interpolator, "device", "cpu"))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{out} cannot be made: {error.strerror or error}.") from error
    written = []
    for number in range(count):
        source, target = files[number % len(files)], out / f"{number + 1:04d}.mp4"
        written.append(target)
        if target.exists() and not overwrite:
            continue
        picture = to_tensor(read_picture(source, allow_loss=True), device)[None]
        clip = make(interpolator, picture, torch.Generator(device).manual_seed(seed + number))[0]
        frames = [(to_pixels(frame, np.dtype(np.uint8)), place / RATE) for place, frame in enumerate(clip)]
        write_clip(target, frames, len(frames) / RATE, RATE)
        report(f"{target}: {len(frames)} frames from {source.name}")
    return written


def convert(name: str, checkpoint: Path, target: Path, *, base: Path | None = None, overwrite: bool = False) -> int:
    """Read a published checkpoint into this project's form.

    Args:
        name: The method.
        checkpoint: As it was published.
        target: File of weights to write (`.safetensors`).
        base: What the checkpoint was tuned from, where the method needs it.
        overwrite: Replace a target that exists.

    Returns:
        Number of values that were written.

    Raises:
        UsageError: A method without a converter, or another suffix.
        WeightsError: The checkpoint is missing, damaged, or of something else.
        WriteError: The target exists, or cannot be written.
    """
    converter = registered(name).converter
    if not converter:
        raise UsageError(f"Method '{name}' converts no checkpoints; these do: {able_to('converter')}.")
    if target.suffix != ".safetensors":
        raise UsageError(f"Weights are written as .safetensors; got '{target.name}'.")
    if target.exists() and not overwrite:
        raise WriteError(f"{target} exists already; choose another name or allow it to be replaced.")
    partial = target.with_name(f".partial-{target.name}")
    try:
        values = cast("Callable[[Path, Path, Path | None], int]", imported(converter))(checkpoint, partial, base)
        partial.replace(target)
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        partial.unlink(missing_ok=True)
    return values
