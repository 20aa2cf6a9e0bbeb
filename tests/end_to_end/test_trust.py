"""Nothing that a file says, or is called, makes midframe run, read or write anything else."""

from __future__ import annotations

import ast
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import pytest
import torch
from typer.testing import CliRunner

from blend import Blend
from clips import Recipe, make_clip, packet_times, textures
from midframe import interpolate_video, load
from midframe.cli.app import app
from midframe.core.errors import MidframeError, WeightsError
from midframe.core.timeline import Multiply
from midframe.engine import run_video
from midframe.methods.svmv.weights_file import build_network, save_network
from midframe.nn.saved import read_tensors
from midframe.weights.catalogue import FOLDER, catalogue
from small_svmv import SMALL_SVMV

SOURCE = Path(__file__).parents[2] / "src" / "midframe"
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "os.spawnl", "os.execl"}
PICKLES = {"pickle.load", "pickle.loads", "joblib.load", "dill.load", "dill.loads", "marshal.loads", "shelve.open"}
EVALUATIONS = {"eval", "exec", "compile"}


def calls(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def offences(source: str) -> list[str]:
    """What a file's calls do that none should."""
    found = []
    for call in calls(source):
        name = ast.unparse(call.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in SHELLS | PICKLES | EVALUATIONS:
            found.append(name)
        if keywords.get("shell", "False") != "False":
            found.append(f"{name} with a shell")
        if name == "torch.load" and keywords.get("weights_only") != "True":
            found.append("torch.load without weights_only")
        if name.endswith("numpy.load") or (name == "np.load" and keywords.get("allow_pickle", "False") != "False"):
            found.append(f"{name} that may unpickle")
    return found


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(x, shell=True)",
        "os.system(x)",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "pickle.loads(x)",
        "np.load(x, allow_pickle=True)",
        "eval(x)",
    ],
)
def test_the_search_finds_what_it_looks_for(line: str):
    assert len(offences(line)) == 1


def test_no_shell_no_pickle_and_no_evaluation_in_the_package():
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 100
    assert {str(file): found for file in files if (found := offences(file.read_text()))} == {}


class Malice:
    """Touches a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._mark),)


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_malicious_weights_are_refused_and_nothing_runs(tmp_path: Path, how: str):
    mark, weights = tmp_path / "ran", tmp_path / "weights.pt"
    if how == "torch":
        torch.save({"weight": Malice(mark)}, weights)
    else:
        weights.write_bytes(pickle.dumps(Malice(mark)))
    torch.load(shutil.copy(weights, tmp_path / "copy.pt"), weights_only=False) if how == "torch" else None
    if how == "torch":
        assert mark.exists()  # it does run where it is trusted
        mark.rmdir()
    with pytest.raises(WeightsError, match="plain tensors"):
        read_tensors(weights)
    for method in ("rife", "svmv", "mivid", "madiff"):
        with pytest.raises(WeightsError):
            load(method, weights=weights)
    assert not mark.exists()


def test_one_flipped_byte_of_shipped_weights_is_found(tmp_path: Path):
    for shipped in catalogue().values():
        content = bytearray((FOLDER / shipped.file).read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / shipped.file).write_bytes(content)
        with pytest.raises(WeightsError, match=r"has the hash .* was expected: the installation is damaged"):
            shipped.verified_path(tmp_path)


def with_hostile_words(path: Path) -> Path:
    """A clip whose tags, chapter and attachments name other places."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["title"] = "../../stream"
        container.metadata.update({"title": "../../title", "filename": "/tmp/elsewhere", "encoder": "`touch x`"})
        for name in ("../../evil.txt", "/etc/evil", "$(touch evil)", ".."):
            container.add_attachment(name, "text/plain", b"attached")
        for index, pixels in enumerate(textures(6)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def test_nothing_is_written_outside_the_folder_of_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, away = tmp_path / "a" / "b" / "input", tmp_path / "a" / "b" / "output"
    home, working = tmp_path / "home", tmp_path / "working"
    for folder in (here, away, home, working):
        folder.mkdir(parents=True)
    source = with_hostile_words(here / "in.mkv")
    monkeypatch.chdir(working)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(home))
    before = everything(tmp_path)
    interpolate_video(source, away / "out.mkv", method="blend")
    after = everything(tmp_path)
    assert {name: after.get(name) for name in before} == before
    assert sorted(after.keys() - before.keys()) == [
        "a/b/output/out.mkv",
        "a/b/output/out.mkv.midframe.jsonl",
    ]
    with av.open(str(away / "out.mkv")) as container:
        assert [stream.name for stream in container.streams if stream.type == "attachment"] == [
            "../../evil.txt",
            "/etc/evil",
            "$(touch evil)",
            "..",
        ]


NAMES = [
    "with some spaces",
    'it\'s "quoted" `twice`',
    "-leading-dash",
    "--multi",
    "100% %d %03d",
    "line\nbreak",
    "größe-日本語-🎞",
    "$(touch evil); echo & | > x",
    "[brackets] {braces} *?",
    "back\\slash",
    "pipe:1",
    ".hidden",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name_of_input_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """As a person types it, relative to where that person is."""
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / f"{name}.mp4", textures(4))
    before = set(tmp_path.iterdir())
    line = ["interpolate", "--method", "blend", "--", f"{name}.mp4", f"{name} out.mp4"]
    done = CliRunner().invoke(app, line, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert len(packet_times(tmp_path / f"{name} out.mp4", "video")) == 7
    made = {path.name for path in set(tmp_path.iterdir()) - before}
    assert made == {f"{name} out.mp4", f"{name} out.mp4.midframe.jsonl"}


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name_of_a_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    weights = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    save_network(SMALL_SVMV, build_network(SMALL_SVMV).state_dict(), weights, torch.float32)
    source = make_clip(tmp_path / "in.mp4", textures(3))
    interpolator = load("svmv", weights=weights, device="cpu", precision="fp32")
    interpolate_video(source, Path("out.mp4"), method=interpolator, confidence=Path(f"{name}.mkv"))
    assert len(packet_times(tmp_path / f"{name}.mkv", "video")) == 5
    assert (tmp_path / f"{name}.csv").read_text().startswith("frame,")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no text")
def test_a_name_that_is_no_text_gets_a_sentence_or_a_file(tmp_path: Path):
    name = os.fsdecode(b"caf\xe9")
    source = make_clip(tmp_path / "in.mp4", textures(4))
    odd = source.with_name(f"{name}.mp4")
    for first, second in ((source, tmp_path / f"{name} out.mp4"), (shutil.copy(source, odd), tmp_path / "out.mp4")):
        line: Sequence[object] = [sys.executable, "-m", "midframe.cli", "interpolate", first, second]
        done = subprocess.run(
            [os.fsencode(str(word)) for word in [*line, "--method", "blend"]],
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
        assert second.exists() == (done.returncode == 0)
        assert list(tmp_path.glob(".*")) == []


def test_a_name_that_is_too_long_gets_a_sentence(tmp_path: Path):
    source = make_clip(tmp_path / "in.mp4", textures(4))
    for length in (250, 300):
        with pytest.raises(MidframeError, match="longer than 240 bytes"):
            run_video(source, tmp_path / f"{'x' * length}.mp4", Blend(), Multiply(2))
    with pytest.raises(MidframeError, match="cannot be read: File name too long"):
        run_video(tmp_path / f"{'x' * 300}.mp4", tmp_path / "out.mp4", Blend(), Multiply(2))
    line = ["interpolate", str(source), str(tmp_path / f"{'x' * 300}.mp4"), "--method", "blend"]
    assert isinstance(CliRunner().invoke(app, line).exception, MidframeError)
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(MidframeError, match="cannot be read: Too many levels of symbolic links"):
        run_video(loop, tmp_path / "out.mp4", Blend(), Multiply(2))
    loop.unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4"]


def test_sound_and_tags_of_the_source_survive_a_hostile_name(tmp_path: Path):
    source = make_clip(tmp_path / "a 'b' \"c\".mkv", textures(8), Recipe(audio=0.3))
    run_video(source, tmp_path / "d; e.mkv", Blend(), Multiply(2))
    assert packet_times(tmp_path / "d; e.mkv", "audio") == packet_times(source, "audio")
