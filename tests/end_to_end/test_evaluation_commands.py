"""`midframe evaluate` and `midframe bench`, from the command line to the files that they write."""

import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from midframe import api
from midframe.cli.bench import bench
from midframe.cli.evaluate import evaluate
from midframe.core.errors import UnknownNameError, UsageError

app = typer.Typer()
app.command()(evaluate)
app.command()(bench)


def run(*arguments: str | Path) -> Result:
    """Run a command in this process; an error of midframe leaves it as it leaves the command."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three flat pictures, and two lists of one target each."""
    for value in (100, 104, 110):
        Image.new("RGB", (32, 24), (value, value, value)).save(tmp_path / f"{value}.png")
    (tmp_path / "middle.tsv").write_text("100.png\t104.png\t110.png\t1/2\t-\t-\n")
    (tmp_path / "early.tsv").write_text("100.png\t100.png\t110.png\t1/10\t-\t-\n")
    return tmp_path


def test_evaluate_with_one_list_writes_into_the_folder_itself(root, tmp_path):
    out = tmp_path / "out"
    result = run("evaluate", "blend", "--list", root / "middle.tsv", "--root", root, "--out", out, "--save-images")
    assert result.exit_code == 0
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["method"], scores["list"], scores["targets"], scores["ie"]) == ("blend", "middle", 1, 1)
    assert (out / "targets.csv").is_file()
    assert (out / "predictions" / "00001.png").is_file()
    assert "middle" in result.stdout and "1.00" in result.stdout


def test_evaluate_with_two_lists_writes_a_folder_for_each(root, tmp_path):
    out = tmp_path / "out"
    lists = ("--list", root / "middle.tsv", "--list", root / "early.tsv")
    result = run("evaluate", "nearest", *lists, "--root", root, "--out", out)
    assert result.exit_code == 0
    errors = {name: json.loads((out / name / "scores.json").read_text())["ie"] for name in ("middle", "early")}
    assert errors == {"middle": 4, "early": 0}
    assert result.stdout.splitlines()[0].split()[:5] == ["method", "list", "targets", "exact", "PSNR"]
    assert "An exact frame counts as 60 dB." in result.stdout


def test_evaluate_refuses_two_lists_of_one_name(root, tmp_path):
    (root / "other").mkdir()
    lists = ("--list", root / "middle.tsv", "--list", root / "other" / "middle.tsv")
    with pytest.raises(UsageError, match="2 lists are called 'middle'"):
        run("evaluate", "blend", *lists, "--root", root, "--out", tmp_path / "out")


def test_evaluate_refuses_an_unknown_method(root, tmp_path):
    with pytest.raises(UnknownNameError, match=r"no method 'blind'\. Did you mean 'blend'"):
        run("evaluate", "blind", "--list", root / "middle.tsv", "--root", root, "--out", tmp_path / "out")


def test_evaluate_with_two_methods_writes_a_folder_for_each(root, tmp_path):
    out = tmp_path / "out"
    lists = ("--list", root / "middle.tsv", "--list", root / "early.tsv")
    result = run("evaluate", "nearest,blend", *lists, "--root", root, "--out", out, "--metrics", "ie,psnr")
    assert result.exit_code == 0
    errors = {
        (method, name): json.loads((out / method / name / "scores.json").read_text())["ie"]
        for method in ("nearest", "blend")
        for name in ("middle", "early")
    }
    assert errors == {
        ("nearest", "middle"): 4, ("nearest", "early"): 0, ("blend", "middle"): 1, ("blend", "early"): 1,
    }  # fmt: skip
    assert result.stdout.splitlines()[0].split()[:6] == ["method", "list", "targets", "exact", "IE", "PSNR"]


def test_evaluate_makes_predictions_in_one_call_and_scores_them_in_another(root, tmp_path):
    out = tmp_path / "out"
    common = ("blend", "--list", root / "middle.tsv", "--root", root, "--out", out)
    assert run("evaluate", *common, "--pass", "predict").exit_code == 0
    assert (out / "predictions" / "00001.png").is_file()
    assert not (out / "scores.json").exists()
    assert run("evaluate", *common, "--pass", "score", "--metrics", "ie").exit_code == 0
    assert json.loads((out / "scores.json").read_text())["ie"] == 1
    assert (out / "predictions" / "00001.png").is_file()
    with pytest.raises(UsageError, match="holds predictions of blend; asked for was nearest"):
        run("evaluate", "nearest", *common[1:], "--pass", "score")


def test_evaluate_removes_predictions_that_no_one_asked_to_keep(root, tmp_path):
    out = tmp_path / "out"
    common = ("blend", "--list", root / "middle.tsv", "--root", root, "--out", out)
    run("evaluate", *common)
    assert not (out / "predictions").exists()
    run("evaluate", *common, "--save-images")
    run("evaluate", *common)
    assert (out / "predictions" / "00001.png").is_file()


@pytest.mark.parametrize("added", ["nearest", "nearest,blend"])
def test_a_method_that_is_added_later_joins_the_earlier_ones_in_the_report(root, tmp_path, added):
    out = tmp_path / "out"
    places = ("--list", root / "middle.tsv", "--root", root, "--out", out)
    run("evaluate", "blend,classical", *places)
    run("evaluate", added, *places)
    assert sorted(path.parent.name for path in out.rglob("scores.json")) == ["blend", "classical", "nearest"]
    page = (out / "report.html").read_text()
    title = page[page.index("<h1>") : page.index("</h1>")]
    assert all(title.count(method) == 1 for method in ("nearest", "blend", "classical"))
    assert "The predictions of" in page and "were not kept" in page
    assert "data:image/webp" in page, "what was made now is shown all the same"


@pytest.mark.parametrize(("first", "second"), [("blend", "blend,nearest"), ("blend,nearest", "blend")])
def test_a_method_does_not_come_twice_in_one_folder(root, tmp_path, first, second):
    out = tmp_path / "out"
    places = ("--list", root / "middle.tsv", "--root", root, "--out", out)
    run("evaluate", first, *places)
    if first == "blend":
        with pytest.raises(UsageError, match=r"holds results of blend, middle, and no folder of results holds ano"):
            run("evaluate", second, *places)
    else:
        run("evaluate", second, *places)
    folders = [path.parent.name for path in out.rglob("scores.json")]
    assert len(folders) == len(first.split(","))


def test_results_on_other_pictures_stay_off_the_page_and_are_named(root, tmp_path):
    out = tmp_path / "out"
    places = ("--list", root / "middle.tsv", "--root", root, "--out", out)
    run("evaluate", "blend,nearest", *places)
    Image.new("RGB", (32, 24), (90, 90, 90)).save(root / "100.png")
    result = run("evaluate", "nearest", *places)
    assert "blend is not in the report: its 'middle' has other targets, or the files" in result.stderr
    page = (out / "report.html").read_text()
    assert "<h1>nearest on middle</h1>" in page


@pytest.mark.parametrize(
    ("methods", "options", "message"),
    [
        ("blend,", (), "Every method is named once, with commas between; got 'blend,'"),
        ("blend", ("--metrics", "psnr,psnr"), "Every metric is named once"),
        ("blend", ("--metrics", "pnsr"), r"no metric 'pnsr'\. Did you mean 'psnr'"),
        ("blend", ("--backbone", "alex"), "A backbone is written as NAME=FILE; got 'alex'"),
        ("rife,blend", ("--weights", "some.safetensors"), "Weights belong to one method; 2 are named: rife, blend"),
    ],
)
def test_evaluate_refuses_a_request_that_makes_no_sense_before_any_work(methods, options, message, root, tmp_path):
    places = ("--list", root / "middle.tsv", "--root", root, "--out", tmp_path / "out")
    with pytest.raises(UsageError, match=message):
        run("evaluate", methods, *places, *options)
    assert not (tmp_path / "out").exists()


def test_evaluate_reads_a_protocol_of_ones_own(root, tmp_path):
    (root / "mine.toml").write_text(
        'name = "mine"\ntitle = "Mine"\nlayout = "list"\nsplit = "middle.tsv"\nexpects = "middle.tsv"\n'
        'source = "me"\nborder = "none"\nssim = "luma"\n[picture]\ncrop = "square"\n'
    )
    out = tmp_path / "out"
    common = ("evaluate", "blend", "--root", root, "--out", out, "--save-images")
    assert run(*common, "--protocol", root / "mine.toml").exit_code == 0
    scores = json.loads((out / "scores.json").read_text())
    assert (scores["list"], scores["ie"]) == ("mine", 1)
    assert scores["ssim_luma"] > 0
    with Image.open(out / "predictions" / "00001.png") as prediction:
        assert prediction.size == (24, 24)
    with pytest.raises(UsageError, match=r"asked for in targets \(mine, not middle\), the list of targets"):
        run(*common, "--list", root / "middle.tsv")


def test_evaluate_asks_for_a_set(root, tmp_path):
    with pytest.raises(UsageError, match="Name a set: --protocol NAME"):
        run("evaluate", "blend", "--root", root, "--out", tmp_path / "out")


@pytest.mark.parametrize("command", ["evaluate", "bench"])
def test_scale_and_augmentation_reach_the_method(command, root, tmp_path, monkeypatch):
    told = {}

    def load(name, **options):
        told.update(options)
        raise UsageError("far enough")

    monkeypatch.setattr(api, "load", load)
    places = ("--list", root / "middle.tsv", "--root", root, "--out", tmp_path / "out")
    with pytest.raises(UsageError, match="far enough"):
        run(command, "rife", *(places if command == "evaluate" else ()), "--scale", "0.5", "--tta")
    assert (told["scale"], told["tta"]) == ("0.5", True)


def test_bench_prints_and_writes_the_speed(tmp_path):
    path = tmp_path / "speed.json"
    arguments = ("--size", "64x48", "--runs", "3", "--device", "cpu", "--precision", "fp32", "--json", path)
    result = run("bench", "blend", *arguments)
    assert result.exit_code == 0
    speed = json.loads(path.read_text())
    assert (speed["method"], speed["size"], speed["precision"]) == ("blend", "64x48", "float32")
    assert speed["frames_per_second"] > 0
    assert len(speed["seconds"]) == 3
    assert result.stdout.startswith("blend at 64x48: ")


def test_bench_of_one_size_writes_one_object_and_of_several_a_list(tmp_path):
    path = tmp_path / "speed.json"
    arguments = ("--runs", "2", "--device", "cpu", "--precision", "fp32", "--json", path)
    run("bench", "blend", "--size", "64x48", *arguments)
    one = json.loads(path.read_text())
    assert one["machine"]["torch"] and one["machine"]["cores"] >= 1
    run("bench", "blend", "--size", "64x48", "--size", "96x64", *arguments)
    several = json.loads(path.read_text())
    assert [entry["size"] for entry in several["sizes"]] == ["64x48", "96x64"]
    assert all(entry["frames_per_second"] > 0 for entry in several["sizes"])
    assert several["machine"] == one["machine"]


def test_bench_prints_the_ratio_and_the_speed_from_file_to_file(tmp_path):
    path = tmp_path / "speed.json"
    arguments = ("--size", "64x48", "--runs", "3", "--device", "cpu", "--precision", "fp32", "--json", path)
    result = run("bench", "blend", "--against", "nearest", "--end-to-end", *arguments)
    speed = json.loads(path.read_text())
    assert len(speed["against"]["ratios"]) == 3
    assert 0 < speed["end_to_end"]["new_frames_per_second"] < speed["end_to_end"]["output_frames_per_second"]
    assert "against nearest" in result.stdout and "in 3 turns" in result.stdout
    assert "file to file: " in result.stdout


def test_bench_refuses_from_file_to_file_what_a_file_cannot_hold():
    with pytest.raises(UsageError, match="width and height must be even; got 65x48"):
        run("bench", "blend", "--size", "65x48", "--runs", "1", "--end-to-end")


@pytest.mark.parametrize("size", ["64", "64x", "64*48", "-64x48", "64x48x3"])
def test_bench_refuses_what_is_not_a_size(size):
    with pytest.raises(UsageError, match="A size is written as 1280x720"):
        run("bench", "blend", f"--size={size}")


def test_a_folder_with_some_of_the_sequences_is_measured_and_said_to_be_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "bear"
    folder.mkdir(parents=True)
    for number in range(9):
        Image.new("RGB", (64, 64), (20 * number, 90, 60)).save(folder / f"{number:05d}.png")
    out = tmp_path / "out"
    rules = ("--protocol", "davis-7", "--root", folder.parent, "--out", out, "--no-report")
    result = run("evaluate", "blend", *rules)
    assert result.exit_code == 0
    assert "7 of 2499 targets of 'davis-7'" in result.stderr
    assert json.loads((out / "scores.json").read_text())["targets"] == 7
