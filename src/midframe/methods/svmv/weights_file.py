"""SVMV weights on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from midframe.methods.svmv.config import SvmvConfig
from midframe.methods.svmv.gather import GatherNetwork
from midframe.methods.svmv.network import MotionVolumeNetwork
from midframe.nn.saved import fill, read_weights, save_weights

Network: TypeAlias = MotionVolumeNetwork | GatherNetwork
LAYOUTS = {"SvmvConfig": SvmvConfig}


def build_network(config: SvmvConfig) -> Network:
    """The untrained network of either synthesis."""
    return MotionVolumeNetwork(config) if config.synthesis == "splat" else GatherNetwork(config)


def save_network(config: SvmvConfig, state: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write weights with their architecture.

    Raises:
        WriteError: The file cannot be written.
    """
    save_weights(config, state, path, precision)


def load_network(path: Path) -> Network:
    """Build the network that a file describes, with its weights in float32 on the CPU.

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit its architecture.
    """
    config, state = read_weights(path, LAYOUTS, "SVMV")
    return fill(build_network(config), state, path)
