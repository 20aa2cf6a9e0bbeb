"""Every interpolator that the contract binds: a name, and a factory that needs no download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch

from midframe.core.method import Interpolator
from midframe.methods.baseline import (
    BlendInterpolator,
    ClassicalInterpolator,
    MinterpolateInterpolator,
    NearestInterpolator,
)
from midframe.methods.madiff.sample import MadiffInterpolator
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.methods.mivid.sample import MividInterpolator
from midframe.methods.rife.layouts import IFNetConfig, PaperConfig
from midframe.methods.rife.sample import RifeInterpolator
from midframe.methods.rife.weights_file import Layout, build_network
from midframe.methods.svmv.sample import SvmvInterpolator
from midframe.methods.svmv.weights_file import build_network as build_svmv
from small_madiff_model import small_model, small_moved_model
from small_matching import SMALL_MATCHING
from small_mivid import SMALL_MIVID
from small_svmv import SMALL_SVMV

SMALL_IFNET = IFNetConfig(widths=(8, 8), scales=(2, 1))
SMALL_PAPER = PaperConfig(widths=(8, 8, 8), context_width=2, teacher=False)


def _rife(layout: Layout, *, tta: bool = False) -> Interpolator:
    torch.manual_seed(0)
    return RifeInterpolator(build_network(layout).eval(), tta=tta)


def _svmv(synthesis: Literal["splat", "gather"], *, tta: bool = False) -> Interpolator:
    torch.manual_seed(0)
    return SvmvInterpolator(build_svmv(replace(SMALL_SVMV, synthesis=synthesis)).eval(), tta=tta)


def _mivid(conditioning: Literal["visible", "window"], *, tta: bool = False) -> Interpolator:
    torch.manual_seed(0)
    network = MaskedVideoNetwork(replace(SMALL_MIVID, conditioning=conditioning)).eval()
    torch.nn.init.normal_(network.leave.conv.weight, std=0.05)  # Untrained it would be the temporal blend.
    return MividInterpolator(network, tta=tta)


def _madiff(*, tta: bool = False, tile_pixels: int | None = None) -> Interpolator:
    return MadiffInterpolator(small_model(), tta=tta, tile_pixels=tile_pixels)


def _inbetween(**settings: object) -> Interpolator:
    from small_inbetween import small_interpolator  # Imports diffusers, which takes seconds.

    return small_interpolator(**settings)


INTERPOLATORS: dict[str, Callable[[], Interpolator]] = {
    "blend": BlendInterpolator,
    "nearest": NearestInterpolator,
    "classical": ClassicalInterpolator,
    "minterpolate": MinterpolateInterpolator,
    "rife-matching": lambda: _rife(SMALL_MATCHING),
    "rife-matching-tta": lambda: _rife(SMALL_MATCHING, tta=True),
    "rife-ifnet": lambda: _rife(SMALL_IFNET),
    "rife-paper": lambda: _rife(SMALL_PAPER),
    "svmv-splat": lambda: _svmv("splat"),
    "svmv-splat-tta": lambda: _svmv("splat", tta=True),
    "svmv-gather": lambda: _svmv("gather"),
    "mivid": lambda: _mivid("visible"),
    "mivid-window": lambda: _mivid("window"),
    "mivid-tta": lambda: _mivid("visible", tta=True),
    "madiff": _madiff,
    "madiff-tta": lambda: _madiff(tta=True),
    "madiff-tiles": lambda: _madiff(tile_pixels=32**2),
    "madiff-motion": lambda: MadiffInterpolator(small_moved_model()),
    "madiff-motion-tiles": lambda: MadiffInterpolator(small_moved_model(), tile_pixels=32**2),
    "inbetween": _inbetween,
    "inbetween-time-reversal": lambda: _inbetween(system="time-reversal", rotated="none"),
}
