"""MADIFF as an interpolator of midpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import torch

from midframe.core.errors import UsageError, WeightsError
from midframe.core.method import Frames, MethodSpec, Midpoint, Window, check_request
from midframe.core.options import LoadOptions
from midframe.core.work_size import WorkSize
from midframe.methods.madiff.memory import work_sizes
from midframe.methods.madiff.model import MadiffModel
from midframe.methods.madiff.model_file import load_model
from midframe.methods.madiff.motion_sampling import SamplingPlan, sample_frame
from midframe.ops.pad import reflect_to_multiple


def create(options: LoadOptions) -> MadiffInterpolator:
    """Build the interpolator from its weights.

    Raises:
        WeightsError: No file was named, or it does not fit; or that of the method that tells it of motion is damaged.
        UsageError: A flow scale was asked for, or more steps than the diffusion has.
    """
    if options.weights is None:
        raise WeightsError("MADIFF needs a file of weights.")
    if options.scale is not None:
        raise UsageError(f"MADIFF takes no scale of flow: {options.scale} does not apply to it.")
    model = load_model(options.weights, motion=options.motion).to(options.device)
    model.precision = options.precision
    model.denoiser.to(options.precision)
    return MadiffInterpolator(model, steps=options.steps, tta=options.tta)


class MadiffInterpolator:
    """The frame half-way between two.

    Frames are mirrored at their right and bottom border up to a size that the networks can halve often enough, and
    what is made is cut again.

    Args:
        model: In evaluation mode, on its device, in its precision.
        plan: How frames are sampled; by default as the model's file says.
        steps: From noise to picture, instead of the plan's.
        tta: Average with the result for mirrored frames. A mean of two samples is blurred where they differ.
        tile_pixels: Most pixels worked on at once; None for all.
    """

    def __init__(
        self,
        model: MadiffModel,
        plan: SamplingPlan | None = None,
        *,
        steps: int | None = None,
        tta: bool = False,
        tile_pixels: int | None = None,
    ) -> None:
        plan = plan or SamplingPlan.of(model.config.denoiser)
        self.model, self.tta, self.tile_pixels = model, tta, tile_pixels
        self.plan = plan if steps is None else replace(plan, steps=steps)
        self.plan.jumps(model.config.denoiser, self.device)  # Refuses what the diffusion does not have.
        self._spec = MethodSpec(name="madiff", context=1, times=Midpoint(), stochastic=True)

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def told_by(self) -> str:
        """Which method, by which weights, tells it of motion; empty where hints are events."""
        return self.model.told_by

    @property
    def device(self) -> torch.device:
        """Where the networks are, and their input belongs."""
        return self.model.mean.device

    def sizes(self, height: int, width: int) -> Sequence[WorkSize]:
        """See `midframe.core.work_size.Resizable`."""
        parameters = sum(value.numel() * value.element_size() for value in self.model.parameters())
        return work_sizes(self.model.config, parameters, height, width)

    def smaller(self, height: int, width: int) -> WorkSize | None:
        """See `midframe.core.work_size.Resizable`."""
        sizes = self.sizes(height, width)
        for size, below in pairwise((*sizes, None)):
            if size is not None and size.tile_pixels == self.tile_pixels:
                return below
        return sizes[-1]

    def resized(self, size: WorkSize) -> MadiffInterpolator:
        """See `midframe.core.work_size.Resizable`."""
        return MadiffInterpolator(self.model, self.plan, tta=self.tta, tile_pixels=size.tile_pixels)

    @torch.inference_mode()
    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        check_request(self.spec, frames, times)
        if generator is None:
            raise UsageError("MADIFF draws random numbers: pass a generator.")
        if not times:
            return frames.new_zeros(len(frames), 0, *frames.shape[2:], dtype=torch.float32)
        made = self._midpoint(frames, generator)
        if self.tta:
            made = (made + self._midpoint(frames.flip(-1), generator).flip(-1)) / 2
        return made[:, None]

    def _midpoint(self, frames: Window, generator: torch.Generator) -> torch.Tensor:
        height, width = frames.shape[-2:]
        inside = frames.float().clamp(0, 1)
        before, after = reflect_to_multiple(inside, self.model.config.size_multiple).unbind(1)
        made = sample_frame(self.model, before, after, self.plan, generator=generator, tile_pixels=self.tile_pixels)
        return made[..., :height, :width]
