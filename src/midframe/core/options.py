"""What a method's factory is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import torch

from midframe.core.motion import MotionSource


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """Everything that building an interpolator depends on, resolved: no `auto` is left but the scale's.

    Attributes:
        weights: File or folder of the network's weights; None for a method that has none, or finds them itself.
        device: Where the network lives and computes.
        precision: Number format of the network's convolutions. Warping stays in float32.
        scale: Resolution of the flow, relative to the frame; None lets the method choose by the frame's size.
        tta: Average with the result for the mirrored frames: slower by half or more, slightly better.
        steps: Of a method that samples, from noise to picture; None for the number in its weights.
        frames: Of a method that makes whole clips, the two given frames included; None for its own number.
        settings: What one method alone knows, by name.
        motion: Another method's motion, for a method that can be told of it.
    """

    weights: Path | None
    device: torch.device
    precision: torch.dtype
    scale: Fraction | None = None
    tta: bool = False
    steps: int | None = None
    frames: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    motion: MotionSource | None = None
