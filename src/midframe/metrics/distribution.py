"""FID and FVD: how far the distribution of predictions is from that of true frames, or clips.

The networks are the published TorchScript files, which resize and normalise by themselves.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from midframe.core.errors import UsageError, WeightsError
from midframe.metrics.backbone_files import find_backbone
from midframe.metrics.frechet import FeatureMoments, frechet_distance
from midframe.metrics.sample import Sample

INCEPTION_FEATURES = 2048
I3D_FEATURES = 400
SHORTEST_CLIP = 9
"""I3D pools two steps of time together at an eighth of the rate."""


class FrameDistance:
    """FID over all predicted frames of a set against all true ones, with Inception-v3's 2048 pooled features.

    The value falls with the number of frames: only sets of one size can be compared, and a set far below 2048
    frames says little.

    Source: Heusel et al. 2017; the network is NVIDIA's TorchScript copy of the original TensorFlow one.
    """

    name = "fid"
    higher_is_better = False

    def __init__(self, network: torch.jit.ScriptModule, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._predicted = FeatureMoments()
        self._true = FeatureMoments()

    @classmethod
    def load(cls, file: Path | None, device: torch.device) -> FrameDistance:
        """Read the network from `file`, or from the cache.

        Raises:
            WeightsError: The file is missing or holds something else.
        """
        return cls(_load_script(find_backbone("inception", file), device), device)

    def update(self, clip: Sequence[Sample]) -> None:
        """Take in all targets between one pair of inputs.

        Raises:
            WeightsError: The network answers with something else than Inception's features.
        """
        self._predicted.add(self._features(torch.stack([sample.prediction for sample in clip])))
        self._true.add(self._features(torch.stack([sample.target for sample in clip])))

    def compute(self) -> float:
        """The distance of everything taken in so far.

        Raises:
            UsageError: Fewer than two frames.
        """
        return frechet_distance(*self._predicted.moments(), *self._true.moments())

    @torch.inference_mode()
    def _features(self, frames: UInt8[Tensor, "count 3 height width"]) -> Float[Tensor, "count feature"]:
        features = self._network(frames.to(self._device), return_features=True)
        return _checked(features, (len(frames), INCEPTION_FEATURES), "Inception")


class ClipDistance:
    """FVD over clips of the two inputs with all targets between them, with I3D's 400 class scores.

    All clips of a set have one length, at least 9 frames: both inputs and seven targets or more.

    Source: Unterthiner et al. 2019, "FVD: a new metric for video generation"; the network is the TorchScript copy
    of StyleGAN-V.
    """

    name = "fvd"
    higher_is_better = False

    def __init__(self, network: torch.jit.ScriptModule, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._length: int | None = None
        self._predicted = FeatureMoments()
        self._true = FeatureMoments()

    @classmethod
    def load(cls, file: Path | None, device: torch.device) -> ClipDistance:
        """Read the network from `file`, or from the cache.

        Raises:
            WeightsError: The file is missing or holds something else.
        """
        return cls(_load_script(find_backbone("i3d", file), device), device)

    def update(self, clip: Sequence[Sample]) -> None:
        """Take in all targets between one pair of inputs, in order of time.

        Raises:
            UsageError: Too few targets for the network, or not as many as in the clips before.
            WeightsError: The network answers with something else than I3D's class scores.
        """
        length = len(clip) + 2
        if length < SHORTEST_CLIP:
            raise UsageError(
                f"FVD needs clips of at least {SHORTEST_CLIP} frames, {SHORTEST_CLIP - 2} targets between two "
                f"inputs; this test set has {len(clip)} between its inputs."
            )
        if self._length not in (None, length):
            raise UsageError(f"FVD needs clips of one length; one of {length} frames follows one of {self._length}.")
        self._length = length
        before, after = clip[0].inputs(self.name)
        self._predicted.add(self._features([before, *(sample.prediction for sample in clip), after]))
        self._true.add(self._features([before, *(sample.target for sample in clip), after]))

    def compute(self) -> float:
        """The distance of everything taken in so far.

        Raises:
            UsageError: Fewer than two clips.
        """
        return frechet_distance(*self._predicted.moments(), *self._true.moments())

    @torch.inference_mode()
    def _features(self, frames: Sequence[UInt8[Tensor, "3 height width"]]) -> Float[Tensor, "1 feature"]:
        # (batch, channel, time, height, width); rescale: from 0..255 to -1..1; resize: to 224x224.
        video = torch.stack(tuple(frames), dim=1)[None].to(self._device).float()
        features = self._network(video, rescale=True, resize=True, return_features=True)
        return _checked(features, (1, I3D_FEATURES), "I3D")


def _load_script(path: Path, device: torch.device) -> torch.jit.ScriptModule:
    try:
        with warnings.catch_warnings():
            # TorchScript is on its way out of PyTorch, but it is what these networks are published in.
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.jit")
            return torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsError(f"{path} does not read as a TorchScript network: {error}.") from error


def _checked(features: Tensor, shape: tuple[int, int], network: str) -> Tensor:
    if tuple(features.shape) != shape:
        raise WeightsError(
            f"The {network} file answers with features of shape {tuple(features.shape)} where {shape} was expected."
        )
    return features
