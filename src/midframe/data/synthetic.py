"""Layered moving scenes with known truth: the exact frame at any time, and the exact flow between any two.

A scene is a textured background under textured sprites. Every layer moves as a whole: translation with
acceleration, rotation and scaling, all smooth in time. A sprite's outline is a closed formula in its own
coordinates (a stretched, wavy ellipse, bar or ring), so that edges are exact at any pose.

Coordinates are pixels, x right and y down. A layer's point u lies in the frame of time s at

    x(s) = centre(s) + size(s) R(angle(s)) u
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as functional
from jaxtyping import Bool, Float
from torch import Tensor

from midframe.core.errors import ShapeError

WAVES = 3
"""Sine terms in a sprite's outline."""
WINDOW_INSTANTS = {"earlier": -1.0, "before": 0.0, "after": 1.0, "later": 2.0}


@dataclass(frozen=True)
class SceneStyle:
    """What a random scene may contain.

    Attributes:
        sprites: Layers over the background.
        motion_pixels: Largest displacement of a layer between time 0 and 1.
        turn_radians: Largest rotation between time 0 and 1.
        zoom: Largest change of the natural logarithm of size between time 0 and 1.
        acceleration: Largest second-order displacement, as a part of the first-order one.
        brightness: Largest change of a frame's gain over the gap.
    """

    sprites: int = 4
    motion_pixels: float = 48.0
    turn_radians: float = 0.5
    zoom: float = 0.2
    acceleration: float = 0.25
    brightness: float = 0.04


@dataclass(frozen=True)
class Scenes:
    """A batch of scenes; every tensor leads with (batch, layer), background first.

    Attributes:
        textures: (batch, layer, 3, size, size), RGB in [0, 1].
        position, velocity, acceleration: (batch, layer, 2), pixels; time is measured in gaps from the middle.
        angle, turn: (batch, layer), radians and radians a gap.
        zoom: (batch, layer), change of log size a gap.
        extent: (batch, layer, 2), half axes of the outline in pixels; of no meaning for the background.
        hole: (batch, layer), relative radius of a hole (0: none).
        waves: (batch, layer, WAVES, 2), amplitude and phase of the outline's sine terms.
        gain: (batch,), change of brightness a gap.
    """

    textures: Tensor
    position: Tensor
    velocity: Tensor
    acceleration: Tensor
    angle: Tensor
    turn: Tensor
    zoom: Tensor
    extent: Tensor
    hole: Tensor
    waves: Tensor
    gain: Tensor

    def render(
        self, time: Float[Tensor, " batch"], size: tuple[int, int]
    ) -> tuple[Float[Tensor, "batch 3 height width"], Float[Tensor, "batch layer height width"]]:
        """The frame at one time for each scene.

        Args:
            time: 0 is the frame before, 1 the frame after.
            size: Height and width in pixels.

        Returns:
            RGB in [0, 1], and each layer's visible share of each pixel.
        """
        batch, layers = self.position.shape[:2]
        points = self._to_layers(_pixel_grid(size, self.position), time)
        alpha = self._coverage(points)
        side = self.textures.shape[-1]
        colours = functional.grid_sample(
            self.textures.flatten(0, 1),
            (points * (2 / side)).flatten(0, 1),
            mode="bilinear",
            padding_mode="reflection",
            align_corners=False,
        ).unflatten(0, (batch, layers))
        # Visible share: own coverage times what the layers above let through.
        above = torch.cat((1 - alpha[:, 1:], torch.ones_like(alpha[:, :1])), dim=1)
        shares = alpha * above.flip(1).cumprod(1).flip(1)
        gain = 1 + self.gain * (time - 0.5)
        frame = (colours * shares[:, :, None]).sum(1) * gain[:, None, None, None]
        return frame.clamp(0, 1), shares

    def flow(
        self,
        source: Float[Tensor, " batch"],
        target: Float[Tensor, " batch"],
        size: tuple[int, int],
        top: Tensor,
    ) -> Float[Tensor, "batch 2 height width"]:
        """Displacement of every pixel's topmost layer from one time to another, in pixels.

        Args:
            source: Time of the pixels.
            target: Time that they move to.
            size: Height and width in pixels.
            top: (batch, height, width), index of the layer seen at the source time.
        """
        grid = _pixel_grid(size, self.position)
        points = self._to_layers(grid, source)
        size_there, cosine, sine, centre = self._pose(target)
        x, y = points.unbind(-1)
        there = torch.stack((cosine * x - sine * y, sine * x + cosine * y), -1) * size_there[..., None] + centre
        index = top[:, None, :, :, None].expand(-1, 1, -1, -1, 2)
        return (there.gather(1, index)[:, 0] - grid).permute(0, 3, 1, 2)

    def _pose(self, time: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Size, cosine and sine of the angle (batch, layer, 1, 1), centre (batch, layer, 1, 1, 2)."""
        offset = (time - 0.5)[:, None]
        angle = self.angle + self.turn * offset
        centre = self.position + self.velocity * offset[..., None] + self.acceleration * offset[..., None] ** 2
        size = torch.exp(self.zoom * offset)
        return (
            size[..., None, None],
            angle.cos()[..., None, None],
            angle.sin()[..., None, None],
            centre[:, :, None, None],
        )

    def _to_layers(self, grid: Tensor, time: Tensor) -> Tensor:
        """Points of the picture in every layer's own coordinates, (batch, layer, height, width, 2)."""
        size, cosine, sine, centre = self._pose(time)
        x, y = (grid - centre).unbind(-1)
        return torch.stack((cosine * x + sine * y, cosine * y - sine * x), -1) / size[..., None]

    def _coverage(self, points: Tensor) -> Tensor:
        """Share of each pixel inside each layer's outline, with an edge one pixel wide."""
        # The background (layer 0) covers everything.
        x, y = (points[:, 1:] / self.extent[:, 1:, None, None]).unbind(-1)
        radius = torch.sqrt(x * x + y * y + 1e-9)
        outline = torch.ones_like(radius)
        # cos and sin of k times the direction by the addition theorem: no trigonometry per pixel.
        cosine_1, sine_1 = x / radius, y / radius
        cosine, sine = cosine_1, sine_1
        for wave in range(WAVES):
            cosine, sine = cosine * cosine_1 - sine * sine_1, sine * cosine_1 + cosine * sine_1
            amplitude, phase = self.waves[:, 1:, wave, :, None, None].unbind(2)
            outline = outline + (amplitude * phase.cos()) * sine + (amplitude * phase.sin()) * cosine
        reach = self.extent[:, 1:].amin(-1)[..., None, None]
        covered = ((outline - radius) * reach + 0.5).clamp(0, 1)
        hole = self.hole[:, 1:, None, None]
        if bool(hole.any()):
            inner = ((radius - hole * outline) * reach + 0.5).clamp(0, 1)
            covered = covered * torch.where(hole > 0, inner, 1.0)
        return torch.cat((torch.ones_like(covered[:, :1]), covered), dim=1)


def random_scenes(
    count: int,
    size: tuple[int, int],
    style: SceneStyle,
    generator: torch.Generator,
    textures: Float[Tensor, "pool 3 side side"] | None = None,
) -> Scenes:
    """Draw scenes.

    Args:
        count: Number of scenes.
        size: Height and width that they will be rendered at; sets how large sprites are and where they lie.
        style: Bounds of what may happen.
        generator: Source of all randomness; must live on the CPU.
        textures: RGB in [0, 1] to cut layers from; procedural noise without it. The scenes lie on its device.
    """
    layers = style.sprites + 1

    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(count, layers, *shape, generator=generator) * (high - low) + low

    height, width = size
    if textures is None:
        pool = noise_textures(count * layers, max(size), generator)
        chosen = pool.unflatten(0, (count, layers))
    else:
        pick = torch.randint(len(textures), (count, layers), generator=generator)
        chosen = textures[pick.to(textures.device)]
    position = uniform(2, low=-0.1, high=1.1) * torch.tensor([width, height])
    # Most layers move little, some far: the square favours small motions as real footage does.
    direction = uniform(high=2 * math.pi)
    speed = uniform() ** 2 * style.motion_pixels
    shared = torch.rand(count, 1, generator=generator) ** 2 * style.motion_pixels * 0.5
    shared_direction = torch.rand(count, 1, generator=generator) * 2 * math.pi
    velocity = torch.stack((direction.cos(), direction.sin()), -1) * speed[..., None]
    # A camera motion common to all layers.
    velocity = velocity + torch.stack((shared_direction.cos(), shared_direction.sin()), -1) * shared[..., None]
    extent = torch.exp(uniform(1, low=math.log(0.05), high=math.log(0.32))) * min(size)
    slim = torch.exp(uniform(low=math.log(0.12), high=0.0))
    # Every third sprite keeps equal axes, every sixth becomes a thin bar.
    slim = torch.where(uniform() < 0.33, torch.ones_like(slim), slim)
    extent = torch.cat((extent, (extent[..., 0] * slim).clamp(min=1.2)[..., None]), -1)
    hole = torch.where(uniform() < 0.2, uniform(low=0.5, high=0.85), torch.zeros(()))
    amplitudes = uniform(WAVES, high=0.22) / torch.arange(1, WAVES + 1)
    waves = torch.stack((amplitudes, uniform(WAVES, high=2 * math.pi)), -1)
    turn = uniform(low=-1.0, high=1.0) ** 3 * style.turn_radians
    zoom = uniform(low=-1.0, high=1.0) ** 3 * style.zoom
    angle = uniform(high=2 * math.pi)
    # The background turns less: far from its centre even a small angle is a large motion.
    turn[:, 0] *= 0.2
    zoom[:, 0] *= 0.4
    position[:, 0] = torch.tensor([width, height]) / 2
    acceleration = velocity * uniform(1, low=-1.0, high=1.0) * style.acceleration
    gain = (torch.rand(count, generator=generator) * 2 - 1) * style.brightness
    device = chosen.device
    return Scenes(
        textures=chosen,
        position=position.to(device),
        velocity=velocity.to(device),
        acceleration=acceleration.to(device),
        angle=angle.to(device),
        turn=turn.to(device),
        zoom=zoom.to(device),
        extent=extent.to(device),
        hole=hole.to(device),
        waves=waves.to(device),
        gain=gain.to(device),
    )


def render_triplets(
    scenes: Scenes, time: Float[Tensor, " batch"], size: tuple[int, int]
) -> tuple[
    Float[Tensor, "batch 3 3 height width"],
    Float[Tensor, "batch 4 height width"],
    Bool[Tensor, "batch 2 height width"],
]:
    """Before, target and after of each scene, with the exact flow from the target to both.

    Returns:
        Frames (before, target, after); flow target->before and target->after in pixels; and whether the point
        seen at the target is seen in before and in after too.
    """
    batch = len(time)
    zero, one = time.new_zeros(batch), time.new_ones(batch)
    before, shares_before = scenes.render(zero, size)
    target, shares = scenes.render(time, size)
    after, shares_after = scenes.render(one, size)
    top = shares.argmax(1)
    flows, seen = [], []
    for there, shares_there in ((zero, shares_before), (one, shares_after)):
        flow = scenes.flow(time, there, size, top)
        flows.append(flow)
        seen.append(_lands_on_itself(flow, top, shares_there.argmax(1)))
    return torch.stack((before, target, after), 1), torch.cat(flows, 1), torch.stack(seen, 1)


def render_windows(
    scenes: Scenes, time: Float[Tensor, " batch"], size: tuple[int, int]
) -> tuple[
    Float[Tensor, "batch 5 3 height width"],
    Float[Tensor, "batch 8 height width"],
    Bool[Tensor, "batch 4 height width"],
]:
    """Four inputs a gap apart and the target between the middle two, with the exact motion of the middle two.

    Returns:
        Frames (earlier, before, target, after, later); motion before->after, before->earlier, after->before and
        after->later in pixels; and whether the point is seen at the end of each of the four too.
    """
    instants = {name: time.new_full(time.shape, at) for name, at in WINDOW_INSTANTS.items()}
    rendered = {name: scenes.render(at, size) for name, at in instants.items()}
    tops = {name: shares.argmax(1) for name, (_, shares) in rendered.items()}
    flows, seen = [], []
    for source, goal in (("before", "after"), ("before", "earlier"), ("after", "before"), ("after", "later")):
        flow = scenes.flow(instants[source], instants[goal], size, tops[source])
        flows.append(flow)
        seen.append(_lands_on_itself(flow, tops[source], tops[goal]))
    target, _ = scenes.render(time, size)
    pictures = {"target": target} | {name: picture for name, (picture, _) in rendered.items()}
    order = ("earlier", "before", "target", "after", "later")
    return torch.stack([pictures[name] for name in order], 1), torch.cat(flows, 1), torch.stack(seen, 1)


def render_scene(
    seed: int, size: tuple[int, int], times: Sequence[Fraction], style: SceneStyle | None = None
) -> Float[Tensor, "time 3 height width"]:
    """One procedural scene at any times, for demonstrations and tests.

    Args:
        seed: Equal seeds give equal scenes.
        size: Height and width in pixels.
        times: In gaps: 0 and 1 are a gap apart; values outside [0, 1] continue the motion.
        style: Bounds of what may happen.
    """
    if min(size) < 8:
        raise ShapeError(f"a scene needs at least 8x8 pixels; got {size[0]}x{size[1]}.")
    generator = torch.Generator().manual_seed(seed)
    scenes = random_scenes(1, size, style or SceneStyle(), generator)
    return torch.cat([scenes.render(torch.tensor([float(time)]), size)[0] for time in times])


def noise_textures(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "count 3 side side"]:
    """Coloured noise over all octaves: every scale of detail, no two alike."""
    total = torch.zeros(count, 3, side, side)
    octave = 2
    while octave <= side:
        grid = torch.randn(count, 3, octave, octave, generator=generator)
        strength = torch.rand(count, 1, 1, 1, generator=generator) * octave**-0.4
        total += strength * functional.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
        octave *= 2
    base = torch.rand(count, 3, 1, 1, generator=generator)
    return (base + 0.25 * total).clamp(0, 1)


def _pixel_grid(size: tuple[int, int], like: Tensor) -> Tensor:
    """Pixel centres, (height, width, 2), x before y, the top left pixel at (0, 0)."""
    rows, columns = torch.meshgrid(
        torch.arange(size[0], dtype=like.dtype, device=like.device),
        torch.arange(size[1], dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack((columns, rows), -1)


def _lands_on_itself(flow: Tensor, top: Tensor, top_there: Tensor) -> Tensor:
    """Whether following the flow reaches a pixel, inside the picture, where the same layer is on top."""
    height, width = top.shape[-2:]
    grid = _pixel_grid((height, width), flow)
    there = (flow.permute(0, 2, 3, 1) + grid).round().long()
    x, y = there.unbind(-1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    index = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    landed = top_there.flatten(1).gather(1, index.flatten(1)).view_as(top)
    return inside & (landed == top)
