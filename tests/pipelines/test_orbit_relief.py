import pytest
import torch

from turnaround.pipelines.orbit.relief import Relief, disparity_of, estimated
from turnaround.types import DepthKind, InputError

RELIEF = Relief(near=2.0, ratio=8.0, edge=0.1, reach=0)


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


def test_blurred_edges_become_steps_and_slopes_stay():
    row = torch.cat([torch.full((10,), 1.0), torch.tensor([0.9, 0.6, 0.3]), torch.full((10,), 0.2)])
    stepped = Relief(near=1.0, ratio=8.0, edge=0.1, reach=3).with_steps(row.expand(8, -1).contiguous())
    assert set(stepped[4].tolist()) == {row[0].item(), row[-1].item()}
    slope = torch.linspace(1.0, 0.9, 30).expand(8, -1).contiguous()
    assert torch.equal(Relief(near=1.0, ratio=8.0, edge=0.1, reach=3).with_steps(slope), slope)


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
        Relief(near=1.0, ratio=1.0, edge=0.1, reach=0)
