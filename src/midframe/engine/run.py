"""Runs a method over a whole video: plan, segments, and the whole file out of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from midframe.core.errors import UsageError
from midframe.core.method import Interpolator
from midframe.core.repair import Repair
from midframe.core.timeline import RateRule
from midframe.engine.confidence import ConfidenceRecord, check_apart
from midframe.engine.filling import Filled, Progress, SegmentTask, fill_segments, progress_teller
from midframe.engine.identity import run_identity
from midframe.engine.plan import fit_plan, make_plan, write_request
from midframe.engine.provenance import FrameLog, sidecar_of, write_sidecar
from midframe.engine.segments import frames_in_segment
from midframe.engine.shares import SharedSegments, Team, fill_together
from midframe.engine.work_folder import MADE, WorkFolder, work_folder_of
from midframe.video import CutList, EncodeOptions, check_target, deinterlaced, open_writer, probe
from midframe.video.formats import PIPE, check_name


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run did.

    Attributes:
        target: The file that was written.
        frames_in: Source frames read.
        frames_out: Frames written; the sum of the three that follow.
        made: Synthesised by the method.
        kept: Source frames shown at their own instant, or held behind the last one.
        held_at_cuts: Repeated, not made, because the next frame opens another scene.
        held_between_equals: Repeated because the next frame is equal, bit for bit.
        copies: Source frames that repeated the one before, and whose place was filled with motion.
        cut_times: Source seconds at which scenes open.
        duration: Output seconds.
        resumed: Output frames that an earlier run of the same request, which was stopped, had finished.
        seconds: Time that the run took.
        notes: The plan's notes, and what was found while reading.
        remade: Output seconds of the frames that `Repair` put where none came out of the source.
        sidecar: The file that tells what was made, from what and with what; None where none was asked for.
    """

    target: Path
    frames_in: int
    frames_out: int
    made: int
    kept: int
    held_at_cuts: int
    held_between_equals: int
    copies: int
    cut_times: tuple[Fraction, ...]
    duration: Fraction
    resumed: int
    seconds: float
    notes: tuple[str, ...]
    remade: tuple[Fraction, ...] = ()
    sidecar: Path | None = None


def run_video(
    source: Path,
    target: Path,
    interpolator: Interpolator,
    rule: RateRule,
    *,
    input_rate: Fraction | None = None,
    cuts: bool | CutList = True,
    repeat_at_cuts: bool = False,
    deinterlace: str = "off",
    dedupe: bool = False,
    protect_overlays: bool = False,
    encode: EncodeOptions | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: torch.device | None = None,
    seed: int = 0,
    overwrite: bool = False,
    skip_damaged: bool = False,
    confidence: Path | None = None,
    restart: bool = False,
    made_with: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
    team: Team | None = None,
    sidecar: bool = True,
) -> RunResult:
    """Raise the frame rate of a video file.

    The work is done in segments, which wait in a folder beside the target until all are there. A run that was
    stopped, in whatever way, goes on from there when it is started again, and gives the same frames.

    Args:
        source: Any video file that FFmpeg reads, a folder of pictures or a pattern of their names.
        target: File to write; its suffix chooses the container. It appears only when it is whole.
        interpolator: The method, on `device` already.
        rule: Instants of the output.
        input_rate: Frames per second of a source that is a list of pictures.
        cuts: Detect scene cuts, or take those of a list, and blend across none of them.
        repeat_at_cuts: Show in the gap before a cut the nearer of its two frames, instead of holding the old scene's
            last frame until the cut.
        deinterlace: `off`, or one frame for each of the `frames` or `fields` of an interlaced source.
        dedupe: Take near-equal frames out of the time base (`video.copies`) and fill their place with motion.
        protect_overlays: Keep what stands still while its surroundings move from being warped (`engine.overlays`).
        encode: Codec, quality, pixel format.
        progress: Called in the calling thread after each gap; with a team now and then, in a thread of its own.
        device: Where the method runs; the CPU by default.
        seed: Start of the random numbers of a stochastic method.
        overwrite: Replace a target that exists.
        skip_damaged: Go on without frames that do not decode; the gap is then filled from its neighbours.
        confidence: File for a map of how sure the method is, with a table beside it (see `engine.confidence`). A
            run that makes one begins anew.
        restart: Drop what a run that was stopped has left, and begin anew.
        made_with: What else the frames depend on: weights, precision and options of the method. A run goes on only
            from one with equal entries.
        memory_bytes: Most that the process may take; by default what is free here, with a margin. Too little for
            whole frames is met by tiles, then by flow at a lower scale, and said in the notes. A team shares it.
        team: Workers that make the segments instead of this process.
        sidecar: Write `NAME.midframe.jsonl` beside the target (see `engine.provenance`).

    Raises:
        MediaError: The source cannot be read, or is damaged and `skip_damaged` is not set.
        WriteError: The target, or the map, cannot be written; or another run writes it, or one with other options
            was stopped and `restart` is not set.
        UsageError: Rule, codec, container or method do not fit the source; or the method cannot say how sure it is.
    """
    started = time.monotonic()
    if confidence is not None:
        check_apart(confidence, (source, target))
        if team is not None:
            raise UsageError("A map of confidence is written by one job; leave out either of them.")
    if isinstance(rule, Repair):
        skip_damaged = True
    if target == PIPE:
        sidecar = False  # there is no file beside which it could lie
        if team is not None:
            raise UsageError("Standard output takes frames in order, from one job; name a file for several.")
    info = deinterlaced(probe(source, input_rate), deinterlace)
    check_name(target)
    stopped = work_folder_of(target).is_dir()  # its output may be there already; that is settled below
    plan = make_plan(
        info,
        target,
        rule,
        method=interpolator.spec,
        cuts=cuts,
        repeat_at_cuts=repeat_at_cuts,
        dedupe=dedupe,
        protect_overlays=protect_overlays,
        encode=encode,
        overwrite=overwrite or stopped,
    )
    workers = team.executor.workers if team else 1
    interpolator, plan = fit_plan(plan, interpolator, memory_bytes, device, workers)
    request = write_request(plan, overwrite or stopped)
    identity = run_identity(plan, seed=seed, skip_damaged=skip_damaged, made_with=made_with or {})
    task = SegmentTask(
        plan=plan,
        request=request,
        seed=seed,
        skip_damaged=skip_damaged,
        segment_frames=frames_in_segment(info.width, info.height),
    )
    with ExitStack() as files:
        place = target if target != PIPE else Path(files.enter_context(TemporaryDirectory())) / "stdout"
        folder = files.enter_context(WorkFolder(place, identity, restart=restart or confidence is not None))
        check_target(source, target, overwrite or folder.has_joined(target))
        with open_writer(request, folder.joining):
            pass  # says now, not after hours, what cannot be written
        if team is not None:
            filled = fill_together(task, team, SharedSegments(folder.path, folder.finished), progress)
        else:
            doubts = None
            if confidence is not None:
                size = (info.height, info.width)
                doubts = ConfidenceRecord(confidence, size, plan.time_base, plan.rate, overwrite=overwrite)
                files.enter_context(doubts)
            with FrameLog(folder.path / MADE) as log:
                filled = fill_segments(
                    task,
                    interpolator,
                    folder,
                    device=device,
                    count=progress_teller(progress, plan.frames_out),
                    confidence=doubts,
                    record=log,
                )

        notes = (*plan.notes, *filled.notes, *plan.surprises(filled.frames_in, filled.end))

        def when_whole(output: Path) -> None:
            # Before the output has its name, so that none is there without what tells of it.
            if sidecar:
                described = _described(identity, target, filled, (*notes, *writer.notes()))
                write_sidecar(target, described, folder.path / MADE)
            elif target != PIPE:
                sidecar_of(target).unlink(missing_ok=True)  # that of another output, which this one replaces
            folder.expect(output)

        with open_writer(request, folder.joining, when_whole) as writer:
            writer.join([folder.segment(number) for number in filled.segments], filled.end)
        folder.remove()
    return RunResult(
        target=target,
        frames_in=filled.frames_in,
        frames_out=filled.frames_out,
        made=filled.made,
        kept=filled.kept,
        held_at_cuts=filled.held_at_cuts,
        held_between_equals=filled.held_between_equals,
        copies=filled.copies,
        cut_times=filled.cut_times,
        duration=filled.end,
        resumed=filled.resumed,
        seconds=time.monotonic() - started,
        notes=(*notes, *writer.notes()),
        remade=filled.remade,
        sidecar=sidecar_of(target) if sidecar else None,
    )


def _described(
    identity: Mapping[str, str], target: Path, filled: Filled, notes: tuple[str, ...]
) -> dict[str, object]:
    """What the sidecar says of the run as a whole."""
    return {
        "target": target.name,
        **identity,
        "frames_in": filled.frames_in,
        "frames_out": filled.frames_out,
        "frames_made": filled.made,
        "frames_kept": filled.kept,
        "frames_held_at_cuts": filled.held_at_cuts,
        "frames_held_between_equals": filled.held_between_equals,
        "frames_repeated": filled.copies,
        "cut_seconds": [str(time) for time in filled.cut_times],
        "remade_seconds": [str(time) for time in filled.remade],
        "duration_seconds": str(filled.end),
        "notes": list(notes),
    }
