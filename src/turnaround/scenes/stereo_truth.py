"""What is true of the rectified crops that are cut from stereo videos of procedural worlds, exactly."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from turnaround.geometry.se3 import rigid
from turnaround.scenes.observe import bodies_at, match, surface, track
from turnaround.scenes.stereo_video import Rig
from turnaround.scenes.world import Scene
from turnaround.types import PerspectiveLens, Pinhole, Tracks


@dataclass(frozen=True, kw_only=True)
class CropTruth:
    """A shot, its rig, and how both eyes' crops were made of it: by what rotations, true or found, and what lens.

    shot: as the left eye's half spheres see it. eye_from_rectified: of the left and the right eye, takes rays of the
    crop to rays of the filmed picture.
    """

    shot: Scene
    rig: Rig
    eye_from_rectified: Float[Tensor, "2 3 3"]
    lens: PerspectiveLens

    @property
    def left(self) -> Scene:
        """The scene as the left crop shows it."""
        return cropped(self.shot, self.eye_from_rectified[0], self.lens)

    @property
    def right(self) -> Scene:
        return cropped(self.rig.right_eye(self.shot), self.eye_from_rectified[1], self.lens)

    def depth(self, frame: int) -> Float[Tensor, "h w"]:
        """Metres along the left crop's z axis."""
        return surface(self.left, frame).depth

    def disparity(self, frame: int) -> tuple[Float[Tensor, "2 h w"], Bool[Tensor, "h w"]]:
        """x_left - x_right and y_left - y_right of what each pixel of the left crop shows, and whether the right crop
        shows it too. The second is 0 where the rectification is that of the true rig."""
        matched = match(self.left, self.right.camera, frame)
        return -matched.pixels[0], matched.visible[0]

    def tracks(self, pixels: Float[Tensor, "n 2"], *, frame: int) -> Tracks:
        """The points seen at pixels of a frame of the left crop, through all frames of the shot."""
        return track(self.left, pixels, frame=frame)

    def moving(self, pixels: Float[Tensor, "n 2"], *, frame: int) -> Bool[Tensor, " n"]:
        """Whether those points lie on bodies that move."""
        moves = torch.tensor([not body.motion.is_still for body in self.shot.world.bodies])
        return moves[bodies_at(self.left, pixels, frame=frame)]


def cropped(shot: Scene, eye_from_rectified: Float[Tensor, "3 3"], lens: PerspectiveLens) -> Scene:
    """As a perspective camera in the place of the eye sees it."""
    poses = shot.camera.world_from_cam
    turn = rigid(eye_from_rectified.to(poses), poses.new_zeros(3))
    camera = Pinhole(
        world_from_cam=poses @ turn,
        intrinsics=lens.intrinsics.to(poses).expand(len(poses), 3, 3).clone(),
        height=lens.height,
        width=lens.width,
    )
    return replace(shot, camera=camera)
