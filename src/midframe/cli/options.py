"""Options that several commands share, each described once."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from midframe.core.errors import UsageError

if TYPE_CHECKING:
    from midframe.video import EncodeOptions

SOURCE = (
    "Any video that FFmpeg reads, an animation, a folder of pictures, a pattern of their names (in/%04d.png, "
    "'in/*.png'), or - for standard input."
)
TARGET = (
    "Its suffix chooses the format: mp4, mkv, mov, webm, gif, apng, webp, y4m. A folder (OUT/) or a pattern "
    "(out/%06d.png) means pictures, - means y4m on standard output."
)
RATE, METHOD, OUTPUT = "Rate", "Method", "Output"
"""Panels of the help page."""

InputRate: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Rate of pictures that are read. Default: 25.", rich_help_panel=RATE),
]
Fps: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="RATE", help="Resample to this rate: 60, 59.94, 60000/1001.", rich_help_panel=RATE),
]
Multi: TypeAlias = Annotated[
    int | None,
    typer.Option(metavar="N", help="Put N-1 frames into each gap. Default: 2.", rich_help_panel=RATE),
]
Slow: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="F",
        help="Stretch time by F and show the result at the source's rate, or at --fps.",
        rich_help_panel=RATE,
    ),
]
Vfr: TypeAlias = Annotated[
    bool,
    typer.Option("--vfr", help="Keep the source's own instants and add between them.", rich_help_panel=RATE),
]
Ramp: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="T:SPEED,...",
        help="Change the speed on the way: 0:1,5:0.25,8:1 slows down to a quarter at 5 s of the source and back.",
        rich_help_panel=RATE,
    ),
]
Repair: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Keep all frames and the rate; make anew only what does not decode or is missing from the cadence.",
        rich_help_panel=RATE,
    ),
]
Cuts: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="auto|off|FILE",
        help="Detect scene cuts, or take those that a file lists, and never blend across them.",
        rich_help_panel=RATE,
    ),
]
CutStyle: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="hold|repeat",
        help="Before a cut: hold the old scene's last frame, or repeat the nearer of the two frames.",
        rich_help_panel=RATE,
    ),
]
Dedupe: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--dedupe",
        help="Fill with motion the place of frames that repeat the one before: animation on twos, broken captures.",
        rich_help_panel=RATE,
    ),
]

Deinterlace: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="off|frames|fields",
        help="Interlaced source: make a whole frame of each frame, or of each field at twice the rate.",
        rich_help_panel=RATE,
    ),
]
ProtectOverlays: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--protect-overlays",
        help="Keep what stands still while its surroundings move from being warped: subtitles, logos, displays.",
        rich_help_panel=METHOD,
    ),
]

Part: TypeAlias = Annotated[
    str | None,
    typer.Option("--at", metavar="START-END", help="Only this part, in seconds or minutes: 12.5-14, 1:02-1:04."),
]

Method: TypeAlias = Annotated[
    str, typer.Option(help="Name of the method; `midframe methods` lists them.", rich_help_panel=METHOD)
]
MethodArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="METHOD", help="Name of the method; `midframe methods` lists them.")
]
Weights: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Weights of your own instead of the shipped ones.", rich_help_panel=METHOD),
]
Scale: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="auto|0.25|0.5|1",
        help="Resolution of the flow; smaller for large pictures and motions.",
        rich_help_panel=METHOD,
    ),
]
Precision: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="auto|fp32|bf16|fp16",
        help="auto: fp16 on CUDA, bf16 on a CPU that has it, else fp32.",
        rich_help_panel=METHOD,
    ),
]
Device: TypeAlias = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to compute.", rich_help_panel=METHOD)
]
Tta: TypeAlias = Annotated[
    bool,
    typer.Option("--tta", help="Average with the mirrored frames: slower, better.", rich_help_panel=METHOD),
]
Steps: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="From noise to picture, for methods that sample (mivid, madiff, inbetween). Default: its weights'.",
        rich_help_panel=METHOD,
    ),
]
Setting: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="What one method alone knows (inbetween: docs/methods/inbetween.md); give it again for more.",
        rich_help_panel=METHOD,
    ),
]
Memory: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="Most memory of the whole process: 4GB, 800MB, 2GiB. Default: what is free, with a margin.",
        rich_help_panel=METHOD,
    ),
]
Jobs: TypeAlias = Annotated[
    int,
    typer.Option(
        min=1,
        metavar="N",
        help="Processes that make parts of the video side by side, each with its share of cores and memory.",
        rich_help_panel=METHOD,
    ),
]
Seed: TypeAlias = Annotated[int, typer.Option(help="Seed of methods that draw.", rich_help_panel=METHOD)]

Codec: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="h264, h265, vp9, av1, prores, ffv1, or FFmpeg's name of an encoder. Default: h264, in webm vp9.",
        rich_help_panel=OUTPUT,
    ),
]
Quality: TypeAlias = Annotated[
    int | None,
    typer.Option(
        metavar="Q",
        help="On the encoder's own scale (CRF 0 to 51 for h264), mostly lower is better. Default: visually lossless.",
        rich_help_panel=OUTPUT,
    ),
]
Preset: TypeAlias = Annotated[
    str | None, typer.Option(help="Speed of the encoder, in its own words.", rich_help_panel=OUTPUT)
]
PixelFormat: TypeAlias = Annotated[
    str | None,
    typer.Option(help="FFmpeg's name. Default: nearest to the source's.", rich_help_panel=OUTPUT),
]
EncoderOption: TypeAlias = Annotated[
    list[str],
    typer.Option(metavar="KEY=VALUE", help="Passed to the encoder; give it again for more.", rich_help_panel=OUTPUT),
]
AllowLoss: TypeAlias = Annotated[
    bool,
    typer.Option("--allow-loss", help="Write even where depth or transparency is lost.", rich_help_panel=OUTPUT),
]
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", "-y", help="Replace a file that exists.", rich_help_panel=OUTPUT)
]


def settings(pairs: Sequence[str]) -> dict[str, object]:
    """A method's own settings, from NAME=VALUE: numbers, truth values and lists as in TOML, anything else as text.

    Raises:
        UsageError: A pair of another form.
    """
    values: dict[str, object] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not (name and separator and text):
            raise UsageError(f"A setting is written as NAME=VALUE; got '{pair}'.")
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    return values


def encode_options(
    codec: str | None,
    quality: int | None,
    preset: str | None,
    pixel_format: str | None,
    encoder_option: Sequence[str],
    allow_loss: bool,
) -> EncodeOptions:
    """The output options as one value.

    Raises:
        UsageError: An encoder option without a key or a value.
    """
    from midframe.video import EncodeOptions

    pairs = [option.partition("=") for option in encoder_option]
    for option, (key, separator, value) in zip(encoder_option, pairs, strict=True):
        if not (key and separator and value):
            raise UsageError(f"An encoder option is written as KEY=VALUE; got '{option}'.")
    return EncodeOptions(
        codec=codec,
        quality=quality,
        preset=preset,
        pixel_format=pixel_format,
        encoder_options={key: value for key, _, value in pairs},
        allow_loss=allow_loss,
    )
