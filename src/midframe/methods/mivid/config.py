"""The architecture as values, with the diffusion that its weights belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midframe.core.errors import UsageError
from midframe.diffusion.levels import NoiseLevels, cosine_levels, linear_levels
from midframe.diffusion.prediction import Prediction

FRAMES = 9
"""Frames of a clip: the first and the last are given, seven lie between."""
GROUPS = 8
"""Of every group normalisation."""


@dataclass(frozen=True, kw_only=True)
class MividConfig:
    """Widths and switches of the network (see `network.py`), and how it is sampled.

    Attributes:
        patch: Side of the squares of pixels that become channels before the first layer, and pixels again after the
            last: the network's full size is that much smaller than the pictures, and its layers nearly as many times
            cheaper as a square has pixels; the window's cost stays as it is.
        conditioning: What the network sees at a hidden pixel beside the noise: nothing ("visible"), so that the
            visible frames reach it by attention and convolutions over time alone; what the nearest frames that show
            this pixel have there, and how far it lies between them ("neighbours"); or what they have at the places
            in a window around it that look alike ("window", see `window.py`).
        reach: Of that window, in steps of two pixels.
        base_width: Channels at full size.
        multiples: Channels at full, half and quarter size, as multiples of it.
        depth: Residual blocks in each stage.
        attention: Whether pixels attend over time at full, half and quarter size (and, as there, in the middle).
        heads: Attention heads at each size.
        dropout: Share of features dropped in training.
        prediction: What the network predicts: the clean clip, the noise, or the velocity.
        base: What a prediction of the clean clip is added to: the temporal blend (where the network attends to a
            window, of what it found there), or nothing.
        spread: Deviation that the truth is expected to have from the base, in [-1, 1] colours: inputs and output are
            scaled by it (`reconstruction.py`). 0 for none of that: colours go in, and what `prediction` says comes
            out.
        noise: Schedule of the noise.
        noise_steps: Steps of that schedule.
        size: Short side, in pixels, of the pictures the network was trained on, and works on.
        sampling_steps: Steps from noise to picture when used.
    """

    patch: int = 1
    conditioning: Literal["visible", "neighbours", "window"] = "visible"
    reach: int = 5
    base_width: int = 32
    multiples: tuple[int, int, int] = (1, 2, 4)
    depth: int = 1
    attention: tuple[bool, bool, bool] = (True, True, True)
    heads: tuple[int, int, int] = (2, 4, 4)
    dropout: float = 0.1
    prediction: Prediction = "x0"
    base: Literal["blend", "none"] = "blend"
    spread: float = 0.0
    noise: Literal["cosine", "linear"] = "cosine"
    noise_steps: int = 1000
    size: int = 64
    sampling_steps: int = 20

    def __post_init__(self) -> None:
        if self.base_width < GROUPS or self.base_width % GROUPS:
            raise UsageError(f"base_width must be a multiple of {GROUPS}; got {self.base_width}.")
        if self.depth < 1:
            raise UsageError(f"depth must be at least 1; got {self.depth}.")
        for width, heads in zip(self.widths, self.heads, strict=True):
            if heads < 1 or width % heads:
                raise UsageError(f"{width} channels cannot be shared by {heads} heads.")
        if self.patch < 1:
            raise UsageError(f"patch must be at least 1; got {self.patch}.")
        if self.reach < 1:
            raise UsageError(f"reach must be at least 1; got {self.reach}.")
        if self.size < self.multiple or self.size % self.multiple:
            raise UsageError(f"size must be a multiple of {self.multiple}; got {self.size}.")
        if self.base == "blend" and self.prediction != "x0":
            raise UsageError(f"base 'blend' belongs to the prediction 'x0'; '{self.prediction}' needs base 'none'.")
        if self.spread < 0:
            raise UsageError(f"spread is a deviation, or 0; got {self.spread}.")
        if self.spread and (self.base == "none" or self.conditioning == "visible"):
            raise UsageError("spread belongs to the base 'blend', with 'neighbours' or 'window' as conditioning.")
        if not 1 <= self.sampling_steps <= self.noise_steps:
            raise UsageError(f"sampling_steps lies in 1 to {self.noise_steps}; got {self.sampling_steps}.")

    @property
    def multiple(self) -> int:
        """What height and width in pixels have to be multiples of: the network halves them twice."""
        return 4 * self.patch

    @property
    def widths(self) -> tuple[int, int, int]:
        """Channels at full, half and quarter size."""
        full, half, quarter = (self.base_width * multiple for multiple in self.multiples)
        return full, half, quarter

    def levels(self) -> NoiseLevels:
        """Signal and noise of each step."""
        return (cosine_levels if self.noise == "cosine" else linear_levels)(self.noise_steps)
