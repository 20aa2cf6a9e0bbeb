"""Generative inbetweening at a size that a test runs in no time: the library's own classes, with random weights."""

from __future__ import annotations

import torch

from midframe.methods.inbetween.attention import ReverseProjections
from midframe.methods.inbetween.backbone import VideoModel, build_small
from midframe.methods.inbetween.config import BackwardConfig, SmallConfig
from midframe.methods.inbetween.sample import InbetweenInterpolator, SamplingSettings
from midframe.methods.inbetween.weights_file import set_backward

SMALL_INBETWEEN = SmallConfig(
    frames=5,
    size=32,
    patch=4,
    codec_widths=(32, 32),
    latent_channels=4,
    widths=(32, 32),
    attends=(True, True),
    heads=2,
    embedding=16,
    encoder_width=32,
    encoder_layers=1,
    sigma_most=20.0,
    steps=2,
    injections=1,
    backward=BackwardConfig(frames=5),
)


def small_model(config: SmallConfig = SMALL_INBETWEEN, *, seed: int = 0, backward: bool = True) -> VideoModel:
    """A model with random weights, its backward model a little off the forward one."""
    torch.manual_seed(seed)
    model = build_small(config)
    with torch.no_grad():
        for layer in model.codec.modules():
            if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv3d):
                # PyTorch's initial weights shrink what they see; without normalisation every picture would be grey.
                layer.weight *= 1.7
    for part in (model.network, model.codec, model.image_encoder):
        part.eval().requires_grad_(False)
    if backward:
        kind = config.backward or BackwardConfig()
        own = model.network.own_weights(kind)
        changed = {name: value + 0.1 * torch.randn_like(value) for name, value in own.items()}
        set_backward(model, ReverseProjections(changed, kind))
    return model


def small_interpolator(**settings: object) -> InbetweenInterpolator:
    """The method on such a model."""
    return InbetweenInterpolator(small_model(), SamplingSettings(**settings))  # pyright: ignore[reportArgumentType]
