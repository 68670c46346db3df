"""An engine that is the native one and remembers what it drew."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.staging import MouthStaging


class RecordingStaging(MouthStaging):
    """Keeps every patch by output number and layer."""

    patches: ClassVar[dict] = {}

    def draw(self, frame, output, *, under):
        patch = super().draw(frame, output, under=under)
        if patch is not None:
            self.patches[output, under] = patch
        return patch


class Recorder:
    """What the engine "recorded" drew."""

    patches = RecordingStaging.patches

    @classmethod
    def installed(cls, monkeypatch):
        cls.patches.clear()
        row = replace(ENGINES["native"], stage="recording:RecordingStaging")
        monkeypatch.setitem(ENGINES, "recorded", row)
        return cls

    @classmethod
    def mask(cls, output, size):
        """(H, W) float32: the larger of both layers' masks."""
        whole = np.zeros(size, np.float32)
        for under in (False, True):
            patch = cls.patches.get((output, under))
            if patch is not None:
                height, width = patch.mask.shape
                area = whole[patch.y : patch.y + height, patch.x : patch.x + width]
                np.maximum(area, patch.mask, out=area)
        return whole
