import pytest
import torch
from inpainting import camera

from turnaround.geometry.surroundings import on_ground
from turnaround.pipelines.orbit.relief import Relief, Sharpening, disparity_of, estimated, fitted_to
from turnaround.types import DepthKind, InputError

NONE = Sharpening(taps=1, stride=0.1, spread=0.1, passes=0)
RELIEF = Relief(near=2.0, ratio=8.0, ground=0.1, sharpening=NONE)


def ramp(low, high):
    return torch.linspace(low, high, 64).expand(48, 64).contiguous()


@pytest.mark.parametrize(
    ("estimate", "kind"),
    [
        (ramp(-3.0, 5.0), DepthKind.AFFINE_DISPARITY),
        (ramp(7.0, -1.0), DepthKind.AFFINE_DEPTH),
    ],
)
def test_what_has_no_scale_spans_near_to_near_times_ratio(estimate, kind):
    inverse = RELIEF.inverse_depth(estimate, kind)
    assert 1 / inverse.amax().item() == pytest.approx(2.0, rel=1e-4)
    assert 1 / inverse.amin().item() == pytest.approx(16.0, rel=1e-4)
    assert (inverse.diff(dim=1) >= 0).all()


def test_metres_stay_metres_and_the_far_is_bounded():
    depth = ramp(1.0, 50.0)
    inverse = RELIEF.inverse_depth(depth, DepthKind.METRIC)
    near = depth < 7
    torch.testing.assert_close(1 / inverse[near], depth[near])
    # 8 times what is nearer than all but a thousandth of the picture, here the nearest column
    assert 1 / inverse.amin().item() == pytest.approx(8.0, rel=1e-2)


def test_a_scale_is_set_by_the_nearest():
    inverse = RELIEF.inverse_depth(ramp(30.0, 60.0), DepthKind.SCALE_INVARIANT)
    assert 1 / inverse.amax().item() == pytest.approx(2.0, rel=1e-3)
    assert 1 / inverse.amin().item() == pytest.approx(4.0, rel=1e-3)


def test_a_flat_scene_is_as_near_as_the_nearest():
    assert (RELIEF.inverse_depth(torch.zeros(48, 64), DepthKind.AFFINE_DISPARITY) == 0.5).all()


def test_blurred_edges_become_those_of_the_picture():
    picture = torch.zeros(3, 40, 60)
    picture[:, :, 27:] = 1.0
    blurred = torch.cat([torch.full((24,), 1.0), torch.linspace(1.0, 0.2, 12), torch.full((24,), 0.2)]).expand(40, 60)
    sharpening = Sharpening(taps=4, stride=0.05, spread=0.1, passes=2)
    sharp = sharpening(blurred.contiguous(), picture)
    # the two columns beside the edge are 6 and 9 of the 12 steps down; a median of one side alone takes it back
    assert float(sharp[20, 26]) > 0.9
    assert float(sharp[20, 27]) < 0.35
    flat = torch.full((40, 60), 0.5)
    assert torch.equal(sharpening(flat, picture), flat)


def test_what_is_nearly_on_the_ground_lies_on_it():
    view = camera(48, 64)
    ground = torch.tensor([0.0, 1.0, 0.05], dtype=torch.float64)
    plane = on_ground(ground, view).clamp(min=0.02)
    wavy = plane * (1 + 0.03 * torch.sin(torch.arange(64.0)))
    wavy[20:30, 20:30] = 2.0  # stands before it
    shaped = RELIEF.shaped(wavy.float(), torch.zeros(3, 48, 64), view)
    below = plane > 0.1
    below[20:30, 20:30] = False
    assert float(((shaped - plane) / plane)[below].abs().max()) < 0.02  # of waves of 0.03, and the fit is to them
    assert (shaped[20:30, 20:30] == 2.0).all()


def test_some_known_depths_tell_the_scale_and_the_shift():
    inverse = ramp(0.1, 1.0)
    known = torch.full((48, 64), torch.nan)
    known[8::16, 8::16] = 1 / inverse[8::16, 8::16]
    found = fitted_to(known, 3 * inverse + 7, DepthKind.AFFINE_DISPARITY)
    inside = (inverse < 1 / float(known[known > 0].min())) & (inverse > 1 / float(known[known > 0].max()))
    torch.testing.assert_close(found[inside], inverse[inside], rtol=1e-4, atol=0)
    assert float(found.max()) <= 1.2 / float(known[known > 0].min()) * (1 + 1e-6)


def test_larger_is_nearer_for_every_kind():
    depth = ramp(1.0, 10.0)
    for kind in (DepthKind.METRIC, DepthKind.SCALE_INVARIANT, DepthKind.AFFINE_DEPTH):
        assert (disparity_of(depth, kind).diff(dim=1) < 0).all()
    assert disparity_of(depth, DepthKind.AFFINE_DISPARITY) is depth


class Broken:
    """An estimator that gives what nobody asked for."""

    name, kind, weights = "broken", DepthKind.METRIC, ()

    def __init__(self, maps):
        self.maps = maps

    def stream(self, frames, *, seed):
        yield from self.maps

    def resume(self, frames, *, seed, work):
        yield from self.maps

    def fingerprint(self):
        return "broken"


@pytest.mark.parametrize("maps", [[], [torch.ones(4, 4)], [torch.full((6, 8), torch.nan)], [torch.ones(6, 8)] * 2])
def test_an_estimate_must_be_one_finite_map(maps):
    with pytest.raises(InputError, match="depth by broken: expected one finite map"):
        estimated(Broken(maps), torch.zeros(3, 6, 8), 0)


def test_a_scale_that_means_nothing_is_refused():
    with pytest.raises(InputError, match="relief"):
        Relief(near=1.0, ratio=1.0, ground=0.1, sharpening=NONE)
