"""Networks on disk: safetensors with the architecture, as JSON, in the metadata; and checkpoints of others."""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from midframe.core.errors import MidframeError, WeightsError, WriteError
from midframe.core.recipe import build

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)


def save_weights(config: Any, state: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write weights with the architecture that they belong to.

    Args:
        config: A frozen dataclass; its class's name and its fields are written into the metadata.
        state: Weights by name.
        path: File to write.
        precision: Number format in the file.

    Raises:
        WriteError: The file cannot be written.
    """
    kept = {name: value.detach().cpu().to(precision).contiguous() for name, value in state.items()}
    metadata = {
        "layout": type(config).__name__,
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
    }
    try:
        save_file(kept, path, metadata=metadata)
    except (OSError, SafetensorError) as error:
        raise WriteError(f"{path} cannot be written: {error}") from error


def read_weights(path: Path, kinds: Mapping[str, type[Config]], method: str) -> tuple[Config, dict[str, Tensor]]:
    """What `save_weights` wrote, in its number format on the CPU.

    Args:
        path: File to read.
        kinds: Classes of architectures that are expected, by name.
        method: Whose weights they should be, for the message.

    Raises:
        WeightsError: The file is missing or damaged, or holds another architecture.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, Any] = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in list(file.keys())}
        kind = kinds[metadata["layout"]]
        return build(kind, json.loads(metadata["config"]), path.name), state
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}.") from error
    except (KeyError, ValueError, MidframeError) as error:
        raise WeightsError(f"{path} holds no {method} architecture that this version knows: {error}.") from error


def layout_of(path: Path) -> str | None:
    """Name of the architecture that a file's metadata tells; None where it tells none.

    Raises:
        WeightsError: The file is missing or damaged.
    """
    with _opened(path) as file:
        return (file.metadata() or {}).get("layout")


def read_part(path: Path, prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with a prefix, without it, as float32 on the CPU; errors as in `layout_of`."""
    with _opened(path) as file:
        return {name.removeprefix(prefix): file.get_tensor(name).float() for name in _named(file, prefix)}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a checkpoint of PyTorch, on the CPU, without running code from it.

    Raises:
        WeightsError: The file is missing or damaged, or holds anything but named tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:
        # What the reading of other files ends with depends on their first bytes, and PyTorch's own words advise to
        # run the code in them.
        raise WeightsError(
            f"{path} cannot be read as a checkpoint of plain tensors ({type(error).__name__})."
        ) from error
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds {type(content).__name__} where named weights were expected.")
    strangers = [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    if strangers:
        raise WeightsError(f"{path} holds entries that are not tensors: {', '.join(strangers)}.")
    return {str(name): value for name, value in content.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}.") from error


def _named(file: Any, prefix: str) -> list[str]:
    return [name for name in list(file.keys()) if name.startswith(prefix)]


def fill(network: Network, state: Mapping[str, Tensor], path: Path) -> Network:
    """Copy weights into a network, all of them and no others, as float32.

    Raises:
        WeightsError: Names or shapes do not fit; it names them.
    """
    expected = network.state_dict()
    unmatched = sorted(expected.keys() ^ state.keys())
    unmatched += sorted(name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape)
    if unmatched:
        raise WeightsError(f"{path} does not fit its own architecture in: {', '.join(unmatched)}.")
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return network


def grown(
    smaller: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    widened: Collection[str] = (),
    lengthened: Collection[str] = (),
    hidden: tuple[str, ...] = (),
) -> dict[str, Tensor] | None:
    """Weights of a smaller network as the beginning of a larger one of the same kind.

    Further residual convolutions change nothing but the slope left of zero, further input channels start with the
    weight zero, and no known channel sees a new one: at first the larger network does nearly what the smaller did.

    Args:
        smaller: Trained weights.
        fresh: Weights of the larger network as it is made.
        widened: Convolutions that may have more inputs, by the name of their weight. The larger network must join
            what is new behind what the smaller one sees; between it, known weights would meet other inputs.
        lengthened: Weights and biases that may have more outputs, behind the known ones; the new ones give zero.
        hidden: Beginnings of the names of blocks that may have more channels inside. New ones begin at random, as
            all else would have nothing to learn from.

    Returns:
        The larger network's weights, or None where the smaller one is not a part of it.
    """
    if smaller.keys() - fresh.keys():
        return None
    result: dict[str, Tensor] = {}
    for name, value in fresh.items():
        known = smaller.get(name)
        if known is None:
            result[name] = torch.zeros_like(value) if name.endswith(".beta") else value
        elif known.shape == value.shape:
            result[name] = known
        elif (
            (name in widened and known.shape[:1] == value.shape[:1] and known.shape[1] < value.shape[1])
            or (name in lengthened and known.shape[1:] == value.shape[1:] and known.shape[0] < value.shape[0])
            or (name.startswith(hidden) and all(map(operator.le, known.shape, value.shape)))
        ):
            result[name] = torch.zeros_like(value) if name in lengthened else value.clone()
            if name.endswith(".weight"):
                result[name][: known.shape[0]] = 0  # Known channels see no new ones.
            result[name][tuple(map(slice, known.shape))] = known
        else:
            return None
    return result
