"""A whole training run in a folder: decoded clips, the record of what ran, checkpoints, finished weights."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

from midframe.core.errors import MediaError, MissingExtraError, UsageError
from midframe.core.task import TrainingSetup
from midframe.data.bank import add_clips, write_index
from midframe.data.vimeo import add_vimeo, training_list


def bank_for(
    folders: list[Path],
    out: Path,
    *,
    short_side: int,
    frames_per_clip: int,
    report: Callable[[str], None],
) -> Path:
    """The bank of decoded clips for a run: one that is there already, or a new one in `out/bank`.

    Raises:
        MediaError: No folder was named and none was decoded before; or a folder is missing or holds no video.
    """
    if len(folders) == 1 and (folders[0] / "index.json").is_file():
        return folders[0]
    bank = out / "bank"
    if (bank / "index.json").is_file():
        report(f"using the clips decoded before in {bank}")
        return bank
    if not folders:
        raise MediaError("name at least one folder of clips with --data.")
    if place()[0] == 0:
        bank.mkdir(parents=True, exist_ok=True)
        vimeo = [folder for folder in folders if training_list(folder)]
        clips = [folder for folder in folders if folder not in vimeo]
        runs = [run for folder in vimeo for run in add_vimeo(folder, bank, report)]
        runs += add_clips(clips, bank, short_side=short_side, frames_per_clip=frames_per_clip, report=report)
        write_index(bank, runs)
    while not (bank / "index.json").is_file():  # Written last, by the first process.
        time.sleep(1)
    return bank


def place() -> tuple[int, int]:
    """Number of this process and number of all, as `torchrun` tells them; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def device() -> torch.device:
    """Where this process trains: its own GPU, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def run(
    setup: TrainingSetup,
    out: Path,
    *,
    seed: int,
    resume: bool,
    until: int | None,
    report: Callable[[str], None],
) -> Path:
    """Train, then write the averaged weights.

    Returns:
        `out/weights.safetensors`: of the end of the run, or of the step where `until` stopped it.

    Raises:
        UsageError: The folder holds a run and `resume` is off.
        MissingExtraError: The training extra is not installed.
    """
    try:
        from midframe.training.loop import train
    except ModuleNotFoundError as error:
        raise MissingExtraError("Training", str(error.name), "train") from error

    if not resume and any((out / "checkpoints").glob("step-*.pt")):
        raise UsageError(f"{out} holds a run already: continue it with --resume, or choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    first = place()[0] == 0
    if first:
        _record(setup, out, seed)
    averaged = train(
        setup.task,
        setup.batches,
        setup.schedule,
        out,
        validation=setup.validation,
        resume=resume,
        until=until,
        report=report,
    )
    path = out / "weights.safetensors"
    if first:
        setup.export(averaged, path)
        report(f"wrote {path}")
    return path


def _record(setup: TrainingSetup, out: Path, seed: int) -> None:
    """What ran: the resolved recipe, versions, machine, and the state of the source tree."""
    record = {
        "recipe": setup.resolved,
        "seed": seed,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "source": _source_state(),
    }
    (out / "run.json").write_text(json.dumps(record, indent=1, default=str))


def _source_state() -> str | None:
    """Commit of the source tree, with a plus sign where it was changed; None outside a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
