"""Where coloured objects are in frames, and whether they move as they should.

For scenes whose objects have full colours on grey ground. A pixel belongs to an object as far as its colour, without
its grey, points the way the object's does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from midframe.core.errors import ShapeError

FLOOR = 0.15
"""Likeness, as a part of the object's full colour, below which a pixel says nothing."""
ASIDE = 1.0
"""How much colour in other directions counts against a pixel."""
LEAST_MASS = 4.0
"""Pixels of full colour below which an object counts as lost."""
LEAST_MOTION = 0.5
"""Pixels from one frame to the next below which there is no direction to be wrong."""
LEAST_GROWTH = 0.15
"""Likewise of an object's extent."""


@dataclass(frozen=True)
class Tracks:
    """Objects found in clips.

    Attributes:
        position: (count, frame, object, 2), pixels, x right and y down; the middle of the frame where it was lost.
        extent: (count, frame, object), pixels: root mean square distance of its pixels from the centre, times the
            factor that makes it a disc's radius.
        found: (count, frame, object).
    """

    position: Float[Tensor, "count frame object 2"]
    extent: Float[Tensor, "count frame object"]
    found: Bool[Tensor, "count frame object"]


def track(frames: Float[Tensor, "count frame 3 height width"], colour: Float[Tensor, "count object 3"]) -> Tracks:
    """Find objects by their colour, in each frame on its own.

    Args:
        frames: RGB in [0, 1].
        colour: RGB of each object.

    Raises:
        ShapeError: Not as many sets of colours as clips.
    """
    weight = _weights(frames, colour)
    mass = weight.sum((-2, -1))
    height, width = frames.shape[-2:]
    x, y = torch.arange(width).float(), torch.arange(height).float()
    safe = mass.clamp(min=1e-6)
    centre_x = (weight.sum(-2) * x).sum(-1) / safe
    centre_y = (weight.sum(-1) * y).sum(-1) / safe
    spread = (
        (weight.sum(-2) * (x - centre_x[..., None]).square()).sum(-1)
        + (weight.sum(-1) * (y - centre_y[..., None]).square()).sum(-1)
    ) / safe
    found = mass >= LEAST_MASS
    position = torch.where(found[..., None], torch.stack((centre_x, centre_y), -1), _middle(frames))
    return Tracks(position, (2 * spread).sqrt(), found)  # A disc of radius r has the mean square distance r² / 2.


def colour_distances(
    frames: Float[Tensor, "count frame 3 height width"],
    colour: Float[Tensor, "count object 3"],
    position: Float[Tensor, "count frame object 2"],
    present: Bool[Tensor, "count object"],
) -> Float[Tensor, "count frame"]:
    """Mean distance of all of the objects' colour from where the objects should be, in pixels.

    An object that stands in two places by halves is far from the middle between them here, though not by `distances`.
    A lost object counts as in the middle of the frame, as there. An object at its place has two thirds of its radius.

    Args:
        frames: RGB in [0, 1].
        colour: RGB of each object.
        position: Where they are in truth.
        present: Objects that exist.

    Raises:
        ShapeError: Not as many sets of colours as clips.
    """
    weight = _weights(frames, colour)
    height, width = frames.shape[-2:]
    across = torch.arange(width).float() - position[..., 0, None]
    down = torch.arange(height).float() - position[..., 1, None]
    apart = torch.hypot(across[..., None, :], down[..., :, None])
    mass = weight.sum((-2, -1))
    mean = (weight * apart).sum((-2, -1)) / mass.clamp(min=1e-6)
    lost = (_middle(frames) - position).norm(dim=-1)
    return _mean_of_present(torch.where(mass >= LEAST_MASS, mean, lost), present)


def _weights(
    frames: Float[Tensor, "count frame 3 height width"], colour: Float[Tensor, "count object 3"]
) -> Float[Tensor, "count frame object height width"]:
    """How far each pixel belongs to each object."""
    if len(frames) != len(colour):
        raise ShapeError(f"There are {len(frames)} clips and colours for {len(colour)}.")
    tint = frames - frames.mean(2, keepdim=True)
    own = colour - colour.mean(-1, keepdim=True)
    length = own.norm(dim=-1).clamp(min=1e-6)
    direction = own / length[..., None]
    along = torch.einsum("ntchw,noc->ntohw", tint, direction)
    squared = tint.square().sum(2)[:, :, None]
    aside = (squared - along.square()).clamp(min=0).sqrt()
    likeness = (along - ASIDE * aside) / length[:, None, :, None, None]
    return ((likeness - FLOOR) / (1 - FLOOR)).clamp(0, 1)


def _middle(frames: Tensor) -> Float[Tensor, " 2"]:
    height, width = frames.shape[-2:]
    return torch.tensor([(width - 1) / 2, (height - 1) / 2])


def _mean_of_present(
    values: Float[Tensor, "count frame object"], present: Bool[Tensor, "count object"]
) -> Float[Tensor, "count frame"]:
    there = present[:, None].float()
    return (values * there).sum(-1) / there.sum(-1).clamp(min=1)


def distances(
    made: Tracks, position: Float[Tensor, "count frame object 2"], present: Bool[Tensor, "count object"]
) -> Float[Tensor, "count frame"]:
    """Mean distance of the objects from where they should be, in pixels.

    A lost object counts as in the middle of the frame: leaving it out would reward losing it.

    Args:
        made: Found in what a method made.
        position: Where they are in truth.
        present: Objects that exist.
    """
    return _mean_of_present((made.position - position).norm(dim=-1), present)


def wrong_way(
    made: Tracks, truth: Tracks, present: Bool[Tensor, "count object"]
) -> tuple[Float[Tensor, " count"], Float[Tensor, " count"]]:
    """Steps from frame to frame in which an object moves against the truth, or shrinks where it grows.

    Args:
        made: Found in what a method made.
        truth: Found in the true frames, by the same means.
        present: Objects that exist.

    Returns:
        For each clip the number of such steps, and of the steps that have a direction: those in which the object was
        found before and after, in the truth and as made, and moves or grows by more than a threshold in truth.
    """
    seen = made.found & truth.found
    usable = (seen[:, 1:] & seen[:, :-1]) & present[:, None]
    true_step, made_step = (tracks.position.diff(dim=1) for tracks in (truth, made))
    true_growth, made_growth = (tracks.extent.diff(dim=1) for tracks in (truth, made))
    moves = true_step.norm(dim=-1) >= LEAST_MOTION
    grows = ~moves & (true_growth.abs() >= LEAST_GROWTH)
    against = ((true_step * made_step).sum(-1) < 0) & (made_step.norm(dim=-1) >= LEAST_MOTION)
    shrinks = (true_growth * made_growth < 0) & (made_growth.abs() >= LEAST_GROWTH)
    wrong = usable & ((moves & against) | (grows & shrinks))
    judged = usable & (moves | grows)
    return wrong.float().sum((1, 2)), judged.float().sum((1, 2))
