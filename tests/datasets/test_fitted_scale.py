"""Depth of an unknown unit is brought to that of the cameras."""

from dataclasses import replace

import pytest
import torch
from filmed_orbits import HEIGHT, WIDTH, orbits, write_realestate

from turnaround.datasets.drops import DroppedError
from turnaround.datasets.estimated_depth import EstimatedDepth
from turnaround.datasets.fitted_scale import FittedScale, agreeing
from turnaround.datasets.realestate import RealEstate
from turnaround.types import ClipSource, DepthKind, DepthVideo


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    return orbits(tmp_path_factory.mktemp("worlds"))


class Scaled:
    """Clips whose depth is off by a factor, or whose cameras are."""

    def __init__(self, clips, factor, cameras):
        self.clips, self.factor, self.cameras = clips, factor, cameras

    def ids(self):
        return self.clips.ids()

    def clip(self, id):
        clip = self.clips.clip(id)
        poses = clip.cameras.world_from_cam.clone()
        poses[:, :3, 3] *= self.cameras
        return replace(
            clip,
            depth=DepthVideo(values=clip.depth.values * self.factor, kind=DepthKind.METRIC),
            cameras=replace(clip.cameras, world_from_cam=poses),
        )


def fitted(clips, tmp_path, least_matches=20):
    return FittedScale(
        clips=clips, least_matches=least_matches, most_error=0.5, least_degrees=1.0, cache=str(tmp_path / "kept")
    )


@pytest.mark.parametrize(("depth", "cameras"), [(0.31, 1.0), (1.0, 5.0)])
def test_a_known_factor_is_found(worlds, depth, cameras, tmp_path):
    source = fitted(Scaled(worlds, depth, cameras), tmp_path)
    assert isinstance(source, ClipSource)
    for id in source.ids():
        clip, truth = source.clip(id), worlds.clip(id)
        ratio = clip.depth.values / (truth.depth.values * cameras)
        # Points lie within half a pixel in 144 x 192; the mean of dozens comes within a percent or two
        assert ratio.nanmedian().item() == pytest.approx(1, abs=0.03)
        assert ratio[ratio.isfinite()].std() < 1e-4, "one factor for all"
        assert " points" in clip.sources["scale"]


def test_the_fit_is_kept(worlds, tmp_path):
    first = fitted(worlds, tmp_path).clip("00000000")
    (path,) = (tmp_path / "kept").glob("*.npz")
    written = path.stat().st_mtime_ns
    assert torch.equal(fitted(worlds, tmp_path).clip("00000000").depth.values, first.depth.values)
    assert path.stat().st_mtime_ns == written


class Still(Scaled):
    """All frames are the first."""

    def clip(self, id):
        clip = super().clip(id)
        poses = clip.cameras.world_from_cam[:1].expand(5, 4, 4).clone()
        return replace(
            clip,
            video=clip.video[:1].expand(5, 3, HEIGHT, WIDTH).clone(),
            cameras=replace(clip.cameras, world_from_cam=poses),
        )


def test_a_clip_that_tells_nothing_is_dropped_by_name(worlds, tmp_path, capsys):
    source = fitted(Still(worlds, 1.0, 1.0), tmp_path)
    with pytest.raises(DroppedError, match=r"clip 00000000: expected 20 points whose .*, found 0 of 0"):
        source.clip("00000000")
    assert "clips with fitted depth: 1 dropped so far, now 00000000" in " ".join(capsys.readouterr().err.split())


def test_wrong_matches_are_left_out():
    right = torch.linspace(1.9, 2.1, 21, dtype=torch.float64)
    wrong = torch.linspace(0.1, 1.2, 12, dtype=torch.float64)
    mixed = torch.cat([right, wrong])
    assert mixed.median() < 1.96
    assert agreeing(mixed).median() == pytest.approx(2.0)
    assert len(agreeing(mixed[:0])) == 0


class TrueDisparity:
    """What a perfect estimator of affine disparity gives of one clip."""

    name, kind, weights = "truth", DepthKind.AFFINE_DISPARITY, ()

    def __init__(self, depth):
        self.depth = depth

    def stream(self, frames, *, seed):
        for _, depth in zip(frames, self.depth, strict=True):
            yield 4 / depth + 2


def test_files_estimates_and_fit_together(worlds, tmp_path):
    clip = worlds.clip("00000000")
    write_realestate(tmp_path, "orbit", clip)
    filmed = RealEstate(
        root=str(tmp_path), height=HEIGHT, width=WIDTH, frames=5, stride=1, cache=str(tmp_path / "kept")
    )
    near, far = float(clip.depth.values.min()), float(clip.depth.values.max())
    # Of half the true distances, so that the unit is wrong by 2
    estimated = EstimatedDepth(
        clips=filmed,
        estimator=TrueDisparity(clip.depth.values),
        cache=str(tmp_path / "kept"),
        near=near / 2,
        far=far / 2,
        horizontal_fov_deg=60.0,
        seed=0,
    )
    found = fitted(estimated, tmp_path, 10).clip("orbit")
    assert found.cameras.intrinsics[0, 0, 0] == pytest.approx(float(clip.cameras.intrinsics[0, 0, 0]), abs=1e-3)
    ratio = (found.depth.values / clip.depth.values).median().item()
    assert ratio == pytest.approx(1, abs=0.04)  # H.264 costs points and moves them
