import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from turnaround.evaluation.baselines import ConstantDepth, PlanePrior
from turnaround.evaluation.benchmark import Benchmark
from turnaround.evaluation.predict import predict
from turnaround.evaluation.score import read_rows, score, write_rows
from turnaround.io.depth import write_depth_npz
from turnaround.metrics.depth import AbsRel, Delta, Rmse
from turnaround.metrics.temporal import TemporalAlignmentError
from turnaround.types import Clip, DepthEstimator, DepthKind, DepthVideo, Equirectangular180, InputError, Pinhole

HEIGHT, WIDTH = 6, 8


class Clips:
    """Two still scenes in memory, seen by still cameras: a pinhole, and a half sphere, which temporal metrics skip."""

    def __init__(self, frames=3):
        generator = torch.Generator().manual_seed(0)
        still = {name: 2 + 3 * torch.rand(HEIGHT, WIDTH, generator=generator) for name in ("a", "b")}
        k = torch.tensor([[10.0, 0, WIDTH / 2], [0, 10.0, HEIGHT / 2], [0, 0, 1]])
        poses = torch.eye(4).repeat(frames, 1, 1)
        cameras = {
            "a": Pinhole(world_from_cam=poses, intrinsics=k.repeat(frames, 1, 1), height=HEIGHT, width=WIDTH),
            "b": Equirectangular180(world_from_cam=poses, height=HEIGHT, width=WIDTH),
        }
        self.clips = {
            name: Clip(
                id=name,
                video=torch.rand(frames, 3, HEIGHT, WIDTH, generator=generator),
                depth=DepthVideo(values=depth.repeat(frames, 1, 1), kind=DepthKind.METRIC),
                cameras=cameras[name],
            )
            for name, depth in still.items()
        }

    def ids(self):
        return list(self.clips)

    def clip(self, id):
        return self.clips[id]


def make_benchmark(source, **changes):
    settings = {
        "name": "little",
        "source": source,
        "min_depth": 0.1,
        "max_depth": 50.0,
        "alignment": None,
        "metrics": [AbsRel(), Rmse(), Delta(power=1)],
        "temporal_metrics": [TemporalAlignmentError(tolerance=0.02)],
    }
    return Benchmark(**(settings | changes))


def write_predictions(folder, source, kind, image=lambda depth: depth):
    folder.mkdir(parents=True)
    for item in source.ids():
        values = image(source.clip(item).depth.values)
        write_depth_npz(folder / f"{item}.npz", DepthVideo(values=values, kind=kind))


class CountingConstant(ConstantDepth):
    frames = 0

    def stream(self, frames, *, seed):
        for depth in super().stream(frames, seed=seed):
            type(self).frames += 1
            yield depth


def test_truth_as_a_metric_prediction_is_perfect(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC)
    rows = list(score(make_benchmark(source), tmp_path))
    assert [(row["item"], row["method"]) for row in rows] == [("a", "oracle"), ("b", "oracle")]
    # To project undoes to unproject up to rounding.
    assert rows[0]["metrics"] == {"abs_rel": 0, "rmse": 0, "delta1": 1, "tae": pytest.approx(0, abs=1e-10)}
    assert rows[1]["metrics"] == {"abs_rel": 0, "rmse": 0, "delta1": 1}
    assert rows[1]["meta"] == {"kind": "metric", "alignment": "identity", "frames": 3, "frames_dropped": 0}


def test_affine_image_of_the_true_disparity_is_nearly_perfect(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "peer", source, DepthKind.AFFINE_DISPARITY, lambda depth: 3 / depth - 7)
    for row in score(make_benchmark(source), tmp_path):
        assert row["metrics"]["abs_rel"] < 1e-5  # the file holds float32
        assert row["metrics"]["delta1"] == 1
        assert row["meta"]["alignment"] == "disparity_affine"


def test_unlawful_alignment_names_the_file(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "peer", source, DepthKind.AFFINE_DISPARITY)
    with pytest.raises(InputError, match=r"a\.npz.*disparity_affine"):
        list(score(make_benchmark(source, alignment="identity"), tmp_path))


def test_protocol_is_checked():
    with pytest.raises(InputError, match=r"max_depth 0\.1"):
        make_benchmark(Clips(), min_depth=1.0, max_depth=0.1)
    with pytest.raises(InputError, match="median"):
        make_benchmark(Clips(), alignment="median")


def test_prediction_of_another_size_is_resized(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "flat", source, DepthKind.METRIC, lambda depth: torch.full((3, 3, 4), 2.0))
    write_predictions(tmp_path / "full", source, DepthKind.METRIC, lambda depth: torch.full_like(depth, 2.0))
    flat, full = list(score(make_benchmark(source), tmp_path))[:2]
    assert flat["metrics"] == full["metrics"]
    assert flat["meta"]["resized_from"] == [3, 4]


def test_prediction_of_another_length_is_an_invalid_row(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "short", source, DepthKind.METRIC, lambda depth: depth[:2])
    rows = list(score(make_benchmark(source), tmp_path))
    assert rows[0]["metrics"] == {"abs_rel": None, "rmse": None, "delta1": None, "tae": None}
    assert rows[0]["meta"]["invalid"] == "2 frames predicted, the clip has 3"


def test_frames_without_truth_are_dropped_and_counted(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC, lambda depth: depth * 1.5)
    source.clip("a").depth.values[1] = torch.nan
    source.clip("b").depth.values[:] = 99.0  # beyond max_depth
    rows = list(score(make_benchmark(source), tmp_path))
    assert rows[0]["metrics"]["abs_rel"] == pytest.approx(0.5, rel=1e-6)
    assert [row["meta"]["frames_dropped"] for row in rows] == [1, 3]
    assert set(rows[1]["metrics"].values()) == {None}


def test_one_folder_of_files_is_one_method(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "theirs", source, DepthKind.METRIC)
    assert {row["method"] for row in score(make_benchmark(source), tmp_path / "theirs")} == {"theirs"}
    assert {row["method"] for row in score(make_benchmark(source), tmp_path / "theirs", "peer")} == {"peer"}


def test_missing_predictions_are_named(tmp_path):
    source = Clips()
    with pytest.raises(InputError, match="no predictions"):
        list(score(make_benchmark(source), tmp_path / "nowhere"))
    write_predictions(tmp_path / "theirs", source, DepthKind.METRIC)
    (tmp_path / "theirs" / "b.npz").unlink()
    with pytest.raises(InputError, match="1 missing: b;"):
        list(score(make_benchmark(source), tmp_path))


def write_as_depthcrafter(folder, source, frames=None):
    """What its run.py leaves: disparity up to scale and shift under the key `depth`, and nothing else."""
    for item in source.ids():
        path = folder / f"{item}_rgb_left.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, depth=3 / source.clip(item).depth.values[:frames].numpy() - 7)


def named(source, *names):
    """The same clips under other names."""
    source.clips = dict(zip(names, source.clips.values(), strict=True))
    return source


def test_depthcrafters_own_results_are_scored(tmp_path):
    source = named(Clips(), "set/a", "set/b")
    write_as_depthcrafter(tmp_path / "run" / "results_little", source)
    write_as_depthcrafter(tmp_path / "run" / "results_other", named(Clips(), "other/a", "other/b"))
    for folder, method in (("run", "run"), ("run/results_little", "results_little")):
        rows = list(score(make_benchmark(source), tmp_path / folder))
        assert [(row["item"], row["method"]) for row in rows] == [("set/a", method), ("set/b", method)]
        assert all(row["metrics"]["abs_rel"] < 1e-5 for row in rows)  # the file holds float32
        assert {row["meta"]["kind"] for row in rows} == {"affine_disparity"}
    (tmp_path / "run/results_little/set/b_rgb_left.npz").unlink()
    with pytest.raises(InputError, match=r"results_little: .*1 missing: set/b;"):
        list(score(make_benchmark(source), tmp_path / "run"))


def test_depthcrafter_replaces_the_word_in_folders_too(tmp_path):
    write_as_depthcrafter(tmp_path / "results_little", named(Clips(), "rgb_left_maps/a", "b"))
    rows = list(score(make_benchmark(named(Clips(), "disparity_maps/a", "b")), tmp_path, "peer"))
    assert [(row["item"], row["method"]) for row in rows] == [("disparity_maps/a", "peer"), ("b", "peer")]


def test_several_methods_may_be_called_results(tmp_path):
    source = Clips()
    for name in ("results_one", "results_two"):
        write_predictions(tmp_path / name, source, DepthKind.METRIC)
    assert {row["method"] for row in score(make_benchmark(source), tmp_path)} == {"results_one", "results_two"}


def test_an_unknown_pixel_in_a_prediction_is_refused_by_its_file(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "theirs", source, DepthKind.METRIC)
    values = source.clip("b").depth.values.clone()
    values[2, 3, 4] = torch.nan
    write_depth_npz(tmp_path / "theirs" / "b.npz", DepthVideo(values=values, kind=DepthKind.METRIC))
    with pytest.raises(InputError, match=r"b\.npz: expected a depth at every pixel, found NaN in frame 2"):
        list(score(make_benchmark(source), tmp_path))


def test_rows_say_where_their_clips_came_from(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "theirs", source, DepthKind.METRIC)
    origin = {"frames": "a.png\na.dpt", "sha256": "00ff"}
    source.clips["a"] = replace(source.clips["a"], sources=origin)
    rows = list(score(make_benchmark(source), tmp_path))
    assert rows[0]["meta"]["sources"] == origin
    assert "sources" not in rows[1]["meta"]
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_item_cannot_leave_the_folder(tmp_path):
    source = Clips()
    source.clips["../escape"] = source.clips.pop("a")
    with pytest.raises(InputError, match="escape"):
        predict(ConstantDepth(), make_benchmark(source), tmp_path / "predictions", 0, "settings")
    assert not (tmp_path / "predictions" / "escape.npz").exists()


def test_truth_must_be_metric(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "oracle", source, DepthKind.METRIC)
    depth = source.clips["a"].depth.values
    source.clips["a"] = Clip(id="a", video=source.clips["a"].video)
    with pytest.raises(InputError, match="item a: expected true depth"):
        list(score(make_benchmark(source), tmp_path))
    relative = DepthVideo(values=depth, kind=DepthKind.SCALE_INVARIANT)
    source.clips["a"] = Clip(id="a", video=source.clips["a"].video, depth=relative)
    with pytest.raises(InputError, match="scale_invariant"):
        list(score(make_benchmark(source), tmp_path))


def test_resumed_prediction_does_no_work_twice(tmp_path):
    source = Clips()
    benchmark = make_benchmark(source)
    CountingConstant.frames = 0
    predict(CountingConstant(), benchmark, tmp_path, 0, "settings")
    assert CountingConstant.frames == 6
    first = (tmp_path / "constant" / "a.npz").read_bytes()
    (tmp_path / "constant" / "b.json").unlink()  # killed between the two files of b
    predict(CountingConstant(), benchmark, tmp_path, 0, "settings")
    assert CountingConstant.frames == 9
    assert (tmp_path / "constant" / "a.npz").read_bytes() == first
    predict(CountingConstant(), benchmark, tmp_path, 1, "settings")  # another seed is other work
    assert CountingConstant.frames == 15
    predict(CountingConstant(), benchmark, tmp_path, 1, "others")  # so are other settings
    assert CountingConstant.frames == 21


def test_rows_carry_seed_and_speed_and_survive_the_disk(tmp_path):
    source = Clips()
    benchmark = make_benchmark(source)
    predict(ConstantDepth(), benchmark, tmp_path / "predictions", 7, "settings")
    rows = list(score(benchmark, tmp_path / "predictions"))
    assert rows[0]["meta"]["seed"] == 7
    assert rows[0]["meta"]["seconds_per_frame"] > 0
    write_rows(tmp_path / "rows.jsonl", rows)
    assert read_rows(tmp_path / "rows.jsonl") == rows


def test_rows_are_strict_json(tmp_path):
    path = tmp_path / "rows.jsonl"
    row = {"benchmark": "x", "item": "a", "method": "m", "metrics": {"abs_rel": math.nan, "rmse": 1.0}, "meta": {}}
    write_rows(path, [row])
    assert json.loads(path.read_text())["metrics"] == {"abs_rel": None, "rmse": 1.0}
    assert read_rows(path)[0]["metrics"] == {"abs_rel": None, "rmse": 1.0}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"benchmark": "x"}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": {"rmse": NaN}, "meta": {}}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": {"rmse": "1"}, "meta": {}}',
        '{"benchmark": "x", "item": 3, "method": "m", "metrics": {}, "meta": {}}',
        '{"benchmark": "x", "item": "a", "method": "m", "metrics": [], "meta": {}}',
    ],
)
def test_malformed_rows_are_named(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    good = {"benchmark": "x", "item": "a", "method": "m", "metrics": {}, "meta": {}}
    path.write_text(json.dumps(good) + "\n" + line + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl line 2"):
        read_rows(path)
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "other.jsonl")


def test_failed_scoring_leaves_no_rows(tmp_path):
    source = Clips()
    write_predictions(tmp_path / "predictions", source, DepthKind.METRIC)
    (tmp_path / "predictions" / "b.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match=r"b\.npz"):
        write_rows(tmp_path / "rows.jsonl", score(make_benchmark(source), tmp_path / "predictions"))
    assert [path.name for path in tmp_path.iterdir()] == ["predictions"]


def plane_source() -> Clips:
    """Clips whose disparity is a plane in the image, at scales of their own."""
    source = Clips()
    rows = torch.linspace(0, 1, HEIGHT)[None, :, None].expand(3, HEIGHT, WIDTH)
    for scale, name in ((0.2, "a"), (0.7, "b")):
        source.clip(name).depth.values[:] = 1 / (0.1 + scale * rows)
    source.clip("a").depth.values[0, 0, 0] = torch.nan
    return source


def test_baselines_are_estimators_and_give_one_map_per_frame():
    frames = torch.rand(2, 3, HEIGHT, WIDTH)
    for baseline in (ConstantDepth(), PlanePrior(source=plane_source())):
        assert isinstance(baseline, DepthEstimator)
        assert [depth.shape for depth in baseline.stream(frames, seed=0)] == [(HEIGHT, WIDTH)] * 2


def test_plane_prior_learns_the_floor(tmp_path):
    source = plane_source()
    prior = PlanePrior(source=source)
    # Row centres run from -5/6 to 5/6 while the normalised disparity runs from 0 to 1.
    assert prior.coefficients.tolist() == pytest.approx([0.5, 0, 0.6], abs=1e-5)
    plane = next(iter(prior.stream(torch.rand(1, 3, HEIGHT, WIDTH), seed=0)))
    torch.testing.assert_close(plane[:, 0], torch.linspace(0, 1, HEIGHT), rtol=0, atol=1e-5)
    predict(prior, make_benchmark(source), tmp_path, 0, "settings")
    assert all(row["metrics"]["abs_rel"] < 1e-5 for row in score(make_benchmark(source), tmp_path))


def test_plane_prior_needs_depth_that_varies():
    source = Clips()
    for clip in source.clips.values():
        clip.depth.values[:] = 3.0
    with pytest.raises(InputError, match="plane prior"):
        _ = PlanePrior(source=source).coefficients
