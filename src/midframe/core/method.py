"""What a method says of itself, and the one call that every method answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError

Window: TypeAlias = Float[Tensor, "batch window 3 height width"]
"""Input frames, RGB in [0, 1], oldest first."""
Frames: TypeAlias = Float[Tensor, "batch time 3 height width"]
"""Synthesised frames, RGB in [0, 1], in the order of the times asked for."""
CutFrames: TypeAlias = Float[Tensor, "batch time 3 rows columns"]
"""Frames of a size of their own, where a part of the input is left out."""
Planes: TypeAlias = Float[Tensor, "batch window plane height width"]
"""Further planes of the input frames, such as alpha."""
MovedPlanes: TypeAlias = Float[Tensor, "batch time plane height width"]
"""The same planes of the synthesised frames."""
Uncertainty: TypeAlias = Float[Tensor, "batch time 1 height width"]
"""How far off each pixel may be: a mean absolute error in [0, 1], as the method estimates it."""


@dataclass(frozen=True)
class AnyTime:
    """The method synthesises any instant in (0, 1)."""

    def __str__(self) -> str:
        return "any instant"

    def accepts(self, time: Fraction) -> bool:
        return 0 < time < 1


@dataclass(frozen=True)
class Midpoint:
    """The method synthesises the instant 1/2 only."""

    def __str__(self) -> str:
        return "midpoints"

    def accepts(self, time: Fraction) -> bool:
        return time == Fraction(1, 2)


@dataclass(frozen=True)
class Grid:
    """The method synthesises the instants k / parts, 0 < k < parts."""

    parts: int

    def __str__(self) -> str:
        return f"multiples of 1/{self.parts}"

    def accepts(self, time: Fraction) -> bool:
        return 0 < time < 1 and (time * self.parts).denominator == 1


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """Facts about a method that its callers plan with.

    Attributes:
        name: Name in the registry and in every file that records the method.
        context: Input frames on each side of the gap: 1 for two-frame methods, 2 for four-frame ones.
        times: Instants of the gap that the method can synthesise.
        size_multiple: Height and width of the input must be multiples of this number.
        stochastic: The method draws random numbers and needs a generator.
        uncertainty: The method also says how sure it is: it is an `UncertainInterpolator`.
        planes: The method can move further planes as it moves the colours: it is a `LayeredInterpolator`.
        together: All instants of a gap belong to one result: they are asked for in one call, however many they are.
        pixel_bytes: Memory of a call, for each pixel of a frame, beyond the frames that go in and come out: no more
            for several frames than for one. A `core.work_size.Resizable` method says more.
    """

    name: str
    context: int = 1
    times: AnyTime | Midpoint | Grid = AnyTime()
    size_multiple: int = 1
    stochastic: bool = False
    uncertainty: bool = False
    planes: bool = False
    together: bool = False
    pixel_bytes: int = 64

    @property
    def window(self) -> int:
        """Number of input frames."""
        return 2 * self.context


@runtime_checkable
class Interpolator(Protocol):
    """Anything that fills the gap between the two middle frames of a window."""

    @property
    def spec(self) -> MethodSpec: ...

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """Synthesise frames strictly between the two middle frames.

        Args:
            frames: `spec.window` input frames; height and width multiples of `spec.size_multiple`.
            times: Fractions of the gap in (0, 1), strictly ascending, each accepted by `spec.times`.
            generator: Source of randomness; needed where `spec.stochastic`.

        Returns:
            One frame for each time, clamped to [0, 1], float32, on the device of the input.

        Raises:
            UsageError: A time that the method cannot synthesise, or a window or size that does not fit.
        """
        ...


@runtime_checkable
class UncertainInterpolator(Interpolator, Protocol):
    """An interpolator that can say how sure it is of each pixel."""

    def interpolate_with_uncertainty(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, Uncertainty]:
        """As `interpolate`, with a map beside each frame.

        Returns:
            The very frames that `interpolate` gives, and one map for each, float32.

        Raises:
            UsageError: As `interpolate`.
        """
        ...


@runtime_checkable
class LayeredInterpolator(Interpolator, Protocol):
    """An interpolator that can move further planes, such as alpha, along the motion of the colours."""

    def interpolate_with_planes(
        self,
        frames: Window,
        planes: Planes,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, MovedPlanes]:
        """As `interpolate`, with planes that are fetched and mixed as the colours are, and seen by nothing else.

        Args:
            planes: Of the same frames, of any range.

        Returns:
            The very frames that `interpolate` gives, and the planes at the same instants, float32.

        Raises:
            UsageError: As `interpolate`.
        """
        ...


@dataclass(frozen=True)
class ClipProgress:
    """How far the making of a clip is.

    Attributes:
        done: Steps.
        total: Of them.
        disagreement: How far apart what is fused was, where two predictions are; None where not.
    """

    done: int
    total: int
    disagreement: float | None = None


@runtime_checkable
class ClipInterpolator(Interpolator, Protocol):
    """An interpolator that makes whole clips, the two given frames made anew among them.

    Attributes:
        on_step: Called after each step, by whatever the caller set.
    """

    on_step: Callable[[ClipProgress], None]

    @property
    def frames(self) -> int:
        """Of a clip."""
        ...

    def clip(self, frames: Window, *, generator: torch.Generator | None = None) -> CutFrames:
        """The whole clip.

        Args:
            frames: Two frames of any size.
            generator: As in `interpolate`.

        Returns:
            `self.frames` frames, the first and the last as the method makes them, clamped to [0, 1], float32; of the
            size of `key_frames`.

        Raises:
            UsageError: There is no generator.
        """
        ...

    def key_frames(self, frames: Window) -> CutFrames:
        """The two given frames, cut as those of a clip are."""
        ...


def check_request(spec: MethodSpec, frames: Tensor, times: Sequence[Fraction]) -> None:
    """Refuse a call that `spec` does not cover.

    Raises:
        UsageError: Wrong window, size, order of times, or a time outside what the method offers.
    """
    if frames.ndim != 5 or frames.shape[1] != spec.window or frames.shape[2] != 3:
        raise UsageError(
            f"{spec.name} takes frames of shape (batch, {spec.window}, 3, height, width); got {tuple(frames.shape)}."
        )
    height, width = frames.shape[-2:]
    if height % spec.size_multiple or width % spec.size_multiple:
        raise UsageError(
            f"{spec.name} needs height and width in multiples of {spec.size_multiple}; got {height}x{width}. "
            "Pad first (midframe.engine does)."
        )
    for time in times:
        if not spec.times.accepts(time):
            raise UsageError(f"{spec.name} cannot synthesise the instant {time}; it offers {spec.times}.")
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise UsageError(f"Times must be strictly ascending; got {', '.join(map(str, times))}.")
