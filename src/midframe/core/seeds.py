"""Random draws that are a function of several numbers, so that a resumed run repeats nothing."""

from __future__ import annotations

import numpy as np
import torch


def draws_of(*numbers: int) -> torch.Generator:
    """A generator on the CPU for, say, a run's seed, a step, and what is drawn there.

    PyTorch's generator on the CPU takes no more than 32 bits of its seed: numbers that are shifted above these and
    added would not count. NumPy mixes them all, and ignores zeros at the end: hence their number.

    Args:
        numbers: Each from 0 to 2**32 - 1. Other numbers, or another order, give other draws but for chance.
    """
    return torch.Generator().manual_seed(int(np.random.SeedSequence((len(numbers), *numbers)).generate_state(1)[0]))
