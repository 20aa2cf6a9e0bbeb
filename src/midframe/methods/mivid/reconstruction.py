"""One guess of the clean clip: what training scores and sampling repeats."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from midframe.diffusion.levels import NoiseLevels
from midframe.diffusion.prediction import clean_from
from midframe.methods.mivid.network import Conditions, MaskedVideoNetwork

Clip = Float[Tensor, "batch 3 frame height width"]


@dataclass(frozen=True, eq=False)
class Guess:
    """What the network says of a clip.

    Attributes:
        clean: The clean clip in [-1, 1] and a little beyond, also where it is visible (and means nothing there).
        output: The network's own output, of the kind that its configuration names; with a spread what the best linear
            guess leaves, in units of its size.
    """

    clean: Clip
    output: Clip


def guess(
    network: MaskedVideoNetwork,
    levels: NoiseLevels,
    conditions: Conditions,
    noisy: Clip,
    step: Int[Tensor, " batch"],
) -> Guess:
    """Guess the clean clip.

    Args:
        network: In training or evaluation mode.
        levels: Of its configuration, on its device.
        conditions: Of the clip, by the network.
        noisy: The clip at the noise of `step`.
        step: For each clip.
    """
    signal, noise = levels.at(step, noisy.ndim)
    if network.config.spread:
        return _scaled_guess(network, conditions, noisy, step, signal, noise)
    mixed = conditions.known + (1 - conditions.visible) * noisy
    output = network(mixed, conditions.seen, conditions.visible, step)
    kind = network.config.prediction
    return Guess(conditions.base + clean_from(kind, output, noisy, signal, noise), output)


def _scaled_guess(
    network: MaskedVideoNetwork, conditions: Conditions, noisy: Clip, step: Tensor, signal: Tensor, noise: Tensor
) -> Guess:
    """With what goes in and comes out of unit size, for a truth that lies `spread` about the base.

    Source: Karras et al. 2022, table 1, for z = signal * clean + noise * epsilon and the difference to a base:

        c_in = 1 / sqrt(signal² spread² + noise²)     c_skip = signal spread² c_in²     c_out = noise spread c_in
    """
    spread, base, visible = network.config.spread, conditions.base, conditions.visible
    scale = ((signal * spread).square() + noise.square()).rsqrt()
    apart = noisy - signal * base
    mixed = visible * (conditions.known - base) / spread + (1 - visible) * apart * scale
    output = network(mixed, conditions.seen, visible, step)
    skipped = signal * (spread * scale).square() * apart
    return Guess(base + skipped + noise * spread * scale * output, output)
