"""Weights of trunks, read from published files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from midframe.core.errors import MissingExtraError, WeightsError
from midframe.nn.backbones import Trunk
from midframe.nn.saved import read_tensors

BLUE_GREEN_RED_MEAN = (103.939, 116.779, 123.68)
"""What the ONNX model zoo's SqueezeNet expects to be taken from pictures of 0 to 255."""
_FIRE_LAYERS = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # Number of the fire: number of the layer.
_ONNX_PARTS = {"squeeze": "squeeze1x1", "expand1x1": "expand1x1", "expand3x3": "expand3x3"}
_ONNX_LAYERS = {"features.0": "conv1"} | {
    f"features.{layer}.{ours}": f"fire{fire}/{theirs}"
    for fire, layer in _FIRE_LAYERS.items()
    for ours, theirs in _ONNX_PARTS.items()
}


def read_state(path: Path) -> dict[str, Tensor]:
    """Weights by name from a `.safetensors` file or a checkpoint of PyTorch, in float32.

    Raises:
        WeightsError: The file is damaged, or holds something else.
    """
    if path.suffix != ".safetensors":
        return {name: value.float() for name, value in read_tensors(path).items()}
    try:
        return {name: value.float() for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}.") from error


def load_trunk(trunk: Trunk, state: Mapping[str, Tensor], path: Path) -> Trunk:
    """Fill a trunk from a classifier's weights, whose classifying layers are left out, and make it ready to score.

    Args:
        trunk: Changed in place, and returned.
        state: As `read_state` gives it.
        path: Where the weights come from, for the message.

    Raises:
        WeightsError: Weights of another architecture.
    """
    expected = trunk.state_dict()
    kept = {name: value for name, value in state.items() if name.startswith("features.")}
    unmatched = sorted(
        name
        for name in expected.keys() | kept.keys()
        if name not in expected or name not in kept or expected[name].shape != kept[name].shape
    )
    if unmatched:
        raise WeightsError(
            f"{path} holds weights of another network: {len(unmatched)} of them do not fit, "
            f"the first is {unmatched[0]}."
        )
    trunk.load_state_dict(kept)
    return trunk.eval().requires_grad_(False)


def read_onnx_squeezenet(path: Path) -> dict[str, Tensor]:
    """Weights of the ONNX model zoo's SqueezeNet 1.1 under torchvision's names, in float32.

    Raises:
        MissingExtraError: The package onnx is not installed.
        WeightsError: The file is damaged, or holds another network.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("Reading the SqueezeNet backbone", "onnx", "eval") from error
    try:
        stored = {entry.name: numpy_helper.to_array(entry) for entry in onnx.load(path).graph.initializer}
        return {
            f"{layer}.{kind}": torch.from_numpy(stored[f"{theirs}_{letter}_0"].copy()).float()
            for layer, theirs in _ONNX_LAYERS.items()
            for kind, letter in (("weight", "w"), ("bias", "b"))
        }
    except (OSError, DecodeError, KeyError) as error:
        raise WeightsError(f"{path} does not read as an ONNX model of SqueezeNet 1.1: {error}.") from error
