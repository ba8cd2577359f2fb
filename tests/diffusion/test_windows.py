import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from turnaround.diffusion.store import EstimatedWindow
from turnaround.diffusion.windows import join, synchronize, windows
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


def estimated(maps, length, overlap, estimate=lambda maps, start: maps) -> list[EstimatedWindow]:
    start, found = 0, []
    for items, seen in windows(maps, length, overlap):
        values = estimate(torch.stack(items), start - seen)
        found.append(EstimatedWindow(start=start - seen, seen=seen, maps=values, latents=values[:, None]))
        start += len(items) - seen
    return found


def joined(stored: list[EstimatedWindow], overlap: int) -> torch.Tensor:
    return torch.stack(list(join(stored, synchronize(stored), overlap=overlap)))


@pytest.mark.parametrize(("count", "length", "overlap"), [(1, 4, 1), (4, 4, 1), (5, 4, 3), (23, 6, 2), (24, 6, 4)])
def test_windows_with_scales_of_their_own_are_joined_without_a_trace(count, length, overlap):
    maps = truth(count)
    stored = estimated(maps, length, overlap, lambda m, start: (1 + start / 10) * m - start / 10)
    found = joined(stored, overlap)
    # up to one scale and shift for all, which nothing determines
    scale = (found[0].max() - found[0].min()) / (maps[0].max() - maps[0].min())
    torch.testing.assert_close(found - found[0].min(), scale * (maps - maps[0].min()), rtol=0, atol=2e-3)


def test_the_overlap_is_blended_from_the_old_window_to_the_new():
    maps = torch.arange(6.0)[:, None, None] + truth(6)

    def disagree(values, start):
        values = values.clone()
        if start:  # the second window disagrees in the overlap, by noise that no scale and shift explain
            values[:2, 0, 0] += 0.5
        return values

    stored = estimated(maps, 4, 2, disagree)
    found = torch.stack(list(join(stored, torch.tensor([[1.0, 0.0]] * 2), overlap=2)))
    change = (found - maps)[:, 0, 0]
    assert change[:2].abs().max() < 1e-6
    assert 0 < change[2] < change[3] < 0.5


def test_without_overlap_each_window_keeps_its_scale():
    maps = truth(5)
    stored = estimated(maps, 1, 0, lambda m, start: m * (start + 1))
    torch.testing.assert_close(joined(stored, 0), maps * torch.arange(1.0, 6.0)[:, None, None])


def test_shots_are_joined_end_to_end():
    maps = truth(12)
    first, second = estimated(maps[:7], 4, 2), estimated(maps[7:], 4, 2)
    moved = [
        EstimatedWindow(start=w.start + 7, seen=w.seen, maps=w.maps, latents=w.latents) for w in second
    ]  # a new shot: its first window has seen nothing
    torch.testing.assert_close(joined([*first, *moved], 2), maps, rtol=0, atol=1e-4)


def test_windows_that_share_frames_with_several_others_are_compared_with_all(monkeypatch):
    compared = []

    def solve(count, overlaps):
        compared.extend(zip(overlaps.first.tolist(), overlaps.second.tolist(), strict=True))
        torch.testing.assert_close(overlaps.first_values, overlaps.second_values)
        return torch.ones(count), torch.zeros(count)

    monkeypatch.setattr("turnaround.diffusion.windows.synchronize_affine", solve)
    synchronize(estimated(truth(12), 6, 4))
    assert compared == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]
