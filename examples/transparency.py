"""How well a moving picture with transparency is interpolated: a textured disc whose exact middle frame is known.

    python examples/transparency.py [METHOD ...]

Prints for each method the PSNR of the premultiplied colours and that of alpha: moved beside the colours, where the
method can do that, and on black and on white, as it is done for all others (`engine.alpha`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as functional

import midframe
from midframe.core.method import Interpolator, MethodSpec
from midframe.engine import GapFiller, Pixels

METHODS = ("rife", "classical", "minterpolate", "blend")
PLACES = ((80, 60), (90, 64), (100, 68))
"""Left and top of the disc before, at and after the instant."""


def soft_sprite(x: int, y: int) -> Pixels:
    """A textured disc with a soft edge, opaque in the middle and less so around, on nothing: (256, 384, 4)."""
    coarse = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    texture = functional.interpolate(coarse, (128, 128), mode="bicubic")[0].permute(1, 2, 0).clamp(0, 1)
    row, column = np.mgrid[:128, :128]
    radius = np.hypot(row - 63.5, column - 63.5)
    alpha = np.clip((62 - radius) / 6, 0, 1) * np.where(radius < 40, 1, 0.6)
    picture = np.zeros((256, 384, 4), np.uint8)
    picture[y : y + 128, x : x + 128] = np.rint(np.concatenate((texture.numpy(), alpha[..., None]), axis=-1) * 255)
    picture[picture[..., 3] == 0] = 0
    return picture


def measure(method: Interpolator) -> tuple[float, float]:
    """PSNR in dB of the premultiplied colours and of alpha."""
    before, truth, after = (soft_sprite(*place) for place in PLACES)
    (made,) = GapFiller(method).fill([before, after], [Fraction(1, 2)])
    shown, wanted = (_premultiplied(pixels) for pixels in (made, truth))
    return _decibels(shown[..., :3], wanted[..., :3]), _decibels(shown[..., 3], wanted[..., 3])


class OnTwoGrounds:
    """A method that does not say that it can move further planes."""

    def __init__(self, method: Interpolator) -> None:
        self._method = method

    @property
    def spec(self) -> MethodSpec:
        return replace(self._method.spec, planes=False)

    def interpolate(
        self, frames: torch.Tensor, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ):
        return self._method.interpolate(frames, times, generator=generator)


def _premultiplied(pixels: Pixels) -> np.ndarray:
    unit = pixels / 255
    return np.concatenate((unit[..., :3] * unit[..., 3:], unit[..., 3:]), axis=-1)


def _decibels(made: np.ndarray, truth: np.ndarray) -> float:
    error = ((made - truth) ** 2).mean()
    return float(-10 * np.log10(error)) if error else float("inf")


def main() -> None:
    for name in sys.argv[1:] or METHODS:
        method = midframe.load(name, device="cpu", precision="fp32")
        ways = [("beside the colours", method)] if method.spec.planes else []
        for way, one in (*ways, ("on black and on white", OnTwoGrounds(method))):
            colours, alpha = measure(one)
            print(f"{name:12}  {way:21}  colours {colours:6.1f} dB  alpha {alpha:6.1f} dB")


if __name__ == "__main__":
    main()
