"""Pairs of frames of mined clips with their point maps and motion, against the worlds they were filmed from."""

from dataclasses import replace

import pytest
import torch
from mined_folders import SIZE, store_of, write_mined_folder

from turnaround.datasets.clip_order import AtRandom
from turnaround.datasets.drops import DroppedError
from turnaround.datasets.stereo4d_pairs import (
    DepthPoints,
    FramePair,
    Stereo4DPairs,
    TrackPoints,
    TracksThenDepth,
    fixed_pairs,
    point_maps,
    read_pair,
)
from turnaround.types import InputError, PointMapBatch


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    root = tmp_path_factory.mktemp("mined")
    return root, write_mined_folder(root, [1, 2])


PAIR = FramePair(clip="", a=0, b=4, query=1)


def maps_of(mined, source, number=0):
    root, scenes = mined
    name = list(scenes)[number]
    clip = read_pair(store_of(root), replace(PAIR, clip=name))
    return clip, point_maps(clip, PAIR.time, source), scenes[name]


def test_points_of_tracks_lie_in_the_first_camera_where_the_pixel_shows_them(mined):
    clip, batch, scene = maps_of(mined, TrackPoints())
    assert batch.time.tolist() == [0.25]
    assert torch.equal(batch.images[0], clip.video[[0, 2]])
    k = scene.camera.intrinsics[0]
    world_from_a, b_from_world = scene.camera.world_from_cam[0], torch.linalg.inv(scene.camera.world_from_cam[4])
    for view, cam_from_a in ((0, torch.eye(4).double()), (1, b_from_world @ world_from_a)):
        valid = batch.valid[0, view]
        assert 0.1 < valid.float().mean() < 1
        points = batch.points[0, view][valid].double() @ cam_from_a[:3, :3].T + cam_from_a[:3, 3]
        projected = points @ k.T
        pixels = (projected[:, :2] / projected[:, 2:]).floor().long()
        rows, columns = valid.nonzero().T
        agree = (pixels == torch.stack([columns, rows], 1)).all(1)
        assert agree.float().mean() > 0.99  # but for those on a border, by rounding


def test_of_points_in_a_pixel_the_nearest_is_taken(mined):
    clip, batch, _ = maps_of(mined, TrackPoints())
    pose = torch.linalg.inv(clip.cameras.world_from_cam[0])
    z = (clip.tracks.world[0].double() @ pose[:3, :3].T + pose[:3, 3])[:, 2]
    cell = clip.tracks.pixels[0].floor()
    for row, column in batch.valid[0, 0].nonzero()[::37].tolist():
        here = (cell == torch.tensor([column, row])).all(1) & (z > 0)
        assert float(batch.points[0, 0, row, column, 2]) == pytest.approx(float(z[here].min()), rel=1e-5)


def test_motion_leads_to_where_the_track_is_at_the_time_asked_for(mined):
    still, moving = 0, 0
    for number in (0, 1):
        clip, batch, _ = maps_of(mined, TrackPoints(), number)
        a_from_world = torch.linalg.inv(clip.cameras.world_from_cam[0])
        there = clip.tracks.world[1].double() @ a_from_world[:3, :3].T + a_from_world[:3, 3]
        for view in (0, 1):
            valid = batch.motion_valid[0, view]
            assert not (valid & ~batch.valid[0, view]).any()
            landed = (batch.points + batch.motion)[0, view][valid].double()
            distance = torch.cdist(landed, there[there.isfinite().all(1)]).amin(1)
            assert distance.max() < 1e-4  # of float32 at some metres
            speed = batch.motion[0, view][valid].norm(dim=-1)
            still, moving = still + int((speed < 1e-5).sum()), moving + int((speed > 0.01).sum())
        assert (batch.motion[~batch.motion_valid] == 0).all()
    assert still > 0
    assert moving > 0


def test_points_of_depth_are_dense_and_agree_with_the_tracks(mined):
    _, dense, _ = maps_of(mined, DepthPoints())
    _, sparse, _ = maps_of(mined, TrackPoints())
    _, both, _ = maps_of(mined, TracksThenDepth())
    assert dense.valid.all()
    assert both.valid.all()
    assert torch.equal(both.points[sparse.valid], sparse.points[sparse.valid])
    assert torch.equal(both.points[~sparse.valid], dense.points[~sparse.valid])
    # a track stands anywhere in its pixel, so that they differ by a pixel's width, and more on outlines
    apart = (dense.points - sparse.points)[sparse.valid].norm(dim=-1) / dense.points[sparse.valid].norm(dim=-1)
    assert apart.median() < 0.05


def test_batches_of_pairs_follow_from_their_place(mined):
    root, _ = mined
    settings = {"order": AtRandom(seed=1), "points": TrackPoints(), "apart": [2, 4], "seed": 3}
    pairs = Stereo4DPairs(store=store_of(root), height=SIZE, width=SIZE, pixels_per_batch=3 * SIZE * SIZE, **settings)
    batch = pairs[7, 1]
    assert isinstance(batch, PointMapBatch)
    assert batch.images.shape == (3, 2, 3, SIZE, SIZE)
    assert ((batch.time > 0) & (batch.time < 1)).all()
    assert torch.equal(batch.points, pairs[7, 1].points)
    assert not torch.equal(batch.points, pairs[7, 0].points)
    with pytest.raises(InputError, match="more than 9 frames"):
        Stereo4DPairs(
            store=store_of(root), height=SIZE, width=SIZE, pixels_per_batch=1, **(settings | {"apart": [9, 9]})
        )[0, 0]


def test_pairs_to_test_on_stay_when_other_clips_are_taken_down():
    lengths = {"a": 40, "b": 100, "short": 2}
    pairs = fixed_pairs(lengths, each=20, apart=(2, 30), seed=0)
    assert len(pairs) == 40
    for pair in pairs:
        assert 0 <= pair.a < pair.query < pair.b < lengths[pair.clip]
        assert 2 <= pair.b - pair.a <= 30
    assert fixed_pairs({"b": 100}, each=20, apart=(2, 30), seed=0) == [pair for pair in pairs if pair.clip == "b"]
    assert pairs != fixed_pairs(lengths, each=20, apart=(2, 30), seed=1)


def test_a_clip_without_tracks_has_no_point_maps(mined):
    clip, _, _ = maps_of(mined, TrackPoints())
    empty = replace(clip.tracks, **{n: getattr(clip.tracks, n)[:, :0] for n in ("world", "pixels", "visible")})
    with pytest.raises(DroppedError, match="expected tracks and cameras"):
        point_maps(replace(clip, tracks=empty), 0.5, TrackPoints())
    with pytest.raises(DroppedError, match="expected depth, found none"):
        point_maps(replace(clip, depth=None), 0.5, DepthPoints())
