"""Baselines that move nothing: the floor that a method must rise above, and the proof of the evaluation.

`blend` mixes the two neighbours in proportion to their distance in time, so motion shows as a double image.
`nearest` repeats the closer neighbour, so motion stutters. Both take any instant and size, without weights.
"""

from midframe.methods.baseline.blend import BlendInterpolator
from midframe.methods.baseline.nearest import NearestInterpolator

__all__ = ["BlendInterpolator", "NearestInterpolator"]
