"""What flows between the parts; torch and jaxtyping only."""

from turnaround.types.batch import (
    DepthBatch,
    InpaintBatch,
    LatentBatch,
    LatentEncoder,
    MotionBatch,
    PointMapBatch,
    ViewPairBatch,
)
from turnaround.types.camera import Camera, Equirectangular180, Pinhole
from turnaround.types.depth import DepthKind, DepthVideo
from turnaround.types.errors import InputError
from turnaround.types.inpaint import InpaintItem
from turnaround.types.lens import (
    EquirectangularLens,
    FisheyeLens,
    Lens,
    MeshLens,
    PerspectiveLens,
    SampledEquirectangularLens,
)
from turnaround.types.mining import ClipQuality, DropError, LeftOut, PixelTracks, RigPoses, Shot, Stereo4DClip
from turnaround.types.mining_protocols import (
    DisparityEstimator,
    PointTracker,
    PoseEstimator,
    Segmenter,
    VideoMiner,
)
from turnaround.types.motion import Flow, MotionField, Tracks
from turnaround.types.prior import ObjectViews, PicturedObject
from turnaround.types.protocols import (
    ClipSource,
    Condition,
    DepthEstimator,
    DepthNetwork,
    Filmer,
    Inpainter,
    InpaintNetwork,
    InpaintSource,
    MotionNetwork,
    MultiViewPrior,
    ResumableDepthEstimator,
    VelocityNetwork,
)
from turnaround.types.scene_cache import KeyView, OrbitVideo, Provenance, Rendering, SceneCache
from turnaround.types.video import Clip, Video
from turnaround.types.views import FilledVideo, Pair, PartialVideo, StereoPair, View, Warped
from turnaround.types.weights import WeightsNotice

__all__ = [
    "Camera",
    "Clip",
    "ClipQuality",
    "ClipSource",
    "Condition",
    "DepthBatch",
    "DepthEstimator",
    "DepthKind",
    "DepthNetwork",
    "DepthVideo",
    "DisparityEstimator",
    "DropError",
    "Equirectangular180",
    "EquirectangularLens",
    "FilledVideo",
    "Filmer",
    "FisheyeLens",
    "Flow",
    "InpaintBatch",
    "InpaintItem",
    "InpaintNetwork",
    "InpaintSource",
    "Inpainter",
    "InputError",
    "KeyView",
    "LatentBatch",
    "LatentEncoder",
    "LeftOut",
    "Lens",
    "MeshLens",
    "MotionBatch",
    "MotionField",
    "MotionNetwork",
    "MultiViewPrior",
    "ObjectViews",
    "OrbitVideo",
    "Pair",
    "PartialVideo",
    "PerspectiveLens",
    "PicturedObject",
    "Pinhole",
    "PixelTracks",
    "PointMapBatch",
    "PointTracker",
    "PoseEstimator",
    "Provenance",
    "Rendering",
    "ResumableDepthEstimator",
    "RigPoses",
    "SampledEquirectangularLens",
    "SceneCache",
    "Segmenter",
    "Shot",
    "Stereo4DClip",
    "StereoPair",
    "Tracks",
    "VelocityNetwork",
    "Video",
    "VideoMiner",
    "View",
    "ViewPairBatch",
    "Warped",
    "WeightsNotice",
]
