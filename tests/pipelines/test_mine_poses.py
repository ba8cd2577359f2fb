"""Structure from motion of a rig in procedural worlds, whose poses are known."""

import dataclasses
import math

import pytest
import torch
from fisheye_rigs import BASELINE, filmed, fisheye, fisheye_rays, rig, world

from turnaround.geometry.se3 import rigid
from turnaround.geometry.trajectory import (
    path_length,
    rigid_alignment,
    rotation_error_deg,
    trajectory_error,
)
from turnaround.pipelines.mine.mapping import Mapping3D, Task, pairs, picture_name
from turnaround.pipelines.mine.poses import ColmapPoses, GivenPoses, _within
from turnaround.types import InputError, PoseEstimator
from turnaround.types.lens import EquirectangularLens, PerspectiveLens
from turnaround.types.mining import DropError

pytest.importorskip("pycolmap", reason="structure from motion needs the extra `colmap`")


def mapping(**changed):
    settings = {
        "features": 2000,
        "contrast": 0.004,
        "octave": -1,
        "key_frames": 40,
        "strides": [1, 2, 4],
        "loops": 4,
        "pixels": 2.0,
        "spread": 0.25,
        "parallax_deg": 0.3,
        "least_seen": 30,
    }
    return Mapping3D(**{**settings, **changed})


def estimator(**changed):
    return ColmapPoses(mapping=mapping(**changed), reach_deg=80.0, least_share=0.8, seconds=600.0)


def task(**changed):
    settings = {"parameters": [100.0, 64.0, 64.0], "model": "SIMPLE_FISHEYE", "baseline": BASELINE, "seed": 0}
    return Task(**{**settings, "frames": 12, "mapping": mapping(), **changed})


def equal(a, b):
    return all(
        torch.equal(getattr(a, name).nan_to_num(-1), getattr(b, name).nan_to_num(-1))
        for name in ("world_from_left", "left_from_right", "points")
    ) and (a.residual, a.observations) == (b.residual, b.observations)


@pytest.fixture(scope="module")
def moved():
    """Three frames on an orbit; the right eye is darker and 1.5 degrees off."""
    scene, lens, true_rig = world(5, frames=3, seconds=0.4, path="orbit"), fisheye(160), rig(1.5)
    return scene, lens, true_rig, list(filmed(scene, lens, true_rig, exposure=0.85))


@pytest.fixture(scope="module")
def found(moved):
    _, lens, _, frames = moved
    return estimator(contrast=0.002).poses(iter(frames), lens, baseline=BASELINE, seed=0)


def test_rig_and_path_are_found(moved, found):
    scene, _, true_rig, _ = moved
    assert isinstance(estimator(), PoseEstimator)
    assert found.found.all()
    # a pixel is 0.87 degrees; several hundred points found to about 0.3 of one tell the turn to about a twentieth of it
    assert rotation_error_deg(found.left_from_right[:3, :3], true_rig[:3, :3]) < 0.1
    assert found.left_from_right[:3, 3].norm() == pytest.approx(BASELINE, rel=1e-9)
    truth = scene.camera.world_from_cam
    # the unit of length comes of disparities of 1 to 5 pixels
    assert trajectory_error(found.world_from_left, truth, rigid_alignment) < 0.04 * path_length(truth)
    assert 0 < found.residual < 1
    assert found.observations > 2 * len(found.points) > 100


@pytest.mark.slow
def test_the_same_frames_give_the_same_bytes(moved, found):
    _, lens, _, frames = moved
    assert equal(found, estimator(contrast=0.002).poses(iter(frames), lens, baseline=BASELINE, seed=0))


@pytest.mark.slow
def test_a_frame_without_anything_is_not_found_and_too_many_drop_the_clip(moved):
    _, lens, _, frames = moved
    grey = torch.full((3, 160, 160), 0.5)
    with pytest.raises(DropError) as dropped:
        estimator().poses([(grey, grey)] * 2, lens, baseline=BASELINE, seed=0)
    assert (dropped.value.reason, dropped.value.value, dropped.value.limit) == ("poses", 0.0, 0.8)
    gap = [frames[0], (grey, grey), frames[1], frames[2]]
    lenient = dataclasses.replace(estimator(contrast=0.002), least_share=0.75)
    seen = lenient.poses(gap, lens, baseline=BASELINE, seed=0)
    assert seen.found.tolist() == [True, False, True, True]


@pytest.mark.slow
def test_a_rig_that_stands_still_is_calibrated(moved):
    """One stereo pair: the scene's depth alone tells how the eyes stand."""
    _, lens, true_rig, frames = moved
    seen = estimator(contrast=0.002).poses(frames[:1], lens, baseline=BASELINE, seed=2**32 - 1)
    assert seen.found.all()
    # a third of the points of the clip, each seen once by either eye
    assert rotation_error_deg(seen.left_from_right[:3, :3], true_rig[:3, :3]) < 0.3


def test_the_lens_is_purely_equidistant():
    import pycolmap

    lens = fisheye(192)
    pixels = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)).double() * 100 + 46
    camera = pycolmap.Camera(model="SIMPLE_FISHEYE", width=192, height=192, params=[lens.focal, 96, 96])
    shown = torch.stack([torch.from_numpy(camera.img_from_cam(ray.numpy())) for ray in fisheye_rays(lens, pixels)])
    assert torch.allclose(shown, pixels, atol=1e-9)  # float64


def test_features_are_looked_for_within_reach():
    inside = _within(fisheye(140), 35.0)
    # a degree is a pixel: the disc of radius 35 px, whose border crosses about 2 pi 35 pixels
    assert abs(int(inside.sum()) - math.pi * 35**2) < 2 * math.pi * 35
    assert inside[70, 104]
    assert not inside[70, 106]


def test_every_frame_is_matched_and_key_frames_are_evenly_spaced():
    assert task(frames=9, mapping=mapping(key_frames=3)).keys == [0, 4, 8]
    listed = list(pairs(task(frames=9, mapping=mapping(key_frames=3, strides=[1], loops=0))))
    assert len(listed) == len(set(listed))
    assert listed[:9] == [(picture_name(0, n), picture_name(1, n)) for n in range(9)]
    assert {(picture_name(0, 4), picture_name(1, 8)), (picture_name(1, 0), picture_name(0, 4))} <= set(listed)
    assert [second for first, second in listed if first == picture_name(0, 5)][1:] == [
        picture_name(0, 4),
        picture_name(0, 8),
    ]
    assert all(number in {int(a[-9:-4]) for pair in listed[9:] for a in pair} for number in range(9))


def test_loops_join_what_is_far_apart():
    without = set(pairs(task(mapping=mapping(strides=[1], loops=0))))
    added = set(pairs(task(mapping=mapping(strides=[1], loops=4)))) - without
    assert len(added) == 4 * 4  # both eyes with both
    assert {abs(int(a[-9:-4]) - int(b[-9:-4])) for a, b in added} <= {4, 6}


def test_what_fits_no_lens_is_refused(moved):
    _, lens, _, frames = moved
    wide = EquirectangularLens(start_yaw=-90.0, end_yaw=90.0, start_tilt=-90.0, end_tilt=90.0, height=8, width=8)
    with pytest.raises(InputError, match="a fisheye or a perspective lens"):
        estimator().poses(frames, wide, baseline=BASELINE, seed=0)
    with pytest.raises(InputError, match="frame 0: expected 96 x 96 as the lens, found 160 x 160"):
        estimator().poses(frames, fisheye(96), baseline=BASELINE, seed=0)
    with pytest.raises(InputError, match="at least one pair"):
        estimator().poses([], lens, baseline=BASELINE, seed=0)


def test_the_fingerprint_follows_the_settings():
    assert estimator().fingerprint() == estimator().fingerprint() != estimator(features=10).fingerprint()


def test_given_poses_are_of_rectified_pairs(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 2 0 1 0 0 0 0 1 0\n")
    lens = PerspectiveLens(intrinsics=torch.eye(3), height=2, width=2)
    given, dark = GivenPoses(path=str(path)), torch.zeros(3, 2, 2)
    pair = dark, dark
    assert isinstance(given, PoseEstimator)
    held = given.poses([pair, pair], lens, baseline=0.5, seed=0)
    assert held.world_from_left[:, 0, 3].tolist() == [0, 2]
    assert torch.equal(held.left_from_right, rigid(torch.eye(3).double(), torch.tensor([0.5, 0, 0]).double()))
    assert held.found.all()
    assert len(held.points) == held.observations == 0
    with pytest.raises(InputError, match="expected 1, one for each frame, found 2 poses"):
        given.poses([pair], lens, baseline=0.5, seed=0)
    before = given.fingerprint()
    path.write_text("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 3 0 1 0 0 0 0 1 0\n")
    assert given.fingerprint() != before


@pytest.mark.slow
def test_a_long_clip_with_moving_bodies_by_key_frames():
    """As the mining benchmark asks: 0.1 degrees of the rig, and 1 % of the path."""
    scene, lens, true_rig = world(5, frames=16, seconds=2.0, moving=0.3, path="orbit"), fisheye(384), rig(1.5)
    frames = filmed(scene, lens, true_rig, exposure=0.85)
    seen = estimator(key_frames=8).poses(frames, lens, baseline=BASELINE, seed=0)
    truth = scene.camera.world_from_cam
    assert seen.found.all()
    assert rotation_error_deg(seen.left_from_right[:3, :3], true_rig[:3, :3]) < 0.1
    assert trajectory_error(seen.world_from_left, truth, rigid_alignment) < 0.01 * path_length(truth)
