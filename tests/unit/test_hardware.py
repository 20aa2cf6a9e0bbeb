"""Devices and precisions: what is there is used, what is not is refused."""

from __future__ import annotations

import pytest
import torch

from midframe.core.errors import DeviceError, UnknownNameError, UsageError
from midframe.engine import hardware
from midframe.engine.hardware import resolve_device, resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def one_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


def give_cpu(monkeypatch: pytest.MonkeyPatch, *instructions: str) -> None:
    monkeypatch.setattr(hardware, "_cpu_capabilities", lambda: dict.fromkeys(instructions, True))


@pytest.mark.usefixtures("without_cuda")
def test_auto_is_the_cpu_on_a_machine_without_cuda() -> None:
    assert resolve_device("auto") == CPU


@pytest.mark.usefixtures("one_cuda_device")
def test_auto_is_the_first_cuda_device_where_there_is_one() -> None:
    assert resolve_device("auto") == torch.device("cuda", 0) == resolve_device("cuda")


@pytest.mark.usefixtures("without_cuda")
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_missing_cuda_device_is_refused_and_not_replaced(name: str) -> None:
    with pytest.raises(DeviceError, match=f"'{name}' was asked for, but PyTorch sees no CUDA device"):
        resolve_device(name)


@pytest.mark.usefixtures("one_cuda_device")
def test_a_cuda_device_beyond_the_last_is_refused() -> None:
    with pytest.raises(DeviceError, match="'cuda:1' was asked for, but there are 1 CUDA devices"):
        resolve_device("cuda:1")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:0", "cuda:x", "cuda:-1"])
def test_a_name_that_is_no_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"got '{name}'"):
        resolve_device(name)


@pytest.mark.parametrize("instruction", ["avx512_bf16", "amx_bf16", "bf16"])
def test_auto_precision_is_bf16_on_a_cpu_with_an_instruction_for_it(
    instruction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_cpu(monkeypatch, "avx2", instruction)
    assert resolve_precision("auto", CPU) is torch.bfloat16


def test_auto_precision_is_fp32_on_a_cpu_without_short_formats(monkeypatch: pytest.MonkeyPatch) -> None:
    give_cpu(monkeypatch, "avx2", "avx512_f")
    assert resolve_precision("auto", CPU) is torch.float32


def test_auto_precision_is_fp16_on_cuda() -> None:
    assert resolve_precision("auto", torch.device("cuda", 0)) is torch.float16


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_precision_that_the_cpu_lacks_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    give_cpu(monkeypatch, "avx2")
    with pytest.raises(DeviceError, match=f"'{name}' was asked for on a CPU that has none of"):
        resolve_precision(name, CPU)


def test_fp32_is_granted_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    give_cpu(monkeypatch)
    assert resolve_precision("fp32", CPU) is torch.float32


def test_types_of_pytorch_are_taken_as_they_are() -> None:
    assert resolve_precision(torch.float32, torch.device("cpu")) is torch.float32
    with pytest.raises(UnknownNameError, match=r"no precision .torch\.int8."):
        resolve_precision(torch.int8, torch.device("cpu"))


def test_an_unknown_precision_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no precision 'fp23'\. Did you mean 'fp32'"):
        resolve_precision("fp23", CPU)
