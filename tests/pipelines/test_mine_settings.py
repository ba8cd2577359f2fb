"""Text that changes with every setting, and with nothing else."""

from dataclasses import dataclass
from enum import Enum

import pytest
import torch

from turnaround.pipelines.mine.settings import described


class Way(Enum):
    ON = 1


class Plain:
    def __init__(self, *, limit: float):
        self._limit = limit


@dataclass(frozen=True)
class Holder:
    parts: tuple
    way: Way = Way.ON


class Marked:
    def __init__(self, mark: str):
        self.mark = mark
        self.loaded = object()

    def fingerprint(self) -> str:
        return self.mark


def test_equal_settings_are_described_alike_and_others_are_not():
    one, again, other = (Holder(parts=(Plain(limit=x), {"a": [x]})) for x in (1.0, 1.0, 2.0))
    assert described(one) == described(again)
    assert described(one) != described(other)
    assert "limit=1.0" in described(one)
    assert "Way.ON" in described(one)


def test_tensors_count_by_their_bytes():
    assert described(torch.tensor([1.0, 2.0])) == described(torch.tensor([1.0, 2.0]))
    assert described(torch.tensor([1.0, 2.0])) != described(torch.tensor([1.0, 2.5]))
    assert described(torch.tensor([1.0])) != described(torch.tensor([[1.0]]))


def test_a_fingerprint_stands_for_all_of_an_object():
    assert described(Marked("a")) == described(Marked("a"))
    assert described(Marked("a")) != described(Marked("b"))


def test_what_cannot_be_told_is_no_setting():
    with pytest.raises(TypeError, match="fingerprint"):
        described(object())
