"""The error tree. Whatever a user can cause raises one of these, with the values in the message.

MidframeError
├── UsageError            the request itself cannot be carried out (an impossible rate, an unknown name)
│   └── UnknownNameError  a method, recipe or metric that does not exist; names the nearest ones
├── MediaError            a file is missing, empty, damaged, or not what it should be
│   └── WriteError        an output cannot be written
├── WeightsError          weights are missing, damaged, or of another architecture
├── RecipeError           a recipe has an unknown key, a wrong type or a missing field
├── ShapeError            tensors whose shapes do not fit together
├── DeviceError           a device or precision that this machine does not have
├── MissingExtraError     an optional dependency is needed; says what to install
├── FilterError           a filter of FFmpeg is missing or failed
└── WorkerError           a process that shared the work ended without a word
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MidframeError(Exception):
    """Base of every error that midframe raises on purpose."""

    def __reduce__(self) -> tuple[object, ...]:
        # By its message: those that make their own from other arguments could not come back from another process.
        return _with_message, (type(self), str(self))


def _with_message(kind: type[MidframeError], message: str) -> MidframeError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class UsageError(MidframeError):
    """A request that cannot be carried out as it was made."""


class UnknownNameError(UsageError):
    """A name that is not in a closed list."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        super().__init__(f"There is no {kind} '{name}'.{hint} Known: {', '.join(known)}.")


class MediaError(MidframeError):
    """A media file that cannot be used as asked."""


class WriteError(MediaError):
    """An output that cannot be written."""


class WeightsError(MidframeError):
    """Weights that are missing, damaged, or do not fit the network."""


class RecipeError(MidframeError):
    """A recipe that does not describe what it should."""


class ShapeError(MidframeError):
    """Tensors whose shapes do not fit together."""


class DeviceError(MidframeError):
    """A device or precision that is not available here."""


class MissingExtraError(MidframeError):
    """An optional dependency that is not installed."""

    def __init__(self, feature: str, package: str, extra: str) -> None:
        super().__init__(f"{feature} needs {package}. Install it with: pip install 'midframe[{extra}]'")


class FilterError(MidframeError):
    """A filter of FFmpeg that is missing or failed."""


class WorkerError(MidframeError):
    """A worker process that ended without saying why."""
