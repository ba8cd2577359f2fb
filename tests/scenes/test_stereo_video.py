"""Synthetic stereo videos: what the sampler says is in them, in the same bytes for a seed, and the files hold it."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import stereo_beds
import torch
from hand_made_worlds import BRIGHT, DARK, looking_at, wall
from observed_worlds import lookup

from turnaround.geometry.projection import pixel_grid, project_equirectangular
from turnaround.io.video import read_video
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import color, color_of_corners, match, surface, track
from turnaround.scenes.sample import CLEARANCE, WorldSampler
from turnaround.scenes.stereo_sample import enlarged, held, moving_share
from turnaround.scenes.stereo_video import (
    Exposure,
    Faded,
    Filmed,
    Held,
    Kind,
    Plain,
    Rig,
    StereoVideo,
    Titled,
    lettering,
)
from turnaround.types import InputError, Pinhole, Shot

ALL = dict.fromkeys(Kind, 1.0)


@pytest.fixture(scope="module")
def videos():
    """By kind, one segment each."""
    return {kind: stereo_beds.sampler(kinds={kind: 1.0}, size=32)(1) for kind in Kind}


def alike():
    return Rig(left_from_right=torch.eye(4).double(), right=Exposure(gain=1.0, offset=0.0, curve=0.0))


def plain(value, frames=5, size=8):
    return Plain(kind=Kind.GOOD, color=torch.full((3,), value), size=size, frames=frames)


def test_the_same_seed_gives_the_same_bytes_twice_and_another_seed_others():
    draw = stereo_beds.sampler(kinds=ALL, segments=(2, 2), frames=(2, 3), size=24)
    first, second, other = (torch.stack(list(draw(seed).frames())) for seed in (5, 5, 6))
    assert torch.equal(first, second)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_segments_are_as_many_and_as_long_as_asked_for_and_shots_follow_each_other():
    draw = stereo_beds.sampler(kinds=ALL, segments=(2, 4), frames=(3, 9))
    videos = [draw(seed) for seed in range(12)]
    assert {len(video.segments) for video in videos} == {2, 3, 4}
    assert {segment.kind for video in videos for segment in video.segments} == set(Kind)
    for video in videos:
        lengths = [len(segment) for segment in video.segments]
        assert all(3 <= length <= 9 for length in lengths)
        assert [len(shot) for shot in video.shots] == lengths
        assert video.shots[0].start == 0
        assert video.shots[-1].stop == len(video)
        assert all(before.stop == after.start for before, after in pairwise(video.shots))


def test_frames_hold_the_left_eye_beside_the_right_one():
    video = stereo_beds.sampler(segments=(2, 2), frames=(3, 3), size=24)(3)
    frames = list(video.frames())
    assert len(frames) == len(video) == 6
    assert video.shots == [Shot(start=0, stop=3), Shot(start=3, stop=6)]
    left, right = video.segments[1].eyes(video.rig, 2)
    assert torch.equal(frames[5], torch.cat([left, right], dim=-1))
    assert all(float(frame.min()) >= 0 and float(frame.max()) <= 1 for frame in frames)


def test_the_rig_has_the_stated_baseline_and_errors_within_their_bounds():
    rigs = [stereo_beds.sampler()(seed).rig for seed in range(20)]
    for rig in rigs:
        rotation, centre = rig.left_from_right[:3, :3], rig.left_from_right[:3, 3]
        assert rig.baseline == pytest.approx(0.063, abs=1e-12)
        assert float(torch.linalg.det(rotation)) == pytest.approx(1)
        turn = math.degrees(math.acos((float(rotation.trace()) - 1) / 2))
        aside = math.degrees(math.acos(float(centre[0]) / 0.063))
        assert 0 < turn <= 1.5 * math.sqrt(3)
        assert 0 < aside <= 1.5 * math.sqrt(2)
    assert len({float(rig.left_from_right[0, 1]) for rig in rigs}) == 20


def test_a_still_point_lies_where_its_projection_says_in_both_eyes(videos):
    """A point that the left eye's ray meets is met by the ray of the right eye's pixel, where nothing is between."""
    video = videos[Kind.GOOD]
    left, right = video.scene(0), video.rig.right_eye(video.scene(0))
    grid = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).double() * 30 + 1
    world = track(left, grid, frame=1).world[1].double()
    pixels, _ = project_equirectangular(world[None], left.camera.at(1))
    torch.testing.assert_close(pixels[0], grid, rtol=0, atol=1e-4)  # the world points are float32
    there, _ = project_equirectangular(world[None], right.camera.at(1))
    inside = ((there[0] > 0) & (there[0] < 32)).all(dim=1)
    met = track(right, there[0, inside], frame=1).world[1].double()
    assert ((met - world[inside]).norm(dim=1) < 1e-4).double().mean() > 0.9  # float32 metres; the rest is hidden


def test_both_eyes_show_the_same_colours_at_the_same_points_but_for_the_exposure():
    video = stereo_beds.sampler(size=96)(2)
    shot = video.scene(0)
    left, right = video.segments[0].eyes(video.rig, 2)
    there = match(shot, video.rig.right_eye(shot).camera, 2)
    grid = pixel_grid(96, 96, like=torch.zeros(()))

    def apart(shift):
        pixels = (grid + there.pixels[0].movedim(0, -1)).reshape(-1, 2) + torch.tensor([shift, 0.0])
        found = lookup(right, pixels)[there.visible.flatten()]
        return float((found - video.rig.right(left).flatten(1).T[there.visible.flatten()]).abs().mean())

    assert there.visible.double().mean() > 0.8
    # what is left is that pixels are means over some area, interpolated; half a pixel aside is worse
    assert apart(0.0) < 0.02
    assert apart(0.0) < min(apart(0.5), apart(-0.5))


def test_a_good_shot_travels_and_holds_something_that_moves():
    for seed in range(6):
        scene = stereo_beds.sampler(frames=(9, 9))(seed).scene(0)
        eyes = scene.camera.world_from_cam[:, :3, 3]
        assert 0.3 - 0.15 < float((eyes[-1] - eyes[0]).norm()) < 1.0 + 0.15  # a sway of 0.03 along three axes, twice
        assert moving_share(scene, 4) > 0.01
        assert scene.world.seconds_per_frame == 1 / 15
        for frame in (0, 8):
            assert surface(scene, frame).depth.min() > 0.15
        assert len(scene.camera) == 9


def test_bodies_keep_clear_of_the_camera():
    for seed in range(6):
        scene = stereo_beds.sampler(frames=(9, 9))(seed).scene(0)
        for frame in range(9):
            seen = surface(scene, frame)
            solid = torch.tensor([not body.shape.is_shell for body in scene.world.bodies])[seen.ids]
            assert not solid.any() or float(seen.depth[solid].min()) > CLEARANCE


def test_a_still_segment_repeats_its_bytes(videos):
    video = videos[Kind.STILL]
    assert isinstance(video.segments[0], Held)
    frames = list(video.frames())
    assert len(frames) >= 4
    assert all(torch.equal(frame, frames[0]) for frame in frames)
    assert torch.equal(torch.cat(list(video.segments[0].eyes(video.rig, 3)), dim=-1), frames[0])


def test_good_frames_differ(videos):
    frames = list(videos[Kind.GOOD].frames())
    assert all((after - before).abs().mean() > 1e-3 for before, after in pairwise(frames))


def test_a_fade_changes_evenly_from_one_shot_to_the_other():
    fade = Faded(kind=Kind.FADE, first=plain(0.0), second=plain(1.0), begin=0, end=4)
    assert len(fade) == 5
    assert [float(eyes[0, 0, 0, 0]) for eyes in fade.film(alike())] == [0, 0.25, 0.5, 0.75, 1]


def test_sampled_fades_mix_as_many_frames_as_asked_for():
    for seed in range(8):
        draw = stereo_beds.sampler(kinds={"fade": 1.0}, frames=(20, 20), mixing=(0.5, 0.5), size=8)
        (fade,) = draw(seed).segments
        assert isinstance(fade, Faded)
        mixed = [frame for frame in range(20) if 0 < fade.share(frame) < 1]
        assert len(mixed) == 10
        assert all(later - earlier == 1 for earlier, later in pairwise(mixed))


def test_text_lies_in_the_middle_of_both_eyes_at_the_same_place():
    cover = lettering(["THE END"], 128)
    rows, columns = cover.amax(1).nonzero(), cover.amax(0).nonzero()
    assert abs(float(rows.double().mean()) + 0.5 - 64) < 3  # letters without a descender
    assert abs(float(columns.double().mean()) + 0.5 - 64) < 3
    assert 0.25 * 128 < len(columns) < 0.36 * 128
    title = Titled(kind=Kind.TEXT, behind=plain(0.0, size=128), lines=["THE END"], color=torch.ones(3))
    left, right = title.eyes(alike(), 0)
    assert torch.equal(left[0], cover)
    assert torch.equal(left, right)


def test_text_over_a_shot_leaves_the_rest_of_it_as_it_is():
    video = stereo_beds.sampler(kinds={"text": 1.0}, plain=0.0)(2)
    (title,) = video.segments
    assert isinstance(title, Titled)
    shown, behind = title.eyes(video.rig, 1), title.behind.eyes(video.rig, 1)
    cover = lettering(title.lines, stereo_beds.SIZE)
    assert torch.equal(shown[..., cover == 0], behind[..., cover == 0])
    assert (shown != behind).any(1)[:, cover == 1].all()


def test_without_parallax_the_camera_stays_and_all_is_far_away_but_something_moves():
    turned = []
    for seed in range(8):
        (segment,) = stereo_beds.sampler(kinds={"no_parallax": 1.0})(seed).segments
        assert isinstance(segment, Filmed)
        poses = segment.scene.camera.world_from_cam
        assert (poses[:, :3, 3] == poses[0, :3, 3]).all()
        turned.append(math.degrees(math.acos(min(float(poses[0, :3, 2] @ poses[-1, :3, 2]), 1.0))))
        assert surface(segment.scene, 0).depth.min() > 15 * 0.3  # the camera stands 0.3 metres from walls, or more
        assert moving_share(segment.scene, len(poses) // 2) > 0.01
    # looking down by up to 30 degrees or so makes the angle between two views smaller than the turn
    assert all(angle < 1e-3 or 4 < angle < 15.01 for angle in turned)
    assert len({angle < 1e-3 for angle in turned}) == 2


def test_a_world_15_times_as_large_looks_the_same_to_one_eye():
    near = stereo_beds.sampler()(0).scene(0)
    far = enlarged(near, 15.0)
    torch.testing.assert_close(surface(far, 1).depth, 15 * surface(near, 1).depth, rtol=1e-4, atol=0)
    apart = (color(far, 1, samples=1) - color(near, 1, samples=1)).abs()
    assert apart.mean() < 2e-3  # float32; single pixels at the edges of checks and shadows may fall either way


def test_exposure_of_the_right_eye():
    """Hand-computed: 1.1 * 0.5 * (1 + 0.2 * 0.5) + 0.02 = 0.625; 1 becomes 1.1 + 0.02, cut off."""
    exposure = Exposure(gain=1.1, offset=0.02, curve=0.2)
    image = torch.tensor([0.0, 0.5, 1.0]).expand(3, 1, 3)
    torch.testing.assert_close(exposure(image)[0, 0], torch.tensor([0.02, 0.625, 1.0]))


def test_a_pixel_is_the_mean_of_the_rays_through_its_corners():
    """A pinhole whose picture is larger by a pixel and begins half a pixel earlier shows at its centres what ours shows
    at its corners."""
    scene = looking_at(wall(distance=4, pattern=Pattern.NOISE, colors=(BRIGHT, DARK), frequency=3.0))
    assert isinstance(scene.camera, Pinhole)
    k = scene.camera.intrinsics.clone()
    k[:, :2, 2] += 0.5
    larger = replace(scene.camera, intrinsics=k, height=scene.camera.height + 1, width=scene.camera.width + 1)
    at_corners = color(replace(scene, camera=larger), 0, samples=1)
    expected = torch.nn.functional.avg_pool2d(at_corners, 2, stride=1)
    torch.testing.assert_close(color_of_corners(scene, 0), expected, rtol=0, atol=1e-5)  # float32 rays
    assert expected.std() > 0.05


def test_a_held_scene_stays_at_its_first_moment():
    scene = stereo_beds.sampler()(0).scene(0)
    still = held(scene, 7)
    assert len(still.camera) == 7
    assert torch.equal(surface(still, 6).depth, surface(scene, 0).depth)


def test_the_file_holds_the_frames_and_says_that_it_is_vr180(tmp_path):
    video = stereo_beds.write_good(tmp_path / "bed.mp4", size=64)
    stored = read_video(tmp_path / "bed.mp4", max_frames=100)
    true = torch.stack(list(video.frames()))
    assert stored.shape == true.shape
    assert (stored - true).abs().mean() < 0.03  # H.264 at crf 16 in 4:2:0
    data = (tmp_path / "bed.mp4").read_bytes()
    assert b"st3d" in data
    assert b"sv3d" in data


def test_builders_of_bad_files_make_what_they_say(tmp_path):
    video = stereo_beds.write_good(tmp_path / "good.mp4")
    stereo_beds.write_swapped(tmp_path / "swapped.mp4")
    stereo_beds.write_doubled(tmp_path / "doubled.mp4")
    stereo_beds.write_mono(tmp_path / "mono.mp4")
    stereo_beds.write_blank(tmp_path / "blank.mp4")
    stereo_beds.write_truncated(tmp_path / "cut.mp4")
    good, swapped, doubled, mono, blank = (
        read_video(tmp_path / f"{name}.mp4", max_frames=9) for name in ("good", "swapped", "doubled", "mono", "blank")
    )
    left, right = good[..., :64], good[..., 64:]
    # H.264 loses some hundredths
    assert len(good) == len(video)
    assert (swapped[..., :64] - right).abs().mean() < 0.03 < (left - right).abs().mean()
    assert (doubled[..., :64] - doubled[..., 64:]).abs().mean() < 0.03
    assert mono.shape == good.shape
    assert blank.std() < 0.01
    with pytest.raises(InputError):
        read_video(tmp_path / "cut.mp4", max_frames=9)


def test_facts_name_each_segment():
    rig = alike()
    video = StereoVideo(name="x", segments=(plain(0.0), plain(1.0, frames=3)), rig=rig, size=8, fps=10.0)
    assert video.facts()["segments"] == [
        {"kind": "good", "start": 0, "stop": 5},
        {"kind": "good", "start": 5, "stop": 8},
    ]


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="blurred"):
        stereo_beds.sampler(kinds={"blurred": 1.0})


def test_worlds_in_which_nothing_moves_are_refused():
    draw = stereo_beds.sampler(worlds=WorldSampler(bodies=(0, 0)))
    with pytest.raises(InputError, match="none in 50"):
        draw(0)
