"""Small pictures are means of what they cover."""

import math

import torch

from turnaround.geometry.lenses import finer, fisheye_lens, half_sphere_lens, lens_rays, perspective_lens
from turnaround.geometry.projection import pixel_grid
from turnaround.render.preview import SmoothResampling, pixels_per_radian
from turnaround.render.resample import Resampling

AHEAD = torch.eye(3, dtype=torch.float64)


def test_density_of_lenses_that_are_even_in_angle():
    assert math.isclose(pixels_per_radian(fisheye_lens(512, 140.0)), 512 / math.radians(140), rel_tol=1e-9)
    assert math.isclose(pixels_per_radian(half_sphere_lens(256, 256)), 256 / math.pi, rel_tol=1e-9)


def test_a_finer_lens_shows_the_same_in_more_pixels():
    for lens in (perspective_lens(8, 60.0), fisheye_lens(8, 140.0), half_sphere_lens(8, 8)):
        fine = finer(lens, 3)
        grid = pixel_grid(8, 8, like=torch.zeros((), dtype=torch.float64))
        torch.testing.assert_close(lens_rays(fine, 3 * grid), lens_rays(lens, grid))


def test_stripes_of_one_pixel_become_grey_and_without_averaging_they_do_not():
    source, target = half_sphere_lens(720, 720), perspective_lens(24, 60.0)
    stripes = (torch.arange(720) % 2).float().expand(3, 720, 720).contiguous()
    smooth = SmoothResampling(source, target, AHEAD)
    assert smooth.factor == 8  # 229 pixels a radian against 21 would be 11, which is more than the most
    middle = smooth(stripes)[:, 4:-4, 4:-4]
    assert float((middle - 0.5).abs().max()) < 0.15  # eight samples fall unevenly on light and dark
    rough = Resampling(source, target, AHEAD)(stripes)[:, 4:-4, 4:-4]
    assert float((rough - 0.5).abs().max()) > 0.4


def test_a_finer_target_is_only_sampled():
    source, target = half_sphere_lens(64, 64), perspective_lens(64, 60.0)
    smooth = SmoothResampling(source, target, AHEAD)
    picture = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert smooth.factor == 1
    assert torch.equal(smooth(picture), Resampling(source, target, AHEAD)(picture))
