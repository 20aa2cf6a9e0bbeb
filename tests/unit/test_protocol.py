import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from midframe.core.errors import RecipeError, UnknownNameError, UsageError
from midframe.evaluation import find_protocol, protocol_targets, protocols
from midframe.evaluation.layouts import LAYOUTS
from midframe.evaluation.protocol import FOLDER

# As the sets are counted in papers, or as follows from their lists and windows.
COUNTS = {
    "vimeo90k": 3782,
    "vimeo90k-septuplet": 7824,
    "ucf101-dvf": 379,
    "ucf101-qvi": 100,
    "middlebury": 12,
    "snu-film-easy": 310,
    "snu-film-medium": 310,
    "snu-film-hard": 310,
    "snu-film-extreme": 310,
    "snu-film-arb-x4": 310 * 3,
    "snu-film-arb-x8": 310 * 7,
    "snu-film-arb-x16": 310 * 15,
    "davis-7": 357 * 7,
    "davis-7-middle": 357,
    "davis-7-64": 357 * 7,
    "ucf101-7": 400 * 7,
    "ucf101-7-middle": 400,
    "ucf101-7-64": 400 * 7,
    "x4k1000fps-2k": 15 * 7,
    "x4k1000fps-4k": 15 * 7,
    "xiph-2k": 8 * 49,
    "xiph-4k": 8 * 49,
    "eval-ucf101": 379,
    "eval-middlebury": 12,
    "eval-davis": 50,
    "eval-clips-easy": 24,
    "eval-clips-medium": 24,
    "eval-clips-hard": 18,
    "eval-clips-extreme": 12,
    "eval-clips-arb8": 84,
}
SEQUENCES = {
    "davis": 90,
    "davis-4": 90,
    "davis-7": 50,
    "x4k1000fps-4k": 15,
    "xiph-4k": 8,
    "hd-544p": 4,
    "hd-720p": 3,
    "hd-1080p": 4,
}
ROOT = Path(__file__).parents[2]
FOUR_INPUTS = {"vimeo90k-septuplet", "ucf101-qvi", "davis-4", "vfitex", "snu-film-hard-4", "eval-davis"}


def test_the_file_of_a_protocol_bears_its_name_and_its_layout_can_be_read():
    assert len(protocols()) == len(list(FOLDER.iterdir())) == 42
    for name, protocol in protocols().items():
        assert protocol.name == name
        assert protocol.layout in LAYOUTS
        assert (protocol.sequences is not None) == LAYOUTS[protocol.layout].__module__.endswith("sequences")


def test_counts_are_those_of_the_sets():
    assert {name: protocols()[name].targets for name in COUNTS} == COUNTS
    counted = {name: protocols()[name].sequences for name in SEQUENCES}
    assert {name: sequences and sequences.count for name, sequences in counted.items()} == SEQUENCES
    assert all(protocols()[name].inputs == 4 for name in FOUR_INPUTS)
    assert all(protocols()[name].inputs == 2 for name in ("vimeo90k", "davis", "snu-film-hard", "x4k1000fps-4k"))


def test_a_count_that_is_not_enforced_is_explained():
    unknown = [protocol for protocol in protocols().values() if protocol.targets is None]
    assert unknown
    for protocol in unknown:
        assert "not enforced" in protocol.notes or "as far as" in protocol.notes or "not public" in protocol.notes


def test_texts_are_single_lines_without_a_full_stop_in_the_layout():
    for protocol in protocols().values():
        for text in (protocol.title, protocol.expects, protocol.source, protocol.border, protocol.notes):
            assert "\n" not in text and "  " not in text
        assert not protocol.expects.endswith("."), "it ends the sentence of a refusal"


def test_an_unknown_name_is_refused_with_a_near_one():
    with pytest.raises(UnknownNameError, match=r"no protocol 'davis7'\. Did you mean 'davis-7'"):
        find_protocol("davis7")


def test_a_file_of_ones_own_describes_a_protocol(tmp_path: Path):
    path = tmp_path / "mine.toml"
    own = (FOLDER / "davis-7.toml").read_text().replace('name = "davis-7"', 'name = "mine"')
    path.write_text(own.replace('times = ["1/8",', "times = ["))
    assert find_protocol(path) == find_protocol(str(path))
    assert find_protocol(path).name == "mine"
    assert find_protocol(path).times[0] == Fraction(1, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"1/8"', "0.125"), r"times\[0\] must be str; got 0.125"),
        (('"1/8"', '"1/0"'), r"times\[0\] must be a fraction such as '1/2'; got '1/0'"),
        (('"1/8"', '"9/8"'), "strictly between 0 and 1; got 9/8"),
        (('"1/8"', '"1/7"'), "No frame lies at 1/7 between inputs 8 frames apart"),
        (('"1/8", "1/4"', '"1/4", "1/8"'), "Times ascend, each once; got 1/4, 1/8, 3/8"),
        (("step = 9", "step = 0"), "spacing and step must be positive; got 8 and 0"),
        (("gamma = 2.2", "gama = 2.2"), "Did you mean 'gamma'"),
        (('crop = "square"', 'crop = "centre"'), "crop_size belongs to the crop 'centre'"),
        (('ssim = "2d"', 'ssim = "4d"'), "ssim must be one of '2d', '3d', 'luma'; got '4d'"),
    ],
)
def test_a_mistake_in_a_protocol_is_named(change: tuple[str, str], message: str, tmp_path: Path):
    good = (FOLDER / "davis-7.toml").read_text()
    assert change[0] in good
    path = tmp_path / "wrong.toml"
    path.write_text(good.replace(*change))
    with pytest.raises(RecipeError, match=message):
        find_protocol(path)


def test_a_layout_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no layout 'vimo'\. Did you mean 'vimeo'"):
        protocol_targets(replace(find_protocol("vimeo90k"), layout="vimo"), tmp_path)


@pytest.mark.data
def test_the_lists_of_the_shared_sets_read_whole_and_unchanged(shared: Path):
    names = [name for name in protocols() if name.startswith("eval-")]
    assert len(names) == 8
    for name in names:
        protocol = find_protocol(name)
        (checksum,) = protocol.checksums
        assert hashlib.sha256((shared / "eval" / checksum.file).read_bytes()).hexdigest() == checksum.sha256
        targets = protocol_targets(protocol, shared / "eval")
        assert len(targets) == protocol.targets
        assert {target.time for target in targets} == set(protocol.times)


@pytest.mark.data
@pytest.mark.parametrize(("name", "folder"), [("ucf101-dvf", "ucf101"), ("middlebury", "middlebury")])
def test_an_official_set_names_the_targets_of_the_shared_list(name: str, folder: str, shared: Path):
    """Two ways to the same targets: the reader of the layout, and the list made from the release."""
    listed = protocol_targets(find_protocol(f"eval-{folder}"), shared / "eval")
    read = protocol_targets(find_protocol(name), shared / "eval" / folder)
    assert [Path(folder, target.target.path) for target in read] == [target.target.path for target in listed]
    assert [Path(folder, target.before.path) for target in read] == [target.before.path for target in listed]
    assert [Path(folder, target.after.path) for target in read] == [target.after.path for target in listed]


@pytest.mark.data
def test_windows_of_davis_hold_the_shared_list(shared: Path):
    listed = protocol_targets(find_protocol("eval-davis"), shared / "eval")
    read = protocol_targets(find_protocol("davis-4"), shared / "eval/davis", partial=True)
    windows = {tuple(Path("davis", frame.path) for frame in (*target.window(2), target.target)) for target in read}
    for target in listed:
        assert tuple(frame.path for frame in (*target.window(2), target.target)) in windows


def test_the_reference_lists_every_protocol_with_its_targets():
    lines = (ROOT / "docs/reference/protocols.md").read_text().splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `")]
    described = {
        name: [protocol.title, str(protocol.inputs), str(protocol.targets or "not fixed"), str(protocol.picture)]
        for name, protocol in protocols().items()
    }
    assert {row[0]: row[1:5] for row in rows if len(row) == 6} == described
    assert {row[0] for row in rows if len(row) == 2} == set(LAYOUTS)


def test_the_example_of_the_reference_is_a_protocol(tmp_path: Path):
    text = (ROOT / "docs/reference/protocols.md").read_text()
    (tmp_path / "mine.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    for number in range(18):
        (tmp_path / "walk").mkdir(exist_ok=True)
        (tmp_path / "walk" / f"{number}.png").touch()
    assert len(protocol_targets(find_protocol(tmp_path / "mine.toml"), tmp_path)) == 2 * 3
