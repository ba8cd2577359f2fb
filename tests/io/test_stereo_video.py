"""Stereo videos of all layouts are told apart, and what is none is refused in a line that says the way out."""

import struct

import pytest
import torch
from small_videos import noise
from stereo_films import eyes, side_by_side, write_film

from turnaround.geometry.lenses import half_sphere_lens
from turnaround.io.eye_views import EquirectangularView, PerspectiveView
from turnaround.io.spherical import box, half_sphere_box, mark_half_spheres, stereo_box, with_boxes
from turnaround.io.stereo_layout import Arrangement, StereoLayout
from turnaround.io.stereo_video import open_stereo
from turnaround.io.video import read_video, write_video
from turnaround.types import DropError, EquirectangularLens, InputError, PerspectiveLens

FRAMES = 6


def layout(**changes):
    """configs/stereo/auto.yaml, but for a single frame that is looked at."""
    auto = {"arrangement": None, "view": None, "swapped": False, "least_height": 256, "samples": 1, "crossed_deg": 0.5}
    return StereoLayout(**{**auto, **changes})


def film(tmp_path, video, name="film.mp4", fps=25.0):
    write_video(tmp_path / name, video, fps=fps)
    return tmp_path / name


def test_a_vr180_video_without_a_word_is_told_from_its_halves(tmp_path):
    path = film(tmp_path, side_by_side(FRAMES), "a_b-c d.e.mp4")
    video = open_stereo(path, layout(samples=3))
    assert (video.id, video.layout, len(video)) == ("a_b-c-d-e", Arrangement.SIDE_BY_SIDE, FRAMES)
    assert video.left_lens == video.right_lens == half_sphere_lens(256, 256)
    assert (video.height, video.width, video.rate, video.is_variable) == (256, 256, 25.0, False)
    assert video.times.tolist() == [40000 * n for n in range(FRAMES)]
    whole = read_video(path, max_frames=FRAMES)
    for number, (left, right) in enumerate(video.frames(2, 5), start=2):
        assert torch.equal(torch.cat([left, right], dim=2), whole[number])
    assert len(list(video.frames())) == FRAMES
    with pytest.raises(InputError, match=r"frames within 0 to 6, found 4 to 7"):
        next(video.frames(4, 7))


def test_a_file_s_own_boxes_come_first(tmp_path):
    path = film(tmp_path, torch.cat(eyes(FRAMES), dim=2))
    on_top = stereo_box()[:-1] + b"\x01"
    quarter = box(b"equi", bytes(4), struct.pack(">4I", 0, 2**30, 2**30, 2**30))
    spherical = box(b"sv3d", box(b"proj", quarter))
    path.write_bytes(with_boxes(path, path.read_bytes(), on_top + spherical))
    video = open_stereo(path, layout())
    assert video.layout is Arrangement.TOP_BOTTOM
    assert video.left_lens == EquirectangularLens(
        start_yaw=-90.0, end_yaw=90.0, start_tilt=-90.0, end_tilt=45.0, height=256, width=256
    )
    left, right = next(video.frames())
    torch.testing.assert_close(torch.cat([left, right], dim=1), read_video(path, max_frames=FRAMES)[0])


def test_boxes_that_say_right_left_swap_the_eyes(tmp_path):
    left, right = eyes(FRAMES)
    path = film(tmp_path, torch.cat([right, left], dim=3))
    path.write_bytes(with_boxes(path, path.read_bytes(), stereo_box()[:-1] + b"\x04" + half_sphere_box()))
    first, _ = next(open_stereo(path, layout()).frames())
    torch.testing.assert_close(first, left[0], rtol=0.0, atol=0.1)  # compressed


def test_what_a_person_says_comes_before_all(tmp_path):
    path = film(tmp_path, side_by_side(FRAMES))
    mark_half_spheres(path)
    view = PerspectiveView(horizontal_fov_deg=90.0)
    video = open_stereo(path, layout(arrangement="side_by_side", view=view))
    assert isinstance(video.left_lens, PerspectiveLens)
    assert video.left_lens.intrinsics.tolist() == [[128, 0, 128], [0, 128, 128], [0, 0, 1]]


def test_a_mono_video_is_refused(tmp_path):
    path = film(tmp_path, noise(FRAMES, 256, 512))
    with pytest.raises(
        InputError, match=r"film\.mp4: expected a stereo video, found .*512 x 256.* do not match; it may"
    ):
        open_stereo(path, layout())
    with pytest.raises(InputError, match=r"two eyes saw .*, found halves that do not match in 1 of 1 frames"):
        open_stereo(path, layout(arrangement="side_by_side", view=PerspectiveView(horizontal_fov_deg=90.0)))
    with pytest.raises(InputError, match="a file that says it is mono"):
        open_stereo(marked_mono(path), layout())


def marked_mono(path):
    path.write_bytes(with_boxes(path, path.read_bytes(), stereo_box()[:-1] + b"\x00"))
    return path


def test_the_same_picture_twice_is_refused(tmp_path):
    left, _ = eyes(FRAMES)
    with pytest.raises(InputError, match=r"found a mono video: both eyes show the same picture; leave it out"):
        open_stereo(film(tmp_path, torch.cat([left, left], dim=3)), layout())


def test_eyes_on_top_of_each_other_that_are_not_said_are_hinted_at(tmp_path):
    path = film(tmp_path, torch.cat(eyes(FRAMES), dim=2))
    with pytest.raises(InputError, match="upper and lower halves do: set stereo=top_bottom"):
        open_stereo(path, layout())
    bounds = {"start_yaw": -90.0, "end_yaw": 90.0, "start_tilt": -90.0, "end_tilt": 90.0}
    video = open_stereo(path, layout(arrangement="top_bottom", view=EquirectangularView(**bounds)))
    assert video.layout is Arrangement.TOP_BOTTOM


def test_swapped_eyes_are_refused_and_can_be_swapped(tmp_path):
    left, right = eyes(FRAMES)
    path = film(tmp_path, torch.cat([right, left], dim=3))
    # 6 and 12 of 256 pixels over 180 degrees: 4.2 and 8.4 degrees
    with pytest.raises(InputError, match=r"them [4-8]\.?\d* degrees further right; set stereo\.swapped=true"):
        open_stereo(path, layout())
    video = open_stereo(path, layout(swapped=True))
    first, second = next(video.frames())
    torch.testing.assert_close(first, left[0], rtol=0.0, atol=0.1)  # compressed
    torch.testing.assert_close(second, right[0], rtol=0.0, atol=0.1)


def test_eyes_are_told_apart_by_what_is_near_where_most_is_far(tmp_path):
    left, right = eyes(2, far=0, near=4, share=5)  # 2.8 degrees
    open_stereo(film(tmp_path, torch.cat([left, right], dim=3)), layout())
    with pytest.raises(InputError, match=r"them 2\.8 degrees further right"):
        open_stereo(film(tmp_path, torch.cat([right, left], dim=3), "swapped.mp4"), layout())


def test_odd_sizes_are_refused(tmp_path):
    path = film(tmp_path, side_by_side(2)[..., 1:])
    with pytest.raises(InputError, match=r"an even width, to be halved between the eyes, found 511 x 256; crop it"):
        open_stereo(path, layout(arrangement="side_by_side"))
    with pytest.raises(InputError, match="found a file of 511 x 256"):
        open_stereo(path, layout())


def test_few_pixels_are_dropped(tmp_path):
    path = film(tmp_path, side_by_side(2))
    with pytest.raises(DropError, match="resolution: 256 against 1920"):
        open_stereo(path, layout(least_height=1920))


def test_a_lens_that_nobody_states_is_asked_for(tmp_path):
    path = film(tmp_path, side_by_side(2))
    with pytest.raises(InputError, match=r"expected a known lens, .* eyes of 256 x 256; set stereo=vr180"):
        open_stereo(path, layout(arrangement="side_by_side"))


def test_an_untextured_video_is_let_through(tmp_path):
    grey = torch.full((2, 3, 256, 512), 0.5)
    assert open_stereo(film(tmp_path, grey), layout()).layout is Arrangement.SIDE_BY_SIDE


def test_a_variable_rate_is_kept_and_flagged(tmp_path):
    times = [0, 40, 80, 200, 240, 300]
    path = write_film(tmp_path / "film.mkv", side_by_side(FRAMES), times)
    video = open_stereo(path, layout())
    assert video.is_variable
    assert video.times.tolist() == [1000 * time for time in times]
    assert video.rate == pytest.approx(5 / 0.3)
    steady = write_film(tmp_path / "steady.mkv", side_by_side(FRAMES), [0, 33, 67, 100, 133, 167])
    assert not open_stereo(steady, layout()).is_variable


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"side_by_side or top_bottom, found diagonal"):
        layout(arrangement="diagonal")
    with pytest.raises(InputError, match=r"samples: expected at least 1, found 0"):
        layout(samples=0)
