"""Folders in the shape of the official releases, made of empty files: reading a layout decodes no picture."""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from flat_clip import write_flat_clip
from midframe.core.errors import MediaError, UsageError
from midframe.evaluation import Preparation, Protocol, Target, find_protocol, missing_share, protocol_targets

# Frames of the 50 sequences of DAVIS-2016 (3455 in all).
DAVIS_2016 = {
    "bear": 82, "blackswan": 50, "bmx-bumps": 90, "bmx-trees": 80, "boat": 75, "breakdance": 84,
    "breakdance-flare": 71, "bus": 80, "camel": 90, "car-roundabout": 75, "car-shadow": 40, "car-turn": 80,
    "cows": 104, "dance-jump": 60, "dance-twirl": 90, "dog": 60, "dog-agility": 25, "drift-chicane": 52,
    "drift-straight": 50, "drift-turn": 64, "elephant": 80, "flamingo": 80, "goat": 90, "hike": 80, "hockey": 75,
    "horsejump-high": 50, "horsejump-low": 60, "kite-surf": 50, "kite-walk": 80, "libby": 49, "lucia": 70,
    "mallard-fly": 70, "mallard-water": 80, "motocross-bumps": 60, "motocross-jump": 40, "motorbike": 43,
    "paragliding": 70, "paragliding-launch": 80, "parkour": 100, "rhino": 90, "rollerblade": 35,
    "scooter-black": 43, "scooter-gray": 75, "soapbox": 99, "soccerball": 48, "stroller": 91, "surf": 55,
    "swing": 60, "tennis": 70, "train": 80,
}  # fmt: skip


def touch(root: Path, names: Iterable[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def small(name: str, targets: int | None, **changes: object) -> Protocol:
    """A protocol for a set that has only so many targets."""
    return replace(find_protocol(name), targets=targets, **changes)


def names(target: Target) -> list[str]:
    """earlier, before, target, after, later, without those that are absent."""
    frames = (target.earlier, target.before, target.target, target.after, target.later)
    return [str(frame) for frame in frames if frame is not None]


def numbers(targets: Iterable[Target]) -> list[list[int]]:
    """As `names`, by the number of the frame alone."""
    return [
        [frame.index if frame.index is not None else int(frame.path.stem.rpartition("-")[2]) for frame in frames]
        for frames in (
            [frame for frame in (t.earlier, t.before, t.target, t.after, t.later) if frame is not None]
            for t in targets
        )
    ]


def test_vimeo_triplets_follow_the_test_list_with_its_empty_last_line(tmp_path: Path):
    write(tmp_path / "tri_testlist.txt", "00001/0389", "00096/0936", "")
    for sequence in ("00001/0389", "00096/0936", "00001/0001"):
        touch(tmp_path, (f"sequences/{sequence}/im{number}.png" for number in (1, 2, 3)))
    targets = protocol_targets(small("vimeo90k", 2), tmp_path)
    assert names(targets[0]) == [f"sequences/00001/0389/im{number}.png" for number in (1, 2, 3)]
    assert [target.sequence for target in targets] == [Path("sequences/00001/0389"), Path("sequences/00096/0936")]
    assert targets[0].time == Fraction(1, 2)


def test_vimeo_septuplets_give_every_second_frame(tmp_path: Path):
    write(tmp_path / "sep_testlist.txt", "00001/0266")
    touch(tmp_path, (f"sequences/00001/0266/im{number}.png" for number in range(1, 8)))
    (target,) = protocol_targets(small("vimeo90k-septuplet", 1), tmp_path)
    assert names(target) == [f"sequences/00001/0266/im{number}.png" for number in (1, 3, 4, 5, 7)]


def test_an_incomplete_set_is_refused_with_the_first_missing_file_and_the_layout(tmp_path: Path):
    write(tmp_path / "tri_testlist.txt", "00001/0389", "00001/0400")
    touch(tmp_path, (f"sequences/00001/0389/im{number}.png" for number in (1, 2, 3)))
    touch(tmp_path, (f"sequences/00001/0400/im{number}.png" for number in (1, 3)))
    with pytest.raises(MediaError) as refused:
        protocol_targets(small("vimeo90k", 2), tmp_path)
    assert str(refused.value) == (
        f"{tmp_path} does not fit the protocol 'vimeo90k': sequences/00001/0400/im2.png is missing; expected: "
        "tri_testlist.txt beside sequences/00001/0001/im1.png, im2.png, im3.png and so on."
    )
    protocol = find_protocol("vimeo90k")
    partial = protocol_targets(protocol, tmp_path, partial=True)
    assert [target.sequence.name for target in partial] == ["0389"]
    assert "1 of 3782 targets of 'vimeo90k'" in missing_share(protocol, partial)
    assert missing_share(small("vimeo90k", 1), partial) == ""


def test_another_number_of_targets_is_refused(tmp_path: Path):
    write(tmp_path / "tri_testlist.txt", "00001/0389")
    touch(tmp_path, (f"sequences/00001/0389/im{number}.png" for number in (1, 2, 3)))
    with pytest.raises(MediaError, match="it holds 1 targets instead of 3782; expected: tri_testlist"):
        protocol_targets(find_protocol("vimeo90k"), tmp_path)


def test_a_list_with_another_hash_is_refused(tmp_path: Path):
    write(tmp_path / "lists/davis.tsv", "a.png\tb.png\tc.png\t1/2\t-\t-")
    touch(tmp_path, ("a.png", "b.png", "c.png"))
    with pytest.raises(MediaError, match=r"lists/davis\.tsv has the hash \w{12}… where 6f0e674b973b… was expected"):
        protocol_targets(find_protocol("eval-davis"), tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(MediaError, match=r"There is no folder .*gone"):
        protocol_targets(find_protocol("davis"), tmp_path / "gone")


STALE = "data/SNU-FILM/test"


@pytest.mark.parametrize("prefix", [STALE, "/home/someone/data/SNU-FILM/test", "test"])
@pytest.mark.parametrize("folder", ["", "eval_modes"])
def test_snu_film_lists_are_read_whatever_precedes_the_test_folder(prefix: str, folder: str, tmp_path: Path):
    clip = "GOPRO_test/GOPR0384_11_05"
    write(
        tmp_path / folder / "test-medium.txt",
        f"{prefix}/{clip}/004001.png {prefix}/{clip}/004003.png {prefix}/{clip}/004005.png",
        " ".join(f"{prefix}/YouTube_test/0000/{number:05d}.png" for number in (7, 9, 11)),
    )
    touch(tmp_path, (f"test/{clip}/{number:06d}.png" for number in range(4001, 4006)))
    touch(tmp_path, (f"test/YouTube_test/0000/{number:05d}.png" for number in range(7, 12)))
    first, second = protocol_targets(small("snu-film-medium", 2), tmp_path)
    assert names(first) == [f"test/{clip}/{number:06d}.png" for number in (4001, 4003, 4005)]
    assert names(second) == [f"test/YouTube_test/0000/{number:05d}.png" for number in (7, 9, 11)]


def test_snu_film_at_any_time_takes_the_frames_between(tmp_path: Path):
    line = " ".join(f"{STALE}/YouTube_test/0003/{number:05d}.png" for number in (96, 100, 104))
    write(tmp_path / "test-hard.txt", line)
    touch(tmp_path, (f"test/YouTube_test/0003/{number:05d}.png" for number in range(96, 105)))
    targets = protocol_targets(small("snu-film-arb-x8", 7), tmp_path)
    assert numbers(targets) == [[96, number, 104] for number in range(97, 104)]
    assert [target.time for target in targets] == [Fraction(k, 8) for k in range(1, 8)]
    assert targets[3].target.path.name == "00100.png"


def test_snu_film_at_any_time_refuses_a_list_of_another_spacing(tmp_path: Path):
    write(tmp_path / "test-hard.txt", " ".join(f"{STALE}/0003/{number:05d}.png" for number in (1, 2, 3)))
    touch(tmp_path, (f"test/0003/{number:05d}.png" for number in range(1, 4)))
    with pytest.raises(
        MediaError, match=r"test-hard\.txt, line 1: no frame lies at 1/8 between inputs 2 frames apart"
    ):
        protocol_targets(find_protocol("snu-film-arb-x8"), tmp_path)


def test_snu_film_with_four_inputs_leaves_out_lines_without_outer_frames(tmp_path: Path):
    lines = [" ".join(f"{STALE}/0001/{n:05d}.png" for n in (a, a + 4, a + 8)) for a in (0, 8, 16)]
    write(tmp_path / "test-hard.txt", *lines)
    touch(tmp_path, (f"test/0001/{number:05d}.png" for number in range(25)))
    targets = protocol_targets(find_protocol("snu-film-hard-4"), tmp_path)
    assert numbers(targets) == [[0, 8, 12, 16, 24]]
    assert targets[0].window(2)[0] == targets[0].earlier


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("test/a/1.png test/a/2.png", "line 2 names 2 files instead of 3"),
        ("train/a/1.png train/a/2.png train/a/3.png", "line 2: 'train/a/1.png' has no folder 'test'"),
    ],
)
def test_a_bad_line_of_snu_film_is_refused_with_its_number(line: str, message: str, tmp_path: Path):
    write(tmp_path / "test-easy.txt", "test/a/1.png test/a/2.png test/a/3.png", line)
    touch(tmp_path, (f"test/a/{number}.png" for number in (1, 2, 3)))
    with pytest.raises(MediaError, match=message):
        protocol_targets(find_protocol("snu-film-easy"), tmp_path)
    write(tmp_path / "test-hard.txt", "test/a/x.png test/a/y.png test/a/z.png")
    with pytest.raises(MediaError, match=r"'z\.png' is not numbered"):
        protocol_targets(find_protocol("snu-film-hard-4"), tmp_path)


@pytest.mark.parametrize("parent", ["", "ucf101_interp_ours/"])
@pytest.mark.parametrize("stems", [("frame_00", "frame_01_gt", "frame_02"), ("frame1", "framet", "frame2")])
def test_ucf101_triplets_come_in_the_order_of_their_numbers(parent: str, stems: tuple[str, ...], tmp_path: Path):
    for folder in ("1", "11", "101", "21"):
        touch(tmp_path, (f"{parent}{folder}/{stem}.png" for stem in (*stems, "frame_01_ours")))
    targets = protocol_targets(small("ucf101-dvf", 4), tmp_path)
    assert [target.sequence.name for target in targets] == ["1", "11", "21", "101"]
    assert names(targets[0]) == [f"{parent}1/{stem}.png" for stem in stems]


def test_ucf101_triplets_name_the_missing_picture(tmp_path: Path):
    touch(tmp_path, ("1/frame_00.png", "1/frame_01_gt.png", "1/frame_02.png", "11/frame_00.png", "11/frame_02.png"))
    with pytest.raises(MediaError, match=r"11/frame_01_gt\.png is missing"):
        protocol_targets(find_protocol("ucf101-dvf"), tmp_path)
    with pytest.raises(MediaError, match="no numbered folder is there"):
        protocol_targets(find_protocol("ucf101-dvf"), tmp_path / "1")


def test_ucf101_quintuples_put_the_target_between_the_inner_two(tmp_path: Path):
    touch(tmp_path, (f"v_Archery_g01/{stem}.png" for stem in ("frame0", "frame1", "framet", "frame2", "frame3")))
    (target,) = protocol_targets(small("ucf101-qvi", 1), tmp_path)
    assert [Path(name).stem for name in names(target)] == ["frame0", "frame1", "framet", "frame2", "frame3"]


@pytest.mark.parametrize(("inputs", "truths"), [("other-data/", "other-gt-interp/"), ("input/", "gt/"), ("", "")])
def test_middlebury_reads_each_layout_in_use(inputs: str, truths: str, tmp_path: Path):
    scenes = [
        "Beanbags",
        "Dimetrodon",
        "DogDance",
        "Grove2",
        "Grove3",
        "Hydrangea",
        "MiniCooper",
        "RubberWhale",
        "Urban2",
        "Urban3",
        "Venus",
        "Walking",
    ]
    for scene in scenes:
        touch(
            tmp_path, (f"{inputs}{scene}/frame10.png", f"{inputs}{scene}/frame11.png", f"{inputs}{scene}/frame07.png")
        )
        touch(tmp_path, (f"{truths}{scene}/frame10i11.png",))
    targets = protocol_targets(find_protocol("middlebury"), tmp_path)
    assert [target.sequence.name for target in targets] == scenes
    assert names(targets[-1]) == [
        f"{inputs}Walking/frame10.png", f"{truths}Walking/frame10i11.png", f"{inputs}Walking/frame11.png"
    ]  # fmt: skip
    (tmp_path / f"{truths}Venus/frame10i11.png").unlink()
    with pytest.raises(MediaError, match=r"Venus/frame10i11\.png is missing; expected: other-data/Beanbags"):
        protocol_targets(find_protocol("middlebury"), tmp_path)


def davis(root: Path, lengths: dict[str, int], start: int = 0) -> None:
    for name, length in lengths.items():
        touch(root / name, (f"{number:05d}.jpg" for number in range(start, start + length)))


@pytest.mark.parametrize("parent", ["JPEGImages/480p", "DAVIS/JPEGImages/480p", ""])
def test_davis_windows_are_the_same_for_two_and_four_inputs(parent: str, tmp_path: Path):
    davis(tmp_path / parent, {"bear": 10, "camel": 6, "dog": 7})
    touch(tmp_path, ("Annotations/480p/bear/00000.png", "README.md"))
    four = protocol_targets(find_protocol("davis-4"), tmp_path, partial=True)
    two = protocol_targets(find_protocol("davis"), tmp_path, partial=True)
    # For s = 0, 2, ... < n - 6: inputs s, s + 2, s + 4, s + 6 and target s + 3.
    assert numbers(four) == [[0, 2, 3, 4, 6], [2, 4, 5, 6, 8], [0, 2, 3, 4, 6]]
    assert numbers(two) == [[2, 3, 4], [4, 5, 6], [2, 3, 4]]
    assert [target.sequence.name for target in two] == ["bear", "bear", "dog"]
    assert "2 of 90 sequences of 'davis'" in missing_share(find_protocol("davis"), two)
    with pytest.raises(MediaError, match="it holds 3 sequences instead of 90"):
        protocol_targets(find_protocol("davis"), tmp_path)


def test_davis_counts_ninety_sequences(tmp_path: Path):
    davis(tmp_path, {f"sequence-{number}": 7 for number in range(90)})
    assert len(protocol_targets(find_protocol("davis"), tmp_path)) == 90


def test_the_fifty_sequences_of_davis_2016_make_357_clips(tmp_path: Path):
    assert (len(DAVIS_2016), sum(DAVIS_2016.values())) == (50, 3455)
    davis(tmp_path / "JPEGImages/480p", {**DAVIS_2016, "bike-packing": 69})  # the last is of DAVIS-2017 alone
    targets = protocol_targets(find_protocol("davis-7"), tmp_path)
    middles = protocol_targets(find_protocol("davis-7-middle"), tmp_path)
    assert (len(targets), len(middles)) == (357 * 7, 357)
    assert numbers(targets[:8]) == [*([0, number, 8] for number in range(1, 8)), [9, 10, 17]]
    assert numbers(middles[:2]) == [[0, 4, 8], [9, 13, 17]]
    assert targets[0].time == Fraction(1, 8)
    (tmp_path / "JPEGImages/480p/train").rename(tmp_path / "elsewhere")
    with pytest.raises(MediaError, match="the sequence train is missing"):
        protocol_targets(find_protocol("davis-7"), tmp_path)


def test_a_hole_in_the_numbers_of_a_sequence_is_refused(tmp_path: Path):
    touch(tmp_path, (f"walk/frame_{number:03d}.png" for number in (0, 2, 4, 6, 8, 10, 12)))
    (target,) = protocol_targets(find_protocol("vfitex"), tmp_path)  # evenly spaced numbers are no hole
    assert names(target) == [f"walk/frame_{number:03d}.png" for number in (0, 4, 6, 8, 12)]
    touch(tmp_path, ("walk/frame_013.png",))
    with pytest.raises(MediaError, match="in walk, picture 12 is followed by picture 13"):
        protocol_targets(find_protocol("vfitex"), tmp_path)


def test_files_that_macos_leaves_beside_pictures_are_no_pictures(tmp_path: Path):
    davis(tmp_path, {"bear": 7})
    touch(tmp_path, ("bear/._00000.jpg", "bear/._00001.jpg", "bear/.DS_Store"))
    assert numbers(protocol_targets(find_protocol("vfitex"), tmp_path)) == [[0, 2, 3, 4, 6]]


def test_a_folder_with_other_sequences_is_refused_even_as_a_part(tmp_path: Path):
    davis(tmp_path, {"holiday": 20})
    with pytest.raises(MediaError, match="it holds none of the sequences, such as bear"):
        protocol_targets(find_protocol("davis-7"), tmp_path, partial=True)


def test_times_that_a_set_does_not_have_are_refused(tmp_path: Path):
    write(tmp_path / "tri_testlist.txt", "00001/0389")
    touch(tmp_path, (f"sequences/00001/0389/im{number}.png" for number in (1, 2, 3)))
    quarter = small("vimeo90k", 1, times=(Fraction(1, 4),))
    with pytest.raises(UsageError, match="'vimeo90k' asks for targets at 1/4; the set has them at 1/2"):
        protocol_targets(quarter, tmp_path)


def test_a_protocol_without_what_its_layout_needs_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"layout 'sequences' of 'davis' needs a table \[sequences\]"):
        protocol_targets(small("davis", None, sequences=None), tmp_path)
    with pytest.raises(UsageError, match=r"layout 'raw-videos' of 'hd-720p' needs picture\.raw_size"):
        protocol_targets(small("hd-720p", None, picture=Preparation()), tmp_path)


@pytest.mark.parametrize("parent", ["test", "."])
def test_x_test_takes_seven_of_the_frames_between_the_first_and_the_last(parent: str, tmp_path: Path):
    scenes = [f"Type{1 + number // 5}/TEST_{number:02d}_003_f0433" for number in range(15)]
    for scene in scenes:
        touch(tmp_path / parent / scene, (f"{number:04d}.png" for number in range(33)))
    targets = protocol_targets(find_protocol("x4k1000fps-4k"), tmp_path)
    assert numbers(targets[:7]) == [[0, number, 32] for number in (4, 8, 12, 16, 20, 24, 28)]
    assert len({target.sequence for target in targets}) == 15


def test_xiph_takes_every_second_of_a_hundred_frames(tmp_path: Path):
    clips = ("BoxingPractice", "Crosswalk", "DrivingPOV", "FoodMarket", "FoodMarket2", "RitualDance", "SquareAndTimelapse", "Tango")  # fmt: skip  # noqa: E501
    touch(tmp_path, (f"{clip}-{number:03d}.png" for clip in clips for number in range(1, 101)))
    targets = protocol_targets(find_protocol("xiph-2k"), tmp_path)
    assert numbers(targets[:2]) == [[1, 2, 3], [3, 4, 5]]
    assert numbers(targets[48:50]) == [[97, 98, 99], [1, 2, 3]]
    assert targets[48].target.path.name == "BoxingPractice-098.png"
    assert targets[49].target.path.name == "Crosswalk-002.png"


def test_raw_videos_give_up_to_25_windows_of_four_frames(tmp_path: Path):
    frame = 4 * 2 * 3 // 2
    for name, frames in (("parkrun", 130), ("shields", 101), ("stockholm", 50)):
        write(tmp_path / f"HD_dataset/HD720p_GT/{name}.yuv")
        (tmp_path / f"HD_dataset/HD720p_GT/{name}.yuv").write_bytes(bytes(frame * frames))
    protocol = find_protocol("hd-720p")
    protocol = replace(protocol, picture=replace(protocol.picture, raw_size=(4, 2)))
    targets = protocol_targets(protocol, tmp_path)
    counts = [sum(target.sequence.stem == name for target in targets) for name in ("parkrun", "shields", "stockholm")]
    assert counts == [25 * 3, 25 * 3, 12 * 3]
    assert numbers(targets[72:76]) == [[96, 97, 100], [96, 98, 100], [96, 99, 100], [0, 1, 4]]


def test_ucf101_videos_are_cut_until_there_are_enough_clips(tmp_path: Path):
    write(tmp_path / "testlist01.txt", "Billiards/v_2.avi", "Archery/v_1.avi 3", "Walking/v_3.avi")
    for name, frames in (("Archery/v_1", 20), ("Billiards/v_2", 9)):
        (tmp_path / "UCF-101" / name).parent.mkdir(parents=True, exist_ok=True)
        write_flat_clip(tmp_path / f"UCF-101/{name}.avi", frames)
    protocol = find_protocol("ucf101-7-middle")
    assert protocol.sequences is not None
    enough = replace(protocol, targets=3, sequences=replace(protocol.sequences, most_windows=3))
    targets = protocol_targets(enough, tmp_path)  # the third video need not be there
    assert [str(target.target) for target in targets] == [
        "UCF-101/Archery/v_1.avi#4", "UCF-101/Archery/v_1.avi#13", "UCF-101/Billiards/v_2.avi#4"
    ]  # fmt: skip
    with pytest.raises(MediaError, match=r"UCF-101/Walking/v_3\.avi is missing"):
        protocol_targets(protocol, tmp_path)
    assert protocol_targets(protocol, tmp_path, partial=True) == targets


@pytest.mark.parametrize("name", ["davis", "xiph-2k", "hd-544p", "ucf101-7", "ucf101-dvf", "ucf101-qvi", "middlebury", "snu-film-easy", "vimeo90k", "x4k1000fps-2k"])  # fmt: skip  # noqa: E501
@pytest.mark.parametrize("partial", [False, True])
def test_an_empty_folder_is_refused_in_one_sentence(name: str, partial: bool, tmp_path: Path):
    with pytest.raises(MediaError) as refused:
        protocol_targets(find_protocol(name), tmp_path, partial=partial)
    assert str(refused.value).startswith(f"{tmp_path} does not fit the protocol '{name}': ")
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")
