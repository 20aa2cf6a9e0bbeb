"""Clips that the image-to-video model makes by itself from single pictures: what the paper trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import UsageError
from midframe.methods.inbetween.sample import InbetweenInterpolator


def imagine(
    method: InbetweenInterpolator,
    picture: Float[Tensor, "1 3 height width"],
    generator: torch.Generator,
    on_step: Callable[[float | None], None] = lambda apart: None,
) -> Float[Tensor, "1 frame 3 rows columns"]:
    """A clip that begins with a picture and goes where the model takes it.

    Args:
        method: Of which the forward direction alone is used.
        picture: In [0, 1], on any device.
        generator: On the model's device.
        on_step: Called after each step.

    Returns:
        Frames in [0, 1], at the size at which the model works.

    Raises:
        UsageError: More frames than the model makes at once.
    """
    model = method.model
    if method.frames > model.facts.frames:
        raise UsageError(f"Without a second key frame a clip has at most {model.facts.frames} frames.")
    alone = InbetweenInterpolator(model, replace(method.settings, system="forward"), name=method.spec.name)
    with torch.inference_mode():
        inner = alone.entered(picture).to(model.device)
        noise = torch.randn(inner.shape, generator=generator, device=model.device)
        condition = model.condition(inner, noise)
        with model.at_work(model.network):
            latents = alone.sampler.sample(condition, condition, method.frames, generator, on_step)
        return model.decode(latents, method.settings.decode_chunk).clamp(0, 1)
