"""Fills one gap with any method: size, instants on offer, recursion, randomness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError
from midframe.core.method import AnyTime, Grid, Interpolator, Midpoint, UncertainInterpolator
from midframe.core.work_size import Resizable, WorkSize
from midframe.engine.alpha import interpolate_with_alpha
from midframe.engine.memory import times_per_call
from midframe.engine.pixels import Pixels, to_pixels, to_tensor, to_window
from midframe.ops.pad import pad_to_multiple
from midframe.video import StoredFrame

MIDPOINT_DEPTH = 3
"""Halvings that approximate an instant which no number of halvings reaches: off by at most 1/16 of a gap."""
KEPT_BYTES = 64 * 2**20
"""A converted frame up to which it is kept for the next gap."""

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")
"""What allocators say, PyTorch's own on a CPU among them, which raise no error of a kind of its own."""


def nearest_offered(offer: AnyTime | Midpoint | Grid, time: Fraction) -> Fraction:
    """The instant nearest to `time` that a method reaches; 0 and 1 stand for the two source frames.

    `Midpoint` reaches every k / 2^n by halving again and again. Such a time is reached exactly; any other is
    moved to the nearest multiple of 1 / 2^`MIDPOINT_DEPTH`. `Grid` moves every time to its nearest part.
    """
    if isinstance(offer, AnyTime):
        return time
    if isinstance(offer, Grid):
        parts = offer.parts
    elif time.denominator & (time.denominator - 1) == 0:
        return time
    else:
        parts = 2**MIDPOINT_DEPTH
    return Fraction(round(time * parts), parts)


@dataclass(frozen=True, eq=False)
class Made:
    """A frame of a gap.

    Attributes:
        pixels: The frame, of the type of the input.
        uncertainty: (height, width), the method's estimate of its mean absolute error, 0 to 1; None where it was not
            asked for, or the frame is one of the source.
        stored: A frame of the source as its decoder gave it, where it is to be encoded as it is.
    """

    pixels: Pixels
    uncertainty: Float[np.ndarray, "height width"] | None = None
    stored: StoredFrame | None = None


class GapFiller:
    """Calls a method on decoded frames.

    Args:
        interpolator: The method, on `device` already.
        device: Where its input belongs.
        seed: Start of the random numbers of a stochastic method. Each gap draws its own, so that a frame does
            not depend on what was made before it.
        uncertainty: Also ask the method how sure it is.

    Attributes:
        notes: Filled while working: one sentence for each time that memory was too small.

    Raises:
        UsageError: A method that does not say how sure it is, where that is asked for; or one for midpoints that
            looks at more than two frames: halving leaves it without neighbours.
    """

    def __init__(
        self,
        interpolator: Interpolator,
        device: torch.device | None = None,
        seed: int = 0,
        *,
        uncertainty: bool = False,
    ) -> None:
        spec = interpolator.spec
        if uncertainty and not spec.uncertainty:
            raise UsageError(f"{spec.name} does not say how sure it is of its frames; svmv does.")
        self._uncertainty = uncertainty
        if isinstance(spec.times, Midpoint) and spec.context != 1:
            raise UsageError(f"{spec.name} makes midpoints of {spec.window} frames; halving needs one of 2 frames.")
        self._interpolator = interpolator
        self._spec = spec
        self._device = device or torch.device("cpu")
        self._seed = seed
        self._converted: list[tuple[Pixels, Tensor]] = []
        self.notes: list[str] = []

    def fill(self, window: Sequence[Pixels], times: Sequence[Fraction], gap: int = 0) -> Iterator[Pixels]:
        """Frames at instants between the two middle frames of a window, made as they are taken.

        Args:
            window: As many frames as the method takes, oldest first.
            times: Fractions of the gap in (0, 1), ascending.
            gap: Number of the gap, for its random numbers.

        Yields:
            One frame for each time, of the type of the input. Times that the method does not offer are moved
            as `nearest_offered` says; moved onto a source frame, they yield that very frame.

        Raises:
            UsageError: A window of the wrong length, or times outside (0, 1) or out of order.
            ShapeError: Frames of different sizes.
        """
        return (made.pixels for made in self.fill_with_uncertainty(window, times, gap))

    def fill_with_uncertainty(
        self, window: Sequence[Pixels], times: Sequence[Fraction], gap: int = 0
    ) -> Iterator[Made]:
        """As `fill`, each frame with what the method says of it."""
        self._check(window, times)
        return self._filled(window, times, gap)

    def _filled(self, window: Sequence[Pixels], times: Sequence[Fraction], gap: int) -> Iterator[Made]:
        middle = self._spec.context - 1
        chosen = [
            (time, len(list(equal))) for time, equal in groupby(nearest_offered(self._spec.times, t) for t in times)
        ]
        wanted = [time for time, _ in chosen if 0 < time < 1]
        made = self._synthesise(window, wanted, gap) if wanted else iter(())
        for time, count in chosen:
            frame = self._made(next(made), window) if 0 < time < 1 else Made(window[middle + int(time)])
            for _ in range(count):
                yield frame

    def _made(self, planes: Tensor, window: Sequence[Pixels]) -> Made:
        """A frame from its planes, and the map from a further one where that was asked for."""
        before, after = window[self._spec.context - 1], window[self._spec.context]
        channels = before.shape[2]
        doubt = planes[channels].float().cpu().numpy() if self._uncertainty else None
        pixels = to_pixels(planes[:channels], before.dtype)
        if channels == 4:
            # Coarse chroma mixes what is transparent into the edge beside it: it keeps a colour of the source.
            clear = pixels[..., 3] == 0
            colours = (before[clear, :3].astype(np.int32) + after[clear, :3]) // 2
            pixels[clear, :3] = colours.astype(pixels.dtype)
        return Made(pixels, doubt)

    def _check(self, window: Sequence[Pixels], times: Sequence[Fraction]) -> None:
        if len(window) != self._spec.window:
            raise UsageError(f"{self._spec.name} takes {self._spec.window} frames; got {len(window)}.")
        if len({pixels.shape for pixels in window}) != 1:
            raise ShapeError(f"Frames differ in size: {', '.join(str(pixels.shape) for pixels in window)}.")
        if not all(0 < time < 1 for time in times) or list(times) != sorted(set(times)):
            raise UsageError(f"Times must ascend strictly inside (0, 1); got {', '.join(map(str, times))}.")

    def _synthesise(self, window: Sequence[Pixels], times: Sequence[Fraction], gap: int) -> Iterator[Tensor]:
        """Frames of shape (channel, height, width), one for each time; with uncertainty its map is one plane more."""
        generator = None
        if self._spec.stochastic:
            generator = torch.Generator(self._device).manual_seed(self._seed + gap)
        height, width = window[0].shape[:2]
        if isinstance(self._spec.times, Midpoint):
            return self._halve(torch.stack(self._tensors(window)), times, generator)
        large = height * width * 12 > KEPT_BYTES
        return self._in_parts(window if large else torch.stack(self._tensors(window)), times, generator)

    def _tensors(self, window: Sequence[Pixels]) -> list[Tensor]:
        """Each frame as a tensor. Neighbouring gaps share frames: what the last window converted serves again."""
        known = {id(pixels): tensor for pixels, tensor in self._converted}
        tensors = [known[id(p)] if id(p) in known else to_tensor(p, self._device) for p in window]
        self._converted = list(zip(window, tensors, strict=True))
        return tensors

    def _in_parts(
        self, frames: Tensor | Sequence[Pixels], times: Sequence[Fraction], generator: torch.Generator | None
    ) -> Iterator[Tensor]:
        count = len(times) if self._spec.together else times_per_call(*_size(frames))
        for start in range(0, len(times), count):
            yield from self._call(frames, times[start : start + count], generator)

    def _halve(self, pair: Tensor, times: Sequence[Fraction], generator: torch.Generator | None) -> Iterator[Tensor]:
        """Reach each k / 2^n as the midpoint of its two neighbours one level up, each of them made once.

        A midpoint is forgotten when all times that may need it, those nearer to it than its two neighbours, are past.
        """
        known = {Fraction(0): pair[0], Fraction(1): pair[1]}
        channels = pair.shape[1]

        def at(time: Fraction) -> Tensor:
            if time not in known:
                reach = Fraction(1, time.denominator)
                neighbours = torch.stack((at(time - reach)[:channels], at(time + reach)[:channels]))
                known[time] = self._call(neighbours, [Fraction(1, 2)], generator)[0]
            return known[time]

        for time in times:
            known = {past: frame for past, frame in known.items() if past + Fraction(1, past.denominator) > time}
            yield at(time)

    # Not around the loops above: between two frames of a generator, its caller would compute in this mode too.
    @torch.inference_mode()
    def _call(
        self, frames: Tensor | Sequence[Pixels], times: Sequence[Fraction], generator: torch.Generator | None
    ) -> Tensor:
        """One call of the method; where memory runs out, another one size smaller, as long as there is one."""
        height, width = _size(frames)
        start = None if generator is None else generator.get_state()
        while True:
            try:
                return self._made_of(frames, times, generator)[..., :height, :width]
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                method = self._interpolator
                smaller = method.smaller(height, width) if isinstance(method, Resizable) else None
                if smaller is None:
                    raise UsageError(
                        f"Memory ran out while {self._spec.name} made a frame of {width}x{height}, and it has no "
                        "smaller way to work. Close other programs, or take a method that needs less, such as blend."
                    ) from error
            # Outside the handler, whose traceback holds what the failed call had made.
            self._shrink(smaller, height, width)
            if generator is not None and start is not None:
                generator.set_state(start)

    def _made_of(
        self, frames: Tensor | Sequence[Pixels], times: Sequence[Fraction], generator: torch.Generator | None
    ) -> Tensor:
        multiple = self._spec.size_multiple
        # Large frames are converted for this call alone, and padded on the way.
        padded = (
            pad_to_multiple(frames, multiple)
            if isinstance(frames, Tensor)
            else to_window(frames, self._device, multiple)
        )[None]
        if padded.shape[2] == 4:
            return interpolate_with_alpha(
                self._interpolator, padded, times, generator=generator, uncertainty=self._uncertainty
            )[0]
        if self._uncertainty:
            method = cast(UncertainInterpolator, self._interpolator)
            made, doubt = method.interpolate_with_uncertainty(padded, times, generator=generator)
            return torch.cat((made, doubt), dim=2)[0]
        return self._interpolator.interpolate(padded, times, generator=generator)[0]

    def _shrink(self, size: WorkSize, height: int, width: int) -> None:
        assert isinstance(self._interpolator, Resizable)
        self._interpolator = self._interpolator.resized(size)
        self._spec = self._interpolator.spec
        self._converted = []
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self.notes.append(f"Memory ran out at {width}x{height}; from there on: {size.sentence()}.")


def _size(frames: Tensor | Sequence[Pixels]) -> tuple[int, int]:
    """Height and width."""
    if isinstance(frames, Tensor):
        return frames.shape[-2], frames.shape[-1]
    return frames[0].shape[0], frames[0].shape[1]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a CUDA device or here."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in OUT_OF_MEMORY)


def interpolate_pair(
    interpolator: Interpolator,
    before: Pixels,
    after: Pixels,
    times: Sequence[Fraction],
    *,
    device: torch.device | None = None,
    seed: int = 0,
) -> list[Pixels]:
    """Frames between two still pictures.

    Args:
        before: (height, width, 3) RGB, or RGBA of four channels, uint8 or uint16.
        after: As `before`. A method that takes four frames sees each of the two twice.
        times: Fractions of the way in (0, 1), ascending.

    Returns:
        One picture for each time; where the two pictures are equal, `before` itself.

    Raises:
        ShapeError: The pictures differ in size.
        UsageError: Times outside (0, 1) or out of order.
    """
    filler = GapFiller(interpolator, device, seed)
    if np.array_equal(before, after):
        return [before] * len(times)
    context = interpolator.spec.context
    return list(filler.fill([before] * context + [after] * context, times))
