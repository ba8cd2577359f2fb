from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from turnaround.io.depth import read_depth_npz
from turnaround.io.image import read_image, read_png16, write_image
from turnaround.io.video import open_frames, read_video, write_video
from turnaround.pipelines.depth import DepthPipeline
from turnaround.types import DepthKind, InputError, WeightsNotice
from turnaround.viz.color import colorize

FILES = {"depth.npz", "depth", "depth_vis.mp4", "side_by_side.mp4"}
# H.264 with colour at half resolution is off by 1 to 5 steps of 8 bits on average here; the neighbouring frame by 13,
# exchanged channels or halves by 45 and more.
H264_MEAN_ERROR = 7 / 255


class GradientEstimator:
    """Disparity by a rule of thumb: luminance plus its horizontal gradient, with a little noise of the seed.

    It answers in bursts of three frames, as windowed networks do.
    """

    name = "gradient"
    weights = (WeightsNotice(name="gradient", source="here", licence="none"),)

    def __init__(self, kind: DepthKind = DepthKind.AFFINE_DISPARITY):
        self.kind = kind

    def stream(self, frames: Iterable[Tensor], *, seed: int) -> Iterator[Tensor]:
        noise, window = torch.Generator().manual_seed(seed), []
        for frame in frames:
            window.append(frame)
            if len(window) == 3:
                yield from (self.estimate(frame, noise) for frame in window)
                window = []
        yield from (self.estimate(frame, noise) for frame in window)

    def estimate(self, frame: Tensor, noise: torch.Generator) -> Tensor:
        luminance = torch.einsum("chw,c->hw", frame, torch.tensor([0.2126, 0.7152, 0.0722]))
        gradient = torch.diff(luminance, dim=1, append=luminance[:, -1:]).abs()
        return 7 * (luminance + gradient) + 2 + 0.01 * torch.rand(luminance.shape, generator=noise)


class FaultyEstimator(GradientEstimator):
    """Spoils the map of frame 4 by a function, or withholds it where that gives None."""

    name = "faulty"

    def __init__(self, spoil):
        super().__init__()
        self.spoil = spoil

    def stream(self, frames: Iterable[Tensor], *, seed: int) -> Iterator[Tensor]:
        for index, values in enumerate(super().stream(frames, seed=seed)):
            spoiled = self.spoil(values) if index == 4 else values
            if spoiled is not None:
                yield spoiled


def scene(*, frames: int, height: int, width: int) -> Tensor:
    """A smooth picture that drifts and slowly brightens."""
    y, x, t = torch.meshgrid(
        torch.linspace(0, 3, height), torch.linspace(0, 4, width), torch.linspace(0, 1, frames), indexing="ij"
    )
    channels = [0.5 + 0.3 * torch.sin(x + t), 0.5 + 0.3 * torch.cos(y - t), 0.2 + 0.5 * t + 0.0 * x]
    return torch.stack(channels).permute(3, 0, 1, 2)


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "clip.mp4"
    write_video(path, scene(frames=7, height=32, width=48), fps=12.0)
    return path


def run(input: Path, out: Path, estimator: GradientEstimator | None = None, **settings) -> dict[str, float]:
    estimator = estimator or GradientEstimator()
    return DepthPipeline(estimator=estimator, input=str(input), seed=3, **settings).run(out)


def raw_maps(input: Path, frames: int | None = None) -> Tensor:
    return torch.stack(list(GradientEstimator().stream(list(open_frames(input))[:frames], seed=3)))


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} if folder.exists() else set()


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (33, 48), (32, 47)])
def test_video_to_all_outputs_at_its_size(tmp_path, height, width):
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    write_video(clip, scene(frames=7, height=height, width=width), fps=12.0)
    metrics = run(clip, out)

    raw = raw_maps(clip).numpy()
    low, high = np.percentile(raw, [0.1, 99.9])
    assert metrics["scale"] == pytest.approx(1 / (high - low), rel=1e-5)  # float32 percentiles
    assert metrics["shift"] == pytest.approx(-low / (high - low), rel=1e-5)
    assert (metrics["frames"], metrics["height"], metrics["width"]) == (7, height, width)
    assert metrics["seconds_per_frame"] > 0

    assert names(out) == FILES
    with np.load(out / "depth.npz", allow_pickle=False) as archive:
        assert str(archive["kind"]) == "affine_disparity"
        scale, shift, depth = archive["scale"], archive["shift"], archive["depth"]
    assert (scale, shift) == (metrics["scale"], metrics["shift"])
    assert depth.dtype == np.float32
    assert depth.shape == (7, height, width)
    expected = np.clip(raw.astype(np.float64) * scale + shift, 0, 1)
    np.testing.assert_allclose(depth, expected, rtol=0, atol=1e-7)  # one rounding to float32
    assert depth.min() == 0
    assert depth.max() == 1

    assert names(out / "depth") == {f"{index:05d}.png" for index in range(7)}
    pngs = torch.stack([read_png16(out / "depth" / f"{index:05d}.png") for index in range(7)])
    torch.testing.assert_close(pngs, torch.from_numpy(depth), rtol=0, atol=0.51 / 65535)  # half a step

    colors, pairs = open_frames(out / "depth_vis.mp4"), open_frames(out / "side_by_side.mp4")
    assert colors.fps == pairs.fps == 12
    colors, pairs = torch.stack(list(colors)), torch.stack(list(pairs))
    assert (colors - colorize(torch.from_numpy(depth))).abs().mean() < H264_MEAN_ERROR
    assert pairs.shape == (7, 3, height, 2 * width)
    assert (pairs[..., :width] - torch.stack(list(open_frames(clip)))).abs().mean() < H264_MEAN_ERROR
    assert (pairs[..., width:] - colorize(torch.from_numpy(depth))).abs().mean() < H264_MEAN_ERROR


@pytest.mark.parametrize("kind", [DepthKind.METRIC, DepthKind.SCALE_INVARIANT])
def test_depth_with_a_true_zero_stays_raw_and_only_pictures_are_normalised(tmp_path, video, kind):
    metrics = run(video, tmp_path / "out", GradientEstimator(kind))
    raw = raw_maps(video)
    with np.load(tmp_path / "out" / "depth.npz", allow_pickle=False) as archive:
        assert str(archive["kind"]) == kind.value
        assert (archive["scale"], archive["shift"]) == (1, 0)
        np.testing.assert_array_equal(archive["depth"], raw.numpy())
    expected = (raw[2].double() * metrics["scale"] + metrics["shift"]).clamp(0, 1).float()
    png = read_png16(tmp_path / "out" / "depth" / "00002.png")
    torch.testing.assert_close(png, expected, rtol=0, atol=0.51 / 65535)  # half a step


def test_affine_depth_is_normalised(tmp_path, video):
    run(video, tmp_path / "out", GradientEstimator(DepthKind.AFFINE_DEPTH))
    depth = read_depth_npz(tmp_path / "out" / "depth.npz")
    assert depth.kind is DepthKind.AFFINE_DEPTH
    assert (depth.values.min(), depth.values.max()) == (0, 1)


@pytest.mark.parametrize("kind", list(DepthKind))
def test_bright_is_near_for_every_kind(tmp_path, kind):
    write_image(tmp_path / "photo.png", scene(frames=1, height=32, width=48)[0])
    run(tmp_path / "photo.png", tmp_path / "out", GradientEstimator(kind))
    raw = raw_maps(tmp_path / "photo.png")[0].flatten()
    near = raw.argmax() if kind.is_disparity else raw.argmin()
    brightness = read_image(tmp_path / "out" / "depth_vis.png").sum(dim=0).flatten()
    assert brightness[near] == brightness.max()


def test_one_image_also_gives_a_picture(tmp_path):
    write_image(tmp_path / "photo.png", scene(frames=1, height=21, width=30)[0])
    metrics = run(tmp_path / "photo.png", tmp_path / "out")
    assert metrics["frames"] == 1
    assert names(tmp_path / "out") == FILES | {"depth_vis.png"}
    depth = read_depth_npz(tmp_path / "out" / "depth.npz").values
    assert depth.shape == (1, 21, 30)
    picture = read_image(tmp_path / "out" / "depth_vis.png")
    torch.testing.assert_close(picture, colorize(depth[0]), rtol=0, atol=1e-6)  # the table is 8 bit: nothing is lost
    assert len(read_video(tmp_path / "out" / "depth_vis.mp4", max_frames=2)) == 1


def test_image_folder_in_natural_order(tmp_path):
    for index, frame in enumerate(scene(frames=11, height=16, width=20)):
        write_image(tmp_path / "photos" / f"{index}.png", frame)
    run(tmp_path / "photos", tmp_path / "out")
    depth = read_depth_npz(tmp_path / "out" / "depth.npz").values
    assert depth.shape == (11, 16, 20)
    assert (depth.mean(dim=(1, 2)).diff() > 0).all()  # the scene brightens


def test_fps_and_max_frames(tmp_path, video):
    metrics = run(video, tmp_path / "out", fps=5.0, max_frames=4)
    assert metrics["frames"] == 4
    with np.load(tmp_path / "out" / "depth.npz", allow_pickle=False) as archive:
        expected = raw_maps(video, 4).double() * metrics["scale"] + metrics["shift"]
        np.testing.assert_allclose(archive["depth"], expected.clamp(0, 1), rtol=0, atol=1e-7)  # one rounding to float32
    for name in ("depth_vis.mp4", "side_by_side.mp4"):
        assert open_frames(tmp_path / "out" / name).fps == 5
        assert len(read_video(tmp_path / "out" / name, max_frames=9)) == 4


def test_more_max_frames_than_frames(tmp_path, video):
    assert run(video, tmp_path / "out", max_frames=100)["frames"] == 7


@pytest.mark.parametrize("settings", [{"fps": 0.0}, {"fps": -1.0}, {"fps": float("nan")}, {"max_frames": 0}])
def test_impossible_settings_name_the_key(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        DepthPipeline(estimator=GradientEstimator(), input="any", seed=0, **settings)


def test_same_seed_same_bytes(tmp_path, video):
    for seed, out in ((0, "a"), (0, "b"), (1, "c")):
        DepthPipeline(estimator=GradientEstimator(), input=str(video), seed=seed).run(tmp_path / out)
    a, b, c = ((tmp_path / out / "depth.npz").read_bytes() for out in "abc")
    assert a == b
    assert a != c
    for index in range(7):
        name = f"depth/{index:05d}.png"
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_progress_goes_to_stderr(tmp_path, video, capsys):
    run(video, tmp_path / "out")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "7/7" in printed.err
    assert "eta 0:00:00" in printed.err


def truncated(folder: Path) -> Path:
    path = folder / "long.mkv"
    write_video(path, scene(frames=40, height=64, width=64), fps=24.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    return path


def empty_folder(folder: Path) -> Path:
    (folder / "photos").mkdir()
    return folder / "photos"


def mixed_sizes(folder: Path) -> Path:
    for index, width in enumerate((20, 20, 20, 20, 22)):
        write_image(folder / "mixed" / f"{index}.png", torch.rand(3, 16, width))
    return folder / "mixed"


def no_frames(folder: Path) -> Path:
    path = folder / "none.mp4"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    "bad", [truncated, empty_folder, mixed_sizes, no_frames, lambda folder: folder / "missing.mp4"]
)
def test_bad_input_is_named_and_leaves_nothing(tmp_path, bad):
    path, out = bad(tmp_path), tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match=path.name):
        run(path, out)
    assert names(out) == set()


def with_one_nan(values: Tensor) -> Tensor:
    return values.clone().index_put_((torch.tensor(3), torch.tensor(5)), torch.tensor(torch.nan))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (with_one_nan, r"clip.mp4, frame 4: expected finite depth from faulty, found 1 pixels"),
        (lambda values: values / 0, r"clip.mp4, frame 4: expected finite depth"),
        (lambda values: values[:, 1:], r"clip.mp4, frame 4: expected a map of \(32, 48\).*found \(32, 47\)"),
        (lambda values: None, r"expected one map per frame from faulty, found 6 for the 7 frames"),
    ],
)
def test_unsound_estimates_are_named_and_leave_nothing(tmp_path, video, spoil, found):
    with pytest.raises(InputError, match=found):
        run(video, tmp_path / "out", FaultyEstimator(spoil))
    assert names(tmp_path / "out") == set()


def test_an_estimator_that_stops_early_is_noticed(tmp_path, video):
    class Early(GradientEstimator):
        def stream(self, frames, *, seed):
            yield self.estimate(next(iter(frames)), torch.Generator())

    with pytest.raises(InputError, match="found 1 for the 2 frames"):
        run(video, tmp_path / "out", Early())
    assert names(tmp_path / "out") == set()


def test_any_error_keeps_what_was_there(tmp_path, video):
    out = tmp_path / "out"
    run(video, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    def interrupt(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(video, out, FaultyEstimator(interrupt))
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_second_run_replaces_the_first(tmp_path, video):
    run(video, tmp_path / "out")
    run(video, tmp_path / "out", max_frames=2)
    assert names(tmp_path / "out" / "depth") == {"00000.png", "00001.png"}
    assert len(read_depth_npz(tmp_path / "out" / "depth.npz").values) == 2


@pytest.mark.parametrize("inside", ["side_by_side.mp4", "depth", "depth/00001.png"])
def test_the_input_is_never_replaced(tmp_path, video, inside):
    run(video, tmp_path / "out")
    before = (tmp_path / "out" / "depth" / "00001.png").read_bytes()
    with pytest.raises(InputError, match="choose another out="):
        run(tmp_path / "out" / inside, tmp_path / "out")
    assert (tmp_path / "out" / "depth" / "00001.png").read_bytes() == before


def test_a_foreign_depth_folder_is_refused_before_the_work(tmp_path, video):
    (tmp_path / "out" / "depth").mkdir(parents=True)
    (tmp_path / "out" / "depth" / "truth.npy").write_bytes(b"precious")

    def never(values):
        raise AssertionError("the estimator ran")

    with pytest.raises(InputError, match=r"truth\.npy"):
        run(video, tmp_path / "out", FaultyEstimator(never))
    assert names(tmp_path / "out") == {"depth"}


def test_a_constant_is_black(tmp_path, video):
    class Flat(GradientEstimator):
        def estimate(self, frame, noise):
            return torch.full(frame.shape[1:], 4.25)

    metrics = run(video, tmp_path / "out", Flat())
    assert (metrics["scale"], metrics["shift"]) == (1, -4.25)
    assert read_depth_npz(tmp_path / "out" / "depth.npz").values.abs().max() == 0
