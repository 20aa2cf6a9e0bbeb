"""`midframe protocols`, as a user reads it."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from midframe.cli.protocols import protocols as command
from midframe.core.errors import MediaError, UnknownNameError, UsageError
from midframe.evaluation import protocols

app = typer.Typer()
app.command()(command)


def run(*arguments: str | Path, columns: int = 400) -> str:
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False, env={"COLUMNS": str(columns)}
    )
    assert result.exit_code == 0
    return result.stdout


def test_all_protocols_are_listed_with_their_number_of_targets():
    lines = {line.split()[0]: line for line in run().splitlines()}
    assert set(protocols()) < set(lines)
    for name, protocol in protocols().items():
        assert protocol.title in lines[name]
        assert ("not fixed" if protocol.targets is None else f" {protocol.targets} ") in lines[name]


def test_one_protocol_says_where_it_comes_from_how_it_lies_and_what_others_scored():
    text = run("snu-film-hard")
    assert "Choi et al." in text
    assert "test-hard.txt (or eval_modes/test-hard.txt)" in text
    assert "what precedes test/ is dropped" in text
    rife = [line for line in text.splitlines() if line.split()[:1] == ["RIFE"]]
    assert "psnr 30.10" in rife[0]
    assert any("psnr 30.36" in line and "again by the authors of EMA-VFI" in line for line in rife)


def test_a_folder_is_checked_against_the_layout(tmp_path: Path):
    folder = tmp_path / "[clips]"  # Rich would take the brackets for markup
    (folder / "walk").mkdir(parents=True)
    for number in range(7):
        (folder / "walk" / f"{number}.png").touch()
    assert f"{folder} has the layout: 1 targets." in run("vfitex", "--root", folder)
    with pytest.raises(MediaError, match="it holds 1 sequences instead of 90"):
        run("davis", "--root", folder)


def test_an_unknown_protocol_and_a_folder_without_one_are_refused(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="Did you mean 'vimeo90k'"):
        run("vimeo90")
    with pytest.raises(UsageError, match="--root checks one protocol; name it"):
        run("--root", tmp_path)
