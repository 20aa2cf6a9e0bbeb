"""RIFE as an interpolator: any of its layouts behind the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.core.method import AnyTime, Frames, MethodSpec, Midpoint, MovedPlanes, Planes, Window, check_request
from midframe.core.options import LoadOptions
from midframe.core.work_size import WorkSize
from midframe.methods.rife.layouts import PaperConfig
from midframe.methods.rife.matching import Encoded, Estimate, MatchingNetwork, Rough, size_multiple
from midframe.methods.rife.memory import SCALES, TILES, matching_sizes, published_sizes
from midframe.methods.rife.synthesis import blend, warp_pair
from midframe.methods.rife.tiled import CELL, encode_in_tiles, finish_in_tiles, merge_in_tiles
from midframe.methods.rife.weights_file import Network, load_network
from midframe.nn.pyramid import pyramid_levels
from midframe.ops.pad import pad_to_multiple
from midframe.ops.resize import shrink
from midframe.ops.tiles import Box


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
        tile_pixels: Most pixels worked on at once where that can be done in parts (the default layout); None for all.
    """

    def __init__(
        self,
        network: Network,
        *,
        scale: Fraction | None = None,
        tta: bool = False,
        tile_pixels: int | None = None,
    ) -> None:
        self.network, self.tta, self.tile_pixels = network, tta, tile_pixels
        self.scale, self._scale_is_fixed = scale or Fraction(1), scale is not None
        if isinstance(network, MatchingNetwork):
            multiple = size_multiple(network.config.levels) * self.scale.denominator
            times: AnyTime | Midpoint = AnyTime()
        else:
            config = network.config
            multiple = config.size_multiple(float(self.scale))
            fixed = isinstance(config, PaperConfig) and not config.arbitrary_time
            times = Midpoint() if fixed else AnyTime()
        self._spec = MethodSpec(name="rife", context=1, times=times, size_multiple=multiple, planes=True)

    @property
    def spec(self) -> MethodSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where the network is, and its input belongs."""
        return next(self.network.parameters()).device

    def sizes(self, height: int, width: int) -> Sequence[WorkSize]:
        """See `midframe.core.work_size.Resizable`. A scale that was asked for is kept."""
        scales = (self.scale,) if self._scale_is_fixed else SCALES
        if not isinstance(self.network, MatchingNetwork):
            return published_sizes(scales, height * width, tta=self.tta)
        return matching_sizes(scales, height * width, self._precision.itemsize, tta=self.tta)

    def smaller(self, height: int, width: int) -> WorkSize | None:
        """See `midframe.core.work_size.Resizable`."""
        sizes = self.sizes(height, width)
        for size, below in pairwise((*sizes, None)):
            if size is not None and (size.scale, size.tile_pixels) == (self.scale, self.tile_pixels):
                return below
        return sizes[-1]

    def resized(self, size: WorkSize) -> RifeInterpolator:
        """See `midframe.core.work_size.Resizable`."""
        made = RifeInterpolator(self.network, scale=size.scale, tta=self.tta, tile_pixels=size.tile_pixels)
        made._scale_is_fixed = self._scale_is_fixed
        return made

    @torch.inference_mode()
    def interpolate(
        self,
        frames: Window,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> Frames:
        """See `midframe.core.method.Interpolator.interpolate`."""
        return self._made(frames, frames[:, :, :0], times).clamp_(0, 1)

    @torch.inference_mode()
    def interpolate_with_planes(
        self,
        frames: Window,
        planes: Planes,
        times: Sequence[Fraction],
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Frames, MovedPlanes]:
        """See `midframe.core.method.LayeredInterpolator.interpolate_with_planes`."""
        made = self._made(frames, planes, times)
        return made[:, :, :3].clamp(0, 1), made[:, :, 3:]

    def _made(self, frames: Tensor, planes: Tensor, times: Sequence[Fraction]) -> Tensor:
        """Frames not clamped yet, and behind their colours the planes."""
        check_request(self.spec, frames, times)
        frames, planes = frames.float(), planes.float()
        made = self._once(frames, planes, times)
        if self.tta:
            made = (made + self._once(frames.flip(-1, -2), planes.flip(-1, -2), times).flip(-1, -2)) / 2
        return made

    def _once(self, frames: Tensor, planes: Tensor, times: Sequence[Fraction]) -> Tensor:
        if isinstance(self.network, MatchingNetwork):
            return _match(self.network, frames, planes, times, self.scale, self.tile_pixels)
        before, after = frames.unbind(1)
        made = []
        for time in times:
            moment = before.new_full((len(before),), float(time))
            # The published layouts hold their weights in one precision and compute in it under autocast.
            with torch.autocast(before.device.type, self._precision, enabled=self._precision != torch.float32):
                result = self.network(before, after, moment, scale=float(self.scale))
            made.append(result.output.float())
            if planes.shape[2]:
                warped = warp_pair(planes[:, 0], planes[:, 1], result.flows[-1].float())
                moved = blend(*warped, result.masks[-1].float())
                made[-1] = torch.cat((made[-1], moved), dim=1)
        return torch.stack(made, 1)

    @property
    def _precision(self) -> torch.dtype:
        return next(self.network.parameters()).dtype


def _match(
    network: MatchingNetwork,
    frames: Tensor,
    planes: Tensor,
    times: Sequence[Fraction],
    scale: Fraction,
    tile_pixels: int | None,
) -> Tensor:
    """All times of a gap from one look at its two frames; behind the colours, the planes moved alike."""
    batch, _, _, height, width = frames.shape
    pair = frames.transpose(0, 1).flatten(0, 1)  # a view where there is one gap, as large frames come
    beside = planes.transpose(0, 1).flatten(0, 1)
    small = shrink(pair, scale.denominator)
    levels = pyramid_levels(network.config.levels, *small.shape[-2:])
    small = pad_to_multiple(small, size_multiple(levels))
    encoded = (
        network.encode_pair(small, levels)
        if tile_pixels is None
        else encode_in_tiles(network, small, levels, tile_pixels)
    )
    if scale == 1:
        beside = pad_to_multiple(beside, size_multiple(levels))
    made = frames.new_empty(batch, len(times), 3 + planes.shape[2], height, width)
    for index, time in enumerate(times):
        moment = frames.new_full((batch,), float(time))
        for tile, output in _frame(network, pair, beside, encoded, moment, scale, tile_pixels):
            # The padding is cut off: slices end where the frame does.
            place = (..., *tile.slices())
            room = made[:, index][place]
            room.copy_(output[..., : room.shape[-2], : room.shape[-1]])
    return made


def _frame(
    network: MatchingNetwork,
    pair: Tensor,
    beside: Tensor,
    encoded: Encoded,
    moment: Tensor,
    scale: Fraction,
    tile_pixels: int | None,
) -> Iterator[tuple[Box, Tensor]]:
    """One frame in parts: a single one where nothing bounds the memory."""
    height, width = pair.shape[-2:]
    if tile_pixels is None:
        result = network.synthesise(encoded, moment)
        small = result.estimates[-1]
        if scale == 1:
            yield Box(0, 0, *result.output.shape[-2:]), _joined(result.output, beside, result.estimates[-1])
            return
        del result
    else:
        rough = network.estimate(encoded, moment)
        parts = finish_in_tiles(network, encoded.pair, rough, moment, tile_pixels)
        if scale == 1:
            for tile, estimate, output in parts:
                yield tile, _joined(output, beside, estimate, (tile.top, tile.left))
            return
        small = _assembled(parts, rough)
    # Flow and mask of the small picture, warping and blending of the large one.
    crop = (..., slice(height // scale.denominator), slice(width // scale.denominator))
    small = Estimate(small.flow[crop], small.mask[crop])
    travelling = torch.cat((pair, beside), dim=1) if beside.shape[1] else pair
    yield from merge_in_tiles(travelling, small, tile_pixels or TILES[0])


def _joined(output: Tensor, beside: Tensor, estimate: Estimate, corner: tuple[int, int] | None = None) -> Tensor:
    """A frame, and behind its colours the planes, if there are any, warped and blended as those are."""
    if not beside.shape[1]:
        return output
    return torch.cat((output, MatchingNetwork.merge(beside, estimate, corner=corner)), dim=1)


def _assembled(parts: Iterator[tuple[Box, Estimate, Tensor]], rough: Rough) -> Estimate:
    """Flow and mask of a whole frame from those of its tiles."""
    coarse = rough.estimates[-1]
    flow, mask = (
        part.new_empty(*part.shape[:2], CELL * part.shape[-2], CELL * part.shape[-1])
        for part in (coarse.flow, coarse.mask)
    )
    for tile, estimate, _ in parts:
        place = (..., *tile.slices())
        flow[place], mask[place] = estimate.flow, estimate.mask
    return Estimate(flow, mask)
