"""Evaluation over a test set of a few flat pictures, whose scores are known."""

import csv
import json
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flat_clip import gray_of_luma, write_flat_clip
from midframe.core.errors import MediaError, ShapeError, UsageError
from midframe.core.method import MethodSpec, Midpoint, check_request
from midframe.evaluation import evaluate
from midframe.evaluation import frame_store as frame_store_module
from midframe.evaluation.frame_check import check_frames
from midframe.evaluation.frame_store import FrameStore
from midframe.evaluation.preparation import Preparation
from midframe.evaluation.target_list import FrameReference, Target, read_target_list
from midframe.methods.baseline import BlendInterpolator
from midframe.video.scoring_frames import read_scoring_frames

HEIGHT, WIDTH = 20, 30


class RecordingInterpolator:
    """Blends the middle frames, and keeps what it was given."""

    def __init__(self, spec: MethodSpec) -> None:
        self.spec = spec
        self.windows: list[torch.Tensor] = []
        self.draws: list[float] = []

    def interpolate(
        self, frames: torch.Tensor, times: Sequence[Fraction], *, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        check_request(self.spec, frames, times)
        self.windows.append(frames)
        if self.spec.stochastic:
            self.draws.append(torch.rand((), generator=generator).item())
        middle = frames[:, self.spec.context - 1 : self.spec.context + 1]
        return BlendInterpolator().interpolate(middle, times)


def write_flat(path: Path, value: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    Image.new("RGB", size, (value, value, value)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Flat pictures `<value>.png`, and a list with one target that the blend misses by 5 and one it meets."""
    for value in (90, 100, 105, 110, 120):
        write_flat(tmp_path / f"{value}.png", value)
    (tmp_path / "flat.tsv").write_text(
        "# before\ttarget\tafter\ttime\tearlier\tlater\n"
        "100.png\t100.png\t110.png\t1/2\t90.png\t120.png\n"
        "100.png\t105.png\t120.png\t1/4\t90.png\t-\n"
    )
    return tmp_path


def test_writes_known_scores_of_known_pictures(root, tmp_path):
    out = tmp_path / "out" / "flat"
    done = []
    scores = evaluate(
        BlendInterpolator(), root / "flat.tsv", root, out, on_target=lambda *counts: done.append(counts)
    )
    assert done == [(1, 2), (2, 2)]
    written = json.loads((out / "scores.json").read_text())
    assert list(written) == [
        "method", "list", "targets", "psnr", "ssim", "ssim_3d", "ie", "exact", "seconds_per_frame",
    ]  # fmt: skip
    assert (written["method"], written["list"], written["targets"]) == ("blend", "flat", 2)
    assert written["ie"] == scores.ie == 2.5
    # The second target is met exactly.
    assert written["psnr"] == scores.psnr == pytest.approx((10 * math.log10(255**2 / 25) + 60) / 2)
    assert written["exact"] == {"psnr": 1}
    assert written["seconds_per_frame"] > 0
    with (out / "targets.csv").open() as file:
        first, second = csv.DictReader(file)
    assert (first["target"], first["time"], float(first["ie"])) == ("100.png", "1/2", 5)
    assert float(first["psnr"]) == pytest.approx(10 * math.log10(255**2 / 25))
    assert (second["target"], second["time"], second["psnr"]) == ("105.png", "1/4", "inf")
    assert scores.ssim == pytest.approx((float(first["ssim"]) + 1) / 2)
    assert not (out / "predictions").exists()


def test_the_mean_of_a_list_without_exact_frames_is_that_of_its_frames(root, tmp_path):
    Image.new("RGB", (500, 500), (105, 105, 105)).save(root / "big.png")
    with Image.open(root / "big.png") as picture:
        picture.putpixel((0, 0), (105, 105, 106))
        picture.save(root / "near.png")
    (root / "near.tsv").write_text("big.png\tnear.png\tbig.png\t1/2\t-\t-\n")
    scores = evaluate(BlendInterpolator(), root / "near.tsv", root, tmp_path / "out")
    assert scores.exact == {}
    assert scores.psnr == pytest.approx(10 * math.log10(255**2 * 3 * 500**2))  # far above what an exact one counts as


def test_saves_the_rounded_predictions(root, tmp_path):
    evaluate(BlendInterpolator(), root / "flat.tsv", root, tmp_path / "out", save_images=True)
    predictions = sorted((tmp_path / "out" / "predictions").iterdir())
    assert [path.name for path in predictions] == ["00001.png", "00002.png"]
    for path in predictions:
        with Image.open(path) as image:
            assert np.array_equal(np.array(image), np.full((HEIGHT, WIDTH, 3), 105))


def test_pads_to_the_multiple_and_crops_the_result(root, tmp_path):
    interpolator = RecordingInterpolator(MethodSpec(name="recording", size_multiple=16))
    scores = evaluate(interpolator, root / "flat.tsv", root, tmp_path / "out")
    assert {tuple(window.shape) for window in interpolator.windows} == {(1, 2, 3, 32, 32)}
    assert scores.ie == 2.5


def test_a_four_frame_method_gets_the_outer_frames_or_their_neighbours(root, tmp_path):
    interpolator = RecordingInterpolator(MethodSpec(name="recording", context=2))
    evaluate(interpolator, root / "flat.tsv", root, tmp_path / "out")
    bytes_seen = [(window[0, :, 0, 0, 0] * 255).round().int().tolist() for window in interpolator.windows]
    assert bytes_seen == [[90, 100, 110, 120], [90, 100, 120, 120]]


def test_a_seed_fixes_the_draws_of_a_stochastic_method(root, tmp_path):
    draws = []
    for seed in (1, 1, 2):
        interpolator = RecordingInterpolator(MethodSpec(name="recording", stochastic=True))
        evaluate(interpolator, root / "flat.tsv", root, tmp_path / "out", seed=seed)
        draws.append(interpolator.draws)
    assert draws[0] == draws[1] != draws[2]
    assert draws[0][0] != draws[0][1]


def test_scores_a_part_of_the_list(root, tmp_path):
    assert evaluate(BlendInterpolator(), root / "flat.tsv", root, tmp_path / "out", max_targets=1).targets == 1


def test_refuses_an_instant_that_the_method_lacks_before_any_work(root, tmp_path):
    interpolator = RecordingInterpolator(MethodSpec(name="recording", times=Midpoint()))
    with pytest.raises(UsageError, match=r"flat\.tsv asks for the instant 1/4; recording offers midpoints"):
        evaluate(interpolator, root / "flat.tsv", root, tmp_path / "out")
    assert interpolator.windows == []
    assert not (tmp_path / "out").exists()


def test_refuses_frames_of_two_sizes(root, tmp_path):
    write_flat(root / "110.png", 110, size=(WIDTH + 2, HEIGHT))
    with pytest.raises(ShapeError, match=r"target 100\.png differ in size: 100\.png is 30x20, 110\.png is 32x20"):
        evaluate(BlendInterpolator(), root / "flat.tsv", root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refuses_a_damaged_image(root, tmp_path):
    (root / "110.png").write_bytes(b"not an image")
    with pytest.raises(MediaError, match=r"110\.png does not decode as an image"):
        evaluate(BlendInterpolator(), root / "flat.tsv", root, tmp_path / "out")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("clip.mp4#2\tclip.mp4#3\tclip.mp4#4\t1/2\t-\tclip.mp4#400\n", "has 9 frames; frame 400 does not exist"),
        ("clip.mp4#4\tclip.mp4#3\tclip.mp4#2\t1/2\t-\t-\n", r"clip\.mp4#3 does not come after clip\.mp4#4"),
        ("clip.mp4#2\tclip.mp4#2\tclip.mp4#4\t1/2\t-\t-\n", r"clip\.mp4#2 does not come after clip\.mp4#2"),
        ("clip.mp4#2\tclip.mp4#3\tclip.mp4#4\t1/2\tclip.mp4#3\t-\n", r"clip\.mp4#2 does not come after clip\.mp4#3"),
        ("clip.mp4#2\tclip.mp4#3\tclip.mp4#4\t1/2\t-\t-\n" * 2, r"names the target clip\.mp4#3 2 times"),
    ],
)
def test_refuses_what_a_list_says_wrongly_of_a_clip_before_any_work(tmp_path, lines, message):
    write_flat_clip(tmp_path / "clip.mp4", 9)
    (tmp_path / "clip.tsv").write_text(lines)
    with pytest.raises(MediaError, match=message):
        evaluate(BlendInterpolator(), tmp_path / "clip.tsv", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_outer_frame_may_be_its_neighbour_once_more(tmp_path):
    write_flat_clip(tmp_path / "clip.mp4", 5)
    (tmp_path / "clip.tsv").write_text("clip.mp4#0\tclip.mp4#2\tclip.mp4#4\t1/2\tclip.mp4#0\tclip.mp4#4\n")
    assert evaluate(BlendInterpolator(), tmp_path / "clip.tsv", tmp_path, tmp_path / "out").targets == 1


def test_frames_behind_the_end_of_a_raw_file_are_found_by_its_size(tmp_path):
    (tmp_path / "raw.yuv").write_bytes(bytes(8 * 6 * 3 // 2 * 4))
    frames = [FrameReference(Path("raw.yuv"), index) for index in (0, 2, 4)]
    target = Target(
        before=frames[0], target=frames[1], after=frames[2], time=Fraction(1, 2), earlier=None, later=None
    )
    with pytest.raises(MediaError, match="has 4 frames; frame 4 does not exist"):
        check_frames([target], tmp_path, Preparation(raw_size=(8, 6)), "raw")


def test_pictures_that_a_preparation_brings_to_one_size_may_differ(root):
    write_flat(root / "110.png", 110, size=(WIDTH + 2, HEIGHT))
    targets = read_target_list(root / "flat.tsv", root)
    check_frames(targets, root, Preparation(size=(16, 16)), "flat")
    with pytest.raises(ShapeError, match="flat: the frames of target"):
        check_frames(targets, root, Preparation(), "flat")


def test_evaluates_frames_of_a_clip(tmp_path):
    write_flat_clip(tmp_path / "clip.mp4", 9)
    (tmp_path / "clip.tsv").write_text("clip.mp4#2\tclip.mp4#5\tclip.mp4#6\t1/2\t-\t-\n")
    scores = evaluate(BlendInterpolator(), tmp_path / "clip.tsv", tmp_path, tmp_path / "out")
    blend = round((gray_of_luma(40) + gray_of_luma(80)) / 2)
    assert scores.ie == pytest.approx(gray_of_luma(70) - blend, abs=1)


def test_every_clip_is_decoded_once_and_its_frames_are_forgotten_after_their_last_use(tmp_path, monkeypatch):
    write_flat_clip(tmp_path / "clip.mp4", 9)
    decoded = []

    def count(path, indices):
        decoded.append((path.name, indices))
        return read_scoring_frames(path, indices)

    monkeypatch.setattr(frame_store_module, "read_scoring_frames", count)
    reads = [FrameReference(Path("clip.mp4"), index) for index in (0, 2, 4, 2, 4)]
    store = FrameStore(tmp_path, reads)
    held = []
    for read in reads:
        picture = store.read(read)
        assert abs(picture[0, 0, 0].item() - gray_of_luma(20 + 10 * read.index)) <= 1
        held.append(len(store))
    assert decoded == [("clip.mp4", [0, 2, 4])]
    assert held == [2, 2, 2, 1, 0]
