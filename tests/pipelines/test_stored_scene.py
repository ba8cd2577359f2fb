"""The scene of a small orbit, written and read back; files that are damaged."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_orbits import SETTING, SURFACES, small_orbit, written

from turnaround.geometry.inflation import mirrored
from turnaround.pipelines.orbit.exports.cache import SceneFile
from turnaround.pipelines.orbit.stored import read_run, read_scene
from turnaround.render.cache import render
from turnaround.types import InputError

HEIGHT, WIDTH = 48, 64


@pytest.fixture(scope="module")
def finished():
    return small_orbit(height=HEIGHT, width=WIDTH, frames=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory, finished):
    return written(tmp_path_factory.mktemp("run"), finished, SceneFile())


def same(one, other):
    """Bit for bit, NaN included."""
    return one.dtype == other.dtype and torch.equal(one.nan_to_num(-1.0), other.nan_to_num(-1.0))


def test_views_in_a_mirror_are_kept(tmp_path, finished):
    orbit, cache = finished
    layer = cache.behind[0]
    turned = replace(layer, view=replace(layer.view, camera=mirrored(layer.view.camera)))
    run = written(tmp_path, (orbit, replace(cache, behind=(turned,))), SceneFile())
    found = read_run(run).cache.behind[0].view.camera
    assert torch.equal(found.intrinsics, turned.view.camera.intrinsics)


def test_every_picture_of_the_scene_is_the_same_bit_for_bit(run, finished):
    orbit, cache = finished
    stored = read_run(run)
    for number in range(len(orbit.cameras)):
        camera = stored.path.at(number)
        assert torch.equal(camera.world_from_cam, orbit.cameras.world_from_cam[number : number + 1])
        assert torch.equal(camera.intrinsics, orbit.cameras.intrinsics[number : number + 1])
        ours, theirs = render(stored.cache, camera, stored.setting.surfaces), render(cache, camera, SURFACES)
        for name in ("image", "depth", "hole", "label", "confidence", "step"):
            assert same(getattr(ours, name), getattr(theirs, name)), name
    setting = stored.setting
    assert (setting.fps, setting.kind, setting.surfaces) == (SETTING.fps, SETTING.kind, SETTING.surfaces)
    assert torch.equal(setting.pivot, SETTING.pivot)


def test_key_views_hold_what_they_held_and_nothing_where_depth_is_unknown(run, finished):
    cache, stored = finished[1], read_run(run).cache
    assert (len(stored.views), len(stored.behind)) == (2, 1)
    for ours, theirs in zip(stored.ordered, cache.ordered, strict=True):
        known = ~theirs.view.depth.isnan()
        assert ours.step == theirs.step
        assert same(ours.view.depth, theirs.view.depth)
        for name in ("label", "confidence"):
            assert same(getattr(ours, name)[known], getattr(theirs, name)[known])
        assert same(ours.view.image[:, known], theirs.view.image[:, known])
        assert bool((ours.view.image[:, ~known] == 0).all())
        assert bool((ours.confidence[~known] == 0).all())


def test_only_what_is_known_takes_room_and_8_bits_stay_8_bits(run, tmp_path, finished):
    orbit, cache = finished
    known = [int((~view.view.depth.isnan()).sum()) for view in cache.ordered]
    assert known[2] <= known[0] / 4, "only what the box hides"
    size = (run / "scene.safetensors").stat().st_size
    # RGB, depth, confidence in float32 and a label; a bit for each pixel; and some kB of cameras and names
    expected = 21 * sum(known) + 3 * HEIGHT * WIDTH / 8
    assert expected < size < expected + 8000
    eight = [
        replace(view, view=replace(view.view, image=(view.view.image * 255).round() / 255)) for view in cache.views
    ]
    again = written(tmp_path, (orbit, replace(cache, views=eight)), SceneFile())
    assert (again / "scene.safetensors").stat().st_size < size - 8 * sum(known[:2])
    for ours, theirs in zip(read_run(again).cache.views, eight, strict=True):
        assert torch.equal(ours.view.image, theirs.view.image)


def test_the_same_scene_gives_the_same_bytes(run, tmp_path, finished):
    again = written(tmp_path, finished, SceneFile())
    assert (again / "scene.safetensors").read_bytes() == (run / "scene.safetensors").read_bytes()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="found no such folder"):
        read_run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"found no scene\.safetensors in it; run pipeline=orbit"):
        read_run(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="found a file"):
        read_run(tmp_path / "file")


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_file_that_is_cut_off_is_refused(run, tmp_path, length):
    data = (run / "scene.safetensors").read_bytes()
    (tmp_path / "scene.safetensors").write_bytes(data[:length])
    with pytest.raises(InputError, match="the scene of an orbit"):
        read_scene(tmp_path / "scene.safetensors")


def stated(run):
    with safe_open(run / "scene.safetensors", framework="pt") as file:
        return json.loads(file.metadata()["scene"])


def changed(run, tmp_path, tensors, statement=None):
    path = tmp_path / "scene.safetensors"
    save_file(tensors, path, metadata={"scene": json.dumps(statement or stated(run))})
    return path


DAMAGES = {
    "views.0000.depth": (lambda t: -t, "depth above 0"),
    "views.0000.image": (lambda t: t + 2, r"colours in \[0, 1\]"),
    "views.0001.label": (lambda t: t + 3, "labels 0, 1 and 2"),
    "views.0001.confidence": (lambda t: t * torch.nan, r"confidence in \[0, 1\]"),
    "views.0001.step": (lambda t: t - 5, "the number of a step"),
    "views.0000.size": (lambda t: t * 10**9, "height and width"),
    "views.0000.known": (lambda t: t[1:].contiguous(), r"known of \(384,\)"),
    "behind.0000.known": (lambda t: 255 - t, "behind.0000.image of"),
    "behind.0000.world_from_cam": (lambda t: t * 2, "rigid motions"),
    "path.intrinsics": (lambda t: -t, "lenses"),
    "path.world_from_cam": (lambda t: t.half(), "world_from_cam of torch.float32"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_tensor_is_named(run, tmp_path, name):
    tensors = load_file(run / "scene.safetensors")
    change, said = DAMAGES[name]
    tensors[name] = change(tensors[name])
    with pytest.raises(InputError, match=said):
        read_scene(changed(run, tmp_path, tensors))


def test_a_tensor_too_few_or_too_many_is_named(run, tmp_path):
    tensors = load_file(run / "scene.safetensors")
    with pytest.raises(InputError, match=r"nothing else in it, found other"):
        read_scene(changed(run, tmp_path, {**tensors, "other": torch.zeros(1)}))
    del tensors["behind.0000.label"]
    with pytest.raises(InputError, match=r"behind\.0000\.label in it"):
        read_scene(changed(run, tmp_path, tensors))


STATEMENTS = [
    ({"version": 2}, "version 1"),
    ({"views": 0}, "at least one view"),
    ({"behind": 10**9}, "behind"),
    ({"fps": 0}, "fps"),
    ({"kind": "affine_disparity"}, "metric or scale_invariant"),
    ({"kind": "feet"}, "kind of depth"),
    ({"pivot": [0, 0]}, "pivot"),
    ({"pivot": [0, 0, None]}, "pivot"),
    ({"surfaces": None}, "surfaces"),
]


@pytest.mark.parametrize(("statement", "said"), STATEMENTS, ids=str)
def test_a_damaged_statement_is_named(run, tmp_path, statement, said):
    tensors = load_file(run / "scene.safetensors")
    with pytest.raises(InputError, match=said):
        read_scene(changed(run, tmp_path, tensors, {**stated(run), **statement}))


def test_other_tensors_are_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "scene.safetensors")
    with pytest.raises(InputError, match="found safetensors of something else"):
        read_scene(tmp_path / "scene.safetensors")
