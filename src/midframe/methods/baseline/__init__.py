"""Baselines without weights: the floor that a method must rise above, and what could be had before learning.

`blend` mixes the two neighbours in proportion to their distance in time, so motion shows as a double image.
`nearest` repeats the closer neighbour, so motion stutters. `classical` follows OpenCV's optical flow, `minterpolate`
is FFmpeg's filter. All take any instant. The first two move nothing, and prove the evaluation.
"""

from midframe.core.options import LoadOptions
from midframe.methods.baseline.blend import BlendInterpolator
from midframe.methods.baseline.classical import ClassicalInterpolator
from midframe.methods.baseline.minterpolate import MinterpolateInterpolator
from midframe.methods.baseline.nearest import NearestInterpolator

__all__ = [
    "BlendInterpolator",
    "ClassicalInterpolator",
    "MinterpolateInterpolator",
    "NearestInterpolator",
    "create_blend",
    "create_classical",
    "create_minterpolate",
    "create_nearest",
]


def create_blend(options: LoadOptions) -> BlendInterpolator:
    """Build `blend`. A formula depends on no option: it computes in float32 wherever its input is."""
    return BlendInterpolator()


def create_classical(options: LoadOptions) -> ClassicalInterpolator:
    """Build `classical`: flow on the CPU, splatting in float32 wherever its input is."""
    return ClassicalInterpolator()


def create_minterpolate(options: LoadOptions) -> MinterpolateInterpolator:
    """Build `minterpolate`: FFmpeg computes on the CPU, in bytes."""
    return MinterpolateInterpolator()


def create_nearest(options: LoadOptions) -> NearestInterpolator:
    """Build `nearest`. A formula depends on no option: it copies its input wherever that is."""
    return NearestInterpolator()
