"""The checks: each looks at one thing and returns a `Finding`; whatever it raises becomes a finding too."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib import metadata
from io import BytesIO
from pathlib import Path

from lipwright.doctor import engines
from lipwright.doctor.codecs import AUDIO, VIDEO, codec
from lipwright.doctor.finding import AGAIN, Check, Finding, run, told
from lipwright.errors import BackendError
from lipwright.progress import Progress, silent

GB = 1e9
LEAST_DISK = 1.0  # GB: avatars take a few megabytes a minute, outputs a hundred
LEAST_MEMORY = 1.0  # GB: a 1080p job takes about 0.7
DEVICE_NAMES = ("cuda", "tensorrt", "rocm", "directml", "coreml", "openvino")
RIVALS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python-headless")


def diagnose(progress: Progress = silent) -> list[Finding]:
    """Run every check of `CHECKS`.

    Args:
        progress: told `("looking", done, total)`.
    """
    findings = []
    for done, (name, check) in enumerate(CHECKS.items()):
        findings.append(replace(run(check), name=name))
        progress("looking", done + 1, len(CHECKS))
    return findings


def _python() -> Finding:
    from packaging.specifiers import SpecifierSet

    wanted = metadata.metadata("lipwright")["Requires-Python"]
    version = platform.python_version()
    detail = f"Python {version}, {platform.system()} {platform.machine()}"
    if version in SpecifierSet(wanted):
        return Finding(detail=detail)
    return Finding(status="fail", detail=detail, remedy=f"make a new environment with a Python {wanted}")


def _packages() -> Finding:
    """The packages Lipwright declares, in versions it declares."""
    from packaging.requirements import Requirement

    found, wrong, wanted = [], [], []
    for line in metadata.requires("lipwright") or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = "missing"
        found.append(f"{requirement.name} {version}")
        if version == "missing" or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(found[-1])
            wanted.append(f"'{requirement.name}{requirement.specifier}'")
    if wrong:
        return Finding(status="fail", detail=", ".join(wrong), remedy=f"pip install {' '.join(wanted)}")
    return Finding(detail=", ".join(found))


def _processor() -> Finding:
    threads = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
    return Finding(detail=f"{usable} of {threads} threads usable; pictures use them all, the sound model one")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    detail = f"{memory.available / GB:.1f} of {memory.total / GB:.1f} GB free"
    if memory.available / GB >= LEAST_MEMORY:
        return Finding(detail=detail)
    return Finding(status="warn", detail=detail, remedy="close other programs: a 1080p job takes about 0.7 GB")


def _opencv() -> Finding:
    import cv2
    import numpy as np

    grey = np.full((32, 32, 3), 128, np.uint8)
    back = cv2.imdecode(cv2.imencode(".jpg", grey)[1], cv2.IMREAD_COLOR)
    if np.abs(back.astype(int) - grey).max() > 4:
        return Finding(status="fail", detail=f"OpenCV {cv2.__version__} garbles a JPEG picture", remedy=AGAIN)
    rivals = [name for name in RIVALS if _installed(name)]
    detail = f"OpenCV {cv2.__version__}, {cv2.getNumThreads()} threads"
    if rivals:
        remedy = f"pip uninstall {' '.join(rivals)}, then pip install --force-reinstall opencv-contrib-python"
        return Finding(status="warn", detail=f"{detail}; {', '.join(rivals)} writes over the same files", remedy=remedy)
    return Finding(detail=detail)


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _ffmpeg() -> Finding:
    import av

    libraries = (f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in ("libavcodec", "libavformat"))
    return Finding(detail=f"PyAV {av.__version__} with {', '.join(libraries)}")


def _encoders() -> Finding:
    from lipwright.media.hardware import HARDWARE, why_not

    found = {name: why_not(name, "h264") for name in HARDWARE}
    working = [name for name, reason in found.items() if not reason]
    if working:
        return Finding(detail=f"software, and in hardware {', '.join(working)}; --encoder chooses")
    return Finding(detail=f"software; no hardware: {'; '.join(found.values())}")


def _onnx_runtime() -> Finding:
    from lipwright.runtime import load_onnxruntime
    from lipwright.runtime.sessions import CPU_PROVIDER

    onnxruntime = load_onnxruntime()
    offered = onnxruntime.get_available_providers()
    detail = f"ONNX Runtime {onnxruntime.__version__} offers {', '.join(offered)}; the engine uses {CPU_PROVIDER}"
    if CPU_PROVIDER in offered:
        return Finding(detail=detail)
    return Finding(status="fail", detail=detail, remedy="pip install --force-reinstall onnxruntime")


def _models() -> Finding:
    """Every shipped weight file: its sha256 is its card's, it opens, and what comes out are numbers."""
    import numpy as np

    from lipwright.models.catalog import shipped

    for card in shipped():
        results = _network(card.name) if card.file.endswith(".onnx") else _arrays(card.name)
        if not all(np.isfinite(result).all() for result in results):
            return Finding(status="fail", detail=f"{card.file} gives values that are not numbers", remedy=AGAIN)
    return Finding(detail=f"{', '.join(card.name for card in shipped())}: checksum right, opened and run")


def _network(name: str) -> list:
    """What the network makes of one second of zeros."""
    import numpy as np

    from lipwright.runtime import open_model

    session = open_model(name)
    sizes = {"batch": 1}  # other axes without a fixed size are rows, 100 a second
    feed = {
        part.name: np.zeros(
            [size if isinstance(size, int) else sizes.get(size, 100) for size in part.shape], np.float32
        )
        for part in session.get_inputs()
    }
    return list(session.run(None, feed))


def _arrays(name: str) -> list:
    import numpy as np

    from lipwright.runtime import weights

    with np.load(BytesIO(weights(name))) as stored:
        return [stored[key] for key in stored.files]


def _tracker(name: str) -> Finding:
    """Open a face tracker and have it find and fit the bundled portrait."""
    from lipwright.example import portrait
    from lipwright.face.base import open_tracker
    from lipwright.media import open_clip

    with open_clip(portrait) as clip, open_tracker(name) as tracker:
        picture = next(iter(clip.frames()))
        found, mesh = tracker.detect(picture), tracker.fit(picture)
    if len(found) != 1 or mesh is None:
        return Finding(
            status="fail",
            detail=f"in the bundled portrait it finds {len(found)} faces and fits {'none' if mesh is None else 'one'}",
            remedy=AGAIN,
        )
    return Finding(detail=f"found the bundled portrait's face and fitted {len(mesh)} points")


def _landmarker() -> Finding:
    from lipwright.face.landmarker import BUNDLE_VARIABLE

    bundle = os.environ.get(BUNDLE_VARIABLE)
    if not bundle:
        return Finding(detail=f"not set up, not needed; name a face_landmarker.task in {BUNDLE_VARIABLE} to use it")
    try:
        return _tracker("landmarker")
    except BackendError as exc:
        return told(exc, "warn")
    except (RuntimeError, ValueError) as exc:  # MediaPipe's own
        remedy = f"name a face_landmarker.task as MediaPipe publishes it in {BUNDLE_VARIABLE}"
        return Finding(status="warn", detail=f"MediaPipe cannot use {bundle}: {exc}".partition("\n")[0], remedy=remedy)


def _signing() -> Finding:
    """The C2PA library, by signing with this computer's certificate or, before the first job, with one like it."""
    from lipwright.provenance.certificates import has_own_certificate, open_signer, own_certificate, unkept_signer
    from lipwright.provenance.statement import check_signer

    place, kept = own_certificate(), has_own_certificate()
    check_signer(open_signer() if kept else unkept_signer())
    if kept:
        return Finding(detail=f"the C2PA library signs with {place}")
    try:
        with tempfile.TemporaryFile(dir=_existing(place.parent)):
            pass
    except OSError as exc:
        return Finding(
            status="warn",
            detail=f"{place.parent} cannot be written: {exc.strerror}",
            remedy="name another folder in LIPWRIGHT_SIGNING, or give jobs a --certificate",
        )
    return Finding(detail=f"the C2PA library signs; {place} is made with the first job")


def _avatars() -> Finding:
    from lipwright.avatar.folder import default_cache

    folder = default_cache()
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            pass
    except OSError as exc:
        return Finding(
            status="fail",
            detail=f"{folder} cannot be written: {exc.strerror}",
            remedy="name another folder in LIPWRIGHT_CACHE or with --cache",
        )
    if not folder.is_dir():
        return Finding(detail=f"{folder}, not there yet: made with the first avatar")
    sizes = []
    for path in folder.glob("avatars/*.npz"):
        with suppress(OSError):  # another job may remove one meanwhile
            sizes.append(path.stat().st_size)
    return Finding(detail=f"{folder}, {len(sizes)} avatars, {sum(sizes) / 1e6:.1f} MB")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _disk(place: Callable[[], Path]) -> Finding:
    try:
        folder = place()
        free = shutil.disk_usage(_existing(folder)).free / GB
    except OSError as exc:
        return Finding(status="fail", detail=exc.strerror or str(exc), remedy="work in a folder that exists")
    detail = f"{free:.1f} GB free for {folder}"
    if free >= LEAST_DISK:
        return Finding(detail=detail)
    return Finding(status="warn", detail=detail, remedy="delete something there, or work in another folder")


def _cache_folder() -> Path:
    from lipwright.avatar.folder import default_cache

    return default_cache()


CHECKS: dict[str, Check] = {
    "Python": _python,
    "packages": _packages,
    "processor": _processor,
    "memory": _memory,
    "OpenCV": _opencv,
    "FFmpeg": _ffmpeg,
    **{f"codec {name}": partial(codec, name) for name in (*VIDEO, *AUDIO)},
    "encoders": _encoders,
    "ONNX Runtime": _onnx_runtime,
    "models": _models,
    **{f"device {name}": partial(engines.device, name) for name in DEVICE_NAMES},
    "engine native": partial(engines.engine, "native"),
    "engine heygem": partial(engines.engine, "heygem"),
    "converters": engines.converters,
    "tracker facemesh": partial(_tracker, "facemesh"),
    "tracker landmarker": _landmarker,
    "signing": _signing,
    "cache": _avatars,
    "disk of the cache": partial(_disk, _cache_folder),
    "disk of this folder": partial(_disk, Path.cwd),
    "disk of temporary files": partial(_disk, lambda: Path(tempfile.gettempdir())),
}
"""What is looked at, in the order of the report."""
