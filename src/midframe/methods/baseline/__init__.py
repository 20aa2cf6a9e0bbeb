"""Baselines that move nothing: the floor that a method must rise above, and the proof of the evaluation.

`blend` mixes the two neighbours in proportion to their distance in time, so motion shows as a double image.
`nearest` repeats the closer neighbour, so motion stutters. Both take any instant and size, without weights.
"""

from midframe.core.options import LoadOptions
from midframe.methods.baseline.blend import BlendInterpolator
from midframe.methods.baseline.nearest import NearestInterpolator

__all__ = ["BlendInterpolator", "NearestInterpolator", "create_blend", "create_nearest"]


def create_blend(options: LoadOptions) -> BlendInterpolator:
    """Build `blend`. A formula depends on no option: it computes in float32 wherever its input is."""
    return BlendInterpolator()


def create_nearest(options: LoadOptions) -> NearestInterpolator:
    """Build `nearest`. A formula depends on no option: it copies its input wherever that is."""
    return NearestInterpolator()
