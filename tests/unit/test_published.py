import pytest

from midframe.core.errors import RecipeError
from midframe.evaluation import protocols, published
from midframe.evaluation.published import Table, all_published

METRICS = {"psnr", "psnr_luma", "ssim", "ssim_3d", "ie", "lpips_alex", "flolpips", "fid", "fvd"}


def value(protocol: str, method: str, metric: str) -> float:
    (score,) = [
        score
        for score in published(protocol)
        if (score.method, score.metric) == (method, metric) and "again" not in score.note
    ]
    return score.value


def test_every_figure_belongs_to_a_protocol_and_a_metric_and_names_its_source():
    assert len(all_published()) > 800
    for score in all_published():
        assert score.protocol in protocols()
        assert score.metric in METRICS
        assert score.source
        assert score.year is None or 2015 < score.year < 2030


@pytest.mark.parametrize(("metric", "low", "high"), [("psnr", 18, 42), ("ssim", 0.4, 1), ("ssim_3d", 0.84, 1)])
def test_figures_lie_where_such_figures_lie(metric: str, low: float, high: float):
    values = [score.value for score in all_published() if score.metric == metric]
    assert len(values) > 20
    assert low < min(values) and max(values) < high


@pytest.mark.parametrize(
    ("protocol", "method", "metric", "expected"),
    [
        ("vimeo90k", "RIFE", "psnr", 35.61),
        ("ucf101-dvf", "EMA-VFI", "ssim_3d", 0.9701),
        ("middlebury", "RIFE", "ie", 1.96),
        ("snu-film-easy", "RIFE", "psnr", 40.06),
        ("snu-film-extreme", "VFIMamba", "psnr", 25.79),
        ("x4k1000fps-2k", "M2M", "psnr", 32.13),
        ("xiph-4k", "FILM", "psnr", 33.78),
        ("davis-4", "SVMV", "lpips_alex", 0.099),
        ("davis", "LDMVFI", "fid", 12.554),
        ("ucf101-7-middle", "VIDIM", "psnr", 22.88),
        ("inbetween-pexels", "TRF", "fvd", 788.07),
    ],
)
def test_figures_are_as_printed(protocol: str, method: str, metric: str, expected: float):
    assert value(protocol, method, metric) == expected


def test_psnr_of_the_luma_is_not_called_psnr():
    for name, protocol in protocols().items():
        found = {score.metric for score in published(name)} & {"psnr", "psnr_luma"}
        assert found <= {"psnr_luma" if protocol.psnr == "luma" else "psnr"}
    assert value("hd-720p", "RIFE", "psnr_luma") == 31.87


def test_a_later_evaluation_of_the_same_weights_says_so():
    scores = [s for s in published("snu-film-hard") if s.method == "RIFE" and s.metric == "psnr"]
    assert [score.value for score in scores] == [30.10, 30.36]
    assert scores[0].note == ""
    assert "again by the authors of EMA-VFI" in scores[1].note


def test_a_list_with_the_same_targets_shares_the_figures_of_its_set():
    own = published("eval-ucf101")
    assert {score.protocol for score in own} == {"eval-ucf101", "ucf101-dvf"}
    assert {score.method for score in published("ucf101-dvf")} < {score.method for score in own}
    assert all(protocol.same_targets_as in ("", *protocols()) for protocol in protocols().values())


def test_an_unknown_protocol_has_no_figures():
    assert published("mine") == []


def test_remarks_join_the_note_of_their_table():
    table = Table(
        source="a paper",
        note="cropped",
        columns=("davis psnr", "davis ssim"),
        rows=(("A", 2020, 30.0, "-"), ("B", "-", 31, 0.9)),
        remarks=(("B", "davis psnr", "from a plot"), ("A", "*", "two inputs")),
    )
    found = [(score.method, score.year, score.metric, score.value, score.note) for score in table.scores()]
    assert found == [
        ("A", 2020, "psnr", 30.0, "cropped; two inputs"),
        ("B", None, "psnr", 31.0, "cropped; from a plot"),
        ("B", None, "ssim", 0.9, "cropped"),
    ]


def test_a_row_that_does_not_fit_its_columns_is_refused():
    with pytest.raises(RecipeError, match="the row of A has 1 values for 2 columns"):
        Table(source="a paper", columns=("davis psnr", "davis ssim"), rows=(("A", 2020, 30.0),))
    with pytest.raises(RecipeError, match="a remark on B, davis psnr has no place in the table"):
        Table(
            source="a paper",
            columns=("davis psnr",),
            rows=(("A", 2020, 30.0),),
            remarks=(("B", "davis psnr", "from a plot"),),
        )
