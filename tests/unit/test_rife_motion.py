"""RIFE's flow, as other methods are told it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_rife import TINY_PAPER, build, triplet

from midframe.api.loading import motion_of
from midframe.api.registry import REGISTRY, STAGES, registered
from midframe.core.errors import UsageError, WeightsError
from midframe.core.options import LoadOptions
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.motion import RifeMotion, create
from midframe.methods.rife.weights_file import save_network
from small_matching import SMALL_MATCHING

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_flow_leads_from_the_frame_between_to_both(precision: torch.dtype):
    before, after, _ = triplet(size=96, shift=4)  # moves to the right
    motion = motion_of("rife", CPU, precision)
    assert isinstance(motion, RifeMotion)
    found = motion(before, after)
    inside = (..., slice(16, -16), slice(16, -16))
    medians = [found.flow[:, channel][inside].median().item() for channel in range(4)]
    assert medians == pytest.approx([-2, 0, 2, 0], abs=0.1)
    assert found.flow.dtype == found.mask.dtype == torch.float32


def test_any_size_is_taken_and_a_gradient_may_pass_what_is_made_of_it():
    torch.manual_seed(0)
    motion = RifeMotion(MatchingNetwork(SMALL_MATCHING).eval())
    before, after = torch.rand(2, 2, 3, 21, 34)
    found = motion(before, after)
    assert found.flow.shape == (2, 4, 21, 34)
    assert found.mask.shape == (2, 1, 21, 34)
    learnt = torch.ones(1, requires_grad=True)
    (found.flow * learnt).sum().backward()  # Refused for tensors of inference mode.
    assert not any(parameter.requires_grad for parameter in motion.network.parameters())


def test_what_tells_no_motion_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="'svmv' tells no motion; these do: rife"):
        motion_of("svmv", CPU, torch.float32)
    with pytest.raises(WeightsError, match="needs a file of weights"):
        create(LoadOptions(weights=None, device=CPU, precision=torch.float32))
    state = build(TINY_PAPER).state_dict()
    save_network(TINY_PAPER, state, tmp_path / "paper.safetensors", torch.float32)
    with pytest.raises(UsageError, match="only the default one tells of motion"):
        create(LoadOptions(weights=tmp_path / "paper.safetensors", device=CPU, precision=torch.float32))


def test_methods_that_are_told_of_motion_name_one_that_tells():
    told = {name: entry.moved_by for name, entry in {**REGISTRY, **STAGES}.items() if entry.moved_by}
    assert set(told) == {"madiff", "madiff-codec", "madiff-denoiser"}
    assert all(registered(teller).motion for teller in told.values())
