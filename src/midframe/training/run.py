"""A whole training run in a folder: decoded clips, the record of what ran, checkpoints, finished weights."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch

from midframe.core.errors import MissingExtraError, UsageError
from midframe.core.task import TrainingSetup
from midframe.data.bank import Run, Source, add_clips, bank_source, is_bank, write_index
from midframe.data.vimeo import add_vimeo, training_list
from midframe.training.checkpoint import load_checkpoint, newest_checkpoint


def bank_for(
    folders: list[Path],
    out: Path,
    *,
    short_side: int,
    frames_per_clip: int,
    report: Callable[[str], None],
) -> Path:
    """The bank of decoded clips for a run: one that was named, one decoded before, or a new one in `out/bank`.

    Raises:
        MediaError: A folder is missing or holds no video.
        UsageError: `out` holds a bank of other clips or sizes.
    """
    if len(folders) == 1 and is_bank(folders[0]):
        return folders[0]
    bank = out / "bank"
    source = Source(tuple(str(folder.resolve()) for folder in folders), short_side, frames_per_clip)
    if is_bank(bank):
        if bank_source(bank) != source:
            raise UsageError(
                f"{bank} holds clips decoded from {bank_source(bank)}, not from {source}: "
                "remove it, or choose another folder."
            )
        report(f"using the clips decoded before in {bank}")
        return bank
    if place()[0] == 0:
        _decode(source, bank, report)
    while not is_bank(bank):  # Its index is written last, by the first process.
        time.sleep(1)
    return bank


def _decode(source: Source, bank: Path, report: Callable[[str], None]) -> None:
    bank.mkdir(parents=True, exist_ok=True)
    runs: list[Run] = []
    for number, name in enumerate(source.folders):
        folder, prefix = Path(name), f"{number:02}"
        if training_list(folder):
            runs += add_vimeo(folder, bank, prefix, report)
            continue
        runs += add_clips(
            folder,
            bank,
            prefix,
            short_side=source.short_side,
            frames_per_clip=source.frames_per_clip,
            report=report,
        )
    write_index(bank, source, runs)


def place() -> tuple[int, int]:
    """Number of this process and number of all, as `torchrun` tells them; (0, 1) without it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def check_start(out: Path, *, resume: bool) -> None:
    """Refuse what would fail later, before hours of decoding.

    Raises:
        UsageError: The folder holds a run and `resume` is off.
        MissingExtraError: The training extra is not installed.
    """
    check_extra()
    if not resume and newest_checkpoint(out / "checkpoints"):
        raise UsageError(f"{out} holds a run already: continue it with --resume, or choose another folder.")


def check_extra() -> None:
    """Refuse to begin without the packages of training.

    Raises:
        MissingExtraError: The training extra is not installed.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise MissingExtraError("Training", "accelerate", "train")


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
        `out/weights.safetensors`: of the end of the run, or of the step where `until` stopped it. Beside it lies
        `best.safetensors`, of the step with the best validation score.

    Raises:
        RecipeError: The checkpoint to resume from is of another network.
    """
    from midframe.training.loop import train

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
        inspect=setup.inspect,
        resume=resume,
        until=until,
        report=report,
    )
    path = out / "weights.safetensors"
    if first:
        setup.export(averaged, path)
        report(f"wrote {path}")
        if (out / "best.pt").is_file():
            setup.export(load_checkpoint(out / "best.pt")["weights"], out / "best.safetensors")
    return path


def _record(setup: TrainingSetup, out: Path, seed: int) -> None:
    """What ran: the resolved recipe, versions, machine, and the state of the source tree; a line for each start."""
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
    with (out / "run.jsonl").open("a") as file:
        file.write(json.dumps(record, default=str) + "\n")


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
