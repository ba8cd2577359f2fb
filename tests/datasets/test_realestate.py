"""Camera files with videos: poses and pictures come back, times are kept to, bad files are named with their line."""

import numpy as np
import pytest
import torch
from filmed_orbits import HEIGHT, WIDTH, camera_lines, orbits, write_realestate

from turnaround.datasets.drops import DroppedError, drawn
from turnaround.datasets.realestate import RealEstate
from turnaround.io.timed_frames import frames_at
from turnaround.io.video import open_frames, read_video, write_video
from turnaround.types import ClipSource, InputError, Pinhole


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return orbits(tmp_path_factory.mktemp("worlds")).clip("00000000")


def source(root, *, height=HEIGHT, width=WIDTH, frames=5, stride=1):
    return RealEstate(root=str(root), height=height, width=width, frames=frames, stride=stride, cache=f"{root}/kept")


def test_an_orbit_comes_back(clip, tmp_path):
    write_realestate(tmp_path, "orbit", clip)
    found = source(tmp_path)
    assert isinstance(found, ClipSource)
    assert found.ids() == ["orbit"]
    back = found.clip("orbit")
    assert isinstance(back.cameras, Pinhole)
    # float32 poses, inverted twice in float64
    torch.testing.assert_close(back.cameras.world_from_cam, clip.cameras.world_from_cam.float(), atol=1e-6, rtol=0)
    # pixels of up to 192, in float32
    torch.testing.assert_close(back.cameras.intrinsics, clip.cameras.intrinsics.float(), atol=1e-4, rtol=0)
    assert torch.equal(back.video, read_video(tmp_path / "videos" / "orbit.mp4", max_frames=5))
    assert back.depth is None
    assert back.sources["video"] == "videos/orbit.mp4, without 0 of 5 times"
    again = source(tmp_path).clip("orbit")
    assert torch.equal(again.video, back.video)
    assert len(list((tmp_path / "kept").glob("*.npz"))) == 1


def test_cameras_follow_the_size(clip, tmp_path):
    write_realestate(tmp_path, "orbit", clip)
    back = source(tmp_path, height=72, width=72, frames=2, stride=2).clip("orbit")
    # 144 x 192 becomes 72 x 96, of which columns 12 to 84 are kept
    k = clip.cameras.intrinsics[0].float() / 2
    expected = torch.tensor([[k[0, 0], 0, k[0, 2] - 12], [0, k[1, 1], k[1, 2]], [0, 0, 1]])
    torch.testing.assert_close(back.cameras.intrinsics[1], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(
        back.cameras.world_from_cam, clip.cameras.world_from_cam[[0, 2]].float(), atol=1e-6, rtol=0
    )
    assert back.video.shape == (2, 3, 72, 72)


def test_times_without_a_frame_are_left_out_and_counted(clip, tmp_path):
    lines = camera_lines(clip.cameras)
    frame = 1e6 / 24
    times = [0, 0.4 * frame, 1.4 * frame, 3 * frame, 9 * frame]  # of frames 0, 0 again, 1, 3 and none
    moved = [" ".join([str(round(t)), *line.split()[1:]]) for t, line in zip(times, lines[1:], strict=True)]
    write_realestate(tmp_path, "orbit", clip, [lines[0], *moved])
    back = source(tmp_path).clip("orbit")
    video = read_video(tmp_path / "videos" / "orbit.mp4", max_frames=5)
    assert torch.equal(back.video, video[[0, 1, 3]])
    torch.testing.assert_close(
        back.cameras.world_from_cam, clip.cameras.world_from_cam[[0, 2, 3]].float(), atol=1e-6, rtol=0
    )
    assert back.sources["video"].endswith("without 2 of 5 times")
    late = [" ".join([str(10**9 + n), *line.split()[1:]]) for n, line in enumerate(lines[1:])]
    write_realestate(tmp_path, "orbit", clip, [lines[0], *late])
    with pytest.raises(DroppedError, match=r"expected two frames at the times of its cameras, or more, found 0"):
        source(tmp_path).clip("orbit")


def test_frames_far_into_a_video_are_the_right_ones(tmp_path):
    ramp = torch.linspace(0, 1, 300)[:, None, None, None].expand(300, 3, 16, 16)
    write_video(tmp_path / "long.mp4", ramp, fps=25.0)
    every = torch.stack(list(open_frames(tmp_path / "long.mp4")))
    found = list(frames_at(tmp_path / "long.mp4", torch.tensor([0.0, 260, 299]) / 25))
    assert [number for number, _ in found] == [0, 1, 2]
    assert torch.equal(torch.stack([frame for _, frame in found]), every[[0, 260, 299]])
    (last,) = frames_at(tmp_path / "long.mp4", torch.tensor([290.0]) / 25)  # beyond the second keyframe
    assert torch.equal(last[1], every[290])


def test_bad_clips_are_dropped_by_name(clip, tmp_path, capsys):
    for id in ("bad", "good", "lost", "small", "text"):
        write_realestate(tmp_path, id, clip)
    lines = camera_lines(clip.cameras)
    (tmp_path / "cameras" / "bad.txt").write_text("\n".join([*lines[:3], "1 2 3"]))
    (tmp_path / "videos" / "lost.mp4").unlink()
    write_video(tmp_path / "videos" / "small.mp4", clip.video[:, :, ::2, ::2], fps=24.0)
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    found = source(tmp_path)
    for id in ("bad", "lost", "small", "text", "bad"):
        with pytest.raises(DroppedError):
            found.clip(id)
    assert drawn(found.ids(), found.clip, np.random.default_rng(0)).id == "good"
    reasons = found.drops.reasons
    assert set(reasons) == {"bad", "lost", "small", "text"}
    assert "bad.txt, line 4: expected 19 numbers, found 3" in reasons["bad"]
    assert "lost.mp4: expected the video of these cameras" in reasons["lost"]
    assert "expected at least 192 x 144 pixels, found 96 x 72" in reasons["small"]
    assert "clips with cameras: 4 dropped so far" in " ".join(capsys.readouterr().err.split())


def test_paths_stay_inside_and_settings_are_checked(clip, tmp_path):
    write_realestate(tmp_path, "orbit", clip)
    with pytest.raises(InputError, match="expected names inside"):
        source(tmp_path).clip("../cameras/orbit")
    with pytest.raises(InputError, match=r"expected files cameras/ID\.txt, with videos/ID\.mp4, found none"):
        source(tmp_path / "videos").ids()
    with pytest.raises(InputError, match="frames >= 2, stride >= 1, found frames 1, stride 1"):
        source(tmp_path, frames=1)
