"""From folders of videos, or Vimeo-90K, to runs of frames without cuts and repeats."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from midframe.core.errors import MediaError
from midframe.data.bank import (
    Run,
    Source,
    add_clips,
    bank_source,
    load_frames,
    open_bank,
    split_by_scene,
    write_index,
)
from midframe.data.synthetic import render_scene
from midframe.data.vimeo import add_vimeo
from midframe.video.picture import write_pictures

LOSSLESS_ERROR = 3  # levels: 4:4:4 without loss, but through limited-range YUV


def scene(seed: int, frames: int) -> list[np.ndarray]:
    times = [Fraction(index, 3) for index in range(frames)]
    pixels = render_scene(seed, (64, 96), times).permute(0, 2, 3, 1)
    return list((pixels * 255).round().byte().numpy())


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.codec_context.colorspace = 1
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format="yuv444p", dst_colorspace="ITU709")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_cuts_split_runs_and_repeats_are_dropped(tmp_path: Path):
    first, second = scene(1, 8), scene(2, 6)
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "a.mp4", [*first[:4], first[3], first[3], *first[4:], *second])
    bank = tmp_path / "bank"
    bank.mkdir()
    runs = add_clips(clips, bank, "00")
    source = Source((str(clips),), 288, 120)
    write_index(bank, source, runs)
    assert bank_source(bank) == source
    assert [run.length for run in runs] == [8, 6]
    assert open_bank(bank) == runs
    frames = load_frames(bank, runs, torch.device("cpu"))[runs[0].file].numpy()
    assert np.abs(frames[:8].astype(int) - np.stack(first)).max() <= LOSSLESS_ERROR
    assert np.abs(frames[8:].astype(int) - np.stack(second)).max() <= LOSSLESS_ERROR


def test_long_clips_give_spread_chunks(tmp_path: Path):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "a.mp4", scene(3, 100))
    bank = tmp_path / "bank"
    bank.mkdir()
    runs = add_clips(clips, bank, "00", frames_per_clip=80)
    assert sum(run.length for run in runs) == 80
    assert len(runs) == 2


def test_fewer_frames_than_a_chunk_may_be_kept(tmp_path: Path):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "a.mp4", scene(3, 20))
    bank = tmp_path / "bank"
    bank.mkdir()
    assert sum(run.length for run in add_clips(clips, bank, "00", frames_per_clip=9)) == 9


def test_clips_of_one_name_do_not_overwrite_each_other(tmp_path: Path):
    bank = tmp_path / "bank"
    bank.mkdir()
    runs = []
    for number, day in enumerate(("day1", "day2")):
        folder = tmp_path / day / "clips"
        folder.mkdir(parents=True)
        write_clip(folder / "0001.mp4", scene(number, 5 + number))
        runs += add_clips(folder, bank, f"{number:02}")
    assert len({run.file for run in runs}) == 2
    assert len({run.scene for run in runs}) == 2
    frames = load_frames(bank, runs, torch.device("cpu"))
    assert [len(frames[run.file]) for run in runs] == [5, 6]


def test_what_is_no_video_is_skipped_and_named(tmp_path: Path):
    clips = tmp_path / "clips"
    clips.mkdir()
    write_clip(clips / "a.mp4", scene(4, 5))
    (clips / "b.mp4").write_text("not a video")
    bank = tmp_path / "bank"
    bank.mkdir()
    lines: list[str] = []
    assert len(add_clips(clips, bank, "00", report=lines.append)) == 1
    assert any("skipped" in line and "b.mp4" in line for line in lines)


def test_an_index_names_scenes_and_validation_is_split_by_them(tmp_path: Path):
    runs = [Run(f"clip{number}", 0, 9, f"scene{number // 2}", 1.0) for number in range(40)]
    training, validation = split_by_scene(runs)
    assert len(validation) == 4
    assert not {run.scene for run in training} & {run.scene for run in validation}


def test_a_folder_without_videos_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match="no video below"):
        add_clips(tmp_path, tmp_path, "00")


@pytest.mark.parametrize(("listing", "length"), [("tri_trainlist.txt", 3), ("sep_trainlist.txt", 7)])
def test_vimeo_gives_one_run_for_each_training_sequence(listing: str, length: int, tmp_path: Path):
    folder = tmp_path / "vimeo"
    for sequence in ("00001/0001", "00001/0002", "00002/0001"):
        pictures = scene(int(sequence[-1]), length)
        target = folder / "sequences" / sequence
        for number, path in enumerate(write_pictures(target, pictures), start=1):
            path.rename(target / f"im{number}.png")
    (folder / listing).write_text("00001/0001\n00002/0001\n\n")
    bank = tmp_path / "bank"
    bank.mkdir()
    runs = add_vimeo(folder, bank, "vimeo")
    assert [(run.file, run.first, run.length) for run in runs] == [
        ("vimeo-00001", 0, length),
        ("vimeo-00002", 0, length),
    ]
    frames = load_frames(bank, runs, torch.device("cpu"))
    assert np.array_equal(frames["vimeo-00001"].numpy(), np.stack(scene(1, length)))


def test_an_incomplete_vimeo_sequence_is_named(tmp_path: Path):
    (tmp_path / "tri_trainlist.txt").write_text("00001/0001\n")
    with pytest.raises(MediaError, match=r"0001 lacks im1.png, im2.png, im3.png"):
        add_vimeo(tmp_path, tmp_path, "vimeo")
