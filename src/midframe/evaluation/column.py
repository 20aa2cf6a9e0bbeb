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
    """

    name: str
    title: str
    digits: int = 4
    higher_is_better: bool = False
    unit: str = ""

    def format(self, value: float, *, sign: bool = False) -> str:
        """A value with its decimals; `inf` and `-` where it has none."""
        if math.isnan(value):
            return "-"
        return f"{value:{'+' if sign else ''}.{self.digits}f}"


_COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column(name="psnr", title="PSNR", digits=2, higher_is_better=True, unit="dB"),
        Column(name="ssim", title="SSIM", higher_is_better=True),
        Column(name="ssim_3d", title="SSIM-3D", higher_is_better=True),
        Column(name="ssim_luma", title="SSIM-luma", higher_is_better=True),
        Column(name="ie", title="IE", digits=2),
        Column(name="sqd", title="SqD"),
        Column(name="lpips_alex", title="LPIPS (AlexNet)"),
        Column(name="lpips_vgg", title="LPIPS (VGG)"),
        Column(name="lpips_squeeze", title="LPIPS (SqueezeNet)"),
        Column(name="flolpips", title="FloLPIPS"),
        Column(name="fid", title="FID", digits=2),
        Column(name="fvd", title="FVD", digits=2),
    )
}


def column(name: str) -> Column:
    """The column of a metric; one that is not known here is shown under its own name, lower being better."""
    return _COLUMNS.get(name) or Column(name=name, title=name)
