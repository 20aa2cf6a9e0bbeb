"""Runs any `Interpolator` over a video, or between two pictures. It knows no method by name.

`make_plan` says what a run will do; `run_video` does it; `interpolate_pair` fills the gap between two
pictures.
"""

from midframe.engine.filling import Progress
from midframe.engine.pixels import Pixels, to_pixels, to_tensor
from midframe.engine.plan import Plan, make_plan
from midframe.engine.run import RunResult, run_video
from midframe.engine.synthesis import GapFiller, interpolate_pair, nearest_offered

__all__ = [
    "GapFiller",
    "Pixels",
    "Plan",
    "Progress",
    "RunResult",
    "interpolate_pair",
    "make_plan",
    "nearest_offered",
    "run_video",
    "to_pixels",
    "to_tensor",
]
