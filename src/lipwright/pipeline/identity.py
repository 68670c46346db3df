"""What tells one job's encoded pictures from another's: parts of the same job fit together, whoever made them."""

import hashlib
import json
import platform

import av
import cv2
import numpy as np

from lipwright import __version__
from lipwright.avatar.files import digest
from lipwright.media import Clip
from lipwright.media.segment import THREADS, PictureFormat, SegmentEncoder
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.executor import Work
from lipwright.pipeline.finish import Finish
from lipwright.pipeline.job import needed_models
from lipwright.pipeline.marks import Marks
from lipwright.runtime import Models
from lipwright.runtime.sessions import load_onnxruntime

LAYOUT = 1  # raise it when drawing changes within one version of the package


def job_key(work: Work, clip: Clip, marks: Marks, *, here: bool) -> str:
    """The same for jobs whose encoded pictures are the same; waits for the inputs to be read.

    Args:
        work, clip, marks: the job's.
        here: whether this process draws; others may have models run on another device.

    Raises:
        MediaError: an input is gone.
        BackendError: a model is.
    """
    options, form, needed = work.options, work.form, needed_models(work.options)
    told = {
        "layout": LAYOUT,
        "origin": marks.origin.mark_id().hex(),
        "marks": options.marks,
        "avatar": digest(work.job.avatar),
        "frames": len(work.job.plan),
        "over": _laid_over(options, clip),
        "encoder": [
            form.options.ffmpeg_name,
            form.settings(),
            THREADS,
            *form.coded_size,
            str(form.fps),
            str(form.colour),
        ],
        "batch": options.batch_size,
        "device": [Models(options.models, options.device).device.name, here] if needed else [],
        "software": software(form),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def software(form: PictureFormat) -> dict[str, object]:
    """Versions of what draws and encodes in this way; other ones may round otherwise.

    Raises:
        OSError, FFmpegError: as of `SegmentEncoder`.
    """
    modules = {"av": av, "cv2": cv2, "numpy": np, "onnxruntime": load_onnxruntime()}
    return {
        "lipwright": __version__,
        **{name: module.__version__ for name, module in modules.items()},
        "ffmpeg": av.library_versions,
        "machine": platform.machine(),
        "encoder": SegmentEncoder(form).extradata.hex(),  # x265 writes into it what the processor can do
    }


def _laid_over(options: DubOptions, clip: Clip) -> str:
    """What pictures and label do to a frame, which depends on the user's language and on the fonts of the machine."""
    finish, shape = Finish(options, clip.facts), (clip.facts.height, clip.facts.width, 3)
    drawn = hashlib.sha256()
    for level in (0, 255):
        drawn.update(finish.over(np.full(shape, level, np.uint8), 0).tobytes())
    return drawn.hexdigest()
