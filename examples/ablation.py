"""What the ablation scripts share: variants trained once with each seed, and their figures as columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from midframe import api
from midframe.core.errors import UsageError
from midframe.core.file_hash import sha256_of

SCHEDULE_AND_STAGE = """average_decay = 0.98
precision = "fp32"
validate_every = {steps}
checkpoint_minutes = 60

[[stages]]
until = {steps}
[stages.samples]"""
"""End of the schedule in a small recipe, and the head of its only stage; what it samples follows."""


def trained(
    method: str,
    name: str,
    recipe: str,
    bank: Path,
    out: Path,
    seed: int,
    *,
    features: Path | None = None,
    builds_on: Path | None = None,
) -> Path:
    """Train one variant with one seed, or find the weights of an earlier call.

    Args:
        method: What is trained.
        name: Of the variant, and of its folder in `out`.
        recipe: The text of its recipe.
        bank: Decoded clips.
        out: Folder of all variants.
        seed: Of everything random.
        features: As `midframe.api.train` takes it.
        builds_on: As there.

    Raises:
        UsageError: The weights of the earlier call came from another recipe, or from other files.
    """
    recipe += "".join(
        f"# {path.name}, SHA-256 {sha256_of(path)}\n" for path in (features, builds_on) if path is not None
    )
    folder = out / f"{''.join(letter if letter.isalnum() else '-' for letter in name)}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "weights.safetensors"
    path = out / f"{folder.name}.toml"
    if weights.is_file():
        if path.read_text() != recipe:
            raise UsageError(
                f"{weights} came from another recipe than is wanted now: choose another folder than {out}."
            )
        return weights
    path.write_text(recipe)
    return api.train(
        method,
        recipe=path,
        data=[bank],
        out=folder,
        seed=seed,
        workers=0,
        features=features,
        builds_on=builds_on,
    )


def spread(values: Sequence[float], digits: int) -> str:
    """The mean of the seeds, and the deviation between them where there are several."""
    apart = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{apart}"
