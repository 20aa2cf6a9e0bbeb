"""What a network predicts, and how that becomes a clean sample; signal and noise as in `midframe.diffusion`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import Tensor

Prediction: TypeAlias = Literal["x0", "eps", "v"]
"""The clean sample, the noise, or the velocity v = signal * eps - noise * x0."""


def diffuse(clean: Tensor, epsilon: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """The noisy sample."""
    return signal * clean + noise * epsilon


def target_of(kind: Prediction, clean: Tensor, epsilon: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """What a network of this kind should say of a sample.

    Source: v as in Salimans & Ho 2022, appendix D.
    """
    if kind == "x0":
        return clean
    return epsilon if kind == "eps" else signal * epsilon - noise * clean


def clean_from(kind: Prediction, output: Tensor, noisy: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """The clean sample that a network's output stands for."""
    if kind == "x0":
        return output
    if kind == "eps":
        return (noisy - noise * output) / signal
    # z = signal x0 + noise eps and v = signal eps - noise x0, solved for x0.
    return (signal * noisy - noise * output) / (signal.square() + noise.square())


def noise_in(clean: Tensor, noisy: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """The epsilon that makes `noisy` of `clean`."""
    return (noisy - signal * clean) / noise
