"""Mined folders as clips, windows and rectified pairs, against the worlds they were filmed from."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mined_folders import BASELINE, FRAMES, SIZE, fov_of, reader, store_of, write_mined_folder

from turnaround.datasets.clip_order import AtRandom
from turnaround.datasets.drops import DroppedError
from turnaround.datasets.pairs import StereoSource
from turnaround.datasets.stereo4d import Stereo4DClips, Stereo4DStereo, Stereo4DWindows
from turnaround.datasets.stereo4d_store import (
    ClipStore,
    QualityLimits,
    Stereo4DFolder,
    WithoutTracks,
    WithTracks,
)
from turnaround.io.clip_quality import read_clip_quality, write_clip_quality
from turnaround.io.mined_files import mined_files
from turnaround.io.video import write_video
from turnaround.scenes.observe import film, surface
from turnaround.types import ClipSource, DepthBatch, InputError

ALL = QualityLimits(moving_pixels=1.0, least_moving=0.0, least_tracks=1, most_calibration=1.0, most_vertical=1.0)


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    root = tmp_path_factory.mktemp("mined")
    return root, write_mined_folder(root, [1, 2])


def test_a_clip_is_what_the_world_is(mined):
    root, scenes = mined
    store = store_of(root, limits=ALL)
    clips = Stereo4DClips(store=store, frames=2)
    assert isinstance(store, ClipStore)
    assert isinstance(clips, ClipSource)
    name, scene = next(iter(scenes.items()))
    assert clips.ids()[:3] == [f"{name}/000000", f"{name}/000002", f"{name}/000004"]
    clip = clips.clip(f"{name}/000002")
    # half of an 8 bit step, and what H.264 at its finest adds
    assert (clip.video - film(scene, samples=1)[2:4]).abs().mean() < 0.03
    assert (clip.right - film(scene.right_eye(BASELINE), samples=1)[2:4]).abs().mean() < 0.03
    assert torch.equal(clip.cameras.world_from_cam, scene.camera.world_from_cam[2:4])
    # K is float32 in geometry.projection, and goes through degrees
    torch.testing.assert_close(clip.cameras.intrinsics, scene.camera.intrinsics[2:4], rtol=1e-5, atol=1e-5)
    truth = torch.stack([surface(scene, frame).depth for frame in (2, 3)])
    torch.testing.assert_close(clip.depth.values, truth, rtol=1e-3, atol=0)  # float16 has 11 bits
    assert clip.baseline == BASELINE
    assert clip.sources["depth"].endswith(f"disparity/{name}.npz")


def test_tracks_are_projected_where_the_world_shows_them(mined):
    root, scenes = mined
    name, _ = next(iter(scenes.items()))
    clip = store_of(root).clip(name, range(FRAMES))
    quality = read_clip_quality(mined_files(root, name).quality)
    known = ~quality.pixels.isnan().any(-1)
    assert known.any()
    # world points and pixels are stored as float32; a few metres at some 30 pixels per unit
    torch.testing.assert_close(clip.tracks.pixels[known].float(), quality.pixels[known], rtol=0, atol=2e-3)
    assert clip.tracks.visible[known].float().mean() > 0.99  # but for those on the border, by rounding
    assert not clip.tracks.visible[~known].any()


def test_without_tracks_a_clip_is_the_same_otherwise(mined):
    root, scenes = mined
    name = next(iter(scenes))
    whole, light = (store_of(root, annotation=kind).clip(name, [1, 4]) for kind in (WithTracks(), WithoutTracks()))
    assert light.tracks is None
    assert "tracks" not in light.sources
    assert torch.equal(whole.cameras.world_from_cam, light.cameras.world_from_cam)
    assert torch.equal(whole.video, light.video)
    left = store_of(root, eyes=["left"]).clip(name, [1, 4])
    assert left.right is None
    assert torch.equal(left.video, whole.video)
    with pytest.raises(InputError, match="eyes: expected"):
        reader(eyes=["right"])
    for frames in ([6], [], [2, 1]):
        for kind in (WithTracks(), WithoutTracks()):
            with pytest.raises(DroppedError, match="expected frames that increase, from 0 to 5"):
                store_of(root, annotation=kind).clip(name, frames)


def test_smaller_pictures_have_cameras_and_depth_to_match(mined):
    root, scenes = mined
    name, scene = next(iter(scenes.items()))
    clip = store_of(root, height=12, width=16).clip(name, [0])
    assert clip.video.shape == (1, 3, 12, 16)
    k = scene.camera.intrinsics[0] / 2
    expected = [[k[0, 0], 0, 8], [0, k[1, 1], 6], [0, 0, 1]]
    torch.testing.assert_close(clip.cameras.intrinsics[0], torch.tensor(expected).double(), rtol=1e-5, atol=1e-5)
    truth = surface(scene, 0).depth[1::2, 1::2][2:14]  # of the pixels whose centres lie right below
    torch.testing.assert_close(clip.depth.values[0], truth, rtol=1e-3, atol=0)


def test_released_files_take_fov_and_baseline_from_the_config(mined, tmp_path):
    root, scenes = mined
    name, scene = next(iter(scenes.items()))
    files = mined_files(root, name)
    shutil.copy(files.annotation, tmp_path)
    (tmp_path / "videos" / "left").mkdir(parents=True)
    shutil.copy(files.left, tmp_path / "videos" / "left" / f"{name}.mp4")
    settings = reader(horizontal_fov_deg=fov_of(scene), baseline=0.1)
    store = Stereo4DFolder(root=str(tmp_path), videos=str(tmp_path / "videos"), reader=settings)
    clip = store.clip(name, [0, 3])
    assert clip.depth is None
    assert clip.right is None
    assert clip.baseline == 0.1
    torch.testing.assert_close(clip.cameras.intrinsics[0], scene.camera.intrinsics[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(DroppedError, match=r"expected an \.npz of a clip's quality"):
        Stereo4DFolder(root=str(tmp_path), videos=None, reader=replace(settings, limits=ALL)).clip(name, [0])
    with pytest.raises(DroppedError, match="no such file"):
        Stereo4DFolder(root=str(tmp_path), videos=None, reader=settings).clip(name, [0])
    shutil.copy(files.left, tmp_path / f"{name}-left_rectified.mp4")
    assert len(Stereo4DFolder(root=str(tmp_path), videos=None, reader=settings).clip(name, [0]).video) == 1


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"most_calibration": 0.2}, "expected a calibration to 0.2 pixels, found 0.25"),
        ({"least_tracks": 100000}, "expected at least 100000 tracks"),
        ({"least_moving": 1.0}, r"expected at least 100\.0% of moving tracks"),
        ({"most_vertical": 0.01}, r"expected rows that agree to 0\.01 pixels, found 0\.05"),
    ],
)
def test_clips_beyond_the_limits_are_dropped(mined, limit, message):
    root, scenes = mined
    store = store_of(root, limits=replace(ALL, **limit))
    with pytest.raises(DroppedError, match=message):
        store.length(next(iter(scenes)))
    with pytest.raises(InputError, match="expected clips of 2 frames or more that serve, found none"):
        Stereo4DClips(store=store, frames=2).ids()


def test_a_video_of_another_length_is_dropped(mined, tmp_path):
    root, scenes = mined
    first, second = scenes
    copied = Path(shutil.copytree(root, tmp_path / "mined"))
    write_video(mined_files(copied, first).left, torch.rand(4, 3, SIZE, SIZE), fps=30.0)
    store = store_of(copied)
    with pytest.raises(DroppedError, match="expected 6 frames, as its clip has, found 4"):
        store.clip(first, [0])
    windows = Stereo4DWindows(
        store=store, order=AtRandom(seed=0), frames=3, height=SIZE, width=SIZE, pixels_per_batch=1, seed=0
    )
    for number in range(4):
        assert windows[number, 0].video.shape == (1, 3, 3, SIZE, SIZE)
    assert set(store.drops.reasons) == {first}
    assert store.clip(second, [0]).id == f"{second}/000000"


def test_windows_have_the_depth_of_their_frames(mined):
    root, _ = mined
    settings = {"order": AtRandom(seed=1), "frames": 3, "height": SIZE, "width": SIZE, "seed": 1}
    windows = Stereo4DWindows(store=store_of(root), pixels_per_batch=2 * 3 * SIZE * SIZE, **settings)
    batch = windows[5, 0]
    assert isinstance(batch, DepthBatch)
    assert batch.video.shape == (2, 3, 3, SIZE, SIZE)
    assert batch.valid.all()
    again = Stereo4DWindows(store=store_of(root), pixels_per_batch=2 * 3 * SIZE * SIZE, **settings)[5, 0]
    assert torch.equal(batch.video, again.video)
    assert not torch.equal(batch.video, windows[5, 1].video)


def test_stereo_pairs_have_the_disparity_that_was_kept(mined):
    root, scenes = mined
    pairs = Stereo4DStereo(clips=Stereo4DClips(store=store_of(root), frames=1))
    assert isinstance(pairs, StereoSource)
    name, scene = next(iter(scenes.items()))
    pair = pairs.pair(f"{name}/000004")
    truth = scene.camera.intrinsics[4, 0, 0] * BASELINE / surface(scene, 4).depth
    torch.testing.assert_close(pair.disparity, truth.float(), rtol=1e-3, atol=0)  # float16 has 11 bits
    assert len(pairs.ids()) == 2 * FRAMES


def test_quality_is_what_limits_look_at(mined, tmp_path):
    root, scenes = mined
    copied = Path(shutil.copytree(root, tmp_path / "mined"))
    for number, name in enumerate(scenes):
        path = mined_files(copied, name).quality
        quality = read_clip_quality(path)
        write_clip_quality(path, replace(quality, motion=torch.full_like(quality.motion, 10.0 * number)))
    clips = Stereo4DClips(store=store_of(copied, limits=replace(ALL, least_moving=0.5)), frames=FRAMES)
    assert clips.ids() == [f"{list(scenes)[1]}/000000"]
    assert np.isfinite(clips.clip(clips.ids()[0]).video.numpy()).all()
