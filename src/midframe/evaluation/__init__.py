"""Scores and speed of any Interpolator, measured the same way for all. Methods are known by protocol only."""

from midframe.evaluation.bench import bench
from midframe.evaluation.evaluate import evaluate
from midframe.evaluation.layouts import missing_share, protocol_targets
from midframe.evaluation.manifest import check_method, results_in, tidy
from midframe.evaluation.predictions import predict
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.protocol import Protocol, find_protocol, protocols
from midframe.evaluation.published import PublishedScore, published
from midframe.evaluation.scoring import Scores, score
from midframe.evaluation.target_list import FrameReference, Target, read_target_list, sample_targets
from midframe.evaluation.target_set import TargetSet, listed_targets, protocol_set

__all__ = [
    "FrameReference",
    "Preparation",
    "Protocol",
    "PublishedScore",
    "Scores",
    "Target",
    "TargetSet",
    "bench",
    "check_method",
    "evaluate",
    "find_protocol",
    "listed_targets",
    "missing_share",
    "predict",
    "protocol_set",
    "protocol_targets",
    "protocols",
    "published",
    "read_target_list",
    "results_in",
    "sample_targets",
    "score",
    "tidy",
]
