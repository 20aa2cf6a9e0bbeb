"""The codebook: nearest codes, both sides of its loss, and codes that come back to life."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from midframe.nn.quantiser import REVIVE_EVERY, VectorQuantiser

EXACT = 1e-6


def test_every_pixel_becomes_its_nearest_code():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(50, 3).eval()
    torch.nn.init.normal_(quantiser.book.weight)
    latent = torch.randn(2, 3, 4, 5)
    made = quantiser(latent)
    distances = torch.cdist(latent.permute(0, 2, 3, 1).reshape(-1, 3), quantiser.book.weight)
    assert torch.equal(made.codes.flatten(), distances.argmin(1))
    chosen = quantiser.book.weight[made.codes].permute(0, 3, 1, 2)
    assert torch.allclose(made.latent, chosen, atol=EXACT)


def test_codes_are_the_nearest_where_networks_compute_in_bfloat16():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(1024, 3).eval()
    torch.nn.init.normal_(quantiser.book.weight)
    latent = torch.randn(2, 3, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        codes = quantiser(latent).codes
    assert torch.equal(codes, quantiser(latent).codes)


def test_the_gradient_passes_unchanged_to_the_latent():
    quantiser = VectorQuantiser(8, 2)
    latent = torch.randn(1, 2, 3, 3, requires_grad=True)
    weight = torch.randn(1, 2, 3, 3)
    (quantiser(latent).latent * weight).sum().backward()
    assert latent.grad is not None
    assert torch.allclose(latent.grad, weight)
    assert quantiser.book.weight.grad is None or not quantiser.book.weight.grad.any()


@pytest.mark.parametrize(("legacy", "latents", "codes"), [(True, 1.0, 0.25), (False, 0.25, 1.0)])
def test_the_factor_lies_on_the_side_that_is_asked_for(legacy: bool, latents: float, codes: float):
    quantiser = VectorQuantiser(1, 1, legacy=legacy).eval()
    torch.nn.init.constant_(quantiser.book.weight, 1.0)
    latent = torch.full((1, 1, 1, 1), 3.0, requires_grad=True)
    loss = quantiser(latent).loss
    loss.backward()
    assert loss.item() == pytest.approx(4 * 1.25)
    assert latent.grad is not None
    assert quantiser.book.weight.grad is not None
    assert latent.grad.item() == pytest.approx(4 * latents)
    assert quantiser.book.weight.grad.item() == pytest.approx(-4 * codes)


def test_dead_codes_become_latents_and_living_ones_stay():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(4, 1)
    quantiser.batches.zero_()
    quantiser.book.weight.data = torch.tensor([[0.0], [1.0], [50.0], [60.0]])
    latent = torch.tensor([0.1, 0.9]).view(1, 1, 1, 2)
    for _ in range(REVIVE_EVERY):
        quantiser(latent)
    assert quantiser.uses.tolist() == [REVIVE_EVERY, REVIVE_EVERY, 0, 0]
    assert quantiser.share_in_use() == 0.5
    quantiser(latent)
    assert quantiser.book.weight.data[:2].flatten().tolist() == [0.0, 1.0]
    revived = quantiser.book.weight.data[2:].flatten().tolist()
    assert all(min(abs(value - 0.1), abs(value - 0.9)) < EXACT for value in revived)
    assert int(quantiser.batches) == 1


def test_use_is_not_counted_in_evaluation():
    quantiser = VectorQuantiser(4, 1).eval()
    quantiser(torch.rand(1, 1, 2, 2))
    assert int(quantiser.uses.sum()) == 0
    assert int(quantiser.batches) == REVIVE_EVERY


def test_the_first_batch_gives_the_book_its_codes():
    torch.manual_seed(0)
    quantiser = VectorQuantiser(64, 3)
    latent = torch.randn(1, 3, 4, 4) * 7
    made = quantiser(latent)
    assert float((made.latent - latent).abs().mean()) < 1  # most latents are a code of their own
    known = latent.permute(0, 2, 3, 1).reshape(-1, 3)
    apart = (quantiser.book.weight.data[:, None] - known[None]).abs().amax(-1)
    assert float(apart.amin(1).max()) < EXACT


def test_processes_that_train_together_keep_one_book(tmp_path: Path):
    script = tmp_path / "share.py"
    script.write_text(SHARE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, str(script), str(tmp_path)], check=True, capture_output=True, timeout=240, env=environment
    )
    first, second = (torch.load(tmp_path / f"{process}.pt") for process in (0, 1))
    assert torch.equal(first["book.weight"], second["book.weight"])
    assert torch.equal(first["uses"], second["uses"])
    # Each process saw four latents, twice.
    assert int(first["uses"].sum()) == 16


SHARE = """
import sys
from pathlib import Path

import torch
import torch.distributed as distributed

from midframe.nn.quantiser import VectorQuantiser

distributed.init_process_group("gloo")
process = distributed.get_rank()
torch.manual_seed(0)
quantiser = VectorQuantiser(8, 2)
torch.manual_seed(process)
for _ in range(2):
    quantiser(torch.randn(1, 2, 2, 2))
torch.save(quantiser.state_dict(), Path(sys.argv[1]) / f"{process}.pt")
distributed.destroy_process_group()
"""
