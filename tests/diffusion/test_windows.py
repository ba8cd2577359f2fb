import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from turnaround.diffusion.windows import join, windows
from turnaround.types import InputError


@given(count=st.integers(0, 40), length=st.integers(1, 9), data=st.data())
def test_windows_cover_all_items_in_order(count, length, data):
    overlap = data.draw(st.integers(0, length - 1))
    found = list(windows(range(count), length, overlap))
    new = [item for items, seen in found for item in items[seen:]]
    assert new == list(range(count))
    assert all(len(items) == min(length, count) for items, _ in found)
    assert all(seen >= overlap for _, seen in found[1:])
    assert not found or found[0][1] == 0


def test_an_overlap_as_long_as_the_window_is_refused():
    with pytest.raises(InputError, match="overlap: expected 0 to window - 1 = 3, found 4"):
        list(windows(range(10), 4, 4))


def truth(count: int) -> torch.Tensor:
    return torch.rand(count, 4, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("count", "length", "overlap"), [(1, 4, 1), (4, 4, 1), (5, 4, 3), (23, 6, 2), (24, 6, 4)])
def test_windows_with_scales_of_their_own_are_joined_without_a_trace(count, length, overlap):
    maps, calls = truth(count), []

    def estimate(items, number):
        calls.append(number)
        assert torch.equal(torch.stack(items), maps[number : number + len(items)])
        return (1 + len(calls)) * torch.stack(items) - 3 * len(calls)

    found = torch.stack(list(join(windows(maps, length, overlap), estimate, overlap=overlap)))
    # the scale and shift of the first window; float32 through one fit per window
    torch.testing.assert_close(found, 2 * maps - 3, rtol=0, atol=1e-4)


def test_the_overlap_is_blended_from_the_old_window_to_the_new():
    maps = torch.arange(6.0)[:, None, None] + truth(6)

    def estimate(items, number):
        values = torch.stack(items).clone()
        if number:  # the second window disagrees in the overlap, by noise that no scale and shift explain
            values[:2, 0, 0] += 0.5
        return values

    found = torch.stack(list(join(windows(maps, 4, 2), estimate, overlap=2)))
    change = (found - maps)[:, 0, 0]
    assert change[:2].abs().max() < 1e-6
    assert 0 < change[2] < change[3] < 0.5


def test_without_overlap_each_window_keeps_its_scale():
    maps = truth(5)
    found = list(join(windows(maps, 1, 0), lambda items, number: torch.stack(items) * (number + 1), overlap=0))
    torch.testing.assert_close(torch.stack(found), maps * torch.arange(1.0, 6.0)[:, None, None])


def test_few_items_are_held():
    consumed = given_out = most_held = 0

    def items():
        nonlocal consumed
        for number in range(100):
            consumed += 1
            yield torch.full((2, 2), float(number))

    for _ in join(windows(items(), 8, 3), lambda batch, number: torch.stack(batch), overlap=3):
        given_out += 1
        most_held = max(most_held, consumed - given_out)
    assert given_out == 100
    assert most_held <= 8
