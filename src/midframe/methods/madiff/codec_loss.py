"""The codec's objective: colours and looks, codes near latents, and from some step on a critic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import RecipeError
from midframe.core.task import LossTerms
from midframe.losses.adversarial import balance, frozen, hinge_losses
from midframe.losses.perceptual import FrameDistance
from midframe.methods.madiff.codec import Decoded

Pictures = Float[Tensor, "batch 3 height width"]


@dataclass(frozen=True, kw_only=True)
class CodecWeights:
    """Sizes of the terms.

    Attributes:
        perceptual: Of the distance of frames' looks.
        codes: Of what pulls latents and codes together.
        outside: Of the way that displacements lead out of the picture, as a part of its side.
        adversarial: Gradient of the critic's term at the decoder's last layer, as a part of that of the content.
        adversarial_from: Optimiser step from which there is a critic.
        critic_width: Channels of the critic's first layer.
        critic_layers: Of stride 2.
        hint_share: Part of the samples that see hints; the others see zeros in place of both.
        pair_share: Part of those whose hints are of the neighbours alone, as in use; the others' are of the frame.
        guess_share: Part of the samples that see the neighbours, which are decoded from the mean of the neighbours'
            latents, moved where hints are motion: what sampling begins with, and at worst all that it finds.
        neighbours_from: Optimiser step from which on the decoder sees the neighbours' features and pixels. Hints
            come from them before it, too.
        neighbour_share: Part of the samples that see them from then on.
    """

    perceptual: float = 1.0
    codes: float = 1.0
    outside: float = 1.0
    adversarial: float = 0.8
    adversarial_from: int = 10_000
    critic_width: int = 64
    critic_layers: int = 3
    hint_share: float = 0.5
    pair_share: float = 0.0
    guess_share: float = 0.0
    neighbours_from: int = 0
    neighbour_share: float = 1.0

    def __post_init__(self) -> None:
        least = (self.perceptual, self.codes, self.outside, self.adversarial, self.adversarial_from)
        if min(*least, self.neighbours_from) < 0:
            raise RecipeError("weights, adversarial_from and neighbours_from cannot be negative.")
        for name in ("hint_share", "pair_share", "guess_share", "neighbour_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"{name} is a share in [0, 1]; got {getattr(self, name)}.")

    @property
    def hides_neighbours(self) -> bool:
        """Whether any sample does without the neighbours."""
        return self.neighbours_from > 0 or self.neighbour_share < 1


def codec_losses(
    decoded: Decoded,
    target: Pictures,
    codes_loss: Float[Tensor, ""],
    last_weight: Tensor,
    critic: nn.Module | None,
    weights: CodecWeights,
    distance: FrameDistance,
) -> dict[str, LossTerms]:
    """Score reconstructions.

    Args:
        decoded: Frames, with a gradient, and displacements.
        target: RGB in [0, 1].
        codes_loss: From the quantiser.
        last_weight: Of the decoder, for the balance of the critic's term.
        critic: None before it takes part.
        weights: Sizes of the terms.
        distance: Of looks.

    Returns:
        Terms for the optimiser "codec", and for "critic" where there is one.

    Source: Esser et al., CVPR 2021, equations 5 to 7, with hinge losses; Huang et al. 2024 names the same terms.
    """
    made = decoded.frames
    # Colours count in [-1, 1], as in the published objective: twice the difference in [0, 1].
    absolute = 2 * (made - target).abs().mean()
    terms = {"absolute": absolute, "codes": weights.codes * codes_loss}
    logs = {}
    if decoded.offsets and weights.outside:
        led = [led_outside(offset) for pair in decoded.offsets for offset in pair]
        terms["outside"] = weights.outside * torch.stack(led).mean()
    content = absolute
    if weights.perceptual:
        looks = distance(made.clamp(0, 1), target).mean()
        terms["perceptual"] = weights.perceptual * looks
        content = content + terms["perceptual"]
        logs["looks"] = looks.detach()
    if critic is None:
        return {"codec": LossTerms(terms, logs)}
    with frozen(critic):
        wish = -critic(made * 2 - 1).mean()
        factor = balance(content, wish, last_weight, share=weights.adversarial)
    terms["adversarial"] = factor * wish
    logs |= {"balance": factor, "wish": wish.detach()}
    real, fake = critic(target * 2 - 1), critic(made.detach() * 2 - 1)
    judged = {"hinge": hinge_losses(real, fake)}
    seen = {"real": real.detach().mean(), "made": fake.detach().mean()}
    return {"codec": LossTerms(terms, logs), "critic": LossTerms(judged, seen)}


def led_outside(offset: Float[Tensor, "batch 2 height width"]) -> Float[Tensor, ""]:
    """Mean way that displacements lead out of their map, as a part of its side.

    Out there every place shows the border, so a displacement that has left the map feels nothing that would bring it
    back: without this, those of the smallest level left it within a few hundred steps.

    Args:
        offset: In pixels of the map, x before y.
    """
    height, width = offset.shape[-2:]
    column = offset[:, 0] + torch.arange(width, device=offset.device)
    row = offset[:, 1] + torch.arange(height, device=offset.device)[:, None]
    ways = [
        (functional.relu(-place) + functional.relu(place - (side - 1))).mean() / side
        for place, side in ((column, width), (row, height))
    ]
    return ways[0] + ways[1]
