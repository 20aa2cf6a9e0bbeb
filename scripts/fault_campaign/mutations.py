"""Damaged inputs, each put through probe, plan and a short run in a child that is bounded in time and memory."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from fault_campaign.child import Ended, in_child
from fault_campaign.media import Clip, content_of, make
from fault_campaign.mutators import ANY, BY_SUFFIX
from fault_campaign.packets import damage_packets
from midframe.engine.provenance import sidecar_of

PATIENCE_SECONDS = 60.0
MEMORY_BYTES = 2 * 10**9
"""Address space beyond that of the process at its start; what is resident may not reach it either."""
MEMORY_BOUND = "1200MB"
"""What midframe is told to stay within."""
ENCODE_SECONDS_TOLERANCE = Fraction(2, 1000)
SEED_SIZE = (48, 32)
MOST_FRAMES = 3000
"""Outputs that are honestly planned to have more, since a stamp is damaged, are not made."""

FAST = (("preset", "ultrafast"),)
SEEDS = [
    Clip(name="h264.mp4", scenes=(8,), sound="aac", options=(("preset", "veryfast"),)),
    Clip(name="hevc.mp4", scenes=(6,), codec="libx265", options=(*FAST, ("x265-params", "log-level=none"))),
    Clip(name="mpeg4.mov", scenes=(8,), codec="mpeg4", sound="aac"),
    Clip(name="prores.mov", scenes=(4,), codec="prores_ks", pixel_format="yuv422p10le"),
    Clip(name="h264.mkv", scenes=(8,), sound="libopus", jitter=Fraction(1, 2), options=FAST),
    Clip(name="ffv1.mkv", scenes=(5,), codec="ffv1", pixel_format="yuv444p"),
    Clip(name="vp9.webm", scenes=(6,), codec="libvpx-vp9", sound="libopus", options=(("cpu-used", "8"),)),
    Clip(name="mpeg2.ts", scenes=(8,), codec="mpeg2video", sound="mp2"),
    Clip(name="h264.ts", scenes=(8,), options=FAST),
    Clip(name="mjpeg.avi", scenes=(5,), codec="mjpeg", pixel_format="yuvj420p"),
    Clip(name="mpeg4.avi", scenes=(8,), codec="mpeg4", sound="mp2"),
    Clip(name="moving.gif", scenes=(5,), codec="gif", pixel_format="rgb8"),
    Clip(name="moving.apng", scenes=(4,), codec="apng", pixel_format="rgb24"),
    Clip(name="still.png", scenes=(1,), codec="png", pixel_format="rgb24"),
]
REPACKED = (".mp4", ".mov", ".mkv", ".webm", ".ts", ".avi")


@dataclass
class Tally:
    """What a campaign came to.

    Attributes:
        done: Runs with a whole output.
        planned: Plans of more frames than are made here.
        refused: Runs that ended with a sentence.
        by_kind: Mutations by how they were made.
        failures: One sentence for each.
        slowest_seconds: Of all children.
        peak_bytes: Of all children.
    """

    done: int = 0
    refused: int = 0
    planned: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_seconds: float = 0
    peak_bytes: int = 0


def make_seeds(folder: Path) -> list[Path]:
    """Whole files of many kinds; those whose encoder is missing here are left out."""
    folder.mkdir(parents=True)
    found = []
    for clip in SEEDS:
        made = in_child(lambda clip=clip: str(make(clip, folder, SEED_SIZE)), patience_seconds=PATIENCE_SECONDS)
        if made.code == 0:
            found.append(Path(made.value))
    return found


def mutate(seed: Path, rng: random.Random, target: Path) -> str:
    """Write a damaged copy of a file; returns how it was damaged."""
    if seed.suffix in REPACKED and rng.random() < 0.3:
        made = in_child(lambda: damage_packets(seed, target, rng), patience_seconds=PATIENCE_SECONDS)
        if made.code == 0 and target.exists() and target.stat().st_size:
            return "packets"
    content, names = seed.read_bytes(), []
    for _ in range(1 if rng.random() < 0.75 else 2):
        own = BY_SUFFIX.get(seed.suffix, ())
        mutator = rng.choice(own if own and rng.random() < 0.6 else ANY)
        if content:
            content = mutator(content, rng)
        names.append(mutator.__name__)
    target.write_bytes(content)
    return " ".join(names)


def process(source: Path, target: Path, skip_damaged: bool, wish: dict[str, Any]) -> dict[str, Any]:
    """Probe, plan and run; what came of it."""
    import av

    from midframe import MidframeError, interpolate_video, plan_video

    av.logging.set_level(av.logging.PANIC)
    plan = None
    try:
        plan = plan_video(source, target, method="blend", memory=MEMORY_BOUND, **wish)
        if plan.frames_out is not None and plan.frames_out > MOST_FRAMES:
            return {"planned": plan.frames_out}
        result = interpolate_video(
            source, target, method="blend", memory=MEMORY_BOUND, skip_damaged=skip_damaged, **wish
        )
    except MidframeError as error:
        return {"refused": str(error)}
    seen = content_of(target)
    found = [] if set(result.notes) <= set(plan.notes) else ["notes"]
    tick = max(plan.time_base, ENCODE_SECONDS_TOLERANCE)
    flaws = []
    if seen.frames != result.frames_out:
        flaws.append(f"{seen.frames} frames in the file, {result.frames_out} in the report")
    if not seen.ascending:
        flaws.append("stamps do not ascend")
    if abs(seen.end - result.duration) > tick:
        flaws.append(f"the file lasts {float(seen.end)} s, the report says {float(result.duration)} s")
    if plan.duration is not None and abs(plan.duration - result.duration) > tick and not found:
        flaws.append(f"planned {float(plan.duration)} s, made {float(result.duration)} s, and no note says why")
    if plan.frames_out is not None and plan.frames_out != result.frames_out and not found:
        flaws.append(f"planned {plan.frames_out} frames, made {result.frames_out}, and no note says why")
    return {"flaws": flaws, "notes": list(result.notes)}


def judge(ended: Ended, folder: Path, source: Path, target: Path) -> str:
    """What is wrong with how a damaged input was dealt with; empty where nothing is."""
    if ended.hung:
        return f"hung for {PATIENCE_SECONDS:.0f} s"
    if ended.code < 0:
        return f"crashed with signal {-ended.code}"
    if ended.peak_bytes > MEMORY_BYTES:
        return f"took {ended.peak_bytes / 1e6:.0f} MB"
    if ended.code:
        return f"a traceback: {ended.said[-700:]}"
    refused = ended.value.get("refused")
    if refused is not None and (
        target.exists() or sidecar_of(target).exists() or not refused.strip() or "Traceback" in refused
    ):
        return f"refused, and an output is there, or the sentence is none: {refused}"
    if ended.value.get("flaws"):
        return "; ".join(ended.value["flaws"])
    for path in folder.rglob("*"):
        inside = path.parent.suffix == ".midframe" and refused is not None
        finished_part = inside and (path.suffix == ".segment" or path.name in ("run.json", "lock", "made.jsonl"))
        waiting = path.suffix == ".midframe" and refused is not None and any(path.glob("*.segment"))
        if path not in (source, target, sidecar_of(target)) and not finished_part and not waiting:
            return f"left behind: {path.relative_to(folder)}"
    return ""


def run_one(seed_files: list[Path], number: int, seed: int, folder: Path) -> tuple[str, str, Ended, Path]:
    """One mutation: how it was made, what was wrong, how the child ended, and the damaged file."""
    rng = random.Random(f"mutation {seed} {number}")
    original = rng.choice(seed_files)
    place = folder / f"mutation {number}"
    place.mkdir()
    source = place / f"in{original.suffix}"
    kind = mutate(original, rng, source)
    target = place / rng.choice(["out.mkv", "out.mp4", "out.mov"])
    wish = rng.choice([{"multi": 2}, {"multi": 2}, {"multi": 3}, {"fps": 60}, {"fps": "30000/1001"}, {"slow": 2}])
    skip = rng.random() < 0.6
    ended = in_child(
        lambda: process(source, target, skip, wish),
        patience_seconds=PATIENCE_SECONDS,
        more_memory_bytes=MEMORY_BYTES,
    )
    return f"{original.name}: {kind}", judge(ended, place, source, target), ended, source


def run_mutations(
    count: int, seed: int, folder: Path, keep: Path, report: Callable[[str], None], only: int | None = None
) -> Tally:
    """Try `count` damaged inputs; those that are dealt with wrongly are copied to `keep`."""
    tally = Tally()
    seed_files = make_seeds(folder / "seeds")
    for number in range(count) if only is None else (only,):
        kind, flaw, ended, source = run_one(seed_files, number, seed, folder)
        tally.by_kind[kind.split(": ")[1].split()[0]] += 1
        tally.slowest_seconds = max(tally.slowest_seconds, ended.seconds)
        tally.peak_bytes = max(tally.peak_bytes, ended.peak_bytes)
        if only is not None:
            report(f"{kind}: {ended}")
        if flaw:
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"{seed}-{number}{source.suffix}"
            shutil.copyfile(source, kept)
            tally.failures.append(f"mutation {number} ({kind}): {flaw}")
            report(f"mutation {number} ({kind}), kept as {kept}: {flaw}")
        elif "planned" in ended.value:
            tally.planned += 1
        elif "refused" in ended.value:
            tally.refused += 1
        else:
            tally.done += 1
        shutil.rmtree(source.parent)
        if (number + 1) % 200 == 0:
            report(f"{number + 1} of {count} mutations, {len(tally.failures)} failures")
    return tally
