"""What a check predicts from half the frames of a clip is what the other half shows to be true."""

import runpy
from pathlib import Path

import pytest
import torch

import midframe
from midframe.evaluation.check import Candidate

EXAMPLE = Path(__file__).parents[2] / "examples" / "check_ranking.py"


@pytest.mark.data
@pytest.mark.parametrize("name", ["walk.mp4", "skateboard.mp4"])
def test_the_predicted_ranking_is_the_true_one(shared, name):
    candidates = [
        Candidate(method, midframe.load(method), torch.device("cpu")) for method in ("blend", "rife", "nearest")
    ]
    found = runpy.run_path(str(EXAMPLE))["rankings"](shared / "eval" / "clips" / name, candidates, 3)
    alike, pairs = found.pairs()
    assert pairs == 3, "three methods that the truth tells apart"
    assert alike == pairs
    assert found.same_best
