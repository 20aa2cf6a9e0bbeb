"""Methods simple enough that their exact output is known."""

from __future__ import annotations

import torch

from midframe.core.method import AnyTime, Grid, MethodSpec, Midpoint, check_request


class Blend:
    """Mixes the two middle frames by time, and remembers every call."""

    def __init__(
        self, times: AnyTime | Midpoint | Grid | None = None, context: int = 1, size_multiple: int = 1
    ) -> None:
        self.spec = MethodSpec(name="blend", context=context, times=times or AnyTime(), size_multiple=size_multiple)
        self.calls: list[tuple[torch.Tensor, list]] = []

    def interpolate(self, frames, times, *, generator=None):
        check_request(self.spec, frames, times)
        self.calls.append((frames, list(times)))
        before, after = frames[:, self.spec.context - 1], frames[:, self.spec.context]
        return torch.stack([before * float(1 - time) + after * float(time) for time in times], dim=1)


class Failing(Blend):
    """Raises in its third call."""

    def interpolate(self, frames, times, *, generator=None):
        if len(self.calls) == 2:
            raise self.error
        return super().interpolate(frames, times)

    error: BaseException = RuntimeError("the network failed")


class Doubting(Blend):
    """Says of each pixel that it may be off by half of what the two neighbours differ."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = MethodSpec(name="blend", uncertainty=True)

    def interpolate_with_uncertainty(self, frames, times, *, generator=None):
        doubt = (frames[:, :1] - frames[:, 1:2]).abs().mean(2, keepdim=True) / 2
        return self.interpolate(frames, times), doubt.expand(-1, len(times), -1, -1, -1)
