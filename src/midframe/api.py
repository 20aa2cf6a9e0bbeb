"""The wiring: a name becomes a method with its weights, and the method fills a video. Knows the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import cast
from weakref import WeakKeyDictionary

import torch

from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.executor import Executor
from midframe.core.file_hash import sha256_of
from midframe.core.method import Interpolator
from midframe.core.options import LoadOptions
from midframe.core.rate import Number, RampPoints, parse_rate, rate_rule
from midframe.core.recipe import write_recipe
from midframe.core.task import Adaptation, AdaptOptions, AdaptResult, TrainingSetup, TrainOptions
from midframe.core.work_size import Resizable
from midframe.engine import Plan, Progress, RunResult, interpolate_pair, make_plan, run_video
from midframe.engine.alpha import alike
from midframe.engine.filling import Filled, SegmentTask
from midframe.engine.hardware import resolve_device, resolve_precision
from midframe.engine.measure import measure
from midframe.engine.memory import parse_size
from midframe.engine.plan import fit_plan
from midframe.engine.shares import SharedSegments, Team, fill_share
from midframe.engine.work_folder import work_folder_of
from midframe.recipes import find_recipe
from midframe.video import CutList, EncodeOptions, deinterlaced, probe, read_cut_list
from midframe.video.formats import named_target
from midframe.video.picture import read_picture, write_pictures
from midframe.video.spool import spooled
from midframe.weights import find

DEFAULT_METHOD = "rife"
SCALES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


@dataclass(frozen=True)
class VideoShare:
    """The share of one worker in a video, as plain values.

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
        interpolator = _REGISTRY[self.method].create(self.options)
        size = self.task.plan.memory.size if self.task.plan.memory else None
        if size is not None and isinstance(interpolator, Resizable):
            interpolator = interpolator.resized(size)
        return fill_share(self.task, interpolator, self.store, number, device=self.options.device)


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One method that can be asked for by name.

    Attributes:
        factory: "module:function"; the function takes `LoadOptions` and gives an `Interpolator`.
        summary: What it is, in a line.
        source: The paper or program behind it; empty for a formula.
        has_network: It needs weights, and has a flow scale and test-time augmentation.
        trainer: "module:function"; the function takes `TrainOptions` and gives a `TrainingSetup`.
        planner: "module:function"; the function takes hours, a device and a report, and gives a recipe that fits,
            as plain values.
        adapter: "module:function"; the function takes `AdaptOptions` and gives an `Adaptation`.
        looks: Its objective can look through a network that the user has.
        samples: It goes from noise to picture in steps, whose number can be chosen.
    """

    factory: str
    summary: str
    source: str = ""
    has_network: bool = True
    trainer: str = ""
    planner: str = ""
    adapter: str = ""
    looks: bool = False
    samples: bool = False

    def create(self, options: LoadOptions) -> Interpolator:
        """Import the module, now and not before, and build the interpolator."""
        return cast("Callable[[LoadOptions], Interpolator]", _imported(self.factory))(options)

    def prepare(self, options: TrainOptions) -> TrainingSetup:
        """Import the module, and make a recipe ready to train."""
        return cast("Callable[[TrainOptions], TrainingSetup]", _imported(self.trainer))(options)


_REGISTRY: Mapping[str, Registration] = {
    "rife": Registration(
        factory="midframe.methods.rife.sample:create",
        trainer="midframe.methods.rife.train:prepare",
        adapter="midframe.methods.rife.adapting:prepare_adaptation",
        summary="Flow from the new frame to both neighbours, found coarse to fine; any instant",
        source="Huang et al., ECCV 2022, arXiv 2011.06294",
    ),
    "svmv": Registration(
        factory="midframe.methods.svmv.sample:create",
        trainer="midframe.methods.svmv.train:prepare",
        summary="Four frames, several motions for each pixel, splatted; any instant, and a map of doubt",
        source="Luo, Pan, Tang, ICASSP 2023 (after the poster)",
    ),
    "mivid": Registration(
        factory="midframe.methods.mivid.sample:create",
        trainer="midframe.methods.mivid.train:prepare",
        planner="midframe.methods.mivid.planning:plan",
        adapter="midframe.methods.mivid.adapting:prepare_adaptation",
        looks=True,
        samples=True,
        summary="Masked video diffusion, learnt on a CPU from ordinary clips; the eighths of a gap",
        source="Srivastava et al. 2025, arXiv 2511.06019 (after its abstract)",
    ),
    "blend": Registration(
        factory="midframe.methods.baseline:create_blend",
        summary="Mean of the two neighbours, weighted by time: motion shows as a double image",
        has_network=False,
    ),
    "nearest": Registration(
        factory="midframe.methods.baseline:create_nearest",
        summary="The closer of the two neighbours: motion stutters",
        has_network=False,
    ),
    "classical": Registration(
        factory="midframe.methods.baseline:create_classical",
        summary="OpenCV's dense inverse search both ways, both frames moved along it; any instant",
        source="Kroeger et al., ECCV 2016, arXiv 1603.03590",
        has_network=False,
    ),
    "minterpolate": Registration(
        factory="midframe.methods.baseline:create_minterpolate",
        summary="FFmpeg's filter: block matching, motion compensation by overlapped blocks; any instant",
        source="FFmpeg, libavfilter",
        has_network=False,
    ),
}


_LOADED: WeakKeyDictionary[Interpolator, tuple[str, LoadOptions]] = WeakKeyDictionary()
"""What each interpolator of `load` was made with: for the record of a run, and for workers, who make it again."""


def methods() -> Mapping[str, Registration]:
    """All methods by name, the default first. Imports none of them."""
    return _REGISTRY


def load(
    name: str = DEFAULT_METHOD,
    *,
    weights: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    scale: str | float | Fraction = "auto",
    tta: bool = False,
    steps: int | None = None,
) -> Interpolator:
    """Build a method with its weights, ready to use.

    Args:
        name: A name from `methods()`.
        weights: A file of your own; by default the weights that ship with the package.
        device: `auto` (the first CUDA device, or else the CPU), `cpu`, `cuda` or `cuda:N`.
        precision: `auto` (fp16 on CUDA, bf16 on a CPU that has it, else fp32), `fp32`, `bf16` or `fp16`.
        scale: Resolution of the flow relative to the frame: 1, 1/2, 1/4, or `auto` for the method's choice.
        tta: Average with the result for the mirrored frames.
        steps: From noise to picture, for a method that samples; by default the number in its weights.

    Raises:
        UsageError: An unknown name or scale, or an option that the method does not have.
        DeviceError: A device or precision that this machine does not have.
        WeightsError: Weights that are missing, damaged or of another network.
    """
    if name not in _REGISTRY:
        raise UnknownNameError("method", name, _REGISTRY)
    registration = _REGISTRY[name]
    resolved_scale = _resolve_scale(scale)
    if not registration.has_network and (weights is not None or resolved_scale is not None or tta):
        raise UsageError(f"Method '{name}' has no network: weights, scale and tta do not apply to it.")
    if steps is not None and not registration.samples:
        able = ", ".join(method for method, entry in _REGISTRY.items() if entry.samples)
        raise UsageError(f"Method '{name}' does not sample in steps; these do: {able}.")
    resolved_device = resolve_device(device)
    options = LoadOptions(
        weights=(weights or find(name)) if registration.has_network else None,
        device=resolved_device,
        precision=resolve_precision(precision, resolved_device),
        scale=resolved_scale,
        tta=tta,
        steps=steps,
    )
    interpolator = registration.create(options)
    _LOADED[interpolator] = name, options
    return interpolator


def interpolate_video(
    source: Path | str,
    target: Path | str,
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | None = None,
    input_rate: Number | None = None,
    fps: Number | None = None,
    multi: int | None = None,
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
            with the same frames. They share the memory.
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
    interpolator, place = _placed(method, device)
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
            made_with=_made_with(interpolator),
            memory_bytes=None if memory is None else parse_size(memory),
            team=None if executor is None else Team(executor, _sharing(interpolator)),
            sidecar=sidecar,
        )


def plan_video(
    source: Path | str,
    target: Path | str,
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | None = None,
    input_rate: Number | None = None,
    fps: Number | None = None,
    multi: int | None = None,
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
    interpolator, place = _placed(method, device)
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
    times: Sequence[Fraction] = (Fraction(1, 2),),
    *,
    method: str | Interpolator = DEFAULT_METHOD,
    device: str | None = None,
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
    if not times:
        raise UsageError("At least one time between the two pictures is needed, such as 1/2.")
    interpolator, place = _placed(method, device)
    pair = [read_picture(Path(path), alpha=True, allow_loss=allow_loss) for path in (before, after)]
    pictures = interpolate_pair(
        interpolator,
        *alike(*pair),
        times,
        device=place,
        seed=seed,
    )
    return write_pictures(Path(folder), pictures, overwrite=overwrite)


def train(
    name: str,
    *,
    recipe: str | Path | None = None,
    data: Sequence[Path],
    out: Path,
    hours: float | None = None,
    features: Path | None = None,
    init: str | Path | None = None,
    resume: bool = False,
    until: int | None = None,
    seed: int = 1,
    workers: int = 1,
    short_side: int = 288,
    frames_per_clip: int = 120,
    report: Callable[[str], None] = lambda line: None,
) -> Path:
    """Train a method on folders of clips.

    Args:
        name: A method that can be trained.
        recipe: Name of a shipped recipe, or a TOML file; by default the one with the method's name.
        data: Folders of videos, decoded once into `out/bank`; or one such bank, made before.
        out: Folder for the bank, checkpoints, logs and the finished weights; made if missing.
        hours: Instead of a recipe, plan one that takes about this long, after the clips are decoded: some methods
            measure the machine for it. The plan is written to `out/recipe.toml`, and kept when the run is resumed.
        features: File of a network that a method's perceptual objective looks through, where it has one.
        init: Weights to begin with: a file, or "shipped"; random ones by default.
        resume: Go on from the newest checkpoint in `out`.
        until: Stop, ready to resume, before this optimiser step.
        seed: Of everything random.
        workers: Processes that prepare batches.
        short_side: Pixels of the decoded clips' shorter side.
        frames_per_clip: Most frames kept of one clip.
        report: Called with a line of progress now and then.

    Returns:
        The file of averaged weights, which `load(weights=...)` reads.

    Raises:
        UsageError: An unknown method, or one that is not trained; hours for a method that cannot plan, or beside a
            recipe; or `out` holds a run and `resume` is off.
        RecipeError: See `core.recipe.read_recipe`.
        MediaError: A folder is missing or holds no video.
    """
    from midframe.training import run  # Training needs an extra; nothing else does.

    if name not in _REGISTRY:
        raise UnknownNameError("method", name, _REGISTRY)
    if not _REGISTRY[name].trainer:
        raise UsageError(f"Method '{name}' is not trained: it has no weights.")
    if not data:
        raise UsageError("Training needs at least one folder of clips.")
    if features is not None and not _REGISTRY[name].looks:
        raise UsageError(f"Method '{name}' has no perceptual term: features do not apply to it.")
    if hours is not None:
        _check_hours(name, hours, recipe)
    recipe_file = None if hours is not None else find_recipe(recipe or name)
    run.check_start(Path(out), resume=resume)
    process, processes = run.place()
    if process:
        report = _say_nothing
    bank = run.bank_for(
        [Path(folder) for folder in data],
        Path(out),
        short_side=short_side,
        frames_per_clip=frames_per_clip,
        report=report,
    )
    if recipe_file is None:
        assert hours is not None
        recipe_file = _planned(name, Path(out) / "recipe.toml", hours, report)
    options = TrainOptions(
        recipe=recipe_file,
        bank=bank,
        seed=seed,
        device=run.device(),
        workers=workers,
        process=process,
        processes=processes,
        init=find(name) if init == "shipped" else Path(init) if init else None,
        features=features,
    )
    return run.run(_REGISTRY[name].prepare(options), Path(out), seed=seed, resume=resume, until=until, report=report)


def adapt(
    source: Path | str,
    target: Path | str,
    *,
    method: str = DEFAULT_METHOD,
    weights: Path | None = None,
    minutes: float = 10.0,
    short_side: int = 540,
    seed: int = 1,
    overwrite: bool = False,
    report: Callable[[str], None] = lambda line: None,
) -> AdaptResult:
    """Fine-tune a method's weights on one video's own frames, and keep them only if they measure better.

    Frames set apart are never trained on. Half of them decide when to stop; the other half, which nothing was chosen
    by, decide whether the adapted weights or the given ones are written.

    Args:
        source: Any video file that FFmpeg reads.
        target: File of weights to write (`.safetensors`), for `load(weights=...)`.
        method: A method that can adapt.
        weights: Weights to begin with; by default the shipped ones.
        minutes: Most time for training; it stops earlier when the frames set apart stop gaining.
        short_side: Pixels of the shorter side that the frames are reduced to, where they are larger.
        seed: Of everything random.
        overwrite: Replace a target that exists.
        report: Called with a line of progress now and then.

    Raises:
        UsageError: An unknown method, or one that does not adapt; a video too short or too small; no time.
        MediaError: The video cannot be read.
        WeightsError: There are no weights to begin with, or they do not fit.
        WriteError: The target exists, or cannot be written.
    """
    from midframe.training import run  # Training needs an extra; nothing else does.
    from midframe.training.adapt import AdaptRequest, adapt_video

    if method not in _REGISTRY:
        raise UnknownNameError("method", method, _REGISTRY)
    if not _REGISTRY[method].adapter:
        able = ", ".join(name for name, entry in _REGISTRY.items() if entry.adapter)
        raise UsageError(f"Method '{method}' does not adapt to a video; these do: {able}.")
    run.check_extra()
    prepare = cast("Callable[[AdaptOptions], Adaptation]", _imported(_REGISTRY[method].adapter))
    request = AdaptRequest(
        source=Path(source),
        target=Path(target),
        weights=weights or find(method),
        minutes=minutes,
        short_side=short_side,
        seed=seed,
        overwrite=overwrite,
    )
    return adapt_video(request, prepare, report)


def _made_with(interpolator: Interpolator) -> dict[str, str]:
    """What a method's frames depend on beside its name, as text."""
    if interpolator not in _LOADED:
        return {"interpolator": type(interpolator).__qualname__}
    _, options = _LOADED[interpolator]
    weights = "none"
    if options.weights is not None:
        weights = f"{options.weights.name}, SHA-256 {sha256_of(options.weights)}"
    return {
        "weights": weights,
        "device": options.device.type,
        "precision": str(options.precision).removeprefix("torch."),
        "scale": str(options.scale or "auto"),
        "tta": str(options.tta),
        **({"steps": str(options.steps)} if options.steps else {}),
    }


def _sharing(interpolator: Interpolator) -> Callable[[SegmentTask, SharedSegments], VideoShare]:
    """How workers make a video by an interpolator."""
    if interpolator not in _LOADED:
        raise UsageError(
            "Another process cannot make an interpolator of your own again: name a method, or use `load`."
        )
    return partial(VideoShare, *_LOADED[interpolator])


def _say_nothing(line: str) -> None:
    """Several processes train together, and one of them speaks."""


def _check_hours(name: str, hours: float, recipe: str | Path | None) -> None:
    if recipe is not None:
        raise UsageError(f"A recipe says how long a run is: give either the recipe '{recipe}' or {hours:g} hours.")
    if not _REGISTRY[name].planner:
        able = ", ".join(method for method, entry in _REGISTRY.items() if entry.planner)
        raise UsageError(
            f"Method '{name}' does not plan by hours: its recipe says how many steps it trains. These do: {able}."
        )
    if hours <= 0:
        raise UsageError(f"hours must be positive; got {hours:g}.")


def _planned(name: str, path: Path, hours: float, report: Callable[[str], None]) -> Path:
    """A recipe for so many hours, written to `path`; one that lies there already is kept."""
    from midframe.training import run

    if path.is_file():
        report(f"keeping the plan in {path}")
        return path
    if run.place()[1] > 1:
        raise UsageError("Several processes cannot plan by hours: plan in one, then use its recipe.toml.")
    plan = cast(
        "Callable[[float, torch.device, Callable[[str], None]], Mapping[str, object]]",
        _imported(_REGISTRY[name].planner),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recipe(path, plan(hours, run.device(), report))
    return path


def _imported(place: str) -> object:
    """What "module:name" stands for."""
    module, name = place.split(":")
    return getattr(import_module(module), name)


def _placed(method: str | Interpolator, device: str | None) -> tuple[Interpolator, torch.device]:
    """A method ready to use, and where its input belongs."""
    if isinstance(method, str):
        place = resolve_device(device or "auto")
        return load(method, device=str(place)), place
    if device is not None:
        return method, resolve_device(device)
    return method, torch.device(getattr(method, "device", "cpu"))


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


def _resolve_scale(scale: str | float | Fraction) -> Fraction | None:
    if scale == "auto":
        return None
    try:
        wanted = Fraction(str(scale))
    except (ValueError, ZeroDivisionError):
        wanted = None
    if wanted not in SCALES:
        raise UsageError(f"A scale is 'auto', 0.25, 0.5 or 1; got '{scale}'.")
    return wanted
