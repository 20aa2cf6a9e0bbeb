"""All of MADIFF in one file: codec, image-to-event network where there is one, denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from midframe.core.motion import MotionSource
from midframe.methods.madiff.config import CodecModelConfig, MadiffConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from midframe.methods.madiff.model import MadiffModel
from midframe.methods.madiff.weights_file import CODEC, EVENTS, codec_of, filled, part_of, prefixed
from midframe.nn.saved import read_weights, save_weights

DENOISER = "denoiser."
"""What names of its weights begin with, beside those of `weights_file`."""


def save_model(model: MadiffModel, denoiser: Mapping[str, Tensor], path: Path, precision: torch.dtype) -> None:
    """Write the file that `--weights` reads.

    Args:
        model: Gives all architectures, and the weights of codec and image-to-event network.
        denoiser: The denoiser's weights by name.
        path: File to write.
        precision: Number format in the file.

    Raises:
        WriteError: The file cannot be written.
    """
    events = {} if model.events is None else model.events.state_dict()
    state = prefixed(model.codec.state_dict(), CODEC) | prefixed(events, EVENTS) | prefixed(denoiser, DENOISER)
    save_weights(model.config, state, path, precision)


def load_model(path: Path, *, motion: MotionSource | None = None) -> MadiffModel:
    """All parts that a file holds, in float32 on the CPU, in evaluation mode.

    Args:
        path: A file of `save_model`.
        motion: Another model's motion, where hints are of kind "flow".

    Raises:
        WeightsError: The file is missing or damaged, or its weights do not fit their architectures.
        UsageError: Hints need a motion that is not given.
    """
    config, state = read_weights(path, {"MadiffConfig": MadiffConfig}, "MADIFF")
    codec = codec_of(CodecModelConfig(codec=config.codec, hints=config.hints), state, path)
    denoiser = filled(LatentDenoiser(config.denoiser), part_of(state, DENOISER), path)
    return MadiffModel(codec, denoiser, motion=motion).eval()
