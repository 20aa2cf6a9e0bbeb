import numpy as np
import pytest

from flat_clip import gray_of_luma, write_flat_clip
from midframe.core.errors import MediaError
from midframe.video.scoring_frames import read_scoring_frames


def test_reads_exactly_the_frames_asked_for_in_that_order(tmp_path):
    write_flat_clip(tmp_path / "clip.mp4", 9)
    frames = read_scoring_frames(tmp_path / "clip.mp4", [7, 0, 3])
    for number, frame in zip((7, 0, 3), frames, strict=True):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
        assert np.abs(frame.astype(int) - gray_of_luma(20 + 10 * number)).max() <= 1


def test_a_frame_beyond_the_end_of_a_clip_is_refused(tmp_path):
    write_flat_clip(tmp_path / "clip.mp4", 9)
    with pytest.raises(MediaError, match=r"clip\.mp4 has 9 frames; frame 9 does not exist"):
        read_scoring_frames(tmp_path / "clip.mp4", [3, 9])


def test_a_file_that_is_no_clip_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"not a clip")
    with pytest.raises(MediaError, match=r"clip\.mp4 does not decode as video"):
        read_scoring_frames(tmp_path / "clip.mp4", [0])
    with pytest.raises(MediaError, match=r"There is no clip .*gone\.mp4"):
        read_scoring_frames(tmp_path / "gone.mp4", [0])
