"""Scenes that look wrong backwards, with every object's position known: falling, spreading, one-way traffic.

Most motion could as well run backwards; these cannot. A ball falls, bounces, and rises less each time. A puff
spreads and thins while it rises. Cars keep to the right-hand direction. A model of such clips has to know which way
time runs, and a method that plays it backwards is found out by a ruler.

Objects have full colours on grey ground, so that they can be found again in frames that somebody made
(`metrics.trajectory`). Positions are pixels, x right and y down, the top left pixel's centre at (0, 0).
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import IterableDataset

from midframe.core.errors import RecipeError

KINDS = ("falling", "spreading", "traffic")
OBJECTS = 2
"""Most in one scene; the second may be absent."""
SUBSTEPS = 16
"""Of the bouncing ball's path for a frame."""
REFERENCE = 64
"""Side in pixels that sizes and speeds below are told for; other sides scale them."""
GRAVITY = (0.8, 1.8)
"""Pixels a frame squared, for clips of nine frames."""
BOUNCE = (0.55, 0.75)
"""Part of its speed that a ball keeps at the ground."""
FLOOR = 58.0

Clips: TypeAlias = Float[Tensor, "count frame 3 height width"]


@dataclass(frozen=True)
class OneWayClips:
    """Clips with what is in them.

    Attributes:
        frames: RGB in [0, 1].
        position: (count, frame, object, 2), centres in pixels.
        extent: (count, frame, object), radius of a disc of the object's area, in pixels.
        colour: (count, object, 3), RGB.
        present: (count, object), whether it exists.
        kind: (count,), index in `KINDS`.
    """

    frames: Clips
    position: Float[Tensor, "count frame object 2"]
    extent: Float[Tensor, "count frame object"]
    colour: Float[Tensor, "count object 3"]
    present: Bool[Tensor, "count object"]
    kind: Int[Tensor, " count"]

    def __len__(self) -> int:
        return len(self.frames)


def render_one_way(
    count: int, frames: int, side: int, generator: torch.Generator, *, kinds: tuple[str, ...] = KINDS
) -> OneWayClips:
    """Draw and render clips.

    Args:
        count: Number of clips.
        frames: Of a clip; motion is the same a frame for any number.
        side: In pixels.
        generator: Source of everything random, on the CPU.
        kinds: Of scenes, drawn with equal chance.

    Raises:
        RecipeError: An unknown kind, fewer than two frames, or a side below 16.
    """
    if not kinds or set(kinds) - set(KINDS):
        raise RecipeError(f"Kinds of scenes are {', '.join(KINDS)}; got {', '.join(kinds) or 'none'}.")
    if frames < 2 or side < 16:
        raise RecipeError(f"A clip has at least 2 frames of 16 pixels; got {frames} of {side}.")
    scale = side / REFERENCE
    numbers = torch.tensor([KINDS.index(kind) for kind in kinds])
    kind = numbers[torch.randint(len(numbers), (count,), generator=generator)]
    # All three are drawn for each clip, and one is taken: a clip's draws do not depend on its neighbours' kinds.
    paths = [_fall(count, frames, generator), _spread(count, frames, generator), _drive(count, frames, generator)]
    row = torch.arange(count)
    position, extent, strength, half = (
        torch.stack([getattr(path, name) for path in paths])[kind, row]
        for name in ("position", "extent", "strength", "half")
    )
    present = torch.stack((torch.ones(count).bool(), torch.rand(count, generator=generator) < 0.5), 1)
    colour = _colours(count, generator)
    ground = _ground(count, side, generator)
    pictures = ground[:, None].expand(-1, frames, -1, -1, -1)
    soft = (kind == KINDS.index("spreading")).view(-1, 1, 1, 1)
    boxy = (kind == KINDS.index("traffic")).view(-1, 1, 1, 1)
    for number in range(OBJECTS):
        offset = _grid(side) - position[:, :, number, None, None] * scale
        covered = torch.where(
            soft,
            _puff(offset, extent[:, :, number] * scale, strength[:, :, number]),
            torch.where(boxy, _box(offset, half[:, number] * scale), _disc(offset, extent[:, :, number] * scale)),
        )
        alpha = (covered * present[:, number].view(-1, 1, 1, 1))[:, :, None]
        pictures = pictures * (1 - alpha) + colour[:, number].view(-1, 1, 3, 1, 1) * alpha
    return OneWayClips(pictures.clamp(0, 1), position * scale, extent * scale, colour, present, kind)


@dataclass(frozen=True)
class _Path:
    """Objects over time, for `REFERENCE`: position and extent as in `OneWayClips`; strength of a puff's colour
    (count, frame, object); half width and height of a box (count, object, 2)."""

    position: Tensor
    extent: Tensor
    strength: Tensor
    half: Tensor


def _between(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * (high - low) + low


def _fall(count: int, frames: int, generator: torch.Generator) -> _Path:
    """Balls let go somewhere above the ground, with a push to either side."""
    shape = (count, OBJECTS)
    radius = _between(shape, 4.0, 7.0, generator)
    gravity = _between((count, 1), *GRAVITY, generator).expand(shape)
    kept = _between(shape, *BOUNCE, generator)
    # One in each half, so that the two do not hide each other for long.
    x = _between(shape, 10.0, 26.0, generator) + torch.tensor([0.0, 28.0])
    y = _between(shape, 8.0, 34.0, generator)
    across, down = _between(shape, -1.6, 1.6, generator), torch.zeros(shape)
    places = []
    for frame in range(frames):
        if frame:
            for _ in range(SUBSTEPS):
                down = down + gravity / SUBSTEPS
                x, y = x + across / SUBSTEPS, y + down / SUBSTEPS
                landed = (y > FLOOR - radius) & (down > 0)
                down = torch.where(landed, -kept * down, down)
                y = torch.minimum(y, FLOOR - radius)
                walled = ((x < radius) & (across < 0)) | ((x > REFERENCE - 1 - radius) & (across > 0))
                across = torch.where(walled, -across, across)
        places.append(torch.stack((x, y), -1))
    position = torch.stack(places, 1)
    extent = radius[:, None].expand(-1, frames, -1)
    return _Path(position, extent, torch.ones_like(extent), radius[..., None].expand(-1, -1, 2))


def _spread(count: int, frames: int, generator: torch.Generator) -> _Path:
    """Puffs that grow with the root of time, thin as they grow, and rise."""
    shape = (count, OBJECTS)
    first = _between(shape, 3.0, 5.0, generator)
    growth = _between(shape, 1.6, 3.4, generator)
    x = _between(shape, 14.0, 24.0, generator) + torch.tensor([0.0, 26.0])
    y = _between(shape, 34.0, 50.0, generator)
    rise, drift = _between(shape, 0.6, 1.8, generator), _between(shape, -0.6, 0.6, generator)
    time = torch.arange(frames, dtype=torch.float32).view(1, -1, 1)
    extent = first[:, None] + growth[:, None] * time.sqrt()
    place = torch.stack((x[:, None] + drift[:, None] * time, y[:, None] - rise[:, None] * time), -1)
    strength = (first[:, None] / extent).sqrt()
    return _Path(place, extent, strength, first[..., None].expand(-1, -1, 2))


def _drive(count: int, frames: int, generator: torch.Generator) -> _Path:
    """Cars in two lanes, all to the right."""
    shape = (count, OBJECTS)
    half = torch.stack((_between(shape, 5.0, 8.0, generator), _between(shape, 3.0, 4.5, generator)), -1)
    speed = _between(shape, 1.6, 4.2, generator)
    x = _between(shape, 8.0, 22.0, generator)
    y = _between(shape, 14.0, 26.0, generator) + torch.tensor([0.0, 26.0])
    time = torch.arange(frames, dtype=torch.float32).view(1, -1, 1)
    across = x[:, None] + speed[:, None] * time
    place = torch.stack((across, y[:, None].expand(-1, frames, -1)), -1)
    extent = (4 * half.prod(-1) / math.pi).sqrt()[:, None].expand(-1, frames, -1)
    return _Path(place, extent, torch.ones_like(extent), half)


def _grid(side: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack((columns, rows), -1).float()


def _disc(offset: Tensor, radius: Tensor) -> Tensor:
    """Covered share of each pixel, with an edge a pixel wide."""
    return (radius[..., None, None] - offset.square().sum(-1).sqrt() + 0.5).clamp(0, 1)


def _puff(offset: Tensor, radius: Tensor, strength: Tensor) -> Tensor:
    """A bell whose weight lies within about its radius."""
    near = offset.square().sum(-1) / radius[..., None, None].square()
    return strength[..., None, None] * torch.exp(-near)


def _box(offset: Tensor, half: Tensor) -> Tensor:
    beside = half[:, None, None, None] - offset.abs() + 0.5
    return beside.clamp(0, 1).prod(-1)


def _colours(count: int, generator: torch.Generator) -> Tensor:
    """Full colours; two objects of a scene lie at least a third of the circle apart."""
    hue = torch.rand(count, generator=generator)
    apart = _between((count,), 1 / 3, 2 / 3, generator)
    hues = torch.stack((hue, hue + apart), 1) % 1.0
    table = torch.tensor([colorsys.hsv_to_rgb(step / 360, 0.9, 0.95) for step in range(360)])
    return table[(hues * 360).long() % 360]


def _ground(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Grey, brighter and darker in soft patches."""
    level = _between((count, 1, 1, 1), 0.35, 0.65, generator)
    patches = torch.zeros(count, 1, side, side)
    for cells, strength in ((3, 0.09), (6, 0.05)):
        noise = torch.randn(count, 1, cells, cells, generator=generator) * strength
        patches += functional.interpolate(noise, size=(side, side), mode="bicubic", align_corners=True)
    return (level + patches).clamp(0.1, 0.9).expand(-1, 3, -1, -1)


class OneWayStream(IterableDataset):
    """An endless stream of batches with `frames`, (batch, frame, 3, side, side) uint8; a function of seed and number.

    Args:
        batch: Clips in a batch.
        frames: Of a clip.
        side: In pixels.
        seed: Of everything random.
        first: Number of the first batch.
        stride: Distance to the next number.
        pool: Different batches, which come again and again; None for ever new ones.
    """

    def __init__(
        self,
        batch: int,
        frames: int,
        side: int,
        seed: int,
        first: int = 0,
        stride: int = 1,
        pool: int | None = None,
    ) -> None:
        self.batch, self.frames, self.side, self.seed = batch, frames, side, seed
        self.first, self.stride, self.pool = first, stride, pool

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        number = self.first + offset * self.stride
        while True:
            draw = numbered_generator(self.seed, number if self.pool is None else number % self.pool)
            clips = render_one_way(self.batch, self.frames, self.side, draw)
            yield {"frames": to_bytes(clips.frames)}
            number += step * self.stride


def numbered_generator(seed: int, number: int) -> torch.Generator:
    """Randomness of one batch of a run."""
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % 2**63)


def to_bytes(frames: Tensor) -> Tensor:
    """Frames in [0, 1] as uint8."""
    return (frames.clamp(0, 1) * 255).round().byte()
