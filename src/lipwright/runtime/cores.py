"""Who may use this machine's cores."""

import gc
import os

CORES_EACH = 4  # per thread of OpenCV's own


def share_cores() -> None:
    """Make a process ready for one long job whose stages run side by side.

    Decoder, renderer and encoder fill a small machine: threads that OpenCV starts inside one of them only get in the
    way of the others. What is loaded by now stays, and need not be looked at again for rubbish.
    """
    import cv2

    cv2.setNumThreads(max(1, (os.cpu_count() or 1) // CORES_EACH))
    gc.freeze()
