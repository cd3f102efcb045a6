"""How training images are changed from pass to pass, whole batches at a time, on the device.

Images come with some margin around what the network sees; a training sees crops of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from fastai.data.transforms import IntToFloatTensor
from fastai.torch_core import TensorImage
from fastai.vision.augment import AffineCoordTfm, affine_mat
from fasttransform import Pipeline
from torch import Tensor

Look: TypeAlias = Callable[[Tensor], Tensor]  # bytes [B, 3, S, S] to what the network sees, 0..1

AREA = (0.7, 1.0)  # of the square
ASPECT = 4 / 3  # at most, either way
TURN = 10.0  # degrees, either way
LIGHT = 0.2  # contrast and saturation times 0.8 to 1.25, brightness 0.1 up or down


def augmented(size: int, *, flip: bool) -> Look:
    """Return how images are seen when they are learned from: each its own crop, turn and light, no hue.

    Every image is resampled only once.
    """
    crop = AffineCoordTfm(aff_fs=[partial(crops, flip=flip)], size=size, align_corners=False)
    cut = Pipeline([IntToFloatTensor(), crop], split_idx=0)
    last = torch.channels_last
    return lambda images: lit(cut(TensorImage(images)).as_subclass(Tensor)).contiguous(memory_format=last)


def lit(images: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of each image, [B, 3, S, S] of values 0..1, a little.

    All three together are one linear map of its colours; grey is the luma of ITU-R BT.601.
    """
    level, contrast, colour = 2 * torch.rand(3, len(images), 1, 1, device=images.device) - 1
    grey = torch.tensor([0.299, 0.587, 0.114], device=images.device).expand(1, 3, 3)
    contrast, colour = ((1 - LIGHT) ** draw for draw in (contrast, colour))
    maps = contrast * (colour * torch.eye(3, device=images.device) + (1 - colour) * grey)
    shifts = (0.5 + LIGHT / 2 * level - contrast / 2).expand(-1, 3, 1)
    return torch.baddbmm(shifts, maps, images.flatten(2)).clamp_(0, 1).view_as(images)


def crops(images: Tensor, *, flip: bool) -> Tensor:
    """Draw a rectangle of each image, turned a little and maybe mirrored, as affine matrices [B, 3, 3].

    They map the square that the network sees to coordinates -1..1 of the image.
    """
    area, aspect, turn, side, x, y = torch.rand(6, len(images), device=images.device)
    area = AREA[0] + (AREA[1] - AREA[0]) * area
    stretch = ((2 * aspect - 1) * math.log(ASPECT) / 2).exp()
    width = (area.sqrt() * stretch).clamp(max=1)
    height = (area.sqrt() / stretch).clamp(max=1)
    angle = (2 * turn - 1) * math.radians(TURN)
    mirror = torch.where((side < 0.5) & flip, -1.0, 1.0)
    place_x, place_y = (2 * x - 1) * (1 - width), (2 * y - 1) * (1 - height)
    cos, sin = angle.cos(), angle.sin()
    matrices: Tensor = affine_mat(
        cos * width * mirror, -sin * height, place_x, sin * width * mirror, cos * height, place_y
    )
    return matrices
