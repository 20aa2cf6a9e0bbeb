from fractions import Fraction
from pathlib import Path

import pytest

from midframe.core.errors import MediaError, UsageError
from midframe.evaluation import FrameReference, Target, read_target_list, sample_targets

HEADER = "# a test set\n# before\ttarget\tafter\ttime\tearlier\tlater\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the files that the lines below name; reading a list decodes none of them."""
    for name in ("a.png", "b.png", "c.png", "clip.mp4"):
        (tmp_path / name).touch()
    return tmp_path


def write_list(root: Path, *lines: str) -> Path:
    path = root / "list.tsv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_reads_images_and_frames_of_clips(root):
    path = write_list(
        root, "a.png\tb.png\tc.png\t1/2\t-\t-", "clip.mp4#8\tclip.mp4#9\tclip.mp4#16\t1/8\tclip.mp4#0\t-"
    )
    clip = Path("clip.mp4")
    assert read_target_list(path, root) == [
        Target(
            before=FrameReference(Path("a.png")),
            target=FrameReference(Path("b.png")),
            after=FrameReference(Path("c.png")),
            time=Fraction(1, 2),
            earlier=None,
            later=None,
        ),
        Target(
            before=FrameReference(clip, 8),
            target=FrameReference(clip, 9),
            after=FrameReference(clip, 16),
            time=Fraction(1, 8),
            earlier=FrameReference(clip, 0),
            later=None,
        ),
    ]


def test_window_of_a_four_frame_method_repeats_a_neighbour_for_an_absent_frame(root):
    path = write_list(root, "clip.mp4#8\tclip.mp4#9\tclip.mp4#16\t1/8\tclip.mp4#0\t-")
    (target,) = read_target_list(path, root)
    assert [frame.index for frame in target.window(1)] == [8, 16]
    assert [frame.index for frame in target.window(2)] == [0, 8, 16, 16]
    with pytest.raises(UsageError, match="up to two input frames on each side; the method needs 3"):
        target.window(3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.png\tb.png\tc.png\t1/2", r"needs 6 tab-separated fields .* got 4"),
        ("a.png b.png c.png 1/2 - -", "got 1"),
        ("a.png\tb.png\tc.png\thalf\t-\t-", "'half' is not a time"),
        ("a.png\tb.png\tc.png\t1/0\t-\t-", "'1/0' is not a time"),
        ("a.png\tb.png\tc.png\t3/2\t-\t-", "time 3/2 is not strictly between 0 and 1"),
        ("a.png\tb.png\tc.png\t0\t-\t-", "time 0 is not strictly between 0 and 1"),
        ("a.png\tgone.png\tc.png\t1/2\t-\t-", "there is no file .*gone.png"),
        ("a.png\tb.png\tc.png\t1/2\tgone.png\t-", "there is no file .*gone.png"),
        ("clip.mp4#-1\tb.png\tc.png\t1/2\t-\t-", "'clip.mp4#-1' names no frame"),
        ("clip.mp4#\tb.png\tc.png\t1/2\t-\t-", "'clip.mp4#' names no frame"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(root, line, message):
    path = write_list(root, "a.png\tb.png\tc.png\t1/2\t-\t-", line)
    with pytest.raises(MediaError, match=f"list.tsv, line 4: .*{message}"):
        read_target_list(path, root)


def test_a_missing_or_empty_list_is_refused(root):
    with pytest.raises(MediaError, match=r"There is no test list .*none\.tsv"):
        read_target_list(root / "none.tsv", root)
    with pytest.raises(MediaError, match=r"list\.tsv holds no target"):
        read_target_list(write_list(root), root)


def test_a_seed_draws_the_same_targets_in_the_order_of_the_list(root):
    lines = [f"clip.mp4#{number}\tclip.mp4#{number + 1}\tclip.mp4#{number + 2}\t1/2\t-\t-" for number in range(40)]
    targets = read_target_list(write_list(root, *lines), root)
    drawn = sample_targets(targets, 10, seed=3)
    assert len(drawn) == 10
    assert drawn == sample_targets(targets, 10, seed=3)
    assert drawn != sample_targets(targets, 10, seed=4)
    assert drawn == [target for target in targets if target in drawn]
    assert sample_targets(targets, 100, seed=3) == targets
    with pytest.raises(UsageError, match="At least one target must be scored; got 0"):
        sample_targets(targets, 0, seed=3)
