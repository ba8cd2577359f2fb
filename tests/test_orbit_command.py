"""The real command on a picture: what it writes, that it repeats, and that a killed run ends as if it had not been."""

import hashlib
import json
import signal
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from published_zero123plus import write_zero123plus
from started_commands import finished, started

from turnaround.io.image import read_image, write_image
from turnaround.io.nerfstudio import read_transforms
from turnaround.scenes.observe import film
from turnaround.scenes.sample import WorldSampler

FRAMES = 12
QUICK = ("exports.files.stereo=null", "pipeline.card.measured.colmap=null")  # which takes longer than all the rest
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    write_image(path, film(WorldSampler(height=64, width=96, frames=1)(3))[0])
    return path


def start(photo: Path, out: Path, *more: str) -> subprocess.Popen:
    options = f"pipeline=orbit input={photo} out={out} size=64 path.frames={FRAMES}"
    return started("run.py", *options.split(), *QUICK, *more)


def digests(out: Path) -> dict[str, str]:
    """Of all that holds no times, no paths and no H.264, which is not quite repeatable (`io.video.VideoWriter`)."""
    named = {"config.yaml", "record.json", "report.html"}
    files = [f for f in sorted(out.rglob("*")) if f.is_file() and f.name not in named and f.suffix != ".mp4"]
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(scope="module")
def orbit(photo, tmp_path_factory):
    out = tmp_path_factory.mktemp("orbit") / "out"
    assert finished(start(photo, out)).splitlines()[-1] == str(out)
    return out


def test_it_begins_with_the_photo_and_says_where_each_pixel_came_from(photo, orbit):
    frames = sorted((orbit / "frames").iterdir())
    assert len(frames) == FRAMES
    assert torch.equal(read_image(frames[0]), read_image(photo))
    stored = np.load(orbit / "provenance.npz", allow_pickle=False)
    label, confidence = stored["label"], stored["confidence"]
    assert label.shape == confidence.shape == (FRAMES, 64, 96)
    assert label.dtype == np.uint8
    assert (label[0] == 0).all()
    assert (confidence[0] == 1).all()
    invented = (label == 2).mean(axis=(1, 2))
    assert invented[FRAMES // 2] > 0.5  # nobody has seen the back
    assert invented[1] < invented[FRAMES // 2]
    assert (confidence[label == 2] <= 0.5).all()


def turned_of(out: Path) -> torch.Tensor:
    """Degrees of each frame from the first, about the vertical of the ground."""
    forward = poses_of(out)[:, :3, 2]
    heading = torch.rad2deg(torch.atan2(forward[:, 0], forward[:, 2]))
    return (heading[0] - heading).remainder(360)


def test_it_goes_all_the_way_round_by_equal_steps_unless_it_is_paced(photo, tmp_path):
    out = tmp_path / "even"
    finished(start(photo, out, "pipeline.pace.share=1.0"))
    away = (turned_of(out) - torch.arange(FRAMES) * 360 / FRAMES + 180).remainder(360) - 180
    assert float(away.abs().max()) < 1e-3


def test_a_paced_turntable_goes_round_once_too(orbit):
    turned = turned_of(orbit)
    assert float(turned[0]) == 0
    assert (turned.diff() > 0).all()
    assert 270 < float(turned[-1]) < 360  # the next frame would be the first


def test_its_figures_and_its_page_say_what_happened(orbit):
    figures = json.loads((orbit / "metrics.json").read_text())
    assert figures["frames"] == FRAMES
    assert 2 <= figures["key_views"] <= FRAMES
    assert figures["observed"] + figures["propagated"] + figures["generated"] == pytest.approx(1)
    page = (orbit / "report.html").read_text()
    for words in ("photo.png", "How does it figure out", "Make-It-4D", "video_depth_svd_small", "inpaint_small"):
        assert words in page


def test_one_seed_gives_the_same_bytes_after_any_kill(photo, orbit, tmp_path):
    out = tmp_path / "killed"
    for stage in ("view_001", "view_003", "frames_00000"):
        process = start(photo, out)
        while not list((out / "stages").glob(f"{stage}-*.safetensors")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (out / "orbit.mp4").exists()
    before = {file.name: file.stat().st_mtime_ns for file in (out / "stages").glob("*.safetensors")}
    assert len(before) >= 5
    finished(start(photo, out))
    assert digests(out) == digests(orbit)
    kept = {name: (out / "stages" / name).stat().st_mtime_ns for name in before}
    assert kept == before  # nothing that was finished was made again


def test_a_change_makes_anew_only_what_follows(photo, orbit, tmp_path):
    out = tmp_path / "changed"
    finished(start(photo, out))
    depth = next((out / "stages").glob("depth-*"))
    made = depth.stat().st_mtime_ns
    finished(start(photo, out, "path=wobble", "path.frames=4"))
    assert depth.stat().st_mtime_ns == made
    assert len(list((out / "frames").iterdir())) == 4
    assert len(list((out / "stages").glob("frames_*"))) == 1  # of the other path nothing is left


def poses_of(out: Path) -> torch.Tensor:
    return read_transforms(out / "transforms.json").cameras.world_from_cam


def test_an_imported_path_keeps_its_own_pace(photo, orbit, tmp_path):
    out = tmp_path / "imported"
    path = ["path=imported", f"path.file={orbit / 'camera_path.json'}", "pipeline.pace.share=0.01"]
    finished(started("run.py", "pipeline=orbit", f"input={photo}", f"out={out}", "size=64", *QUICK, *path))
    torch.testing.assert_close(poses_of(out), poses_of(orbit), atol=1e-4, rtol=0)


def test_an_open_path_ends_before_a_surface_and_a_closed_one_stays_closed(photo, tmp_path):
    """`camera.distance` is more than the depth of anything, so wherever a camera moves to, it is too near."""
    near = ["path.frames=4", "pipeline.camera.distance=100.0", "pipeline.camera.thickness=100.0"]
    process = start(photo, tmp_path / "in", "path=fly_in", *near)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "stands still" in errors
    poses = poses_of(tmp_path / "in")
    assert torch.equal(poses, poses[:1].expand_as(poses))
    assert "stands still" in (tmp_path / "in" / "report.html").read_text()
    process = start(photo, tmp_path / "round", "path=turntable", *near)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "goes on" in errors
    poses = poses_of(tmp_path / "round")
    assert len(torch.unique(poses, dim=0)) == 4


def test_a_subject_alone_with_a_prior_of_its_other_sides(photo, tmp_path):
    """The prior is a small random one in the published layout, so only that it is asked and named can be told."""
    mask = torch.zeros(3, 64, 96)
    mask[:, 16:48, 8:40] = 1.0
    write_image(tmp_path / "mask.png", mask)
    path = write_zero123plus(tmp_path / "prior")
    prior = ["prior=zero123plus", f"prior.network.path={path}", "prior.network.side=32", "prior.network.steps=2"]
    staging = ["staging=mask", f"staging.subject.path={tmp_path / 'mask.png'}", "exports=transparent"]
    out = tmp_path / "out"
    finished(start(photo, out, *staging, *prior, "prior.device=cpu", "path.frames=6"))
    assert "no commercial use" in (out / "report.html").read_text()
    notices = [notice["licence"] for notice in json.loads((out / "record.json").read_text())["weights"]]
    assert any("no commercial use" in licence for licence in notices)
    opacity = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., 3] for file in sorted((out / "cutout").iterdir())]
    assert len(opacity) == 6
    assert 0 < (opacity[0] == 255).mean() < 1
    assert set(np.unique(opacity[0])) <= {0, 255}
    camera = poses_of(out)
    assert float((camera[3, :3, 3] - camera[0, :3, 3])[:2].abs().max()) > 1e-3  # it turns about a place at the side


def test_a_path_of_one_frame_is_the_photo(photo, tmp_path):
    out = tmp_path / "one"
    finished(start(photo, out, "path.frames=1"))
    assert torch.equal(read_image(out / "frames" / "00000.png"), read_image(photo))
    assert (out / "report.html").is_file()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["size=8"], "size: expected 64 to 2048"),
        (["input=nothing.jpg"], "nothing.jpg"),
        (["path.frames=0"], "frames"),
    ],
)
def test_bad_input_gets_one_line(photo, tmp_path, options, named):
    process = start(photo, tmp_path / "out", *options)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert named in errors.splitlines()[-1]
    assert not (tmp_path / "out" / "orbit.mp4").exists()
