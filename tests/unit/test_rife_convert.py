"""Reading released RIFE checkpoints, on weights of the released names and shapes made here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from midframe.core.errors import WeightsError, WriteError
from midframe.methods.rife.convert import (
    build_network,
    convert,
    read_checkpoint,
)
from midframe.methods.rife.layouts import VERSION_4_6, VERSION_4_25, PaperConfig
from midframe.methods.rife.weights_file import load_network, save_network

State = dict[str, Tensor]


def layer(name: str, *shape: int, bias: int | None = None) -> State:
    return {
        f"{name}.weight": torch.randn(shape),
        f"{name}.bias": torch.randn(shape[0] if bias is None else bias),
    }


def slopes(name: str, width: int) -> State:
    return {f"{name}.weight": torch.rand(width)}


def activated(name: str, outputs: int, inputs: int) -> State:
    """A convolution and its learned slopes, as the paper's files name them."""
    return layer(f"{name}.0", outputs, inputs, 3, 3) | slopes(f"{name}.1", outputs)


def paper_block(name: str, inputs: int, width: int) -> State:
    state = activated(f"{name}.conv0.0", width // 2, inputs) | activated(f"{name}.conv0.1", width, width // 2)
    for index in range(8):
        state |= activated(f"{name}.convblock.{index}", width, width)
    return state | layer(f"{name}.lastconv", width, 5, 4, 4, bias=5)


def paper_checkpoint(first: int = 6) -> State:
    """Names and shapes as in section 3 of the paper's released network: 190 tensors."""
    later = first + 11
    state = paper_block("block0", first, 240) | paper_block("block1", later, 150)
    state |= paper_block("block2", later, 90) | paper_block("block_tea", later + 3, 90)
    for index, (inputs, outputs) in enumerate(((3, 16), (16, 32), (32, 64), (64, 128)), start=1):
        state |= activated(f"contextnet.conv{index}.conv1", outputs, inputs)
        state |= activated(f"contextnet.conv{index}.conv2", outputs, outputs)
    for index, (inputs, outputs) in enumerate(((17, 32), (64, 64), (128, 128), (256, 256))):
        state |= activated(f"unet.down{index}.conv1", outputs, inputs)
        state |= activated(f"unet.down{index}.conv2", outputs, outputs)
    for index, (inputs, outputs) in enumerate(((512, 128), (256, 64), (128, 32), (64, 16))):
        state |= layer(f"unet.up{index}.0", inputs, outputs, 4, 4, bias=outputs)
        state |= slopes(f"unet.up{index}.1", outputs)
    return state | layer("unet.conv", 3, 16, 3, 3)


def residual_block(name: str, inputs: int, width: int, head: int) -> State:
    state = layer(f"{name}.conv0.0.0", width // 2, inputs, 3, 3)
    state |= layer(f"{name}.conv0.1.0", width, width // 2, 3, 3)
    for index in range(8):
        state |= layer(f"{name}.convblock.{index}.conv", width, width, 3, 3)
        state[f"{name}.convblock.{index}.beta"] = torch.randn(1, width, 1, 1)
    return state | layer(f"{name}.lastconv.0", width, 4 * head, 4, 4, bias=4 * head)


def checkpoint_4_6() -> State:
    state = residual_block("block0", 7, 192, 6)
    for index, width in enumerate((128, 96, 64), start=1):
        state |= residual_block(f"block{index}", 12, width, 6)
    return state


def checkpoint_4_25() -> State:
    state = residual_block("block0", 15, 192, 13)
    for index, width in enumerate((128, 96, 64, 32), start=1):
        state |= residual_block(f"block{index}", 28, width, 13)
    state |= layer("encode.cnn0", 16, 3, 3, 3) | layer("encode.cnn1", 16, 16, 3, 3)
    return state | layer("encode.cnn2", 16, 16, 3, 3) | layer("encode.cnn3", 16, 4, 4, 4, bias=4)


def without_teacher(checkpoint: State) -> State:
    return {name: value for name, value in checkpoint.items() if not name.startswith("block_tea.")}


CASES = {
    "RIFE": (paper_checkpoint(), PaperConfig(), 190),
    "RIFE without teacher": (without_teacher(paper_checkpoint()), PaperConfig(teacher=False), 158),
    "RIFEm": (paper_checkpoint(7), PaperConfig(arbitrary_time=True), 190),
    "4.6": (checkpoint_4_6(), VERSION_4_6, 120),
    "4.25": (checkpoint_4_25(), VERSION_4_25, 158),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_released_file_becomes_a_network(name: str, prefix: str, tmp_path: Path):
    checkpoint, config, tensors = CASES[name]
    path = tmp_path / "flownet.pkl"
    torch.save({prefix + key: value for key, value in checkpoint.items()}, path)
    weights = convert(read_checkpoint(path))
    assert weights.config == config
    assert weights.ignored == ()
    assert len(weights.state) == tensors
    network = build_network(weights.config)
    network.load_state_dict(dict(weights.state), strict=True)
    assert all(torch.equal(value, checkpoint[key]) for key, value in network.state_dict().items())


def test_unread_parts_are_reported():
    extra = layer("caltime.0", 8, 1) | residual_block("block_tea", 31, 64, 13)
    weights = convert(checkpoint_4_25() | extra)
    assert weights.ignored == tuple(extra)
    assert len(weights.state) == 158


def test_every_weight_that_does_not_match_is_named():
    checkpoint = checkpoint_4_6()
    del checkpoint["block2.convblock.3.beta"]
    checkpoint["block1.conv0.1.0.bias"] = torch.zeros(3)
    checkpoint["block9.mystery"] = torch.zeros(1)
    with pytest.raises(WeightsError, match="3 weights do not match") as caught:
        convert(checkpoint)
    assert "block2.convblock.3.beta is missing" in str(caught.value)
    assert "block1.conv0.1.0.bias has shape (3,), not (128,)" in str(caught.value)
    assert "block9.mystery has no place in it" in str(caught.value)


def test_half_precision_weights_become_float32():
    weights = convert({name: value.half() for name, value in checkpoint_4_6().items()})
    assert {value.dtype for value in weights.state.values()} == {torch.float32}


def test_converted_weights_do_not_share_memory_with_the_checkpoint():
    checkpoint = checkpoint_4_6()
    weights = convert(checkpoint)
    name = "block0.lastconv.0.bias"
    checkpoint[name].zero_()
    assert weights.state[name].abs().sum() > 0


@pytest.mark.parametrize(
    ("channels", "reason"), [(11, "11 input channels"), (23, "23 input channels"), (39, "39 input channels")]
)
def test_other_versions_are_refused_by_their_shape(channels: int, reason: str):
    checkpoint = checkpoint_4_6() | layer("block0.conv0.0.0", 96, channels, 3, 3)
    with pytest.raises(WeightsError, match=f"{reason} without refinement, with learned residuals and fewer"):
        convert(checkpoint)


def test_a_version_before_learned_residuals_is_refused():
    checkpoint = {name: value for name, value in checkpoint_4_6().items() if not name.endswith("beta")}
    with pytest.raises(WeightsError, match="without learned residuals"):
        convert(checkpoint)


def test_weights_of_something_else_are_refused():
    with pytest.raises(WeightsError, match=r"no convolution block0\.conv0\.0\.0\.weight"):
        convert(layer("encoder", 8, 3, 3, 3))


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(tmp_path / "absent.pkl")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path):
    path = tmp_path / "flownet.pkl"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_checkpoint(path)


class Stowaway:
    """An object that a pickle could run code with."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Stowaway(), "cannot be read"),
        ([torch.zeros(1)], "holds list"),
        ({}, "holds dict"),
        ({"epoch": 3}, "not tensors: epoch"),
    ],
)
def test_a_file_of_anything_but_named_tensors_is_refused(content: object, message: str, tmp_path: Path):
    path = tmp_path / "flownet.pkl"
    torch.save(content, path)
    with pytest.raises(WeightsError, match=message):
        read_checkpoint(path)


def test_a_released_checkpoint_saved_as_safetensors_loads_as_the_same_network(tmp_path: Path):
    weights = convert(checkpoint_4_6())
    path = tmp_path / "rife.safetensors"
    save_network(weights.config, weights.state, path, torch.float32)
    network = load_network(path)
    assert network.config == VERSION_4_6
    loaded = network.state_dict()
    assert set(loaded) == set(weights.state)
    assert all(torch.equal(loaded[name], value) for name, value in weights.state.items())


def test_an_unwritable_path_is_refused(tmp_path: Path):
    weights = convert(checkpoint_4_6())
    with pytest.raises(WriteError, match="cannot be written"):
        save_network(weights.config, weights.state, tmp_path / "absent" / "rife.safetensors", torch.float32)
