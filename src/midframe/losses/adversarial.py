"""Learning against a critic that tells what is real patch by patch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

SLOPE = 0.2
"""Of LeakyReLU, left of zero."""
MOST_WIDENING = 8
"""Times the first layer's channels, at most."""
TINY_GRADIENT = 1e-4
MOST_WEIGHT = 1e4

Critique = Float[Tensor, "batch 1 _ _"]


class PatchDiscriminator(nn.Module):
    """A value for each patch of a picture: higher where it looks real.

    4x4 convolutions, all but the last two of stride 2. With three layers of 64 channels at first, as for pictures of
    three channels, 2.77 M parameters and patches of 70x70 pixels.

    Args:
        inputs: Channels of what is judged.
        width: Channels of the first layer; each further one doubles them, up to eight times.
        layers: Of stride 2 and the one behind them, less the first.
        normalise: Whether batches are normalised behind all but the first and the last layer.

    Source: Isola et al., CVPR 2017, section 3.2.2.
    """

    def __init__(self, inputs: int, *, width: int = 64, layers: int = 3, normalise: bool = True) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        entering = width
        for number in range(1, layers + 1):
            leaving = width * min(2**number, MOST_WIDENING)
            stride = 2 if number < layers else 1
            parts.append(nn.Conv2d(entering, leaving, 4, stride, 1, bias=not normalise))
            if normalise:
                parts.append(nn.BatchNorm2d(leaving))
            parts.append(nn.LeakyReLU(SLOPE))
            entering = leaving
        self.layers = nn.Sequential(*parts, nn.Conv2d(entering, 1, 4, 1, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(cast(Tensor, module.weight), 1.0, 0.02)

    def forward(self, pictures: Float[Tensor, "batch _ _ _"]) -> Critique:
        return self.layers(pictures)


def hinge_losses(real: Critique, made: Critique) -> Float[Tensor, ""]:
    """What a critic minimises: real patches should reach 1, made ones -1.

    Source: Lim & Ye 2017, equation 5.
    """
    return 0.5 * (functional.relu(1 - real).mean() + functional.relu(1 + made).mean())


def balance(
    content: Float[Tensor, ""], adversarial: Float[Tensor, ""], weight: Tensor, *, share: float
) -> Float[Tensor, ""]:
    """How much an adversarial term should count: its gradient at a last layer that of the content, times a share.

    Args:
        content: The rest of the objective that goes through the layer.
        adversarial: The term to be weighed.
        weight: Of the layer, a leaf of both graphs, which are kept.
        share: Of the content's gradient.

    Returns:
        Without a gradient, from 0 to `share` x `MOST_WEIGHT`.

    Source: Esser et al., CVPR 2021, equation 7.
    """
    if not adversarial.requires_grad:
        return torch.zeros_like(content)
    (by_content,) = torch.autograd.grad(content, weight, retain_graph=True)
    (by_critic,) = torch.autograd.grad(adversarial, weight, retain_graph=True)
    return share * (by_content.norm() / (by_critic.norm() + TINY_GRADIENT)).clamp(0, MOST_WEIGHT).detach()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """The network passes gradients on and takes none, inside the block.

    An objective that goes through a critic must leave no gradient in it: another optimiser owns its weights.
    """
    taking = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in taking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in taking:
            parameter.requires_grad_(True)
