"""Does looking at its own estimates help MADIFF? The orderings that its paper claims or implies, measured.

    python examples/madiff_orderings.py WEIGHTS [WEIGHTS ...] --root EVAL --squeezenet squeezenet1.1-fp16.onnx
        [--lists clips-easy,clips-hard,...] [--size 256x256] [--targets 12] [--seeds 3] [--steps 25]
        [--beside blend,rife,svmv,mivid=mivid.safetensors] [--grid grid.png] [--rows 2]
        [--refresh 1,2,5,10] [--precision bf16] [--out results.json]

Of each list in EVAL/lists, that many midpoints are made from the centre of the frames, with hints from four places:
each step's estimate ("motion"), the two neighbours alone ("pair"), nowhere ("none"), and the true frame ("oracle",
which no user has). Other methods (`--beside`) make the same targets from the same pixels. Printed for each are PSNR,
SSIM and, where a SqueezeNet is at hand, perceptual distance, plain (SqD) and weighted by errors of motion (FloSqD,
which needs OpenCV), and the paired differences, with 95 % intervals from a bootstrap over sequences; each target's
score is its mean over the seeds. Then: how far hints are from the true ones along the trajectory, beside those of the
pair; what true hints are worth to the codec alone; what a frame costs; quality against seconds where hints are
refreshed less often. Further WEIGHTS (trained with other hint dropout, or hints in fewer places) are compared to the
first.

`--grid` shows some targets of each list: inputs, truth, the other methods' frames and those of the first WEIGHTS with
its hints from the three places that a user has, each with its first metric. Frames are those of the first seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

import midframe
from midframe.api.loading import motion_for
from midframe.core.errors import UsageError
from midframe.core.method import Interpolator
from midframe.diffusion.sampler import Jump
from midframe.evaluation.bootstrap import Interval, SequenceBootstrap
from midframe.evaluation.clock import seconds_now
from midframe.evaluation.column import column
from midframe.evaluation.image_file import write_image
from midframe.evaluation.panels import labelled, tiled
from midframe.evaluation.target_set import listed_targets
from midframe.methods.madiff.model import Hints, MadiffModel
from midframe.methods.madiff.model_file import load_model
from midframe.methods.madiff.motion_sampling import HintMode, SamplingPlan, sample_frame
from midframe.metrics.suite import PairMetric, Sample, build_metrics
from midframe.ops.pad import pad_to_multiple, reflect_to_multiple
from midframe.ops.rounding import bytes_to_unit, round_to_bytes

MODES: tuple[HintMode | Literal["oracle"], ...] = ("motion", "pair", "none", "oracle")
DIFFERENCES = (("motion", "pair"), ("motion", "none"), ("pair", "none"), ("oracle", "motion"))
"""The defining one first."""
SHOWN = {"motion": "MADIFF, motion-aware", "pair": "MADIFF, pair's hints", "none": "MADIFF, no hints"}
"""Modes that a picture shows, and what they are called there."""
HALF = Fraction(1, 2)
PARTS = {"epsilon": "denoise", "decode": "decode", "hints_between": "hints", "pair_hints": "hints"}
"""Calls of the model, and what a step's cost is split into."""


Columns: TypeAlias = dict[str, list[float]]
"""Scores of one method by metric, a value for each target."""
Show: TypeAlias = Callable[[int, str, Tensor, Mapping[str, float]], None]
"""Is told a target's place in its list, who made the frame, the frame as bytes and its scores."""


@dataclass(frozen=True, eq=False)
class Case:
    """Three frames in a row, (3, height, width), bytes; the middle one is to be made.

    The outer two are for methods of four frames; where there are none, they are the inner ones again.
    """

    sequence: str
    before: Tensor
    target: Tensor
    after: Tensor
    earlier: Tensor
    later: Tensor


@dataclass(frozen=True, eq=False)
class Ready:
    """The same as the networks take them: padded, in [0, 1], on the device, and the true hints."""

    before: Tensor
    target: Tensor
    after: Tensor
    true_hints: Hints
    size: tuple[int, int]


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print, and hand back what was found."""
    options = parsed(arguments)
    device = torch.device(options.device)
    files = {"squeezenet_onnx": options.squeezenet} if options.squeezenet else {}
    names = (["sqd", "flosqd"] if options.squeezenet else []) + ["psnr", "ssim"]
    metrics = [metric for metric in build_metrics(names, files, device) if isinstance(metric, PairMetric)]
    number = torch.bfloat16 if options.precision == "bf16" else torch.float32
    # Where hints are motion; events need none.
    motion = motion_for("rife", device, number)
    models = {
        file.parent.name + "/" + file.name: load_model(file, motion=motion).to(device) for file in options.weights
    }
    for model in models.values():
        model.precision = number
    first = next(iter(models.values()))
    beside = others(options.beside, options.device)
    grid = Grid(options.grid, options.rows) if options.grid else None
    plan = SamplingPlan.of(first.config.denoiser)
    plan = replace(plan, steps=options.steps or plan.steps, refresh_every=1, refresh_above=0.0)
    print(f"{plan}, {options.seeds} seeds, {torch.get_num_threads()} threads, {device}")
    results: dict[str, Any] = {"plan": asdict(plan), "seeds": options.seeds, "weights": list(models), "lists": {}}
    for name in options.lists.split(","):
        cases = read_cases(options.root, name, options.targets, options.size)
        print(f"\n{name}: {len(cases)} targets of {len({case.sequence for case in cases})} sequences")
        show = grid.begin(name, cases) if grid else None
        scores = {
            other: score_other(other, method, cases, metrics, options.seeds, show) for other, method in beside.items()
        }
        results["lists"][name] = found = {}
        for file, model in models.items():
            print(f" {file}")
            found[file] = measure(model, cases, plan, metrics, options.seeds, show if model is first else None)
        compare(found, cases)
        found["beside"] = compare_others(scores, next(iter(found.values())), cases)
        if grid:
            grid.write()
        found["refresh"] = refresh_curve(first, cases, plan, metrics, [int(n) for n in options.refresh.split(",")])
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    return results


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--lists", default="clips-easy,clips-medium,clips-hard,clips-extreme,davis")
    parser.add_argument("--squeezenet", type=Path, help="SqueezeNet 1.1 as ONNX; FloSqD needs OpenCV too")
    parser.add_argument("--size", default="256x256", help="width x height of the centre crop")
    parser.add_argument("--targets", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--beside", default="blend,rife,svmv", help="methods by name, NAME=WEIGHTS with own weights")
    parser.add_argument("--grid", type=Path, help="picture to write")
    parser.add_argument("--rows", type=int, default=2, help="targets of each list in it")
    parser.add_argument("--refresh", default="1,2,5,10")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of codec and events")
    parser.add_argument("--out", type=Path)
    return parser.parse_args(arguments)


def read_cases(root: Path, name: str, count: int, size: str) -> list[Case]:
    """Midpoints of a list, drawn alike each time; the centre of their frames."""
    targets = listed_targets(root / "lists" / f"{name}.tsv", root)
    targets = replace(targets, targets=tuple(t for t in targets.targets if t.time == HALF))
    apart = max(len(targets.targets) // count, 1)
    chosen = targets.targets[::apart][:count]
    width, height = (int(side) for side in size.split("x"))
    reads = []
    for target in chosen:
        earlier, before, after, later = target.window(2)
        reads.append((before, target.target, after, earlier, later))
    store = targets.store(reference for case in reads for reference in case)
    return [
        Case(str(target.sequence), *(centre(store.read(reference), height, width) for reference in case))
        for target, case in zip(chosen, reads, strict=True)
    ]


def centre(frame: Tensor, height: int, width: int) -> Tensor:
    """The middle of a frame, or all of it where it is smaller."""
    top, left = (max(whole - part, 0) // 2 for whole, part in zip(frame.shape[-2:], (height, width), strict=True))
    return frame[:, top : top + height, left : left + width]


def ready(model: MadiffModel, case: Case) -> Ready:
    """A case as a model takes it."""
    frames = [bytes_to_unit(frame)[None].to(model.mean.device) for frame in (case.before, case.target, case.after)]
    padded = [reflect_to_multiple(frame, model.config.size_multiple) for frame in frames]
    height, width = case.target.shape[-2:]
    return Ready(padded[0], padded[1], padded[2], model.hints_between(*padded), (height, width))


def made(
    model: MadiffModel,
    given: Ready,
    plan: SamplingPlan,
    seed: int,
    *,
    hints: Hints | None = None,
    watch: Callable[[Jump, Tensor], None] | None = None,
) -> Tensor:
    """One sample, as bytes."""
    generator = torch.Generator(given.before.device).manual_seed(seed)
    frame = sample_frame(model, given.before, given.after, plan, generator=generator, given=hints, watch=watch)
    return round_to_bytes(frame[0, :, : given.size[0], : given.size[1]])


def scored(metrics: Sequence[PairMetric], case: Case, frame: Tensor) -> dict[str, float]:
    """Every metric of one frame."""
    sample = Sample(frame.cpu(), case.target, case.before, case.after)
    return {metric.name: metric(sample) for metric in metrics}


def others(text: str, device: str) -> dict[str, Interpolator]:
    """The methods to compare with, in float32 as MADIFF here."""
    methods: dict[str, Interpolator] = {}
    for entry in filter(None, text.split(",")):
        name, _, file = entry.partition("=")
        method = midframe.load(name, weights=Path(file) if file else None, device=device, precision="fp32")
        methods[f"{name} {Path(file).name}" if file else name] = method
        if not method.spec.times.accepts(HALF):
            raise UsageError(f"'{name}' makes no midpoints; it offers {method.spec.times}.")
    return methods


@torch.inference_mode()
def score_other(
    name: str,
    method: Interpolator,
    cases: Sequence[Case],
    metrics: Sequence[PairMetric],
    seeds: int,
    show: Show | None,
) -> Columns:
    """Scores of another method's midpoints, and seconds; one that draws makes as many of each as MADIFF."""
    columns: Columns = defaultdict(list)
    device = torch.device(getattr(method, "device", "cpu"))
    for place, case in enumerate(cases):
        inner = (case.before, case.after)
        window = inner if method.spec.context == 1 else (case.earlier, *inner, case.later)
        frames = bytes_to_unit(torch.stack(window)[None].to(device))
        height, width = frames.shape[-2:]
        frames = pad_to_multiple(frames, method.spec.size_multiple)
        found = []
        for seed in range(seeds if method.spec.stochastic else 1):
            draw = torch.Generator(device).manual_seed(seed) if method.spec.stochastic else None
            started = seconds_now(device)
            made = method.interpolate(frames, [HALF], generator=draw)
            seconds = seconds_now(device) - started
            frame = round_to_bytes(made[0, 0, :, :height, :width])
            found.append({**scored(metrics, case, frame), "seconds": seconds})
            if show and not seed:
                show(place, name, frame, found[0])
        keep(columns, found)
    return columns


@torch.inference_mode()
def measure(
    model: MadiffModel,
    cases: Sequence[Case],
    plan: SamplingPlan,
    metrics: Sequence[PairMetric],
    seeds: int,
    show: Show | None,
) -> dict[str, Any]:
    """Scores of all modes, the trajectory of hint errors, and the codec's own scores, for one file."""
    scores: dict[str, dict[str, list[float]]] = {
        place: defaultdict(list) for place in (*MODES, "codec, true hints", "codec, no hints")
    }
    trajectory: dict[float, list[float]] = defaultdict(list)
    pair_errors: list[float] = []
    for number, case in enumerate(cases):
        given = ready(model, case)
        pair_errors.append(hint_error(model.pair_hints(given.before, given.after), given.true_hints))

        def watch(jump: Jump, frame: Tensor, given: Ready = given) -> None:
            hints = model.hints_between(given.before, frame, given.after)
            trajectory[round(float(jump.signal) ** 2, 4)].append(hint_error(hints, given.true_hints))

        for mode in MODES:
            found = []
            for seed in range(seeds):
                if mode == "oracle":
                    frame = made(model, given, plan, seed, hints=given.true_hints)
                else:
                    # Along the others' trajectories hints are not what the sampler sees.
                    watching = watch if mode == "motion" else None
                    frame = made(model, given, replace(plan, hints=mode), seed, watch=watching)
                found.append(scored(metrics, case, frame))
                if show and not seed and mode in SHOWN:
                    show(number, SHOWN[mode], frame, found[0])
            keep(scores[mode], found)
        for place, hints in (("codec, true hints", given.true_hints), ("codec, no hints", None)):
            earlier, middle, later = (model.encode(frame) for frame in (given.before, given.target, given.after))
            frame = model.decode(middle.latent, earlier, later, hints)
            frame = round_to_bytes(frame[0, :, : given.size[0], : given.size[1]])
            keep(scores[place], [scored(metrics, case, frame)])
    bootstrap = SequenceBootstrap([case.sequence for case in cases])
    print_rows(bootstrap, scores)
    differences = {}
    for one, other in (*DIFFERENCES, ("codec, true hints", "codec, no hints")):
        what = f"{one} - {other}"
        differences[what] = difference(bootstrap, what, scores[one], scores[other])
    curve = {share: fmean(errors) for share, errors in sorted(trajectory.items())}
    print("  hint error by share of signal:", " ".join(f"{share:.3f}:{error:.3f}" for share, error in curve.items()))
    print(f"  hint error of the pair: {fmean(pair_errors):.3f}")
    return {
        "scores": {place: dict(columns) for place, columns in scores.items()},
        "differences": differences,
        "trajectory": curve,
        "pair_error": fmean(pair_errors),
    }


def print_rows(bootstrap: SequenceBootstrap, scores: Mapping[str, Columns]) -> None:
    """Print a line for each source of frames."""
    for place, columns in scores.items():
        print(f"  {place:18}", "  ".join(f"{name} {said(bootstrap, of)}" for name, of in columns.items()))


def difference(bootstrap: SequenceBootstrap, what: str, one: Columns, other: Columns) -> dict[str, Any]:
    """Print paired differences in a line, and hand back their intervals."""
    columns = {name: less(one[name], other[name]) for name in one}
    text = "  ".join(f"{name} {said(bootstrap, of, sign=True)}" for name, of in columns.items())
    print(f"  {what}: ", text)
    return {name: asdict(bootstrap.interval(values)) for name, values in columns.items()}


def compare_others(scores: Mapping[str, Columns], first: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, Any]:
    """Print other methods' scores, and what MADIFF with its own estimates' hints has above them."""
    if not scores:
        return {}
    bootstrap = SequenceBootstrap([case.sequence for case in cases])
    print(" other methods")
    print_rows(bootstrap, scores)
    ours = first["scores"]["motion"]
    differences = {
        f"motion - {name}": difference(bootstrap, f"motion - {name}", ours, columns)
        for name, columns in scores.items()
    }
    return {"scores": {name: dict(columns) for name, columns in scores.items()}, "differences": differences}


class Grid:
    """A picture of frames: a row for each of some targets, a column for each source.

    Args:
        path: Of the picture.
        rows: Targets of each list, evenly spread over those measured.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.rows = path, rows
        self.panels: list[Any] = []
        self.columns = 0
        self._row: dict[int, list[Any]] = {}

    def begin(self, name: str, cases: Sequence[Case]) -> Show:
        """Start the rows of a list with what was given, and take frames from then on."""
        count = min(self.rows, len(cases))
        self._row = {}
        for place in ((2 * row + 1) * len(cases) // (2 * count) for row in range(count)):
            case = cases[place]
            given = (
                (case.before, "before", name),
                (case.after, "after", Path(case.sequence).stem),
                (case.target, "truth", ""),
            )
            self._row[place] = [self._panel(*panel) for panel in given]
        return self._show

    def write(self) -> None:
        """Add the rows of this list, and write all so far."""
        for row in self._row.values():
            self.panels += row
            self.columns = len(row)
        picture = tiled(self.panels, self.columns)
        write_image(torch.from_numpy(picture).permute(2, 0, 1), self.path)
        print(f"  {self.path}: {len(self.panels) // self.columns} rows of {self.columns}")

    def _show(self, place: int, who: str, frame: Tensor, scores: Mapping[str, float]) -> None:
        if place in self._row:
            name, score = next(iter(scores.items()))
            kind = column(name)
            self._row[place].append(self._panel(frame, who, f"{kind.title} {kind.format(score)}"))

    @staticmethod
    def _panel(frame: Tensor, name: str, note: str) -> Any:
        return labelled(frame.permute(1, 2, 0).cpu().numpy(), name, note)


def hint_error(hints: Hints, truth: Hints) -> float:
    """Mean absolute difference of both hints, as a part of the true ones' mean."""
    apart = sum(float((one - other).abs().mean()) for one, other in zip(hints, truth, strict=True))
    return apart / max(sum(float(hint.abs().mean()) for hint in truth), 1e-9)


def keep(columns: dict[str, list[float]], found: Sequence[Mapping[str, float]]) -> None:
    """Append the mean over the seeds to each metric's column."""
    for name in found[0]:
        columns[name].append(fmean(scores[name] for scores in found))


def less(one: Iterable[float], other: Iterable[float]) -> list[float]:
    """Paired differences."""
    return [a - b for a, b in zip(one, other, strict=True)]


def said(bootstrap: SequenceBootstrap, values: Sequence[float], *, sign: bool = False) -> str:
    """A mean with its interval; a star where a difference's sign is beyond doubt."""
    interval: Interval = bootstrap.interval(values)
    plus = "+" if sign else ""
    if interval.low is None or interval.high is None:
        return f"{interval.mean:{plus}.4f}"
    star = "*" if sign and interval.excludes_zero else ""
    return f"{interval.mean:{plus}.4f}{star} [{interval.low:{plus}.4f}, {interval.high:{plus}.4f}]"


def compare(found: Mapping[str, Any], cases: Sequence[Case]) -> None:
    """Print each further file's paired differences to the first, for hints that a user has and for true ones."""
    (first_name, first), *others = found.items()
    bootstrap = SequenceBootstrap([case.sequence for case in cases])
    for name, other in others:
        for mode in ("motion", "oracle"):
            columns = other["scores"][mode]
            text = (
                f"{metric} {said(bootstrap, less(values, first['scores'][mode][metric]), sign=True)}"
                for metric, values in columns.items()
            )
            print(f"  {mode}, {name} - {first_name}: ", "  ".join(text))


class PartClock:
    """Seconds of a model's parts, while it runs inside `running`."""

    def __init__(self, model: MadiffModel) -> None:
        self.model, self.spent = model, dict.fromkeys(PARTS.values(), 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time every call of a part inside the block."""
        for call, part in PARTS.items():
            setattr(self.model, call, self._timed(getattr(self.model, call), part))
        try:
            yield
        finally:
            for call in PARTS:
                delattr(self.model, call)

    def _timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        device = self.model.mean.device

        def timed(*given: Any) -> Any:
            started = seconds_now(device)
            answer = call(*given)
            self.spent[part] += seconds_now(device) - started
            return answer

        return timed


@torch.inference_mode()
def refresh_curve(
    model: MadiffModel,
    cases: Sequence[Case],
    plan: SamplingPlan,
    metrics: Sequence[PairMetric],
    intervals: Sequence[int],
) -> list[dict[str, Any]]:
    """Quality against seconds where hints are refreshed less often, and what the parts of a frame cost."""
    curve = []
    for every in [*intervals, None]:
        chosen = replace(plan, hints="none") if every is None else replace(plan, hints="motion", refresh_every=every)
        columns: dict[str, list[float]] = defaultdict(list)
        seconds, clock = 0.0, PartClock(model)
        for case in cases:
            given = ready(model, case)
            with clock.running():
                started = seconds_now(given.before.device)
                frame = made(model, given, chosen, 0)
                seconds += seconds_now(given.before.device) - started
            keep(columns, [scored(metrics, case, frame)])
        means = {name: fmean(values) for name, values in columns.items()}
        split = {part: spent / len(cases) for part, spent in clock.spent.items()}
        curve.append({"every": every, "seconds": seconds / len(cases), "split": split, **means})
        what = "no hints" if every is None else f"hints every {every} steps"
        parts = ", ".join(f"{part} {value:.2f}" for part, value in split.items())
        text = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        print(f"  {what}: {seconds / len(cases):.2f} s a frame ({parts})  {text}")
    return curve


if __name__ == "__main__":
    main(sys.argv[1:])
