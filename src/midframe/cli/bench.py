"""`midframe bench`: the speed of a method on this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from midframe.cli import options
from midframe.core.errors import UsageError, WriteError

MEGABYTE = 10**6


def bench(
    method: options.MethodArgument,
    size: Annotated[
        list[str], typer.Option(metavar="WIDTHxHEIGHT", help="Size of the frames; give it again for more.")
    ] = ["1280x720"],  # noqa: B006  (Typer copies it)
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the result here.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs, after two that warm up.")] = 7,
    against: Annotated[
        str | None, typer.Option(metavar="METHOD", help="Time this method too, in turns, and print the ratio.")
    ] = None,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Also double a rendered clip, from file to file.")
    ] = False,
    weights: options.Weights = None,
    scale: options.Scale = "auto",
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    tta: options.Tta = False,
    steps: options.Steps = None,
    setting: options.Setting = None,
) -> None:
    """Time a method: frames per second of the network alone, without reading or writing video.

    Weights, scale and tta are those of METHOD; what it is timed against runs as it comes.
    """
    from midframe import api, evaluation  # These import PyTorch: not before a command needs it.
    from midframe.engine.hardware import resolve_device, resolve_precision
    from midframe.evaluation.bench import bench_in_turns, machine_facts
    from midframe.evaluation.end_to_end import bench_end_to_end

    sizes = [_parse_size(text) for text in size]
    if json_path is not None and not json_path.absolute().parent.is_dir():
        raise WriteError(f"{json_path} cannot be written: there is no folder {json_path.absolute().parent}.")
    interpolator = api.load(
        method,
        weights=weights,
        device=device,
        precision=precision,
        scale=scale,
        tta=tta,
        steps=steps,
        settings=options.settings(setting or ()),
    )
    other = None if against is None else api.load(against, device=device, precision=precision)
    place = resolve_device(device)
    number_format = str(resolve_precision(precision, place)).removeprefix("torch.")
    machine = machine_facts(place)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    results = []
    for pixels in sizes:
        measured: dict[str, Any]
        if other is None:
            measured = evaluation.bench(interpolator, pixels, timed_runs=runs, device=place, precision=number_format)
        else:
            measured = bench_in_turns(
                interpolator, other, pixels, timed_runs=runs, device=place, precision=number_format
            )
        measured["machine"] = machine
        if end_to_end:
            measured["end_to_end"] = bench_end_to_end(interpolator, pixels, device=place)
        results.append(measured)
        for line in _lines(measured, runs):
            console.print(line)
    console.print("{name}; {instructions}; PyTorch {torch}".format(**_readable(machine)))
    if json_path is not None:
        _write(json_path, results)


def _lines(measured: Mapping[str, Any], runs: int) -> Iterator[str]:
    """What was measured at one size, for a person."""
    yield (
        f"{measured['method']} at {measured['size']}: {measured['frames_per_second']:.2f} frames a second "
        f"(median of {runs} runs, {measured['device']}, {measured['precision']}, {measured['threads']} threads)"
    )
    yield (
        f"  a frame takes {1000 * measured['seconds_median']:.2f} ms, in 95 % of runs at most "
        f"{1000 * measured['seconds_p95']:.2f} ms; "
        f"memory {_megabytes(measured)}"
    )
    if "end_to_end" in measured:
        whole = measured["end_to_end"]
        yield (
            f"  file to file: {whole['new_frames_per_second']:.2f} new frames a second, "
            f"{whole['output_frames_per_second']:.2f} in all; memory {_megabytes(whole)}"
        )
    if "against" in measured:
        other = measured["against"]
        yield (
            f"  against {other['method']} ({other['frames_per_second']:.2f} frames a second): {other['ratio']:.3f} "
            f"times as fast, {other['ratio_lowest']:.3f} to {other['ratio_highest']:.3f} in {runs} turns"
        )


def _megabytes(measured: Mapping[str, Any]) -> str:
    peak = measured["peak_memory_bytes"]
    return "not known on this system" if peak is None else f"{peak / MEGABYTE:.0f} MB"


def _readable(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {**machine, "instructions": " ".join(machine["instructions"]) or "no instructions that PyTorch names"}


def _write(path: Path, results: list[dict[str, Any]]) -> None:
    """One size as one object, as it always was; several as a list under `sizes`.

    Raises:
        WriteError: The file cannot be written.
    """
    if len(results) == 1:
        contents = results[0]
    else:
        contents = {"method": results[0]["method"], "machine": results[0]["machine"], "sizes": results}
    try:
        path.write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}.") from error


def _parse_size(text: str) -> tuple[int, int]:
    """Width and height.

    Raises:
        UsageError: Something other than two whole numbers with an x between.
    """
    match = re.fullmatch(r"(\d+)x(\d+)", text, flags=re.ASCII)
    if match is None:
        raise UsageError(f"A size is written as 1280x720 (width, height); got '{text}'.")
    return int(match[1]), int(match[2])
