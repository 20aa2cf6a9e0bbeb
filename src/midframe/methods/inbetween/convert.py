"""The authors' released checkpoint, read as differences to Stable Video Diffusion for 14 frames.

The release is a whole U-Net in the library's layout, `unet/config.json` beside
`unet/diffusion_pytorch_model.safetensors`, in which 32 tensors differ from the model it was tuned from. Those are
read from both files one by one; nothing else is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from midframe.core.errors import WeightsError
from midframe.methods.inbetween.attention import SUFFIX, TEMPORAL
from midframe.methods.inbetween.backbone import REPOSITORY_14, find_folder
from midframe.methods.inbetween.config import VALUE_AND_OUTPUT, BackwardConfig
from midframe.methods.inbetween.weights_file import save_backward

CONFIG = "config.json"
LAYER = SUFFIX.removesuffix(".processor")
FROZEN_SAMPLES = 8
"""Tensors outside the trained ones that are compared, to tell a file of another origin."""


def convert_checkpoint(checkpoint: Path, target: Path, base: Path | None = None) -> int:
    """Write the differences as a file that a folder of Stable Video Diffusion takes as `backward.safetensors`.

    Args:
        checkpoint: The release, or its folder `unet`.
        target: File to write.
        base: Folder of the model for 14 frames; by default the hub's cache is asked.

    Returns:
        Number of values that differ.

    Raises:
        WeightsError: A file is missing, damaged, for other than 14 frames, or not tuned from this model.
        WriteError: The target cannot be written.
    """
    tuned_folder = _unet(checkpoint)
    base_folder = find_folder(base, REPOSITORY_14) / "unet"
    tuned_frames, base_frames = (_frames(folder) for folder in (tuned_folder, base_folder))
    if tuned_frames != base_frames:
        raise WeightsError(
            f"{tuned_folder} is for {tuned_frames} frames and {base_folder} for {base_frames}: differences are taken "
            f"to the model that was tuned, {REPOSITORY_14}."
        )
    config = BackwardConfig(frames=tuned_frames)
    deltas = _differences(_weights(tuned_folder), _weights(base_folder), config)
    save_backward(deltas, config, target)
    return sum(value.numel() for value in deltas.values())


def _differences(tuned: Path, base: Path, config: BackwardConfig) -> Mapping[str, Tensor]:
    try:
        with safe_open(tuned, framework="pt") as ours, safe_open(base, framework="pt") as theirs:
            names, known = list(ours.keys()), set(theirs.keys())
            unmatched = sorted(set(names) ^ known)
            if unmatched:
                raise WeightsError(f"{tuned} and {base} are of different networks: {', '.join(unmatched[:5])} …")
            trained = [name for name in names if _is_trained(name)]
            if not trained:
                raise WeightsError(f"{tuned} has no temporal self-attention.")
            frozen = [name for name in names if not _is_trained(name)]
            for name in frozen[:: max(len(frozen) // FROZEN_SAMPLES, 1)]:
                if not torch.allclose(ours.get_tensor(name).float(), theirs.get_tensor(name).float(), atol=2e-3):
                    raise WeightsError(
                        f"{tuned} was not tuned from {base}: {name} differs, which training leaves alone."
                    )
            deltas = {name: ours.get_tensor(name).float() - theirs.get_tensor(name).float() for name in trained}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{tuned} or {base} cannot be read as safetensors: {error}.") from error
    if not any(bool(value.any()) for value in deltas.values()):
        raise WeightsError(f"{tuned} equals {base}: it is the model itself, not a tuned one.")
    return deltas


def _is_trained(name: str) -> bool:
    return TEMPORAL in name and any(name.endswith(f"{LAYER}.{projection}.weight") for projection in VALUE_AND_OUTPUT)


def _unet(folder: Path) -> Path:
    for candidate in (folder, folder / "unet"):
        if (candidate / CONFIG).is_file():
            return candidate
    raise WeightsError(f"{folder} holds no U-Net: {CONFIG} lies neither in it nor in its folder unet.")


def _frames(folder: Path) -> int:
    try:
        return int(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["num_frames"])
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder / CONFIG} does not say for how many frames: {error}.") from error


def _weights(folder: Path) -> Path:
    found = sorted(folder.glob("*.safetensors"))
    # Full precision before half, where both lie there: differences are small.
    found.sort(key=lambda path: ".fp16." in path.name)
    if not found:
        raise WeightsError(f"{folder} holds no *.safetensors.")
    return found[0]
