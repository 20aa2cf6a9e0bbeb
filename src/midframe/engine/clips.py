"""Whole clips between two pictures: what they take, before hours are spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch

from midframe.core.errors import ShapeError, UsageError
from midframe.core.method import ClipInterpolator
from midframe.core.work_size import Resizable
from midframe.engine.memory import free_bytes, in_words, resident_bytes

Clips = TypeVar("Clips", bound=ClipInterpolator)


def check_same_size(pictures: Sequence[np.ndarray]) -> None:
    """Refuse pictures that do not fit together.

    Raises:
        ShapeError: They differ in size or depth.
    """
    if len({(picture.shape, picture.dtype) for picture in pictures}) != 1:
        raise ShapeError(f"Pictures differ: {', '.join(f'{one.shape} {one.dtype}' for one in pictures)}.")


def fit_clip(method: Clips, height: int, width: int, device: torch.device) -> tuple[Clips, str]:
    """Choose how a method works within the memory of its device.

    Args:
        method: With its weights loaded.
        height: Of the pictures.
        width: Likewise.
        device: Where it works.

    Returns:
        The method, in the fastest of its ways that fits, and a sentence on what it takes.

    Raises:
        UsageError: None of its ways fits; says what the least takes.
    """
    free = room(device)
    have = "unknown" if free is None else in_words(free)
    if not isinstance(method, Resizable):
        return method, f"memory free on {device}: {have}"
    sizes = list(method.sizes(height, width))
    chosen = next((size for size in sizes if free is None or size.size_bytes <= free), None)
    if chosen is None:
        least = min(sizes, key=lambda size: size.size_bytes)
        raise UsageError(
            f"{method.spec.name} needs about {in_words(least.size_bytes)} on {device} for clips of {method.frames} "
            f"frames at this size, doing as little at once as it can ({least.sentence()}); {have} are free. Take "
            "fewer frames or a smaller size (--set height=H --set width=W), keep parts of the model on the CPU "
            "(--set offload=true), or take a method that needs less."
        )
    line = f"memory: about {in_words(chosen.size_bytes)} of {have} on {device} ({chosen.sentence()})"
    if chosen is sizes[0]:
        return method, line
    resized = method.resized(chosen)
    assert isinstance(resized, type(method))
    return resized, line


def room(device: torch.device) -> int | None:
    """What a clip may take on a device, with what this process holds there already; None where nobody tells."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    free = free_bytes()
    return None if free is None else free + resident_bytes()
