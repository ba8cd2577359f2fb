"""Structure from motion of a stereo rig by pycolmap (extra `colmap`), in a process of its own.

Schonberger and Frahm, Structure-from-Motion Revisited, CVPR 2016, with the rigs of COLMAP 3.12 and newer. What differs:
it begins with the two pictures of one frame, not with two frames, so that a rig that stands still is enough and all is
in the unit of the baseline from the start; and where the right eye stands is first told by the matches of all frames at
once (the essential matrix), for one frame alone has few. One thread and one seed: the same frames give the same bytes.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import cv2  # noqa: F401  (its zlib must be loaded before pycolmap's)
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from turnaround.io.npz import write_npz
from turnaround.pipelines.mine.mapping import EYES, Task, pairs, picture_name

if TYPE_CHECKING:
    import pycolmap

FOUND, MASK = "found.npz", "mask.png"
LEAST_MATCHES = 15  # of two pictures, for them to count as matched; COLMAP's own bound
ENOUGH_MATCHES = 4000  # of all frames, to begin with a rig
REFINEMENTS, SETTLED = 3, 5e-4  # rounds of adjusting everything; share of changed observations that ends them
GROWTH = 1.3  # everything is adjusted each time the model has grown by this


def reconstruct(folder: Path) -> Mapping[str, Tensor]:
    """What `found.npz` holds: world_from_left [t 4 4], left_from_right [4 4], points [n 3], all in metres, residual and
    observations. NaN where a frame was not found; no frame is found where nothing comes of it."""
    import pycolmap

    task = Task.read(folder)
    pycolmap.logging.minloglevel = int(pycolmap.logging.Level.ERROR.value)
    pycolmap.set_random_seed(task.seed)
    database = folder / "database.db"
    _match(folder, database, task)
    with pycolmap.Database.open(database) as opened:
        right_from_left = _rig(opened, task)
        if right_from_left is None:
            return _found(task, None)
        eyes = [pycolmap.RigConfigCamera(image_prefix=f"{eye}/") for eye in EYES]
        eyes[0].ref_sensor, eyes[1].cam_from_rig = True, right_from_left
        pycolmap.apply_rig_config([pycolmap.RigConfig(cameras=eyes)], opened)
        cache = pycolmap.DatabaseCache.create(opened, pycolmap.DatabaseCacheOptions(min_num_matches=LEAST_MATCHES))
        first = max(task.keys, key=lambda frame: _matched(opened, frame))
    return _found(task, _Mapper(cache, task).map(first))


def _match(folder: Path, database: Path, task: Task) -> None:
    import pycolmap

    mapping = task.mapping
    reader = pycolmap.ImageReaderOptions(camera_model=task.model, camera_params=",".join(map(repr, task.parameters)))
    if (folder / MASK).exists():
        reader.camera_mask_path = folder / MASK
    extraction = pycolmap.FeatureExtractionOptions(num_threads=1, use_gpu=False)
    extraction.sift.max_num_features, extraction.sift.first_octave = mapping.features, mapping.octave
    extraction.sift.peak_threshold = mapping.contrast
    pycolmap.extract_features(
        *(database, folder / "pictures"),
        camera_mode=pycolmap.CameraMode.PER_FOLDER,
        reader_options=reader,
        extraction_options=extraction,
    )
    (folder / "pairs.txt").write_text("\n".join(" ".join(pair) for pair in pairs(task)))
    verification = pycolmap.TwoViewGeometryOptions(min_num_inliers=LEAST_MATCHES)
    verification.ransac.random_seed, verification.ransac.max_error = task.seed, mapping.pixels
    pycolmap.match_image_pairs(
        database,
        matching_options=pycolmap.FeatureMatchingOptions(num_threads=1, use_gpu=False),
        pairing_options=pycolmap.ImportedPairingOptions(match_list_path=folder / "pairs.txt"),
        verification_options=verification,
    )


def _eyes(opened: "pycolmap.Database", frame: int) -> list[int]:
    """The database's numbers of the pictures of a frame."""
    images = [opened.read_image_with_name(picture_name(eye, frame)) for eye in (0, 1)]
    return [image.image_id for image in images if image is not None]


def _matched(opened: "pycolmap.Database", frame: int) -> int:
    return len(opened.read_two_view_geometry(*_eyes(opened, frame)).inlier_matches)


def _rig(opened: "pycolmap.Database", task: Task) -> "pycolmap.Rigid3d | None":
    """right_from_left, as long as the baseline, by the verified matches between the eyes of all frames."""
    import pycolmap

    seen: list[tuple[NDArray, NDArray]] = []
    for frame in range(task.frames):
        left, right = _eyes(opened, frame)
        matches = opened.read_two_view_geometry(left, right).inlier_matches
        spots = [opened.read_keypoints(image)[:, :2] for image in (left, right)]
        seen.append((spots[0][matches[:, 0]], spots[1][matches[:, 1]]))
    points = [np.concatenate(each).astype(np.float64) for each in zip(*seen, strict=True)]
    points = [each[:: 1 + len(each) // ENOUGH_MATCHES] for each in points]
    if len(points[0]) < LEAST_MATCHES:
        return None
    lens = opened.read_all_cameras()[0]  # both eyes have the same
    ransac = pycolmap.RANSACOptions(max_error=task.mapping.pixels / 2, random_seed=task.seed, max_num_trials=1000)
    found = pycolmap.estimate_relative_pose(lens, points[0], lens, points[1], ransac)
    if found is None:
        return None
    pose = found["cam2_from_cam1"]
    toward = pose.translation / np.linalg.norm(pose.translation)
    return pycolmap.Rigid3d(pose.rotation, toward * task.baseline)


class _Mapper:
    """COLMAP's incremental mapper of rigs, begun with one frame."""

    def __init__(self, cache: "pycolmap.DatabaseCache", task: Task):
        import pycolmap

        self.task, self.cache = task, cache
        self.model = pycolmap.Reconstruction()
        self.mapper = pycolmap.IncrementalMapper(cache)
        mapping, fixed = task.mapping, {"abs_pose_refine_focal_length": False, "abs_pose_refine_extra_params": False}
        self.options = pycolmap.IncrementalMapperOptions(
            **fixed,
            num_threads=1,
            random_seed=task.seed,
            abs_pose_max_error=2 * mapping.pixels,
            abs_pose_min_num_inliers=mapping.least_seen,
            filter_max_reproj_error=mapping.pixels,
            filter_min_tri_angle=mapping.parallax_deg,
        )
        self.triangulation = pycolmap.IncrementalTriangulatorOptions(
            min_angle=mapping.parallax_deg,
            ignore_two_view_tracks=False,  # what only the two eyes see tells where they stand
            merge_max_reproj_error=mapping.pixels,
            complete_max_reproj_error=mapping.pixels,
            random_seed=task.seed,
        )
        self.adjustment = _adjustment(25, 1e-5)
        self.last = _adjustment(30, 1e-6)
        self.last.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
        self.last.ceres.loss_function_scale = mapping.spread
        self.ids = {image.name: image.image_id for image in cache.images.values()}

    def map(self, first: int) -> "pycolmap.Reconstruction":
        """Key frames, the nearest to what is mapped first; then the others."""
        import pycolmap

        self.mapper.begin_reconstruction(self.model)
        frame = self.model.image(self.ids[picture_name(0, first)]).frame_id
        self.model.frame(frame).rig_from_world = pycolmap.Rigid3d()
        self.model.register_frame(frame)
        self.mapper.end_reconstruction(False)
        self.mapper.begin_reconstruction(self.model)  # again: it counts what is registered here
        self._grow(first)
        self._adjust()
        keys, adjusted = set(self.task.keys), 1
        while self._add_one(keys, adjust=True):
            if self.model.num_reg_frames() > GROWTH * adjusted:
                self._adjust()
                adjusted = self.model.num_reg_frames()
        self._adjust()
        rest = set(range(self.task.frames)) - keys
        while rest and self._add_one(rest, adjust=False):
            pass
        self._finish()
        self.mapper.end_reconstruction(False)
        return self.model

    def _finish(self) -> None:
        """Everything once more, so that what is wrong counts little."""
        for _ in range(2):
            self.mapper.adjust_global_bundle(self.options, self.last)
            self.mapper.filter_points(self.options)

    def _add_one(self, wanted: set[int], *, adjust: bool) -> bool:
        """Registers the frame of which most is known; whether there was one that could be."""
        for image in self.mapper.find_next_images(self.options, structure_less=False):
            frame = int(Path(self.cache.images[image].name).stem)
            if frame in wanted and self.mapper.register_next_image(self.options, image):
                self._grow(frame)
                if adjust:
                    self.mapper.iterative_local_refinement(
                        1, SETTLED, self.options, self.adjustment, self.triangulation, image
                    )
                return True
        return False

    def _grow(self, frame: int) -> None:
        for eye in (0, 1):
            self.mapper.triangulate_image(self.triangulation, self.ids[picture_name(eye, frame)])

    def _adjust(self) -> None:
        """Everything, the rig too, until hardly any observation comes or goes."""
        self.mapper.iterative_global_refinement(
            *(REFINEMENTS, SETTLED, self.options, self.adjustment, self.triangulation), normalize_reconstruction=False
        )


def _adjustment(rounds: int, settled: float) -> "pycolmap.BundleAdjustmentOptions":
    """Of everything but the lens, until the loss falls by less than its share `settled`."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions(
        refine_focal_length=False,
        refine_principal_point=False,
        refine_extra_params=False,
        refine_sensor_from_rig=True,
        print_summary=False,
    )
    solver = options.ceres.solver_options
    solver.num_threads, solver.max_num_iterations, solver.function_tolerance = 1, rounds, settled
    return options


def _found(task: Task, model: "pycolmap.Reconstruction | None") -> Mapping[str, Tensor]:
    """In metres: scaled so that the eyes stand a baseline apart."""
    poses = torch.full((task.frames, 4, 4), torch.nan, dtype=torch.float64)
    nothing = {"left_from_right": torch.eye(4).double(), "points": torch.zeros(0, 3).double()}
    if model is None or not model.num_points3D():
        return {"world_from_left": poses, **nothing, "residual": torch.tensor(0.0), "observations": torch.tensor(0)}
    left_from_right = _matrix(next(iter(_right_eyes(model))).inverse())
    scale = task.baseline / left_from_right[:3, 3].norm()
    for image in model.images.values():
        if image.has_pose and image.name.startswith(EYES[0]):
            poses[int(Path(image.name).stem)] = _matrix(image.cam_from_world().inverse())
    for matrix in (poses, left_from_right):
        matrix[..., :3, 3] *= scale
    places = np.array([model.points3D[number].xyz for number in sorted(model.points3D)])
    return {
        "world_from_left": poses,
        "left_from_right": left_from_right,
        "points": torch.from_numpy(places) * scale,
        "residual": torch.tensor(_residual(model), dtype=torch.float64),
        "observations": torch.tensor(model.compute_num_observations()),
    }


def _right_eyes(model: "pycolmap.Reconstruction") -> "Iterator[pycolmap.Rigid3d]":
    for rig in model.rigs.values():
        yield from (pose for pose in rig.non_ref_sensors.values() if pose is not None)


def _residual(model: "pycolmap.Reconstruction") -> float:
    """Root mean square distance in pixels between where points are seen and where they project to."""
    squared: list[NDArray] = []
    for image in model.images.values():
        spots = [spot for spot in image.points2D if image.has_pose and spot.has_point3D()]
        if not spots:
            continue
        places = np.array([model.points3D[spot.point3D_id].xyz for spot in spots])
        pose = image.cam_from_world().matrix()
        shown = model.cameras[image.camera_id].img_from_cam(places @ pose[:, :3].T + pose[:, 3])
        squared.append(np.square(shown - np.array([spot.xy for spot in spots])).sum(1))
    return float(np.sqrt(np.mean(np.concatenate(squared))))


def _matrix(motion: "pycolmap.Rigid3d") -> Float[Tensor, "4 4"]:
    return torch.cat([torch.from_numpy(motion.matrix()), torch.tensor([[0.0, 0.0, 0.0, 1.0]])]).double()


def end_with_parent() -> None:
    """Ends this process a second after the one that started it, which may be killed, did."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    write_npz(Path(sys.argv[1]) / FOUND, reconstruct(Path(sys.argv[1])))
