"""Clips to disturb, and what is in a file that came of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 96, 64
REPRODUCIBLE = {"fflags": "+bitexact"}
"""Without it Matroska writes random numbers."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """How a clip is made.

    Attributes:
        name: Of its file; the suffix chooses the container.
        scenes: Frames of each scene.
        rate: Frames per second.
        jitter: Every third frame comes this part of a frame later.
        codec: FFmpeg's encoder.
        pixel_format: FFmpeg's name.
        sound: Encoder of a sound beside the picture; empty for none.
        options: Of the encoder.
    """

    name: str
    scenes: Sequence[int]
    rate: Fraction = Fraction(25)
    jitter: Fraction = Fraction(0)
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    sound: str = ""
    options: tuple[tuple[str, str], ...] = ()


def make(clip: Clip, folder: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Write a clip: a texture with noise that moves, another one in each scene."""
    path = folder / clip.name
    base = 1 / (clip.rate * 16) if clip.jitter else 1 / clip.rate
    with av.open(str(path), "w", options=REPRODUCIBLE) as container:
        stream = container.add_stream(clip.codec, rate=clip.rate, options=dict(clip.options))
        stream.width, stream.height = size
        stream.pix_fmt = clip.pixel_format
        stream.codec_context.time_base = stream.time_base = base
        sound = container.add_stream(clip.sound, rate=48000, layout="mono") if clip.sound else None
        number = 0
        for scene, count in enumerate(clip.scenes):
            for pixels in _moving(count, scene, size):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=clip.pixel_format)
                late = clip.jitter if number % 3 == 1 else 0
                frame.pts, frame.time_base = round((number + late) / clip.rate / base), base
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode(None))
        if sound is not None:
            _hum(container, sound, float(number / clip.rate))
    return path


def _moving(count: int, seed: int, size: tuple[int, int]) -> list[np.ndarray]:
    width, height = size
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 160, (height // 8 + 1, width // 8 + 1, 3))
    texture = np.kron(coarse, np.ones((8, 8, 1), np.int64))[:height, :width] + 40 * (seed % 3)
    texture = np.clip(texture + generator.integers(-12, 13, texture.shape), 0, 255).astype(np.uint8)
    return [np.roll(texture, 2 * k, axis=1) for k in range(count)]


def _hum(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = (0.3 * np.sin(np.arange(round(48000 * seconds)) * (440 * 2 * np.pi / 48000))).astype(np.float32)
    resampler = av.AudioResampler(stream.format, "mono", 48000, stream.codec_context.frame_size or 1024)
    for start in range(0, len(wave), 960):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 960], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for piece in resampler.resample(frame):
            container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


@dataclass(frozen=True)
class Content:
    """What is in a file.

    Attributes:
        digest: Of all decoded frames with their times, of the stamps of all packets, and of the payload of all
            packets beside the video.
        frames: Decoded.
        ascending: Each frame comes later than the one before it.
        end: Seconds from the first frame to the end of the last.
    """

    digest: str
    frames: int
    ascending: bool
    end: Fraction


def content_of(path: Path) -> Content:
    """Decode a file; raises what FFmpeg raises where something does not decode."""
    digest = hashlib.sha256()
    times: list[Fraction] = []
    end = Fraction(0)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        for packet in container.demux():
            digest.update(f"{packet.stream.index} {packet.pts} {packet.dts} {packet.duration}".encode())
            if packet.stream.index != video.index:
                digest.update(bytes(packet))
                continue
            if packet.pts is not None:
                end = max(end, (packet.pts + packet.duration) * packet.time_base)
            for frame in packet.decode():
                times.append(frame.pts * frame.time_base)
                digest.update(f"{times[-1]}".encode())
                digest.update(np.ascontiguousarray(frame.to_ndarray()).tobytes())
        if video.duration is not None and video.start_time is not None and "mp4" in container.format.name:
            end = (video.start_time + video.duration) * video.time_base
    ascending = all(early < late for early, late in itertools.pairwise(times))
    return Content(digest.hexdigest(), len(times), ascending, end - (times[0] if times else 0))
