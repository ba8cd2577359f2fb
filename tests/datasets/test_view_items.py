"""Views of still scenes as inpainting items, with procedural worlds as the oracle, and posed scenes on disk."""

import json

import cv2
import numpy as np
import pytest
import torch
from benchmark_pictures import rigid, write_picture, write_steps
from still_clips import Clips

from turnaround.datasets.posed_scenes import PosedScenes
from turnaround.datasets.procedural import ProceduralClips
from turnaround.datasets.view_items import ViewItems
from turnaround.io.nerfstudio import PosedFrames, write_transforms
from turnaround.render.elements import Edges
from turnaround.scenes.sample import WorldSampler
from turnaround.types import Clip, ClipSource, DepthKind, DepthVideo, InpaintSource, InputError, Pinhole

EDGES = Edges(depth_ratio=0.1, stretch=3.0)


def views(clips) -> ViewItems:
    return ViewItems(clips=clips, edges=EDGES, tolerance=0.02)


def test_known_pixels_show_the_truth_and_holes_are_what_the_first_view_does_not(tmp_path):
    sampler = WorldSampler(height=96, width=128, frames=3, moving=0.0, paths={"orbit": 1.0})
    clips = ProceduralClips(sampler=sampler, first=1, count=1, cache=str(tmp_path))
    source = views(clips)
    assert isinstance(source, InpaintSource)
    item, clip = source.item("00000001"), clips.clip("00000001")
    assert torch.equal(item.truth, clip.video)
    assert torch.equal(item.given.video[0], clip.video[0])
    assert not item.given.hole[0].any()
    assert not item.counted[0].any()
    assert item.counted[1:].all()
    assert (item.hole <= item.given.hole).all()
    assert 0.01 < item.hole[1:].float().mean() < 0.6
    known = ~item.given.hole[1:]
    apart = (item.given.video[1:] - item.truth[1:]).abs().mean(1)[known]
    assert apart.median() < 0.02  # resampling; unwarped frames differ by more
    unwarped = (item.truth[:1] - item.truth[1:]).abs().mean(1)[known]
    assert apart.mean() < 0.5 * unwarped.mean()
    depth = (item.given.depth[1:] / item.depth[1:] - 1).abs()[known]
    assert depth.median() < 1e-3
    cracks = item.given.hole & ~item.hole
    assert cracks.float().mean() < 0.05, "open by the warp alone: outlines"


def test_two_planes_by_hand():
    """A square at 1 m before a wall at 4 m; the second camera stands half a metre to the right; focal length 8."""
    height, width = 6, 24
    depth = torch.full((2, height, width), 4.0)
    depth[0, :, 12:16], depth[1, :, 8:12] = 1.0, 1.0  # disparity 4, the wall's is 1
    poses = torch.eye(4).repeat(2, 1, 1)
    poses[1, 0, 3] = 0.5
    k = torch.tensor([[8.0, 0, 12], [0, 8, 3], [0, 0, 1]]).repeat(2, 1, 1)
    cameras = Pinhole(world_from_cam=poses, intrinsics=k, height=height, width=width)
    clips = Clips()
    depths = DepthVideo(values=depth, kind=DepthKind.METRIC)
    clips.clips = {"a": Clip(id="a", video=torch.rand(2, 3, height, width), cameras=cameras, depth=depths)}
    depth[1, 0, 3] = torch.nan
    item = views(clips).item("a")
    expected = torch.zeros(width, dtype=torch.bool)
    expected[12:15] = True  # columns 13 to 15 of the wall lie behind the square in the first view
    expected[23] = True  # at 24
    assert torch.equal(item.hole[1, 1:], expected.expand(height - 1, width))
    assert torch.equal(item.given.hole[1, 1:], expected.expand(height - 1, width))
    assert not item.counted[1, 0, 3]
    assert item.counted[1].sum() == height * width - 1


def test_clips_without_geometry_are_refused():
    clips = Clips()
    with pytest.raises(InputError, match=r"clip b: expected two frames or more with pinhole cameras"):
        views(clips).item("b")
    clips.clips["a"] = Clip(id="a", video=torch.rand(2, 3, 6, 8), cameras=clips.clips["a"].cameras)
    with pytest.raises(InputError, match="found 2 frames without them"):
        views(clips).item("a")


def write_scene(folder, frames=4, size=(12, 16)):
    """Pictures and depth steps of the frames."""
    height, width = size
    images = [write_picture(folder / "images" / f"{number}.png", *size) for number in range(frames)]
    steps = [write_steps(folder / "depth" / f"{number}.png", *size) for number in range(frames)]
    poses = torch.stack([torch.from_numpy(rigid(seed)) for seed in range(frames)]).float()
    k = torch.tensor([[[15.0, 0, 8], [0, 15, 6], [0, 0, 1]]]).repeat(frames, 1, 1)
    cameras = Pinhole(world_from_cam=poses, intrinsics=k, height=height, width=width)
    posed = PosedFrames(
        images=[folder / "images" / f"{number}.png" for number in range(frames)],
        depths=[folder / "depth" / f"{number}.png" for number in range(frames)],
        cameras=cameras,
    )
    write_transforms(folder / "transforms.json", posed)
    return torch.stack(images), torch.stack(steps), cameras


def scenes(root, **changes) -> PosedScenes:
    return PosedScenes(**({"root": str(root), "scenes": None, "start": 0, "frames": 9, "stride": 1} | changes))


def test_posed_scenes_are_read_as_they_lie(tmp_path):
    images, steps, cameras = write_scene(tmp_path / "room")
    source = scenes(tmp_path, start=1, frames=2, stride=2)
    assert isinstance(source, ClipSource)
    assert source.ids() == ["room"]
    clip = source.clip("room")
    assert torch.equal(clip.video, images[[1, 3]])
    expected = torch.where((steps == 0) | (steps == 65535), torch.nan, steps / 1000).float()[[1, 3]]
    torch.testing.assert_close(clip.depth.values, expected, rtol=1e-6, atol=0, equal_nan=True)  # float32
    assert torch.equal(clip.cameras.world_from_cam, cameras.world_from_cam[[1, 3]])
    assert torch.equal(clip.cameras.intrinsics, cameras.intrinsics[[1, 3]])
    assert clip.sources["cameras"] == "room"
    assert "room/transforms.json" in clip.sources["frames"]


def test_saturated_depth_is_unknown(tmp_path):
    write_scene(tmp_path / "room")
    stored = np.full((12, 16), 2500, np.uint16)
    stored[0, 0], stored[1, 1], stored[2, 2] = 0, 65535, 65534
    cv2.imwrite(str(tmp_path / "room" / "depth" / "0.png"), stored)
    depth = scenes(tmp_path).clip("room").depth.values[0]
    assert depth.isnan().sum() == 2
    assert depth[0, 0].isnan()
    assert depth[1, 1].isnan()
    assert depth[2, 2] == pytest.approx(65.534)
    assert depth[5, 5] == pytest.approx(2.5)


def test_scenes_that_do_not_fit_are_refused(tmp_path):
    write_scene(tmp_path / "room")
    listing = tmp_path / "room" / "transforms.json"
    stored = json.loads(listing.read_text())
    listing.write_text(json.dumps(stored | {"w": 32, "h": 24}))
    with pytest.raises(InputError, match=r"transforms\.json: expected depth of 32 x 24, found 16 x 12"):
        scenes(tmp_path).clip("room")
    for frame in stored["frames"]:
        frame.pop("depth_file_path")
    listing.write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"transforms\.json: expected depth_file_path in each frame"):
        scenes(tmp_path).clip("room")
    listing.unlink()
    with pytest.raises(InputError, match=r"transforms\.json.*no such file"):
        scenes(tmp_path).clip("room")
    write_scene(tmp_path / "room")
    (tmp_path / "room" / "images" / "2.png").unlink()
    with pytest.raises(InputError, match=r"1 missing, the first is .*images/2\.png"):
        scenes(tmp_path).clip("room")
