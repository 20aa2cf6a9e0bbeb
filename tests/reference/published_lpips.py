"""Prints what the published LPIPS package answers on the random backbones: the values in `test_lpips_published.py`.

    pip download lpips==0.1.4 --no-deps
    PYTHONPATH=lpips-0.1.4-py3-none-any.whl python tests/reference/published_lpips.py

The package asks torchvision for its classifiers; here it gets them from layers written down once more, so that a
slip in the project's own trunks cannot hide.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from random_backbones import (
    FIRES,
    VGG16,
    colour_flow,
    layer_shapes,
    random_heads,
    random_picture,
    random_state,
    shifted_pair,
)
from torch import nn


class Fire(nn.Module):
    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, kernel_size=3, padding=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        squeezed = torch.relu(self.squeeze(features))
        return torch.cat([torch.relu(self.expand1x1(squeezed)), torch.relu(self.expand3x3(squeezed))], 1)


def alexnet() -> list[nn.Module]:
    (a, b, c, d, e) = layer_shapes("alex").values()
    return [
        nn.Conv2d(a[1], a[0], kernel_size=11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(b[1], b[0], kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(c[1], c[0], kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(d[1], d[0], kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(e[1], e[0], kernel_size=3, padding=1),
        nn.ReLU(),
    ]


def vgg16() -> list[nn.Module]:
    layers: list[nn.Module] = []
    for number in range(30):
        if number in VGG16:
            outputs, inputs, _ = VGG16[number]
            layers.append(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1))
        else:
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2) if number in (4, 9, 16, 23) else nn.ReLU())
    return layers


def squeezenet1_1() -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, kernel_size=3, stride=2), nn.ReLU()]
    for number in range(2, 13):
        layers.append(Fire(*FIRES[number]) if number in FIRES else nn.MaxPool2d(3, stride=2, ceil_mode=True))
    return layers


def classifier(variant: str, layers: list[nn.Module]) -> SimpleNamespace:
    network = nn.ModuleDict({"features": nn.Sequential(*layers)})
    network.load_state_dict(random_state(variant))
    return SimpleNamespace(features=network["features"])


def install_torchvision() -> None:
    torchvision = ModuleType("torchvision")
    models = ModuleType("torchvision.models")
    models.alexnet = lambda pretrained: classifier("alex", alexnet())
    models.vgg16 = lambda pretrained: classifier("vgg", vgg16())
    models.squeezenet1_1 = lambda pretrained: classifier("squeeze", squeezenet1_1())
    torchvision.models = models
    sys.modules |= {"torchvision": torchvision, "torchvision.models": models}


def signed(picture: torch.Tensor) -> torch.Tensor:
    """The range that the package asks for: [-1, 1]."""
    return picture[None].float() / 255 * 2 - 1


@torch.no_grad()
def flow_weighted(network: nn.Module, frames: dict[str, torch.Tensor]) -> float:
    """FloLPIPS as its authors' code computes it, on the LPIPS package's own parts."""
    import lpips

    features = [
        network.net(network.scaling_layer(signed(frames[name])))  # as published: target first
        for name in ("target", "prediction")
    ]
    values = []
    for neighbour in (frames["before"], frames["after"]):
        flow = colour_flow(frames["target"], neighbour) - colour_flow(frames["prediction"], neighbour)
        total = 0.0
        for head, one, other in zip(network.lins, *features, strict=True):
            difference = head((lpips.normalize_tensor(one) - lpips.normalize_tensor(other)) ** 2)
            resized = torch.nn.functional.interpolate(
                flow[None], difference.shape[-2:], align_corners=False, mode="bilinear"
            )
            size = torch.sqrt(resized[:, 0:1] ** 2 + resized[:, 1:2] ** 2)
            total += float((difference * size / size.sum()).sum())
        values.append(total)
    return sum(values) / 2


def main() -> None:
    install_torchvision()
    import lpips

    for variant in ("alex", "vgg", "squeeze"):
        with tempfile.TemporaryDirectory() as folder:
            heads = Path(folder) / "heads.pth"
            torch.save(random_heads(variant), heads)
            network = lpips.LPIPS(net=variant, model_path=str(heads), verbose=False)
        for size in ((64, 64), (75, 98)):
            prediction, target = shifted_pair(5, *size)
            with torch.no_grad():
                value = network(signed(prediction), signed(target)).item()
            sys.stdout.write(f"{variant} {size} {value:.8f}\n")
        if variant == "alex":
            prediction, target = shifted_pair(5, 75, 98)
            frames = {"prediction": prediction, "target": target}
            frames |= {"before": random_picture(6, 75, 98), "after": random_picture(7, 75, 98)}
            sys.stdout.write(f"flolpips {flow_weighted(network, frames):.8f}\n")


if __name__ == "__main__":
    main()
