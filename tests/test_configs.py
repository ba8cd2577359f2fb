"""Every shipped config composes and builds, and each small one takes a step."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from published_folders import write_depthcrafter, write_svd
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy, Strategy

from turnaround.datasets.latents import NeedsLatents
from turnaround.datasets.view_items import ViewItems
from turnaround.evaluation.benchmark import Benchmark
from turnaround.evaluation.inpainting import InpaintBenchmark
from turnaround.evaluation.mining import MiningBenchmark
from turnaround.evaluation.orbits import OrbitBenchmark
from turnaround.run.build import build, build_value
from turnaround.run.checkpoint import SHIPPED, load_network, save_weights
from turnaround.run.eval import Contest
from turnaround.run.study import ALONE, filled
from turnaround.tasks.latents import as_latents
from turnaround.tasks.sharding import FullySharded, ShardedGradients
from turnaround.types import (
    ClipSource,
    DepthBatch,
    InpaintSource,
    InputError,
)

CONFIGS = Path(__file__).parents[1] / "configs"
SHIPPED_NAME = "video_depth_svd_small"


def options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def composed(root: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(root, list(overrides))


@pytest.fixture
def cache(tmp_path) -> str:
    return f"cache={tmp_path}"


SMALL_WORLDS = (
    "sampler.height=16",
    "sampler.width=24",
    "sampler.frames=3",
    "pixels_per_batch=4608",
    "lengths=uniform",
    "lengths.least=1",
    "lengths.most=3",
)
APART = ("inpaint", "feature_cloud", "view_pairs", "motion", "flowing", "stereo4d")  # with tests of their own
TRAINING = [
    *([f"experiment={name}"] for name in options("experiment") if not name.startswith(APART)),
    *([f"ablation=[{name}]"] for name in options("ablation")),
    [f"ablation=[{','.join(options('ablation'))}]"],
]


@pytest.mark.parametrize("overrides", TRAINING, ids=str)
def test_each_experiment_and_ablation_takes_a_step(overrides, cache):
    sizes = [option for option in SMALL_WORLDS if "images_only" not in str(overrides) or "lengths" not in option]
    net = "svd_vae_tiny" if "experiment=depth_decoder" in overrides else "svd_tiny"
    run = build(composed("train", f"net={net}", "logger=none", cache, *sizes, *overrides))
    batch = run.data.train[0, 0]
    assert isinstance(batch, DepthBatch)
    total = torch.stack(list(run.task.losses(batch, torch.Generator().manual_seed(0)).values())).sum()
    total.backward()
    gradients = [p.grad for p in run.task.network.parameters() if p.grad is not None]
    assert total.isfinite()
    assert any(gradient.abs().max() > 0 for gradient in gradients)


ON_LATENTS = ("objective=single_step_latent", "inference=single_step_middle", r"task.freeze=['^tokens\.']")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in options("data") if not name.startswith(APART)])
def test_each_data_config_gives_equal_work_to_processes(name, cache):
    run = build(composed("train", f"data={name}", "net=svd_tiny", "logger=none", cache, *SMALL_WORLDS, *ON_LATENTS))
    batches = run.data.train
    if isinstance(batches, NeedsLatents):
        for process in (0, 1):
            batches.prepare(partial(run.task.latent_encoder, torch.device("cpu")), range(2), process)
    for number in range(2):
        first, second = (as_latents(run.task.network, batches[number, process]) for process in (0, 1))
        assert first.disparity.shape == second.disparity.shape
        assert not torch.equal(first.condition.latents, second.condition.latents)
        assert first.disparity.numel() <= 4608, "svd_tiny's latents have as many numbers as there are pixels"
        losses = run.task.losses(batches[number, 0], torch.Generator().manual_seed(0))
        assert torch.stack(list(losses.values())).sum().isfinite()


STRATEGIES = {"default": Strategy, "ddp": DDPStrategy, "fsdp": FullySharded, "zero2": ShardedGradients}


@pytest.mark.parametrize("name", options("trainer"))
def test_each_trainer_config_is_arguments_of_a_trainer(name, cache, tmp_path):
    run = build(composed("train", f"trainer={name}", "net=svd_tiny", "logger=none", cache))
    trainer = Trainer(
        **run.trainer | {"accelerator": "cpu", "precision": "32-true"}, default_root_dir=tmp_path, logger=False
    )
    torch.use_deterministic_algorithms(False)
    assert isinstance(trainer.strategy, STRATEGIES[name])
    assert trainer.num_devices == (1 if name == "default" else 2)


@pytest.mark.parametrize("name", ["fsdp", "zero2"])
def test_a_net_that_cannot_be_sharded_is_refused(name, cache):
    with pytest.raises(
        InputError, match=r"^trainer\.strategy: expected a network that can be sharded, found LightDepth"
    ):
        build(
            composed("train", f"trainer={name}", "experiment=depth_decoder", "net=svd_vae_tiny", "logger=none", cache)
        )


def test_latents_need_an_objective_that_compares_them(cache):
    run = build(composed("train", "data=latents", "net=svd_tiny", "logger=none", cache, *SMALL_WORLDS))
    with pytest.raises(InputError, match=r"^objective: expected one that compares latents"):
        run.data.train.prepare(partial(run.task.latent_encoder, torch.device("cpu")), range(2), 0)


def test_the_shipped_mixtures_have_their_weights(cache):
    mixtures = {
        name: build_value(composed("train", f"data={name}", cache, *SMALL_WORLDS).data.train, "data.train")
        for name in ("mixture", "images_and_videos")
    }
    assert mixtures["mixture"].shares == pytest.approx([0.7, 0.3])
    rooms, outdoors = (source.batches.clips.sampler for source in mixtures["mixture"].sources)
    assert (rooms.rooms, outdoors.rooms) == (1.0, 0.0)
    images, videos = (source.batches for source in mixtures["images_and_videos"].sources)
    assert (images.lengths.longest, videos.lengths.longest) == (1, 3)
    assert images[0, 0].video.shape[:2] == (12, 1), "4608 pixels hold 12 frames of 16 x 24"
    assert not set(images.clips.ids()) & set(videos.clips.ids())


def first_lines() -> list[tuple[str, str]]:
    paths = [path for group in ("experiment", "ablation") for path in (CONFIGS / group).glob("*.yaml")]
    return [(path.stem, path.read_text().splitlines()[1]) for path in paths]


@pytest.mark.parametrize(("name", "line"), first_lines())
def test_each_delta_says_what_it_shows(name, line):
    assert line.startswith("# Claim: " if (CONFIGS / "ablation" / f"{name}.yaml").exists() else "# ")


ELSEWHERE = {"checkpoint", "depthcrafter", "svd_xt", "svd_xt_untrained"}  # weights from files, or too large
ELSEWHERE |= {"sd_inpaint", "sdxl_inpaint", "svd_inpaint", "stereocrafter"}
OF_OTHER_TASKS = [name for name in options("net") if name.startswith(APART)]


@pytest.mark.parametrize("name", [name for name in options("net") if name not in (*ELSEWHERE, *OF_OTHER_TASKS)])
def test_each_small_net_gives_velocities_of_its_latents(name):
    network = build_value(composed("train", f"net={name}").net, "net")
    condition = network.condition(torch.rand(1, 2, 3, 16, 32))
    latents = network.encode_disparity(torch.rand(1, 2, 16, 32))
    assert network.velocity(latents, torch.zeros(latents.shape[:2]), condition).shape == latents.shape


def test_svd_xt_untrained_has_the_published_sizes():
    with torch.device("meta"):
        network = build_value(composed("train", "net=svd_xt_untrained").net, "net")
    count = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in network.named_children()}
    # tencent/DepthCrafter's UNet file is 3.05 GB of fp16; SVD's temporal VAE and CLIP ViT-H are 97.7 M and 632 M
    assert 2 * count["unet"] == pytest.approx(3050, rel=0.01)
    assert count["codec"] == pytest.approx(97.7, rel=0.01)
    assert count["tokens"] == pytest.approx(632, rel=0.01)


def test_the_shipped_checkpoint_is_that_of_its_config():
    path = SHIPPED[SHIPPED_NAME]
    assert (path / "weights.safetensors").stat().st_size <= 16e6
    network, fresh = load_network(SHIPPED_NAME), build_value(composed("train", "net=svd_small").net, "net")
    assert {k: v.shape for k, v in network.state_dict().items()} == {k: v.shape for k, v in fresh.state_dict().items()}


TEMPORAL = ("temporal_res_block", "temporal_transformer_blocks", "time_pos_embed", "time_mixer")


def test_the_stages_train_what_the_paper_says():
    trained = {}
    for stage in (1, 2, 3):
        config = composed("train", f"experiment=depthcrafter_stage{stage}", "net=svd_tiny", "logger=none")
        network = build_value(config.task, "task").network
        trained[stage] = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    temporal = {name for name in trained[1] if any(part in name for part in TEMPORAL)}
    assert temporal
    assert (trained[2], trained[3]) == (temporal, trained[1] - temporal)


def test_training_goes_on_from_weights(tmp_path, cache):
    path = SHIPPED[SHIPPED_NAME]
    run = build(composed("train", "net=checkpoint", f"checkpoint={path}", "logger=none", cache))
    start = load_network(path).state_dict()
    assert all(torch.equal(start[key], tensor) for key, tensor in run.task.network.state_dict().items())
    assert run.net["_target_"] == "turnaround.nets.svd.SvdDepthNetwork"  # so that what is saved needs no other folder
    assert [notice["licence"] for notice in run.facts["weights"]] == ["Apache-2.0"]


def test_published_nets_build_from_folders(tmp_path):
    unet, svd = write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")
    start = build_value(composed("train", "net=svd_xt", f"net.path={svd}").net, "net")
    ours = build_value(composed("eval", "net=depthcrafter", f"net.path={unet}", f"net.svd_path={svd}").net, "net")
    assert {key: tensor.shape for key, tensor in start.state_dict().items()} == {
        key: tensor.shape for key, tensor in ours.state_dict().items()
    }


def light_decoder(*overrides: str) -> tuple[str, ...]:
    return ("net/decoder=light", *(f"net.decoder.{override}" for override in overrides))


def test_a_published_net_takes_a_light_decoder(tmp_path, cache):
    unet, svd = write_depthcrafter(tmp_path / "depthcrafter"), write_svd(tmp_path / "svd")
    published = ("net=depthcrafter", f"net.path={unet}", f"net.svd_path={svd}")
    teaching = composed("train", "experiment=depth_decoder", *published, *SMALL_WORLDS, "logger=none", cache)
    trained = build(teaching).task.network
    save_weights(tmp_path / "light", trained, {})
    chosen = build_value(composed("eval", *published, *light_decoder(f"path={tmp_path / 'light'}")).net, "net")
    found, expected = chosen.codec.decoder.state_dict(), trained.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    notices = [notice.name for notice in chosen.codec.decoder.weights]
    assert notices == ["light", "DepthCrafter", "Stable Video Diffusion"]  # it learned from the latents of the others

    with pytest.raises(InputError, match=r"^net\.decoder\.path: expected a value"):
        build(composed("eval", *published, *light_decoder()))
    with pytest.raises(InputError, match=r"^net\.decoder: expected a depth decoder, found SvdDepthNetwork"):
        build_value(composed("eval", *published, *light_decoder(f"path={SHIPPED_NAME}")).net, "net")
    with pytest.raises(InputError, match="found 4 and 8"):
        build(composed("train", "experiment=depth_decoder", "net=svd_tiny", "logger=none", cache))


def test_the_light_decoder_has_one_to_three_million_parameters():
    network = build_value(composed("train", "experiment=depth_decoder").task.network, "task.network")
    assert 1e6 < sum(parameter.numel() for parameter in network.parameters()) < 3e6


@pytest.mark.parametrize("name", [name for name in options("inference") if not name.startswith("inpaint")])
def test_each_inference_serves_evaluation(name, cache):
    run = build(composed("eval", f"inference={name}", "logger=none", cache))
    maps = list(run.methods[0].stream(torch.rand(3, 3, 64, 96), seed=0))
    assert [values.shape for values in maps] == [(64, 96)] * 3


OF_INPAINTING = ("inpaint_procedural", "stereo_pairs", "view_synthesis")
OF_ORBITS = ("orbit_procedural", "orbit_scenes")


@pytest.mark.parametrize("name", options("benchmark"))
def test_each_benchmark_builds_once_its_data_have_a_place(name, cache):
    config = composed("eval", f"benchmark={name}", "logger=none", cache)
    if OmegaConf.is_missing(config.benchmark, "root"):
        with pytest.raises(InputError, match=r"^benchmark\.root: expected a value"):
            build(config)
        config.benchmark.root = "data/of/this/set"
    benchmark = build_value(OmegaConf.to_container(config, resolve=True)["benchmark"], "benchmark")
    assert isinstance(benchmark, Contest)
    assert benchmark.name == name
    if name == "mining":  # it makes its films
        assert isinstance(benchmark, MiningBenchmark)
        return
    source = benchmark.source
    kinds = (InpaintBenchmark, OF_INPAINTING), (OrbitBenchmark, OF_ORBITS)
    assert isinstance(benchmark, next((kind for kind, names in kinds if name in names), Benchmark))
    assert isinstance(source, InpaintSource if name in OF_INPAINTING else ClipSource)
    if benchmark.root is not None:
        assert (source.clips if isinstance(source, ViewItems) else source).root == Path("data/of/this/set")
        with pytest.raises(InputError, match="data/of/this/set"):
            benchmark.source.ids()


@pytest.mark.parametrize("name", options("benchmark"))
def test_methods_and_baselines_may_be_left_out(name, cache):
    config = composed("eval", f"benchmark={name}", "logger=none", cache, "methods=[]", "baselines=[]", "baseline=null")
    if OmegaConf.is_missing(config.benchmark, "root"):
        config.benchmark.root = "data/of/this/set"
    assert build(config).benchmark.name == name, "what nobody uses then, such as the net, is no misspelt key"


PIPELINES = {
    "depth": ["input=video.mp4"],
    "mine": ["input=videos"],
    "mine.shards": ["input=mined"],
    "mine.validate": ["input=mined"],
    "orbit": ["input=photo.jpg"],
    "study": ["study=single_step"],
    "stereo_bed": [],
    "view": ["input=run"],
    "world": [],
}


@pytest.mark.parametrize("name", options("pipeline"))
def test_each_pipeline_builds(name):
    assert build(composed("run", f"pipeline={name}", *PIPELINES[name])).pipeline.run


@pytest.mark.parametrize("name", options("exports"))
def test_each_set_of_exports_builds(name):
    exports = build_value(OmegaConf.to_container(composed(f"exports/{name}").exports), "exports")
    assert {"orbit.mp4", "frames/", "provenance.npz", "transforms.json", "scene.ply", "scene.glb"} <= {*exports.names}
    assert {"camera_path.json", "colmap/"} <= {*exports.names}
    assert ("vr180.mp4" in exports.names) == (name == "vr180")
    assert ("gaussians.ply" in exports.names) == (name == "gaussians")


@pytest.mark.slow
@pytest.mark.parametrize("name", options("study"))
def test_each_arm_of_a_study_is_a_config_that_builds(name, cache, tmp_path):
    study = build(composed("run", f"study={name}")).pipeline
    assert study.arms
    folders = {arm: tmp_path / arm for arm in study.arms}
    for folder in folders.values():
        shutil.copytree(SHIPPED[SHIPPED_NAME], folder / "checkpoints")
    for arm in study.arms.values():
        if arm.train is not None:
            build(composed("train", cache, *study.train, *filled(arm.train, folders)))
        config = composed("eval", cache, *ALONE, *study.eval, *filled(arm.eval, folders))
        assert [method.name for method in build(config).methods] == ["ours"]


@pytest.mark.parametrize(
    ("root", "override", "named"),
    [
        ("train", "+task.optimization.learning_rat=1", "task.optimization.learning_rat"),
        ("train", "+sampler.hight=1", "sampler.hight"),
        ("train", "+nonsense=1", "nonsense"),
        ("eval", "+inference.sampler.sigm=1.0", "sampler.sigm"),
        ("eval", "+nonsense=1", "nonsense"),
    ],
)
def test_a_misspelt_key_fails_with_its_name(root, override, named):
    with pytest.raises(InputError, match=named):
        build(composed(root, override))
