"""Motion hints: what tells the codec and the denoiser how pixels move between two frames.

Three sources, exchangeable because the method only asks for a volume between two frames: the trained image-to-event
network, the simulator that computes events from brightness, and the optical flow of any other model. Whatever the
source, a hint of zeros means that nothing is known, no gradient flows into it, and it is taken at the frames' own
size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError
from midframe.methods.madiff.config import EVENT_CHANNELS, FLOW_CHANNELS, HintConfig
from midframe.methods.madiff.event_network import EventNetwork
from midframe.methods.madiff.events import simulate_events

FLOW_SCALE = 16.0
"""Pixels of flow that become a hint of 1."""

Frames = Float[Tensor, "batch 3 height width"]
LaterFrames = Float[Tensor, "batch 3 _ _"]
"""Of the same shape, which is checked with a message of its own."""
Hints = Float[Tensor, "batch hint height width"]
Flow: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""From two stacks of frames, RGB in [0, 1], the displacement in pixels of every pixel of the first."""


@runtime_checkable
class HintSource(Protocol):
    """What tells motion between two frames."""

    @property
    def channels(self) -> int:
        """Of a hint."""
        ...

    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        """Hints for the motion from one frame to a later one.

        Args:
            earlier: RGB in [0, 1]; values beyond are cut off.
            later: The same shape.

        Returns:
            (batch, channels, height, width) in float32, without a gradient.
        """
        ...


class SimulatedHints:
    """Events as brightness tells them, with no network.

    Args:
        threshold: Change of log brightness that is an event.
    """

    channels = EVENT_CHANNELS

    def __init__(self, threshold: float = 0.15) -> None:
        self.threshold = threshold

    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        _check(earlier, later)
        return simulate_events(torch.stack((earlier, later), 1).detach(), self.threshold)


class NetworkHints:
    """Events as the image-to-event network predicts them.

    Args:
        network: Becomes frozen, in evaluation mode; it computes where its weights lie.
    """

    channels = EVENT_CHANNELS

    def __init__(self, network: EventNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        _check(earlier, later)
        self.network.eval()  # A task that holds it may have put all its parts into training mode.
        return self.network(earlier.clamp(0, 1), later.clamp(0, 1)).float()


class FlowHints:
    """Another model's optical flow.

    Args:
        flow: See `Flow`.
    """

    channels = FLOW_CHANNELS

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    @torch.no_grad()
    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        _check(earlier, later)
        found = self.flow(earlier.clamp(0, 1), later.clamp(0, 1)).float() / FLOW_SCALE
        expected = (earlier.shape[0], FLOW_CHANNELS, *earlier.shape[-2:])
        if found.shape != expected:
            raise ShapeError(f"flow as a hint must be {expected}; got {tuple(found.shape)}.")
        return found


def make_hints(config: HintConfig, *, network: EventNetwork | None = None, flow: Flow | None = None) -> HintSource:
    """The source that a configuration names.

    Args:
        config: Which.
        network: Trained, for kind "events".
        flow: For kind "flow".

    Raises:
        UsageError: The kind needs a network or a flow that is not given.
    """
    if config.kind == "simulator":
        return SimulatedHints(config.threshold)
    if config.kind == "events":
        if network is None:
            raise UsageError("Hints of kind 'events' need a trained image-to-event network.")
        return NetworkHints(network)
    if flow is None:
        raise UsageError("Hints of kind 'flow' need a model's flow.")
    return FlowHints(flow)


def _check(earlier: Tensor, later: Tensor) -> None:
    if earlier.shape != later.shape:
        raise ShapeError(f"frames of {tuple(earlier.shape)} and {tuple(later.shape)} differ in shape.")
