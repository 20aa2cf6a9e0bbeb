"""All methods by name, and where each of them is made, trained and planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from midframe.core.errors import UnknownNameError
from midframe.core.method import Interpolator
from midframe.core.options import LoadOptions
from midframe.core.task import TrainingSetup, TrainOptions

DEFAULT_METHOD = "rife"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """One method that can be asked for by name.

    Attributes:
        factory: "module:function"; the function takes `LoadOptions` and gives an `Interpolator`. Empty for a stage.
        summary: What it is, in a line.
        source: The paper or program behind it; empty for a formula.
        has_network: It needs weights, and has a flow scale and test-time augmentation.
        trainer: "module:function"; the function takes `TrainOptions` and gives a `TrainingSetup`.
        planner: "module:function"; the function takes hours, a device, a report and the weights to begin with, and
            gives a recipe that fits, as plain values.
        adapter: "module:function"; the function takes `AdaptOptions` and gives an `Adaptation`.
        looks: Its objective, or its validation, can look through a network that the user has.
        samples: It goes from noise to picture in steps, whose number can be chosen.
        builds_on: What it builds on when it is trained, as a file of weights; empty for a training of its own.
        recipe: Name of the shipped recipe that it is trained by; empty for its own name.
        renders: It learns from scenes that it renders, without clips.
        finder: "module:function"; the function takes a path or None and gives the user's own weights, which never
            ship, or refuses and says what to download.
        converter: "module:function"; the function takes a published checkpoint, a target and what it was tuned from,
            and gives the number of values written.
        imagines: "module:function"; the function takes the method, a picture, a generator and a callback, and gives a
            clip that begins with the picture.
        clips: It makes whole clips, whose number of frames is chosen before.
        settings: What it alone knows can be set by name.
        motion: "module:function"; the function takes `LoadOptions` and gives a `MotionModel`, for other methods.
        moved_by: The method that tells it motion, with the weights that ship, where its own weights ask for that.
    """

    factory: str
    summary: str
    source: str = ""
    has_network: bool = True
    trainer: str = ""
    planner: str = ""
    adapter: str = ""
    looks: bool = False
    samples: bool = False
    builds_on: str = ""
    recipe: str = ""
    renders: bool = False
    finder: str = ""
    converter: str = ""
    imagines: str = ""
    clips: bool = False
    settings: bool = False
    motion: str = ""
    moved_by: str = ""

    def create(self, options: LoadOptions) -> Interpolator:
        """Import the module, now and not before, and build the interpolator."""
        return cast("Callable[[LoadOptions], Interpolator]", imported(self.factory))(options)

    def prepare(self, options: TrainOptions) -> TrainingSetup:
        """Import the module, and make a recipe ready to train."""
        return cast("Callable[[TrainOptions], TrainingSetup]", imported(self.trainer))(options)


REGISTRY: Mapping[str, Registration] = {
    "rife": Registration(
        factory="midframe.methods.rife.sample:create",
        trainer="midframe.methods.rife.train:prepare",
        adapter="midframe.methods.rife.adapting:prepare_adaptation",
        motion="midframe.methods.rife.motion:create",
        summary="Flow from the new frame to both neighbours, found coarse to fine; any instant",
        source="Huang et al., ECCV 2022, arXiv 2011.06294",
    ),
    "svmv": Registration(
        factory="midframe.methods.svmv.sample:create",
        trainer="midframe.methods.svmv.train:prepare",
        looks=True,
        summary="Four frames, several motions for each pixel, splatted; any instant, and a map of doubt",
        source="Luo, Pan, Tang, ICASSP 2023 (after the poster)",
    ),
    "mivid": Registration(
        factory="midframe.methods.mivid.sample:create",
        trainer="midframe.methods.mivid.train:prepare",
        planner="midframe.methods.mivid.planning:plan",
        adapter="midframe.methods.mivid.adapting:prepare_adaptation",
        looks=True,
        samples=True,
        summary="Masked video diffusion, learnt on a CPU from ordinary clips; the eighths of a gap",
        source="Srivastava et al. 2025, arXiv 2511.06019 (after its abstract)",
    ),
    "madiff": Registration(
        factory="midframe.methods.madiff.sample:create",
        moved_by="rife",
        samples=True,
        summary="Latent diffusion told how pixels move, by RIFE or itself; midpoints; slow, closest by SqD",
        source="Huang et al., ACM Multimedia 2024, arXiv 2404.13534",
    ),
    "inbetween": Registration(
        factory="midframe.methods.inbetween.sample:create",
        trainer="midframe.methods.inbetween.train:prepare",
        finder="midframe.methods.inbetween.backbone:find_folder",
        converter="midframe.methods.inbetween.convert:convert_checkpoint",
        imagines="midframe.methods.inbetween.imagine:imagine",
        builds_on="a folder of Stable Video Diffusion for 14 frames",
        samples=True,
        clips=True,
        settings=True,
        summary="Key frames a second apart: your own Stable Video Diffusion, run from both ends at once",
        source="Wang et al., ICLR 2025, arXiv 2408.15239",
    ),
    "inbetween-small": Registration(
        factory="midframe.methods.inbetween.sample:create_small",
        trainer="midframe.methods.inbetween.small_train:prepare",
        imagines="midframe.methods.inbetween.imagine:imagine",
        builds_on="inbetween-small-base",
        renders=True,
        samples=True,
        clips=True,
        settings=True,
        summary="The same on a small model of rendered scenes, 64 pixels: for trying and proving, not for footage",
        source="Wang et al., ICLR 2025, arXiv 2408.15239",
    ),
    "blend": Registration(
        factory="midframe.methods.baseline:create_blend",
        summary="Mean of the two neighbours, weighted by time: motion shows as a double image",
        has_network=False,
    ),
    "nearest": Registration(
        factory="midframe.methods.baseline:create_nearest",
        summary="The closer of the two neighbours: motion stutters",
        has_network=False,
    ),
    "classical": Registration(
        factory="midframe.methods.baseline:create_classical",
        summary="OpenCV's dense inverse search both ways, both frames moved along it; any instant",
        source="Kroeger et al., ECCV 2016, arXiv 1603.03590",
        has_network=False,
    ),
    "minterpolate": Registration(
        factory="midframe.methods.baseline:create_minterpolate",
        summary="FFmpeg's filter: block matching, motion compensation by overlapped blocks; any instant",
        source="FFmpeg, libavfilter",
        has_network=False,
    ),
}

STAGES: Mapping[str, Registration] = {
    "madiff-events": Registration(
        factory="",
        trainer="midframe.methods.madiff.train_events:prepare",
        summary="MADIFF's image-to-event network, from rendered scenes and clips",
        source="Zhu et al., ICCV Workshops 2021 (EventGAN)",
    ),
    "madiff-codec": Registration(
        factory="",
        trainer="midframe.methods.madiff.train_codec:prepare",
        moved_by="rife",
        looks=True,
        builds_on="madiff-events, where its recipe takes hints from a network",
        summary="MADIFF's autoencoder, whose decoder moves the neighbours' features as hints say",
        source="Huang et al., ACM Multimedia 2024, arXiv 2404.13534",
    ),
    "madiff-denoiser": Registration(
        factory="",
        trainer="midframe.methods.madiff.train_denoiser:prepare",
        moved_by="rife",
        looks=True,
        builds_on="madiff-codec",
        summary="MADIFF's denoiser; what it exports holds the codec and the hints' network too",
        source="Huang et al., ACM Multimedia 2024, arXiv 2404.13534",
    ),
    "inbetween-small-codec": Registration(
        factory="",
        trainer="midframe.methods.inbetween.small_train:prepare_codec",
        recipe="inbetween-small",
        renders=True,
        summary="Pictures into latents and back",
    ),
    "inbetween-small-base": Registration(
        factory="",
        trainer="midframe.methods.inbetween.small_train:prepare_base",
        builds_on="inbetween-small-codec",
        recipe="inbetween-small",
        renders=True,
        summary="The image-to-video model",
    ),
}
"""Parts of methods, trained one after the other, each with a file of weights of its own. They make no frames."""


def trainable(name: str) -> Registration:
    """The method, or the stage of one, of a name.

    Raises:
        UnknownNameError: There is none.
    """
    if name in STAGES:
        return STAGES[name]
    if name not in REGISTRY:
        raise UnknownNameError("method", name, [*REGISTRY, *STAGES])
    return REGISTRY[name]


def stages_of(name: str) -> list[str]:
    """Stages whose names begin with a method's, first to last."""
    return [stage for stage in STAGES if stage.startswith(f"{name}-")]


def registered(name: str) -> Registration:
    """The method of a name.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in REGISTRY:
        raise UnknownNameError("method", name, REGISTRY)
    return REGISTRY[name]


def able_to(ability: str) -> str:
    """Names of all methods whose registration has an attribute set, for a sentence."""
    return ", ".join(name for name, entry in REGISTRY.items() if getattr(entry, ability))


def methods() -> Mapping[str, Registration]:
    """All methods by name, the default first. Imports none of them."""
    return REGISTRY


def imported(place: str) -> object:
    """What "module:name" stands for."""
    module, name = place.split(":")
    return getattr(import_module(module), name)
