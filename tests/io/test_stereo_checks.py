"""What pairs of pictures say of each other, and what several of them say together."""

import pytest
import torch
from small_videos import gradient, noise
from stereo_films import eyes

from turnaround.geometry.lenses import half_sphere_lens, lens_pixels, perspective_lens
from turnaround.io.stereo_checks import Finding, Look, crossed_degrees, look, require_stereo, show_one_scene
from turnaround.types import InputError

NOTHING = torch.zeros(0, 2)


def found(finding):
    return Look(finding=finding, left=NOTHING, right=NOTHING)


def test_a_pair_is_one_scene_or_not():
    left, right = (eye[0] for eye in eyes(1))
    other = noise(1, 256, 256)[0]
    noisy = (left + 2 / 255 * torch.randn(left.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    for pair, finding in (
        ((left, right), Finding.ONE_SCENE),
        ((left, noisy), Finding.SAME_PICTURE),
        ((left, other), Finding.UNRELATED),
        ((left, right.flip(1)), Finding.UNRELATED),
        ((left, gradient(1, 256, 256)[0]), Finding.UNTEXTURED),
    ):
        assert look(*pair).finding is finding
    matched = look(left, right)
    offsets = matched.left - matched.right  # 6 pixels above, 12 below
    near = torch.where(matched.left[:, 1] < 128, 6.0, 12.0)
    assert float((offsets[:, 0] - near).abs().median()) < 0.1  # as fine as SIFT tells on its own texture, shifted
    assert float(offsets[:, 1].abs().median()) < 0.1


def test_most_of_what_can_be_told_decides():
    one, apart, grey = found(Finding.ONE_SCENE), found(Finding.UNRELATED), found(Finding.UNTEXTURED)
    assert show_one_scene([])
    assert show_one_scene([grey, grey, one])
    assert show_one_scene([one, one, apart])
    assert not show_one_scene([one, apart, apart, grey])
    same, lenses = found(Finding.SAME_PICTURE), (half_sphere_lens(8, 8), half_sphere_lens(8, 8))
    require_stereo("film", [same, one], lenses, crossed_deg=0.5)
    with pytest.raises(InputError, match="both eyes show the same picture"):
        require_stereo("film", [same, grey], lenses, crossed_deg=0.5)


def seen(yaws, lens):
    """Pixels of points at these degrees to the right."""
    yaws = torch.tensor(yaws, dtype=torch.float64).deg2rad()
    return lens_pixels(lens, torch.stack([yaws.sin(), torch.zeros_like(yaws), yaws.cos()], dim=-1)).float()


def test_offsets_are_told_in_degrees_through_either_lens():
    lenses = perspective_lens(100, 90.0), half_sphere_lens(100, 200)
    yaws = [float(yaw) for yaw in range(-20, 20)]

    def crossed(offsets):
        right = seen([yaw + offset for yaw, offset in zip(yaws, offsets, strict=True)], lenses[1])
        return crossed_degrees([Look(finding=Finding.ONE_SCENE, left=seen(yaws, lenses[0]), right=right)], lenses)

    # pixels in float32
    assert crossed([-2.0] * 40) == pytest.approx(-2.0, abs=1e-3)
    assert crossed([1.5] * 25 + [1.0] * 15) == pytest.approx(1.5, abs=1e-3)
    # most far away and some near: a tail to the left is as it should be, one to the right is not
    assert crossed([0.0] * 30 + [-3.0] * 10) == pytest.approx(0.0, abs=1e-3)
    assert crossed([0.0] * 30 + [3.0] * 10) == pytest.approx(3.0, abs=1e-3)
    # eyes that squint by 0.4 degrees do not change that
    assert crossed([0.4] * 30 + [-2.6] * 10) == pytest.approx(0.4, abs=1e-3)
    assert crossed_degrees([Look(finding=Finding.ONE_SCENE, left=NOTHING, right=NOTHING)], lenses) == 0
