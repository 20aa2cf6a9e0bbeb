"""What generative inbetweening claims, measured on rendered scenes that look wrong backwards.

    python examples/inbetween_claims.py WEIGHTS.safetensors OUT [--unrotated FILE] [--features squeezenet1.1.onnx]
        [--pairs 64] [--steps 20] [--shown 6] [--made OUT/made.npz]

Pairs of key frames are the first and last frames of scenes that no training has seen, whose objects' positions are
known. Every system fills the gap, and is measured against the scene:

    endpoint      pixels between the objects in the last frame that the system makes, and where they should be
    trajectory    the same, over the frames between
    colour        over the frames between, mean distance of all of an object's colour from where the object should be,
                  less what it is in truth (an object is no point)
    wrong way     steps from frame to frame in which an object moves against the truth, or shrinks where it grows
    lost          objects that cannot be found in a frame between; they count as in its middle in the distances
    frames, steps Fréchet distance of SqueezeNet's features, and of their changes a frame (with --features)
    apart         disagreement of the two directions at the last step; evaluations: clips through the network

An object is where the middle of its colour is, except by `colour`. A method that fades one copy out and another in
has that middle on the way between, and looks right by it: blending is measured too, for comparison.

Intervals hold 95 % of bootstrap means over pairs. Differences are taken pair by pair. OUT gets claims.json,
gallery.html with the key frames and what each system puts between, and made.npz with all clips, which --made measures
again without making them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import midframe
from midframe.core.method import ClipProgress
from midframe.data.one_way import KINDS, OneWayClips, numbered_generator, render_one_way
from midframe.evaluation.bootstrap import Interval, SequenceBootstrap
from midframe.evaluation.image_file import image_address
from midframe.evaluation.report.markup import Markup, join, tag
from midframe.evaluation.report.page import FOLDER as REPORT
from midframe.methods.inbetween.attention import ReverseProjections
from midframe.methods.inbetween.sample import InbetweenInterpolator, SamplingSettings
from midframe.methods.inbetween.weights_file import load_small, set_backward
from midframe.metrics.frechet import FeatureMoments, frechet_distance
from midframe.metrics.trajectory import Tracks, colour_distances, distances, track, wrong_way
from midframe.nn.backbone_weights import BLUE_GREEN_RED_MEAN, load_trunk, read_onnx_squeezenet
from midframe.nn.backbones import Trunk, squeezenet

SCENES_SEED = 2**31 + 1
"""Apart from the seeds of training and validation."""
AT_ONCE = 8
SLICE = 2
"""Of SqueezeNet's: after fire 5, 256 channels; deeper ones have more channels than there are frames."""
RESAMPLES = 200
"""Of a Fréchet distance, each of which takes two decompositions."""
ENLARGED = 2

Fill = Callable[[Tensor, torch.Generator], tuple[Tensor, float | None]]
"""From key frames (batch, 2, 3, height, width) to whole clips, with how far apart the directions ended."""


@dataclass(frozen=True, eq=False)
class System:
    """One way to fill a gap.

    Attributes:
        fill: Makes clips.
        ends_made: Its first and last frame are its own, so that they can be wrong.
        evaluations: Clips through the network for one.
    """

    fill: Fill
    ends_made: bool = True
    evaluations: int = 0


@dataclass(frozen=True)
class Row:
    """What was measured of one system; each value with its interval."""

    endpoint: Interval | None
    trajectory: Interval
    colour: Interval
    wrong_way: Interval
    lost: Interval
    frames: Interval | None
    steps: Interval | None
    apart: float | None
    evaluations: int


def systems(weights: Path, unrotated: Path | None, steps: int) -> dict[str, System]:
    """Everything that is compared, by name."""
    model = load_small(weights)
    tuned = model.network.backward
    without_rotation = None if unrotated is None else load_small(unrotated).network.backward

    def sampled(backward: ReverseProjections | None, rotated: str, **settings: object) -> System:
        method = InbetweenInterpolator(model, SamplingSettings(steps=steps, **settings))  # pyright: ignore[reportArgumentType]

        def fill(keys: Tensor, generator: torch.Generator) -> tuple[Tensor, float | None]:
            seen: list[ClipProgress] = []
            method.on_step = seen.append
            set_backward(model, backward, rotated)  # pyright: ignore[reportArgumentType]
            return method.clip(keys, generator=generator), seen[-1].disagreement

        return System(fill, evaluations=method.evaluations())

    found = {
        "full, no re-injection": sampled(tuned, "all", injections=0),
        "full, 1 re-injection": sampled(tuned, "all", injections=1),
        "full, 5 re-injections": sampled(tuned, "all", injections=5),
    }
    if without_rotation is not None:
        found["without rotation"] = sampled(without_rotation, "none", injections=1)
    found |= {
        "without fine-tuning, all layers": sampled(None, "all", injections=1),
        "without fine-tuning, up layers": sampled(None, "up", injections=1),
        "Time Reversal Fusion": sampled(None, "none", system="time-reversal"),
        "forward only": sampled(None, "none", system="forward"),
    }
    parts = model.facts.frames - 1
    times = [Fraction(part, parts) for part in range(1, parts)]

    def between(name: str) -> System:
        method = midframe.load(name, device="cpu")

        def fill(keys: Tensor, generator: torch.Generator) -> tuple[Tensor, float | None]:
            return torch.cat((keys[:, :1], method.interpolate(keys, times), keys[:, 1:]), 1), None

        return System(fill, ends_made=False)

    return {**found, "rife": between("rife"), "blend": between("blend")}


def scenes(count: int, frames: int, side: int) -> OneWayClips:
    """The scenes that key frames are taken from."""
    return render_one_way(count, frames, side, numbered_generator(SCENES_SEED, 0))


def fill_all(system: System, clips: OneWayClips) -> tuple[Tensor, float | None]:
    """A system's clips of all pairs, rounded to 8 bits, and its last disagreement."""
    made, apart = [], None
    for number, start in enumerate(range(0, len(clips), AT_ONCE)):
        keys = clips.frames[start : start + AT_ONCE][:, [0, -1]]
        clip, apart = system.fill(keys, torch.Generator().manual_seed(number))
        made.append((clip * 255).round() / 255)
    return torch.cat(made), apart


class Ruler:
    """Measures clips against scenes.

    Args:
        clips: The scenes.
        trunk: SqueezeNet, for Fréchet distances.
    """

    def __init__(self, clips: OneWayClips, trunk: Trunk | None) -> None:
        self.clips, self.trunk = clips, trunk
        self.truth = track(clips.frames, clips.colour)
        self.true_colour = self._colour(clips.frames)
        self.bootstrap = SequenceBootstrap([str(number) for number in range(len(clips))])
        self.true_features = None if trunk is None else self._features(clips.frames)

    def values(self, made: Tensor, *, ends_made: bool) -> dict[str, list[float]]:
        """One number for each pair."""
        tracks, present = track(made, self.clips.colour), self.clips.present
        # Where the same ruler finds the objects in truth: what it gets wrong on both sides is nobody's error.
        apart = distances(tracks, self.truth.position, present)
        wrong, judged = wrong_way(tracks, self.truth, present)
        found = {
            "trajectory": apart[:, 1:-1].mean(1).tolist(),
            "colour": (self._colour(made) - self.true_colour).tolist(),
            "wrong_way": (wrong / judged.clamp(min=1)).tolist(),
            "lost": self._lost(tracks).tolist(),
        }
        return found | ({"endpoint": apart[:, -1].tolist()} if ends_made else {})

    def row(self, made: Tensor, system: System, apart: float | None) -> Row:
        """All that is said of a system."""
        values = {
            name: self.bootstrap.interval(v) for name, v in self.values(made, ends_made=system.ends_made).items()
        }
        frames = steps = None
        if self.trunk is not None and self.true_features is not None:
            features = self._features(made)
            frames = self._frechet(features[:, 1:-1], self.true_features[:, 1:-1])
            steps = self._frechet(features.diff(dim=1), self.true_features.diff(dim=1))
        return Row(
            endpoint=values.get("endpoint"),
            trajectory=values["trajectory"],
            colour=values["colour"],
            wrong_way=values["wrong_way"],
            lost=values["lost"],
            frames=frames,
            steps=steps,
            apart=apart,
            evaluations=system.evaluations,
        )

    def _colour(self, made: Tensor) -> Tensor:
        found = colour_distances(made, self.clips.colour, self.truth.position, self.clips.present)
        return found[:, 1:-1].mean(1)

    def _lost(self, tracks: Tracks) -> Tensor:
        there = self.clips.present[:, None].expand_as(tracks.found[:, 1:-1])
        missing = (there & ~tracks.found[:, 1:-1]).float().sum((1, 2))
        return missing / there.float().sum((1, 2))

    @torch.inference_mode()
    def _features(self, clips: Tensor) -> Tensor:
        """(pair, frame, channel)."""
        assert self.trunk is not None
        mean = torch.tensor(BLUE_GREEN_RED_MEAN)[:, None, None]
        parts = [self.trunk(clip.flip(1) * 255 - mean)[SLICE].mean((-2, -1)) for clip in clips]
        return torch.stack(parts)

    def _frechet(self, made: Tensor, true: Tensor) -> Interval:
        random = np.random.default_rng(0)
        draws = [np.arange(len(made)), *(random.integers(len(made), size=len(made)) for _ in range(RESAMPLES))]
        found = [_distance(made[draw].flatten(0, 1), true[draw].flatten(0, 1)) for draw in draws]
        low, high = np.quantile(found[1:], [0.025, 0.975])
        return Interval(found[0], float(low), float(high))


def _distance(made: Tensor, true: Tensor) -> float:
    moments = []
    for features in (made, true):
        of = FeatureMoments()
        of.add(features)
        moments += of.moments()
    return frechet_distance(*moments)


def table(rows: dict[str, Row]) -> str:
    """Aligned text."""
    heads = ("endpoint", "trajectory", "colour", "wrong way", "lost", "frames", "steps", "apart", "evaluations")
    lines = [f"{'system':<32}" + "".join(f"{head:>22}" for head in heads)]
    for name, row in rows.items():
        cells = [said(row.endpoint), said(row.trajectory), said(row.colour), said(row.wrong_way), said(row.lost)]
        cells += [said(row.frames), said(row.steps), "-" if row.apart is None else f"{row.apart:.3f}"]
        cells.append(str(row.evaluations))
        lines.append(f"{name:<32}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def said(value: Interval | None) -> str:
    """A mean with its interval."""
    if value is None:
        return "-"
    if value.low is None or value.high is None:
        return f"{value.mean:.3g}"
    return f"{value.mean:.3g} [{value.low:.3g} {value.high:.3g}]"


def gallery(clips: OneWayClips, made: dict[str, Tensor], rows: dict[str, Row], shown: int) -> str:
    """The page: a table, then for each scene a strip of every system, key frames at both ends of the truth."""
    heads = ("system", "endpoint, px", "trajectory, px", "colour, px", "wrong way", "lost")
    heads += ("Fréchet, frames", "Fréchet, steps")
    body = []
    for name, row in rows.items():
        cells = (row.endpoint, row.trajectory, row.colour, row.wrong_way, row.lost, row.frames, row.steps)
        body.append(
            tag("tr", tag("th", name, scope="row"), *(tag("td", said(cell), class_="number") for cell in cells))
        )
    head = tag("thead", tag("tr", *(tag("th", text, scope="col") for text in heads)))
    parts = [
        tag("h1", "Between two key frames"),
        tag("p", f"{len(clips)} rendered scenes that look wrong backwards; intervals over scenes.", class_="lead"),
        tag("div", tag("table", head, tag("tbody", *body)), class_="scroll"),
        tag("h2", "Scenes"),
        tag(
            "p",
            "Each strip runs from one key frame to the other; the systems see these two alone.",
            class_="note",
        ),
    ]
    for number in range(min(shown, len(clips))):
        strips = [("truth", clips.frames[number])] + [(name, clip[number]) for name, clip in made.items()]
        figures = [tag("figure", _strip(frames, name), tag("figcaption", name)) for name, frames in strips]
        parts += [tag("h3", f"{number + 1}. {KINDS[int(clips.kind[number])]}"), *figures]
    style = Markup((REPORT / "style.css").read_text(encoding="utf-8"))
    extra = Markup("figure img { width: 100%; image-rendering: pixelated; border-radius: 6px; }")
    title = tag("title", "Between two key frames")
    page = join(
        Markup(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        ),
        title,
        Markup(f"<style>{style}{extra}</style>"),
        tag("main", *parts),
    )
    return f"{page}</html>\n"


def _strip(frames: Tensor, name: str) -> Markup:
    row = torch.cat(list(frames), -1).permute(1, 2, 0)
    pixels = (row * 255).round().byte().numpy()
    large = pixels.repeat(ENLARGED, 0).repeat(ENLARGED, 1)
    return tag("img", src=image_address(np.ascontiguousarray(large)), alt=f"frames of {name}", loading="lazy")


def differences(rows: dict[str, dict[str, list[float]]], bootstrap: SequenceBootstrap, leader: str) -> list[str]:
    """How every system differs from one, pair by pair."""
    lines = []
    for name, values in rows.items():
        if name == leader:
            continue
        for measure in ("endpoint", "trajectory", "colour", "wrong_way"):
            if measure in values:
                apart = [theirs - ours for theirs, ours in zip(values[measure], rows[leader][measure], strict=True)]
                gap = bootstrap.interval(apart)
                word = "beyond doubt" if gap.excludes_zero else "not told apart"
                lines.append(f"{name}: {measure} {said(gap)} over {leader}, {word}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--unrotated", type=Path, help="a backward model trained without rotation, all projections")
    parser.add_argument("--features", type=Path, help="SqueezeNet 1.1 as .onnx")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--shown", type=int, default=6)
    parser.add_argument("--made", type=Path, help="clips of a run before, to be measured again")
    chosen = parser.parse_args(arguments)
    trunk = None
    if chosen.features is not None:
        trunk = load_trunk(squeezenet(partial_windows=False), read_onnx_squeezenet(chosen.features), chosen.features)
    compared = systems(chosen.weights, chosen.unrotated, chosen.steps)
    facts = load_small(chosen.weights).facts
    clips = scenes(chosen.pairs, facts.frames, facts.height)
    ruler = Ruler(clips, trunk)
    rows: dict[str, Row] = {}
    made: dict[str, Tensor] = {}
    values: dict[str, dict[str, list[float]]] = {}
    made_with = f"{chosen.pairs} pairs, {chosen.steps} steps, {', '.join(compared)}"
    kept = None if chosen.made is None else np.load(chosen.made)
    if kept is not None and str(kept["made with"]) != made_with:
        parser.error(f"{chosen.made} was made with {kept['made with']}; this run has {made_with}")
    aparts: dict[str, float | None] = {}
    for name, system in compared.items():
        if kept is None:
            made[name], apart = fill_all(system, clips)
        else:
            apart = float(kept[f"{name}, apart"])
            made[name], apart = torch.from_numpy(kept[name]).float() / 255, None if math.isnan(apart) else apart
        aparts[name] = apart
        values[name] = ruler.values(made[name], ends_made=system.ends_made)
        rows[name] = ruler.row(made[name], system, apart)
        print(table({name: rows[name]}).splitlines()[-1], flush=True)
    leader = "full, 1 re-injection"
    print(table(rows))
    print("\n".join(differences(values, ruler.bootstrap, leader)))
    chosen.out.mkdir(parents=True, exist_ok=True)
    if kept is None:
        arrays = {name: (clip * 255).round().byte().numpy() for name, clip in made.items()}
        apart_arrays = {f"{name}, apart": np.array(math.nan if one is None else one) for name, one in aparts.items()}
        of = {"made with": np.array(made_with)}
        np.savez_compressed(chosen.out / "made.npz", **arrays, **apart_arrays, **of)
    written = {name: asdict(row) for name, row in rows.items()}
    (chosen.out / "claims.json").write_text(json.dumps({"pairs": chosen.pairs, "systems": written}, indent=1) + "\n")
    (chosen.out / "gallery.html").write_text(gallery(clips, made, rows, chosen.shown), encoding="utf-8")
    print(chosen.out / "gallery.html")


if __name__ == "__main__":
    main()
