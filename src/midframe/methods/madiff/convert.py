"""Released EventGAN weights, read into our image-to-event network.

Their names are those of the authors' modules; a spectral norm is stored as a weight with the two vectors that give
its norm, and becomes part of the weight here. What normalisations count is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.methods.madiff.config import EVENT_CHANNELS, HintConfig
from midframe.methods.madiff.event_network import EventNetwork

GENERATOR = "gen"
"""Under which a training checkpoint keeps the generator; the rest of it is not read."""
PARALLEL_PREFIX = "module."
FIRST_WEIGHT = "head.conv2d.weight"
COUNTER = "num_batches_tracked"
NORM_PARTS = ("_bar", "_u", "_v")
"""What ends the names of a spectral norm's weight and of its two vectors."""
RULES = (
    (r"head\.conv2d\.(.+)", r"layers.enter.0.\1"),
    (r"encoders\.(\d+)\.conv2d\.(.+)", r"layers.encoders.\1.0.\2"),
    (r"encoders\.(\d+)\.norm_layer\.(.+)", r"layers.encoders.\1.1.\2"),
    (r"resblocks\.(\d+)\.conv1\.(?:module\.)?(.+)", r"layers.residual.\1.first.\2"),
    (r"resblocks\.(\d+)\.bn1\.(.+)", r"layers.residual.\1.first_norm.\2"),
    (r"resblocks\.(\d+)\.conv2\.(?:module\.)?(.+)", r"layers.residual.\1.second.\2"),
    (r"resblocks\.(\d+)\.bn2\.(.+)", r"layers.residual.\1.second_norm.\2"),
    (r"decoders\.(\d+)\.conv2d\.(?:module\.)?(.+)", r"layers.decoders.\1.0.\2"),
    (r"decoders\.(\d+)\.norm_layer\.(.+)", r"layers.decoders.\1.1.\2"),
    (r"pred\.conv2d\.(.+)", r"layers.leave.0.\1"),
)
"""Their names as patterns, and ours."""


@dataclass(frozen=True, kw_only=True)
class ConvertedEvents:
    """A recognised checkpoint.

    Attributes:
        config: Architecture that the weights belong to.
        state: Weights in float32 under our names; loads strictly into `EventNetwork(config)`.
    """

    config: HintConfig
    state: Mapping[str, Tensor]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The generator's tensors of a released file, without running code from it.

    Args:
        path: A checkpoint of training, which keeps the generator beside other things, or its weights alone.

    Raises:
        WeightsError: The file is missing or damaged, or holds no such weights.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # What the reading of other files ends with depends on their first bytes.
        raise WeightsError(f"{path} cannot be read as a checkpoint of tensors ({type(error).__name__}).") from error
    if isinstance(content, Mapping) and isinstance(content.get(GENERATOR), Mapping):
        content = content[GENERATOR]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds neither named weights nor a '{GENERATOR}' with some.")
    return {str(name).removeprefix(PARALLEL_PREFIX): value for name, value in content.items()}


def convert(checkpoint: Mapping[str, Tensor]) -> ConvertedEvents:
    """Rename a generator's weights and make spectral norms part of them.

    Args:
        checkpoint: Weights by name, as `read_checkpoint` returns them.

    Raises:
        WeightsError: No such generator, or weights that are missing, of another shape, or of no known purpose; the
            message lists them all.
    """
    config = identify(checkpoint)
    with torch.device("meta"):
        expected = {
            name: value for name, value in EventNetwork(config).state_dict().items() if not name.endswith(COUNTER)
        }
    plain, problems = _without_norms(checkpoint)
    state: dict[str, Tensor] = {}
    for theirs, value in plain.items():
        ours = _our_name(theirs)
        if ours not in expected:
            problems.append(f"{theirs} has no place in it")
        elif value.shape != expected[ours].shape:
            problems.append(f"{theirs} has shape {tuple(value.shape)}, not {tuple(expected[ours].shape)}")
        else:
            state[ours] = value.detach().to(torch.float32, copy=True).contiguous()
    taken = {_our_name(name) for name in plain}
    problems += [f"{name} is missing" for name in expected if name not in taken]
    if problems:
        raise WeightsError(
            f"The checkpoint looks like EventGAN's generator ({config}), but {len(problems)} weights do not match: "
            f"{'; '.join(problems)}."
        )
    means = [name for name in state if name.endswith("running_mean")]
    counters = {name.replace("running_mean", COUNTER): torch.tensor(0) for name in means}
    return ConvertedEvents(config=config, state=state | counters)


def identify(checkpoint: Mapping[str, Tensor]) -> HintConfig:
    """Widths and depths of a generator, by its weights.

    Raises:
        WeightsError: It is none.
    """
    first = checkpoint.get(FIRST_WEIGHT)
    if first is None or first.ndim != 4 or first.shape[1] != 2:
        raise WeightsError(f"This is no EventGAN generator: it has no convolution {FIRST_WEIGHT} of two frames.")
    outputs = checkpoint.get("pred.conv2d.weight")
    if outputs is None or outputs.shape[0] != EVENT_CHANNELS:
        raise WeightsError(f"This is no EventGAN generator of {EVENT_CHANNELS} channels: see pred.conv2d.weight.")
    return HintConfig(
        kind="events",
        width=first.shape[0],
        halvings=_count(checkpoint, "encoders"),
        residual=_count(checkpoint, "resblocks"),
    )


def _count(checkpoint: Mapping[str, Tensor], group: str) -> int:
    numbers = {match[1] for name in checkpoint if (match := re.match(rf"{group}\.(\d+)\.", name))}
    if not numbers:
        raise WeightsError(f"This is no EventGAN generator: it has no {group}.")
    return len(numbers)


def _without_norms(checkpoint: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Weights with their spectral norms divided out, less counters; and what is wrong with the norms."""
    plain, problems = {}, []
    for name, value in checkpoint.items():
        if name.endswith(("weight_u", "weight_v")):
            if f"{name[:-2]}_bar" not in checkpoint:
                problems.append(f"{name} belongs to no weight")
        elif name.endswith("weight_bar"):
            stem = name.removesuffix("_bar")
            vectors = [checkpoint.get(f"{stem}{part}") for part in NORM_PARTS[1:]]
            shapes = [(value.shape[0],), (value[0].numel(),)]
            if any(vector is None or vector.shape != shape for vector, shape in zip(vectors, shapes, strict=True)):
                problems.append(f"{name} lacks the vectors of its norm, {stem}_u and {stem}_v")
                continue
            left, right = (vector.double() for vector in vectors if vector is not None)
            # sigma = u W v, with W as a matrix: the norm as the last step of training knew it.
            norm = left @ value.double().flatten(1) @ right
            plain[stem] = (value.double() / norm).float()
        elif not name.endswith(COUNTER):
            plain[name] = value
    return plain, problems


def _our_name(theirs: str) -> str:
    """Where a weight goes; its own name where nowhere."""
    for pattern, ours in RULES:
        if re.fullmatch(pattern, theirs):
            return re.sub(pattern, ours, theirs)
    return theirs
