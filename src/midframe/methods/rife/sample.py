"""RIFE as an interpolator: any of its layouts behind the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as functional
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.core.method import AnyTime, Frames, MethodSpec, Midpoint, Window, check_request
from midframe.core.options import LoadOptions
from midframe.methods.rife.layouts import PaperConfig
from midframe.methods.rife.matching import Estimate, MatchingNetwork, size_multiple
from midframe.methods.rife.weights_file import Network, load_network
from midframe.nn.pyramid import pyramid_levels
from midframe.ops.flow import resize_flow
from midframe.ops.pad import pad_to_multiple


def create(options: LoadOptions) -> RifeInterpolator:
    """Build the interpolator from its weights.

    Raises:
        WeightsError: No file was named, or it does not fit.
        UsageError: A flow scale for a layout and time that it does not suit.
    """
    if options.weights is None:
        raise WeightsError("RIFE needs a file of weights.")
    network = load_network(options.weights)
    network = network.to(options.device, options.precision, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return RifeInterpolator(network.eval(), scale=options.scale, tta=options.tta)


class RifeInterpolator:
    """Frames at any time of a gap (for the paper's two-frame layout: its middle).

    Args:
        network: In evaluation mode, on its device, in its precision.
        scale: Resolution of the flow relative to the frame: 1, 1/2 or 1/4; None is 1.
        tta: Average with the result for the frames turned by 180 degrees.
    """

    def __init__(self, network: Network, *, scale: Fraction | None = None, tta: bool = False) -> None:
        self.network, self.tta = network, tta
        self.scale = scale or Fraction(1)
        if isinstance(network, MatchingNetwork):
            multiple = size_multiple(network.config.levels) * self.scale.denominator
            times: AnyTime | Midpoint = AnyTime()
        else:
            config = network.config
            multiple = config.size_multiple(float(self.scale))
            fixed = isinstance(config, PaperConfig) and not config.arbitrary_time
            times = Midpoint() if fixed else AnyTime()
        self._spec = MethodSpec(name="rife", context=1, times=times, size_multiple=multiple)

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where the network is, and its input belongs."""
        return next(self.network.parameters()).device

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
        frames = frames.float()
        made = self._once(frames, times)
        if self.tta:
            made = (made + self._once(frames.flip(-1, -2), times).flip(-1, -2)) / 2
        return made.clamp(0, 1)

    def _once(self, frames: Tensor, times: Sequence[Fraction]) -> Tensor:
        before, after = frames.unbind(1)
        if isinstance(self.network, MatchingNetwork):
            return _match(self.network, before, after, times, self.scale)
        made = []
        for time in times:
            moment = before.new_full((len(before),), float(time))
            # The published layouts hold their weights in one precision and compute in it under autocast.
            with torch.autocast(before.device.type, self._precision, enabled=self._precision != torch.float32):
                made.append(self.network(before, after, moment, scale=float(self.scale)).output.float())
        return torch.stack(made, 1)

    @property
    def _precision(self) -> torch.dtype:
        return next(self.network.parameters()).dtype


def _match(
    network: MatchingNetwork, before: Tensor, after: Tensor, times: Sequence[Fraction], scale: Fraction
) -> Tensor:
    """All times of a gap from one look at its two frames."""
    height, width = before.shape[-2:]
    small_before, small_after = (
        frame if scale == 1 else functional.avg_pool2d(frame, scale.denominator) for frame in (before, after)
    )
    levels = pyramid_levels(network.config.levels, *small_before.shape[-2:])
    multiple = size_multiple(levels)
    encoded = network.encode(pad_to_multiple(small_before, multiple), pad_to_multiple(small_after, multiple), levels)
    pair = torch.cat((before, after))
    made = []
    for time in times:
        result = network.synthesise(encoded, before.new_full((len(before),), float(time)))
        if scale == 1:
            made.append(result.output[..., :height, :width])
            continue
        # Flow and mask of the small picture, warping and blending of the large one.
        crop = (..., slice(height // scale.denominator), slice(width // scale.denominator))
        estimate = result.estimates[-1]
        mask = functional.interpolate(estimate.mask[crop], size=(height, width), mode="bilinear", align_corners=False)
        made.append(network.merge(pair, Estimate(resize_flow(estimate.flow[crop], (height, width)), mask)))
    return torch.stack(made, 1)
