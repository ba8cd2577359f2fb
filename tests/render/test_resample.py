"""Resampled pictures against bilinear values by hand, and against the truth of a smooth picture on the sphere."""

import pytest
import torch

from turnaround.geometry.lenses import fisheye_lens, half_sphere_lens, lens_rays, perspective_lens
from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.se3 import rotation_about
from turnaround.render.resample import Resampling, resample
from turnaround.types import InputError, PerspectiveLens


def flat(height, width, focal, x):
    k = torch.tensor([[focal, 0, x], [0, focal, height / 2], [0, 0, 1]], dtype=torch.float64)
    return PerspectiveLens(intrinsics=k, height=height, width=width)


def painted(lens, turn):
    """Smooth colours of directions, seen through a lens that is turned in the world."""
    rays = lens_rays(lens, pixel_grid(lens.height, lens.width, like=torch.zeros((), dtype=torch.float64))) @ turn.T
    return (0.5 + 0.5 * torch.sin(3 * rays)).permute(2, 0, 1).float().contiguous()


def test_a_shift_by_half_a_pixel_is_the_mean_of_neighbours_and_black_outside():
    picture = torch.rand(3, 2, 4, generator=torch.Generator().manual_seed(0))
    found = resample(picture, flat(2, 4, 5.0, 2.0), flat(2, 4, 5.0, 1.5), torch.eye(3))
    padded = torch.cat([picture, torch.zeros(3, 2, 1)], dim=2)
    torch.testing.assert_close(found, (padded[..., :-1] + padded[..., 1:]) / 2)
    far = resample(picture, flat(2, 4, 5.0, 2.0), flat(2, 4, 5.0, -200.0), torch.eye(3))
    assert not far.any()


def test_a_turned_view_shows_what_it_should():
    turn = rotation_about(torch.tensor([0.3, 1.0, 0.2], dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64))
    source = half_sphere_lens(360, 360)
    for target in (perspective_lens(64, 60.0), fisheye_lens(64, 100.0)):
        found = resample(painted(source, torch.eye(3, dtype=torch.float64)), source, target, turn)
        # colours bend by at most 9/2 per radian squared, pixels are 1/2 degree: linear errors of h^2 / 8 * 4.5 * 2
        torch.testing.assert_close(found, painted(target, turn), rtol=0.0, atol=1e-4)


def test_behind_a_lens_it_is_black():
    found = resample(torch.ones(3, 64, 64), perspective_lens(64, 60.0), fisheye_lens(65, 360.0), torch.eye(3))
    assert found[:, 32, 32].eq(1).all()
    assert not found[:, 32, 0].any()
    assert not found[:, 0, 0].any()


def test_bytes_are_rounded_and_sizes_checked():
    turn = Resampling(flat(1, 2, 5.0, 1.0), flat(1, 2, 5.0, 0.5), torch.eye(3))
    row = torch.tensor([[[10, 20, 30], [21, 41, 62]]], dtype=torch.uint8).numpy()
    assert turn.pixels(row).tolist()[0][0] in ([16, 30, 46], [15, 30, 46])  # 15.5 may go either way
    with pytest.raises(InputError, match=r"expected the size of its lens, 2 x 1, found 3 x 1"):
        turn(torch.zeros(3, 1, 3))
