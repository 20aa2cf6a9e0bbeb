"""What a check leaves on disk: every number as JSON, and the worst case as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional

from midframe.core.errors import WriteError
from midframe.engine import GapFiller
from midframe.evaluation.check import Candidate, ClipCheck, RemadeTarget, as_tensor, remade_picture
from midframe.evaluation.clip_targets import read_targets, to_bytes
from midframe.evaluation.image_file import write_image
from midframe.evaluation.panels import crop_around, labelled, reduced, tiled
from midframe.evaluation.recommendation import by_motion, by_scene, recommend, standings
from midframe.video import probe

PANEL_SIDE = 480
"""Pixels of the longer side of each panel of the strip."""
ZOOM = 2
SPOT = 33
"""Side in pixels of the square whose mean error says where a picture is worst."""
CAVEAT = (
    "Every second frame was left out and remade, so each gap was twice as wide as those of the clip: on the clip "
    "itself every candidate does better than here, and their order may differ where motion is large."
)


def make_folder(folder: Path) -> None:
    """Make the folder for the files of a check, if it is missing.

    Raises:
        WriteError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"The folder {folder} cannot be made: {error}.") from error


def write_check(check: ClipCheck, folder: Path) -> Path:
    """Write every number of a check as `check.json` into a folder, made if missing; returns its path.

    Raises:
        WriteError: The folder cannot be made or the file cannot be written.
    """
    make_folder(folder)
    path = folder / "check.json"
    try:
        path.write_text(json.dumps(_contents(check), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error
    return path


def write_worst_case(check: ClipCheck, candidates: Sequence[Candidate], folder: Path, seed: int = 0) -> Path:
    """Write `worst.png`: the frame that the recommended candidate remade worst, as every candidate remade it.

    Above the whole pictures, below the surroundings of the worst spot, each pixel as large as `ZOOM` by `ZOOM`.

    Args:
        check: What was measured.
        candidates: The same as in the check.
        folder: Where the picture goes; it exists.
        seed: As in the check.

    Raises:
        WriteError: The file cannot be written.
        MissingExtraError: Pillow, which draws the labels, is not installed.
    """
    name = recommend(check).name
    target = min(check.remade, key=lambda remade: remade.remakes[name].psnr).target
    info = probe(check.path)
    pictures = next(read_targets(info, [target]))

    def upright(pixels: np.ndarray) -> np.ndarray:
        # Phones store pictures on their side.
        return np.ascontiguousarray(np.rot90(to_bytes(pixels), info.quarter_turns))

    truth = upright(pictures[target.frames.target])
    made = {}
    for candidate in candidates:
        filler = GapFiller(candidate.interpolator, candidate.device, seed)
        context = candidate.interpolator.spec.context
        made[candidate.name] = upright(remade_picture(filler, context, target, pictures))
    shown = {
        "before": upright(pictures[target.frames.before]),
        f"truth at {float(target.seconds):.2f} s": truth,
        **made,
        "after": upright(pictures[target.frames.after]),
    }
    spot = worst_spot(made[name], truth)
    columns = []
    for label, picture in shown.items():
        whole = reduced(picture, PANEL_SIDE, PANEL_SIDE)
        detail = crop_around(picture, spot, whole.shape[1] // ZOOM, whole.shape[0] // ZOOM)
        columns.append(tiled([labelled(whole, label), detail.repeat(ZOOM, 0).repeat(ZOOM, 1)], 1))
    path = folder / "worst.png"
    write_image(as_tensor(tiled(columns, len(columns))), path)
    return path


def worst_spot(prediction: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Row and column of the centre of the square with the largest mean error; pictures (height, width, 3) uint8."""
    error = torch.from_numpy(np.abs(prediction.astype(np.int16) - truth).mean(-1)).float()
    smooth = functional.avg_pool2d(error[None], SPOT, stride=1, padding=SPOT // 2, count_include_pad=False)[0]
    row, column = divmod(int(smooth.argmax()), smooth.shape[1])
    return row, column


def _contents(check: ClipCheck) -> dict[str, Any]:
    choice = recommend(check)
    return {
        "clip": str(check.path),
        "size": "{}x{}".format(*check.size),
        "rate": None if check.rate is None else float(check.rate),
        "caveat": CAVEAT,
        "frames": check.survey.frames,
        "scenes": check.survey.scenes,
        "repeats": check.survey.repeats,
        "frames_that_could_be_tested": len(check.survey.targets),
        "frames_tested": len(check.remade),
        "recommended": asdict(choice),
        "candidates": [asdict(standing) for standing in standings(check)],
        "by_scene": [asdict(group) for group in by_scene(check)],
        "by_motion": [asdict(group) for group in by_motion(check)],
        "targets": [_row(remade) for remade in check.remade],
    }


def _row(remade: RemadeTarget) -> Mapping[str, Any]:
    return {
        "frame": remade.target.frames.target.index,
        "seconds": float(remade.target.seconds),
        "scene": remade.target.scene,
        "motion_pixels": round(remade.motion_pixels, 2),
        "candidates": {name: asdict(remake) for name, remake in remade.remakes.items()},
    }
