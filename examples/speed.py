"""Time a method against FFmpeg's minterpolate, in turns on one machine.

    python examples/speed.py [METHOD] [ROUNDS]

For each size: frames a second of the network alone, of minterpolate (mci, aobmc, bidirectional, vsbmc) alone, and the
CPU seconds that each takes for a new frame; then a whole run, file to file, at the largest size. Medians over the
rounds, in which all take turns.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import torch

import midframe
from midframe.core.method import Interpolator
from midframe.data.synthetic import render_scene
from midframe.video.filters import graph_of, ready

SIZES = (448, 256), (640, 360), (1280, 720)
FRAMES = 13
LONG = 121
"""Frames for the whole run: an encoder looks ahead by about forty, and does what it held back at the end alone."""
FILTER = "fps=48:mi_mode=mci:mc_mode=aobmc:me_mode=bidir:vsbmc=1"


def main(method: str = "rife", rounds: str = "5") -> None:
    """Print a line for each size, and one for the whole run."""
    interpolator = midframe.load(method)
    print(f"{method}, {torch.get_num_threads()} threads; medians of {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            clip = Path(folder) / f"{height}.mp4"
            write_clip(clip, width, height)
            frames = scene(width, height)
            timings = [(network(interpolator, frames), minterpolate(clip)) for _ in range(int(rounds))]
            ours, theirs = (
                [statistics.median(run[who][part] for run in timings) for part in (0, 1)] for who in (0, 1)
            )
            ratio = statistics.median(run[0][1] / run[1][1] for run in timings)
            print(
                f"{width}x{height}: {method} {1 / ours[0]:.2f} frames/s, {ours[1]:.3f} CPU s a frame; "
                f"minterpolate {1 / theirs[0]:.2f} frames/s, {theirs[1]:.3f} CPU s a frame; "
                f"CPU time ratio {ratio:.2f}"
            )
        write_clip(clip, width, height, LONG)
        paired = [
            (end_to_end(clip, Path(folder) / "out.mp4", interpolator), 1 / network(interpolator, frames)[0])
            for _ in range(int(rounds))
        ]
        print(
            f"{width}x{height}, file to file, x2: {statistics.median(run[0] for run in paired):.2f} new frames/s, "
            f"{statistics.median(whole / alone for whole, alone in paired):.2f} of the network alone beside it"
        )


def scene(width: int, height: int) -> torch.Tensor:
    """Two neighbouring frames, padded to a multiple of 64."""
    size = (height + -height % 64, width + -width % 64)
    return render_scene(3, size, [Fraction(0), Fraction(1)])[None]


def write_clip(path: Path, width: int, height: int, frames: int = FRAMES) -> None:
    """A short clip of a rendered scene, without loss.

    In mp4, whose times are exact: from times in whole milliseconds the filter would make nearly every frame anew.
    """
    times = [Fraction(index, 2) for index in range(frames)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in render_scene(3, (height, width), times):
            pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def network(interpolator: Interpolator, frames: torch.Tensor) -> tuple[float, float]:
    """Wall and CPU seconds for one new frame."""
    interpolator.interpolate(frames, [Fraction(1, 2)])
    wall, cpu, repeats = time.perf_counter(), time.process_time(), 4
    for _ in range(repeats):
        interpolator.interpolate(frames, [Fraction(1, 2)])
    return (time.perf_counter() - wall) / repeats, (time.process_time() - cpu) / repeats


def minterpolate(clip: Path) -> tuple[float, float]:
    """Wall and CPU seconds of FFmpeg's filter for each new frame of the doubled clip; decoding is not counted."""
    with av.open(str(clip)) as container:
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        assert stream.time_base is not None
        graph = graph_of("minterpolate", FILTER, stream.width, stream.height, frames[0].format, stream.time_base)
        wall, cpu, made = time.perf_counter(), time.process_time(), 0
        for frame in (*frames, None):
            graph.vpush(frame)
            made += sum(1 for _ in ready(graph.vpull))
        new = made // 2  # every other one is a frame of the clip, the first and the last among them
        return (time.perf_counter() - wall) / new, (time.process_time() - cpu) / new


def end_to_end(clip: Path, target: Path, interpolator: Interpolator) -> float:
    """New frames a second from file to file, loading the weights not counted."""
    started = time.perf_counter()
    result = midframe.interpolate_video(clip, target, method=interpolator, multi=2, overwrite=True)
    return result.made / (time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:3])
