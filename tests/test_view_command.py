"""The real command on a finished orbit, seen by a real browser."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from browser import browser_page

from turnaround.io.camera_path import read_camera_path
from turnaround.io.image import read_image, write_image
from turnaround.io.video import open_frames
from turnaround.pipelines.orbit.stored import read_run
from turnaround.pipelines.view.edit import Edit
from turnaround.pipelines.view.scene import ViewedScene, as_bytes
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler

ROOT = Path(__file__).parents[1]
FRAMES = 12
pytestmark = pytest.mark.slow


def start(pipeline, source, out, *more):
    return subprocess.Popen(
        [sys.executable, "run.py", f"pipeline={pipeline}", f"input={source}", f"out={out}", *more],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )


@pytest.fixture(scope="module")
def orbit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orbit")
    write_image(folder / "photo.png", film(WorldSampler(height=64, width=96, frames=1)(3))[0])
    unwanted = [f"exports.files.{name}=null" for name in ("gif", "glb", "ply", "stereo", "depth", "masks")]
    process = start("orbit", folder / "photo.png", folder / "run", "size=64", f"path.frames={FRAMES}", *unwanted)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return folder / "run"


def needs_viser():
    pytest.importorskip("viser", reason="the viewer's server is not installed: pip install -e '.[viewer]'")


def digests(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def listening(port):
    """The local addresses of all TCP sockets that listen at a port, as Linux writes them (proc(5))."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, number = local.split(":")
            if state == "0A" and int(number, 16) == port:
                found.add(address)
    return found


WAIT = "new Promise(done => {{ const look = () => ({}) ? done(true) : setTimeout(look, 50); look(); }})"
BUTTON = "[...document.querySelectorAll('button')].find(one => one.innerText.trim() == '{}')"


def press(page, label):
    button = BUTTON.format(label)
    page.evaluate(WAIT.format(f"!!{button}"))
    page.evaluate(f"{button}.click()")


def wait_for(page, text):
    page.evaluate(WAIT.format(f"document.body.innerText.includes('{text}')"))


def test_a_browser_sees_the_scene_and_films_it_again(orbit, tmp_path):
    needs_viser()
    before, out = digests(orbit), tmp_path / "out"
    process = start("view", orbit, out, f"pipeline.key_frames={FRAMES}")
    assert process.stderr is not None
    said = next(line for line in process.stderr if "http" in line)
    address = re.search(r"http://127\.0\.0\.1:(\d+)", said)
    assert address, said
    assert listening(int(address[1])) == {"0100007F"}, "127.0.0.1 and no other"
    with browser_page() as page:
        page.visit(address[0], width=1200)
        wait_for(page, "Turnaround")
        press(page, "Delete it")  # the picture's camera; the next one is now the first key frame
        press(page, "Go to it")
        page.evaluate("new Promise(done => setTimeout(done, 1000))")  # until the browser's camera has come back
        press(page, "Set my view at this frame")
        press(page, "Re-render")
        wait_for(page, f"wrote {out / 'edit_001'}")
        urls = page.requested()
        assert urls
        assert all(url.startswith((address[0], f"blob:{address[0]}")) for url in urls), "nothing from elsewhere"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == str(out)
    assert json.loads((out / "metrics.json").read_text())["films"] == 1
    assert digests(orbit) == before
    source, path = open_frames(out / "edit_001" / "orbit.mp4"), read_camera_path(out / "edit_001" / "camera_path.json")
    assert (source.frames, source.height, source.width) == (FRAMES, 64, 96)
    assert path.closed
    stored = read_run(orbit).path
    poses, found = stored.world_from_cam.double(), path.cameras.world_from_cam
    torch.testing.assert_close(found[2:], poses[2:], atol=1e-6, rtol=0)  # as they were
    # The browser went to the second camera and gave it back, rounded by its own arithmetic.
    torch.testing.assert_close(found[1], poses[1], atol=1e-3, rtol=0)
    assert not torch.equal(found[1], poses[1])
    focal = stored.intrinsics[1, 1, 1].double()
    torch.testing.assert_close(path.cameras.intrinsics[1, 1, 1], focal, rtol=1e-3, atol=0)


def test_key_frames_are_rendered_as_the_videos_frames_to_the_byte(orbit):
    scene = ViewedScene(read_run(orbit), points=10**6)
    edit = Edit.of(scene.stored, key_frames=4)
    assert edit.keys.closed
    for number in range(4):
        frame = edit.frame(number)
        written = as_bytes(read_image(orbit / "frames" / f"{frame:05d}.png"))
        assert torch.equal(as_bytes(scene.seen(edit.cameras.at(frame)).image), written)
    assert torch.equal(as_bytes(scene.seen(edit.cameras.at(0)).image), as_bytes(read_image(orbit.parent / "photo.png")))


def test_it_ends_by_itself_after_so_many_seconds(orbit, tmp_path):
    needs_viser()
    process = start("view", orbit, tmp_path / "out", "pipeline.seconds=0.5")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["films"] == 0
    assert figures["points"] > 64 * 96


def refused(orbit, out, *more):
    process = start("view", orbit, out, "pipeline.seconds=0", *more)
    _, errors = process.communicate()
    assert process.returncode == 2, errors
    assert not (out / "metrics.json").exists()
    return errors.splitlines()[-1]


def test_bad_input_gets_one_line(orbit, tmp_path):
    out = tmp_path / "out"
    assert "found no such folder" in refused(tmp_path / "nothing", out)
    folder = tmp_path / "run"
    folder.mkdir()
    assert "found no scene.safetensors in it" in refused(folder, out)
    shutil.copyfile(orbit / "metrics.json", folder / "scene.safetensors")
    assert "scene.safetensors: expected the scene of an orbit" in refused(folder, out)
    assert "port: expected 0 to 65535" in refused(orbit, out, "pipeline.port=70000")


def test_a_port_that_is_taken_gets_one_line(orbit, tmp_path):
    needs_viser()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"found {port}, which is taken" in refused(orbit, tmp_path / "out", f"pipeline.port={port}")


def test_the_orbits_own_folder_is_no_place_for_new_files(orbit, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(orbit, folder)
    (folder / "metrics.json").unlink()
    record = (folder / "record.json").read_bytes()
    assert "expected no folder of another kind of run" in refused(folder, folder)
    assert (folder / "record.json").read_bytes() == record
    (folder / "config.yaml").unlink()  # which says what kind it is of
    assert "out: expected a folder apart from the orbit's" in refused(folder, folder)
