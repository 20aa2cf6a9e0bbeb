"""One guess of the clean clip: what training scores and sampling repeats."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from midframe.diffusion.levels import NoiseLevels
from midframe.diffusion.prediction import clean_from
from midframe.methods.mivid.network import Conditions, MaskedVideoNetwork

Clip = Float[Tensor, "batch 3 frame height width"]
Visibility = Float[Tensor, "batch 1 frame height width"]


@dataclass(frozen=True, eq=False)
class Guess:
    """What the network says of a clip.

    Attributes:
        clean: The clean clip in [-1, 1] and a little beyond, also where it is visible (and means nothing there).
        output: The network's own output, of the kind that its configuration names.
    """

    clean: Clip
    output: Clip


def guess(
    network: MaskedVideoNetwork,
    levels: NoiseLevels,
    known: Clip,
    visible: Visibility,
    noisy: Clip,
    step: Int[Tensor, " batch"],
    conditions: Conditions,
) -> Guess:
    """Guess the clean clip.

    Args:
        network: In training or evaluation mode.
        levels: Of its configuration, on its device.
        known: The clean clip in [-1, 1] where it is visible, zero elsewhere. It is never noised.
        visible: 1 where it is.
        noisy: The clip at the noise of `step`.
        step: For each clip.
        conditions: Of the same clip, by the network.
    """
    output = network(known + (1 - visible) * noisy, conditions.seen, visible, step)
    signal, noise = levels.at(step, noisy.ndim)
    kind = network.config.prediction
    return Guess(conditions.base + clean_from(kind, output, noisy, signal, noise), output)
