"""The wiring: a name becomes a method with its weights, and the method fills a video. Knows the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import cast

from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.method import Interpolator
from midframe.core.options import LoadOptions
from midframe.engine.hardware import resolve_device, resolve_precision
from midframe.weights import find

DEFAULT_METHOD = "rife"
SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One method that can be asked for by name.

    Attributes:
        factory: "module:function"; the function takes `LoadOptions` and gives an `Interpolator`.
        summary: What it is, in a line.
        source: The paper behind it; empty for a formula.
        has_network: It needs weights, and has a flow scale and test-time augmentation.
    """

    factory: str
    summary: str
    source: str = ""
    has_network: bool = True

    def create(self, options: LoadOptions) -> Interpolator:
        """Import the module, now and not before, and build the interpolator."""
        module, function = self.factory.split(":")
        factory = cast("Callable[[LoadOptions], Interpolator]", getattr(import_module(module), function))
        return factory(options)


_REGISTRY: Mapping[str, Registration] = {
    "rife": Registration(
        factory="midframe.methods.rife:create",
        summary="Flow from the new frame to both neighbours, found coarse to fine; any instant",
        source="Huang et al., ECCV 2022, arXiv 2011.06294",
    ),
    "blend": Registration(
        factory="midframe.methods.baseline:create_blend",
        summary="Mean of the two neighbours, weighted by time: motion shows as a double image",
        has_network=False,
    ),
    "nearest": Registration(
        factory="midframe.methods.baseline:create_nearest",
        summary="The closer of the two neighbours: motion stutters",
        has_network=False,
    ),
}


def methods() -> Mapping[str, Registration]:
    """All methods by name, the default first. Imports none of them."""
    return _REGISTRY


def load(
    name: str = DEFAULT_METHOD,
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    scale: str | float | Fraction = "auto",
    tta: bool = False,
) -> Interpolator:
    """Build a method with its weights, ready to use.

    Args:
        name: A name from `methods()`.
        weights: A file of your own; by default the weights that ship with the package.
        device: `auto` (the first CUDA device, or else the CPU), `cpu`, `cuda` or `cuda:N`.
        precision: `auto` (fp16 on CUDA, bf16 on a CPU that has it, else fp32), `fp32`, `bf16` or `fp16`.
        scale: Resolution of the flow relative to the frame: 1, 1/2, 1/4, or `auto` for the method's choice.
        tta: Average with the result for the mirrored frames.

    Raises:
        UsageError: An unknown name or scale, or an option of networks for a method without one.
        DeviceError: A device or precision that this machine does not have.
        WeightsError: Weights that are missing, damaged or of another network.
    """
    if name not in _REGISTRY:
        raise UnknownNameError("method", name, _REGISTRY)
    registration = _REGISTRY[name]
    resolved_scale = _resolve_scale(scale)
    if not registration.has_network and (weights is not None or resolved_scale is not None or tta):
        raise UsageError(f"Method '{name}' has no network: weights, scale and tta do not apply to it.")
    resolved_device = resolve_device(device)
    options = LoadOptions(
        weights=(weights or find(name)) if registration.has_network else None,
        device=resolved_device,
        precision=resolve_precision(precision, resolved_device),
        scale=resolved_scale,
        tta=tta,
    )
    return registration.create(options)


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
