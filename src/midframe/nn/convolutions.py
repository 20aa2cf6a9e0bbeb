"""Convolution stacks: a picture's features, and blocks that refine an estimate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError

SLOPE = 0.2
"""Of LeakyReLU, left of zero."""
CHANNEL_MULTIPLE = 16
"""What the instructions for small number formats take at once: a convolution of 71 channels takes three times as long
as one of 80 on a CPU with AMX."""
FEW_CHANNELS = 16
"""Neighbours of fewer are gathered before they are laid channels last: each pass over a frame costs."""


class ResidualConvolution(nn.Module):
    """A convolution whose change of its input has a learned size for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, features: Float[Tensor, "batch _ _ _"]) -> Float[Tensor, "batch _ _ _"]:
        if torch.is_grad_enabled():
            return functional.leaky_relu(self.conv(features) * self.beta + features, SLOPE)
        # The same numbers, up to rounding, by one convolution that holds the sizes and the sum: large frames spend
        # most of their time in what is done to each of their pixels besides.
        return _rectified(features, *self._folded())

    def _folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that gives the features and their change in one."""
        assert self.conv.bias is not None
        weight = self.conv.weight.float() * self.beta.float().view(-1, 1, 1, 1)
        weight[:, :, 1, 1].diagonal().add_(1.0)
        return weight.to(self.conv.weight), self.conv.bias * self.beta.flatten()


class Block(nn.Module):
    """A stack of residual convolutions from joined inputs to joined outputs."""

    def __init__(self, inputs: int, width: int, depth: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.body = nn.Sequential(*(ResidualConvolution(width) for _ in range(depth)))
        self.leave = nn.Conv2d(width, outputs, 3, padding=1)
        # A block starts by changing nothing: random flow at the first step would have to be unlearnt.
        nn.init.normal_(self.leave.weight, std=1e-3)
        nn.init.constant_(cast(Tensor, self.leave.bias), 0.0)

    def forward(self, *parts: Tensor) -> Tensor:
        """Of parts that are joined along the channels, in the number format of the convolutions."""
        spare = -self.enter.in_channels % CHANNEL_MULTIPLE
        x = _joined(parts, _compute_dtype(self.enter.weight), spare)
        weight = functional.pad(self.enter.weight, (0, 0, 0, 0, 0, spare))
        return self.leave(self.body(_rectified(x, weight, self.enter.bias)))


class Encoder(nn.Module):
    """Features of one picture at 1/2, 1/4 and 1/8 of its size."""

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.to_half = nn.Sequential(_Down(3, half), nn.Conv2d(half, half, 3, padding=1))
        self.to_quarter = nn.Sequential(
            nn.LeakyReLU(SLOPE), _Down(half, quarter), nn.Conv2d(quarter, quarter, 3, padding=1)
        )
        self.to_eighth = nn.Sequential(
            nn.LeakyReLU(SLOPE), _Down(quarter, eighth), nn.Conv2d(eighth, eighth, 3, padding=1)
        )

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = self.halve(image)
        quarter = self.to_quarter(half)
        return half, quarter, self.to_eighth(quarter)

    def halve(self, image: Tensor) -> Tensor:
        """Only the features at 1/2."""
        return self.to_half(_cast(image, _compute_dtype(next(self.to_half.parameters()))))

    def coarsest(self, image: Tensor) -> Tensor:
        """Only the features at 1/8."""
        return self.forward(image)[2]


class _Down(nn.Sequential):
    """A convolution that halves the size, and LeakyReLU. A sequence of one, for the names of its weights."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1))

    def forward(self, input: Tensor) -> Tensor:
        convolution = cast(nn.Conv2d, self[0])
        return _rectified(input, convolution.weight, convolution.bias, stride=2)


def _rectified(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """LeakyReLU of a 3x3 convolution; without gradients on a CPU in one pass, since a second one over a large frame
    takes a quarter of the convolution's time."""
    in_one_pass = None if torch.is_grad_enabled() else rectifying_convolution(x)
    if in_one_pass is None:
        return functional.leaky_relu_(functional.conv2d(x, weight, bias, stride, padding=1), SLOPE)
    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)  # as autocast would
    return in_one_pass(x, weight, bias, [1, 1], [stride, stride], [1, 1], 1, "leaky_relu", [SLOPE], "")


def rectifying_convolution(x: Tensor) -> Callable[..., Tensor] | None:
    """PyTorch's convolution with an activation, which is not public.

    Returns:
        None where it does not take the map (not on a CPU, in another number format than float32 and bfloat16, in
        bfloat16 on a CPU without instructions for it), or is not there.
    """
    if x.device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return None
    taken = x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return getattr(torch.ops.mkldnn, "_convolution_pointwise", None) if taken else None


def _joined(parts: Sequence[Tensor], dtype: torch.dtype, spare: int) -> Tensor:
    """Join along the channels in one number format, channels last, with spare channels of zeros behind.

    Raises:
        ShapeError: The parts differ in batch, height or width.
    """
    if len({(len(part), *part.shape[2:]) for part in parts}) > 1:
        raise ShapeError(f"parts differ in batch or size: {[tuple(part.shape) for part in parts]}.")
    if spare:
        zero = torch.zeros((), dtype=dtype, device=parts[0].device)
        parts = (*parts, zero.expand(len(parts[0]), spare, *parts[0].shape[2:]))
    if torch.is_grad_enabled() or parts[0].device.type != "cpu":
        # Each part is cast before joining: a mixed `cat` would promote all to float32 and cast the whole back.
        return torch.cat([_cast(part, dtype) for part in parts], dim=1)
    # On a CPU `cat` would lay out all of it on one core.
    batch, _, height, width = parts[0].shape
    size = (batch, sum(part.shape[1] for part in parts), height, width)
    joined = torch.empty(size, dtype=dtype, device=parts[0].device, memory_format=torch.channels_last)
    start = 0
    for part in _gathered(part.to(dtype) for part in parts):
        joined[:, start : start + part.shape[1]].copy_(part)
        start += part.shape[1]
    return joined


def _gathered(parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """The parts in their order, neighbours of few channels as one."""
    for few, run in groupby(parts, lambda part: part.shape[1] < FEW_CHANNELS):
        if few:
            yield torch.cat(list(run), dim=1)
        else:
            yield from run


def _cast(map_: Tensor, dtype: torch.dtype) -> Tensor:
    """In a number format, channels last; reordered after casting: both at once take half as long again on a CPU."""
    return map_.to(dtype).to(memory_format=torch.channels_last)


def _compute_dtype(weight: Tensor) -> torch.dtype:
    """The number format in which a convolution with this weight computes: autocast's where it is on."""
    if torch.is_autocast_enabled(weight.device.type):
        return torch.get_autocast_dtype(weight.device.type)
    return weight.dtype
