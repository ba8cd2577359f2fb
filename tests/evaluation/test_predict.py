"""Predictions are written once, where they belong."""

import pytest
from still_clips import Clips, make_benchmark

from turnaround.evaluation.baselines import ConstantDepth
from turnaround.evaluation.predict import predict
from turnaround.types import InputError


class CountingConstant(ConstantDepth):
    frames = 0

    def stream(self, frames, *, seed):
        for depth in super().stream(frames, seed=seed):
            type(self).frames += 1
            yield depth


def test_item_cannot_leave_the_folder(tmp_path):
    source = Clips()
    source.clips["../escape"] = source.clips.pop("a")
    with pytest.raises(InputError, match="escape"):
        predict(ConstantDepth(), make_benchmark(source), tmp_path / "predictions", 0, "settings")
    assert not (tmp_path / "predictions" / "escape.npz").exists()


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
