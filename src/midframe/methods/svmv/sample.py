"""SVMV as an interpolator."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from types import EllipsisType

import torch
from torch import Tensor

from midframe.core.errors import UsageError, WeightsError
from midframe.core.method import AnyTime, Frames, MethodSpec, Uncertainty, Window, check_request
from midframe.core.options import LoadOptions
from midframe.methods.svmv.gather import GatherNetwork
from midframe.methods.svmv.motion_volume import MotionVolume
from midframe.methods.svmv.network import MotionVolumeNetwork
from midframe.methods.svmv.synthesis import render
from midframe.methods.svmv.weights_file import Network, load_network
from midframe.nn.pyramid import pyramid_levels
from midframe.ops.flow import resize_flow
from midframe.ops.pad import pad_to_multiple
from midframe.ops.resize import resize, shrink


def create(options: LoadOptions) -> SvmvInterpolator:
    """Build the interpolator from its weights.

    Raises:
        WeightsError: No file was named, or it does not fit.
        UsageError: A flow scale for the gather variant.
    """
    if options.weights is None:
        raise WeightsError("SVMV needs a file of weights.")
    network = load_network(options.weights)
    network = network.to(options.device, options.precision, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return SvmvInterpolator(network.eval(), scale=options.scale, tta=options.tta)


class SvmvInterpolator:
    """Frames at any time of the gap between the two middle ones of four frames.

    Args:
        network: In evaluation mode, on its device, in its precision.
        scale: Resolution of the motion relative to the frame: 1, 1/2 or 1/4; None is 1.
        tta: Average with the result for the frames turned by 180 degrees.
    """

    def __init__(self, network: Network, *, scale: Fraction | None = None, tta: bool = False) -> None:
        self.network, self.tta = network, tta
        self.scale = scale or Fraction(1)
        if isinstance(network, GatherNetwork) and self.scale != 1:
            raise UsageError(f"The gather variant of SVMV works at the frame's own scale; got {self.scale}.")
        multiple = network.config.size_multiple() * self.scale.denominator
        self._spec = MethodSpec(
            name="svmv", context=2, times=AnyTime(), size_multiple=multiple, uncertainty=True, pixel_bytes=1700
        )

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where the network is, and its input belongs."""
        return next(self.network.parameters()).device

    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        return self.interpolate_with_uncertainty(frames, times)[0]

    @torch.inference_mode()
    def interpolate_with_uncertainty(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, Uncertainty]:
        """See `midframe.core.method.UncertainInterpolator.interpolate_with_uncertainty`.

        The map is the spread of the colours that meet on a pixel: of the ensemble's members, and of what comes from
        before and from after.
        """
        check_request(self.spec, frames, times)
        frames = frames.float()
        made, doubt = self._once(frames, times)
        if self.tta:
            turned = self._once(frames.flip(-1, -2), times)
            made, doubt = ((side + other.flip(-1, -2)) / 2 for side, other in zip((made, doubt), turned, strict=True))
        return made.clamp(0, 1), doubt.clamp(0, 1)

    def _once(self, frames: Tensor, times: Sequence[Fraction]) -> tuple[Tensor, Tensor]:
        """Frames and their uncertainty."""
        moments = [frames.new_full((len(frames),), float(time)) for time in times]
        if isinstance(self.network, GatherNetwork):
            padded, levels, crop = _fit(frames, self.network)
            gathered = [self.network(padded, moment, levels) for moment in moments]
            return (
                torch.stack([one.frame[crop] for one in gathered], 1),
                torch.stack([one.uncertainty[crop] for one in gathered], 1),
            )
        volumes = motion_volumes(self.network, frames, self.scale)
        made, doubt = [], []
        for moment in moments:
            rendered = render(volumes, frames[:, 1], frames[:, 2], moment)
            made.append(rendered.frame)
            doubt.append(rendered.uncertainty)
        return torch.stack(made, 1), torch.stack(doubt, 1)


def motion_volumes(network: MotionVolumeNetwork, frames: Tensor, scale: Fraction = Fraction(1)) -> MotionVolume:
    """Volumes of both middle frames at full size: computed once for a window, used at any time.

    Args:
        network: In evaluation mode.
        frames: (batch, 4, 3, height, width), RGB in [0, 1].
        scale: Resolution at which motion is estimated.
    """
    small = frames
    if scale != 1:
        small = shrink(frames.flatten(0, 1), scale.denominator).unflatten(0, frames.shape[:2])
    padded, levels, crop = _fit(small, network)
    volume = network(padded, levels).volume
    size = (frames.shape[-2], frames.shape[-1])

    def enlarged(values: Tensor, *, displacement: bool) -> Tensor:
        values = values[crop]
        if values.shape[-2:] == size:
            return values
        flat = values.flatten(1, 2)
        return (resize_flow if displacement else resize)(flat, size).unflatten(1, values.shape[1:3])

    return MotionVolume(
        near=enlarged(volume.near, displacement=True),
        far=enlarged(volume.far, displacement=True),
        score=enlarged(volume.score, displacement=False),
        acceleration=enlarged(volume.acceleration, displacement=False),
        detail=None if volume.detail is None else enlarged(volume.detail, displacement=False),
        opposite=None if volume.opposite is None else enlarged(volume.opposite, displacement=True),
        known=volume.known,
    )


def _fit(frames: Tensor, network: Network) -> tuple[Tensor, int, tuple[EllipsisType, slice, slice]]:
    """Frames padded for as many levels as their size asks for, those levels, and the crop that undoes the padding."""
    height, width = frames.shape[-2:]
    levels = pyramid_levels(network.config.levels, height, width)
    padded = pad_to_multiple(frames, network.config.size_multiple(levels))
    return padded, levels, (..., slice(height), slice(width))
