"""Inpainting: predicted to disk and scored from disk, whoever wrote the files."""

import json
import math

import pytest
import torch
from holed_pictures import Holes, make_benchmark, write_filled

from turnaround.evaluation.baselines import ConstantDepth
from turnaround.evaluation.classical import BackgroundStretch, OpenCvInpainter
from turnaround.evaluation.score import read_rows, write_rows
from turnaround.io.image import read_image, write_image
from turnaround.run.eval import Contest
from turnaround.types import FilledVideo, InpaintSource, InputError


class Grey:
    """Fills with grey; counts its calls."""

    name = "grey"
    weights = ()

    def __init__(self):
        self.calls = 0

    def fingerprint(self):
        return self.name

    def fill(self, partial, *, seed):
        self.calls += 1
        return FilledVideo(video=torch.where(partial.hole[:, None], 0.4, partial.video))


def rows_of(benchmark, folder, method=None):
    return {(row["item"], row["method"]): row for row in benchmark.score(folder, method)}


def test_a_method_is_predicted_and_scored(tmp_path):
    source = Holes()
    benchmark = make_benchmark(source)
    assert isinstance(source, InpaintSource)
    assert isinstance(benchmark, Contest)
    for method in (Grey(), BackgroundStretch()):
        benchmark.predict(method, tmp_path, 5, "settings")
    files = sorted(path.relative_to(tmp_path / "grey").as_posix() for path in (tmp_path / "grey").rglob("*.*"))
    assert files == ["a/pair.json", "a/pair/00000.png", "a/pair/00001.png", "single.json", "single/00000.png"]
    rows = rows_of(benchmark, tmp_path)
    assert set(rows) == {(item, method) for item in source.ids() for method in ("grey", "background_stretch")}
    row = rows["single", "grey"]
    item = source.item("single")
    error = (102 / 255 - item.truth[0].double())[:, item.hole[0]].square().mean()  # 0.4 is 102 steps of 255
    assert row["metrics"]["hole_psnr"] == pytest.approx(-10 * math.log10(error), abs=1e-5)
    expected = -10 * math.log10(error * 16 / 192)
    assert row["metrics"]["psnr"] == pytest.approx(expected, abs=1e-5), "of 192 pixels, 16 differ"
    assert row["metrics"]["known_error"] == 0
    assert row["meta"]["seed"] == 5
    assert row["meta"]["seconds_per_frame"] > 0
    assert row["meta"]["sources"] == {"left": "left.png"}
    assert row["meta"]["hole_pixels"] == 16
    write_rows(tmp_path / "rows.jsonl", rows.values())
    assert read_rows(tmp_path / "rows.jsonl") == list(rows.values())


def test_frames_that_are_not_counted_have_no_part(tmp_path):
    source = Holes()
    benchmark = make_benchmark(source)

    def spoil(video):
        video = video.clone()
        video[-1, :, 4:8, 4:8] = 0.2
        video[0, :, :4] = 0.8 if len(video) > 1 else video[0, :, :4]
        return video

    write_filled(tmp_path / "theirs", source, spoil)
    row = rows_of(benchmark, tmp_path)["a/pair", "theirs"]
    assert row["meta"]["frames"] == 2
    assert row["meta"]["frames_dropped"] == 1
    item = source.item("a/pair")
    error = (0.2 - item.truth[1].double())[:, item.hole[1]].square().mean()
    assert row["metrics"]["psnr"] == pytest.approx(-10 * math.log10(error * 16 / 192), abs=1e-5)
    assert row["metrics"]["warped_error"] > 0
    assert row["metrics"]["known_error"] == 184, "what was given in frame 0 came back as 204; the least colour is 20"


def test_without_its_weights_lpips_is_null_and_the_row_says_where_they_belong(tmp_path):
    source = Holes()
    write_filled(tmp_path / "theirs", source)
    rows = rows_of(make_benchmark(source, tmp_path / "w.pth"), tmp_path)
    for row in rows.values():
        assert row["metrics"]["lpips"] is None
        assert row["metrics"]["hole_lpips"] is None
        assert row["meta"]["lpips"] == f"unavailable, place squeezenet1_1-b8a52dc0.pth at {tmp_path / 'w.pth'}"


def test_the_truth_is_perfect(tmp_path):
    source = Holes()
    write_filled(tmp_path / "oracle", source)
    rows = rows_of(make_benchmark(source), tmp_path)
    best = pytest.approx(58.92, abs=0.01)  # 10 log10(12 * 255^2)
    perfect = {"psnr": best, "hole_psnr": best, "lpips": None, "hole_lpips": None, "known_error": 0}
    assert rows["single", "oracle"]["metrics"] == perfect
    # sampled at pixel centres, which float64 misses by less than 1e-12 of a pixel
    assert rows["a/pair", "oracle"]["metrics"] == perfect | {"warped_error": pytest.approx(0, abs=1e-6)}


def test_one_folder_of_items_is_one_method(tmp_path):
    source = Holes()
    write_filled(tmp_path / "theirs", source)
    benchmark = make_benchmark(source)
    assert {method for _, method in rows_of(benchmark, tmp_path / "theirs")} == {"theirs"}
    assert {method for _, method in rows_of(benchmark, tmp_path / "theirs", "peer")} == {"peer"}


def test_missing_items_are_named(tmp_path):
    source = Holes()
    benchmark = make_benchmark(source)
    with pytest.raises(InputError, match=r"nowhere: expected .*found no predictions; .*the first is single"):
        list(benchmark.score(tmp_path / "nowhere"))
    write_filled(tmp_path / "theirs", source)
    (tmp_path / "theirs" / "single.png").unlink()
    with pytest.raises(InputError, match="1 missing: single;"):
        list(benchmark.score(tmp_path))


def test_what_does_not_fit_is_an_invalid_row(tmp_path):
    source = Holes()
    benchmark = make_benchmark(source)
    write_filled(tmp_path / "short", source)
    (tmp_path / "short" / "a" / "pair" / "00000.png").unlink()
    write_filled(tmp_path / "wide", source, lambda video: torch.cat([video, video], dim=3))
    rows = rows_of(benchmark, tmp_path)
    short, wide = rows["a/pair", "short"], rows["single", "wide"]
    assert set(short["metrics"].values()) == set(wide["metrics"].values()) == {None}
    assert short["meta"]["invalid"] == "1 frames predicted, the item has 2, 00000.png is missing"
    assert wide["meta"]["invalid"] == "32 x 12 predicted, the item is 16 x 12"
    assert rows["single", "short"]["metrics"]["known_error"] == 0
    write_image(tmp_path / "short" / "a" / "pair" / "00000.png", torch.rand(3, 5, 5))
    with pytest.raises(InputError, match=r"00001\.png: expected 5 x 5, as the first, found 16 x 12"):
        rows_of(benchmark, tmp_path)
    (tmp_path / "short" / "a" / "pair" / "00000.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"pair/00000\.png"):
        rows_of(benchmark, tmp_path)


def test_a_stopped_run_goes_on_and_other_settings_begin_anew(tmp_path):
    source = Holes()
    benchmark, method = make_benchmark(source), Grey()
    benchmark.predict(method, tmp_path, 5, "settings")
    benchmark.predict(method, tmp_path, 5, "settings")
    assert method.calls == 2
    (tmp_path / "grey" / "single.json").unlink()
    benchmark.predict(method, tmp_path, 5, "settings")
    assert method.calls == 3
    benchmark.predict(method, tmp_path, 6, "settings")
    assert method.calls == 5
    assert json.loads((tmp_path / "grey" / "single.json").read_text())["seed"] == 6


def test_known_pixels_survive_the_disk(tmp_path):
    source = Holes()
    make_benchmark(source).predict(OpenCvInpainter(algorithm="telea", radius=3.0), tmp_path, 0, "settings")
    item = source.item("single")
    found = read_image(tmp_path / "telea" / "single" / "00000.png")
    assert torch.equal(found[:, ~item.hole[0]], item.truth[0][:, ~item.hole[0]])


def test_methods_of_another_kind_and_items_that_leave_the_folder_are_refused(tmp_path):
    source = Holes()
    with pytest.raises(InputError, match="expected inpainters, found ConstantDepth; use contenders=inpaint"):
        make_benchmark(source).predict(ConstantDepth(), tmp_path, 0, "settings")
    source.items = {"../../out": source.items["single"]}
    with pytest.raises(InputError, match="a path that leaves it"):
        make_benchmark(source).predict(Grey(), tmp_path / "predictions", 0, "settings")
    assert not list(tmp_path.iterdir())
