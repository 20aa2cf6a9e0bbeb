"""The critic: published sizes, its objective, and how much it may count."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from midframe.losses.adversarial import PatchDiscriminator, balance, frozen, hinge_losses


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_critics_have_the_published_parameters():
    with torch.device("meta"):
        pictures = PatchDiscriminator(3)
        volumes = PatchDiscriminator(20, layers=4, normalise=False)
        assert pictures(torch.empty(1, 3, 256, 256)).shape == (1, 1, 30, 30)
    # 3 64 16 + 64, 64 128 16 + 256, 128 256 16 + 512, 256 512 16 + 1024, 512 16 + 1
    assert count(pictures) == 2_765_633
    assert count(volumes) == 6_976_961  # 6.98 M


def test_a_patch_sees_seventy_pixels():
    torch.manual_seed(0)
    critic = PatchDiscriminator(1, width=2, normalise=False)
    picture = torch.rand(1, 1, 128, 128, requires_grad=True)
    made = critic(picture)
    made[0, 0, 7, 7].backward()
    assert picture.grad is not None
    rows = picture.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == 70


def test_hinge_losses_stop_at_the_margin():
    sure = hinge_losses(torch.full((1, 1, 2, 2), 1.5), torch.full((1, 1, 2, 2), -3.0))
    unsure = hinge_losses(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    assert float(sure) == 0
    assert float(unsure) == 1


def test_the_adversarial_gradient_gets_the_share_of_the_content_s():
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    content, adversarial = (weight * torch.tensor([3.0, 4.0])).sum(), (weight * torch.tensor([0.0, 10.0])).sum()
    found = balance(content, adversarial, weight, share=0.8)
    assert float(found) == pytest.approx(0.8 * 5 / 10, rel=1e-4)
    assert not found.requires_grad
    # Both graphs are still there.
    (content + found * adversarial).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == pytest.approx([3.0, 8.0], rel=1e-4)


def test_a_frozen_critic_passes_gradients_on_and_takes_none():
    critic = PatchDiscriminator(1, width=2, layers=1)
    picture = torch.rand(2, 1, 16, 16, requires_grad=True)
    with frozen(critic):
        critic(picture).mean().backward()
    assert picture.grad is not None
    assert bool(picture.grad.any())
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert all(parameter.requires_grad for parameter in critic.parameters())
