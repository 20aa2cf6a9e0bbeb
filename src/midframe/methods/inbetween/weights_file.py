"""Weights on disk: a small model in one file, as far as it is trained; and a backward model as differences alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from midframe.core.errors import WeightsError
from midframe.methods.inbetween.attention import ReverseProjections, apply_deltas, rotating
from midframe.methods.inbetween.backbone import VideoModel, build_small
from midframe.methods.inbetween.config import BackwardConfig, Rotated, SmallConfig
from midframe.nn.saved import fill, read_weights, save_weights

SCALE = "latent_scale"
NETWORKS = ("codec", "unet", "image_encoder")
BACKWARD = "backward"


@dataclass(frozen=True, eq=False)
class SmallWeights:
    """What a file of a small model holds.

    Attributes:
        config: The architecture.
        parts: State of each network that is trained, by its name; differences under "backward".
        latent_scale: What latents are multiplied by; 1 where the codec alone is trained.
    """

    config: SmallConfig
    parts: Mapping[str, Mapping[str, Tensor]]
    latent_scale: float


def save_small(weights: SmallWeights, path: Path, precision: torch.dtype) -> None:
    """Write what is trained so far of a small model.

    Raises:
        WriteError: The file cannot be written.
    """
    state = {f"{part}.{name}": value for part, values in weights.parts.items() for name, value in values.items()}
    state[SCALE] = torch.tensor([weights.latent_scale])
    save_weights(weights.config, state, path, precision)


def read_small(path: Path) -> SmallWeights:
    """What `save_small` wrote.

    Raises:
        WeightsError: The file is missing or damaged, or holds something else.
    """
    config, state = read_weights(path, {"SmallConfig": SmallConfig}, "small inbetweening")
    parts: dict[str, dict[str, Tensor]] = {}
    scale = state.pop(SCALE, None)
    if scale is None:
        raise WeightsError(f"{path} lacks {SCALE}.")
    for name, value in state.items():
        part, _, inner = name.partition(".")
        parts.setdefault(part, {})[inner] = value
    strangers = parts.keys() - {*NETWORKS, BACKWARD}
    if strangers:
        raise WeightsError(f"{path} holds parts that no small model has: {', '.join(sorted(strangers))}.")
    return SmallWeights(config, parts, float(scale))


def load_small(path: Path, *, device: torch.device | None = None, complete: bool = True) -> VideoModel:
    """A small model from its file, in float32; its backward model, where it has one, is set.

    Args:
        path: The file.
        device: Where it computes.
        complete: Refuse a file in which a network is missing, as training leaves it between its stages.

    Raises:
        WeightsError: The file is missing or damaged, or incomplete.
    """
    return build_from(read_small(path), path, device=device, complete=complete)


def build_from(
    weights: SmallWeights, path: Path, *, device: torch.device | None = None, complete: bool = True
) -> VideoModel:
    """As `load_small`, of what was read."""
    missing = [name for name in NETWORKS if name not in weights.parts]
    if missing and complete:
        raise WeightsError(
            f"{path} holds a small model whose training is not finished: {', '.join(missing)} is missing. The next "
            "stage builds on it (docs/methods/inbetween.md)."
        )
    model = build_small(weights.config, weights.latent_scale, device=device)
    for name, network in networks_of(model).items():
        if name in weights.parts:
            fill(network, weights.parts[name], path)
        network.eval().requires_grad_(False)
    if BACKWARD in weights.parts:
        config = weights.config.backward
        if config is None:
            raise WeightsError(f"{path} holds a backward model and does not say of which kind.")
        set_backward(model, apply_deltas(model.network.own_weights(config), weights.parts[BACKWARD], config))
    return model


def networks_of(model: VideoModel) -> dict[str, nn.Module]:
    """The networks by their names in a file."""
    return {"codec": model.codec, "unet": model.network.unet, "image_encoder": model.image_encoder}


def set_backward(model: VideoModel, backward: ReverseProjections | None, rotated: Rotated | None = None) -> None:
    """Give a model its backward model, or another one.

    Args:
        model: Changed in place.
        backward: Own projections of the backward direction; None for those of the forward one.
        rotated: Layers that follow the forward model; by default as the backward model was trained, or all.
    """
    network = model.network
    where = rotated or (backward.config.rotated if backward is not None else "all")
    if backward is not None:
        reference = next(network.unet.parameters())
        backward = backward.to(reference.device, reference.dtype).requires_grad_(False)
    network.backward = backward
    network.rotates = rotating(where)


def save_backward(deltas: Mapping[str, Tensor], config: BackwardConfig, path: Path) -> None:
    """Write a backward model as what was learnt: about 50 MB at full size, in fp16.

    Raises:
        WriteError: The file cannot be written.
    """
    save_weights(config, deltas, path, torch.float16)


def read_backward(path: Path) -> tuple[BackwardConfig, dict[str, Tensor]]:
    """What `save_backward` wrote.

    Raises:
        WeightsError: The file is missing or damaged, or holds something else.
    """
    return read_weights(path, {"BackwardConfig": BackwardConfig}, "backward")


def load_backward(path: Path, model: VideoModel) -> ReverseProjections:
    """A backward model from its differences, on top of a model's own weights: also of one for other clip lengths.

    Raises:
        WeightsError: The file is missing or damaged, or does not fit the model.
    """
    config, deltas = read_backward(path)
    return apply_deltas(model.network.own_weights(config), deltas, config)


def with_backward(weights: SmallWeights, deltas: Mapping[str, Tensor], config: BackwardConfig) -> SmallWeights:
    """The same small model with a backward model."""
    parts = {**weights.parts, BACKWARD: dict(deltas)}
    return replace(weights, config=replace(weights.config, backward=config), parts=parts)
