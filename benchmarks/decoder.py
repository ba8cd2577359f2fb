"""What decoding disparity costs, by the VAE's decoder and by the light one.

    python benchmarks/decoder.py
    python benchmarks/decoder.py --published-sizes --frames 2 --height 256 --width 448 --repeats 1

Prints parameters and milliseconds per frame of the VAE's decoder, as released and with context, and of the light
decoder (of the same size in both commands), on the same latents, and each as a ratio to the release: ratios of one run
compare across machines. All weights are untrained, which costs the same.
"""

import argparse
import time
from pathlib import Path

import torch
import yaml

from turnaround.nets.codec import DepthDecoder, TemporalVaeCodec
from turnaround.run.build import build_value

CONFIGS = Path(__file__).parents[1] / "configs"


def read(path: str, key: str) -> dict:
    return yaml.safe_load((CONFIGS / path).read_text())[key]


def seconds(codec: TemporalVaeCodec, decoder: DepthDecoder | None, latents: torch.Tensor, repeats: int) -> float:
    """The best of `repeats`, of all frames. decoder: None as released."""
    codec.decoder = decoder or codec.decoder
    decode = codec.decode_disparity if decoder else codec.decode_published
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        with torch.inference_mode():
            decode(latents)
        if latents.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published-sizes", action="store_true")
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    net = "svd_xt_untrained" if options.published_sizes else "svd_vae_tiny"
    codec = build_value(read(f"net/{net}.yaml", "codec"), "codec").eval().to(options.device)
    light = build_value(read("task/depth_decoder.yaml", "network"), "network").eval().to(options.device)
    cells = options.height // codec.factor, options.width // codec.factor
    latents = torch.randn(1, options.frames, codec.depth_channels, *cells, device=options.device)
    context = codec.decoder
    rows = {
        "VAE, as released": (codec.vae.decoder, None),
        f"VAE, context of {context.context}": (codec.vae.decoder, context),
        "light": (light, light),
    }
    print(f"{net}: {options.frames} frames of {options.height} x {options.width} in chunks of {codec.chunk}")
    print(f"{'decoder':<20}{'parameters':>12}{'ms/frame':>12}{'ratio':>8}")
    reference = None
    for name, (module, decoder) in rows.items():
        spent = seconds(codec, decoder, latents, options.repeats)
        reference = reference or spent
        count = sum(parameter.numel() for parameter in module.parameters()) / 1e6
        print(f"{name:<20}{count:>10.2f} M{1000 * spent / options.frames:>12.1f}{spent / reference:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
