"""The real commands on the real configs: train, evaluate, compare, estimate; and what bad input gets."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from published_folders import write_depthcrafter, write_svd

from turnaround.io.depth import write_depth_npz
from turnaround.io.image import write_image
from turnaround.io.video import write_video
from turnaround.types import DepthKind, DepthVideo

ROOT = Path(__file__).parents[1]
SMALL = ["sampler.height=16", "sampler.width=24", "sampler.frames=3", "logger=none"]
TINY = [
    *SMALL,
    "net=svd_tiny",
    "pixels_per_batch=4608",
    "inference.pixels=384",
    "inference.window=3",
    "inference.overlap=1",
    "lengths=uniform",
    "lengths.most=3",
    "data.train.clips.count=4",
    "data.validation.count=1",
    "data.workers=1",
    "trainer.val_check_interval=2",
]


def command(script: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def train(tmp_path: Path, name: str, *arguments: str) -> Path:
    out = tmp_path / name
    found = command("train.py", *TINY, f"cache={tmp_path / 'cache'}", f"out={out}", *arguments)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines() == [str(out)]
    return out


@pytest.mark.slow
def test_train_evaluate_compare_estimate(tmp_path):
    trained = train(tmp_path, "train", "trainer.max_steps=4")
    for name in ("config.yaml", "record.json", "metrics.json", "metrics.jsonl", "checkpoints/last.ckpt"):
        assert (trained / name).is_file()
    evaluated = tmp_path / "eval"
    settings = [*SMALL, "benchmark.source.count=3", "inference.pixels=384", f"cache={tmp_path / 'cache'}"]
    settings.append("baselines.1.source.count=4")
    found = command("eval.py", *settings, f"checkpoint={trained / 'checkpoints'}", f"out={evaluated}")
    assert found.returncode == 0, found.stderr
    rows = [json.loads(line) for line in (evaluated / "rows.jsonl").read_text().splitlines()]
    assert {(row["item"], row["method"]) for row in rows} == {
        (f"{seed:08d}", method) for seed in range(3) for method in ("ours", "frame_by_frame", "constant", "plane")
    }
    assert set(rows[0]["metrics"]) == {"abs_rel", "rmse", "log_rmse", "silog", "delta1", "delta2", "delta3", "tae"}
    assert all(np.isfinite(value) for row in rows for value in row["metrics"].values())

    files = tmp_path / "files"
    found = command("eval.py", *settings, f"predictions={evaluated / 'predictions' / 'ours'}", f"out={files}")
    assert found.returncode == 0, found.stderr
    again = [json.loads(line) for line in (files / "rows.jsonl").read_text().splitlines()]
    ours = [[row["metrics"] for row in some if row["method"] == "ours"] for some in (rows, again)]
    assert ours[0] == ours[1]

    compared = tmp_path / "compare"
    found = command("eval.py", f"compare=[{evaluated},{files}]", "logger=none", f"out={compared}")
    assert found.returncode == 0, found.stderr
    assert {path.suffix for path in compared.glob("compare.*")} == {".md", ".tex", ".csv", ".html"}

    write_video(tmp_path / "odd.mp4", torch.rand(5, 3, 33, 47), fps=8.0)
    out = tmp_path / "depth"
    found = command("run.py", "pipeline=depth", f"input={tmp_path / 'odd.mp4'}", f"out={out}", "inference.pixels=384")
    assert found.returncode == 0, found.stderr
    with np.load(out / "depth.npz", allow_pickle=False) as stored:
        assert stored["depth"].shape == (5, 33, 47)
        assert stored["depth"].dtype == np.float32
        assert str(stored["kind"]) == "affine_disparity"
    assert len(list((out / "depth").glob("*.png"))) == 5


@pytest.mark.slow
def test_published_weights_compute_depth_and_their_licences_are_recorded(tmp_path):
    unet, svd = write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")
    write_video(tmp_path / "clip.mp4", torch.rand(7, 3, 48, 64), fps=8.0)
    options = ["inference=paper", "seed=42", "inference.steps=2", "inference.window=4", "inference.overlap=1"]
    given = ["net=depthcrafter", f"net.path={unet}", f"net.svd_path={svd}", f"input={tmp_path / 'clip.mp4'}"]
    found = command("run.py", "pipeline=depth", *given, *options, f"out={tmp_path / 'out'}")
    assert found.returncode == 0, found.stderr
    assert "no commercial use" in found.stderr
    recorded = json.loads((tmp_path / "out" / "record.json").read_text())["weights"]
    assert [(notice["name"], notice["source"]) for notice in recorded] == [
        ("DepthCrafter", str(unet)),
        ("Stable Video Diffusion", str(svd)),
    ]
    with np.load(tmp_path / "out" / "depth.npz", allow_pickle=False) as stored:
        assert stored["depth"].shape == (7, 48, 64)
        assert stored["depth"].max() > stored["depth"].min()

    (svd / "vae" / "config.json").unlink()
    found = command("run.py", "pipeline=depth", *given, f"out={tmp_path / 'no'}")
    assert found.returncode == 2
    assert found.stderr.splitlines()[-1].startswith(f"error: {svd}/vae/config.json: expected this file")


@pytest.mark.slow
def test_a_light_decoder_is_trained_resumed_and_used(tmp_path):
    unet, svd = write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")
    published = ["net=depthcrafter", f"net.path={unet}", f"net.svd_path={svd}"]
    settings = [option for option in TINY if not option.startswith(("net=", "inference."))]

    def train(name: str, *more: str) -> Path:
        out = tmp_path / name
        given = ["experiment=depth_decoder", *settings, *published, f"cache={tmp_path / 'cache'}", f"out={out}"]
        found = command("train.py", *given, *more)
        assert found.returncode == 0, found.stderr
        return out

    whole = train("whole", "trainer.max_steps=4")
    train("half", "trainer.max_steps=2")
    rest = train("half", "trainer.max_steps=4", "resume=auto")
    names = ("checkpoints/weights.safetensors", "metrics.jsonl")
    assert len({(run / name).read_bytes() for run in (whole, rest) for name in names}) == 2
    assert {path.name for path in (whole / "media").iterdir()} == {"disparity_0000002.mp4", "disparity_0000004.mp4"}
    assert "validation/light" in json.loads((whole / "metrics.json").read_text())

    write_video(tmp_path / "clip.mp4", torch.rand(7, 3, 48, 64), fps=8.0)
    light = ["net/decoder=light", f"net.decoder.path={whole / 'checkpoints'}"]
    maps = []
    for name, decoder in {"own": [], "light": light}.items():
        options = [f"input={tmp_path / 'clip.mp4'}", f"out={tmp_path / name}"]
        found = command("run.py", *published, *decoder, *options)
        assert found.returncode == 0, found.stderr
        maps.append(np.load(tmp_path / name / "depth.npz", allow_pickle=False)["depth"])
    assert not np.array_equal(*maps)
    recorded = json.loads((tmp_path / "light" / "record.json").read_text())["weights"]
    assert [notice["source"] for notice in recorded[:3]] == [
        str(unet),
        str(svd),
        str(whole / "checkpoints" / "weights.safetensors"),
    ]


@pytest.mark.slow
def test_train_4_is_train_2_and_resume_2_bit_for_bit(tmp_path):
    whole = train(tmp_path, "whole", "trainer.max_steps=4")
    half = train(tmp_path, "half", "trainer.max_steps=2")
    rest = train(tmp_path, "half", "trainer.max_steps=4", "resume=auto")
    assert half == rest
    names = ("checkpoints/weights.safetensors", "metrics.jsonl")
    hashes = [[hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names] for run in (whole, rest)]
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_the_same_seed_computes_the_same_depth(tmp_path):
    write_video(tmp_path / "clip.mp4", torch.rand(20, 3, 32, 48), fps=8.0)
    digests = []
    for name in ("one", "two"):
        found = command("run.py", f"input={tmp_path / 'clip.mp4'}", f"out={tmp_path / name}")
        assert found.returncode == 0, found.stderr
        digests.append(hashlib.sha256((tmp_path / name / "depth.npz").read_bytes()).hexdigest())
    assert digests[0] == digests[1]


def bad_inputs(folder: Path) -> dict[str, tuple[str, list[str], str]]:
    """name -> (script, arguments, what the line must name)."""
    video = folder / "good.mp4"
    write_video(video, torch.rand(12, 3, 32, 48), fps=8.0)
    (folder / "cut.mp4").write_bytes(video.read_bytes()[:-600])
    (folder / "text.png").write_text("not a picture")
    (folder / "empty").mkdir()
    write_image(folder / "a.png", torch.rand(3, 8, 8))
    (folder / "file").write_text("a file")
    for name in ("nan", "key"):
        (folder / name).mkdir()
        for item in ("00000000", "00000001"):
            write_depth_npz(
                folder / name / f"{item}.npz",
                DepthVideo(values=torch.rand(3, 16, 24), kind=DepthKind.AFFINE_DISPARITY),
            )
    np.savez(folder / "key" / "00000001.npz", disparity=np.ones((3, 16, 24), np.float32))
    np.savez(folder / "nan" / "00000001.npz", depth=np.full((3, 16, 24), np.nan, np.float32))
    other = folder / "other"
    other.mkdir()
    text = (ROOT / "data/checkpoints/video_depth_svd_small/net.yaml").read_text()
    (other / "net.yaml").write_text(text.replace("- 96\n", "- 64\n", 1))
    shipped = ROOT / "data/checkpoints/video_depth_svd_small/weights.safetensors"
    (other / "weights.safetensors").write_bytes(shipped.read_bytes())
    score = [*SMALL, "benchmark.source.count=2", f"cache={folder / 'cache'}", "baselines=[]", "baseline=null"]
    return {
        "missing video": ("run.py", [f"input={folder / 'none.mp4'}"], "none.mp4"),
        "truncated video": ("run.py", [f"input={folder / 'cut.mp4'}"], "cut.mp4"),
        "no frames": ("run.py", [f"input={folder / 'empty'}"], "empty"),
        "no image": ("run.py", [f"input={folder / 'text.png'}"], "text.png"),
        "no input": ("run.py", [], "input"),
        "misspelt key": ("run.py", [f"input={video}", "inference.windw=3"], "inference.windw"),
        "misspelt choice": ("run.py", [f"input={video}", "inference=singlestep"], "single_step"),
        "unwritable out": ("run.py", [f"input={video}", f"out={folder / 'file' / 'out'}"], "out"),
        "checkpoint of another net": ("run.py", [f"input={video}", f"checkpoint={other}"], "another net"),
        "no checkpoint": ("run.py", [f"input={video}", f"checkpoint={folder / 'nowhere'}"], "nowhere"),
        "overlap too long": ("run.py", [f"input={video}", "inference.overlap=8"], "overlap"),
        "nan in a depth file": ("eval.py", [*score, f"predictions={folder / 'nan'}"], "00000001.npz"),
        "wrong npz key": ("eval.py", [*score, f"predictions={folder / 'key'}"], "disparity"),
        "no rows": ("eval.py", [f"compare=[{folder / 'empty'}]", "logger=none"], "rows.jsonl"),
        "wrong sampler": ("train.py", [*SMALL, "inference=euler"], "inference=single_step"),
        "frozen by a wrong name": ("train.py", [*SMALL, "task.freeze=[nothing]"], "nothing"),
    }


@pytest.mark.slow
def test_bad_input_is_one_line_with_exit_code_2_and_leaves_nothing(tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for number, (name, (script, arguments, named)) in enumerate(bad_inputs(given).items()):
        out = tmp_path / f"out{number}"
        where = [] if any(argument.startswith("out=") for argument in arguments) else [f"out={out}"]
        found = command(script, *arguments, *where)
        errors = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
        assert found.returncode == 2, (name, found.stderr)
        assert len(errors) == 1, (name, found.stderr)
        assert named in errors[0], (name, errors)
        assert "Traceback" not in found.stderr, (name, found.stderr)
        assert found.stdout == "", name
        left = [path for path in out.rglob("*") if path.is_file() and "predictions" not in path.parts]
        assert not left, (name, left)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path):
    write_video(tmp_path / "clip.mp4", torch.rand(30, 3, 64, 96), fps=8.0)
    out = tmp_path / "out"
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
        f"sys.argv = ['run.py', 'input={tmp_path / 'clip.mp4'}', 'out={out}']; "
        f"runpy.run_path({str(ROOT / 'run.py')!r}, run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", limited], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 2, found.stderr
    assert [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert not out.exists() or not [path for path in out.rglob("*") if path.is_file()]
