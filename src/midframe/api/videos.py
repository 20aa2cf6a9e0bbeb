"""A method fills a video, or what lies between two pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch

from midframe.api.loading import LOADED, load, made_with, placed
from midframe.api.registry import DEFAULT_METHOD, registered
from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.executor import Executor
from midframe.core.method import ClipInterpolator, ClipProgress, Interpolator
from midframe.core.options import LoadOptions
from midframe.core.rate import Number, RampPoints, parse_rate, parse_times, rate_rule
from midframe.core.work_size import Resizable
from midframe.engine import Plan, Progress, RunResult, interpolate_pair, make_plan, run_video
from midframe.engine.alpha import alike
from midframe.engine.clips import check_same_size, fit_clip
from midframe.engine.filling import Filled, SegmentTask
from midframe.engine.measure import measure
from midframe.engine.memory import parse_size
from midframe.engine.pixels import to_pixels, to_tensor
from midframe.engine.plan import fit_plan
from midframe.engine.shares import SharedSegments, Team, fill_share
from midframe.engine.work_folder import work_folder_of
from midframe.video import CutList, EncodeOptions, deinterlaced, probe, read_cut_list
from midframe.video.formats import named_target
from midframe.video.picture import read_picture, write_pictures
from midframe.video.spool import spooled


@dataclass(frozen=True)
class VideoShare:
    """The share of one worker in a video, as what can be sent to another process.

    Attributes:
        method: Its name.
        options: What it is loaded with.
        task: What to make.
        store: Where it goes.
    """

    method: str
    options: LoadOptions
    task: SegmentTask
    store: SharedSegments

    def __call__(self, number: int) -> Filled:
        """Make what is left for the worker of that number."""
        interpolator = registered(self.method).create(self.options)
        size = self.task.plan.memory.size if self.task.plan.memory else None
        if size is not None and isinstance(interpolator, Resizable):
            interpolator = interpolator.resized(size)
        return fill_share(self.task, interpolator, self.store, number, device=self.options.device)


def interpolate_video(
    source: Path | str,
    target: Path | str,
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | torch.device | None = None,
    input_rate: Number | None = None,
    fps: Number | None = None,
    multi: Number | None = None,
    slow: Number | None = None,
    vfr: bool = False,
    ramp: RampPoints | None = None,
    repair: bool = False,
    cuts: str | Path = "auto",
    cut_style: str = "hold",
    deinterlace: str = "off",
    dedupe: bool = False,
    protect_overlays: bool = False,
    encode: EncodeOptions | None = None,
    seed: int = 0,
    overwrite: bool = False,
    skip_damaged: bool = False,
    confidence: Path | str | None = None,
    restart: bool = False,
    memory: str | int | None = None,
    executor: Executor | None = None,
    sidecar: bool = True,
    progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Raise the frame rate of a video; twice the frames where nothing else is asked for.

    Finished parts wait in the folder `.NAME.midframe` beside the target. A run that was stopped, in whatever way,
    goes on from there when the same is asked for again, and gives the same frames.

    Args:
        source: Any video file that FFmpeg reads; an animated GIF, APNG or WebP; a folder of pictures, or a pattern of
            their names such as `in/%04d.png` or `in/*.png`; or `-` for standard input, which is kept in a file beside
            the target while it is needed.
        target: File to write; its suffix chooses the container. It appears only when it is whole. A folder, told
            by a slash at its end or by being there, or a pattern such as `out/%06d.png` means a picture for each
            frame; `-` means y4m on standard output, frame by frame.
        input_rate: Frames per second of pictures; 25 where not stated.
        method: A name from `methods()`, or what `load` gave, or any interpolator of your own.
        device: Where the method runs (see `load`). By default `auto` for a name; for an interpolator its own
            attribute `device`, or without one the CPU.
        fps: Frames per second of the output, such as 60 or "60000/1001".
        multi: Divide each gap between two frames into this many parts.
        slow: Stretch time by this factor; `fps` then is the rate at which the result is shown.
        vfr: Keep every instant of the source and add between them.
        ramp: Change the speed on the way: "0:1,5:0.25,8:1", or pairs of source seconds and the speed there. Between
            two points it changes evenly in output time; `fps` then is the rate at which the result is shown.
        repair: Keep the source's frames, exactly where the codec loses nothing, and its rate; make anew only frames
            that do not decode, or that are missing from an otherwise constant cadence. Goes on over damage.
        cuts: `auto` detects scene cuts; `off` looks for none; otherwise a file that lists them (see
            `video.read_cut_list`). Nothing is blended across a cut.
        cut_style: What is shown before a cut instead: `hold` keeps the old scene's last frame until the cut; `repeat`
            shows the nearer frame, so that the new scene opens half a source frame early and neither stands longer.
        deinterlace: `frames` makes a whole frame of each interlaced one, `fields` one of each of its two fields, at
            twice the rate; `off` takes fields for whole frames.
        dedupe: Take frames that repeat the one before (animation on twos, broken captures) out of the time base, and
            fill their place with motion. A picture that stands for more than half a second stays.
        protect_overlays: Keep what stands still while its surroundings move (subtitles, logos) from being warped.
        encode: Codec, quality and pixel format; by default a loss that is not seen.
        seed: Start of the random numbers of a stochastic method.
        overwrite: Replace a target that exists.
        skip_damaged: Go on without frames that do not decode, filling their place from the neighbours.
        confidence: Also write, for a method that can say it, how sure it was: `MAP.mkv`, a grey video that is
            brighter where a pixel may be further off, and `MAP.csv` with a number for each frame.
        restart: Begin anew where a run was stopped.
        memory: Most that the whole process may take: "4GB", "800MB", "2GiB" or bytes. By default what is free here,
            with a margin.
        executor: Makes parts of the video side by side, such as `backends.local.LocalExecutor(4)` in four processes,
            with the same frames. They share the memory. In a script, under `if __name__ == "__main__":`.
        sidecar: Write `NAME.midframe.jsonl` beside the target: source, options, weights' hash, and a line for each
            synthesised frame.
        progress: Called after each gap; with an executor now and then, in a thread of its own.

    Raises:
        MediaError: The source cannot be read, or is damaged and `skip_damaged` is not set.
        WriteError: The target, or the map beside it, cannot be written; another run writes it; or a run with other
            options was stopped, and `restart` is not set.
        UsageError: A request that contradicts itself or does not fit the source or the method.
        DeviceError, WeightsError: See `load`.
    """
    interpolator, place = placed(method, device)
    target, source_rate = named_target(target), None if input_rate is None else parse_rate(input_rate)
    with _as_file(source, target, overwrite) as path:
        return run_video(
            path,
            target,
            interpolator,
            rate_rule(fps=fps, multi=multi, slow=slow, vfr=vfr, ramp=ramp, repair=repair),
            input_rate=source_rate,
            cuts=_cuts(cuts, path, source_rate),
            repeat_at_cuts=_repeat_at_cuts(cut_style),
            deinterlace=deinterlace,
            dedupe=dedupe,
            protect_overlays=protect_overlays,
            encode=encode,
            progress=progress,
            device=place,
            seed=seed,
            overwrite=overwrite,
            skip_damaged=skip_damaged,
            confidence=None if confidence is None else Path(confidence),
            restart=restart,
            made_with=made_with(interpolator),
            memory_bytes=None if memory is None else parse_size(memory),
            team=None if executor is None else Team(executor, _sharing(interpolator)),
            sidecar=sidecar,
        )


def plan_video(
    source: Path | str,
    target: Path | str,
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | torch.device | None = None,
    input_rate: Number | None = None,
    fps: Number | None = None,
    multi: Number | None = None,
    slow: Number | None = None,
    vfr: bool = False,
    ramp: RampPoints | None = None,
    repair: bool = False,
    cuts: str | Path = "auto",
    cut_style: str = "hold",
    deinterlace: str = "off",
    dedupe: bool = False,
    protect_overlays: bool = False,
    encode: EncodeOptions | None = None,
    overwrite: bool = False,
    memory: str | int | None = None,
    workers: int = 1,
    measured: bool = False,
) -> Plan:
    """Say what `interpolate_video` would do with the same arguments, in `workers` jobs.

    With `measured`, some gaps of the video are made and encoded, to tell how long all of it takes and how large it
    gets; that takes half a minute or more.

    Raises:
        MidframeError: What `interpolate_video` would raise before its first frame.
    """
    limit = None if memory is None else parse_size(memory)
    interpolator, place = placed(method, device)
    target, source_rate = named_target(target), None if input_rate is None else parse_rate(input_rate)
    with _as_file(source, target, overwrite) as path:
        plan = make_plan(
            deinterlaced(probe(path, source_rate), deinterlace),
            target,
            rate_rule(fps=fps, multi=multi, slow=slow, vfr=vfr, ramp=ramp, repair=repair),
            method=interpolator.spec,
            cuts=_cuts(cuts, path, source_rate),
            repeat_at_cuts=_repeat_at_cuts(cut_style),
            dedupe=dedupe,
            protect_overlays=protect_overlays,
            encode=encode,
            overwrite=overwrite,
        )
        interpolator, plan = fit_plan(plan, interpolator, limit, place, workers)
        return replace(plan, estimate=measure(plan, interpolator, place)) if measured else plan


def interpolate_pictures(
    before: Path | str,
    after: Path | str,
    folder: Path | str,
    times: Sequence[Number] = (Fraction(1, 2),),
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | torch.device | None = None,
    seed: int = 0,
    allow_loss: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Make pictures between two pictures.

    Args:
        before: A picture file that FFmpeg reads.
        after: Another of the same size.
        folder: Where `0001.png` and so on are written, in order of time; made if missing.
        times: Fractions of the way in (0, 1), ascending.
        method: As in `interpolate_video`.
        device: As in `interpolate_video`.
        seed: Start of the random numbers of a stochastic method.
        allow_loss: Leave out transparency.
        overwrite: Replace files that exist.

    Returns:
        The written files, one for each time.

    Raises:
        MediaError: A picture cannot be read.
        ShapeError: The pictures differ in size.
        UsageError: Times outside (0, 1) or out of order, or none.
        WriteError: The folder or a file cannot be written.
    """
    instants = parse_times(times)
    if not instants:
        raise UsageError("At least one time between the two pictures is needed, such as 1/2.")
    interpolator, place = placed(method, device)
    pair = [read_picture(Path(path), alpha=True, allow_loss=allow_loss) for path in (before, after)]
    pictures = interpolate_pair(
        interpolator,
        *alike(*pair),
        instants,
        device=place,
        seed=seed,
    )
    return write_pictures(Path(folder), pictures, overwrite=overwrite)


def make_clip(
    before: Path | str,
    after: Path | str,
    folder: Path | str,
    frames: int,
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | torch.device | None = None,
    seed: int = 0,
    ends: str = "given",
    allow_loss: bool = False,
    overwrite: bool = False,
    on_memory: Callable[[str], None] = lambda line: None,
    on_step: Callable[[ClipProgress], None] = lambda state: None,
) -> list[Path]:
    """Make a clip of pictures from one picture to another, both included.

    Args:
        before: A picture file that FFmpeg reads.
        after: Another of the same size.
        folder: Where `0001.png` and so on are written; made if missing.
        frames: Of the clip, evenly spaced in time.
        method: As in `interpolate_video`. One that makes whole clips was loaded for so many frames.
        device: As in `interpolate_video`.
        seed: Start of the random numbers of a stochastic method.
        ends: "given" writes the two pictures themselves as first and last, "made" what the method makes of them.
        allow_loss: Leave out transparency.
        overwrite: Replace files that exist.
        on_memory: Called once, before the work, with what it takes, where the method knows.
        on_step: Called after each step of a method that samples clips.

    Returns:
        The written files.

    Raises:
        MediaError: A picture cannot be read.
        ShapeError: The pictures differ in size.
        UsageError: Fewer than three frames, ends that the method does not make, or too little memory.
        WriteError: The folder or a file cannot be written.
    """
    if frames < 3:
        raise UsageError(f"A clip has at least 3 frames, of which one is made; got {frames}.")
    if ends not in ("given", "made"):
        raise UnknownNameError("way to end a clip", ends, ("given", "made"))
    if isinstance(method, str) and registered(method).clips:
        method = load(method, device=device or "auto", frames=frames)
    interpolator, place = placed(method, device)
    pair = [read_picture(Path(path), allow_loss=allow_loss) for path in (before, after)]
    check_same_size(pair)
    if not isinstance(interpolator, ClipInterpolator):
        if ends == "made":
            raise UsageError(f"{interpolator.spec.name} makes what lies between two pictures, and not the ends.")
        times = [Fraction(place_, frames - 1) for place_ in range(1, frames - 1)]
        between = interpolate_pair(interpolator, pair[0], pair[1], times, device=place, seed=seed)
        return write_pictures(Path(folder), [pair[0], *between, pair[1]], overwrite=overwrite)
    if interpolator.frames != frames:
        raise UsageError(f"The method was loaded for clips of {interpolator.frames} frames, not {frames}.")
    interpolator, line = fit_clip(interpolator, pair[0].shape[0], pair[0].shape[1], place)
    on_memory(line)
    interpolator.on_step = on_step
    keys = torch.stack([to_tensor(pixels, place) for pixels in pair])[None]
    made = interpolator.clip(keys, generator=torch.Generator(place).manual_seed(seed))[0]
    pictures = [to_pixels(frame, pair[0].dtype) for frame in made]
    if ends == "given":
        kept = interpolator.key_frames(keys)[0]
        pictures[0], pictures[-1] = (to_pixels(frame, pair[0].dtype) for frame in kept)
    return write_pictures(Path(folder), pictures, overwrite=overwrite)


def _sharing(interpolator: Interpolator) -> Callable[[SegmentTask, SharedSegments], VideoShare]:
    """How workers make a video by an interpolator."""
    if interpolator not in LOADED:
        raise UsageError(
            "Another process cannot make an interpolator of your own again: name a method, or use `load`."
        )
    return partial(VideoShare, *LOADED[interpolator])


def _as_file(source: Path | str, target: Path, overwrite: bool) -> AbstractContextManager[Path]:
    """The source as something that can be read twice; a target that a stopped run left may be gone on with."""
    return spooled(Path(source), target, overwrite or work_folder_of(target).is_dir())


def _cuts(cuts: str | Path, source: Path, input_rate: Fraction | None) -> bool | CutList:
    if cuts in ("auto", "off"):
        return cuts == "auto"
    if not Path(cuts).is_file():
        raise UsageError(f"Cuts are 'auto', 'off' or a file that lists them; there is no file '{cuts}'.")
    return read_cut_list(Path(cuts), probe(source, input_rate).average_rate)


def _repeat_at_cuts(style: str) -> bool:
    if style not in ("hold", "repeat"):
        raise UnknownNameError("way to treat cuts", style, ("hold", "repeat"))
    return style == "repeat"
