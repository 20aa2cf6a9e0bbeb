"""The mean of the weights of two networks, often better than both where one went on from the other.

    python examples/average_weights.py FIRST SECOND OUT [--share 0.5]

--share is the second's part. Source: Wortsman et al., ICML 2022 (model soups); Wortsman et al., CVPR 2022 (WiSE-FT).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor


def main(first: Path, second: Path, out: Path, share: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.5) -> None:
    """Average, and write the file."""
    about, one = read(first)
    about_second, other = read(second)
    if about_second != about or {name: value.shape for name, value in one.items()} != {
        name: value.shape for name, value in other.items()
    }:
        raise SystemExit(f"{first} and {second} are of different networks.")
    mixed = {name: value.float().lerp(other[name].float(), share).to(value.dtype) for name, value in one.items()}
    save_file(mixed, out, metadata=about)
    print(f"wrote {out}")


def read(path: Path) -> tuple[dict[str, str] | None, dict[str, Tensor]]:
    """What a file says of its network, and its weights."""
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in list(file.keys())}


if __name__ == "__main__":
    typer.run(main)
