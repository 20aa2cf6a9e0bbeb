"""Random weights under the published names, and random pictures: the same on every machine.

Published backbones are large and not ours to hand out. What an implementation does with weights can be compared on
random ones just as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

# Weight shapes (output, input, kernel) of torchvision's classifiers, up to the last layer that LPIPS reads.
ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG16 = {
    0: (64, 3, 3),
    2: (64, 64, 3),
    5: (128, 64, 3),
    7: (128, 128, 3),
    10: (256, 128, 3),
    12: (256, 256, 3),
    14: (256, 256, 3),
    17: (512, 256, 3),
    19: (512, 512, 3),
    21: (512, 512, 3),
    24: (512, 512, 3),
    26: (512, 512, 3),
    28: (512, 512, 3),
}
FIRES = {
    3: (64, 16, 64),
    4: (128, 16, 64),
    6: (128, 32, 128),
    7: (256, 32, 128),
    9: (256, 48, 192),
    10: (384, 48, 192),
    11: (384, 64, 256),
    12: (512, 64, 256),
}
CHANNELS = {
    "alex": (64, 192, 384, 256, 256),
    "vgg": (64, 128, 256, 512, 512),
    "squeeze": (64, 128, 256, 384, 384, 512, 512),
}


def layer_shapes(variant: str) -> Mapping[str, tuple[int, int, int]]:
    """Shapes of the convolutions by the layer's name."""
    if variant == "squeeze":
        shapes = {"features.0": (64, 3, 3)}
        for number, (channels, squeezed, expanded) in FIRES.items():
            shapes[f"features.{number}.squeeze"] = (squeezed, channels, 1)
            shapes[f"features.{number}.expand1x1"] = (expanded, squeezed, 1)
            shapes[f"features.{number}.expand3x3"] = (expanded, squeezed, 3)
        return shapes
    return {f"features.{number}": shape for number, shape in {"alex": ALEXNET, "vgg": VGG16}[variant].items()}


def random_state(variant: str) -> dict[str, torch.Tensor]:
    """Weights that keep the size of the signal from layer to layer."""
    numbers = np.random.RandomState(11)
    state = {}
    for layer, (outputs, inputs, kernel) in layer_shapes(variant).items():
        spread = np.sqrt(2 / (inputs * kernel**2))
        state[f"{layer}.weight"] = as_tensor(numbers.standard_normal((outputs, inputs, kernel, kernel)) * spread)
        state[f"{layer}.bias"] = as_tensor(numbers.standard_normal(outputs) * 0.1)
    return state


def random_heads(variant: str) -> dict[str, torch.Tensor]:
    """Channel weights, a third of them zero as many published ones are."""
    numbers = np.random.RandomState(12)
    return {
        f"lin{number}.model.1.weight": as_tensor(numbers.uniform(-0.5, 1, (1, width, 1, 1)).clip(0))
        for number, width in enumerate(CHANNELS[variant])
    }


def random_picture(seed: int, height: int, width: int) -> torch.Tensor:
    """An 8-bit picture with detail in every channel."""
    return torch.from_numpy(np.random.RandomState(seed).randint(0, 256, (3, height, width)).astype(np.uint8))


def shifted_pair(seed: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A picture, and half of it mixed with itself one pixel further right."""
    picture = random_picture(seed, height, width)
    mixed = (picture.int() + picture.roll(1, dims=2).int()) // 2
    other = picture.clone()
    other[:, : height // 2] = mixed[:, : height // 2].to(torch.uint8)
    return picture, other


def colour_flow(source: torch.Tensor, destination: torch.Tensor) -> torch.Tensor:
    """A stand-in for a flow network: differences of colours, smoothed so that neighbours differ little."""
    difference = destination.float() - source.float()
    flow = torch.stack((difference[0] / 16, (difference[1] - difference[2]) / 32))
    return torch.nn.functional.avg_pool2d(flow[None], 5, stride=1, padding=2)[0]


def as_tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
