"""Sound clips pass with their true figures; what is wrong with others is told, and the run goes on."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mined_folders import FRAMES, SIZE, truth_of, write_mined_folder

from turnaround.io.clip_quality import read_clip_quality, write_clip_quality
from turnaround.io.mined_files import mined_files
from turnaround.io.stereo4d import read_stereo4d, write_stereo4d
from turnaround.io.video import write_video
from turnaround.pipelines.mine.plausible import Plausible
from turnaround.pipelines.mine.validate import ValidatePipeline
from turnaround.types import InputError

LIMITS = Plausible(largest_step=1.0, least_in_front=0.999, least_inside=0.95, most_reprojection=2.0, scale=0.1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("mined")
    return root, write_mined_folder(root, [1, 2])


@pytest.fixture
def mined(made, tmp_path):
    """A copy that may be broken."""
    root, scenes = made
    return Path(shutil.copytree(root, tmp_path / "mined")), scenes


def validated(path, out, **changes):
    settings = {"videos": None, "horizontal_fov_deg": 60.0, "limits": LIMITS} | changes
    metrics = ValidatePipeline(input=str(path), **settings).run(out)
    rows = [json.loads(line) for line in (out / "validation.jsonl").read_text().splitlines()]
    return metrics, {Path(row["file"]).stem: row for row in rows}


def test_what_is_mined_without_error_is_sound_and_measured(mined, tmp_path):
    root, scenes = mined
    metrics, rows = validated(root, tmp_path / "out")
    assert metrics == {"files": 2.0, "sound": 2.0, "doubtful": 0.0, "broken": 0.0}
    for name, scene in scenes.items():
        row, eyes = rows[name], scene.camera.world_from_cam[:, :3, 3]
        clip, _ = truth_of(scene, name)
        assert row["doubts"] == []
        assert row["frames"] == FRAMES
        assert row["samples"] == int((~clip.tracks[..., 0].isnan()).sum())
        assert row["largest_step"] == pytest.approx(float(eyes.diff(dim=0).norm(dim=1).max()))
        assert row["in_front"] == 1
        assert row["inside"] > 0.99  # but for those on the border, by rounding
        assert row["scale"] == 1
        assert row["disparity_scale"] == pytest.approx(1, abs=0.02)  # tracks stand anywhere in the disparity's pixels
        assert row["reprojection"] < 0.01
        assert row["videos"] == 2
    assert "sound                    2" in (tmp_path / "out" / "summary.txt").read_text()


def change_clip(root, name, change):
    path = mined_files(root, name).annotation
    clip = read_stereo4d(path)
    write_stereo4d(path, change(clip))


def flung(clip):
    poses = clip.world_from_cam.clone()
    poses[3, 0, 3] += 50
    return replace(clip, world_from_cam=poses)


def behind(clip):
    return replace(clip, tracks=2 * clip.world_from_cam[:, None, :3, 3].float() - clip.tracks)


def grown(clip):
    eyes = clip.world_from_cam[:, None, :3, 3].float()
    return replace(clip, tracks=eyes + 1.5 * (clip.tracks - eyes))


@pytest.mark.parametrize(
    ("change", "doubt"),
    [(flung, "largest_step"), (behind, "in_front 0, below"), (grown, "scale 1.5, above 1.1")],
)
def test_what_cannot_be_is_doubtful(mined, tmp_path, change, doubt):
    root, scenes = mined
    first, second = scenes
    change_clip(root, first, change)
    metrics, rows = validated(root, tmp_path / "out")
    assert (metrics["sound"], metrics["doubtful"]) == (1, 1)
    assert any(said.startswith(doubt) for said in rows[first]["doubts"])
    assert rows[second]["status"] == "sound"


def test_another_baseline_or_fov_shows(mined, tmp_path):
    root, (first, second) = mined[0], mined[1]
    for name, changes in ((first, {"baseline": 0.1}), (second, {"horizontal_fov_deg": 40.0})):
        path = mined_files(root, name).quality
        write_clip_quality(path, replace(read_clip_quality(path), **changes))
    _, rows = validated(root, tmp_path / "out")
    assert any(said.startswith("disparity_scale 0.63") for said in rows[first]["doubts"])
    assert any(said.startswith("reprojection") for said in rows[second]["doubts"])


def test_files_beside_a_clip_that_do_not_fit_are_doubts(mined, tmp_path):
    root, scenes = mined
    first, second = scenes
    write_video(mined_files(root, first).right, torch.rand(4, 3, SIZE, SIZE), fps=30.0)
    mined_files(root, first).disparity.write_bytes(b"nothing")
    shutil.copy(mined_files(root, first).annotation, mined_files(root, second).annotation)
    _, rows = validated(root, tmp_path / "out")
    assert any("expected 6 frames, as its clip has, found 4" in said for said in rows[first]["doubts"])
    assert any("a damaged or foreign file" in said for said in rows[first]["doubts"])
    assert f"the file is not called {first}.npz" in rows[second]["doubts"]


def test_a_broken_file_is_a_row_and_the_run_goes_on(mined, tmp_path):
    root, scenes = mined
    first, second = scenes
    np.savez(mined_files(root, first).annotation, name=np.asarray("a"))
    metrics, rows = validated(root, tmp_path / "out")
    assert (metrics["sound"], metrics["broken"]) == (1, 1)
    assert "expected the key 'video_id'" in rows[first]["error"]
    assert "\n" not in rows[first]["error"]
    mined_files(root, second).annotation.write_bytes(b"")
    with pytest.raises(InputError, match="expected a clip that can be read, found 2 that cannot"):
        validated(root, tmp_path / "all")
    assert (tmp_path / "all" / "validation.jsonl").exists()


def test_released_files_are_checked_without_what_is_beside_mined_ones(mined, tmp_path):
    root, scenes = mined
    first = next(iter(scenes))
    path = tmp_path / f"{first}.npz"
    shutil.copy(mined_files(root, first).annotation, path)
    metrics, rows = validated(path, tmp_path / "out", horizontal_fov_deg=170.0)
    assert metrics["sound"] == 1
    assert rows[first]["videos"] == 0
    assert "scale" not in rows[first]
    with pytest.raises(InputError, match=r"expected NAME\.npz of clips, found none"):
        validated(tmp_path / "out", tmp_path / "none")
