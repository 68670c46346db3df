"""Faces and five points on each: SCRFD, any of its exports with key points. Guo et al. 2021, arXiv 2105.04714."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lipwright.errors import BackendError
from lipwright.runtime import PictureModel

STRIDES = (8, 16, 32)
ANCHORS = 2  # per cell, one after the other
PARTS = {"scores": 1, "boxes": 4, "points": 10}  # last dimension of each; every part comes once per stride
SCORE = 0.5
SMALLER = 0.5  # of the canvas, for a second look: a face that fills it is larger than any the network learnt
SAME_FACE = 0.35  # overlap over which the weaker of two boxes goes; unverified (0.4 where the network comes from)


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces of one picture, the surest first.

    Args:
        boxes: (N, 4) float32 x0, y0, x1, y1, frame pixels.
        scores: (N,) float32 in 0..1.
        points: (N, 5, 2) float32 frame pixels: image-left eye, image-right eye, tip of the nose, image-left and
            image-right corner of the mouth.
    """

    boxes: np.ndarray
    scores: np.ndarray
    points: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)


class Scrfd:
    """The detector over an opened model.

    Args:
        model: (B, H, W, 3) float32 RGB, (pixels - 127.5) / 128, to nine arrays: scores at stride 8, 16, 32, then boxes,
            then points, each (N, D) or (1, N, D). Its size is the canvas a picture is fitted in.
    """

    def __init__(self, model: PictureModel) -> None:
        self._model = model
        self._centres = [_centres(model.size, stride) for stride in STRIDES]

    def detect(self, frame: np.ndarray) -> Detections:
        """All faces of score 0.5 and more. (H, W, 3) uint8 RGB.

        A picture without one is looked at again at half the size, which the original does not do: in a close-up the
        network misses what it finds in the same picture made smaller.

        Raises:
            BackendError: the model's outputs are not those of SCRFD with key points.
        """
        found = self._look(frame, 1.0)
        return found if len(found) else self._look(frame, SMALLER)

    def _look(self, frame: np.ndarray, share: float) -> Detections:
        """Faces of the picture laid on that share of the canvas."""
        canvas, scale = _fit(frame, self._model.size, share)
        outputs = self._model(((canvas.astype(np.float32) - 127.5) / 128)[None])
        scores, boxes, points = self._decode(outputs)
        order = np.argsort(-scores, kind="stable")
        kept = order[_strongest(boxes[order])]
        return Detections(boxes[kept] / scale, scores[kept], points[kept].reshape(-1, 5, 2) / scale)

    def _decode(self, outputs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Candidates of all strides, canvas pixels: (N,), (N, 4), (N, 10) float32."""
        levels = self._levels(outputs)
        found: list[tuple[np.ndarray, ...]] = []
        for stride, centres, (scores, sides, offsets) in zip(STRIDES, self._centres, levels, strict=True):
            sure = np.flatnonzero(scores[:, 0] >= SCORE)
            centre, side = centres[sure], sides[sure] * stride
            box = np.concatenate([centre - side[:, :2], centre + side[:, 2:]], axis=1)
            found.append((scores[sure, 0], box, np.tile(centre, 5) + offsets[sure] * stride))
        scores, boxes, points = (np.concatenate(part).astype(np.float32) for part in zip(*found, strict=True))
        return scores, boxes, points

    def _levels(self, outputs: Sequence[np.ndarray]) -> list[tuple[np.ndarray, ...]]:
        """Scores, boxes and points of each stride, each (N, D), whatever the export calls and wraps them."""
        if len(outputs) == len(STRIDES) * (len(PARTS) - 1):
            raise BackendError(
                f"this face detector gives {len(outputs)} outputs: an export without key points, which cannot be used; "
                "run `lipwright models pull scrfd` for the one with five points"
            )
        if len(outputs) != len(STRIDES) * len(PARTS):
            raise BackendError(
                f"this face detector gives {len(outputs)} outputs, SCRFD with key points gives nine; "
                "run `lipwright models pull scrfd`"
            )
        flat = [output[0] if output.ndim == 3 else output for output in outputs]
        for place, output in enumerate(flat):
            part, level = divmod(place, len(STRIDES))
            name, wanted = list(PARTS)[part], (len(self._centres[level]), list(PARTS.values())[part])
            if output.shape != wanted:
                raise BackendError(
                    f"output {place} of this face detector is {output.shape}, SCRFD's {name} at stride "
                    f"{STRIDES[level]} are {wanted}; run `lipwright models pull scrfd`"
                )
        return [tuple(flat[level :: len(STRIDES)]) for level in range(len(STRIDES))]


def _fit(frame: np.ndarray, size: tuple[int, int], share: float) -> tuple[np.ndarray, float]:
    """The picture at the top left of a black canvas, its shape kept, and canvas pixels per frame pixel."""
    height, width = frame.shape[:2]
    ratio = share * min(size[0] / height, size[1] / width)
    wide, high = max(1, int(width * ratio + 1e-6)), max(1, int(height * ratio + 1e-6))
    canvas = np.zeros((*size, 3), np.uint8)
    canvas[:high, :wide] = cv2.resize(frame, (wide, high), interpolation=cv2.INTER_LINEAR)
    return canvas, high / height


def _centres(size: tuple[int, int], stride: int) -> np.ndarray:
    """Anchor centres, row by row. (N, 2) float32 x, y in canvas pixels; the network means a cell's first corner."""
    rows, columns = size[0] // stride, size[1] // stride
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.repeat(cells * stride, ANCHORS, axis=0).astype(np.float32)


def _strongest(boxes: np.ndarray) -> list[int]:
    """Of overlapping boxes the first. (N, 4), the surest first, to indices."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    left, kept = np.arange(len(boxes)), []
    while len(left):
        best, rest = int(left[0]), left[1:]
        corner = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - np.maximum(boxes[best, :2], boxes[rest, :2]) + 1
        both = np.prod(np.maximum(corner, 0), axis=1)
        left = rest[both <= SAME_FACE * (areas[best] + areas[rest] - both)]
        kept.append(best)
    return kept
