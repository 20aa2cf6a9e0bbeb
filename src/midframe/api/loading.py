"""A name becomes a method with its weights, ready to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

import torch

from midframe.api.registry import DEFAULT_METHOD, able_to, imported, registered
from midframe.core.errors import UsageError
from midframe.core.file_hash import sha256_of
from midframe.core.method import Interpolator
from midframe.core.motion import MotionModel, MotionSource
from midframe.core.options import LoadOptions
from midframe.engine.hardware import resolve_device, resolve_precision
from midframe.weights import catalogue, find

SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


LOADED: WeakKeyDictionary[Interpolator, tuple[str, LoadOptions]] = WeakKeyDictionary()
"""What each interpolator of `load` was made with: for the record of a run, and for workers, who make it again."""


def load(
    name: str = DEFAULT_METHOD,
    *,
    weights: Path | str | None = None,
    device: str | torch.device = "auto",
    precision: str | torch.dtype = "auto",
    scale: str | float | Fraction = "auto",
    tta: bool = False,
    steps: int | None = None,
    frames: int | None = None,
    settings: Mapping[str, object] | None = None,
) -> Interpolator:
    """Build a method with its weights, ready to use.

    Args:
        name: A name from `methods()`.
        weights: A file of your own, or a folder for a method on a published model; by default the weights that ship
            with the package.
        device: `auto` (the first CUDA device, or else the CPU), `cpu`, `cuda` or `cuda:N`; or PyTorch's own.
        precision: `auto` (fp16 on CUDA, bf16 on a CPU that has it, else fp32), `fp32`, `bf16` or `fp16`; or PyTorch's
            own.
        scale: Resolution of the flow relative to the frame: 1, 1/2, 1/4, or `auto` for the method's choice.
        tta: Average with the result for the mirrored frames.
        steps: From noise to picture, for a method that samples; by default the number in its weights.
        frames: Of a clip, the two given frames included, for a method that makes whole clips.
        settings: What one method alone knows, by name.

    Raises:
        UsageError: An unknown name or scale, or an option that the method does not have.
        DeviceError: A device or precision that this machine does not have.
        WeightsError: Weights that are missing, damaged or of another network.
    """
    registration = registered(name)
    resolved_scale = _resolve_scale(scale)
    if not registration.has_network and (weights is not None or resolved_scale is not None or tta):
        raise UsageError(f"Method '{name}' has no network: weights, scale and tta do not apply to it.")
    if steps is not None and not registration.samples:
        raise UsageError(f"Method '{name}' does not sample in steps; these do: {able_to('samples')}.")
    if frames is not None and not registration.clips:
        raise UsageError(f"Method '{name}' makes single frames, not clips of {frames}; these do: {able_to('clips')}.")
    if settings and not registration.settings:
        raise UsageError(f"Method '{name}' has no settings of its own; these do: {able_to('settings')}.")
    resolved_device = resolve_device(device)
    resolved_precision = resolve_precision(precision, resolved_device)
    options = LoadOptions(
        weights=weights_of(name, None if weights is None else Path(weights)),
        device=resolved_device,
        precision=resolved_precision,
        scale=resolved_scale,
        tta=tta,
        steps=steps,
        frames=frames,
        settings=dict(settings or {}),
        motion=motion_for(registration.moved_by, resolved_device, resolved_precision),
    )
    interpolator = registration.create(options)
    LOADED[interpolator] = name, options
    return interpolator


def weights_of(name: str, given: Path | None = None) -> Path | None:
    """The weights that a method is loaded with: given ones, a user's own where they were found, or the shipped ones.

    Raises:
        WeightsError: There are none; says what to do.
    """
    registration = registered(name)
    if registration.finder:
        return cast("Callable[[Path | None], Path]", imported(registration.finder))(given)
    return (given or find(name)) if registration.has_network else None


def motion_for(teller: str, device: torch.device, precision: torch.dtype) -> MotionSource | None:
    """The motion of the method of that name, with the weights that ship; None for no name."""
    if not teller:
        return None
    return MotionSource(teller, catalogue()[teller].sha256, partial(motion_of, teller, device, precision))


def motion_of(name: str, device: torch.device, precision: torch.dtype) -> MotionModel:
    """Motion as a method tells it to others.

    Args:
        name: A method that does, with the weights that ship.
        device: Where its network lies.
        precision: Of its convolutions.

    Raises:
        UsageError: It does not.
    """
    registration = registered(name)
    if not registration.motion:
        raise UsageError(f"Method '{name}' tells no motion; these do: {able_to('motion')}.")
    options = LoadOptions(weights=find(name), device=device, precision=precision)
    return cast("Callable[[LoadOptions], MotionModel]", imported(registration.motion))(options)


def made_with(interpolator: Interpolator) -> dict[str, str]:
    """What a method's frames depend on beside its name, as text."""
    if interpolator not in LOADED:
        return {"interpolator": type(interpolator).__qualname__}
    _, options = LOADED[interpolator]
    teller = told_by(interpolator)
    weights = "none"
    if options.weights is not None:
        weights = f"{options.weights.name}, SHA-256 {sha256_of(options.weights)}"
    return {
        "weights": weights,
        "device": options.device.type,
        "precision": str(options.precision).removeprefix("torch."),
        "scale": str(options.scale or "auto"),
        "tta": str(options.tta),
        **({"motion": teller} if teller else {}),
        **({"steps": str(options.steps)} if options.steps else {}),
        **({"frames": str(options.frames)} if options.frames else {}),
        **{name: str(value) for name, value in options.settings.items()},
    }


def told_by(interpolator: Interpolator) -> str:
    """Which other method, by which weights, tells a method of motion, as text; empty where none does."""
    return getattr(interpolator, "told_by", "")


def placed(method: str | Interpolator, device: str | torch.device | None) -> tuple[Interpolator, torch.device]:
    """A method ready to use, and where its input belongs."""
    if isinstance(method, str):
        place = resolve_device(device or "auto")
        return load(method, device=str(place)), place
    if device is not None:
        return method, resolve_device(device)
    return method, torch.device(getattr(method, "device", "cpu"))


def _resolve_scale(scale: str | float | Fraction) -> Fraction | None:
    if scale == "auto":
        return None
    try:
        wanted = Fraction(str(scale))
    except (ValueError, ZeroDivisionError):
        wanted = None
    if wanted not in SCALES:
        raise UsageError(f"A scale is 'auto', 0.25, 0.5 or 1; got '{scale}'.")
    return wanted
