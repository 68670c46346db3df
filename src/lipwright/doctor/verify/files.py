"""U1 to U3: what each file is."""

import hashlib
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lipwright.doctor.verify.case import Case, Seen, unexpected, without_paths
from lipwright.errors import BackendError, LipwrightError
from lipwright.face.scrfd import Scrfd
from lipwright.models.catalog import card
from lipwright.render.dinet import DinetRenderer
from lipwright.runtime import Network
from lipwright.runtime.network import Port

log = logging.getLogger(__name__)
BLACK = np.zeros((64, 64, 3), np.uint8)
TRIALS: dict[str, Callable[[Case], object]] = {
    "scrfd": lambda case: Scrfd(case.models.pictures("scrfd")).detect(BLACK),
    "scrfd_10g": lambda case: Scrfd(case.models.pictures("scrfd_10g")).detect(BLACK),
    "dinet_v1": lambda case: case.generator if case.models.store.has("dinet_v1") else DinetRenderer.open(case.models),
    "wenet": lambda case: case.encoder if case.models.store.has("wenet") else case.ears,
}
"""What shows that a file can be used, where opening it as a network that looks at pictures is not all of it."""


def refused(case: Case, name: str) -> str:
    """Why the engine's own loader refuses a file that is there, empty where it takes it.

    Raises:
        ImportError: a checkpoint cannot be looked into without PyTorch.
    """
    try:
        TRIALS[name](case) if name in TRIALS else case.models.pictures(name)
    except ImportError:
        raise
    except LipwrightError as error:
        # What to do comes last in an error of ours; here it would name this very command.
        why = str(error).rpartition("; ")[0] or str(error)
    except Exception as error:
        log.debug("failed", exc_info=True)
        why = unexpected(error)
    else:
        return ""
    return without_paths(why, case.models.store.folder)


def identity(case: Case, name: str) -> Seen:
    """U1: length and checksum."""
    about, path = card(name), case.models.store.place(name)
    length = path.stat().st_size
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    known = about.sha256 or about.seen_sha256
    expected = [f"{about.bytes:,} bytes"] if about.bytes else []
    expected += [f"sha256 {' or '.join(known)}{'' if about.sha256 else ', of copies elsewhere'}"] if known else []
    agrees = None
    if expected:
        agrees = about.bytes in (0, length) and (not known or got in known)
    return Seen(
        measured=f"{length:,} bytes, sha256 {got}",
        expected="; ".join(expected) or "nothing is published to compare with",
        agrees=agrees,
    )


def ports(case: Case, name: str) -> Seen:
    """U2: names, shapes and dtypes as the session gives them; agrees where the engine can use the file."""
    about = card(name)
    why = refused(case, name)
    network = case.models.pictures(name).network if not why else _opened(case, name)
    told = "" if network is None else f"{_told(network.inputs)} to {_told(network.outputs)}"
    return Seen(
        measured="; ".join(filter(None, (told, why))),
        expected=f"{'; '.join(about.inputs)} to {'; '.join(about.outputs)}",
        agrees=not why,
    )


def _opened(case: Case, name: str) -> Network | None:
    """The file as ONNX Runtime sees it, whether or not it is the right one."""
    try:
        return Network(case.models.store.path(name), case.models.device)
    except BackendError:
        return None


def _told(declared: tuple[Port, ...]) -> str:
    return ", ".join(f"{port.name} {list(port.shape)} {port.dtype[7:-1]}" for port in declared)


def variant(case: Case, name: str) -> list[Seen]:
    """U3: whether the detector's outputs have a batch axis, and whether it is the 500m or the 10g."""
    model = case.models.pictures(name)
    results = model(np.zeros((1, *model.size, 3), np.float32))
    ranks = [result.ndim for result in results]
    path, large = case.models.store.path(name), card("scrfd_10g")
    length = path.stat().st_size
    is_large = length >= large.at_least
    return [
        Seen(
            part="batch axis",
            measured=f"ranks {ranks}",
            expected="[3, 3, 3, 3, 3, 3, 3, 3, 3], with a batch axis; all 2 works as well",
            agrees=ranks == [3] * 9,
        ),
        Seen(
            part="500m or 10g",
            measured=f"{length:,} bytes, {_parameters(path)}: {'10g' if is_large else '500m'}",
            expected=f"{'10g' if name == 'scrfd_10g' else '500m'}; the 10g has over {large.at_least:,} bytes",
            agrees=is_large == (name == "scrfd_10g"),
        ),
    ]


def _parameters(path: Path) -> str:
    if find_spec("onnx") is None:
        return "parameters not counted without the onnx package"
    import onnx

    stored = onnx.load(str(path)).graph.initializer
    return f"{sum(int(np.prod(each.dims)) for each in stored):,} parameters"
