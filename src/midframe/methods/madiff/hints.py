"""Motion hints: what tells the codec and the denoiser how pixels move between two frames.

Three sources, exchangeable because the method asks for a map for either neighbour and no more: the trained
image-to-event network, the simulator that computes events from brightness, and the motion that another model finds.
Whatever the source, no gradient flows into a hint, it has the frames' own size, and zeros stand for nothing known
(for events: nothing moves; for motion: all stands still, and both neighbours weigh the same).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from midframe.core.errors import ShapeError, UsageError
from midframe.core.motion import MotionModel, MotionSource
from midframe.methods.madiff.config import EVENT_CHANNELS, FLOW_SCALE, MASK_SCALE, MOTION_CHANNELS, HintConfig
from midframe.methods.madiff.event_network import EventNetwork
from midframe.methods.madiff.events import simulate_events
from midframe.ops.alignment import align
from midframe.ops.flow import resize_flow
from midframe.ops.luma import luma
from midframe.ops.resize import shrink

ALIGNED_AT = (4, 2, 2, 1)
"""What parts of a frame's size a flow is aligned at, when the frame that it leads from is known."""

Frames = Float[Tensor, "batch 3 height width"]
LaterFrames = Float[Tensor, "batch 3 _ _"]
"""Of the same shape, which is checked with a message of its own."""
Hints = Float[Tensor, "batch hint height width"]
HintPair: TypeAlias = tuple[Hints, Hints]
"""Of the neighbour before and the wanted frame, and of that and the neighbour after."""


@runtime_checkable
class HintSource(Protocol):
    """What tells motion. Hints are float32, of the frames' size, and carry no gradient."""

    channels: ClassVar[int]
    """Of a hint."""

    moves: ClassVar[bool]
    """Whether hints are motion from the wanted frame to either neighbour (see `FlowHints`)."""

    def between(
        self, before: Frames, frame: LaterFrames, after: LaterFrames, alone: HintPair | None = None
    ) -> HintPair:
        """What a frame between its neighbours, or an estimate of it, tells.

        Args:
            before: RGB in [0, 1]; values beyond are cut off.
            frame: The same shape.
            after: The same shape.
            alone: What `pair` gave, where it is known: saves finding it again.
        """
        ...

    def pair(self, before: Frames, after: LaterFrames) -> HintPair:
        """What the neighbours alone tell, where the frame is not known.

        Args:
            before: RGB in [0, 1]; values beyond are cut off.
            after: The same shape.
        """
        ...


class EventHints(ABC):
    """Events between two frames.

    Those of the neighbours alone are of the whole gap, in both places: wrong by a half of it, and all that they tell.
    """

    channels: ClassVar[int] = EVENT_CHANNELS
    moves: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        """Hints for the motion from one frame to a later one.

        Args:
            earlier: RGB in [0, 1]; values beyond are cut off.
            later: The same shape.

        Returns:
            (batch, channels, height, width) in float32, without a gradient.
        """

    def between(
        self, before: Frames, frame: LaterFrames, after: LaterFrames, alone: HintPair | None = None
    ) -> HintPair:
        """See `HintSource`."""
        return self(before, frame), self(frame, after)

    def pair(self, before: Frames, after: LaterFrames) -> HintPair:
        """See `HintSource`."""
        hint = self(before, after)
        return hint, hint


class SimulatedHints(EventHints):
    """Events as brightness tells them, with no network.

    Args:
        threshold: Change of log brightness that is an event.
    """

    def __init__(self, threshold: float = 0.15) -> None:
        self.threshold = threshold

    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        _check(earlier, later)
        return simulate_events(torch.stack((earlier, later), 1).detach(), self.threshold)


class NetworkHints(EventHints):
    """Events as the image-to-event network predicts them.

    Args:
        network: Becomes frozen, in evaluation mode; it computes where its weights lie.
    """

    def __init__(self, network: EventNetwork) -> None:
        self.network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, earlier: Frames, later: LaterFrames) -> Hints:
        _check(earlier, later)
        self.network.eval()  # A task that holds it may have put all its parts into training mode.
        return self.network(earlier.clamp(0, 1), later.clamp(0, 1)).float()


class FlowHints:
    """Another model's motion, from each pixel of the wanted frame to where it comes from.

    A hint holds flow (x, y) in parts of `FLOW_SCALE` pixels, and the logit of that neighbour's weight in parts of
    `MASK_SCALE`, at most 1. Of the neighbours alone it is what the model says of the instant half-way. Where the
    frame is known, or an estimate of it, each flow is then aligned so that the neighbour's luma, moved, matches that
    of the frame: least squares reach a pixel or two at each size, so a motion that the model has missed
    altogether stays missed.

    Args:
        motion: Finds it; see `midframe.core.motion`.
    """

    channels: ClassVar[int] = MOTION_CHANNELS
    moves: ClassVar[bool] = True

    def __init__(self, motion: MotionModel) -> None:
        self.motion = motion

    @torch.no_grad()
    def pair(self, before: Frames, after: LaterFrames) -> HintPair:
        """See `HintSource`.

        Raises:
            ShapeError: The model's motion has not the frames' size.
        """
        _check(before, after)
        found = self.motion(before.clamp(0, 1), after.clamp(0, 1))
        count, _, height, width = before.shape
        shapes = tuple(found.flow.shape), tuple(found.mask.shape)
        if shapes != ((count, 4, height, width), (count, 1, height, width)):
            raise ShapeError(f"motion of frames {tuple(before.shape)} has flow and mask of the shapes {shapes}.")
        mask = (found.mask.float() / MASK_SCALE).clamp(-1, 1)
        towards, onwards = found.flow.float().chunk(2, 1)
        return torch.cat((towards / FLOW_SCALE, mask), 1), torch.cat((onwards / FLOW_SCALE, -mask), 1)

    @torch.no_grad()
    def between(
        self, before: Frames, frame: LaterFrames, after: LaterFrames, alone: HintPair | None = None
    ) -> HintPair:
        """See `HintSource`.

        Raises:
            ShapeError: Height or width is no multiple of 8.
        """
        _check(before, frame)
        towards, onwards = alone or self.pair(before, after)
        return _aligned(towards, frame, before), _aligned(onwards, frame, after)


def make_hints(
    config: HintConfig, *, network: EventNetwork | None = None, motion: MotionSource | None = None
) -> HintSource:
    """The source that a configuration names.

    Args:
        config: Which.
        network: Trained, for kind "events".
        motion: For kind "flow", and loaded for no other.

    Raises:
        UsageError: The kind needs a network or a model of motion that is not given.
    """
    if config.kind == "simulator":
        return SimulatedHints(config.threshold)
    if config.kind == "events":
        if network is None:
            raise UsageError("Hints of kind 'events' need a trained image-to-event network.")
        return NetworkHints(network)
    if motion is None:
        raise UsageError("Hints of kind 'flow' need another method's motion: use `midframe.load`, or pass `motion`.")
    return FlowHints(motion.load())


def mixed_hints(source: HintSource, before: Frames, frame: Frames, after: Frames, of_pair: Tensor | None) -> HintPair:
    """Hints of each sample's frame, or of its neighbours alone.

    Args:
        source: Of hints.
        before: The neighbours before.
        frame: The frames.
        after: The neighbours after.
        of_pair: Samples of the second kind; None for none.
    """
    if of_pair is None or not of_pair.any():
        return source.between(before, frame, after)
    if of_pair.all():
        return source.pair(before, after)
    of_pair = of_pair.to(frame.device)
    alone = source.pair(before[of_pair], after[of_pair])
    told = source.between(before[~of_pair], frame[~of_pair], after[~of_pair])
    mixed = tuple(one.new_empty(len(frame), *one.shape[1:]) for one in alone)
    for whole, one, other in zip(mixed, alone, told, strict=True):
        whole[of_pair], whole[~of_pair] = one, other
    return mixed[0], mixed[1]


def _aligned(hint: Hints, frame: Tensor, neighbour: Tensor) -> Hints:
    """A hint whose flow leads from the pixels of a known frame."""
    pictures = luma(torch.cat((frame, neighbour)).float().clamp(0, 1))[:, None]
    flow, mask = hint[:, :2] * FLOW_SCALE, hint[:, 2:]
    # At instant 0 the frame itself stays where it is, and the whole correction is that of the flow to the neighbour.
    time = flow.new_zeros(len(flow))
    whole = (flow.shape[-2], flow.shape[-1])
    for part in ALIGNED_AT:
        small = shrink(pictures, part)
        rough = resize_flow(flow, (small.shape[-2], small.shape[-1]))
        aligned = align(small, torch.cat((torch.zeros_like(rough), rough), 1), time)[:, 2:]
        # The correction alone grows: the flow keeps its edges.
        flow = flow + resize_flow(aligned - rough, whole)
    return torch.cat((flow / FLOW_SCALE, mask), 1)


def _check(earlier: Tensor, later: Tensor) -> None:
    if earlier.shape != later.shape:
        raise ShapeError(f"frames of {tuple(earlier.shape)} and {tuple(later.shape)} differ in shape.")
