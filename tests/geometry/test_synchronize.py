import pytest
import torch

from turnaround.geometry.synchronize import Overlaps, synchronize_affine


def chain(count: int, *, noise: float = 0.0, outliers: float = 0.0, reach: int = 1, seed: int = 0):
    """Maps of one scene in scales and shifts of their own, and what each says where it meets the next ones."""
    g = torch.Generator().manual_seed(seed)
    scale, shift = 0.7 + 0.6 * torch.rand(count, generator=g), torch.rand(count, generator=g) - 0.5
    pairs = [(i, j) for i in range(count) for j in range(i + 1, min(i + 1 + reach, count))]
    first, second = torch.tensor(pairs).unbind(1)
    truth = torch.rand(len(pairs), 300, generator=g)
    values = []
    for index in (first, second):
        seen = (truth - shift[index, None]) / scale[index, None]
        seen = seen + noise * torch.randn(seen.shape, generator=g)
        wrong = torch.rand(seen.shape, generator=g) < outliers
        values.append(torch.where(wrong, seen.flatten()[torch.randperm(seen.numel(), generator=g)].view_as(seen), seen))
    return Overlaps(first=first, second=second, first_values=values[0], second_values=values[1]), scale, shift


def relative(found, wanted):
    """Scales and shifts after the first map's are made 1 and 0: what the overlaps can tell."""
    (scale, shift), (s, t) = found, wanted
    return (scale / scale[0], (shift - shift[0]) / scale[0]), (s.double() / s[0], (t.double() - t[0]) / s[0])


@pytest.mark.parametrize("reach", [1, 3])
def test_maps_that_agree_up_to_scale_and_shift_are_brought_together(reach):
    overlaps, scale, shift = chain(12, reach=reach)
    found, wanted = relative(synchronize_affine(12, overlaps), (scale, shift))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_a_few_wrong_pairs_change_little():
    """Values of other places, of other maps even, as where something moved."""
    overlaps, scale, shift = chain(12, outliers=0.1)
    found, wanted = relative(synchronize_affine(12, overlaps), (scale, shift))
    # a fifth of the pairs is wrong
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.02)


def test_noise_does_not_shrink_the_scales():
    overlaps, _, _ = chain(40, noise=0.2)
    scale, _ = synchronize_affine(40, overlaps)
    assert 0.5 < scale.mean() < 2.0
    assert scale.min() > 0.2


def test_more_overlaps_agree_better_than_a_chain():
    errors = []
    for reach in (1, 4):
        overlaps, scale, shift = chain(30, noise=0.1, reach=reach, seed=5)
        (found, _), (wanted, _) = relative(synchronize_affine(30, overlaps), (scale, shift))
        errors.append((found / wanted).log().abs().mean().item())
    assert errors[1] < errors[0]


def test_any_unit_and_offset_of_the_values_gives_the_same_scales():
    overlaps, _, _ = chain(8, noise=0.05)
    other = Overlaps(
        first=overlaps.first,
        second=overlaps.second,
        first_values=100 * overlaps.first_values + 7,
        second_values=100 * overlaps.second_values + 7,
    )
    (scale, _), (same, _) = (synchronize_affine(8, o) for o in (overlaps, other))
    torch.testing.assert_close(scale, same, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_maps_without_overlap_keep_their_own(count):
    empty, none = torch.empty(0, 5), torch.empty(0, dtype=torch.long)
    overlaps = Overlaps(first=none, second=none, first_values=empty, second_values=empty)
    scale, shift = synchronize_affine(count, overlaps)
    assert scale.tolist() == [1.0] * count
    assert shift.tolist() == [0.0] * count


def test_constant_maps_are_left_alone():
    place = torch.tensor([0])
    same = torch.full((1, 5), 0.3)
    overlaps = Overlaps(first=place, second=place + 1, first_values=same, second_values=same)
    scale, shift = synchronize_affine(2, overlaps)
    assert (scale.tolist(), shift.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_maps_that_run_against_each_other_keep_positive_scales():
    g = torch.Generator().manual_seed(0)
    values = torch.rand(1, 300, generator=g)
    place = torch.tensor([0])
    overlaps = Overlaps(first=place, second=place + 1, first_values=values, second_values=-values)
    scale, shift = synchronize_affine(2, overlaps)
    assert scale.min() >= 0.1
    assert shift.isfinite().all()
