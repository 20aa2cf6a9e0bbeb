"""The objective of RIFE, and that it trains the published layouts."""

from __future__ import annotations

import pytest
import torch
from small_rife import TINY, TINY_PAPER, TINY_RECURRENT, Config, Network, build, midpoint, psnr, triplet
from torch import Tensor, nn

from midframe.core.errors import UsageError
from midframe.losses.laplacian import laplacian_pyramid_loss
from midframe.methods.rife.loss import (
    BLOCKWISE_WEIGHTS,
    PAPER_WEIGHTS,
    LossWeights,
    distillation_loss,
    rife_loss,
    teacher_mask,
)
from midframe.methods.rife.synthesis import Synthesis, Teacher


def made_up_synthesis(teacher_flow: Tensor, flow: Tensor, merged: Tensor, taught: Tensor) -> Synthesis:
    return Synthesis(
        output=merged,
        flows=(flow, flow),
        masks=(flow[:, :1], flow[:, :1]),
        merged=(merged, merged),
        teacher=Teacher(merged=taught, flow=teacher_flow),
    )


def test_a_student_as_good_as_its_teacher_is_not_taught():
    before, _, target = triplet()
    student = made_up_synthesis(torch.ones(1, 4, 64, 64), torch.zeros(1, 4, 64, 64), before, before)
    assert student.teacher is not None
    assert teacher_mask(student.merged, student.teacher, target).sum() == 0
    assert rife_loss(student, target, PAPER_WEIGHTS).terms["distillation"] == 0


def test_distillation_acts_only_beyond_the_margin():
    target = torch.zeros(1, 3, 64, 64)
    student = torch.full_like(target, 0.009)
    student[..., :16] = 0.011
    taught = made_up_synthesis(torch.full((1, 4, 64, 64), 3.0), torch.zeros(1, 4, 64, 64), student, target)
    terms = rife_loss(taught, target, PAPER_WEIGHTS)
    # Two blocks, a quarter of the pixels, three pixels of distance, weight 0.01.
    assert terms.terms["distillation"].item() == pytest.approx(0.01 * 2 * 0.25 * 3)
    assert terms.logs["teacher_followed"].item() == pytest.approx(0.25)


def test_the_distillation_gradient_is_finite_where_the_flows_agree():
    flow = torch.zeros(1, 4, 64, 64, requires_grad=True)
    teacher = Teacher(merged=torch.zeros(1, 3, 64, 64), flow=torch.zeros(1, 4, 64, 64))
    distillation_loss((flow,), teacher, torch.ones(1, 1, 1, 64, 64)).backward()
    assert flow.grad is not None
    assert flow.grad.isfinite().all()


def test_distillation_moves_the_student_and_not_the_teacher():
    flow, goal = torch.zeros(1, 4, 64, 64, requires_grad=True), torch.ones(1, 4, 64, 64, requires_grad=True)
    teacher = Teacher(merged=torch.zeros(1, 3, 64, 64), flow=goal)
    distillation_loss((flow,), teacher, torch.ones(1, 1, 1, 64, 64)).backward()
    assert goal.grad is None
    assert flow.grad is not None
    assert (flow.grad < 0).all()


def test_the_paper_scores_the_output_and_the_teacher_alone():
    before, after, target = triplet()
    result = build(TINY_PAPER)(before, after, midpoint(), target)
    assert result.teacher is not None
    terms = rife_loss(result, target, PAPER_WEIGHTS)
    assert set(terms.terms) == {"reconstruction", "teacher", "distillation"}
    assert torch.equal(terms.terms["reconstruction"], laplacian_pyramid_loss(result.output, target))
    assert torch.equal(terms.terms["teacher"], laplacian_pyramid_loss(result.teacher.merged, target))
    assert torch.allclose(terms.total, sum(terms.terms.values(), start=torch.zeros(())))


def test_blocks_are_weighted_by_their_depth():
    before, after, target = triplet()
    result = build(TINY_RECURRENT)(before, after, midpoint())
    terms = rife_loss(result, target, BLOCKWISE_WEIGHTS)
    coarse, middle, fine = (laplacian_pyramid_loss(merged, target) for merged in result.merged)
    assert set(terms.terms) == {"reconstruction"}
    assert torch.allclose(terms.terms["reconstruction"], 0.64 * coarse + 0.8 * middle + fine)


def test_the_brightness_term_sees_what_the_pyramid_cannot():
    _, _, target = triplet()
    brighter = target + 0.1
    flow = torch.zeros(1, 4, 64, 64)
    result = made_up_synthesis(flow, flow, brighter, brighter)
    terms = rife_loss(result, target, LossWeights(brightness=0.5)).terms
    assert terms["reconstruction"] < 1e-5
    assert terms["brightness"].item() == pytest.approx(0.05)


@pytest.mark.parametrize("fields", [{"block_decay": 1.5}, {"distillation": -1.0}, {"brightness": -0.1}])
def test_refuses_impossible_weights(fields: dict[str, float]):
    with pytest.raises(UsageError, match=str(next(iter(fields.values())))):
        LossWeights(**fields)


@pytest.mark.parametrize("config", TINY)
def test_the_objective_trains_every_parameter(config: Config):
    network = build(config)
    before, after, target = triplet()
    rife_loss(network(before, after, midpoint(), target), target, PAPER_WEIGHTS).total.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert all(gradient.isfinite().all() for gradient in gradients.values() if gradient is not None)


def train(network: Network, steps: int, weights: LossWeights, rate: float) -> float:
    before, after, target = triplet()
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=rate, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        rife_loss(network(before, after, midpoint(), target), target, weights).total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return psnr(network(before, after, midpoint()).output, target)


def average_psnr() -> float:
    before, after, target = triplet()
    return psnr((before + after) / 2, target)


@pytest.mark.parametrize("config", TINY)
def test_a_few_steps_on_one_triplet_beat_the_average(config: Config):
    weights = LossWeights(block_decay=0.8, brightness=0.1)
    assert train(build(config), 60, weights, 3e-3) > average_psnr() + 6


@pytest.mark.slow
@pytest.mark.parametrize("config", TINY)
def test_one_triplet_can_be_learned_by_heart(config: Config):
    weights = LossWeights(block_decay=0.8, brightness=1.0)
    assert train(build(config), 800, weights, 3e-3) > 45
