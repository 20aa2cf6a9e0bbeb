"""`midframe plan`: what `midframe interpolate` would do with the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from midframe.cli import options


def plan(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help=options.SOURCE)],
    target: Annotated[
        str | None, typer.Argument(metavar="[OUTPUT]", help="Default: INPUT-midframe beside the input.")
    ] = None,
    input_rate: options.InputRate = None,
    fps: options.Fps = None,
    multi: options.Multi = None,
    slow: options.Slow = None,
    vfr: options.Vfr = False,
    ramp: options.Ramp = None,
    repair: options.Repair = False,
    cuts: options.Cuts = "auto",
    cut_style: options.CutStyle = "hold",
    deinterlace: options.Deinterlace = "off",
    dedupe: options.Dedupe = False,
    protect_overlays: options.ProtectOverlays = False,
    method: options.Method = "rife",
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    steps: options.Steps = None,
    setting: options.Setting = None,
    memory: options.Memory = None,
    jobs: options.Jobs = 1,
    codec: options.Codec = None,
    quality: options.Quality = None,
    preset: options.Preset = None,
    pixel_format: options.PixelFormat = None,
    encoder_option: options.EncoderOption = [],  # noqa: B006  (Typer copies it)
    allow_loss: options.AllowLoss = False,
    overwrite: options.Overwrite = False,
    measured: Annotated[
        bool,
        typer.Option("--measure", help="Make a few frames, to tell how long all of it takes and how large it gets."),
    ] = False,
) -> None:
    """Print frames, cuts, colours, memory, time, and which streams are kept and lost; write nothing."""
    from midframe import api  # Imports PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device, resolve_precision

    interpolator = api.load(
        method,
        weights=weights,
        device=device,
        precision=precision,
        scale=scale,
        tta=tta,
        steps=steps,
        settings=options.settings(setting or ()),
    )
    made = api.plan_video(
        source,
        target or _free_choice(source),
        method=interpolator,
        device=device,
        input_rate=input_rate,
        fps=fps,
        multi=multi,
        slow=slow,
        vfr=vfr,
        ramp=ramp,
        repair=repair,
        cuts=cuts,
        cut_style=cut_style,
        deinterlace=deinterlace,
        dedupe=dedupe,
        protect_overlays=protect_overlays,
        encode=options.encode_options(codec, quality, preset, pixel_format, encoder_option, allow_loss),
        overwrite=overwrite or target is None,  # nobody asked for that name
        memory=memory,
        workers=jobs,
        measured=measured,
    )
    table = Table(Column(), Column(overflow="fold"), box=None, show_header=False)
    table.add_row("method", interpolator.spec.name)
    if api.methods()[method].has_network:  # A formula has no precision of its own.
        resolved = resolve_device(device)
        number_format = str(resolve_precision(precision, resolved)).removeprefix("torch.")
        table.add_row("network", f"{number_format} on {resolved}")
    for heading, text in made.lines():
        table.add_row(heading, text)
    # Names of files may hold brackets, in which Rich would see markup.
    Console(markup=False, highlight=False).print(table)


def _free_choice(source: Path) -> Path:
    """The target where none was named: like the source, in Matroska where its own kind cannot be written."""
    from midframe.video.formats import PIPE, VIDEO
    from midframe.video.picture_list import is_picture_list

    if source == PIPE:
        return Path("output-midframe.mkv")
    if is_picture_list(source):
        folder = source if source.is_dir() else source.parent
        return folder.absolute().with_name(f"{folder.absolute().name}-midframe.mkv")
    suffix = source.suffix if source.suffix.lower() in VIDEO else ".mkv"
    return source.with_name(f"{source.stem}-midframe{suffix}")
