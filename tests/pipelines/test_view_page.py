"""The viewer's page with its server and without a browser: what follows when values change and buttons are pressed."""

import socket
import sys

import pytest
import torch
from small_orbits import SETTING, small_orbit

from turnaround.io.camera_path import read_camera_path
from turnaround.pipelines.orbit.stored import StoredScene
from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.page import Page
from turnaround.pipelines.view.pipeline import served
from turnaround.pipelines.view.scene import Coloring, ViewedScene, as_bytes
from turnaround.types import InputError

FRAMES = 6


@pytest.fixture(scope="module")
def scene():
    orbit, cache = small_orbit(height=48, width=64, frames=FRAMES)
    return ViewedScene(StoredScene(cache=cache, path=orbit.cameras, setting=SETTING), points=10**6)


@pytest.fixture
def page(scene, tmp_path):
    pytest.importorskip("viser", reason="the viewer's server is not installed: pip install -e '.[viewer]'")
    with served(0) as server:
        yield Page(server, scene, Edit.of(scene.stored, key_frames=3), tmp_path)


def change(page, name, value):
    """As a person does: a button is pressed by True. Then all that follows is done."""
    page.controls[name].value = value
    while page.inbox.do_next(0.0):
        pass


def times(page):
    return [key.time for key in page.edit.keys.frames]


def test_the_frame_that_is_shown_is_the_videos(page, scene):
    change(page, "frame", 4)
    expected = as_bytes(scene.seen(page.edit.cameras.at(4)).image)
    assert torch.equal(torch.from_numpy(page.picture.image), expected)
    change(page, "frame", 5)
    assert not torch.equal(torch.from_numpy(page.picture.image), expected)


def test_layers_colours_and_sizes_reach_the_scene(page, scene):
    assert {name: handle.visible for name, handle in page.layers.parents.items()} == {
        "views": True,
        "behind": True,
        "cameras": False,
        "path": True,
    }
    change(page, "show behind", False)
    assert not page.layers.parents["behind"].visible
    change(page, "colour", "confidence")
    change(page, "size", 2.0)
    for cloud in scene.clouds:
        handle = page.layers.clouds[cloud.name]
        assert torch.equal(torch.from_numpy(handle.colors), scene.colors(cloud, Coloring.CONFIDENCE))
        assert handle.point_size == pytest.approx(2 * cloud.size)


def test_key_frames_move_and_go(page):
    assert times(page) == [0, 0.4, 1]
    change(page, "frame", 3)
    page.keys.value = "1 at 0.400"
    change(page, "Move it to this frame", True)
    assert times(page) == [0, 0.6, 1]
    assert page.keys.options == ("0 at 0.000", "1 at 0.600", "2 at 1.000")
    page.keys.value = "2 at 1.000"
    change(page, "Go to it", True)
    assert page.frame.value == 5
    change(page, "Delete it", True)
    assert times(page) == [0, 0.6]
    assert len(page.layers.path) == 3, "two key frames and the line"


def test_what_cannot_be_is_said_and_changes_nothing(page, capsys):
    change(page, "frame", 5)
    page.keys.value = "0 at 0.000"
    change_said(page, "Move it to this frame", "different times", capsys)
    for _ in range(2):
        change(page, "Delete it", True)
    change_said(page, "Delete it", "at least one", capsys)
    assert times(page) == [1]


def change_said(page, name, said, capsys):
    before = page.edit
    page.controls[name].value = True
    page.attend(0.01)
    assert said in page.said.content
    assert said in capsys.readouterr().err
    assert page.edit is before


def test_a_path_is_closed_lengthened_and_shortened(page):
    change(page, "closed", True)
    assert page.edit.keys.closed
    assert times(page) == pytest.approx([0, 0.4 * 2 / 3, 2 / 3])
    change(page, "frame", 5)
    change(page, "frames", 3)
    assert (page.frame.value, page.frame.max, len(page.edit.cameras)) == (2, 2, 3)
    change(page, "frames", 1)
    assert len(page.edit.cameras) == 1


def test_playing_goes_through_all_frames_and_begins_again(page):
    page.play.value = True
    shown = []
    page.frame.on_update(lambda event: shown.append(page.frame.value))
    while len(shown) < FRAMES + 1:
        page.attend(0.1)
    assert shown[: FRAMES + 1] == [1, 2, 3, 4, 5, 0, 1]


def test_rendering_again_writes_the_path_as_it_is(page, tmp_path):
    change(page, "frames", 4)
    change(page, "Re-render", True)
    assert page.films == 1
    assert page.progress.value == 100
    assert page.said.content == f"wrote {tmp_path / 'edit_001'}"
    path = read_camera_path(tmp_path / "edit_001" / "camera_path.json")
    torch.testing.assert_close(path.cameras.world_from_cam.float(), page.edit.cameras.world_from_cam)
    assert path.fps == SETTING.fps


def test_a_port_that_is_taken_is_refused(page):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"expected a free port, found {port}"), served(port):
            pass


def test_without_viser_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)  # what makes an import fail
    with pytest.raises(InputError, match=r"the package viser, found none; pip install -e '\.\[viewer\]'"), served(0):
        pass
