"""Every command of the README runs: the same words, with sizes that take seconds added at the end."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from published_folders import stable_diffusion, write_depthcrafter, write_svd
from small_pairs import write_pair

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
COMMANDS = [line.strip() for block in BLOCKS for line in block.splitlines() if line.strip() and line[0] != "#"]

SMALL_SIZES = " sampler.height=16 sampler.width=24 net=svd_tiny pixels_per_batch=4608"
PUBLISHED_SIZES = (
    " sampler.height=16 sampler.width=32 pixels_per_batch=6144 inference.pixels=512"  # latents of one 8th, halved
)
QUICK_TRAINING = (
    " sampler.frames=12 data.train.clips.count=4 data.validation.count=1"
    " trainer.max_steps=2 trainer.val_check_interval=2 cache={tmp}/cache out={tmp}/{name}"
)
QUICK_SCORING = (
    " sampler.height=16 sampler.width=24 sampler.frames=3 benchmark.source.count=2 baselines.1.source.count=4"
    " cache={tmp}/cache out={tmp}/{name}"
)
HERE = " out={tmp}/{name}"


INPAINTING = (
    " sampler.worlds.height=64 sampler.worlds.width=96 pixels_per_batch=2048 'crop={{height: 32, width: 64}}'"
    " data.validation.count=1 trainer.max_steps=2 trainer.val_check_interval=2 inference.pixels=2048"
    " cache={tmp}/cache out={tmp}/{name}"
)
INPAINTING_WORLDS = (
    " data.train.sources.stereo.batches.pairs.clips.count=2 data.train.sources.views.batches.pairs.clips.count=2"
    " data.train.sources.pictures.batches.pairs.clips.count=2"
)
INPAINT_SCORING = {
    "inpaint_procedural": " sampler.worlds.height=32 sampler.worlds.width=48 benchmark.source.clips.count=1",
    "stereo_pairs": "",
    "orbit_procedural": " benchmark.source.sampler.height=64 benchmark.source.sampler.width=64"
    " benchmark.source.sampler.frames=4 benchmark.source.count=1",
}


ONE_FILM = (
    " pipeline.sampler.size=256 pipeline.sampler.segments=[1,1] pipeline.sampler.frames=[18,18]"
    " pipeline.sampler.kinds={{good:1.0,still:0.0,fade:0.0,text:0.0,no_parallax:0.0}} videos=1"
)
SMALL_FILMS = (
    " benchmark.count=1 benchmark.sampler.size=64 benchmark.sampler.segments=[1,1] benchmark.sampler.frames=[8,8]"
    " executor=serial cache={tmp}/cache"
)


def quick(command: str) -> str:
    """What is added to a command so that it takes seconds; its own words stay."""
    if "pipeline=stereo_bed" in command:
        return ONE_FILM + HERE
    if "pipeline=mine input" in command:
        return " crops.size=160 miner.looking.fisheye=384 queries.stride=4 miner.least_tracks=4 executor=serial" + HERE
    if "benchmark=mining" in command:
        return SMALL_FILMS + HERE
    if command.startswith("python train.py experiment=inpaint"):
        return INPAINTING + (" estimates={tmp}/estimates" if "stereo_root" in command else INPAINTING_WORLDS)
    for benchmark, sizes in INPAINT_SCORING.items():
        if f"benchmark={benchmark}" in command:
            return sizes + " cache={tmp}/cache out={tmp}/{name}"
    if command == "python train.py experiment=depth_decoder":  # with a net of its own, which is tiny
        return " sampler.height=16 sampler.width=24 lengths=uniform" + QUICK_TRAINING + " lengths.most=3"
    if command.startswith("python train.py"):
        own_net = " net=" in command
        sizes = PUBLISHED_SIZES if own_net else SMALL_SIZES
        return sizes + QUICK_TRAINING + (" lengths.most=3" if "stage" in command else "")
    if command.startswith("python eval.py 'compare"):
        return HERE
    if command.startswith("python eval.py"):
        return QUICK_SCORING
    if command.startswith("python run.py pipeline=orbit"):
        return " size=64 path.frames=3" + HERE
    if command.startswith("python run.py pipeline=view"):
        return " pipeline.seconds=1" + HERE
    if command.startswith("python run.py study="):
        return " clips=1 frames=3 seconds=0.25 cache={tmp}/cache" + HERE
    if command.startswith(("python run.py", "python benchmarks")):
        return HERE if "run.py" in command else " --frames 1"
    raise AssertionError(f"no test knows how to run {command!r}")


def run(command: str, cwd: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    found = subprocess.run(command, shell=True, cwd=cwd, capture_output=True, text=True, check=False, env=environment)
    assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
    return found.stdout


@pytest.mark.slow
def test_each_python_command_runs(tmp_path):
    """In order: later commands use what earlier ones made, under the names the README gives."""
    from turnaround.io.image import write_image
    from turnaround.io.video import write_video
    from turnaround.scenes.observe import film
    from turnaround.scenes.sample import WorldSampler

    write_video(tmp_path / "video.mp4", film(WorldSampler(frames=4)(3)), fps=8.0)
    write_image(tmp_path / "photo.jpg", film(WorldSampler(height=64, width=96, frames=1)(3))[0])
    commands = [command for command in COMMANDS if command.startswith("python ")]
    assert len(commands) >= 6
    made: dict[str, str] = {
        "video.mp4": str(tmp_path / "video.mp4"),
        "photo.jpg": str(tmp_path / "photo.jpg"),
        "weights/depthcrafter": str(write_depthcrafter(tmp_path / "weights" / "depthcrafter")),
        "weights/svd": str(write_svd(tmp_path / "weights" / "svd")),
        "net.path=weights/sd": f"net.path={tmp_path / 'weights' / 'sd'}",
        "root=pairs": f"root={tmp_path / 'pairs'}",
    }
    stable_diffusion(release="2").save_pretrained(tmp_path / "weights" / "sd")
    write_pair(tmp_path / "pairs" / "square")
    for number, command in enumerate(commands):
        stated = re.search(r" out=(\S+)", command)
        name = Path(stated[1]).name if stated else f"run{number}"
        words = command.replace(stated[0], "") if stated else command
        if stated:
            made[stated[1]] = str(tmp_path / name)
        for theirs, ours in made.items():
            words = words.replace(theirs, ours)
        run(words + quick(command).format(tmp=tmp_path, name=name), ROOT)


@pytest.mark.slow
def test_make_demo_does_all_its_steps_and_no_work_twice(tmp_path):
    assert {"make demo", "make test"} <= {command.partition("#")[0].strip() for command in COMMANDS}
    training = "trainer.max_steps=2 trainer.val_check_interval=2 data.train.clips.count=2 logger=none"
    options = f"DEMO_OPTIONS='{training}' ORBIT_OPTIONS='size=64 path.frames=3'"
    output = run(f"make demo DEMO={tmp_path}/demo {options}", ROOT)
    assert "abs_rel" in output
    assert f"{tmp_path}/demo/orbit/report.html" in output
    for name in (
        "train/checkpoints/weights.safetensors",
        "eval/table.md",
        "depth/side_by_side.mp4",
        "orbit/report.html",
    ):
        assert (tmp_path / "demo" / name).is_file()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*")}
    run(f"make demo DEMO={tmp_path}/demo {options}", ROOT)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "demo").rglob("*")}


def test_every_command_is_of_a_known_kind():
    makes = {"make demo", "make test", "make check"}
    unknown = [c for c in COMMANDS if c.partition("#")[0].strip() not in makes and not c.startswith("python ")]
    assert not [c for c in unknown if not c.startswith("git clone")]
    for command in (c for c in COMMANDS if c.startswith("python ")):
        assert quick(command)
