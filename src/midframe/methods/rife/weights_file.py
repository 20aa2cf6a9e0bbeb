"""RIFE weights on disk: safetensors with the architecture in the metadata, or a released checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from midframe.methods.rife.convert import build_network as build_published
from midframe.methods.rife.convert import convert, read_checkpoint
from midframe.methods.rife.ifnet import IFNet
from midframe.methods.rife.layouts import IFNetConfig, MatchingConfig, PaperConfig
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.paper import PaperNetwork
from midframe.nn.saved import fill, read_weights, save_weights

Layout: TypeAlias = MatchingConfig | IFNetConfig | PaperConfig
Network: TypeAlias = MatchingNetwork | IFNet | PaperNetwork
LAYOUTS: Mapping[str, type[Layout]] = {
    "MatchingConfig": MatchingConfig,
    "IFNetConfig": IFNetConfig,
    "PaperConfig": PaperConfig,
}
TEACHER = ("teacher.", "block_tea.")


def build_network(layout: Layout) -> Network:
    """The untrained network of a layout."""
    if isinstance(layout, MatchingConfig):
        return MatchingNetwork(layout)
    return build_published(layout)


def save_network(layout: Layout, state: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write weights without the teacher, which only training needs.

    Args:
        layout: Architecture; written as JSON into the metadata.
        state: Weights by name.
        path: File to write.
        precision: Number format in the file.

    Raises:
        WriteError: The file cannot be written.
    """
    kept = {name: value for name, value in state.items() if not name.startswith(TEACHER)}
    save_weights(without_teacher(layout), kept, path, precision)


def load_network(path: Path) -> Network:
    """Build the network that a file describes, with its weights in float32 on the CPU.

    Args:
        path: A safetensors file of `save_network`, or a released checkpoint (`flownet.pkl`).

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit its architecture.
    """
    if path.suffix != ".safetensors":
        converted = convert(read_checkpoint(path))
        layout: Layout = converted.config
        state: Mapping[str, Tensor] = converted.state
    else:
        layout, state = read_weights(path, LAYOUTS, "RIFE")
    kept = {name: value for name, value in state.items() if not name.startswith(TEACHER)}
    return fill(build_network(without_teacher(layout)), kept, path)


def without_teacher(layout: Layout) -> Layout:
    """The same architecture as it is used, not trained."""
    if isinstance(layout, IFNetConfig):
        return dataclasses.replace(layout, teacher_width=None)
    return dataclasses.replace(layout, teacher=False)
