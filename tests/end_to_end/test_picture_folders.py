"""Folders of pictures hold what a person has put there too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import midframe
from clips import make_clip, textures
from midframe.core.errors import MediaError, WriteError
from midframe.video import probe

SIZE = (48, 64)


def picture(path: Path, level: int = 100, mode: str = "RGB") -> Path:
    path.parent.mkdir(exist_ok=True)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    Image.fromarray(np.full((*SIZE, *channels), level, np.uint8)).save(path)
    return path


def row(folder: Path, count: int = 4) -> Path:
    for number in range(count):
        picture(folder / f"{number:04d}.png", 40 * number)
    return folder


def run(source: Path | str, target: Path | str, **options):
    return midframe.interpolate_video(source, target, method="blend", **options)


def test_pictures_under_other_names_are_kept(tmp_path: Path):
    source, out = make_clip(tmp_path / "in.mp4", textures(4)), tmp_path / "out"
    others = [picture(out / name) for name in ("img_1.png", "img_20240115.png", "img_0100.png", "other.png")]
    longer = [picture(out / f"img_{number:04d}.png") for number in range(1, 10)]
    run(source, out / "img_%04d.png", multi=2, overwrite=True)
    assert all(path.exists() for path in others)
    assert [path.exists() for path in longer] == [True] * 7 + [False] * 2


def test_pictures_of_the_source_are_not_replaced(tmp_path: Path):
    folder = row(tmp_path / "shots")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for source in (folder, folder / "%04d.png", folder / "*.png"):
        with pytest.raises(WriteError, match="source itself"):
            run(source, folder / "%04d.png", overwrite=True)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_damaged_picture_is_made_anew(tmp_path: Path):
    folder = row(tmp_path / "shots", 5)
    damaged = folder / "0002.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    result = run(folder, tmp_path / "out.mkv", repair=True, cuts="off")
    assert (result.frames_out, result.made) == (5, 1)


def test_grey_pictures_among_coloured_ones_keep_their_levels(tmp_path: Path):
    folder = row(tmp_path / "shots", 2)
    picture(folder / "0002.png", 200, "L")
    result = run(folder, tmp_path / "seen" / "%d.png", multi=1)
    with Image.open(result.target.parent / "3.png") as image:
        assert np.unique(np.asarray(image)).tolist() == [200]


def test_transparency_that_begins_in_the_middle_is_not_lost_unsaid(tmp_path: Path):
    folder = row(tmp_path / "shots", 2)
    picture(folder / "0002.png", 10, "RGBA")
    with pytest.raises(MediaError, match=r"change from rgb24 to rgba"):
        run(folder, tmp_path / "out.mkv")


def test_transparent_colours_of_a_palette_are_seen(tmp_path: Path):
    image = Image.fromarray(np.full(SIZE, 1, np.uint8), "P")
    image.putpalette([0, 0, 0, 200, 100, 50])
    (tmp_path / "shots").mkdir()
    for number in range(2):
        image.save(tmp_path / "shots" / f"{number}.png", transparency=1)
    assert probe(tmp_path / "shots").has_alpha


def test_hidden_files_are_no_pictures_and_odd_digits_no_numbers(tmp_path: Path):
    folder = row(tmp_path / "shots", 3)
    (folder / "._0001.png").write_bytes(b"not a picture")
    picture(folder / "²1.png")
    assert run(folder / "*.png", tmp_path / "out.mkv", multi=1).frames_in == 4


def test_transparent_webp_shows_one_frame_at_a_time(tmp_path: Path):
    (tmp_path / "shots").mkdir()
    for number in range(3):
        pixels = np.zeros((*SIZE, 4), np.uint8)
        pixels[:, 20 * number : 20 * number + 10] = (255, 0, 0, 255)
        Image.fromarray(pixels).save(tmp_path / "shots" / f"{number}.png")
    result = run(tmp_path / "shots", tmp_path / "out.webp", multi=1)
    with Image.open(result.target) as image:
        image.seek(2)
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert alpha[:, 45].min() > 200
    assert alpha[:, [5, 25]].max() < 55


def test_a_run_that_fails_leaves_no_new_folder(tmp_path: Path):
    folder = row(tmp_path / "shots", 4)
    damaged = folder / "0002.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"0002\.png"):
        run(folder, f"{tmp_path}/new/")
    (tmp_path / "there").mkdir()
    with pytest.raises(MediaError, match=r"0002\.png"):
        run(folder, f"{tmp_path}/there/")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shots", "there"]
