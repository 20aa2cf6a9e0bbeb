"""SqD against the ONNX model, evaluated by the onnx package, and against itself on true frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from random_backbones import random_state, shifted_pair

from midframe.core.errors import WeightsError
from midframe.evaluation.image_file import read_image
from midframe.metrics.sqd import SqueezeDistance, squeeze_distance
from midframe.metrics.suite import Sample, SetMetric, build_metrics
from midframe.nn.backbone_weights import load_trunk
from midframe.nn.backbones import squeezenet

SLICES = (
    "conv1_2",
    "fire3/concat_1",
    "fire5/concat_1",
    "fire6/concat_1",
    "fire7/concat_1",
    "fire8/concat_1",
    "fire9/concat_1",
)
FLOAT32_TOLERANCE = 1e-5
MIDDLEBURY = {"Beanbags": 0.928839, "Walking": 0.598044}


@pytest.fixture
def model_file(shared: Path) -> Path:
    pytest.importorskip("onnx")
    return shared / "features" / "squeezenet1.1-fp16.onnx"


def slices_by_onnx(path: Path, picture: np.ndarray) -> list[np.ndarray]:
    """The model's own features, in float32 so that only the arithmetic is compared and not its rounding."""
    import onnx
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    graph = onnx.load(path).graph
    nodes = [node for node in graph.node if not node.output[0].startswith(("conv10", "pool10", "softmax"))]
    single = onnx.TensorProto.FLOAT
    model = helper.make_model(
        helper.make_graph(
            [node for node in nodes if node.op_type != "Dropout"],
            "features",
            [helper.make_tensor_value_info("data_0", single, picture.shape)],
            [helper.make_tensor_value_info(name, single, None) for name in SLICES],
            [
                numpy_helper.from_array(numpy_helper.to_array(entry).astype(np.float32), entry.name)
                for entry in graph.initializer
            ],
        ),
        opset_imports=[helper.make_opsetid("", 7)],
    )
    return list(ReferenceEvaluator(model).run(list(SLICES), {"data_0": picture}))


@pytest.mark.data
def test_sqd_is_what_the_onnx_model_says(model_file: Path):
    """Written out once more from the definition; the odd size shows which pooling windows count."""
    pair = shifted_pair(5, 50, 72)
    features = []
    for picture in pair:
        blue_green_red = picture.numpy()[::-1].astype(np.float32)
        mean = np.array([103.939, 116.779, 123.68], np.float32)[:, None, None]
        features.append(slices_by_onnx(model_file, (blue_green_red - mean)[None]))
    expected = 0.0
    for one, other in zip(*features, strict=True):
        difference = one / np.linalg.norm(one, axis=1, keepdims=True)
        difference -= other / np.linalg.norm(other, axis=1, keepdims=True)
        expected += float((difference**2).sum(axis=1).mean())
    [metric] = build_metrics(["sqd"], {"squeezenet_onnx": model_file})
    assert not isinstance(metric, SetMetric)
    assert metric.name == "sqd"
    assert not metric.higher_is_better
    assert expected > 0.1
    assert metric(Sample(*pair, *pair)) == pytest.approx(expected, abs=FLOAT32_TOLERANCE)


@pytest.mark.data
@pytest.mark.parametrize("name", MIDDLEBURY)
def test_sqd_of_stored_frames_stays_what_it_was(model_file: Path, shared: Path, name: str):
    """The frame before the middle against the middle one, Middlebury OTHER."""
    metric = SqueezeDistance.load(model_file, torch.device("cpu"))
    [row] = [
        line.split("\t")
        for line in (shared / "eval" / "lists" / "middlebury.tsv").read_text().splitlines()
        if f"/{name}/" in line
    ]
    before, target = (torch.from_numpy(read_image(shared / "eval" / path)).permute(2, 0, 1) for path in row[:2])
    score = metric(Sample(before, target, before, target))
    assert score == pytest.approx(MIDDLEBURY[name], abs=1e-4)


def test_a_closer_frame_has_a_smaller_distance():
    trunk = load_trunk(squeezenet(partial_windows=False), random_state("squeeze"), Path("random"))
    far, target = shifted_pair(5, 48, 64)
    near = ((far.int() + 3 * target.int()) // 4).to(torch.uint8)
    assert squeeze_distance(trunk, target, target) == 0
    assert 0 < squeeze_distance(trunk, near, target) < squeeze_distance(trunk, far, target)


def test_refuses_a_file_that_is_no_onnx_model(tmp_path: Path):
    pytest.importorskip("onnx")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"does not read as an ONNX model of SqueezeNet 1\.1"):
        SqueezeDistance.load(path, torch.device("cpu"))
