"""Released EventGAN weights: renamed, freed of spectral norms, and refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.methods.madiff.convert import convert, read_checkpoint
from midframe.methods.madiff.event_network import EventNetwork, grey_pair
from midframe.methods.madiff.weights_file import load_events, save_events
from small_madiff import SMALL_EVENTS

EXACT = 1e-4

Released = dict[str, Tensor]


def released(width: int = 4, halvings: int = 2, residual: int = 1) -> Released:
    """Weights under the authors' names, with spectral norms as their wrapper stores them."""
    generator = torch.Generator().manual_seed(0)
    weights: Released = {}

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    def norm(name: str, channels: int) -> None:
        weights[f"{name}.weight"], weights[f"{name}.bias"] = draw(channels), draw(channels)
        weights[f"{name}.running_mean"], weights[f"{name}.running_var"] = draw(channels), draw(channels).square() + 1
        weights[f"{name}.num_batches_tracked"] = torch.tensor(70_000)

    def spectral(name: str, outputs: int, inputs: int) -> None:
        weight = draw(outputs, inputs, 3, 3)
        left, _, right = torch.linalg.svd(weight.flatten(1), full_matrices=False)
        weights[f"{name}.module.weight_bar"] = weight
        weights[f"{name}.module.weight_u"], weights[f"{name}.module.weight_v"] = left[:, 0], right[0]

    weights["head.conv2d.weight"], weights["head.conv2d.bias"] = draw(width, 2, 3, 3), draw(width)
    widths = [width * 2**level for level in range(halvings + 1)]
    for level in range(halvings):
        weights[f"encoders.{level}.conv2d.weight"] = draw(widths[level + 1], widths[level], 3, 3)
        norm(f"encoders.{level}.norm_layer", widths[level + 1])
    for block in range(residual):
        for part in (1, 2):
            spectral(f"resblocks.{block}.conv{part}", widths[-1], widths[-1])
            norm(f"resblocks.{block}.bn{part}", widths[-1])
    for number, level in enumerate(reversed(range(halvings))):
        spectral(f"decoders.{number}.conv2d", widths[level], widths[level + 1] + widths[level])
        norm(f"decoders.{number}.norm_layer", widths[level])
    weights["pred.conv2d.weight"], weights["pred.conv2d.bias"] = draw(18, width, 1, 1), draw(18)
    return weights


def as_published(weights: Released, pair: Tensor) -> Tensor:
    """The generator with two halvings and one residual block, computed from its own names."""

    def normed(x: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, variance, scale, shift)

    def spectral(x: Tensor, name: str) -> Tensor:
        weight = weights[f"{name}.module.weight_bar"]
        largest = torch.linalg.matrix_norm(weight.flatten(1), 2)
        return functional.conv2d(x, weight / largest, padding=1)

    x = functional.leaky_relu(
        functional.conv2d(pair, weights["head.conv2d.weight"], weights["head.conv2d.bias"], 1, 1)
    )
    kept = []
    for level in range(2):
        kept.append(x)
        x = functional.conv2d(x, weights[f"encoders.{level}.conv2d.weight"], None, 2, 1)
        x = functional.leaky_relu(normed(x, f"encoders.{level}.norm_layer"))
    change = normed(spectral(x, "resblocks.0.conv1"), "resblocks.0.bn1").relu()
    x = (x + normed(spectral(change, "resblocks.0.conv2"), "resblocks.0.bn2")).relu()
    for number in range(2):
        beside = kept.pop()
        x = torch.cat((functional.interpolate(x, beside.shape[-2:], mode="nearest"), beside), 1)
        x = functional.leaky_relu(normed(spectral(x, f"decoders.{number}.conv2d"), f"decoders.{number}.norm_layer"))
    return functional.conv2d(x, weights["pred.conv2d.weight"], weights["pred.conv2d.bias"]).relu()


def test_a_released_generator_computes_what_its_names_say(tmp_path: Path):
    weights = released()
    torch.save({"gen": weights, "epoch": 3, "dis": {}}, tmp_path / "eventgan.pt")
    network = load_events(tmp_path / "eventgan.pt").eval()
    assert network.config == SMALL_EVENTS
    earlier, later = torch.rand(2, 1, 3, 11, 14, generator=torch.Generator().manual_seed(1)).unbind()
    expected = as_published(weights, grey_pair(earlier, later))
    assert float(expected.max()) > 0.1
    assert torch.allclose(network(earlier, later), expected, atol=EXACT)


def test_converted_weights_survive_our_own_file(tmp_path: Path):
    converted = convert(released())
    path = tmp_path / "events.safetensors"
    save_events(converted.config, converted.state, path, torch.float32)
    state = load_events(path).state_dict()
    assert state.keys() == converted.state.keys()
    assert all(torch.equal(state[name], value) for name, value in converted.state.items())


def test_plain_weights_and_a_parallel_prefix_are_read_too(tmp_path: Path):
    weights = released()
    torch.save({f"module.{name}": value for name, value in weights.items()}, tmp_path / "weights.pth")
    assert read_checkpoint(tmp_path / "weights.pth").keys() == weights.keys()


def test_weights_that_do_not_fit_are_named():
    missing = released()
    del missing["encoders.1.norm_layer.running_var"], missing["resblocks.0.conv1.module.weight_u"]
    missing["flow_layers.0.weight"] = torch.zeros(1)
    missing["pred.conv2d.bias"] = torch.zeros(17)
    with pytest.raises(WeightsError) as caught:
        convert(missing)
    message = str(caught.value)
    for part in (
        "layers.encoders.1.1.running_var is missing",
        "resblocks.0.conv1.module.weight_bar lacks the vectors",
        "flow_layers.0.weight has no place",
        "pred.conv2d.bias has shape (17,), not (18,)",
    ):
        assert part in message


def test_other_files_are_refused(tmp_path: Path):
    with pytest.raises(WeightsError, match="no EventGAN generator: it has no convolution head"):
        convert({"conv.weight": torch.zeros(1)})
    grey = released() | {"pred.conv2d.weight": torch.zeros(1, 4, 1, 1)}
    with pytest.raises(WeightsError, match="no EventGAN generator of 18 channels"):
        convert(grey)
    torch.save({"epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="holds neither named weights nor a 'gen'"):
        read_checkpoint(tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "text.pt")
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.pt")


def test_the_published_widths_are_recognised():
    with torch.device("meta"):
        expected = EventNetwork(convert(released(8, 3, 2)).config)
    assert expected.config.width == 8
    assert expected.config.halvings == 3
    assert expected.config.residual == 2
