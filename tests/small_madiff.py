"""MADIFF at a size that a test runs in no time."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from midframe.core.motion import Motion, MotionSource
from midframe.methods.madiff.config import CodecConfig, HintConfig

SMALL_CODEC = CodecConfig(base_width=8, multiples=(1, 2), codes=32, window=2)
SMALL_EVENTS = HintConfig(kind="events", width=4, halvings=2, residual=1)
FLOW = HintConfig(kind="flow")
SMALL_FLOW_CODEC = replace(
    SMALL_CODEC, hint_channels=3, hint_gain=1.0, anchor="hint", head="pixels", sampling="bicubic"
)


@dataclass(frozen=True)
class SameMotion:
    """Every pixel moves alike: a model of motion (`midframe.core.motion.MotionModel`).

    Attributes:
        flow: From the frame half-way to the one before (x, y), then to the one after, in pixels.
        logit: Of the weight of the frame before.
    """

    flow: tuple[float, float, float, float] = (-2.0, 0.0, 2.0, 0.0)
    logit: float = 0.0

    def __call__(self, before: Tensor, after: Tensor) -> Motion:
        shape = (len(before), 1, *before.shape[-2:])
        return Motion(
            torch.tensor(self.flow).view(1, 4, 1, 1).expand(len(before), 4, *shape[2:]), torch.full(shape, self.logit)
        )


SAME_MOTION = MotionSource("same", "0" * 64, SameMotion)
