"""Published RIFE layouts at a width that trains in seconds, and one triplet to feed them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from midframe.methods.rife.ifnet import IFNet
from midframe.methods.rife.layouts import EncoderConfig, IFNetConfig, PaperConfig
from midframe.methods.rife.paper import PaperNetwork

TINY_PAPER = PaperConfig(widths=(16, 12, 8), context_width=4)
TINY_PAPER_ANY_TIME = PaperConfig(widths=(16, 12, 8), context_width=4, arbitrary_time=True)
TINY_RECURRENT = IFNetConfig(
    widths=(16, 12, 8), scales=(4, 2, 1), encoder=EncoderConfig(), recurrent_channels=8, teacher_width=8
)
TINY_PLAIN = IFNetConfig(
    widths=(16, 12, 8), scales=(4, 2, 1), mask_update="accumulate", unread_channels=1, teacher_width=8
)
TINY = (TINY_PAPER, TINY_PAPER_ANY_TIME, TINY_RECURRENT, TINY_PLAIN)
TINY_ANY_TIME = TINY[1:]

Config = PaperConfig | IFNetConfig
Network = PaperNetwork | IFNet


def build(config: Config, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return PaperNetwork(config) if isinstance(config, PaperConfig) else IFNet(config)


def triplet(size: int = 64, shift: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """A soft texture that moves `shift` pixels to the right; the target lies in the middle."""
    noise = torch.rand(1, 3, size // 4, size // 4 + 4, generator=torch.Generator().manual_seed(0))
    texture = nn.functional.interpolate(noise, scale_factor=4, mode="bicubic", align_corners=False).clamp(0, 1)
    before, target, after = (texture[..., start : start + size] for start in (shift, shift // 2, 0))
    return before, after, target


def midpoint(batch: int = 1) -> Tensor:
    return torch.full((batch,), 0.5)


def psnr(image: Tensor, target: Tensor) -> float:
    return float(-10 * torch.log10((image - target).square().mean()))
