"""What a face tracker is, and the table of those there are."""

from types import TracebackType
from typing import Protocol, Self

import numpy as np

from lipwright import registry


class FaceTracker(Protocol):
    """Finds faces in a picture and fits the face mesh to one of them.

    `fit` may remember the previous call: it is asked for consecutive pictures of one face in a fixed window, and
    `forget` is called whenever that chain breaks. A tracker is used by one thread and closed by its holder.
    """

    def detect(self, picture: np.ndarray) -> np.ndarray:
        """Boxes of all faces. (H, W, 3) uint8 RGB to (N, 4) float32 x0, y0, x1, y1 in pixels."""
        ...

    def fit(self, picture: np.ndarray) -> np.ndarray | None:
        """Mesh of the one face in the picture. (H, W, 3) uint8 RGB to (478, 3) float32 pixels, None without a face."""
        ...

    def forget(self) -> None:
        """The next picture does not continue the last one."""
        ...

    def close(self) -> None:
        """Free the models."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


TRACKERS = {
    "facemesh": "lipwright.face.facemesh:FaceMeshTracker",
    "landmarker": "lipwright.face.landmarker:LandmarkerTracker",
}


def open_tracker(name: str) -> FaceTracker:
    """Open a tracker of the table.

    Raises:
        BackendError: unknown name, or its library or model file is missing.
    """
    return registry.load("face tracker", TRACKERS, name)()
