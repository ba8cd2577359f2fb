"""Which files are scored: ours, and those that others wrote."""

import numpy as np
import pytest
import torch
from still_clips import Clips, make_benchmark, write_predictions

from turnaround.evaluation.score import score
from turnaround.io.depth import write_depth_npz
from turnaround.types import DepthKind, DepthVideo, InputError


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
