"""Raise the frame rate of a rendered scene four times, and compare with the frames that were left out.

    python examples/demo.py [METHOD]

The scene's exact frames are known at every instant. Every fourth goes into `demo-output/source.mp4`; the
command line makes `METHOD.mp4` and `blend.mp4` of it; what both put between is compared with the truth.
"""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from midframe.data.synthetic import render_scene
from midframe.video import read_frames_at

OUTPUT = Path("demo-output")
SIZE = 272, 480
FACTOR = 4
SOURCE_RATE = 15
GAPS = 16
SCENE_GAPS = 6
"""Length of the motion in the renderer's own unit, in which a sprite crosses up to 48 pixels."""
SEED = 7


def main(method: str = "rife") -> None:
    """Render, interpolate with the method and with blending, compare, and leave the files to look at."""
    OUTPUT.mkdir(exist_ok=True)
    truth = render_truth()
    source = OUTPUT / "source.mp4"
    write_video(source, truth[::FACTOR])
    between = [index for index in range(len(truth)) if index % FACTOR]
    made: dict[str, list[np.ndarray]] = {}
    for name in dict.fromkeys((method, "blend")):
        target = OUTPUT / f"{name}.mp4"
        interpolate(source, target, name)
        made[name] = read_frames_at(target, between)
        values = [psnr(frame, truth[index]) for frame, index in zip(made[name], between, strict=True)]
        print(f"{name}: {np.mean(values):.2f} dB PSNR over {len(values)} new frames")
        hardest = int(np.argmin(values))  # For blending, which comes last.
    pictures = {"truth": truth[between[hardest]], **{name: frames[hardest] for name, frames in made.items()}}
    write_side_by_side(OUTPUT / "side-by-side.png", pictures)
    print(f"Look at {OUTPUT}/: source.mp4, {', '.join(f'{name}.mp4' for name in made)}, side-by-side.png")


def render_truth() -> np.ndarray:
    """All frames at the high rate, (time, height, width, 3) uint8."""
    last = GAPS * FACTOR
    half = Fraction(1, 2)
    times = [half + SCENE_GAPS * (Fraction(index, last) - half) for index in range(last + 1)]
    frames = render_scene(SEED, SIZE, times)
    return (frames * 255).round().byte().permute(0, 2, 3, 1).numpy()


def write_video(path: Path, frames: np.ndarray) -> None:
    """Encode frames as H.264 with BT.709 colour, all but without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=SOURCE_RATE, options={"crf": "8"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.colorspace = stream.color_primaries = stream.color_trc = 1
        stream.color_range = 1
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            converted = frame.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


def interpolate(source: Path, target: Path, method: str) -> None:
    """The one command that a user types."""
    options = ["--multi", str(FACTOR), "--method", method, "--overwrite"]
    command = [sys.executable, "-m", "midframe.cli", "interpolate", str(source), str(target), *options]
    print("midframe", *command[3:], flush=True)
    subprocess.run(command, check=True)


def psnr(frame: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in decibels."""
    error = np.mean((frame.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(255**2 / error))


def write_side_by_side(path: Path, pictures: dict[str, np.ndarray]) -> None:
    """One picture with a name in the corner of each part."""
    joined = Image.fromarray(np.concatenate(list(pictures.values()), axis=1))
    draw = ImageDraw.Draw(joined)
    for position, name in enumerate(pictures):
        corner = (position * SIZE[1] + 8, 8)
        draw.text(corner, name, fill="white", stroke_width=2, stroke_fill="black", font_size=20)
    joined.save(path)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:2])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
