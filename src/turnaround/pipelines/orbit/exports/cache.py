"""The orbit for `pipeline=view`: all that its pictures are rendered from."""

from pathlib import Path

from turnaround.pipelines.orbit.exports.export import Export, Setting
from turnaround.pipelines.orbit.stored import NAME, StoredScene, write_scene
from turnaround.types import OrbitVideo, SceneCache


class SceneFile(Export):
    """`scene.safetensors`: the scene cache, the path and the setting (`orbit.stored`)."""

    names = (NAME,)

    def write(self, out: Path, orbit: OrbitVideo, cache: SceneCache, setting: Setting) -> None:
        write_scene(out / NAME, StoredScene(cache=cache, path=orbit.cameras, setting=setting))
