"""From names to metrics: the one list of everything that can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from midframe.core.errors import UnknownNameError
from midframe.metrics.difference import interpolation_error, psnr
from midframe.metrics.sample import PairMetric, Sample, SetMetric
from midframe.metrics.similarity import ssim, ssim_3d, ssim_luma

__all__ = ["DEFAULT", "NAMES", "PairMetric", "Sample", "SetMetric", "build_metrics"]

DEFAULT = ("psnr", "ssim", "ssim_3d", "ie")
"""What is measured unless someone asks for other metrics: needs no files."""

Metric = PairMetric | SetMetric
Files = Mapping[str, Path]


@dataclass(frozen=True)
class FrameScore:
    """A pure function of prediction and target under the name of its column."""

    name: str
    higher_is_better: bool
    score: Callable[[Tensor, Tensor], float]

    def __call__(self, sample: Sample) -> float:
        return self.score(sample.prediction, sample.target)


_BUILDERS: Mapping[str, Callable[[Files], Metric]] = {
    "psnr": lambda files: FrameScore("psnr", True, psnr),
    "ssim": lambda files: FrameScore("ssim", True, ssim),
    "ssim_3d": lambda files: FrameScore("ssim_3d", True, ssim_3d),
    "ssim_luma": lambda files: FrameScore("ssim_luma", True, ssim_luma),
    "ie": lambda files: FrameScore("ie", False, interpolation_error),
}
NAMES = tuple(_BUILDERS)
"""Every metric that there is."""


def build_metrics(names: Sequence[str], files: Files | None = None) -> list[Metric]:
    """Make metrics ready to score, in the order of their names.

    Args:
        names: Metrics of `NAMES`.
        files: Where a backbone lies, by its name; those not named are looked for in the cache folder.

    Raises:
        UnknownNameError: There is no such metric; the message names the nearest.
    """
    for name in names:
        if name not in _BUILDERS:
            raise UnknownNameError("metric", name, NAMES)
    return [_BUILDERS[name](files or {}) for name in names]
