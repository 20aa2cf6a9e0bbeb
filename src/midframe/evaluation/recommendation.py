"""What a check of a clip says: means by scene and by motion, and which candidate to take."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from midframe.evaluation.check import ClipCheck, RemadeTarget

MOTION_LIMITS = (4, 16, 64)
"""Pixels between two kept frames at which a new class of motion begins."""
UNSEEN_DECIBELS = 0.1
"""Differences of the mean that no one sees: speed decides."""
LASTING_DECIBELS = 0.5
"""Leads below this may turn over at the clip's own rate (`examples/check_ranking.py`: all that did were below)."""
WORTHWHILE_SPEEDUP = 1.25
"""Times as fast as the best-scoring candidate, below which speed decides nothing: timings differ as much."""
FEW_FRAMES = 10
"""Tested frames below which the interval rests on too few draws to be taken for exact."""
DRAWS = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Standing:
    """One candidate over all tested frames.

    Attributes:
        name: Of the candidate.
        psnr: Mean decibels.
        ssim: Mean structural similarity.
        frames_per_second: Of the median frame, with conversion of the pixels and without reading the video.
        sqd: Mean distance of SqueezeNet features; None where it was not measured.
    """

    name: str
    psnr: float
    ssim: float
    frames_per_second: float
    sqd: float | None = None


@dataclass(frozen=True)
class Group:
    """Some of the tested frames.

    Attributes:
        name: What they have in common.
        targets: How many there are.
        psnr: Mean decibels of each candidate by name.
    """

    name: str
    targets: int
    psnr: Mapping[str, float]


@dataclass(frozen=True)
class Lead:
    """How far one candidate's mean PSNR is ahead of another's.

    Attributes:
        over: The other candidate.
        decibels: Mean difference over the frames.
        low: Lower end of its 95 % interval, by resampling the frames.
        high: Upper end.
    """

    over: str
    decibels: float
    low: float
    high: float


@dataclass(frozen=True)
class Recommendation:
    """The candidate to take.

    Attributes:
        name: The candidate.
        reason: Why, in a sentence.
        leads: Its lead over each other candidate, in the order of their means.
    """

    name: str
    reason: str
    leads: tuple[Lead, ...]


def standings(check: ClipCheck) -> list[Standing]:
    """All candidates, the highest mean PSNR first."""
    rows = []
    for name in check.candidates:
        remakes = [remade.remakes[name] for remade in check.remade]
        seconds = median(remake.seconds for remake in remakes)
        distances = [remake.sqd for remake in remakes if remake.sqd is not None]
        rows.append(
            Standing(
                name,
                fmean(remake.psnr for remake in remakes),
                fmean(remake.ssim for remake in remakes),
                1 / max(seconds, 1e-9),
                fmean(distances) if distances else None,
            )
        )
    return sorted(rows, key=lambda row: row.psnr, reverse=True)


def by_scene(check: ClipCheck) -> list[Group]:
    """Means over each scene that was tested, in order of time; scenes are numbered from 1."""
    seconds: dict[int, float] = {}
    for remade in check.remade:
        seconds.setdefault(remade.target.scene, float(remade.target.seconds))
    return _groups(check, lambda remade: remade.target.scene, lambda scene: f"{scene}, at {seconds[scene]:.1f} s")


def by_motion(check: ClipCheck) -> list[Group]:
    """Means over each size of motion that occurs, the smallest first."""
    return _groups(check, lambda remade: sum(remade.motion_pixels >= limit for limit in MOTION_LIMITS), _motion_name)


def recommend(check: ClipCheck) -> Recommendation:
    """The candidate of the highest mean PSNR, or a clearly faster one that no one can tell from it by eye."""
    ranked = standings(check)
    best = ranked[0]
    rivals = [
        row
        for row in ranked[1:]
        if best.psnr - row.psnr <= UNSEEN_DECIBELS
        and row.frames_per_second >= WORTHWHILE_SPEEDUP * best.frames_per_second
    ]
    chosen = max(rivals, key=lambda row: row.frames_per_second, default=best)
    leads = tuple(_lead(check, chosen.name, row.name) for row in ranked if row.name != chosen.name)
    reason = _reason(chosen, best, leads, len(check.remade), len(check.survey.targets))
    return Recommendation(chosen.name, reason, leads)


def _reason(chosen: Standing, best: Standing, leads: Sequence[Lead], tested: int, offered: int) -> str:
    if chosen is not best:
        return (
            f"{best.psnr - chosen.psnr:.2f} dB below {best.name}, which no one sees, and "
            f"{chosen.frames_per_second / best.frames_per_second:.1f} times as fast."
        )
    if not leads:
        return f"{best.psnr:.2f} dB; nothing else was asked for."
    second = leads[0]
    ahead = (
        f"{second.decibels:.2f} dB ahead of {second.over} (95 % interval {second.low:.2f} to {second.high:.2f} dB"
        f"{f', rough with {tested} tested' if tested < FEW_FRAMES else ''})"
    )
    if second.low <= 0:
        more = "; test more of them with --max" if tested < offered else ""
        return f"{ahead}: too close to call on these frames{more}."
    if second.decibels < LASTING_DECIBELS:
        return f"{ahead}; a lead this small may turn over at the clip's own rate: compare the two by eye."
    return f"{ahead}."


def _lead(check: ClipCheck, name: str, over: str) -> Lead:
    """Bootstrap over frames, of the paired differences: all candidates remade the same ones."""
    apart = [remade.remakes[name].psnr - remade.remakes[over].psnr for remade in check.remade]
    draw = random.Random(0)
    means = sorted(fmean(draw.choices(apart, k=len(apart))) for _ in range(DRAWS))
    outside = round(DRAWS * (1 - CONFIDENCE) / 2)
    return Lead(over, fmean(apart), means[outside], means[-1 - outside])


def _groups(check: ClipCheck, key: Callable[[RemadeTarget], int], name: Callable[[int], str]) -> list[Group]:
    members: dict[int, list[RemadeTarget]] = {}
    for remade in check.remade:
        members.setdefault(key(remade), []).append(remade)
    return [
        Group(
            name(number),
            len(group),
            {candidate: fmean(remade.remakes[candidate].psnr for remade in group) for candidate in check.candidates},
        )
        for number, group in sorted(members.items())
    ]


def _motion_name(number: int) -> str:
    if number == len(MOTION_LIMITS):
        return f"{MOTION_LIMITS[-1]} px and more"
    return f"{(0, *MOTION_LIMITS)[number]} to {MOTION_LIMITS[number]} px"
