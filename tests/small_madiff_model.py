"""All of MADIFF together, at a size that a test runs in no time."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from midframe.methods.madiff.codec import MotionAwareCodec
from midframe.methods.madiff.config import CodecConfig, CodecModelConfig, DenoiserConfig, HintConfig
from midframe.methods.madiff.denoiser import LatentDenoiser
from midframe.methods.madiff.event_network import EventNetwork
from midframe.methods.madiff.model import MadiffModel
from midframe.methods.madiff.weights_file import CodecModel
from small_madiff import FLOW, SAME_MOTION, SMALL_CODEC, SMALL_EVENTS, SMALL_FLOW_CODEC

SMALL_DENOISER = DenoiserConfig(
    base_width=8, multiples=(1, 2), depth=1, stem_widths=(4, 4), sampling_steps=2, latent_deviation=(0.5, 0.5, 0.5)
)


def small_codec(hints: HintConfig = SMALL_EVENTS, codec: CodecConfig = SMALL_CODEC, seed: int = 0) -> CodecModel:
    """A codec of random weights, none of them zero, and with its hints the network that they need."""
    torch.manual_seed(seed)
    config = CodecModelConfig(codec=codec, hints=hints)
    events = EventNetwork(hints) if hints.kind == "events" else None
    made = CodecModel(config, MotionAwareCodec(codec), events)
    for network in (made.codec, made.events):
        if network is not None:
            unsettle(network.eval().requires_grad_(False))
    nn.init.normal_(made.codec.quantiser.book.weight)
    return made


def small_model(
    hints: HintConfig = SMALL_EVENTS,
    denoiser: DenoiserConfig = SMALL_DENOISER,
    codec: CodecConfig = SMALL_CODEC,
    seed: int = 0,
) -> MadiffModel:
    """All parts with random weights, none of them zero: layers that start at zero would hide what is behind them."""
    made = small_codec(hints, codec, seed)
    network = LatentDenoiser(denoiser)
    unsettle(network)
    return MadiffModel(made, network, motion=SAME_MOTION).eval()


def small_moved_model(denoiser: DenoiserConfig = SMALL_DENOISER) -> MadiffModel:
    """As `small_model`, with hints of another model's motion."""
    return small_model(FLOW, replace(denoiser, hint_channels=3), SMALL_FLOW_CODEC)


def unsettle(network: nn.Module) -> None:
    """Give layers that start at zero weights of their own."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1 and not parameter.any():
                nn.init.normal_(parameter, std=0.1)
