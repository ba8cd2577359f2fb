import pytest
import torch

from turnaround.scenes.lifted_tracks import LiftedTracks, LiftedTrackSampler
from turnaround.types import InputError


@pytest.fixture(scope="module")
def sample() -> LiftedTracks:
    return LiftedTrackSampler(frames=120, count=400, correlation=0.5)(0)


def test_half_stands_still_a_quarter_goes_straight_and_a_quarter_turns(sample):
    world = sample.truth.world.double()
    way, bend = (world.diff(n=order, dim=0).norm(dim=-1) for order in (1, 2))
    assert sample.moving.sum() == 200
    assert way[:, ~sample.moving].max() == 0
    # 1e-5: float32 at some metres
    torch.testing.assert_close(way[:, 200:300], torch.full_like(way[:, 200:300], 0.03), rtol=0, atol=1e-5)
    assert bend[:, 200:300].max() < 1e-5
    torch.testing.assert_close(bend[:, 300:], torch.full_like(bend[:, 300:], 5e-4), rtol=0, atol=1e-5)


def test_disparities_of_lifted_points_err_as_stated(sample):
    depth = [(t.world - sample.centres[:, None])[..., 2] for t in (sample.lifted, sample.truth)]
    error = 443.405 * 0.063 * (1 / depth[0] - 1 / depth[1])
    inside = sample.truth.visible & (443.405 * 0.063 / depth[1] > 3)  # where the limit of 20 metres cuts nothing off
    assert error[inside].std().item() == pytest.approx(0.3, rel=0.05)  # of 20000 samples, every other one independent
    pairs = inside[1:] & inside[:-1]
    together = torch.stack([error[1:][pairs], error[:-1][pairs]])
    assert torch.corrcoef(together)[0, 1].item() == pytest.approx(0.5, abs=0.05)


def test_pixels_are_where_the_camera_sees_the_points(sample):
    for tracks in (sample.lifted, sample.truth):
        seen = (tracks.world - sample.centres[:, None])[tracks.visible]
        # float32 at hundreds of pixels
        torch.testing.assert_close(
            443.405 * seen[:, :2] / seen[:, 2:], tracks.pixels[tracks.visible], rtol=0, atol=1e-2
        )


def test_what_moves_has_more_motion(sample):
    assert sample.motion[~sample.moving].max() < sample.motion[sample.moving].median()
    assert 0.5 < sample.truth.visible.float().mean() < 1


def test_seeds_give_the_same_and_others_others():
    sampler = LiftedTrackSampler(frames=20, count=8)
    assert torch.equal(sampler(3).lifted.world, sampler(3).lifted.world)
    assert not torch.equal(sampler(3).lifted.world, sampler(4).lifted.world)


def test_a_count_that_has_no_quarters_is_refused():
    with pytest.raises(InputError, match="multiple of 4"):
        LiftedTrackSampler(frames=20, count=6)(0)
