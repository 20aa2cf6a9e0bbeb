"""Readers of the folder layouts in which sets are published: a protocol and a folder become targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from midframe.core.errors import MediaError, UnknownNameError, UsageError
from midframe.core.file_hash import sha256_of
from midframe.evaluation.layouts import folders, lists, sequences
from midframe.evaluation.layouts.refusal import refusal
from midframe.evaluation.protocol import Protocol
from midframe.evaluation.target_list import Target

LAYOUTS: Mapping[str, Callable[[Protocol, Path], list[Target]]] = {
    "list": lists.read_list,
    "vimeo": lists.read_vimeo,
    "snu-film": lists.read_snu_film,
    "middlebury": folders.read_middlebury,
    "ucf101-triplets": folders.read_ucf101_triplets,
    "ucf101-quintuples": folders.read_ucf101_quintuples,
    "sequences": sequences.read_folders,
    "numbered-files": sequences.read_numbered_files,
    "raw-videos": sequences.read_raw_videos,
    "ucf101-videos": sequences.read_ucf101_videos,
}
"""By the name in a protocol's `layout`. A reader names the targets of the set; it need not look for every file."""


def protocol_targets(protocol: Protocol, root: Path, *, partial: bool = False) -> list[Target]:
    """The targets of a protocol in a folder that has the official layout.

    Args:
        protocol: What to read.
        root: Folder of the set, as `protocol.expects` describes it; paths of the targets start here.
        partial: Take what there is of an incomplete set: targets whose files are missing are left out, and
            neither counts nor hashes are checked. `missing_share` says how much that is. Lists of midframe's own
            must be whole.

    Returns:
        Targets in the order of the set's list, or of names and frame numbers.

    Raises:
        MediaError: The folder does not have the layout, a file is missing, a list is another one than the
            protocol knows, or the number of targets differs. One sentence, with the first thing that is wrong
            and the layout that is expected.
        UnknownNameError: The protocol names a layout that does not exist.
        UsageError: The protocol lacks what its layout needs, or asks for times at which the set has no targets.
    """
    if protocol.layout not in LAYOUTS:
        raise UnknownNameError("layout", protocol.layout, LAYOUTS)
    if not root.is_dir():
        raise MediaError(f"There is no folder {root}.")
    if partial:
        protocol = _relaxed(protocol)
    _check_hashes(protocol, root)
    targets = LAYOUTS[protocol.layout](protocol, root)
    present = _present(targets, root)
    if partial:
        targets = [target for target in targets if all(path in present for path in _paths(target))]
    else:
        for path in (path for target in targets for path in _paths(target) if path not in present):
            raise refusal(protocol, root, f"{path} is missing")
        if protocol.targets is not None and len(targets) != protocol.targets:
            raise refusal(protocol, root, f"it holds {len(targets)} targets instead of {protocol.targets}")
    if not targets:
        raise refusal(protocol, root, "it holds no target")
    _check_times(protocol, targets)
    return targets


def missing_share(protocol: Protocol, targets: Sequence[Target]) -> str:
    """A sentence on what a partial set lacks; "" where nothing is known to be missing."""
    count = None if protocol.sequences is None else protocol.sequences.count
    if protocol.targets is not None and len(targets) < protocol.targets:
        part = f"{len(targets)} of {protocol.targets} targets"
    elif protocol.targets is None and count is not None and len({target.sequence for target in targets}) < count:
        part = f"{len({target.sequence for target in targets})} of {count} sequences"
    else:
        return ""
    return f"The set is incomplete ({part} of '{protocol.name}'): its scores do not compare with published ones."


def _check_times(protocol: Protocol, targets: Sequence[Target]) -> None:
    found = {target.time for target in targets}
    if found != set(protocol.times):
        wanted, offered = (", ".join(map(str, sorted(times))) for times in (protocol.times, found))
        raise UsageError(f"'{protocol.name}' asks for targets at {wanted}; the set has them at {offered}.")


def _relaxed(protocol: Protocol) -> Protocol:
    """The protocol without what it knows of the whole set."""
    sequences = None if protocol.sequences is None else replace(protocol.sequences, count=None)
    return replace(protocol, targets=None, checksums=(), sequences=sequences)


def _paths(target: Target) -> list[Path]:
    return [frame.path for frame in target.frames]


def _present(targets: list[Target], root: Path) -> set[Path]:
    paths = dict.fromkeys(path for target in targets for path in _paths(target))
    return {path for path in paths if (root / path).is_file()}


def _check_hashes(protocol: Protocol, root: Path) -> None:
    for checksum in protocol.checksums:
        path = root / checksum.file
        if not path.is_file():
            raise refusal(protocol, root, f"{checksum.file} is missing")
        found = sha256_of(path)
        if found != checksum.sha256:
            raise refusal(
                protocol,
                root,
                f"{checksum.file} has the hash {found[:12]}… where {checksum.sha256[:12]}… was expected",
            )
