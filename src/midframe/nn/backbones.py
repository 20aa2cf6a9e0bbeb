"""Convolutional trunks of ImageNet classifiers, cut where perceptual distances read their features.

    trunk           slices end after                                 channels
    AlexNet         the five ReLUs                                   64 192 384 256 256
    VGG-16          ReLU 1_2, 2_2, 3_3, 4_3, 5_3                     64 128 256 512 512
    SqueezeNet 1.1  the first ReLU, fires 3, 5, 6, 7, 8, 9           64 128 256 384 384 512 512

Layers bear torchvision's names and numbers, so that its files load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from midframe.core.errors import ShapeError

Pictures = Float[Tensor, "batch 3 height width"]


class Trunk(nn.Module):
    """The convolutional part of a classifier; answers with the features at the end of each slice.

    Args:
        features: All layers up to the last slice, numbered as in torchvision.
        slice_ends: Numbers of the layers whose output is handed out, ascending.
        smallest: Least height and width of a picture that leaves a feature in every slice.
    """

    def __init__(self, features: nn.Sequential, slice_ends: Sequence[int], smallest: int) -> None:
        super().__init__()
        self.features = features
        self.slice_ends = tuple(slice_ends)
        self.smallest = smallest

    def forward(self, pictures: Pictures) -> list[Tensor]:
        """Features of each slice, as (batch, channel, height, width) of its own resolution.

        Args:
            pictures: Normalised as the weights expect.

        Raises:
            ShapeError: The pictures are too small.
        """
        if min(pictures.shape[-2:]) < self.smallest:
            raise ShapeError(
                f"The perceptual network needs at least {self.smallest}x{self.smallest} pixels; "
                f"got {tuple(pictures.shape[-2:])}."
            )
        slices, features = [], pictures
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in self.slice_ends:
                slices.append(features)
        return slices


class Fire(nn.Module):
    """SqueezeNet's block: a thin 1x1 convolution, then 1x1 and 3x3 ones side by side."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        thin = self.squeeze(features).relu()
        return torch.cat((self.expand1x1(thin), self.expand3x3(thin)), dim=1).relu()


def alexnet() -> Trunk:
    """AlexNet as in Krizhevsky 2014, "One weird trick", which is torchvision's."""
    layers = [
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    ]
    return Trunk(nn.Sequential(*layers), slice_ends=(1, 4, 7, 9, 11), smallest=31)


def vgg16() -> Trunk:
    """VGG-16 without batch normalisation (Simonyan & Zisserman 2015, configuration D)."""
    layers: list[nn.Module] = []
    slice_ends = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(nn.MaxPool2d(2, stride=2))
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        slice_ends.append(len(layers) - 1)
    return Trunk(nn.Sequential(*layers), slice_ends, smallest=16)


def squeezenet(*, partial_windows: bool) -> Trunk:
    """SqueezeNet 1.1 (Iandola et al. 2016).

    Args:
        partial_windows: Whether pooling keeps windows that reach over the right and bottom border: torchvision's
            does, the ONNX model's does not.
    """

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(3, stride=2, ceil_mode=partial_windows)

    layers = [
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        pool(),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        pool(),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        pool(),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    ]
    return Trunk(nn.Sequential(*layers), slice_ends=(1, 4, 7, 9, 10, 11, 12), smallest=31)
