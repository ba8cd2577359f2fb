import pytest
import torch

from turnaround.geometry.lifting import NearestDepth, RoundedDepth, SurfaceDepth, lift
from turnaround.geometry.projection import project
from turnaround.geometry.track_motion import track_motion, typical_motion
from turnaround.types import Pinhole, PixelTracks, Tracks

NAN = float("nan")
K = torch.tensor([[10.0, 0, 3], [0, 10, 2], [0, 0, 1]])
STEPPED = torch.tensor([[[1.0, 1, 1, 5, 5, 5], [1, 1, 1, 5, 5, 5], [1, 1, 1, 5, 5, 5], [1, 1, NAN, 5, 0, 5]]])


def camera(frames=1):
    return Pinhole(
        world_from_cam=torch.eye(4).repeat(frames, 1, 1), intrinsics=K.expand(frames, 3, 3), height=4, width=6
    )


def at(reader, depth, *pixels):
    return reader.at(depth, torch.tensor([pixels]))[0].tolist()


def test_nearest_is_the_pixel_a_place_falls_in_and_rounding_is_half_a_pixel_off():
    places = (2.9, 1.5), (3.1, 1.5), (2.4, 1.5)
    assert at(NearestDepth(), STEPPED, *places) == [1, 5, 1]
    assert at(RoundedDepth(), STEPPED, *places) == [5, 5, 1]
    assert at(RoundedDepth(), STEPPED, (2.6, 1.5)) == [5]  # of the pixel [2, 3)
    assert at(RoundedDepth(), STEPPED, (5.9, 0.2)) == [5]  # held to the picture


def test_unknown_depth_is_nan():
    for reader in (NearestDepth(), SurfaceDepth(ratio=1.1)):
        assert torch.tensor(at(reader, STEPPED, (2.5, 3.5), (4.5, 3.5))).isnan().all()


def test_a_plane_is_read_exactly_between_pixels():
    """1 / depth is linear in the picture on a plane."""
    y, x = torch.meshgrid(torch.arange(4) + 0.5, torch.arange(6) + 0.5, indexing="ij")
    depth = (1 / (0.2 + 0.01 * x + 0.02 * y))[None]
    places = torch.tensor([[[1.3, 1.9], [4.0, 2.0], [5.49, 3.5]]])
    expected = 1 / (0.2 + 0.01 * places[..., 0] + 0.02 * places[..., 1])
    torch.testing.assert_close(SurfaceDepth(ratio=1.2).at(depth, places), expected)
    assert not torch.allclose(NearestDepth().at(depth, places), expected)


def test_nothing_lies_between_two_surfaces():
    assert at(SurfaceDepth(ratio=1.1), STEPPED, (2.9, 1.5), (3.1, 1.5)) == [1, 5]
    assert at(SurfaceDepth(ratio=1.1), STEPPED, (2.6, 2.7)) == [1]  # beside the unknown one


def test_lifted_points_project_to_their_pixels():
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[1, :3, 3] = torch.tensor([0.5, -0.2, 1.0])
    cameras = Pinhole(world_from_cam=pose, intrinsics=K.expand(2, 3, 3), height=4, width=6)
    tracks = PixelTracks(
        pixels=torch.tensor([[[1.3, 2.2], [5.5, 0.5]], [[1.6, 2.5], [4.1, 3.2]]]),
        visible=torch.ones(2, 2, dtype=torch.bool),
        query=torch.zeros(2, dtype=torch.long),
    )
    lifted = lift(tracks, torch.full((2, 4, 6), 4.0), cameras, by=NearestDepth(), far=20.0)
    pixels, z = project(lifted.world, cameras)
    torch.testing.assert_close(pixels, tracks.pixels)
    torch.testing.assert_close(z, torch.full((2, 2), 4.0))
    # by hand: frame 0, ((1.3 - 3) / 10, (2.2 - 2) / 10, 1) * 4
    torch.testing.assert_close(lifted.world[0, 0], torch.tensor([-0.68, 0.08, 4.0]))


@pytest.mark.parametrize(
    ("pixel", "depth", "seen", "visible"),
    [
        ((2.0, 2.0), 19.9, True, True),
        ((2.0, 2.0), 20.0, True, False),
        ((2.0, 2.0), NAN, True, False),
        ((2.0, 2.0), 5.0, False, False),
        ((6.0, 2.0), 5.0, True, False),
        ((NAN, 2.0), 5.0, True, False),
    ],
)
def test_visible_needs_a_place_in_the_picture_and_a_near_depth(pixel, depth, seen, visible):
    tracks = PixelTracks(
        pixels=torch.tensor([[pixel]]), visible=torch.tensor([[seen]]), query=torch.zeros(1, dtype=torch.long)
    )
    lifted = lift(tracks, torch.full((1, 4, 6), depth), camera(), by=NearestDepth(), far=20.0)
    assert lifted.visible.item() is visible
    assert lifted.world.isnan().all().item() is not visible


def moving(x, visible):
    """A point 2 m ahead that is at x [t] metres: 5 px per metre."""
    world = torch.stack([torch.tensor(x), torch.zeros(len(x)), torch.full((len(x),), 2.0)], -1)[:, None]
    seen = torch.tensor(visible)[:, None]
    return Tracks(world=torch.where(seen[..., None], world, NAN), pixels=torch.zeros(len(x), 1, 2), visible=seen)


def test_motion_is_the_largest_since_a_trail_ago():
    tracks = moving([0.0, 1.0, 1.5, 1.0], [True] * 4)
    assert track_motion(tracks, camera(4), trail=16)[:, 0].tolist() == [0.0, 5.0, 7.5, 5.0]
    assert track_motion(tracks, camera(4), trail=1)[:, 0].tolist() == [0.0, 5.0, 2.5, 2.5]


def test_motion_needs_both_ends_visible():
    found = track_motion(moving([0.0, 1.0, 1.5, 1.0], [False, True, False, True]), camera(4), trail=16)[:, 0]
    assert found.isnan().tolist() == [True, False, True, False]
    assert found[[1, 3]].tolist() == [0.0, 0.0]
    assert typical_motion(found[:, None], quantile=0.9).tolist() == [0.0]


def test_a_still_point_does_not_move_under_a_moving_camera():
    poses = torch.eye(4).repeat(3, 1, 1)
    poses[:, 0, 3] = torch.tensor([0.0, 0.3, 0.9])
    cameras = Pinhole(world_from_cam=poses, intrinsics=K.expand(3, 3, 3), height=4, width=6)
    assert track_motion(moving([0.5] * 3, [True] * 3), cameras, trail=16).max() == 0


def test_typical_motion_is_a_quantile_of_visible_frames():
    motion = torch.cat([torch.arange(11.0), torch.full((3,), NAN)])[:, None]
    assert typical_motion(motion, quantile=0.9).tolist() == [9.0]
    assert typical_motion(torch.full((4, 1), NAN), quantile=0.9).isnan().all()
