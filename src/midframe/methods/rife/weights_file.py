"""RIFE weights on disk: safetensors with the architecture in the metadata, or a released checkpoint."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from midframe.core.errors import MidframeError, WeightsError, WriteError
from midframe.core.recipe import build
from midframe.methods.rife.convert import build_network as build_published
from midframe.methods.rife.convert import convert, read_checkpoint
from midframe.methods.rife.ifnet import IFNet
from midframe.methods.rife.layouts import IFNetConfig, MatchingConfig, PaperConfig
from midframe.methods.rife.matching import MatchingNetwork
from midframe.methods.rife.paper import PaperNetwork

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
    lean = without_teacher(layout)
    kept = {
        name: value.detach().cpu().to(precision).contiguous()
        for name, value in state.items()
        if not name.startswith(TEACHER)
    }
    metadata = {
        "layout": type(lean).__name__,
        "config": json.dumps(dataclasses.asdict(lean), sort_keys=True),
    }
    try:
        save_file(kept, path, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise WriteError(f"{path} cannot be written: {error}") from error


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
        layout, state = _read_safetensors(path)
    layout = without_teacher(layout)
    network = build_network(layout)
    expected = network.state_dict()
    state = {name: value.float() for name, value in state.items() if not name.startswith(TEACHER)}
    unmatched = sorted(expected.keys() ^ state.keys())
    unmatched += sorted(name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape)
    if unmatched:
        raise WeightsError(f"{path} does not fit its own architecture in: {', '.join(unmatched)}.")
    network.load_state_dict(state)
    return network


def without_teacher(layout: Layout) -> Layout:
    """The same architecture as it is used, not trained."""
    if isinstance(layout, IFNetConfig):
        return dataclasses.replace(layout, teacher_width=None)
    return dataclasses.replace(layout, teacher=False)


def _read_safetensors(path: Path) -> tuple[Layout, dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in list(file.keys())}
        kind = LAYOUTS[metadata["layout"]]
        return build(kind, json.loads(metadata["config"]), path.name), state
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}.") from error
    except (KeyError, ValueError, MidframeError) as error:
        raise WeightsError(f"{path} holds no RIFE architecture that this version knows: {error}.") from error
