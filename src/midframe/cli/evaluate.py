"""`midframe evaluate`: predictions of methods on test sets, and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from midframe.cli import options
from midframe.cli.report import show_steps
from midframe.cli.score_table import score_table
from midframe.core.errors import UnknownNameError, UsageError
from midframe.core.file_hash import sha256_of

if TYPE_CHECKING:
    from midframe.evaluation import Scores, TargetSet


class Pass(StrEnum):
    """What one call of the command does."""

    PREDICT = "predict"
    SCORE = "score"


def evaluate(
    methods: Annotated[
        str,
        typer.Argument(metavar="METHOD[,METHOD...]", help="Names of methods; `midframe methods` lists them."),
    ],
    root: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where the set lies.", file_okay=False),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Where results go; of several methods or sets, each has a folder in it: METHOD/SET. "
            "A method can be added later.",
        ),
    ],
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", metavar="LIST.tsv", help="Test list; give it again for further lists."),
    ] = None,
    protocols: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol", metavar="NAME", help="`midframe protocols` lists them; give it again for further ones."
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Take what there is of an incomplete set, as always of a folder of sequences."
        ),
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME...]",
            help="What to measure. Default: psnr,ssim,ssim_3d,ie, and what the protocol asks for.",
        ),
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A network that a metric looks through; give it again for more."),
    ] = None,
    max_targets: Annotated[
        int | None, typer.Option("--max", min=1, metavar="N", help="Score N targets of each set, at random.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of that choice, and of methods that draw.")] = 0,
    only: Annotated[
        Pass | None, typer.Option("--pass", help="Do one pass alone: predictions to disk, or their scores.")
    ] = None,
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    steps: options.Steps = None,
    setting: options.Setting = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html into the folder of results.")
    ] = True,
    save_images: Annotated[bool, typer.Option("--save-images", help="Keep the predictions as PNG files.")] = False,
) -> None:
    """Score methods on test sets: first their predictions go to disk, then the predictions are scored.

    Writes scores.json and targets.csv, and prints a table. The same command completes what was interrupted.
    """
    from midframe import api, evaluation  # These import PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device, resolve_precision
    from midframe.metrics.suite import DEFAULT, build_metrics

    names = _names(methods, "method")
    for name in names:
        if name not in api.methods():
            raise UnknownNameError("method", name, api.methods())
    if weights is not None and len(names) > 1:
        raise UsageError(f"Weights belong to one method; {len(names)} are named: {', '.join(names)}.")
    metric_files = _named_files(backbone or [])
    asked = None if metrics is None else _names(metrics, "metric")
    build_metrics(asked or DEFAULT, metric_files)  # What is wrong with a metric is said before hours of predictions.
    rules = [evaluation.find_protocol(name) for name in protocols or ()]
    _check_distinct([*(path.stem for path in lists or ()), *(protocol.name for protocol in rules)])
    part = {"max_targets": max_targets, "seed": seed}
    sets = [
        *(evaluation.listed_targets(path, root, **part) for path in lists or ()),
        *(evaluation.protocol_set(protocol, root, partial=partial, **part) for protocol in rules),
    ]
    for one in sets:
        if one.lacking:
            typer.echo(f"Note: {one.lacking}", err=True)
    place = resolve_device(device)
    table: list[Scores] = []
    runs = _runs(names, sets, out)
    for run in runs:
        if only is not Pass.SCORE:
            interpolator = api.load(
                run.method,
                weights=weights,
                device=device,
                precision=precision,
                scale=scale,
                tta=tta,
                steps=steps,
                settings=options.settings(setting or ()),
            )
            has_network = api.methods()[run.method].has_network
            with _progress(f"{run.label}: predictions") as show:
                evaluation.predict(
                    interpolator,
                    run.targets,
                    run.folder,
                    weights=api.weights_of(run.method, weights),
                    options={
                        "precision": str(resolve_precision(precision, place)).removeprefix("torch."),
                        "scale": str(scale),
                        "tta": "on" if tta else "off",
                        **({"steps": str(steps)} if steps else {}),
                        **({"motion": teller} if (teller := api.told_by(interpolator)) else {}),
                        **{name: str(value) for name, value in options.settings(setting or ()).items()},
                    }
                    if has_network
                    else {},
                    seed=seed,
                    device=place,
                    keep=save_images or only is Pass.PREDICT,
                    on_target=show,
                )
        if only is not Pass.PREDICT:
            evaluation.check_method(run.folder, run.method)
            with _progress(f"{run.label}: scores") as show:
                table.append(
                    evaluation.score(
                        run.folder,
                        run.targets,
                        build_metrics(asked or run.targets.default_metrics, metric_files),
                        metric_files={name: sha256_of(path) for name, path in metric_files.items()},
                        on_target=show,
                    )
                )
    if report and only is not Pass.PREDICT:
        from midframe.evaluation.report import write_report

        with show_steps() as show_step:
            folders = [*(run.folder for run in runs), *_finished_before(runs, out)]
            write_report(folders, out / "report.html", root=root, on_step=show_step)
    if only is None:
        for run in runs:
            evaluation.tidy(run.folder)
    if table:
        Console(markup=False).print(score_table(table))


@dataclass(frozen=True)
class _Run:
    """One method on one set, and where its results go."""

    method: str
    targets: TargetSet
    folder: Path

    @property
    def label(self) -> str:
        return f"{self.method}, {self.targets.name}"


def _runs(methods: Sequence[str], sets: Sequence[TargetSet], out: Path) -> list[_Run]:
    """Every method on every set; one method goes beside others that have folders in `out` already.

    Raises:
        UsageError: Results would lie in a folder that holds others, or around one.
    """
    from midframe.evaluation import results_in

    found = results_in(out)
    by_method = len(methods) > 1 or any(
        one.folder.relative_to(out).parts[:1] == (one.origin.method,) for one in found
    )
    runs = []
    for method in methods:
        folder = out / method if by_method else out
        for targets in sets:
            runs.append(_Run(method, targets, folder / targets.name if len(sets) > 1 else folder))
    for run in runs:
        for one in found:
            if one.folder in run.folder.parents or run.folder in one.folder.parents:
                raise UsageError(
                    f"Results of {run.label} belong into {run.folder}, but {one.folder} holds results of "
                    f"{one.origin.method}, {one.origin.targets}, and no folder of results holds another; "
                    "name another --out."
                )
    return runs


def _finished_before(runs: Sequence[_Run], out: Path) -> list[Path]:
    """Other results of these sets in `out`, from earlier calls; says which have to stay off the page."""
    from midframe.evaluation import results_in

    folders = []
    own = {run.folder for run in runs}
    hashes = {run.targets.name: run.targets.hashes for run in runs}
    for one in results_in(out):
        if one.finished and one.origin.targets in hashes and one.folder not in own:
            if one.origin.hashes == hashes[one.origin.targets]:
                folders.append(one.folder)
            else:
                typer.echo(
                    f"Note: {one.folder} is not in the report: its '{one.origin.targets}' has other targets, or the "
                    "files that it names had other contents.",
                    err=True,
                )
    return folders


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(label), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _names(text: str, kind: str) -> list[str]:
    """The names between commas.

    Raises:
        UsageError: A name is empty or comes twice.
    """
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) < len(names) or "" in names:
        raise UsageError(f"Every {kind} is named once, with commas between; got '{text}'.")
    return names


def _named_files(pairs: Sequence[str]) -> Mapping[str, Path]:
    """NAME=FILE, taken apart.

    Raises:
        UsageError: A pair of another form.
    """
    files = {}
    for pair in pairs:
        name, separator, file = pair.partition("=")
        if not (name and separator and file):
            raise UsageError(f"A backbone is written as NAME=FILE; got '{pair}'.")
        files[name] = Path(file)
    return files


def _check_distinct(names: Sequence[str]) -> None:
    """Refuse to run on no set, and on two that would write into one folder.

    Raises:
        UsageError: There is none, or two have one name.
    """
    if not names:
        raise UsageError("Name a set: --protocol NAME (`midframe protocols` lists them) or --list LIST.tsv.")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise UsageError(f"{count} lists are called '{name}', and would write into one folder; rename them.")
