"""From names to metrics: the one list of everything that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from midframe.core.errors import UnknownNameError
from midframe.metrics.backbone_files import BACKBONES
from midframe.metrics.difference import interpolation_error, psnr, psnr_luma
from midframe.metrics.distribution import ClipDistance, FrameDistance
from midframe.metrics.flicker import Flicker, mean_luma, sharpness
from midframe.metrics.flow_weighted import FlowWeightedDistance, LumaSearch
from midframe.metrics.gradient import gmsd
from midframe.metrics.lpips import LearnedDistance, PerceptualNetwork
from midframe.metrics.moving import MovingPsnr
from midframe.metrics.sample import PairMetric, Sample, SetMetric
from midframe.metrics.similarity import ssim, ssim_3d, ssim_luma
from midframe.metrics.sqd import SqueezeDistance, load_squeezenet, squeeze_maps
from midframe.ops.inverse_search import InverseSearch

__all__ = ["DEFAULT", "NAMES", "NOTES", "PairMetric", "Sample", "SetMetric", "build_metrics"]

DEFAULT = ("psnr", "ssim", "ssim_3d", "ie")
"""What is measured unless someone asks for other metrics: needs no files."""

Metric: TypeAlias = PairMetric | SetMetric


@dataclass(frozen=True)
class FrameScore:
    """A pure function of prediction and target under the name of its column."""

    name: str
    higher_is_better: bool
    score: Callable[[Tensor, Tensor], float]

    def __call__(self, sample: Sample) -> float:
        return self.score(sample.prediction, sample.target)


@dataclass(frozen=True)
class Needs:
    """What building a metric may depend on.

    Attributes:
        files: Where backbones lie, by name; those not named are looked for in the cache.
        device: Where networks compute.
    """

    files: Mapping[str, Path]
    device: torch.device


def _learned_distance(variant: str, needs: Needs) -> Metric:
    return LearnedDistance(f"lpips_{variant}", PerceptualNetwork.load(variant, needs.files, needs.device))


_BUILDERS: Mapping[str, Callable[[Needs], Metric]] = {
    "psnr": lambda needs: FrameScore("psnr", True, psnr),
    "psnr_luma": lambda needs: FrameScore("psnr_luma", True, psnr_luma),
    "psnr_moving": lambda needs: MovingPsnr(),
    "ssim": lambda needs: FrameScore("ssim", True, ssim),
    "ssim_3d": lambda needs: FrameScore("ssim_3d", True, ssim_3d),
    "ssim_luma": lambda needs: FrameScore("ssim_luma", True, ssim_luma),
    "ie": lambda needs: FrameScore("ie", False, interpolation_error),
    "gmsd": lambda needs: FrameScore("gmsd", False, gmsd),
    "sqd": lambda needs: SqueezeDistance.load(needs.files.get("squeezenet_onnx"), needs.device),
    "flosqd": lambda needs: FlowWeightedDistance(
        "flosqd",
        partial(squeeze_maps, load_squeezenet(needs.files.get("squeezenet_onnx"), needs.device)),
        LumaSearch(),
    ),
    "lpips_alex": partial(_learned_distance, "alex"),
    "lpips_vgg": partial(_learned_distance, "vgg"),
    "lpips_squeeze": partial(_learned_distance, "squeeze"),
    "flolpips": lambda needs: FlowWeightedDistance(
        "flolpips", PerceptualNetwork.load("alex", needs.files, needs.device).distance_maps, LumaSearch()
    ),
    "fid": lambda needs: FrameDistance.load(needs.files.get("inception"), needs.device),
    "fvd": lambda needs: ClipDistance.load(needs.files.get("i3d"), needs.device),
    "flicker_sharpness": lambda needs: Flicker("flicker_sharpness", sharpness),
    "flicker_luma": lambda needs: Flicker("flicker_luma", mean_luma),
}
NAMES = tuple(_BUILDERS)
"""Every metric that there is."""

NOTES: Mapping[str, str] = {
    "psnr_moving": "over the tenth of the pixels that differ most between the inputs",
    "ssim_3d": "window over the channels too, as the matlab variant of interpolation papers",
    "gmsd": "how unevenly edges are kept, over the luma at half its size",
    "sqd": "squared distance of SqueezeNet features; not LPIPS",
    "flosqd": f"SqD where the motion is wrong, by {InverseSearch.name}; not FloLPIPS",
    "flolpips": f"motion by {InverseSearch.name}, where the published measure uses PWC-Net",
    "fid": "compare only sets of as many frames",
    "fvd": "compare only sets of as many clips of one length",
    "flicker_sharpness": "decibels that made frames pulse in sharpness, above the true sequence",
    "flicker_luma": "levels of 255 that made frames pulse in brightness, above the true sequence",
}
"""What a reader of a table must know of a column, for those whose name does not say it."""


def build_metrics(
    names: Sequence[str],
    files: Mapping[str, Path] | None = None,
    device: torch.device | None = None,
) -> list[Metric]:
    """Make metrics ready to score, in the order of their names.

    Args:
        names: Metrics of `NAMES`.
        files: Where a backbone lies, by its name in `backbone_files.BACKBONES`; those not named are looked for in
            the cache folder.
        device: Where the networks of perceptual metrics compute; the CPU where not stated.

    Raises:
        UnknownNameError: There is no such metric or backbone; the message names the nearest.
        WeightsError: A file that a metric needs is missing, or holds something else.
        MissingExtraError: A package that a metric needs is not installed.
    """
    for name in names:
        if name not in _BUILDERS:
            raise UnknownNameError("metric", name, NAMES)
    for name in files or {}:
        if name not in BACKBONES:
            raise UnknownNameError("backbone", name, BACKBONES)
    needs = Needs(files or {}, device or torch.device("cpu"))
    return [_BUILDERS[name](needs) for name in names]
