"""The files of a small orbit, read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_orbits import PIVOT, SETTING, SURFACES, small_orbit, written

from turnaround.geometry.projection import unproject
from turnaround.io.camera_path import read_camera_path
from turnaround.io.colmap import read_colmap
from turnaround.io.depth import read_depth_truth_npz
from turnaround.io.image import read_png16
from turnaround.io.nerfstudio import read_transforms
from turnaround.io.ply import read_ply
from turnaround.io.video import open_frames, read_video
from turnaround.pipelines.orbit.exports.cameras import CameraPathJson, Colmap, Transforms
from turnaround.pipelines.orbit.exports.export import Exports, Setting
from turnaround.pipelines.orbit.exports.maps import DepthMaps, Masks, ProvenanceArrays
from turnaround.pipelines.orbit.exports.pictures import Cutout, Frames, Gif, Mp4, ProvenanceMp4
from turnaround.pipelines.orbit.exports.scene import SceneGlb, ScenePly
from turnaround.types import DepthKind, InputError, Provenance

FRAMES, HEIGHT, WIDTH = 6, 48, 64


@pytest.fixture(scope="module")
def finished():
    return small_orbit(height=HEIGHT, width=WIDTH, frames=FRAMES)


def test_frames_are_the_video_to_the_bit_of_8(tmp_path, finished):
    out = written(tmp_path, finished, Frames())
    files = sorted((out / "frames").iterdir())
    assert [file.name for file in files] == [f"{number:05d}.png" for number in range(FRAMES)]
    for file, frame in zip(files, finished[0].video, strict=True):
        assert torch.equal(torch.from_numpy(np.array(Image.open(file))), (frame * 255).round().byte().permute(1, 2, 0))


def test_videos_have_all_frames_at_their_size_and_rate(tmp_path, finished):
    out = written(tmp_path, finished, Mp4(), ProvenanceMp4())
    for name in ("orbit.mp4", "provenance.mp4"):
        source = open_frames(out / name)
        assert (source.frames, source.height, source.width, source.fps) == (FRAMES, HEIGHT, WIDTH, 12.0)
    assert_in_order(read_video(out / "orbit.mp4", max_frames=FRAMES), finished[0].video)


def assert_in_order(shown, video):
    """Each frame is nearer to its own than to any other: what coding does to colours at edges is much less."""
    apart = (shown[:, None] - video).abs().mean(dim=(2, 3, 4))
    assert apart.argmin(dim=1).tolist() == list(range(FRAMES))


def test_provenance_video_tints_only_what_was_not_observed(tmp_path, finished):
    orbit, cache = finished
    labels = torch.zeros_like(orbit.label)
    labels[:, :16], labels[:, 32:] = int(Provenance.PROPAGATED), int(Provenance.GENERATED)
    grey = replace(orbit, video=torch.full_like(orbit.video, 0.5), label=labels)
    out = written(tmp_path, (grey, cache), ProvenanceMp4())
    seen = read_video(out / "provenance.mp4", max_frames=FRAMES).mean(dim=(0, 3))  # [3 h]
    # 0.45 of grey and 0.55 of the tint; limited range has 219 steps and H.264 some error.
    for row, expected in ((8, (0.72, 0.56, 0.27)), (24, (0.5, 0.5, 0.5)), (40, (0.65, 0.36, 0.54))):
        assert seen[:, row].tolist() == pytest.approx(expected, abs=0.02)


def test_gif_loops_for_ever_with_one_palette(tmp_path, finished):
    out = written(tmp_path, finished, Gif(side=32))
    with Image.open(out / "orbit.gif") as gif:
        assert (gif.size, gif.n_frames, gif.info["loop"], gif.info["duration"]) == ((32, 24), FRAMES, 0, 80)
    flags = gif_image_flags((out / "orbit.gif").read_bytes())
    assert len(flags) == FRAMES
    assert not any(flag & 0x80 for flag in flags), "no frame has a palette of its own"


def test_a_small_gif_is_not_made_larger_and_shows_the_frames(tmp_path, finished):
    out = written(tmp_path, finished, Gif(side=1000))
    shown = torch.stack(list(open_frames(out / "orbit.gif")))
    assert shown.shape == finished[0].video.shape
    assert_in_order(shown, finished[0].video)


def test_a_gif_of_one_colour(tmp_path, finished):
    orbit, cache = finished
    white = replace(orbit, video=torch.ones_like(orbit.video))
    out = written(tmp_path, (white, cache), Gif(side=32))
    with Image.open(out / "orbit.gif") as gif:
        assert np.array(gif.convert("RGB")).min() == 255
        assert gif.n_frames == 1, "frames that are alike become a long one"


def gif_image_flags(data):
    """The packed byte of each image descriptor (GIF89a specification, 20)."""
    place, flags = 13 + 3 * 2 ** ((data[10] & 7) + 1), []
    while data[place] != 0x3B:
        if data[place] == 0x21:
            place += 2
        else:
            assert data[place] == 0x2C
            flags.append(data[place + 9])
            place += 11 + (3 * 2 ** ((data[place + 9] & 7) + 1) if data[place + 9] & 0x80 else 0)
        while data[place]:
            place += data[place] + 1
        place += 1
    return flags


def test_provenance_arrays_are_exact(tmp_path, finished):
    out, orbit = written(tmp_path, finished, ProvenanceArrays()), finished[0]
    with np.load(out / "provenance.npz", allow_pickle=False) as stored:
        assert {name: values.dtype for name, values in stored.items()} == {
            "label": np.uint8,
            "confidence": np.float32,
            "step": np.int16,
        }
        for name in ("label", "confidence", "step"):
            assert torch.equal(torch.from_numpy(stored[name]).to(getattr(orbit, name)), getattr(orbit, name))
    assert set(orbit.step.unique().tolist()) == {0, 1, 3}, "not all alike"


def test_the_same_orbit_gives_the_same_bytes(tmp_path, finished):
    exports = (Frames(), Gif(side=64), ProvenanceArrays(), DepthMaps(), Masks(), Transforms(), ScenePly(), SceneGlb())
    exports = (*exports, CameraPathJson(), Colmap(most=1000))
    for name in ("one", "other"):
        written(tmp_path / name, finished, *exports)
    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*") if file.is_file())
    assert len(files) == 3 * FRAMES + 10
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes() for file in files)


def test_depth_is_exact_in_npz_and_inverse_in_png(tmp_path, finished):
    out, depth = written(tmp_path, finished, DepthMaps()), finished[0].depth
    stored = read_depth_truth_npz(out / "depth.npz")
    assert stored.kind is DepthKind.METRIC
    assert torch.equal(stored.values, depth)
    pictures = torch.stack([read_png16(out / "depth" / f"{number:05d}.png") for number in range(FRAMES)])
    # half a step of 16 bits, and float32's own error
    torch.testing.assert_close(pictures, depth.min() / depth, rtol=0, atol=0.5 / 65535 + 1e-6)


def test_a_cutout_is_the_frames_within_the_ball_and_nothing_else(tmp_path, finished):
    orbit, cache = finished
    away = (unproject(orbit.depth, orbit.cameras) - PIVOT.to(orbit.depth)).norm(dim=-1)
    radius = float(away.quantile(0.3))
    inside = away <= radius
    with_alpha = Exports(files={"cutout": Cutout()})
    with_alpha.write(tmp_path, orbit, cache, replace(SETTING, radius=radius))
    for number, frame in enumerate(orbit.video):
        stored = torch.from_numpy(np.array(Image.open(tmp_path / "cutout" / f"{number:05d}.png")))
        assert torch.equal(stored[..., 3] == 255, inside[number])
        assert torch.equal(stored[..., :3], (frame * inside[number] * 255).round().byte().permute(1, 2, 0))


def test_masks_are_white_where_generated(tmp_path, finished):
    out, label = written(tmp_path, finished, Masks()), finished[0].label
    for number in range(FRAMES):
        with Image.open(out / "masks" / f"{number:05d}.png") as mask:
            assert mask.mode == "L"
            assert torch.equal(torch.from_numpy(np.array(mask)), (label[number] == 2).byte() * 255)


def test_transforms_name_the_frames_and_their_cameras(tmp_path, finished):
    out, cameras = written(tmp_path, finished, Frames(), Transforms()), finished[0].cameras
    read = read_transforms(out / "transforms.json")
    assert all(image.is_file() for image in read.images)
    assert [image.name for image in read.images] == [f"{number:05d}.png" for number in range(FRAMES)]
    assert torch.equal(read.cameras.world_from_cam, cameras.world_from_cam)
    assert torch.equal(read.cameras.intrinsics, cameras.intrinsics)


def test_a_camera_path_is_the_video_s(tmp_path, finished):
    out, cameras = written(tmp_path, finished, CameraPathJson()), finished[0].cameras
    filmed = read_camera_path(out / "camera_path.json")
    assert (filmed.fps, filmed.closed) == (12.0, False)
    torch.testing.assert_close(filmed.cameras.world_from_cam.float(), cameras.world_from_cam)
    torch.testing.assert_close(filmed.cameras.intrinsics.float(), cameras.intrinsics, rtol=0, atol=1e-3)  # of `fov`


def test_a_sparse_model_holds_the_frames_cameras_and_the_scene_s_points(tmp_path, finished):
    out, cameras = written(tmp_path, finished, Colmap(most=100), ScenePly()), finished[0].cameras
    model, cloud = read_colmap(out / "colmap"), read_ply(out / "scene.ply")
    assert list(model.names) == [f"{number:05d}.png" for number in range(FRAMES)]
    torch.testing.assert_close(model.cameras.world_from_cam.float(), cameras.world_from_cam)
    assert len(model.points) == 100
    chosen = torch.arange(100) * len(cloud.vertices) // 100
    assert torch.equal(model.points.float(), cloud.vertices[chosen])
    assert torch.equal(model.colors, cloud.colors[chosen])


def test_colmap_itself_reads_the_model(tmp_path, finished):
    """By its own reckoning each point of the photo lies at its pixel."""
    pycolmap = pytest.importorskip("pycolmap")
    out, cache = written(tmp_path, finished, Colmap(most=10**6)), finished[1]
    model = pycolmap.Reconstruction(str(out / "colmap"))
    assert (model.num_reg_images(), model.num_cameras()) == (FRAMES, 1)
    first = next(image for image in model.images.values() if image.name == "00000.png")
    camera = model.cameras[first.camera_id]
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    for number in (0, 70, HEIGHT * WIDTH - 1):  # of the photo's own pixels, which come first
        point = model.points3D[number + 1]
        place = camera.img_from_cam(first.cam_from_world() * point.xyz)
        assert np.asarray(place) == pytest.approx([number % WIDTH + 0.5, number // WIDTH + 0.5], abs=1e-3)  # float32
        color = (cache.views[0].view.image[:, number // WIDTH, number % WIDTH] * 255).round()
        assert point.color.tolist() == color.tolist()


class Fails(Mp4):
    def write(self, out, finished):
        super().write(out, finished)
        raise InputError("orbit", expected="a reason", found="none", fix="none")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_all_or_nothing(tmp_path, finished):
    with pytest.raises(InputError, match="expected a reason"):
        written(tmp_path, finished, Frames(), Masks(), Fails())
    assert names(tmp_path) == []
    written(tmp_path, finished, Frames(), Masks(), Mp4())
    before = (tmp_path / "orbit.mp4").read_bytes()
    (tmp_path / "frames" / "00099.png").touch()  # of a longer run
    with pytest.raises(InputError, match="expected a reason"):
        written(tmp_path, finished, Frames(), Fails())
    assert names(tmp_path) == ["frames", "masks", "orbit.mp4"]
    assert (tmp_path / "orbit.mp4").read_bytes() == before
    assert (tmp_path / "frames" / "00099.png").exists()
    written(tmp_path, finished, Frames())
    assert len(names(tmp_path / "frames")) == FRAMES


def test_progress_is_told_and_measured(tmp_path, finished):
    heard = []
    exports = Exports(files={"cameras": Transforms(), "video": Mp4()})
    seconds = exports.write(tmp_path, *finished, SETTING, told=heard.append)
    assert heard == list(seconds) == ["cameras", "video"]
    assert all(value > 0 for value in seconds.values())


def test_what_killed_runs_left_is_removed(tmp_path, finished):
    for name in (".staged.0123abcd", ".frames.0123abcd"):
        (tmp_path / name).mkdir()
    (tmp_path / ".orbit.0123abcd.mp4").touch()
    written(tmp_path, finished, Frames(), Mp4())
    assert names(tmp_path) == ["frames", "orbit.mp4"]


def test_foreign_files_and_the_input_are_never_replaced(tmp_path, finished):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "notes.txt").touch()
    with pytest.raises(InputError, match=r"frames: expected a new folder.*notes\.txt"):
        written(tmp_path, finished, Frames())
    exports = Exports(files={"frames": Frames(), "mp4": Mp4()})
    for inside in ("frames/00000.png", "orbit.mp4"):
        with pytest.raises(InputError, match="expected an input outside of what is written"):
            exports.require_apart(tmp_path / inside, tmp_path)
    exports.require_apart(tmp_path / "photo.jpg", tmp_path)


def test_unlawful_settings_are_refused():
    with pytest.raises(InputError, match=r"each file made once, found orbit\.mp4 twice"):
        Exports(files={"one": Mp4(), "other": Mp4()})
    assert Exports(files={"one": None, "other": Mp4()}).names == ["orbit.mp4"]
    with pytest.raises(InputError, match="depth: expected metric or scale_invariant"):
        Setting(fps=12.0, closed=False, kind=DepthKind.AFFINE_DISPARITY, pivot=PIVOT, surfaces=SURFACES)
    with pytest.raises(InputError, match="side: expected at least 1 pixel"):
        Gif(side=0)
