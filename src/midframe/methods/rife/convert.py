"""Released RIFE checkpoints, read into our networks.

The architecture is identified by the shapes of the weights, for the files do not name it. Four layouts are
read: the paper's network (RIFE, RIFEm), 4.6, and 4.25 (whose layout 4.26 shares). Their submodules have the
same names here, so no weight is renamed or moved; what is left is to recognise, verify and report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.methods.rife.ifnet import IFNet
from midframe.methods.rife.layouts import VERSION_4_6, VERSION_4_25, IFNetConfig, PaperConfig
from midframe.methods.rife.paper import PaperNetwork
from midframe.nn.saved import read_tensors

PARALLEL_PREFIX = "module."
"""The authors save from inside their data-parallel wrapper."""
TRAINING_ONLY = ("block_tea.", "teacher.", "caltime.")
"""Parts that some 4.x files carry, and that synthesis does not read."""
FIRST_WEIGHT = "block0.conv0.0.0.weight"


@dataclass(frozen=True, kw_only=True)
class ConvertedWeights:
    """A recognised checkpoint.

    Attributes:
        config: Architecture that the weights belong to.
        state: Weights in float32 under our names; loads strictly into `build_network(config)`.
        ignored: Names of the weights that were left out, in the order of the file.
    """

    config: PaperConfig | IFNetConfig
    state: Mapping[str, Tensor]
    ignored: tuple[str, ...]


def build_network(config: PaperConfig | IFNetConfig) -> PaperNetwork | IFNet:
    """Build the untrained network of a published layout."""
    return PaperNetwork(config) if isinstance(config, PaperConfig) else IFNet(config)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a released file (`flownet.pkl`) without running code from it.

    Returns:
        Weights by name, on the CPU, without the data-parallel prefix.

    Raises:
        WeightsError: The file is missing or damaged, or holds anything but named tensors.
    """
    return {name.removeprefix(PARALLEL_PREFIX): value for name, value in read_tensors(path).items()}


def convert(checkpoint: Mapping[str, Tensor]) -> ConvertedWeights:
    """Recognise the layout of a checkpoint and check it weight by weight.

    Args:
        checkpoint: Weights by name, as `read_checkpoint` returns them.

    Raises:
        WeightsError: A layout that is not read here, or weights that are missing, of another shape, or of
            no known purpose; the message lists them all.
    """
    config = identify(checkpoint)
    with torch.device("meta"):
        expected = build_network(config).state_dict()
    problems = [f"{name} is missing" for name in expected if name not in checkpoint]
    state, ignored = {}, []
    for name, value in checkpoint.items():
        if name not in expected:
            if name.startswith(TRAINING_ONLY):
                ignored.append(name)
            else:
                problems.append(f"{name} has no place in it")
        elif value.shape != expected[name].shape:
            problems.append(f"{name} has shape {tuple(value.shape)}, not {tuple(expected[name].shape)}")
        else:
            state[name] = value.detach().to(torch.float32, copy=True).contiguous()
    if problems:
        raise WeightsError(
            f"The checkpoint looks like {config}, but {len(problems)} weights do not match: {'; '.join(problems)}."
        )
    return ConvertedWeights(config=config, state=state, ignored=tuple(ignored))


def identify(checkpoint: Mapping[str, Tensor]) -> PaperConfig | IFNetConfig:
    """Name the layout of a checkpoint by its tell-tale weights.

    Raises:
        WeightsError: No RIFE checkpoint, or one of a layout that is not read here.
    """
    first = checkpoint.get(FIRST_WEIGHT)
    if first is None or first.ndim != 4:
        raise WeightsError(f"This is no RIFE checkpoint of a layout read here: it has no convolution {FIRST_WEIGHT}.")
    channels = first.shape[1]
    refines = any(name.startswith("contextnet.") for name in checkpoint)
    learned_residuals = "block0.convblock.0.beta" in checkpoint
    five_blocks = any(name.startswith("block4.") for name in checkpoint)
    if refines and channels in (6, 7):
        teacher = any(name.startswith("block_tea.") for name in checkpoint)
        return PaperConfig(arbitrary_time=channels == 7, teacher=teacher)
    if channels == VERSION_4_6.first_channels and learned_residuals and not five_blocks:
        return VERSION_4_6
    if channels == VERSION_4_25.first_channels and learned_residuals and five_blocks:
        return VERSION_4_25
    raise WeightsError(
        f"No layout read here has {channels} input channels {'with' if refines else 'without'} refinement, "
        f"{'with' if learned_residuals else 'without'} learned residuals and "
        f"{'five blocks' if five_blocks else 'fewer than five blocks'}. Read are the paper's RIFE and "
        "RIFEm, 4.6 and 4.25."
    )
