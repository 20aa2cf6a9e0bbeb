"""Tiny video files with known content, made through PyAV and not through the code under test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48
BLACK_TO_WHITE_BARS = ((1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1), (0, 0, 0))
BAR_LEVEL = 0.75


def textures(count: int, step: int = 2, seed: int = 0, brightness: int = 0) -> list[np.ndarray]:
    """A smooth random texture that moves `step` pixels to the right in each frame."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 160, (HEIGHT // 8 + 1, WIDTH // 8 + 1, 3)).astype(np.float64)
    texture = np.kron(coarse, np.ones((8, 8, 1)))[:HEIGHT, :WIDTH] + brightness
    return [np.roll(texture, step * k, axis=1).astype(np.uint8) for k in range(count)]


def flat(level: int, count: int) -> list[np.ndarray]:
    """Frames of one grey level."""
    return [np.full((HEIGHT, WIDTH, 3), level, np.uint8)] * count


@dataclass
class Recipe:
    """How a clip is to be written.

    Attributes:
        times: Stamp of each frame in ticks of `time_base`; evenly spaced from `rate` where absent.
        last: Ticks for which the last frame stands; what the encoder supposes where absent.
        tags: Attributes of the codec context (colorspace, color_range, ...).
        audio: Seconds of AAC sound beside the video; none for 0.
        planes: Raw planes for each frame instead of RGB pixels.
        size: Width and height.
    """

    rate: Fraction = Fraction(24)
    times: Sequence[int] | None = None
    time_base: Fraction | None = None
    last: int | None = None
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: {"qp": "0", "preset": "ultrafast"})
    tags: dict[str, int] = field(default_factory=dict)
    audio: float = 0
    aspect: Fraction | None = None
    rotation: int = 0
    planes: Sequence[Sequence[np.ndarray]] | None = None
    container_options: dict[str, str] = field(default_factory=dict)
    subtitles: bool = False
    size: tuple[int, int] = (WIDTH, HEIGHT)


def make_clip(path: Path, frames: Sequence[np.ndarray], recipe: Recipe | None = None) -> Path:
    """Write frames to a file."""
    recipe = recipe or Recipe()
    base = recipe.time_base or 1 / recipe.rate
    with av.open(str(path), "w", options=recipe.container_options) as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=recipe.options)
        stream.width, stream.height = recipe.size
        stream.pix_fmt = recipe.pixel_format
        stream.codec_context.time_base = stream.time_base = base
        if recipe.aspect is not None:
            stream.codec_context.sample_aspect_ratio = recipe.aspect
        for name, value in recipe.tags.items():
            setattr(stream.codec_context, name, value)
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        sound = container.add_stream("aac", rate=48000, layout="mono") if recipe.audio else None
        if sound is not None:
            _encode_sound(container, sound, recipe.audio)
        stamps = recipe.times or [round(k / recipe.rate / base) for k in range(len(frames))]
        for index, (pixels, stamp) in enumerate(zip(frames, stamps, strict=True)):
            frame = _frame(pixels, recipe, index)
            frame.pts, frame.time_base = stamp, base
            if index + 1 < len(stamps):
                frame.duration = stamps[index + 1] - stamp
            for name, value in recipe.tags.items():
                setattr(frame, name, value)
            container.mux(_lasting(stream.encode(frame), stamps[-1], recipe.last))
        container.mux(_lasting(stream.encode(None), stamps[-1], recipe.last))
    return path


def make_sound(path: Path, seconds: float = 0.5) -> Path:
    """A file without video."""
    with av.open(str(path), "w") as container:
        _encode_sound(container, container.add_stream("aac", rate=48000, layout="mono"), seconds)
    return path


def bars_rgb() -> np.ndarray:
    """Eight colour bars of 8 pixels each at 75 %, as RGB in [0, 1]."""
    bars = np.array(BLACK_TO_WHITE_BARS) * BAR_LEVEL
    return np.broadcast_to(np.repeat(bars, WIDTH // 8, axis=0), (HEIGHT, WIDTH, 3))


def bars_planes(red: float, blue: float, full_range: bool, depth: int = 8) -> list[np.ndarray]:
    """The bars as 4:4:4 planes, straight from the equations of ITU-T H.273."""
    rgb = bars_rgb()
    luma = rgb @ np.array([red, 1 - red - blue, blue])
    chroma_blue = (rgb[..., 2] - luma) / (2 * (1 - blue))
    chroma_red = (rgb[..., 0] - luma) / (2 * (1 - red))
    scale, white = 2 ** (depth - 8), 2**depth - 1
    if full_range:
        planes = (luma * white, chroma_blue * white + 128 * scale, chroma_red * white + 128 * scale)
    else:
        planes = (
            (16 + 219 * luma) * scale,
            (128 + 224 * chroma_blue) * scale,
            (128 + 224 * chroma_red) * scale,
        )
    return [np.rint(plane).astype(np.uint8 if depth == 8 else np.uint16) for plane in planes]


def decoded_planes(path: Path) -> list[list[np.ndarray]]:
    """All planes of all frames, as stored."""
    frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            depth = frame.format.components[0].bits
            frames.append([_plane(plane, depth).copy() for plane in frame.planes])
    return frames


def packet_times(path: Path, kind: str) -> list[Fraction]:
    """Presentation times of all packets of the first stream of a kind, in seconds, ascending."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return sorted(packet.pts * packet.time_base for packet in container.demux(stream) if packet.pts is not None)


def packet_bytes(path: Path, kind: str) -> list[bytes]:
    """Payload of all packets of the first stream of a kind."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def _lasting(packets: list[av.Packet], stamp: int, ticks: int | None) -> list[av.Packet]:
    """Packets, of which the one with a stamp lasts for some ticks: encoders do not hand on a frame's duration."""
    for packet in packets:
        if ticks is not None and packet.pts == stamp:
            packet.duration = ticks
    return packets


def _frame(pixels: np.ndarray, recipe: Recipe, index: int) -> av.VideoFrame:
    if recipe.planes is None:
        return av.VideoFrame.from_ndarray(pixels, format="rgb24" if pixels.shape[2] == 3 else "rgba").reformat(
            format=recipe.pixel_format, dst_colorspace=5, dst_color_range=1
        )
    frame = av.VideoFrame(*recipe.size, recipe.pixel_format)
    for plane, values in zip(frame.planes, recipe.planes[index], strict=True):
        _plane(plane, 8 if values.dtype == np.uint8 else 10)[:] = values
    return frame


def _plane(plane, depth: int) -> np.ndarray:
    values = np.frombuffer(plane, np.uint8 if depth == 8 else np.uint16)
    return values.reshape(plane.height, -1)[:, : plane.width]


def _encode_sound(container, stream, seconds: float) -> None:
    samples = round(48000 * seconds)
    wave = (0.3 * np.sin(np.arange(samples) * (440 * 2 * np.pi / 48000))).astype(np.float32)
    for start in range(0, samples, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
