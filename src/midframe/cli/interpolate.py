"""`midframe interpolate`: a video in, a smoother video out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from midframe.cli import options
from midframe.cli.progress import print_event, show_progress

if TYPE_CHECKING:
    from midframe.engine import Progress, RunResult


def interpolate(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help=options.SOURCE)],
    target: Annotated[str, typer.Argument(metavar="OUTPUT", help=options.TARGET)],
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
    seed: options.Seed = 0,
    codec: options.Codec = None,
    quality: options.Quality = None,
    preset: options.Preset = None,
    pixel_format: options.PixelFormat = None,
    encoder_option: options.EncoderOption = [],  # noqa: B006  (Typer copies it)
    allow_loss: options.AllowLoss = False,
    overwrite: options.Overwrite = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Begin anew where an earlier run was stopped; without it that run goes on.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    sidecar: Annotated[
        bool,
        typer.Option(
            "--sidecar/--no-sidecar",
            help="Write OUTPUT.midframe.jsonl: source, options, weights, and a line for each new frame.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = True,
    confidence: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP.mkv",
            help="Also write how sure the method was (svmv): a grey video, brighter where it doubts, and MAP.csv.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    skip_damaged: Annotated[
        bool,
        typer.Option(
            "--skip-damaged", help="Go on without frames that do not decode.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
) -> None:
    """Raise the frame rate of a video, with its sound and all else kept.

    Shows a progress bar on a terminal and prints JSON lines elsewhere.
    """
    from midframe import api  # Imports PyTorch: not before a command needs it.
    from midframe.backends.local import LocalExecutor

    encode = options.encode_options(codec, quality, preset, pixel_format, encoder_option, allow_loss)
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
    to_pipe = target == "-"  # where nothing but pictures may go
    console = Console(markup=False, highlight=False, stderr=to_pipe)  # names of files may hold brackets
    begun = threading.Event()

    def watched(state: Progress) -> None:
        begun.set()
        progress(state)

    # A map of confidence begins anew with the whole run.
    with (
        _says_where_to_go_on(target, lambda: begun.is_set() and confidence is None),
        show_progress(console) as progress,
    ):
        result = api.interpolate_video(
            source,
            target,
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
            encode=encode,
            seed=seed,
            overwrite=overwrite,
            skip_damaged=skip_damaged,
            confidence=confidence,
            restart=restart,
            memory=memory,
            executor=LocalExecutor(jobs) if jobs > 1 else None,
            sidecar=sidecar,
            progress=watched,
        )
    _report(result, console)


@contextmanager
def _says_where_to_go_on(target: str, goes_on: Callable[[], bool]) -> Iterator[None]:
    """When the block is left early, say that what is finished waits, unless the command itself was refused."""
    from midframe.engine.work_folder import holds_segments, work_folder_of
    from midframe.video.formats import named_target

    try:
        yield
    except BaseException:
        folder = work_folder_of(named_target(target))
        with suppress(OSError):  # a name that no folder can have
            if goes_on() and holds_segments(folder):
                typer.echo(
                    f"midframe: finished parts wait in {folder}; the same command goes on from there.", err=True
                )
        raise


def _report(result: RunResult, console: Console) -> None:
    """What was done, in the words of the place it is shown in."""
    held = result.held_at_cuts + result.held_between_equals
    if not console.is_terminal:
        print_event(
            console,
            "done",
            target=str(result.target),
            frames_in=result.frames_in,
            frames_out=result.frames_out,
            frames_made=result.made,
            frames_kept=result.kept,
            frames_held=held,
            frames_repeated=result.copies,
            frames_resumed=result.resumed,
            cut_seconds=[float(time) for time in result.cut_times],
            remade_seconds=[float(time) for time in result.remade],
            duration_seconds=float(result.duration),
            sidecar=None if result.sidecar is None else str(result.sidecar),
            seconds=round(result.seconds, 3),
            notes=list(result.notes),
        )
        return
    console.print(
        f"{result.target}: {result.frames_out} frames ({result.kept} as they were, {result.made} new, "
        f"{held} held), {len(result.cut_times)} cuts, {result.seconds:.1f} s"
    )
    if result.resumed:
        console.print(f"Went on from an earlier run: {result.resumed} frames were there already.")
    for time in result.remade:
        console.print(f"Made anew: the frame at {float(time):.3f} s")
    for note in result.notes:
        console.print(f"Note: {note}")
