from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from midframe.core.errors import ShapeError, UsageError
from midframe.evaluation import FrameReference, Preparation, find_protocol
from midframe.evaluation.frame_store import FrameStore


def picture(*rows: list[int]) -> torch.Tensor:
    """Three equal channels."""
    return torch.tensor(rows, dtype=torch.uint8).expand(3, -1, -1).contiguous()


def coordinates(height: int, width: int) -> torch.Tensor:
    """Every pixel holds its row, its column and 0."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([row, column, torch.zeros_like(row)]).to(torch.uint8)


def corner(cropped: torch.Tensor) -> tuple[int, int]:
    """Row and column of the first pixel that was kept."""
    return int(cropped[0, 0, 0]), int(cropped[1, 0, 0])


def test_nothing_is_done_by_default():
    pixels = coordinates(5, 7)
    assert torch.equal(Preparation()(pixels), pixels)
    assert str(Preparation()) == "as it is"


def test_halving_by_area_is_the_mean_of_four_with_halves_up():
    halved = Preparation(size=(2, 1))(picture([0, 1, 10, 20], [0, 1, 30, 41]))
    assert halved[0].tolist() == [[1, 25]]  # 0.5 and 25.25


def test_area_weighs_pixels_by_their_overlap():
    # Three pixels become two: each takes one whole pixel and half of the middle one.
    assert Preparation(size=(2, 1))(picture([30, 90, 240]))[0].tolist() == [[50, 190]]


def test_area_agrees_with_the_overlaps_summed_one_by_one():
    pixels = torch.randint(0, 256, (3, 13, 29), generator=torch.Generator().manual_seed(0)).to(torch.uint8)

    def shares(old: int, new: int) -> np.ndarray:
        """How much of each new cell each old one fills."""
        cells = np.zeros((new, old))
        for part in range(new):
            for row in range(old):
                shared = min((part + 1) * old, (row + 1) * new) - max(part * old, row * new)
                cells[part, row] = max(shared, 0) / old
        return cells

    expected = np.floor(shares(13, 5) @ pixels.numpy().astype(float) @ shares(29, 8).T + 0.5)
    assert np.array_equal(Preparation(size=(8, 5))(pixels).numpy(), expected)


def test_gamma_averages_in_linear_light():
    pixels = picture([0, 255], [255, 0])
    assert Preparation(size=(1, 1))(pixels)[0].item() == 128
    assert Preparation(size=(1, 1), gamma=2.2)(pixels)[0].item() == round(255 * 0.5 ** (1 / 2.2)) == 186


@pytest.mark.parametrize("kernel", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_a_flat_picture_keeps_its_level(kernel: str, gamma: float):
    for level in (0, 1, 77, 254, 255):
        prepared = Preparation(size=(5, 9), filter=kernel, gamma=gamma)(
            torch.full((3, 7, 8), level, dtype=torch.uint8)
        )
        assert prepared.shape == (3, 9, 5)
        assert prepared.unique().tolist() == [level]


@pytest.mark.parametrize(("size", "start"), [((480, 854), (0, 187)), ((9, 6), (1, 0)), ((7, 5), (1, 0))])
def test_the_square_lies_in_the_centre_with_its_half_side_rounded_down(size: tuple[int, int], start: tuple[int, int]):
    row, column = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    positions = torch.stack([row // 256, row % 256, column % 256]).to(torch.uint8)
    cropped = Preparation(crop="square")(positions)
    side = min(size) // 2 * 2
    assert torch.equal(cropped, positions[:, start[0] : start[0] + side, start[1] : start[1] + side])


def test_the_centre_is_cut_to_size():
    cropped = Preparation(crop="centre", crop_size=(4, 2))(coordinates(6, 10))
    assert cropped.shape == (3, 2, 4)
    assert corner(cropped) == (2, 3)


def test_a_crop_larger_than_the_picture_is_refused():
    with pytest.raises(ShapeError, match="A picture of 10x6 is too small for the crop of 4x8"):
        Preparation(crop="centre", crop_size=(4, 8))(coordinates(6, 10))


def test_only_pictures_wider_than_hd_are_cut_to_half():
    crop = Preparation(crop="half-of-uhd")
    wide = torch.zeros((3, 8, 3840), dtype=torch.uint8)
    wide[:, 2:6, 960:2880] = 1
    assert crop(wide).shape == (3, 4, 1920)
    assert crop(wide).min() == 1
    assert crop(wide[..., :1920]).shape == (3, 8, 1920)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": "centre"}, "crop_size belongs to the crop 'centre'; got None with 'centre'"),
        ({"crop_size": (4, 4)}, r"got \(4, 4\) with 'none'"),
        ({"size": (0, 4)}, "size must be positive; got 0x4"),
        ({"gamma": 0.0}, "gamma must be positive; got 0.0"),
    ],
)
def test_a_preparation_that_makes_no_sense_is_refused(values: dict, message: str):
    with pytest.raises(UsageError, match=message):
        Preparation(**values)


def test_the_frame_store_prepares_every_picture(tmp_path: Path):
    Image.fromarray(np.array([[[0] * 3, [100] * 3]], dtype=np.uint8)).save(tmp_path / "a.png")
    reference = FrameReference(Path("a.png"))
    prepared = FrameStore(tmp_path, [reference], Preparation(size=(1, 1))).read(reference)
    assert prepared.tolist() == [[[50]], [[50]], [[50]]]


def test_the_frame_store_reads_raw_video_of_the_size_that_the_protocol_knows(tmp_path: Path):
    width, height = 16, 8
    luma = [16, 126, 235]
    frames = [bytes([level]) * (width * height) + bytes([128]) * (width * height // 2) for level in luma]
    (tmp_path / "clip.yuv").write_bytes(b"".join(frames))
    references = [FrameReference(Path("clip.yuv"), index) for index in range(3)]
    store = FrameStore(tmp_path, references, Preparation(raw_size=(width, height)))
    for reference, level in zip(references, luma, strict=True):
        read = store.read(reference)
        assert read.shape == (3, height, width)
        assert read.unique().tolist() == [pytest.approx((level - 16) * 255 / 219, abs=1)]


def test_davis_7_is_prepared_to_256_pixels():
    prepare = find_protocol("davis-7").picture
    assert prepare(torch.zeros((3, 480, 854), dtype=torch.uint8)).shape == (3, 256, 256)
    assert str(prepare) == (
        "cropped to the largest square in the centre, then resized to 256x256 (area filter, gamma 2.2)"
    )
