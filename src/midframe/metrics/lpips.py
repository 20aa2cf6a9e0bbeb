"""LPIPS, the learned perceptual distance, version 0.1, on AlexNet, VGG-16 or SqueezeNet 1.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.metrics.backbone_files import find_backbone
from midframe.metrics.difference import check_same_size
from midframe.metrics.sample import Sample
from midframe.nn.backbone_weights import load_trunk, read_state
from midframe.nn.backbones import Trunk, alexnet, squeezenet, vgg16
from midframe.nn.features import squared_differences

SHIFT = (-0.030, -0.088, -0.188)  # Published rounded: ImageNet's mean and deviation, for pictures in [-1, 1].
SCALE = (0.458, 0.448, 0.450)


@dataclass(frozen=True)
class Variant:
    """One of the published networks.

    Attributes:
        backbone: Name of the classifier's file.
        heads: Name of the file of its learned weights of channels.
        build: Makes the trunk.
    """

    backbone: str
    heads: str
    build: Callable[[], Trunk]


VARIANTS: Mapping[str, Variant] = {
    "alex": Variant("alexnet", "heads_alex", alexnet),
    "vgg": Variant("vgg16", "heads_vgg", vgg16),
    "squeeze": Variant("squeezenet1_1", "heads_squeeze", lambda: squeezenet(partial_windows=True)),
}


@dataclass(frozen=True)
class PerceptualNetwork:
    """A trunk and, for each of its slices, how much every channel counts."""

    trunk: Trunk
    heads: Sequence[Float[Tensor, " _"]]  # one value for each channel of the slice

    @classmethod
    def load(cls, variant: str, files: Mapping[str, Path], device: torch.device) -> PerceptualNetwork:
        """Read a published network.

        Args:
            variant: A key of `VARIANTS`.
            files: Where backbones lie, by name; those not named are looked for in the cache.
            device: Where to compute.

        Raises:
            WeightsError: A file is missing or holds something else.
        """
        chosen = VARIANTS[variant]
        trunk_path = find_backbone(chosen.backbone, files.get(chosen.backbone))
        heads_path = find_backbone(chosen.heads, files.get(chosen.heads))
        trunk = load_trunk(chosen.build(), read_state(trunk_path), trunk_path)
        return cls(trunk.to(device), [head.to(device) for head in _read_heads(heads_path, trunk)])

    def distance_maps(
        self, prediction: UInt8[Tensor, "3 height width"], target: UInt8[Tensor, "3 height width"]
    ) -> list[Float[Tensor, "_ _"]]:
        """Weighted squared distance of the features at every pixel of every slice.

        Raises:
            ShapeError: The frames differ in size, or are too small for the network.
        """
        check_same_size(prediction, target)
        differences = squared_differences(self.trunk(self._prepare(prediction)), self.trunk(self._prepare(target)))
        return [
            torch.einsum("c,chw->hw", head, difference[0])
            for head, difference in zip(self.heads, differences, strict=True)
        ]

    def _prepare(self, picture: UInt8[Tensor, "3 height width"]) -> Float[Tensor, "1 3 height width"]:
        device = self.heads[0].device
        shift = torch.tensor(SHIFT, device=device)[:, None, None]
        scale = torch.tensor(SCALE, device=device)[:, None, None]
        signed = picture.to(device).float() / 127.5 - 1
        return ((signed - shift) / scale)[None]


@torch.inference_mode()
def lpips(
    network: PerceptualNetwork,
    prediction: UInt8[Tensor, "3 height width"],
    target: UInt8[Tensor, "3 height width"],
) -> float:
    """Learned perceptual distance: mean of each slice's distance map, summed over the slices.

    Returns:
        0 for equal frames; lower is closer.

    Raises:
        ShapeError: The frames differ in size, or are too small for the network.

    Source: Zhang et al. 2018; preparation and constants of the published package, version 0.1.
    """
    return sum(distance.double().mean().item() for distance in network.distance_maps(prediction, target))


@dataclass(frozen=True)
class LearnedDistance:
    """`lpips` as a metric, with its network."""

    name: str
    network: PerceptualNetwork
    higher_is_better: bool = False

    def __call__(self, sample: Sample) -> float:
        return lpips(self.network, sample.prediction, sample.target)


def _read_heads(path: Path, trunk: Trunk) -> list[Tensor]:
    """One vector of channel weights for each slice, from names such as `lin0.model.1.weight`."""
    state = read_state(path)
    channels = _channels(trunk)
    expected = {f"lin{number}.model.1.weight": (1, width, 1, 1) for number, width in enumerate(channels)}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if found != expected:
        raise WeightsError(f"{path} holds no LPIPS heads of this network: wanted {expected}, found {found}.")
    return [state[name].flatten() for name in expected]


def _channels(trunk: Trunk) -> list[int]:
    """Number of channels that each slice hands out."""
    device = next(trunk.parameters()).device
    with torch.inference_mode():
        return [features.shape[1] for features in trunk(torch.zeros(1, 3, 64, 64, device=device))]
