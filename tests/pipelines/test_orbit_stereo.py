"""Two eyes: disparity in closed form, colours by hand, half spheres against the exact worlds."""

import math
from dataclasses import replace

import pytest
import torch
from hand_made_worlds import body, looking_at
from observed_worlds import vector
from small_orbits import EDGES, SETTING, TOLERANCE, key_view, scenes, small_orbit, view_of

from turnaround.geometry.holes import fill_view
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.geometry.stereo import right_camera
from turnaround.io.video import open_frames, read_video
from turnaround.pipelines.orbit.exports.contributions import cloud_of, contributions
from turnaround.pipelines.orbit.exports.export import Exports
from turnaround.pipelines.orbit.exports.stereo import Stereo, anaglyph, seen_by, views_around
from turnaround.pipelines.orbit.exports.vr180 import Vr180, half_sphere
from turnaround.render.engine import forward_splat
from turnaround.render.points import Discs
from turnaround.render.shapes import Shape
from turnaround.render.texture import Pattern
from turnaround.scenes.observe import color, film_vr180
from turnaround.types import Equirectangular180, InputError, OrbitVideo, Pinhole, SceneCache, View

HEIGHT, WIDTH = 32, 64  # the focal length is the width
DEPTH = 4.0  # also the distance of the pivot of SETTING


def plane_orbit(depth, frames=1):
    """A camera at rest before a plane with a random texture."""
    pose = torch.eye(4)[None].expand(frames, 4, 4)
    k = torch.tensor([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1.0]]).expand(frames, 3, 3)
    cameras = Pinhole(world_from_cam=pose, intrinsics=k, height=HEIGHT, width=WIDTH)
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    return still(View(image=image, depth=torch.full((HEIGHT, WIDTH), depth), camera=cameras.at(0)), cameras)


def still(view, cameras):
    size, frames = view.depth.shape, len(cameras)
    labels = torch.zeros(size, dtype=torch.uint8)
    cache = SceneCache(views=(key_view(view, label=labels, confidence=torch.ones(size), step=0),))
    orbit = OrbitVideo(
        video=view.image.expand(frames, -1, -1, -1),
        depth=view.depth.expand(frames, -1, -1),
        label=labels.expand(frames, -1, -1),
        confidence=torch.ones(frames, *size),
        step=torch.zeros(frames, *size, dtype=torch.int64),
        cameras=cameras,
    )
    return orbit, cache


def measured_disparity(pair, most=8):
    """By which the left half must move left to fit the right one best."""
    left, right = pair.split(pair.shape[-1] // 2, dim=-1)
    inner = slice(most, -most)
    moved = [left.roll(-shift, dims=-1)[..., inner] - right[..., inner] for shift in range(-most, most + 1)]
    return int(torch.stack([each.abs().mean() for each in moved]).argmin()) - most


@pytest.mark.parametrize("screen", [math.inf, 1.0, 0.5])
@pytest.mark.parametrize("depth", [2.0, 4.0, 8.0])
def test_disparity_is_focal_length_times_baseline_over_depth(tmp_path, depth, screen):
    orbit, cache = plane_orbit(depth)
    baseline = 0.0625  # of 4 metres
    Exports(files={"stereo": Stereo(baseline=baseline, screen=screen)}).write(tmp_path, orbit, cache, SETTING)
    pair = next(iter(open_frames(tmp_path / "stereo_sbs.mp4")))
    assert pair.shape == (3, HEIGHT, 2 * WIDTH)
    expected = WIDTH * baseline * DEPTH * (1 / depth - 1 / (screen * DEPTH))
    assert measured_disparity(pair) == round(expected)
    assert expected == round(expected), "whole pixels by construction, so rounding decides nothing"


def test_left_eye_is_on_the_left(tmp_path):
    orbit, cache = plane_orbit(2.0)
    Exports(files={"stereo": Stereo(baseline=0.0625, screen=math.inf)}).write(tmp_path, orbit, cache, SETTING)
    left = next(iter(open_frames(tmp_path / "stereo_sbs.mp4")))[..., :WIDTH]
    # Half of 8 pixels: from further left, a near point stands further right.
    moved = [(orbit.video[0].roll(shift, dims=-1) - left)[..., 8:-8].abs().mean() for shift in range(-8, 9)]
    assert int(torch.stack(moved).argmin()) - 8 == 4


def test_anaglyph_takes_red_from_the_left_and_the_rest_from_the_right():
    white, black = torch.ones(3, 1, 1), torch.zeros(3, 1, 1)
    # The matrices have 6 digits, float32 has 7.
    assert anaglyph(white, white).flatten().tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert anaglyph(white, black).flatten().tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    assert anaglyph(black, white).flatten().tolist() == pytest.approx([0, 1, 1], abs=1e-6)
    # 0.5 in sRGB is 0.214041 of the light; the left matrix' first row sums to 1.132965: 0.242501, in sRGB 0.530
    assert float(anaglyph(white / 2, black)[0]) == pytest.approx(0.5300, abs=5e-4)


def test_anaglyph_video_is_the_pair_mixed(tmp_path):
    orbit, cache = plane_orbit(8.0)
    smooth = torch.linspace(0.2, 0.8, WIDTH).expand(3, HEIGHT, WIDTH)
    cache = SceneCache(views=(replace(cache.views[0], view=replace(cache.views[0].view, image=smooth)),))
    orbit = replace(orbit, video=smooth[None])
    Exports(files={"stereo": Stereo(baseline=0.0625, screen=math.inf)}).write(tmp_path, orbit, cache, SETTING)
    left, right = next(iter(open_frames(tmp_path / "stereo_sbs.mp4"))).split(WIDTH, dim=-1)
    shown = next(iter(open_frames(tmp_path / "anaglyph.mp4")))
    # Both went through H.264 in 8 bits, some steps of error each, and colours in half the resolution.
    assert (shown - anaglyph(left, right)).abs().mean() < 0.02
    assert (shown - anaglyph(right, left)).abs().mean() > 0.02


def test_eyes_show_what_the_video_invented(tmp_path):
    """A cache that knows the left half only; the rest is in the frames."""
    orbit, cache = plane_orbit(8.0)
    view = cache.views[0].view
    depth = view.depth.clone()
    depth[:, WIDTH // 2 :] = torch.nan
    cache = SceneCache(views=(replace(cache.views[0], view=replace(view, depth=depth)),))
    orbit = replace(orbit, video=orbit.video.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1))
    Exports(files={"stereo": Stereo(baseline=0.0625, screen=math.inf)}).write(tmp_path, orbit, cache, SETTING)
    right = next(iter(open_frames(tmp_path / "stereo_sbs.mp4")))[..., WIDTH:]
    kept = slice(WIDTH // 2 + 4, WIDTH - 4)
    here = (orbit.video[0].roll(-1, dims=-1) - right)[..., kept].abs().mean()
    # H.264 keeps the brightness of noise to some steps of 8 bits; smooth filling is some 0.13 away, its mean deviation.
    assert here < 0.05


def test_holes_take_what_lies_behind():
    image, hole = torch.zeros(3, 8, 16), torch.zeros(8, 16, dtype=torch.bool)
    image[0, :, 8:], hole[:, 7:9] = 1.0, True  # a red half, and a hole in the middle
    for depths, behind in (((10.0, 1.0), 0.0), ((1.0, 10.0), 1.0)):
        depth = torch.tensor(depths).repeat_interleave(8).expand(8, 16).masked_fill(hole, torch.nan)
        filled = fill_view(image.masked_fill(hole, 0.0), depth, hole)[0]
        assert torch.equal(filled[:, ~hole], image[:, ~hole])
        assert (filled[0, hole] - behind).abs().mean() < 0.5, "nearer to what is behind than to what is before"
    assert torch.equal(fill_view(image, torch.ones(8, 16), ~hole & hole)[0], image)


def room():
    """A textured room of 8 x 6 x 8 metres around the camera, with a box before it; turned, so that no axis is idle."""
    turn = rotation_about(vector(0.3, 1.0, 0.1), vector(0.7)[0])
    pose = rigid(turn, vector(0.3, -0.2, -0.5))[None]
    walls = body(
        Shape.ROOM, (4.0, 3.0, 4.0), (0, 0, 0), pattern=Pattern.NOISE, colors=((0.9, 0.2, 0.1), (0.1, 0.6, 0.9))
    )
    box = body(Shape.BOX, (0.4, 0.4, 0.4), (1.6, 0.2, 1.2), colors=((0.1, 0.9, 0.1), (0.1, 0.9, 0.1)))
    return looking_at([walls, box], poses=pose, height=64, width=64)


def surrounding(scene, *, side=128):
    """Exact key views to all five sides of the camera, of 100 degrees each: the room as a cache."""
    focal = side / 2 / math.tan(math.radians(50))
    k = torch.tensor([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1.0]]).double()[None]
    views = []
    sides = [(vector(0.0, 1.0, 0.0), quarters) for quarters in (0, 1, -1)]
    sides += [(vector(1.0, 0.0, 0.0), quarters) for quarters in (-1, 1)]
    for number, (axis, quarters) in enumerate(sides):
        turn = rigid(rotation_about(axis, vector(quarters * math.pi / 2)[0]), torch.zeros(3, dtype=torch.float64))
        camera = Pinhole(world_from_cam=scene.camera.world_from_cam @ turn, intrinsics=k, height=side, width=side)
        view = view_of(replace(scene, camera=camera), 0)
        size = view.depth.shape
        views.append(
            key_view(view, label=torch.zeros(size, dtype=torch.uint8), confidence=torch.ones(size), step=number)
        )
    return SceneCache(views=tuple(views))


def test_half_sphere_equals_the_exact_one():
    scene, size = room(), 64
    eye = Equirectangular180(world_from_cam=scene.camera.world_from_cam, height=size, width=size)
    cloud = cloud_of(list(contributions(surrounding(scene), TOLERANCE)), EDGES)
    discs = Discs(points=cloud.points, colors=cloud.colors, radius=cloud.radius)
    shown = half_sphere(discs, eye, TOLERANCE)
    exact = color(replace(scene, camera=eye), 0).float()
    apart = (shown - exact).abs().mean(dim=0)
    # Two resamplings blur the noise and move edges by up to a pixel.
    assert apart.median() < 0.02
    assert apart.quantile(0.95) < 0.1
    for turned in (shown.flip(-1), shown.flip(-2), shown.roll(4, -1), shown.roll(4, -2)):
        assert (turned - exact).abs().mean(dim=0).median() > 2 * apart.median()


def test_vr180_video_shows_both_eyes(tmp_path):
    scene, size = room(), 64
    cache = surrounding(scene)
    view = cache.views[0].view
    setting = replace(SETTING, pivot=scene.camera.world_from_cam[0, :3, 3] + scene.camera.world_from_cam[0, :3, 2])
    orbit, _ = still(view, view.camera)
    Exports(files={"vr180": Vr180(baseline=0.2, size=size)}).write(tmp_path, orbit, cache, setting)
    assert all(name in (tmp_path / "vr180.mp4").read_bytes() for name in (b"st3d", b"sv3d", b"equi"))
    shown = read_video(tmp_path / "vr180.mp4", max_frames=1)
    pose = scene.camera.world_from_cam.clone()
    pose[0, :3, 3] -= 0.1 * pose[0, :3, 0]  # the oracle's path is that of the left eye
    exact = film_vr180(replace(scene, camera=replace(scene.camera, world_from_cam=pose)), baseline=0.2, size=size)
    apart = (shown - exact.float()).abs().mean(dim=1)
    # As above, and 4:2:0 halves the resolution of colour.
    assert apart.median() < 0.04
    swapped = torch.cat(exact.float().split(size, dim=-1)[::-1], dim=-1)
    assert (shown - swapped).abs().mean() > 1.3 * apart.mean()


def test_bad_numbers_are_refused():
    with pytest.raises(InputError, match=r"baseline: expected a number above 0, found 0\.0"):
        Stereo(baseline=0.0, screen=1.0)
    with pytest.raises(InputError, match="screen: expected a number above 0, found nan"):
        Stereo(baseline=0.1, screen=math.nan)
    with pytest.raises(InputError, match="size: expected an even number of at least 16, found 33"):
        Vr180(baseline=0.1, size=33)


def test_what_the_frame_hides_from_an_eye_comes_from_the_frames_around():
    orbit, _ = small_orbit(height=48, width=64, frames=6)
    world, _ = scenes(height=48, width=64, frames=6)
    for frame in range(6):
        true = view_of(world, frame)
        orbit.video[frame], orbit.depth[frame] = true.image, true.depth
    # The path turns by 4 degrees a frame at 4 metres: 0.28 metres. An eye at 0.11 sees past the box.
    eye = right_camera(orbit.cameras.at(2), 0.11)
    exact = view_of(replace(world, camera=replace(eye, world_from_cam=eye.world_from_cam.double())), 0).image
    views = views_around(orbit, 2, apart=0.11)
    assert [torch.equal(view.image, orbit.video[n]) for view, n in zip(views, (2, 1, 3), strict=True)]
    hole = forward_splat(views[0], eye, edges=SETTING.surfaces.edges).hole
    assert int(hole.sum()) > 60
    shown, guessed = (seen_by(eye, each, SETTING.surfaces.edges) for each in (views, views[:1]))
    assert torch.equal(shown[:, ~hole], guessed[:, ~hole])
    apart = [(each - exact).abs().mean(0)[hole].mean() for each in (shown, guessed)]
    assert apart[0] < 0.5 * apart[1]


def test_no_frame_is_asked_that_stands_too_near():
    orbit, _ = plane_orbit(4.0, frames=3)
    assert len(views_around(orbit, 1, apart=0.1)) == 1  # all stand at the same place
    poses = orbit.cameras.world_from_cam.clone()
    poses[2, 0, 3] = 0.1
    moved = replace(orbit, cameras=replace(orbit.cameras, world_from_cam=poses))
    assert len(views_around(moved, 1, apart=0.05)) == 2
    assert len(views_around(moved, 1, apart=0.2)) == 1
