"""Truth written as a mined clip scores perfectly, known errors score what they are, and pieces are judged by hand."""

from dataclasses import replace

import pytest
import torch
from stereo_beds import sampler

from turnaround.evaluation.mined_clip import MinedClip, of_frames
from turnaround.evaluation.mined_pieces import bad_frames, judged
from turnaround.evaluation.mining import MiningBenchmark
from turnaround.geometry.lenses import perspective_lens
from turnaround.geometry.projection import pixel_grid
from turnaround.geometry.rectification import eye_from_rectified
from turnaround.geometry.se3 import rigid, rotation_about
from turnaround.io.clip_disparity import ClipDisparityWriter, open_clip_disparity
from turnaround.io.mined_manifest import Record, Status
from turnaround.scenes.observe import surface
from turnaround.scenes.stereo_truth import CropTruth
from turnaround.scenes.stereo_video import Faded
from turnaround.types import ClipQuality, InputError, Shot, Stereo4DClip

SIZE, FOV, FRAMES = 48, 60.0, 6


@pytest.fixture(scope="module")
def film():
    return sampler(frames=(FRAMES, FRAMES))(3)


@pytest.fixture(scope="module")
def perfect(film, tmp_path_factory):
    """The clip that a miner without fault would make of the film's one shot."""
    shot = film.segments[0].scene
    turns = eye_from_rectified(film.rig.left_from_right)
    lens = perspective_lens(SIZE, FOV)
    truth = CropTruth(shot=shot, rig=film.rig, eye_from_rectified=turns, lens=lens)
    places = pixel_grid(SIZE, SIZE, like=torch.zeros((), dtype=torch.float64))[4:-4:6, 4:-4:6].reshape(-1, 2)
    tracks = truth.tracks(places, frame=FRAMES // 2)
    seen = tracks.visible[..., None]
    world, pixels = (torch.where(seen, each.double(), torch.nan) for each in (tracks.world, tracks.pixels))
    focal, path = float(lens.intrinsics[0, 0]), tmp_path_factory.mktemp("perfect") / "clip.npz"
    with ClipDisparityWriter(
        path, frames=FRAMES, height=SIZE, width=SIZE, fx=focal, baseline=film.rig.baseline
    ) as writer:
        for frame in range(FRAMES):
            writer.write(focal * film.rig.baseline / surface(truth.left, frame).depth)
    count = world.shape[1]
    quality = ClipQuality(
        horizontal_fov_deg=FOV,
        size=SIZE,
        baseline=film.rig.baseline,
        calibration=0.0,
        dropped={},
        version="truth",
        pixels=pixels,
        lifted=world,
        **{name: torch.zeros(count) for name in ("sigma", "left_right", "vertical", "motion", "static_residual")},
    )
    clip = Stereo4DClip(
        name=f"{film.name}_0",
        video_id=film.name,
        timestamps=torch.arange(FRAMES),
        world_from_cam=truth.left.camera.world_from_cam,
        tracks=world,
        eye_from_rectified=turns,
        fov_bounds=torch.tensor([-90.0, 90.0, -90.0, 90.0]),
    )
    return MinedClip(
        clip=clip,
        quality=quality,
        disparity=open_clip_disparity(path),
        shot=shot,
        rig=film.rig,
        frames=2,
        tracks=30,
    )


def test_the_truth_is_without_error(perfect):
    found = perfect.figures()
    for name in ("path_error", "rotation_deg", "rig_rotation_deg", "rig_direction_deg", "baseline_error"):
        assert found[name] == pytest.approx(0, abs=1e-4), name
    assert found["rectification_px"] == pytest.approx(0, abs=1e-4)
    assert found["disparity_px"] == pytest.approx(0, abs=1e-2)  # stored in 11 bits
    assert found["disparity_bad2"] == 0
    assert found["completeness"] == 1
    for name in ("track_px", "epe3d", "epe3d_lifted", "jitter"):
        assert found[name] == pytest.approx(0, abs=1e-5), name  # tracks are float32
    assert found["track_found"] == 1


def test_a_world_in_another_place_is_as_good(perfect):
    turn = rotation_about(torch.tensor([0.2, 1.0, 0.1], dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64))
    there = rigid(turn, torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64))
    moved = replace(
        perfect.clip,
        world_from_cam=there @ perfect.clip.world_from_cam,
        tracks=perfect.clip.tracks @ turn.T + there[:3, 3],
    )
    found = replace(perfect, clip=moved).figures()
    assert found["path_error"] == pytest.approx(0, abs=1e-4)
    assert found["epe3d"] == pytest.approx(0, abs=1e-5)


def test_errors_are_what_was_put_in(perfect):
    pixels = perfect.quality.pixels + torch.tensor([0.3, 0.4])
    pixels[FRAMES // 2] = perfect.quality.pixels[FRAMES // 2]
    noise = torch.zeros_like(perfect.clip.tracks)
    noise[::2] = torch.tensor([0.0, 0.0, 0.02])
    clip = replace(perfect.clip, tracks=perfect.clip.tracks + noise)
    slid = replace(perfect, clip=clip, quality=replace(perfect.quality, pixels=pixels))
    found = slid.figures()
    assert found["track_px"] == pytest.approx(0.5, abs=1e-4)
    # every other of six frames is 2 cm off, so each is 1 cm from the mean; a track that is hidden at times has less
    assert 0.008 < found["jitter"] <= 0.01 + 1e-6
    assert found["jitter_lifted"] == pytest.approx(0, abs=1e-5)
    assert found["baseline_error"] == pytest.approx(0, abs=1e-9)
    wide = replace(perfect, quality=replace(perfect.quality, baseline=1.1 * perfect.rig.baseline))
    assert wide.figures()["baseline_error"] == pytest.approx(10)


def test_a_part_of_a_shot_is_the_shot_from_there(film):
    shot = film.segments[0].scene
    part = of_frames(shot, 2, 5)
    assert len(part.camera) == 3
    for frame in range(3):
        assert torch.equal(surface(part, frame).ids, surface(shot, frame + 2).ids)
        torch.testing.assert_close(surface(part, frame).depth, surface(shot, frame + 2).depth, rtol=1e-5, atol=1e-5)


def record(start, stop, status, reason=None):
    return Record(clip=f"c{start}", video="v.mp4", status=status, start=start, stop=stop, reason=reason)


def test_pieces_are_judged_by_what_became_of_their_frames():
    film = sampler(segments=(4, 4), frames=(20, 20), kinds={"good": 0.5, "still": 0.3, "fade": 0.2})
    film = next(film(seed) for seed in range(50) if [str(s.kind) for s in film(seed).segments].count("good") == 2)
    kinds = [str(segment.kind) for segment in film.segments]
    perfect = [
        record(
            shot.start, shot.stop, Status.DONE if kind == "good" else Status.DROPPED, None if kind == "good" else kind
        )
        for kind, shot in zip(kinds, film.shots, strict=True)
    ]
    found = judged(film, perfect)
    assert (found.good_kept.value, found.bad_dropped.value, found.right_reason.value) == (1, 1, 1)
    assert (found.cuts_found.value, found.cuts_true.value) == (1, 1)
    lost = [replace(each, status=Status.DROPPED, reason="poses") for each in perfect]
    found = judged(film, lost)
    assert (found.good_kept.value, found.bad_dropped.value, found.right_reason.value) == (0, 1, 0)
    whole = [record(0, len(film), Status.DONE)]
    found = judged(film, whole)
    assert (found.good_kept.value, found.bad_dropped.value, found.cuts_found.value) == (1, 0, 0)
    split = [*perfect[1:], record(0, 7, Status.DONE), record(7, 20, Status.DONE)]
    if kinds[0] == "good":
        assert judged(film, split).cuts_true.value == pytest.approx(3 / 4)


def test_of_a_fade_only_the_mixture_is_bad():
    film = sampler(segments=(1, 1), frames=(30, 30), kinds={"fade": 1.0})(0)
    segment = film.segments[0]
    assert isinstance(segment, Faded)
    mixed = bad_frames(segment, film.shots[0])
    shares = [segment.share(frame) for frame in range(30)]
    assert [frame for frame in range(30) if 0 < shares[frame] < 1] == list(range(mixed.start, mixed.stop))
    assert bad_frames(replace(segment.first), Shot(start=4, stop=9)) == Shot(start=4, stop=9)


def test_what_is_no_miner_and_no_mined_folder_is_refused(tmp_path):
    benchmark = MiningBenchmark(
        name="mining", sampler=sampler(), first=0, count=1, cache=str(tmp_path), frames=1, tracks=1
    )
    with pytest.raises(InputError, match="expected miners, found object"):
        benchmark.predict(object(), tmp_path, 0, "")
    with pytest.raises(InputError, match="folders of mined clips"):
        list(benchmark.score(tmp_path))
