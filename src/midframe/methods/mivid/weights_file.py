"""MiVID weights on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from midframe.methods.mivid.config import MividConfig
from midframe.methods.mivid.network import MaskedVideoNetwork
from midframe.nn.saved import fill, read_weights, save_weights

LAYOUTS = {"MividConfig": MividConfig}


def save_network(config: MividConfig, state: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write weights with their architecture.

    Raises:
        WriteError: The file cannot be written.
    """
    save_weights(config, state, path, precision)


def load_network(path: Path) -> MaskedVideoNetwork:
    """Build the network that a file describes, with its weights in float32 on the CPU.

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit its architecture.
    """
    config, state = read_weights(path, LAYOUTS, "MiVID")
    return fill(MaskedVideoNetwork(config), state, path)
