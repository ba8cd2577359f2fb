"""What the viewer shows of a small orbit, and the videos it makes, without a browser."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_orbits import SETTING, SURFACES, small_orbit, written

from turnaround.io.camera_path import FilmedPath, read_camera_path
from turnaround.io.ply import read_ply
from turnaround.io.video import open_frames
from turnaround.pipelines.orbit.exports.scene import ScenePly
from turnaround.pipelines.orbit.frames import without_holes
from turnaround.pipelines.orbit.stored import StoredScene
from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.film import film
from turnaround.pipelines.view.inbox import Inbox
from turnaround.pipelines.view.layers import path_lines
from turnaround.pipelines.view.scene import Coloring, Pose, ViewedScene, as_bytes, vertical_fov
from turnaround.render.cache import render
from turnaround.types import InputError, Provenance
from turnaround.viz.color import Colormap, colorize
from turnaround.viz.provenance import provenance_colors

FRAMES, HEIGHT, WIDTH = 6, 48, 64


@pytest.fixture(scope="module")
def finished():
    return small_orbit(height=HEIGHT, width=WIDTH, frames=FRAMES)


@pytest.fixture(scope="module")
def stored(finished):
    return StoredScene(cache=finished[1], path=finished[0].cameras, setting=SETTING)


@pytest.fixture(scope="module")
def scene(stored):
    return ViewedScene(stored, points=10**6)


def sorted_rows(points):
    return points[torch.from_numpy(np.lexsort(points.T.numpy()))]


def test_points_are_those_of_the_ply(tmp_path, finished, scene):
    cloud = read_ply(written(tmp_path, finished, ScenePly()) / "scene.ply")
    assert torch.equal(sorted_rows(torch.cat([each.points for each in scene.clouds])), sorted_rows(cloud.vertices))
    behind = [each for each in scene.clouds if each.layer == "behind"]
    assert {each.view.step for each in behind} == {2}
    assert sum(len(each.points) for each in behind) == int((cloud.attributes["step"] == 2).sum())
    names = [each.name for each in scene.clouds]
    assert len(set(names)) == len(names)


def test_points_are_as_large_as_a_pixel_where_they_are_and_no_larger_than_two(scene):
    for cloud in scene.clouds:
        depth = cloud.view.view.depth.flatten()[cloud.pixels]
        focal = float(cloud.view.view.camera.intrinsics[0, 0, 0])
        assert bool((depth / focal <= cloud.size).all())
        assert bool((2 * depth / focal >= cloud.size).all())


def test_of_too_many_points_every_second_row_and_column_is_shown(stored, scene):
    total = sum(len(cloud.points) for cloud in scene.clouds)
    few = ViewedScene(stored, points=total // 3)
    for cloud in few.clouds:
        full = next(each for each in scene.clouds if each.name == cloud.name)
        row, column = full.pixels // WIDTH, full.pixels % WIDTH
        kept = (row % 2 == 0) & (column % 2 == 0)
        assert torch.equal(cloud.pixels, full.pixels[kept])
        assert torch.equal(cloud.points, full.points[kept])
        assert cloud.size == 2 * full.size
    assert sum(len(cloud.points) for cloud in few.clouds) < total / 3


def test_colours_tell_the_picture_provenance_confidence_and_step(scene):
    for cloud in scene.clouds:
        view = cloud.view
        expected = {
            Coloring.PICTURE: view.view.image,
            Coloring.PROVENANCE: provenance_colors(view.view.image, view.label),
            Coloring.CONFIDENCE: colorize(view.confidence, Colormap.VIRIDIS),
            Coloring.STEP: colorize(torch.full((HEIGHT, WIDTH), view.step / 2), Colormap.VIRIDIS),
        }
        for coloring, image in expected.items():
            assert torch.equal(scene.colors(cloud, coloring), as_bytes(image).flatten(0, 1)[cloud.pixels])
    first = scene.clouds[0]
    assert first.view.label.max() == int(Provenance.OBSERVED)
    assert torch.equal(scene.colors(first, Coloring.PROVENANCE), scene.colors(first, Coloring.PICTURE))


def test_a_picture_is_the_videos_own(finished, scene):
    orbit, cache = finished
    for number in range(FRAMES):
        camera = orbit.cameras.at(number)
        expected = without_holes(render(cache, camera, SURFACES))
        seen = scene.seen(camera)
        assert torch.equal(seen.image, expected.image)
        assert not seen.hole.any()
    assert torch.equal(scene.seen(orbit.cameras.at(0)).image, cache.views[0].view.image)


def test_a_camera_survives_the_way_to_a_viewer_and_back(scene):
    for number in range(FRAMES):
        camera = scene.stored.path.at(number)
        back = scene.camera_at(Pose.of(camera), vertical_fov=vertical_fov(camera))
        torch.testing.assert_close(back.world_from_cam, camera.world_from_cam, atol=1e-6, rtol=0)  # float32
        torch.testing.assert_close(back.intrinsics, camera.intrinsics)
        assert (back.height, back.width) == (HEIGHT, WIDTH)


def test_editing_begins_with_the_orbits_own_cameras(stored):
    edit = Edit.of(stored, key_frames=3)
    assert not edit.keys.closed
    assert edit.frames == FRAMES
    assert [edit.frame(number) for number in range(3)] == [0, 2, 5]  # 2.5 rounds to even
    for frame in (0, 2, 5):
        assert torch.equal(edit.cameras.world_from_cam[frame], stored.path.world_from_cam[frame])
    longer = edit.with_frames(11)
    assert len(longer.cameras) == 11
    assert longer.time(5) == 0.5
    lines = path_lines(edit)
    assert lines.shape == (5, 2, 3)
    assert path_lines(edit.with_keys(lambda keys: keys.joined())).shape == (6, 2, 3)


def test_an_orbit_of_one_frame_has_one_key_frame(stored):
    edit = Edit.of(replace(stored, path=stored.path.at(0)), key_frames=8)
    assert torch.equal(edit.cameras.world_from_cam, stored.path.world_from_cam[:1])
    assert path_lines(edit).shape == (0, 2, 3)


def test_a_new_video_lies_in_a_folder_of_its_own(tmp_path, scene):
    edit = Edit.of(scene.stored, key_frames=FRAMES)
    done = []
    first = film(scene, edit.filmed(12.0), tmp_path, told=done.append)
    second = film(scene, edit.with_frames(3).filmed(6.0), tmp_path)
    assert (first, second) == (tmp_path / "edit_001", tmp_path / "edit_002")
    assert done == list(range(1, FRAMES + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edit_001", "edit_002"]
    for folder, frames, fps in ((first, FRAMES, 12.0), (second, 3, 6.0)):
        source, path = open_frames(folder / "orbit.mp4"), read_camera_path(folder / "camera_path.json")
        assert (source.frames, source.height, source.width, source.fps) == (frames, HEIGHT, WIDTH, fps)
        assert (len(path.cameras), path.fps, path.closed) == (frames, fps, False)
    back = read_camera_path(first / "camera_path.json").cameras
    torch.testing.assert_close(back.world_from_cam.float(), scene.stored.path.world_from_cam)


def test_a_video_that_fails_leaves_nothing(tmp_path, scene):
    k = scene.stored.path.intrinsics.clone()
    k[:, 0, 2] += 5
    path = FilmedPath(cameras=replace(scene.stored.path, intrinsics=k), fps=12.0, closed=False)
    with pytest.raises(InputError, match="centred principal point"):
        film(scene, path, tmp_path)

    def stop(frames):
        if frames == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        film(scene, Edit.of(scene.stored, key_frames=2).filmed(12.0), tmp_path, told=stop)
    assert list(tmp_path.iterdir()) == []


def test_of_actions_of_one_name_the_newest_is_done():
    done, inbox = [], Inbox()
    for name, number in (("slider", 1), ("button", 2), ("slider", 3)):
        inbox.put(name, lambda number=number: done.append(number))
    assert inbox.do_next(0.0)
    assert inbox.do_next(0.0)
    assert not inbox.do_next(0.0)
    assert done == [3, 2]
