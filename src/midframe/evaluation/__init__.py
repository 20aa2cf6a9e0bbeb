"""Scores and speed of any Interpolator, measured the same way for all. Methods are known by protocol only."""

from midframe.evaluation.bench import bench
from midframe.evaluation.evaluate import Scores, TargetScores, evaluate
from midframe.evaluation.target_list import FrameReference, Target, read_target_list, sample_targets

__all__ = [
    "FrameReference",
    "Scores",
    "Target",
    "TargetScores",
    "bench",
    "evaluate",
    "read_target_list",
    "sample_targets",
]
