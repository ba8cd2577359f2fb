"""Small stereo videos with two depths, and a writer that sets the time of each frame and what key frames there are."""

from fractions import Fraction

import av
import torch
import torch.nn.functional as F

TICKS = 1000  # to the second


def eyes(frames, size=256, near=12, far=6, share=2):
    """[t 3 h w] of the left and the right eye: texture that moves by, far above and near in the lowest 1 / `share`,
    in pixels further left in the right eye."""
    edge = size - size // share
    random = torch.Generator().manual_seed(0)
    texture = torch.rand(1, 1, size // 4, size // 2, generator=random)  # grey: compression halves colours
    texture = F.interpolate(texture, (size, 2 * size), mode="bicubic").clamp(0, 1)[0].expand(3, -1, -1)
    left = [texture[..., 40 + 3 * t : 40 + 3 * t + size] for t in range(frames)]
    right = [
        torch.cat(
            [
                texture[:, :edge, 40 + 3 * t + far : 40 + 3 * t + far + size],
                texture[:, edge:, 40 + 3 * t + near : 40 + 3 * t + near + size],
            ],
            dim=1,
        )
        for t in range(frames)
    ]
    return torch.stack(left), torch.stack(right)


def side_by_side(frames, **changes):
    return torch.cat(eyes(frames, **changes), dim=3)


def write_film(path, video, times, *, options=None, base=TICKS):
    """times: of each frame in 1 / `base` seconds. options: x264's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "16", **(options or {})})
        stream.height, stream.width = video.shape[2:]
        stream.pix_fmt = "yuv444p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, base)
        stream.codec_context.thread_count = 1
        for time, picture in zip(times, video, strict=True):
            pixels = (picture * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv444p")
            frame.pts, frame.time_base = time, Fraction(1, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def retimed(source, target, change):
    """The same packets, whose pts and dts `change` maps (number, pts, dts) to."""
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(read.streams.video[0])):
            if packet.dts is not None:
                packet.pts, packet.dts = change(number, packet.pts, packet.dts)
                packet.stream = stream
                written.mux(packet)
    return target
