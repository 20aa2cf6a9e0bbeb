"""MADIFF's parts on disk: the image-to-event network, and the codec with what its hints come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from midframe.core.motion import MotionSource
from midframe.methods.madiff.codec import MotionAwareCodec
from midframe.methods.madiff.config import CodecModelConfig, HintConfig
from midframe.methods.madiff.convert import convert, read_checkpoint
from midframe.methods.madiff.event_network import EventNetwork
from midframe.methods.madiff.hints import HintSource, make_hints
from midframe.nn.saved import Network, fill, read_weights, save_weights

CODEC, EVENTS = "codec.", "events."
"""What names of weights begin with in a file that holds both."""


@dataclass(frozen=True, eq=False)
class CodecModel:
    """A trained codec and what its hints come from.

    Attributes:
        config: Both architectures.
        codec: With its weights.
        events: The image-to-event network, where hints come from it.
    """

    config: CodecModelConfig
    codec: MotionAwareCodec
    events: EventNetwork | None

    def hints(self, motion: MotionSource | None = None) -> HintSource:
        """The source of hints that the codec was trained with.

        Args:
            motion: Another model's motion, where hints are of kind "flow".

        Raises:
            UsageError: It was trained with a motion that is not given.
        """
        return make_hints(self.config.hints, network=self.events, motion=motion)


def save_events(config: HintConfig, state: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write an image-to-event network's weights, with spectral norms made part of them.

    Raises:
        WriteError: The file cannot be written.
    """
    save_weights(config, kept(state), path, precision)


def load_events(path: Path) -> EventNetwork:
    """The image-to-event network of a file, in float32 on the CPU.

    Args:
        path: What `save_events` wrote, or (not `.safetensors`) a released checkpoint of EventGAN.

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit its architecture.
    """
    if path.suffix != ".safetensors":
        released = convert(read_checkpoint(path))
        return fill(EventNetwork(released.config), released.state, path)
    config, state = read_weights(path, {"HintConfig": HintConfig}, "MADIFF hint")
    return filled(EventNetwork(config), state, path)


def save_codec(
    config: CodecModelConfig,
    codec: Mapping[str, Tensor],
    events: Mapping[str, Tensor] | None,
    path: Path,
    precision: torch.dtype,
) -> None:
    """Write a codec's weights, and those of the image-to-event network that it was trained with, if there is one.

    Raises:
        WriteError: The file cannot be written.
    """
    save_weights(config, prefixed(codec, CODEC) | prefixed(events or {}, EVENTS), path, precision)


def load_codec(path: Path) -> CodecModel:
    """The codec of a file and its hints, in float32 on the CPU.

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit its architecture.
    """
    config, state = read_weights(path, {"CodecModelConfig": CodecModelConfig}, "MADIFF codec")
    return codec_of(config, state, path)


def codec_of(config: CodecModelConfig, state: Mapping[str, Tensor], path: Path) -> CodecModel:
    """As `load_codec`, from weights read as part of a larger file; names begin with `CODEC` and `EVENTS`."""
    codec = filled(MotionAwareCodec(config.codec), part_of(state, CODEC), path)
    events = None
    if config.hints.kind == "events":
        events = filled(EventNetwork(config.hints), part_of(state, EVENTS), path)
    return CodecModel(config, codec, events)


def kept(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without counters, which only training needs, and which do not survive a half-precision file."""
    return {name: value for name, value in state.items() if value.is_floating_point()}


def filled(network: Network, state: Mapping[str, Tensor], path: Path) -> Network:
    """As `nn.saved.fill`, with counters at zero."""
    counters = {name: torch.zeros_like(value) for name, value in _counters(network).items()}
    return fill(network, {**state, **counters}, path)


def prefixed(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Weights of one part of a file, without counters, by their names in it."""
    return {f"{prefix}{name}": value for name, value in kept(state).items()}


def part_of(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """One part's weights by their own names."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _counters(network: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in network.state_dict().items() if not value.is_floating_point()}
