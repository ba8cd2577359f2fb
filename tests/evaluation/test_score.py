"""What a protocol makes of a prediction."""

import pytest
import torch
from still_clips import Clips, make_benchmark, write_predictions

from turnaround.evaluation.score import score
from turnaround.types import Clip, DepthKind, DepthVideo, InputError


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
