import pytest
import torch

from turnaround.losses.base import masked_mean
from turnaround.losses.depth import RelativeError, SpatialGradient, TemporalGradient, align_affine, normalize_sequence
from turnaround.losses.diffusion import latent_differences, latent_loss, latent_mask


def maps(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(seed)) + 0.1


ALL = torch.ones(2, 3, 4, 6, dtype=torch.bool)
TERMS = [RelativeError(weight=1.0, floor=0.25), SpatialGradient(weight=1.0, scales=2), TemporalGradient(weight=1.0)]


def test_alignment_undoes_any_scale_and_shift_and_ignores_the_unknown():
    truth, valid = maps(), ALL.clone()
    valid[:, :, :2] = False
    predicted = 3 * truth - 5
    predicted[:, :, :2] = 100
    aligned = align_affine(predicted, truth, valid)
    torch.testing.assert_close(aligned[valid], truth[valid], rtol=1e-3, atol=1e-3)  # the floor on the variance


def test_a_flat_prediction_has_a_finite_gradient():
    predicted = torch.full((2, 3, 4, 6), 0.3, requires_grad=True)
    RelativeError(weight=1.0, floor=0.25)(align_affine(predicted, maps(), ALL), maps(), ALL).backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()


@pytest.mark.parametrize("term", TERMS)
def test_the_truth_costs_nothing_and_anything_else_does(term):
    assert term(maps(), maps(), ALL) == 0
    assert term(maps(1), maps(), ALL) > 0


@pytest.mark.parametrize("term", TERMS)
def test_nothing_known_costs_nothing(term):
    assert term(maps(1), maps(), ~ALL) == 0


def test_relative_error_is_absrel_of_the_depth_down_to_its_floor():
    truth = torch.tensor([1.0, 2.0, 4.0, 0.0]).view(1, 1, 2, 2)
    aligned = torch.tensor([1.5, 1.0, 5.0, 9.0]).view(1, 1, 2, 2)
    term, valid = RelativeError(weight=1.0, floor=0.25), truth > 0
    assert term(aligned, truth, valid) == pytest.approx(((1 / aligned - 1 / truth).abs() * truth)[valid].mean().item())
    assert term(torch.full_like(truth, -1.0), truth, valid) == pytest.approx((2 / 0.25 + 3 / 0.5 + 5 / 1) / 3)


def test_temporal_gradient_sees_flicker_but_not_a_constant_error():
    truth = torch.ones(1, 3, 2, 2)
    valid = torch.ones_like(truth, dtype=torch.bool)
    flicker = truth + torch.tensor([0.0, 0.2, 0.0]).view(1, 3, 1, 1)
    assert TemporalGradient(weight=1.0)(truth + 0.3, truth, valid) == 0
    assert TemporalGradient(weight=1.0)(flicker, truth, valid) == pytest.approx(0.2)
    assert TemporalGradient(weight=1.0)(flicker[:, :1], truth[:, :1], valid[:, :1]) == 0


def test_sequences_are_normalised_once_over_all_their_valid_pixels():
    inverse, valid = maps(), ALL.clone()
    inverse[0, 0, 0, 0] = 50.0
    valid[0, 0, 0, 0] = False
    found = normalize_sequence(inverse, valid)
    assert found[0][valid[0]].aminmax() == (0, 1)
    assert found[0, 0, 0, 0] == 0
    scale = (found[1, 0, 0, 0] - found[1, 2, 3, 5]) / (inverse[1, 0, 0, 0] - inverse[1, 2, 3, 5])
    assert scale == pytest.approx(1 / float(inverse[1].max() - inverse[1].min()), rel=1e-4)


def test_latent_cells_with_an_unknown_pixel_are_left_out():
    valid = torch.ones(1, 1, 4, 8, dtype=torch.bool)
    valid[0, 0, 1, 5] = False
    mask = latent_mask(valid, 2)
    assert mask.tolist() == [[[[True, False]]]]
    target = torch.zeros(1, 1, 3, 1, 2)
    predicted = torch.tensor([2.0, 100.0]).expand(1, 1, 3, 1, 2)
    assert latent_loss(predicted, target, valid) == 4


def test_masked_mean_of_nothing_is_zero():
    assert masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)) == 0


def test_latent_differences_by_hand():
    clean = torch.zeros(1, 2, 1, 2, 2)
    predicted = torch.tensor([[[1.0, 3.0], [1.0, 3.0]], [[1.0, 3.0], [1.0, 7.0]]]).view(1, 2, 1, 2, 2)
    space, time = latent_differences(predicted, clean, torch.ones(1, 2, 8, 8, dtype=torch.bool))
    # to the right 2, 2, 2, 6; down 0, 0, 0, 4
    assert space == pytest.approx((12 / 4 + 4 / 4) / 2)
    assert time == pytest.approx(4 / 4)
    constant = latent_differences(clean + 5, clean, torch.ones(1, 2, 8, 8, dtype=torch.bool))
    assert [value.item() for value in constant] == [0, 0]
    image = latent_differences(predicted[:, :1], clean[:, :1], torch.ones(1, 1, 8, 8, dtype=torch.bool))
    assert image[1] == 0
