"""Scores and speed of any Interpolator, measured the same way for all. Methods are known by protocol only."""

from midframe.evaluation.bench import bench
from midframe.evaluation.evaluate import Scores, TargetScores, evaluate
from midframe.evaluation.layouts import missing_share, protocol_targets
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.protocol import Protocol, find_protocol, protocols
from midframe.evaluation.published import PublishedScore, published
from midframe.evaluation.target_list import FrameReference, Target, read_target_list, sample_targets

__all__ = [
    "FrameReference",
    "Preparation",
    "Protocol",
    "PublishedScore",
    "Scores",
    "Target",
    "TargetScores",
    "bench",
    "evaluate",
    "find_protocol",
    "missing_share",
    "protocol_targets",
    "protocols",
    "published",
    "read_target_list",
    "sample_targets",
]
