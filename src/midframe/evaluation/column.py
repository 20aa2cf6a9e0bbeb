"""How a metric is called and written in tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """One metric in a table.

    Attributes:
        name: Name of the metric, in files and on the command line.
        title: Name for people.
        digits: Decimals shown.
        higher_is_better: Direction of the scale.
        unit: Empty for a number without one.
        meaning: What it is, in a sentence.
    """

    name: str
    title: str
    digits: int = 4
    higher_is_better: bool = False
    unit: str = ""
    meaning: str = ""

    def format(self, value: float, *, sign: bool = False) -> str:
        """A value with its decimals; `inf` and `-` where it has none."""
        if math.isnan(value):
            return "-"
        return f"{value:{'+' if sign else ''}.{self.digits}f}"


_COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column(
            name="psnr",
            title="PSNR",
            digits=2,
            higher_is_better=True,
            unit="dB",
            meaning="Peak signal-to-noise ratio of RGB rounded to 8 bit, for each frame; then the mean.",
        ),
        Column(
            name="psnr_luma",
            title="PSNR-luma",
            digits=2,
            higher_is_better=True,
            unit="dB",
            meaning="Peak signal-to-noise ratio of the luma (BT.601, 0 to 255) of RGB rounded to 8 bit.",
        ),
        Column(
            name="psnr_moving",
            title="PSNR, moving",
            digits=2,
            higher_is_better=True,
            unit="dB",
            meaning="PSNR over the tenth of the pixels that differ most between the two inputs.",
        ),
        Column(
            name="ssim",
            title="SSIM",
            higher_is_better=True,
            meaning="Structural similarity, 11x11 Gaussian window (1.5 pixels), for each RGB channel.",
        ),
        Column(
            name="ssim_3d",
            title="SSIM-3D",
            higher_is_better=True,
            meaning="The same with a window over the channels too: the variant that most interpolation papers print.",
        ),
        Column(
            name="ssim_luma", title="SSIM-luma", higher_is_better=True, meaning="Structural similarity of the luma."
        ),
        Column(name="ie", title="IE", digits=2, meaning="Mean absolute error of RGB rounded to 8 bit, 0 to 255."),
        Column(
            name="gmsd",
            title="GMSD",
            meaning="Gradient magnitude similarity deviation of the halved luma: how unevenly edges are kept.",
        ),
        Column(
            name="sqd",
            title="SqD",
            meaning="Squared distance of normalised SqueezeNet features. It ranks as LPIPS does, but is not LPIPS.",
        ),
        Column(
            name="flosqd",
            title="FloSqD",
            meaning="SqD weighted by errors of motion, found by OpenCV's dense inverse search. Not FloLPIPS.",
        ),
        Column(name="lpips_alex", title="LPIPS (AlexNet)", meaning="LPIPS v0.1 over AlexNet."),
        Column(name="lpips_vgg", title="LPIPS (VGG)", meaning="LPIPS v0.1 over VGG-16."),
        Column(name="lpips_squeeze", title="LPIPS (SqueezeNet)", meaning="LPIPS v0.1 over SqueezeNet 1.1."),
        Column(
            name="flolpips",
            title="FloLPIPS",
            meaning="LPIPS weighted by errors of motion, found by OpenCV's dense inverse search, not by PWC-Net.",
        ),
        Column(name="fid", title="FID", digits=2, meaning="Fréchet distance of Inception features over all frames."),
        Column(name="fvd", title="FVD", digits=2, meaning="Fréchet distance of I3D features over all clips."),
        Column(
            name="flicker_sharpness",
            title="flicker of sharpness",
            digits=2,
            unit="dB",
            meaning="How much made frames pulse in sharpness between kept ones, above the true sequence.",
        ),
        Column(
            name="flicker_luma",
            title="flicker of brightness",
            digits=2,
            meaning="How much made frames pulse in brightness between kept ones, in levels of 255.",
        ),
    )
}


def column(name: str) -> Column:
    """The column of a metric; one that is not known here is shown under its own name, lower being better."""
    return _COLUMNS.get(name) or Column(name=name, title=name)
