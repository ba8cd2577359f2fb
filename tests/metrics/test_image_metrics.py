"""Metrics of filled frames against values reckoned by hand."""

import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from turnaround.metrics.base import FilledPicture
from turnaround.metrics.image import HolePsnr, KnownError, Psnr, Ssim


def frame(image, truth, *, given=None, open_=None, hole=None, counted=None) -> list[FilledPicture]:
    nowhere = torch.zeros(image.shape[1:], dtype=torch.bool)
    open_ = nowhere if open_ is None else open_
    picture = FilledPicture(
        image=image,
        truth=truth,
        given=image if given is None else given,
        open=open_,
        hole=open_ if hole is None else hole,
        counted=~nowhere if counted is None else counted,
    )
    return [picture]


def mask(*rows: str) -> torch.Tensor:
    return torch.tensor([[letter == "x" for letter in row] for row in rows])


def test_psnr_is_that_of_the_mean_squared_error():
    truth = torch.full((3, 2, 2), 0.5)
    image = truth.clone()
    image[:, 0, 0] += 0.2  # squared error 0.04 on one pixel of four: 0.01 on the mean, 20 dB
    assert Psnr()(frame(image, truth)) == pytest.approx(20, abs=1e-5)  # float32 colours
    image[1:, 0, 0] = 0.5  # on one colour of three
    assert Psnr()(frame(image, truth)) == pytest.approx(20 + 10 * math.log10(3), abs=1e-5)


def test_psnr_of_holes_and_of_counted_pixels_alone():
    truth = torch.zeros(3, 2, 3)
    image = torch.zeros(3, 2, 3)
    image[:, 0] = torch.tensor([0.1, 1.0, 0.5])
    hole, counted = mask("xx.", "..."), mask("x..", "xxx")
    values = frame(image, truth, open_=hole, counted=counted)
    assert HolePsnr()(values) == pytest.approx(20, abs=1e-5), "of the hole, one pixel is counted: 0.1 squared"
    assert Psnr()(values) == pytest.approx(20 + 10 * math.log10(4), abs=1e-5)
    assert HolePsnr()(frame(image, truth)) is None, "no hole"
    assert Psnr()(frame(image, truth, counted=mask("...", "..."))) is None


def test_scored_holes_may_be_fewer_than_open_ones():
    truth, image = torch.zeros(3, 1, 3), torch.zeros(3, 1, 3)
    image[:, 0, 1:] = torch.tensor([0.1, 0.9])
    values = frame(image, truth, given=torch.zeros(3, 1, 3), open_=mask(".xx"), hole=mask(".x."))
    assert HolePsnr()(values) == pytest.approx(20, abs=1e-5)
    assert KnownError()(values) == 0


def test_the_truth_is_perfect():
    truth = torch.rand(3, 16, 17, generator=torch.Generator().manual_seed(0))
    values = frame(truth, truth, open_=torch.ones(16, 17, dtype=torch.bool))
    assert Psnr()(values) == HolePsnr()(values) == pytest.approx(10 * math.log10(12 * 255**2))
    assert Ssim()(values) == 1
    assert KnownError()(values) is None, "nothing was known"


def test_known_error_counts_steps_of_eight_bits():
    given = torch.tensor([10, 20, 30]).view(1, 1, 3).repeat(3, 1, 1) / 255
    image, open_ = given.clone(), mask("..x")
    image[:, 0, 2] = 0.9
    assert KnownError()(frame(image, given, given=given, open_=open_)) == 0
    image[1, 0, 1] = 17 / 255
    assert KnownError()(frame(image, given, given=given, open_=open_, counted=mask("x.."))) == 3
    assert KnownError()(frame(given + 0.4 / 255, given, given=given)) == 0, "what 8 bits cannot hold is no error"


def test_frames_are_averaged_and_known_errors_are_not():
    truth = torch.zeros(3, 1, 3)
    frames = [*frame(truth + 0.1, truth), *frame(truth + 1.0, truth), *frame(truth, truth, counted=mask("..."))]
    assert Psnr()(frames) == pytest.approx((20 + 0) / 2, abs=1e-5), "of the third, nothing is counted"
    frames = [*frame(truth + 4 / 255, truth, given=truth), *frame(truth, truth, given=truth)]
    assert KnownError()(frames) == 4


def test_ssim_equals_torchmetrics_where_all_is_counted():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 3, 20, 24, generator=generator).double()
    _, reference = structural_similarity_index_measure(
        first[None], second[None], data_range=1.0, gaussian_kernel=True, return_full_image=True
    )
    expected = reference[0, :, 5:-5, 5:-5].mean()  # there, windows do not leave the picture
    found = Ssim()(frame(first.float(), second.float()))
    assert found == pytest.approx(float(expected), abs=1e-6)  # float32 colours


def test_ssim_does_not_look_at_what_is_not_counted():
    generator = torch.Generator().manual_seed(0)
    image, truth, other = torch.rand(3, 3, 20, 24, generator=generator)
    counted = torch.ones(20, 24, dtype=torch.bool)
    counted[:, 12:] = False
    spoilt = torch.where(counted, image, other)
    assert Ssim()(frame(image, truth, counted=counted)) == Ssim()(frame(spoilt, truth, counted=counted))
    assert Ssim()(frame(image, truth, counted=counted)) != Ssim()(frame(image, truth))
    assert Ssim()(frame(image[:, :10], truth[:, :10])) is None, "no window of 11 rows fits"
    counted[:, 5:] = False
    assert Ssim()(frame(image, truth, counted=counted)) is None, "no window's centre is counted"
