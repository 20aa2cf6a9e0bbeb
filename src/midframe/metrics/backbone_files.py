"""Where the networks of perceptual metrics lie: files that a user names or puts into the cache, never downloads.

The cache is `~/.cache/midframe/backbones`; the environment variable MIDFRAME_CACHE names another place for
`~/.cache/midframe`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from midframe.core.errors import UnknownNameError, WeightsError

CACHE_VARIABLE = "MIDFRAME_CACHE"


@dataclass(frozen=True)
class BackboneFile:
    """A published file.

    Attributes:
        file: Its name in the cache.
        source: Where to fetch it.
    """

    file: str
    source: str


_TORCHVISION = "https://download.pytorch.org/models"
_HEADS = "https://github.com/richzhang/PerceptualSimilarity/raw/master/lpips/weights/v0.1"

BACKBONES: Mapping[str, BackboneFile] = {
    "alexnet": BackboneFile("alexnet-owt-7be5be79.pth", f"{_TORCHVISION}/alexnet-owt-7be5be79.pth"),
    "vgg16": BackboneFile("vgg16-397923af.pth", f"{_TORCHVISION}/vgg16-397923af.pth"),
    "squeezenet1_1": BackboneFile("squeezenet1_1-b8a52dc0.pth", f"{_TORCHVISION}/squeezenet1_1-b8a52dc0.pth"),
    "heads_alex": BackboneFile("lpips-v0.1-alex.pth", f"{_HEADS}/alex.pth"),
    "heads_vgg": BackboneFile("lpips-v0.1-vgg.pth", f"{_HEADS}/vgg.pth"),
    "heads_squeeze": BackboneFile("lpips-v0.1-squeeze.pth", f"{_HEADS}/squeeze.pth"),
    "squeezenet_onnx": BackboneFile(
        "squeezenet1.1-fp16.onnx", "https://github.com/microsoft/Windows-Machine-Learning (SqueezeNet fp16)"
    ),
    "inception": BackboneFile(
        "inception-2015-12-05.pt",
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    ),
    "i3d": BackboneFile("i3d_torchscript.pt", "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1"),
}
"""Every file that a metric may ask for, by the name under which a user names it."""


def find_backbone(name: str, given: Path | None = None) -> Path:
    """The file of a backbone: the one that the user names, else the one in the cache.

    Raises:
        UnknownNameError: Not a name of `BACKBONES`.
        WeightsError: The file is not there; the message says what to fetch from where, and where to put it.
    """
    if name not in BACKBONES:
        raise UnknownNameError("backbone", name, BACKBONES)
    published = BACKBONES[name]
    place = cache_folder() / published.file
    path = given or place
    if not path.is_file():
        raise WeightsError(
            f"The backbone '{name}' is not at {path}: fetch {published.file} from {published.source} and put it at "
            f"{place}, or name a file of your own for '{name}'."
        )
    return path


def cache_folder() -> Path:
    """Where backbones are looked for."""
    stated = os.environ.get(CACHE_VARIABLE)
    return (Path(stated) if stated else Path.home() / ".cache" / "midframe") / "backbones"
