"""How exact the flow of a RIFE model is: rendered scenes, whose motion is known, at three sizes of motion.

    python examples/flow_error.py [WEIGHTS.safetensors]

Prints, for the network and for the same weights with their least-squares alignment left out, a line for each size of
motion: the median end-point error after every block, in pixels of the frame, over points that are seen at the other
end too; the PSNR of the frame; and that of the exact flow with the same two frames.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch

from midframe.data.synthetic import SceneStyle, random_scenes, render_triplets
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.weights_file import load_network
from midframe.ops.flow import resize_flow
from midframe.ops.warp import backward_warp
from midframe.weights import find

SCENES, SIDE, SEED = 24, 192, 99
MOTIONS = (4.0, 12.0, 32.0)


def decibels(made: torch.Tensor, target: torch.Tensor) -> float:
    """Mean PSNR of the samples."""
    return float((-10 * (made.clamp(0, 1) - target).square().mean((1, 2, 3)).log10()).mean())


@torch.inference_mode()
def measure(network: MatchingNetwork, motion_pixels: float) -> None:
    """Print one line for scenes whose layers move up to so many pixels."""
    generator = torch.Generator().manual_seed(SEED)
    scenes = random_scenes(SCENES, (SIDE, SIDE), SceneStyle(motion_pixels=motion_pixels, brightness=0.0), generator)
    time = torch.full((SCENES,), 0.5)
    frames, flow, seen = render_triplets(scenes, time, (SIDE, SIDE))
    before, target, after = frames.unbind(1)
    result = network(before, after, time)
    errors = []
    for estimate in result.estimates:
        apart = resize_flow(estimate.flow, (SIDE, SIDE)) - flow
        length = torch.stack([apart[:, :2].square().sum(1), apart[:, 2:].square().sum(1)], 1).sqrt()
        errors.append(f"{float(length[seen].median()):.3f}")
    warped = backward_warp(before, flow[:, :2]), backward_warp(after, flow[:, 2:])
    weight = seen.float() + 1e-6
    exact = sum(side * weight[:, place, None] for place, side in enumerate(warped)) / weight.sum(1)[:, None]
    assert isinstance(exact, torch.Tensor)
    print(
        f"motion up to {motion_pixels:.0f} pixels: end-point error {' '.join(errors)}   "
        f"PSNR {decibels(result.output, target):.2f} dB, exact flow {decibels(exact, target):.2f} dB"
    )


def main() -> None:
    """Measure the file that is named, or the shipped weights."""
    network = load_network(Path(sys.argv[1]) if len(sys.argv) > 1 else find("rife")).eval()
    if not isinstance(network, MatchingNetwork):
        raise SystemExit("Only the default layout's flow is measured here.")
    plain = MatchingNetwork(replace(network.config, alignment=(0, 0, 0))).eval()
    plain.load_state_dict(network.state_dict())
    for name, variant in (("as it is", network), ("without alignment", plain)):
        print(name)
        for motion in MOTIONS:
            measure(variant, motion)


if __name__ == "__main__":
    main()
