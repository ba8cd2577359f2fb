"""A small random SegFormer in the layout of its releases."""

from pathlib import Path

import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

NAMES = ("wall", "sky", "road, route", "person", "earth, ground", "sidewalk, pavement", "building")


def write_segformer(folder: Path, *, seed: int = 0) -> Path:
    """nvidia/segformer-b0-finetuned-ade-512-512, with few classes."""
    torch.manual_seed(seed)
    config = SegformerConfig(
        hidden_sizes=[8, 8, 16, 16],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8,
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    model = SegformerForSemanticSegmentation(config)
    for parameter in model.parameters():  # so that labels differ from place to place
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    torch.nn.init.normal_(model.decode_head.classifier.weight)
    model.save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
