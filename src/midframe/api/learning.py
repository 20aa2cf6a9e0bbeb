"""Weights from clips, and weights fine-tuned on one video."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from midframe.api.loading import motion_for
from midframe.api.registry import DEFAULT_METHOD, able_to, imported, registered, stages_of, trainable
from midframe.core.errors import UsageError, WeightsError
from midframe.core.recipe import write_recipe
from midframe.core.task import Adaptation, AdaptOptions, AdaptResult, TrainOptions
from midframe.recipes import find_recipe
from midframe.weights import catalogue, find


def train(
    name: str,
    *,
    recipe: str | Path | None = None,
    data: Sequence[Path] = (),
    out: Path,
    hours: float | None = None,
    features: Path | None = None,
    init: str | Path | None = None,
    builds_on: Path | None = None,
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
        name: A method that can be trained, or a stage of one.
        recipe: Name of a shipped recipe, or a TOML file; by default the one with the method's name.
        data: Folders of videos, decoded once into `out/bank`; or one such bank, made before. None for a method that
            renders its own scenes.
        out: Folder for the bank, checkpoints, logs and the finished weights; made if missing.
        hours: Instead of a recipe, plan one that takes about this long, after the clips are decoded: some methods
            measure the machine for it. With `init` it is for the network of those weights. The plan is written to
            `out/recipe.toml`, and kept when the run is resumed.
        features: File of a network that a method's perceptual objective looks through, where it has one.
        init: Weights to begin with: a file, "shipped", or the name of another method whose shipped weights have parts
            in common; random ones by default.
        builds_on: File of weights of the stage that this one builds on and leaves as it is, for a method that is
            trained in stages.
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
        WeightsError: There are no weights to begin with, or a file that was named is missing or does not fit.
    """
    from midframe.training import run  # Training needs an extra; nothing else does.

    registration = trainable(name)
    if not registration.trainer and (stages := stages_of(name)):
        raise UsageError(f"Method '{name}' is trained in stages, each for itself: {', '.join(stages)}.")
    if not registration.trainer:
        raise UsageError(f"Method '{name}' is not trained: it has no weights.")
    if registration.renders and data:
        raise UsageError(f"'{name}' learns from scenes that it renders: folders of clips do not apply to it.")
    if not data and not registration.renders:
        raise UsageError("Training needs at least one folder of clips: name it with --data.")
    if features is not None and not registration.looks:
        raise UsageError(f"Method '{name}' has no perceptual term: features do not apply to it.")
    if builds_on is not None and not registration.builds_on:
        raise UsageError(f"Method '{name}' builds on no other stage: drop {builds_on}.")
    begun = _beginning(name, init)
    _check_files(features, begun, builds_on)
    if hours is not None:
        _check_hours(name, hours, recipe)
    recipe_file = None if hours is not None else find_recipe(recipe or registration.recipe or name)
    run.check_start(Path(out), resume=resume)
    process, processes = run.place()
    if process:
        report = _say_nothing
    bank = Path(out) / "bank"
    if not registration.renders:
        bank = run.bank_for(
            [Path(folder) for folder in data],
            Path(out),
            short_side=short_side,
            frames_per_clip=frames_per_clip,
            report=report,
        )
    if recipe_file is None:
        assert hours is not None
        recipe_file = _planned(name, Path(out) / "recipe.toml", hours, report, begun)
    device = run.device()
    options = TrainOptions(
        recipe=recipe_file,
        bank=bank,
        seed=seed,
        device=device,
        workers=workers,
        process=process,
        processes=processes,
        init=begun,
        features=features,
        builds_on=builds_on,
        # In float32: the loop computes in the precision of its recipe around it.
        motion=motion_for(registration.moved_by, device, torch.float32),
    )
    return run.run(registration.prepare(options), Path(out), seed=seed, resume=resume, until=until, report=report)


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

    registration = registered(method)
    if not registration.adapter:
        raise UsageError(f"Method '{method}' does not adapt to a video; these do: {able_to('adapter')}.")
    run.check_extra()
    prepare = cast("Callable[[AdaptOptions], Adaptation]", imported(registration.adapter))
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


def _beginning(name: str, init: str | Path | None) -> Path | None:
    if init == "shipped":
        return find(name)
    if init is not None and str(init) in catalogue() and not Path(init).is_file():
        return find(str(init))
    return Path(init) if init else None


def _check_files(features: str | Path | None, begun: Path | None, builds_on: str | Path | None) -> None:
    """Before clips are decoded, which takes minutes."""
    for file in (features, begun):
        if file is not None and not Path(file).is_file():
            raise WeightsError(f"There is no file {file}.")
    # The stage before may be a folder.
    if builds_on is not None and not Path(builds_on).exists():
        raise WeightsError(f"There is no {builds_on}.")


def _say_nothing(line: str) -> None:
    """Several processes train together, and one of them speaks."""


def _check_hours(name: str, hours: float, recipe: str | Path | None) -> None:
    if recipe is not None:
        raise UsageError(f"A recipe says how long a run is: give either the recipe '{recipe}' or {hours:g} hours.")
    if not trainable(name).planner:
        raise UsageError(
            f"Method '{name}' does not plan by hours: its recipe says how many steps it trains. These do: "
            f"{able_to('planner')}."
        )
    if hours <= 0:
        raise UsageError(f"hours must be positive; got {hours:g}.")


def _planned(name: str, path: Path, hours: float, report: Callable[[str], None], begun: Path | None) -> Path:
    """A recipe for so many hours, written to `path`; one that lies there already is kept."""
    from midframe.training import run

    if path.is_file():
        report(f"keeping the plan in {path}")
        return path
    if run.place()[1] > 1:
        raise UsageError("Several processes cannot plan by hours: plan in one, then use its recipe.toml.")
    plan = cast(
        "Callable[[float, torch.device, Callable[[str], None], Path | None], Mapping[str, object]]",
        imported(registered(name).planner),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recipe(path, plan(hours, run.device(), report, begun))
    return path
