"""Sets with a small folder for each target: UCF101 and Middlebury."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from midframe.evaluation.layouts.refusal import refusal
from midframe.evaluation.protocol import Protocol
from midframe.evaluation.target_list import FrameReference, Target

MIDDLEBURY_SCENES = (
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
)
MIDDLEBURY_FOLDERS = (("other-data", "other-gt-interp"), ("input", "gt"), ("", ""))
"""Folders of inputs and of truths: as published, as repacked by later repositories, and all in one."""

TRIPLET_NAMES = (("frame_00", "frame_01_gt", "frame_02"), ("frame1", "framet", "frame2"))
"""Before, target, after: as Deep Voxel Flow published them, and as repacked by later repositories."""

SUFFIXES = (".png", ".webp", ".jpg", ".bmp")
"""Of pictures, in the order in which they are looked for."""


def read_middlebury(protocol: Protocol, root: Path) -> list[Target]:
    """The twelve scenes of OTHER with a true middle frame."""
    for inputs, truths in MIDDLEBURY_FOLDERS:
        if (root / inputs).is_dir() and any((root / inputs / scene).is_dir() for scene in MIDDLEBURY_SCENES):
            return [
                _triplet(
                    _picture(root, Path(inputs, scene, "frame10")),
                    _picture(root, Path(truths, scene, "frame10i11")),
                    _picture(root, Path(inputs, scene, "frame11")),
                )
                for scene in MIDDLEBURY_SCENES
            ]
    raise refusal(protocol, root, "no scene such as Beanbags is there")


def read_ucf101_triplets(protocol: Protocol, root: Path) -> list[Target]:
    """Numbered folders of three pictures."""
    parent = Path("ucf101_interp_ours") if (root / "ucf101_interp_ours").is_dir() else Path()
    numbered = (folder.name for folder in (root / parent).iterdir() if folder.is_dir() and folder.name.isdigit())
    folders = [parent / name for name in sorted(numbered, key=int)]
    if not folders:
        raise refusal(protocol, root, "no numbered folder is there")
    names = next((names for names in TRIPLET_NAMES if _exists(root, folders[0] / names[0])), TRIPLET_NAMES[0])
    return [_triplet(*(_picture(root, folder / name) for name in names)) for folder in folders]


def read_ucf101_quintuples(protocol: Protocol, root: Path) -> list[Target]:
    """Folders of four inputs, frame0 to frame3, and the middle, framet."""
    folders = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    targets = []
    for folder in folders:
        earlier, before, target, after, later = (
            _picture(root, Path(folder, name)) for name in ("frame0", "frame1", "framet", "frame2", "frame3")
        )
        targets.append(_triplet(before, target, after, earlier, later))
    return targets


def _triplet(
    before: Path, target: Path, after: Path, earlier: Path | None = None, later: Path | None = None
) -> Target:
    return Target(
        before=FrameReference(before),
        target=FrameReference(target),
        after=FrameReference(after),
        time=Fraction(1, 2),
        earlier=None if earlier is None else FrameReference(earlier),
        later=None if later is None else FrameReference(later),
    )


def _exists(root: Path, stem: Path) -> bool:
    return (root / _picture(root, stem)).is_file()


def _picture(root: Path, stem: Path) -> Path:
    """The picture of this name in whatever format, relative to the root; as PNG where there is none."""
    candidates = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
    return next((path for path in candidates if (root / path).is_file()), candidates[0])
