"""Orbits: how far cameras turned, which frames are scored, and films from disk, whoever wrote the files."""

import json
import math
from dataclasses import replace

import pytest
import torch
from inpainting import camera
from small_turntables import EYE, FRAMES, HEIGHT, TARGET, WIDTH, Turntables, make_benchmark, turntable
from torchvision.models import squeezenet1_1

from turnaround.evaluation.baselines import ConstantDepth
from turnaround.evaluation.orbits import is_closed, pivot_of, sparse
from turnaround.evaluation.pictures import found_frames, read_frames, write_frames
from turnaround.evaluation.score import read_rows, write_rows
from turnaround.geometry.paths import dolly, orbit, turned, turned_degrees
from turnaround.io.image import read_image
from turnaround.run.eval import Contest
from turnaround.types import DepthKind, Filmer, InputError

ITEM = "scenes/one"


class Stuck:
    """Shows the first view, wherever the camera goes; keeps what it was given."""

    name = "stuck"
    weights = ()

    def __init__(self):
        self.calls = []

    def film(self, first, cameras, pivot, *, closed, seed):
        self.calls.append((first, cameras, pivot, closed, seed))
        return first.image.expand(len(cameras), -1, -1, -1)


def vector(*values):
    return torch.tensor(values, dtype=torch.float64)


def standing(poses):
    return replace(camera(HEIGHT, WIDTH, len(poses)), world_from_cam=poses)


def rows_of(benchmark, folder, method=None):
    return {row["method"]: row for row in benchmark.score(folder, method)}


def test_a_turntable_turns_by_equal_steps():
    found = turned_degrees(turntable().world_from_cam)
    assert found[0] == 0
    # the orbit moves to the right, so that its cameras look ever more to the left; half way round both are the same
    assert found[1:6].tolist() == pytest.approx([-30, -60, -90, -120, -150])
    assert abs(found[6].item()) == pytest.approx(180)
    assert found[7:].tolist() == pytest.approx([150, 120, 90, 60, 30])


@pytest.mark.parametrize("over", [-0.5, 0.0, 0.7])
def test_pitched_cameras_turn_about_the_vertical(over):
    """A rig that turns about the vertical: a lens that looks up or down does not change how far."""
    start = turned(torch.eye(4).double(), vector(0, 0, 4), vector(0), vector(over))[0]
    angles = torch.deg2rad(vector(0, 45, 90, -45))
    cameras = standing(turned(start, vector(0, 0, 4), angles, torch.zeros_like(angles)))
    assert turned_degrees(cameras.world_from_cam).tolist() == pytest.approx([0, -45, -90, 45])


def test_a_turn_to_the_right_is_positive():
    """From a first camera that looks along x to one that looks along -z, where y points down."""
    poses = torch.eye(4).double().repeat(2, 1, 1)
    poses[0, :3, :3] = torch.stack([vector(0, 0, -1), vector(0, 1, 0), vector(1, 0, 0)], dim=1)
    poses[1, :3, :3] = torch.stack([vector(-1, 0, 0), vector(0, 1, 0), vector(0, 0, -1)], dim=1)
    assert turned_degrees(poses).tolist() == pytest.approx([0, 90])


def test_some_pixels_of_the_first_depth_are_given():
    depth = torch.arange(40 * 56.0).view(40, 56) + 1
    found = sparse(depth)
    kept = ~found.isnan()
    assert kept.nonzero().tolist() == [[row, column] for row in (8, 24) for column in (8, 24, 40)]
    assert torch.equal(found[kept], depth[kept])


def test_the_pivot_is_where_all_axes_meet():
    depth = torch.full((HEIGHT, WIDTH), 2.0)
    torch.testing.assert_close(pivot_of(turntable(), depth), TARGET)  # float64
    half = standing(orbit(EYE, TARGET, 5, degrees=40.0).float())
    torch.testing.assert_close(pivot_of(half, depth), TARGET, atol=1e-5, rtol=0)  # poses of 7 digits


def test_the_pivot_of_parallel_axes_is_as_far_as_most_of_what_is_seen():
    cameras = standing(dolly(EYE, TARGET, 4, travel=vector(2, 0, 0)))
    depth = torch.full((HEIGHT, WIDTH), torch.nan)
    depth[0, :3], depth[1, :2] = torch.tensor([2.0, 3.0, 9.0]), 0.0
    ahead = torch.nn.functional.normalize(TARGET - EYE, dim=0)
    torch.testing.assert_close(pivot_of(cameras, depth), EYE + 3 * ahead)


def test_a_path_is_closed_where_its_ends_are_neighbours():
    assert is_closed(turntable())
    assert not is_closed(turntable().at(0))
    assert not is_closed(standing(orbit(EYE, TARGET, 12, degrees=90.0)))
    assert is_closed(standing(orbit(EYE, TARGET, 12, degrees=360.0)))  # the last frame is the first
    assert not is_closed(standing(turntable().world_from_cam[:2]))
    places = torch.eye(4).double().repeat(4, 1, 1)
    places[:, 0, 3] = vector(0, 1, 2, 2)
    places[:, 2, 3] = vector(0, 0, 0, 0)
    assert is_closed(standing(places))  # twice the median of 1, 1 and 0
    places[3, 0, 3] = 2.1
    assert not is_closed(standing(places))


def test_frames_are_scored_at_angles_on_both_sides(tmp_path):
    source = Turntables()
    write_frames(tmp_path / "theirs" / ITEM, source.clip(ITEM).video)
    benchmark = make_benchmark(source, angles=[0.0, 30.0, 52.5, 53.0, 67.0, 135.0, 180.0])
    meta = rows_of(benchmark, tmp_path)["theirs"]["meta"]
    assert meta["frames_at"] == {
        "0": [],  # the first frame is the picture itself
        "30": [1, 11],
        "52.5": [2, 10],
        "53": [2, 10],
        "67": [2, 10],
        "135": [],  # frames are at 120 and 150, and 8 degrees are allowed
        "180": [6],
    }


def test_one_side_alone_is_scored_where_a_path_has_no_other(tmp_path):
    source = Turntables()
    clip = source.clips[ITEM]
    source.clips[ITEM] = replace(clip, cameras=standing(orbit(EYE, TARGET, FRAMES, degrees=-110.0)))
    write_frames(tmp_path / "theirs" / ITEM, clip.video)
    meta = rows_of(make_benchmark(source, angles=[60.0, 110.0]), tmp_path)["theirs"]["meta"]
    assert meta["frames_at"] == {"60": [6], "110": [11]}


@pytest.fixture
def random_weights(tmp_path):
    """In a file of the backbone's layout; that a picture is like itself holds with any."""
    path = tmp_path / "weights" / "squeeze.pth"
    path.parent.mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(squeezenet1_1(weights=None).state_dict(), path)
    return path


def test_the_truth_is_perfect(tmp_path, random_weights):
    source = Turntables()
    video = source.clip(ITEM).video
    write_frames(tmp_path / "films" / "oracle" / ITEM, video)
    row = rows_of(make_benchmark(source, weights=random_weights), tmp_path / "films")["oracle"]
    steps = (video.double() - video.double().roll(1, 0)).abs().mean((1, 2, 3))
    nothing = {"psnr_135": None, "ssim_135": None, "lpips_135": None}
    best = {"psnr": pytest.approx(58.92, abs=0.01), "ssim": pytest.approx(1), "lpips": 0}  # 10 log10(12 * 255^2)
    perfect = {f"{name}_{angle}": value for angle in (60, 180) for name, value in best.items()}
    loop = float(steps[0] / steps[1:].median())
    assert row["metrics"] == perfect | nothing | {"loop_error": pytest.approx(loop, rel=1e-5)}  # means in float32
    assert row["meta"]["frames"] == FRAMES
    assert row["meta"]["sources"] == {"video": "numbers"}
    assert row["meta"]["lpips"] == "v0.1, net squeeze, squeeze.pth"
    write_rows(tmp_path / "rows.jsonl", [row])
    assert read_rows(tmp_path / "rows.jsonl") == [row]


def test_only_the_frames_at_an_angle_count_there(tmp_path):
    source = Turntables()
    video = source.clip(ITEM).video.clone()
    video[2] = 0.4
    video[3] = 0.0
    write_frames(tmp_path / "theirs" / ITEM, video)
    row = rows_of(make_benchmark(source), tmp_path)["theirs"]
    error = (102 / 255 - source.clip(ITEM).video[2].double()).square().mean()  # 0.4 is 102 steps of 255
    best = 10 * math.log10(12 * 255**2)
    assert row["metrics"]["psnr_60"] == pytest.approx((best - 10 * math.log10(error)) / 2, abs=1e-5)
    assert row["metrics"]["psnr_180"] == pytest.approx(best)
    assert row["metrics"]["lpips_60"] is None, "there are no weights"


def test_another_size_or_number_of_frames_is_an_invalid_row(tmp_path):
    source = Turntables()
    video = source.clip(ITEM).video
    write_frames(tmp_path / "short" / ITEM, video[:-1])
    write_frames(tmp_path / "wide" / ITEM, torch.cat([video, video], dim=3))
    write_frames(tmp_path / "late" / ITEM, video)
    (tmp_path / "late" / ITEM / "00000.png").rename(tmp_path / "late" / ITEM / "00012.png")
    rows = rows_of(make_benchmark(source), tmp_path)
    assert rows["short"]["meta"]["invalid"] == "11 frames predicted, the item has 12"
    assert rows["wide"]["meta"]["invalid"] == "80 x 32 predicted, the item is 40 x 32"
    assert "invalid" in rows["late"]["meta"]
    names = {f"{name}_{angle}" for name in ("psnr", "ssim", "lpips") for angle in (60, 135, 180)} | {"loop_error"}
    for row in rows.values():
        assert row["metrics"] == dict.fromkeys(names)


def test_a_film_is_predicted_from_the_first_view_alone(tmp_path):
    source, method = Turntables(), Stuck()
    benchmark = make_benchmark(source)
    assert isinstance(benchmark, Contest)
    assert isinstance(method, Filmer)
    benchmark.predict(method, tmp_path, 5, "settings")
    clip = source.clip(ITEM)
    ((first, cameras, pivot, closed, seed),) = method.calls
    assert torch.equal(first.image, clip.video[0])
    torch.testing.assert_close(first.depth, sparse(clip.depth.values[0]), rtol=0, atol=0, equal_nan=True)
    assert torch.equal(first.camera.world_from_cam, cameras.world_from_cam[:1])
    assert torch.equal(cameras.world_from_cam, clip.cameras.world_from_cam.float())
    torch.testing.assert_close(pivot, TARGET, atol=1e-5, rtol=0)  # poses of 7 digits
    assert (closed, seed) == (True, 5)
    frames = read_frames(list(found_frames(tmp_path / "stuck", ITEM).values()))
    assert torch.equal(frames, clip.video[:1].expand(FRAMES, -1, -1, -1))
    row = rows_of(benchmark, tmp_path)["stuck"]
    assert row["metrics"]["loop_error"] is None, "one picture"
    error = (clip.video[0] - clip.video[6]).double().square().mean()
    assert row["metrics"]["psnr_180"] == pytest.approx(-10 * math.log10(error), abs=1e-5)
    assert (row["meta"]["seed"], row["meta"]["settings"]) == (5, "settings")
    assert row["meta"]["seconds_per_frame"] > 0


def test_a_stopped_run_goes_on_and_other_settings_begin_anew(tmp_path):
    source, method = Turntables(), Stuck()
    benchmark = make_benchmark(source)
    record = tmp_path / "stuck" / f"{ITEM}.json"
    for calls, (seed, settings) in ((1, (5, "some")), (1, (5, "some")), (2, (6, "some")), (3, (6, "others"))):
        benchmark.predict(method, tmp_path, seed, settings)
        assert len(method.calls) == calls
        assert json.loads(record.read_text())["seed"] == seed
    record.unlink()
    benchmark.predict(method, tmp_path, 6, "others")
    assert len(method.calls) == 4
    assert read_image(tmp_path / "stuck" / ITEM / "00011.png").shape == (3, HEIGHT, WIDTH)


def test_methods_of_another_kind_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected filmers, found ConstantDepth; use contenders=orbit"):
        make_benchmark(Turntables()).predict(ConstantDepth(), tmp_path, 0, "settings")
    assert not list(tmp_path.iterdir())


def test_clips_without_cameras_or_metres_are_refused(tmp_path):
    source = Turntables()
    clip = source.clips[ITEM]
    relative = replace(clip.depth, kind=DepthKind.SCALE_INVARIANT)
    for changes in ({"cameras": None}, {"depth": None}, {"depth": relative}):
        source.clips[ITEM] = replace(clip, **changes)
        with pytest.raises(InputError, match="two frames or more with pinhole cameras and depth in metres"):
            make_benchmark(source).predict(Stuck(), tmp_path, 0, "settings")
