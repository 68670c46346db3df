"""What any engine does to a face besides giving it another mouth: restoring it, and sparing what covers it."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from lipwright.compose.blend import paste
from lipwright.media import Clip, Picture, prefetch
from lipwright.post.align import Area
from lipwright.post.blur import FaceAttributes, needs_restoring
from lipwright.post.occlude import OcclusionMask
from lipwright.post.parse import FaceParser
from lipwright.post.restore import Restorer
from lipwright.render.base import Patch
from lipwright.runtime import Models

if TYPE_CHECKING:
    from lipwright.avatar.store import AnyAvatar
    from lipwright.pipeline.config import DubOptions

MASKS = ("landmark", "parse", "xseg")
MOMENTS = ("before", "after")
LOOKS = 5  # frames that tell whether footage is blurred
REACH = 0.5  # of the face's size, around its outline: what a renderer may see of a face before it is drawn
SOFT = 0.02  # of the face's size: how softly its outline ends where the mask beyond it is left alone


class Touch:
    """Changes what a renderer sees, and what it drew.

    Args:
        avatar: tells where the face is.
        restorer: restores an area of a picture, or None.
        when: `before` or `after` the mouth is drawn.
        visible: how far the face is seen in an area of a picture, or None.
    """

    def __init__(
        self,
        avatar: "AnyAvatar",
        restorer: Restorer | None,
        when: str,
        visible: Callable[[np.ndarray, np.ndarray, Area], np.ndarray] | None,
    ) -> None:
        self._avatar, self._restorer, self._when, self._visible = avatar, restorer, when, visible

    @staticmethod
    def needs(options: "DubOptions") -> list[str]:
        """Published models that these options need."""
        restoring = ["gfpgan", *(["face_attributes"] if options.blur_threshold else [])] if options.restore else []
        return restoring + {"landmark": [], "parse": ["face_parsing"], "xseg": ["xseg"]}[options.mask]

    @classmethod
    def of(cls, options: "DubOptions", avatar: "AnyAvatar", clip: Clip, models: Models, notes: list[str]) -> Self:
        """As the options say; `notes` are told where footage is too sharp to be restored.

        Raises:
            BackendError: a model is missing.
        """
        restorer = visible = None
        if options.restore and _blurred(options, avatar, clip, models, notes):
            restorer = Restorer(models.pictures("gfpgan"), options.restore)
        if options.mask == "parse":
            visible = FaceParser(models.pictures("face_parsing")).area
        if options.mask == "xseg":
            visible = OcclusionMask(models.pictures("xseg")).area
        return cls(avatar, restorer, options.restore_when, visible)

    def before(self, frame: Picture, source: int) -> Picture:
        """What the renderer is given for a source frame; itself where nothing is restored."""
        if self._restorer is None or self._when != "before" or not self._avatar.track.present[source]:
            return frame
        x, y, width, height = area = _around(self._avatar.outline(source), frame.shape)
        restored = frame.rgb.copy()
        restored[y : y + height, x : x + width] = self._restorer.restore(frame.rgb, self._avatar.anchors(source), area)
        return Picture(restored)

    def after(self, frame: Picture, source: int, patch: Patch) -> Patch:
        """What is put over the planned source frame instead of what was drawn."""
        area = (patch.x, patch.y, patch.mask.shape[1], patch.mask.shape[0])
        pixels, mask = patch.pixels, patch.mask
        if self._visible is not None:
            seen = self._visible(frame.rgb, self._avatar.anchors(source), area)
            mask = mask * _spared(seen, self._avatar.outline(source), area)
        if self._restorer is not None and self._when == "after":
            # Restored as it will be seen, borders and all.
            drawn = paste(frame.rgb, pixels, mask, patch.x, patch.y)
            pixels = self._restorer.restore(drawn, self._avatar.anchors(source), area)
        return Patch(patch.x, patch.y, pixels, mask)


def _blurred(options: "DubOptions", avatar: "AnyAvatar", clip: Clip, models: Models, notes: list[str]) -> bool:
    """Whether the footage is blurred enough to be restored."""
    if not options.blur_threshold:
        return True
    attributes = FaceAttributes(models.pictures("face_attributes"))
    present = np.flatnonzero(avatar.track.present[: clip.facts.frames])
    shown = present[np.linspace(0, len(present) - 1, min(LOOKS, len(present))).astype(int)].tolist()
    with closing(prefetch(clip.play(shown), 1)) as frames:
        blurs = [attributes.blur(frame, avatar.anchors(at)) for at, frame in zip(shown, frames, strict=True)]
    if needs_restoring(blurs, options.blur_threshold):
        return True
    notes.append(
        f"the face is not restored: its blur is {np.median(blurs):.2f}, not above --blur-threshold "
        f"{options.blur_threshold:g}"
    )
    return False


def _around(outline: np.ndarray, size: tuple[int, ...]) -> Area:
    """The part of a frame that holds a face and what is around it."""
    low, high = outline.min(0), outline.max(0)
    room = REACH * float((high - low).max())
    x0, y0 = np.clip(np.floor(low - room), 0, (size[1] - 1, size[0] - 1)).astype(int)
    x1, y1 = np.clip(np.ceil(high + room), (x0 + 1, y0 + 1), (size[1], size[0])).astype(int)
    return int(x0), int(y0), int(x1 - x0), int(y1 - y0)


def _spared(seen: np.ndarray, outline: np.ndarray, area: Area) -> np.ndarray:
    """How far a patch counts: as far as the face is seen, and fully beyond the source frame's outline of it.

    A jaw that drops goes where the source frame shows neck or background: no mask of the source frame may hold it back.
    """
    face = np.zeros(seen.shape, np.uint8)
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0] - area[:2]
    cv2.fillConvexPoly(face, np.rint(hull * 16).astype(np.int32), (255,), cv2.LINE_AA, 4)
    soft = max(1.0, SOFT * float((outline.max(0) - outline.min(0)).max()))
    within = cv2.GaussianBlur(face, (0, 0), soft).astype(np.float32) / 255
    return 1 - within * (1 - seen)
