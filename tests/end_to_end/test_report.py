"""The report: what its tables say, and how its page behaves in a browser without a network."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from browser import Browser, find_browser
from midframe.core.errors import MediaError, UsageError
from midframe.evaluation import TargetSet, listed_targets, predict, score
from midframe.evaluation.bootstrap import Interval
from midframe.evaluation.report import write_report
from midframe.evaluation.report.cases import choose_cases, error_map
from midframe.evaluation.report.charts import interval_strip, shared_bounds
from midframe.evaluation.report.results import read_comparisons
from midframe.evaluation.report.tables import difference
from midframe.methods.baseline import BlendInterpolator, NearestInterpolator
from midframe.metrics.suite import DEFAULT, build_metrics

WIDTH, HEIGHT = 64, 48
SEQUENCES = 4
HALF, STEP = 50, 1

needs_browser = pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")


def write_scene(folder: Path, speed: int) -> None:
    """Four frames of a bright square that moves `speed` pixels a frame over noise."""
    folder.mkdir(parents=True)
    ground = np.random.default_rng(speed).integers(0, 128, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for number in range(4):
        picture = ground.copy()
        picture[16:32, 8 + speed * number : 24 + speed * number] = 255
        Image.fromarray(picture).save(folder / f"{number}.png")


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> TargetSet:
    """Four scenes, each faster than the last, with two targets each."""
    root = tmp_path_factory.mktemp("set")
    lines = []
    for speed in range(1, SEQUENCES + 1):
        write_scene(root / f"scene<{speed}>", speed)
        for before in (0, 1):
            names = [f"scene<{speed}>/{before + offset}.png" for offset in range(3)]
            lines.append("\t".join([*names, "1/2", "-", "-"]))
    (root / "moving.tsv").write_text("\n".join(lines) + "\n")
    return listed_targets(root / "moving.tsv", root)


@pytest.fixture(scope="module")
def results(targets: TargetSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`blend` and `nearest` on the scenes, with their predictions."""
    out = tmp_path_factory.mktemp("results")
    for method in (BlendInterpolator(), NearestInterpolator()):
        folder = out / method.spec.name
        predict(method, targets, folder)
        score(folder, targets, build_metrics(DEFAULT))
    return out


@pytest.fixture(scope="module")
def page(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_report([results], path)
    return path


def test_differences_are_taken_target_by_target(results):
    (comparison,) = read_comparisons([results])
    one, other = comparison.ranked
    metric = comparison.columns[0]
    expected = np.mean(np.asarray(one.rows["psnr"]) - np.asarray(other.rows["psnr"]))
    assert one.means["psnr"] > other.means["psnr"]
    assert difference(one, other, metric, comparison.bootstrap()).mean == pytest.approx(expected)


def test_sequences_are_the_folders_of_pictures(results):
    (comparison,) = read_comparisons([results])
    assert sorted(set(comparison.sequences)) == [f"scene<{speed}>" for speed in range(1, SEQUENCES + 1)]


def test_cases_are_the_worst_and_the_best_of_the_leader_one_of_a_sequence(results):
    (comparison,) = read_comparisons([results])
    leader = comparison.ranked[0]
    cases = choose_cases(comparison)
    assert cases[0].position == int(np.argmin(leader.rows["psnr"]))
    assert cases[0].reason == f"worst of {leader.label}"
    best = [case for case in cases if case.reason.startswith("best")]
    assert best[0].position == int(np.argmax(leader.rows["psnr"]))
    for reason in {case.reason for case in cases}:
        sequences = [comparison.sequences[case.position] for case in cases if case.reason == reason]
        assert len(set(sequences)) == len(sequences)
    assert len({case.position for case in cases}) == len(cases)


def test_an_error_map_is_black_where_nothing_differs_and_lighter_where_more_does():
    truth = np.full((1, 4, 3), 100, dtype=np.uint8)
    prediction = truth + np.array([0, 16, 48, 100], dtype=np.uint8)[None, :, None]
    luma = error_map(prediction, truth)[0] @ np.array([0.2, 0.7, 0.1])
    assert luma[0] < 2
    assert (np.diff(luma) > 20).all()


def test_zero_is_marked_where_every_difference_has_one_sign():
    strip = interval_strip(Interval(2.0, 1.5, 2.5), shared_bounds([Interval(2.0, 1.5, 2.5), Interval(0.0)]), 0, "")
    assert 'class="zero"' in strip


def test_names_are_escaped_and_nothing_is_fetched(page):
    text = page.read_text()
    assert "scene&lt;4&gt;" in text and "scene<4>" not in text
    assert 'http-equiv="Content-Security-Policy" content="default-src \'none\'' in text
    addresses = re.findall(r'(?:src|href)="([^"]{0,30})', text)
    assert addresses
    assert all(address.startswith(("data:image/", "#")) for address in addresses)


def test_the_same_results_give_the_same_page(results, page, tmp_path):
    write_report([results / "blend", results / "nearest"], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_a_report_says_whose_predictions_it_does_not_show_and_why(results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    shutil.rmtree(tmp_path / "results" / "blend" / "predictions")
    write_report([tmp_path / "results"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "The predictions of blend were not kept; evaluate with --save-images" in text
    assert "prediction of nearest" in text and "prediction of blend" not in text
    shutil.rmtree(tmp_path / "results" / "nearest" / "predictions")
    write_report([tmp_path / "results"], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "The predictions of blend, nearest were not kept; evaluate with --save-images" in text
    assert "data:image/webp" not in text
    assert 'class="chart"' in text


def test_a_report_finds_a_set_that_was_moved(results, targets, tmp_path):
    shutil.copytree(results / "blend", tmp_path / "blend")
    manifest = json.loads((tmp_path / "blend" / "manifest.json").read_text())
    manifest["root"] = str(tmp_path / "gone")
    (tmp_path / "blend" / "manifest.json").write_text(json.dumps(manifest))
    write_report([tmp_path / "blend"], tmp_path / "without.html")
    assert "The frames of the set could not be read" in (tmp_path / "without.html").read_text()
    write_report([tmp_path / "blend"], tmp_path / "with.html", root=targets.root)
    assert "data:image/webp" in (tmp_path / "with.html").read_text()


def test_a_protocol_is_shown_among_published_figures_with_what_differs(shared_protocol, tmp_path):
    write_report([shared_protocol], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Among published figures" in text
    assert "EMA-VFI" in text
    assert "a part, 8 of 379 targets" in text
    among = text[text.index("Among published figures") :]
    assert among.index("EMA-VFI") < among.index("measured here"), "a part of a set has no rank among whole ones"


@pytest.fixture(scope="module")
def with_exact_frames(targets: TargetSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`blend` and `nearest` on the scenes and two of frames that repeat, one of which both make exactly."""
    root, out = tmp_path_factory.mktemp("still"), tmp_path_factory.mktemp("still-results")
    shutil.copytree(targets.root, root, dirs_exist_ok=True)
    for name, value in (("a", 100), ("b", 100), ("c", 100), ("d", 110), ("e", 105)):
        (root / name).mkdir()
        Image.new("RGB", (WIDTH, HEIGHT), (value, value, value)).save(root / name / "0.png")
    lines = (root / "moving.tsv").read_text()
    still = "a/0.png\tb/0.png\tc/0.png\t1/2\t-\t-\na/0.png\te/0.png\td/0.png\t1/2\t-\t-\n"
    (root / "still.tsv").write_text(lines + still)
    still_targets = listed_targets(root / "still.tsv", root)
    for method in (NearestInterpolator(), BlendInterpolator()):
        predict(method, still_targets, out / method.spec.name)
        score(out / method.spec.name, still_targets, build_metrics(DEFAULT))
    return out


def test_exact_frames_leave_means_differences_and_the_order_finite(with_exact_frames, tmp_path):
    (comparison,) = read_comparisons([with_exact_frames])
    one, other = comparison.ranked
    assert (one.label, one.exact("psnr"), other.exact("psnr")) == ("blend", 2, 1)
    gap = difference(one, other, comparison.columns[0], comparison.bootstrap())
    assert gap.low is not None
    assert gap.mean == pytest.approx(one.means["psnr"] - other.means["psnr"])
    write_report([with_exact_frames], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Frames made exactly count as 60 dB: 2 of blend, 1 of nearest." in text
    assert '<span class="interval">2 exact</span>' in text
    assert not re.search(r">-?inf| inf dB", text[: text.index("Cases")])


@pytest.fixture
def shared_protocol(results: Path, tmp_path: Path) -> Path:
    """Results that claim to be eight targets of the UCF101 protocol."""
    from midframe.evaluation import find_protocol
    from midframe.evaluation.manifest import plain_facts

    shutil.copytree(results / "blend", tmp_path / "blend")
    manifest = json.loads((tmp_path / "blend" / "manifest.json").read_text())
    manifest["origin"] |= {
        "protocol": plain_facts(find_protocol("ucf101-dvf")), "targets": "ucf101-dvf", "total": 379,
    }  # fmt: skip
    (tmp_path / "blend" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "blend"


def test_two_sets_of_one_name_are_refused(results, targets, tmp_path):
    part = listed_targets(targets.root / "moving.tsv", targets.root, max_targets=3)
    predict(BlendInterpolator(), part, tmp_path / "part")
    score(tmp_path / "part", part, build_metrics(DEFAULT))
    with pytest.raises(UsageError, match="2 different sets of targets are called 'moving'"):
        write_report([results, tmp_path / "part"], tmp_path / "report.html")


def test_methods_on_other_pictures_under_the_same_names_are_not_compared(results, targets, tmp_path):
    shutil.copytree(targets.root, tmp_path / "set")
    shutil.copy(tmp_path / "set" / "scene<4>" / "0.png", tmp_path / "set" / "scene<1>" / "0.png")
    changed = listed_targets(tmp_path / "set" / "moving.tsv", tmp_path / "set")
    predict(BlendInterpolator(), changed, tmp_path / "changed")
    score(tmp_path / "changed", changed, build_metrics(DEFAULT))
    with pytest.raises(UsageError, match=r"2 different sets of targets are called 'moving'.*other pictures under"):
        read_comparisons([results, tmp_path / "changed"])


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(MediaError, match=r"holds no scores\.json: no evaluation was finished there"):
        write_report([tmp_path], tmp_path / "report.html")


@needs_browser
def test_sliders_move_by_keyboard_and_by_mouse_and_views_change_without_a_network(page, tmp_path):
    program = find_browser()
    assert program is not None
    with Browser(program, tmp_path / "profile") as browser:
        browser.open(page)
        stage = "document.querySelector('.stage')"
        assert divider(browser) == f"{HALF}%"
        browser.evaluate(f"{stage}.querySelector('input').focus()")
        browser.press("ArrowRight", 39)
        assert divider(browser) == f"{HALF + STEP}%"
        browser.press("Home", 36)
        assert divider(browser) == "0%"

        browser.evaluate(f"{stage}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        x, y, width, height = browser.evaluate(
            f"(() => {{ const r = {stage}.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; }})()"
        )
        browser.drag((x + width * 0.5, y + height * 0.5), (x + width * 0.8, y + height * 0.5))
        assert 75 <= float(divider(browser).removesuffix("%")) <= 85

        leader = browser.evaluate(f"{stage}.querySelector('.left').textContent")
        browser.evaluate("document.querySelector('.case input[data-method]:not(:checked)').click()")
        other = browser.evaluate(f"{stage}.querySelector('.left').textContent")
        assert {leader, other} == {"blend", "nearest"}
        browser.evaluate("document.querySelector('.case input[data-view=error]').click()")
        shown = browser.evaluate(f"[...{stage}.querySelectorAll('img:not([hidden])')].map(image => image.alt)")
        assert len(shown) == 2 and shown[1].endswith(f"error of {other}")

        loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert browser.evaluate(loaded)
        assert browser.complaints == []
        assert [address for address in browser.requests if not address.startswith(("file:", "data:"))] == []


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 360])
def test_the_page_fits_its_window_and_its_text_can_be_read(page, tmp_path, width, dark):
    program = find_browser()
    assert program is not None
    with Browser(program, tmp_path / "profile") as browser:
        browser.open(page, width=width, dark=dark)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        browser.screenshot(tmp_path / "page.png", whole=True)
        with Image.open(tmp_path / "page.png") as picture:
            ground = picture.convert("L").getpixel((2, 2))
        assert ground < 40 if dark else ground > 215
        ratio = browser.evaluate(CONTRAST)
        assert ratio >= 4.5  # WCAG 2, level AA


def divider(browser: Browser) -> str:
    return browser.evaluate("document.querySelector('.stage').style.getPropertyValue('--at')")


CONTRAST = """(() => {
  const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(value => channel(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...[...document.querySelectorAll("p, dd, .where, th, h2")].map(element => {
    const [low, high] = [ground, light(getComputedStyle(element).color)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
})()"""
