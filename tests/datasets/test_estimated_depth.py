"""Estimated depth of clips: what the kinds leave unknown, cameras, and that nothing is estimated twice."""

import math

import pytest
import torch

from turnaround.datasets.estimated_depth import EstimatedDepth, between
from turnaround.types import Clip, ClipSource, DepthEstimator, DepthKind, DepthVideo, InputError, Pinhole


class OneClip:
    """Brightness is what the estimator makes disparity of; it changes along the rows."""

    def ids(self):
        return ["a"]

    def clip(self, id):
        return Clip(id=id, video=torch.linspace(0.2, 0.6, 5).expand(2, 3, 4, 5).clone(), sources={"video": "a"})


class Brightness:
    """Red, with a scale and shift; counts the frames it has seen."""

    kind, weights = DepthKind.AFFINE_DISPARITY, ()

    def __init__(self, name="brightness", value=None):
        self.name, self.value, self.seen = name, value, 0

    def stream(self, frames, *, seed):
        for frame in frames:
            self.seen += 1
            yield 3 * frame[0] + 7 if self.value is None else torch.full_like(frame[0], self.value)


def estimated(tmp_path, estimator, **settings):
    values = {"near": 1.0, "far": 10.0, "horizontal_fov_deg": 90.0, "seed": 0} | settings
    return EstimatedDepth(clips=OneClip(), estimator=estimator, cache=str(tmp_path), **values)


def test_disparity_lies_between_near_and_far_whatever_its_scale(tmp_path):
    source = estimated(tmp_path, Brightness())
    assert isinstance(source, ClipSource)
    assert isinstance(source.estimator, DepthEstimator)
    clip = source.clip("a")
    assert clip.depth.kind is DepthKind.METRIC
    # 1 / metres goes evenly from 1/10 to 1 over five columns
    expected = 1 / torch.tensor([0.1, 0.325, 0.55, 0.775, 1.0])
    torch.testing.assert_close(clip.depth.values, expected.expand(2, 4, 5), rtol=1e-5, atol=0)
    assert clip.sources == {
        "video": "a",
        "depth": "estimated by brightness",
        "cameras": "assumed, 90 degrees wide",
    }


def test_cameras_stand_still_at_the_stated_angle(tmp_path):
    cameras = estimated(tmp_path, Brightness()).clip("a").cameras
    assert isinstance(cameras, Pinhole)
    assert len(cameras) == 2
    assert torch.equal(cameras.world_from_cam, torch.eye(4).expand(2, 4, 4))
    # half the width over the tangent of half of 90 degrees
    torch.testing.assert_close(cameras.intrinsics[1], torch.tensor([[2.5, 0, 2.5], [0, 2.5, 2], [0, 0, 1]]))


def test_estimates_are_kept_and_follow_from_the_estimator(tmp_path):
    first, again, other = Brightness(), Brightness(), Brightness("another")
    depth = estimated(tmp_path, first).clip("a").depth.values
    assert torch.equal(estimated(tmp_path, again).clip("a").depth.values, depth)
    estimated(tmp_path, other).clip("a")
    assert (first.seen, again.seen, other.seen) == (2, 0, 2)
    (kept, _) = sorted(tmp_path.glob("*.npz"))
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(estimated(tmp_path, again).clip("a").depth.values, depth), "a damaged file is made again"
    assert again.seen == 2
    assert kept.stat().st_size > 100 or len(list(tmp_path.glob("*.npz"))) == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (DepthKind.METRIC, [2.0, 3.0, 4.0]),
        (DepthKind.SCALE_INVARIANT, [1.0, 1.5, 2.0]),
        (DepthKind.AFFINE_DEPTH, [1.0, 3.0, 5.0]),
        (DepthKind.AFFINE_DISPARITY, [5.0, 1 / 0.6, 1.0]),
    ],
)
def test_each_kind_keeps_what_it_knows(kind, expected):
    found = between(DepthVideo(values=torch.tensor([[[2.0, 3.0, 4.0]]]), kind=kind), 1.0, 5.0)
    torch.testing.assert_close(found.flatten(), torch.tensor(expected))


@pytest.mark.parametrize("kind", [DepthKind.AFFINE_DEPTH, DepthKind.AFFINE_DISPARITY])
def test_a_flat_estimate_stands_far_away(kind):
    found = between(DepthVideo(values=torch.full((1, 2, 2), 3.0), kind=kind), 1.0, 5.0)
    torch.testing.assert_close(found, torch.full((1, 2, 2), 5.0))


def test_bad_settings_and_estimates_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"near, far: expected distances 0 < near < far, in metres, found 3 and 2"):
        estimated(tmp_path, Brightness(), near=3.0, far=2.0)
    with pytest.raises(InputError, match="horizontal_fov_deg: expected 0 to 180 degrees, found 180"):
        estimated(tmp_path, Brightness(), horizontal_fov_deg=180.0)
    source = estimated(tmp_path, Brightness("broken", math.nan))
    with pytest.raises(InputError, match="clip a: expected finite depth, found 40 that are not finite"):
        source.clip("a")
    assert list(source.drops.reasons) == ["a"]
