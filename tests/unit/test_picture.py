"""Pictures come back as they were written, or are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from midframe.core.errors import MediaError, UsageError, WriteError
from midframe.video.picture import read_picture, write_pictures

ORIENTATION = 0x112  # its number in EXIF
CODED_ERROR = 2  # levels, on average; JPEG blurs the edges


def noise(dtype: type, seed: int = 0) -> np.ndarray:
    high = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, high, (48, 63, 3), dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_picture_survives_being_written(dtype: type, tmp_path: Path) -> None:
    pictures = [noise(dtype, seed) for seed in (0, 1)]
    paths = write_pictures(tmp_path / "new" / "folder", pictures)
    assert [path.name for path in paths] == ["0001.png", "0002.png"]
    for path, picture in zip(paths, pictures, strict=True):
        read = read_picture(path)
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, picture)


def test_a_file_that_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    (tmp_path / "0002.png").write_text("precious")
    with pytest.raises(WriteError, match=r"0002\.png exists already"):
        write_pictures(tmp_path, [noise(np.uint8)] * 2)
    assert (tmp_path / "0002.png").read_text() == "precious"
    assert not (tmp_path / "0001.png").exists()
    write_pictures(tmp_path, [noise(np.uint8)] * 2, overwrite=True)
    np.testing.assert_array_equal(read_picture(tmp_path / "0002.png"), noise(np.uint8))


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="cannot be written to"):
        write_pictures(tmp_path / "file" / "folder", [noise(np.uint8)])


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_photograph_stored_on_its_side_is_turned_upright(
    orientation: int, quarter_turns: int, tmp_path: Path
) -> None:
    upright = np.zeros((48, 64, 3), np.uint8)
    upright[:24, :32] = 200  # only the first quarter is bright
    photograph = Image.fromarray(np.rot90(upright, -quarter_turns))
    exif = photograph.getexif()
    exif[ORIENTATION] = orientation
    photograph.save(tmp_path / "photograph.jpg", exif=exif, quality=95)
    read = read_picture(tmp_path / "photograph.jpg").astype(int)
    assert read.shape == upright.shape
    assert np.abs(read - upright).mean() < CODED_ERROR


def test_transparency_is_lost_only_where_that_is_allowed(tmp_path: Path) -> None:
    pixels = Image.fromarray(noise(np.uint8)).convert("RGBA")
    pixels.save(tmp_path / "solid.png")
    pixels.putpixel((5, 5), (0, 0, 0, 254))
    pixels.save(tmp_path / "clear.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "solid.png"), noise(np.uint8))
    with pytest.raises(UsageError, match=r"clear\.png is transparent in places"):
        read_picture(tmp_path / "clear.png")
    assert read_picture(tmp_path / "clear.png", allow_loss=True).shape == (48, 63, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_survives_being_written_where_it_is_asked_for(dtype: type, tmp_path: Path) -> None:
    picture = np.concatenate((noise(dtype), noise(dtype, 1)[..., :1]), axis=-1)
    (path,) = write_pictures(tmp_path, [picture])
    np.testing.assert_array_equal(read_picture(path, alpha=True), picture)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.png").write_text("not a picture")
    with pytest.raises(MediaError, match=r"words\.png"):
        read_picture(tmp_path / "words.png")
