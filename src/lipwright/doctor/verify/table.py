"""All rows, and how they are run."""

import logging
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from importlib.util import find_spec

import numpy as np

from lipwright.doctor.verify import faces, files, generator, masks, speech
from lipwright.doctor.verify.case import AGREES, DIFFERS, UNMEASURED, Case, Report, Row, Seen, unexpected, without_paths
from lipwright.errors import LipwrightError, OptionError
from lipwright.models.catalog import card, cards
from lipwright.progress import Progress, silent
from lipwright.runtime import Models, load_onnxruntime

PUBLISHED = tuple(each.name for each in cards().values() if each.group != "shipped")
PICTURES = tuple(each.name for each in cards().values() if each.takes)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table.

    Args:
        id: of the question.
        item: what is asked.
        measure: answers it.
        about: the models it is about: without their files there is no answer; none for a rule of ours.
        export: whether an ONNX export of the user's own in a checkpoint's place answers it as well.
    """

    id: str
    item: str
    measure: Callable[[Case], Seen | list[Seen]]
    about: tuple[str, ...] = ()
    export: bool = False


def _rule(text: str) -> Callable[[Case], Seen]:
    """A question that no file answers, with what the engine does there."""
    return lambda _: Seen(measured="not in the files", expected=f"our rule: {text}", agrees=None)


TABLE = (
    *(Entry("U1", f"size and checksum of {name}", partial(files.identity, name=name), (name,)) for name in PUBLISHED),
    *(Entry("U2", f"inputs and outputs of {name}", partial(files.ports, name=name), (name,)) for name in PICTURES),
    Entry("U3", "scrfd", partial(files.variant, name="scrfd"), ("scrfd",)),
    Entry("U3", "scrfd_10g", partial(files.variant, name="scrfd_10g"), ("scrfd_10g",)),
    Entry("U4", "dinet_v1", generator.contents, ("dinet_v1",)),
    Entry("U5", "colour order of the detector", faces.detector_colours, ("scrfd",)),
    Entry("U6", "wenet", speech.parts, ("wenet",)),
    Entry("U6", "network of wenet", speech.keys, ("wenet",)),
    Entry("U7", "short tail of a sound", speech.tail, ("wenet",), export=True),
    Entry("U8", "frames without a face, or turned away", _rule("they pass unchanged")),
    Entry("U9", "silence in newer images", _rule("the network is given what it hears, in silence as in speech")),
    Entry(
        "U10",
        "training data, colours and teeth",
        _rule("colours are matched at the mask, teeth stay as drawn"),
    ),
    Entry("U11", "variable frame rate", _rule("frames are resampled by their time to a constant rate")),
    Entry("U12", "network of dinet_v1", generator.keys, ("dinet_v1",)),
    Entry("U12", "converted dinet_v1 against PyTorch", generator.conversion, ("dinet_v1", "wenet")),
    Entry("U13", "order of the head pose's outputs", faces.pose_order, ("head_pose",)),
    Entry("U14", "output of the landmarks", faces.landmark_output, ("pfpld",)),
    Entry("U14", "colour order of the landmarks", faces.landmark_colours, ("pfpld",)),
    Entry("U15", "place of blur among the attributes", faces.blur_place, ("face_attributes",)),
    Entry("U16", "range of the generator's input", generator.scale, ("dinet_v1", "wenet"), export=True),
    Entry("U17", "sound drives the mouth", generator.drive, ("dinet_v1", "wenet"), export=True),
    Entry("U18", "xseg", masks.xseg_layout, ("xseg",)),
    Entry("U18", "xseg", masks.xseg_polarity, ("xseg",)),
    Entry("U19", "colour order of the parser", masks.parser_colours, ("face_parsing",)),
    Entry("U19", "colour order of the restorer", masks.restorer_colours, ("gfpgan",)),
    Entry("U20", "range of the speech features", speech.spread, ("wenet",), export=True),
    Entry("U20", "factor of the audio code", generator.gain, ("dinet_v1", "wenet")),
)


def verify(names: Sequence[str], models: Models, picture: np.ndarray, progress: Progress = silent) -> Report:
    """Measure the published files.

    Args:
        names: of the models that the rows shall be about; all rows where there are none.
        models: opens the files; a file that is not there is no error.
        picture: (H, W, 3) uint8 RGB, shows a face from the front.
        progress: told `("measuring", done, total)`.

    Raises:
        OptionError: a name is that of a model which ships with the package.
        BackendError: a name is unknown, or the device does not work.
    """
    ours = [name for name in names if card(name).group == "shipped"]
    if ours:
        raise OptionError(f"{ours[0]} is part of Lipwright, not a published file; `lipwright doctor` looks at it")
    case = Case(models, picture)
    device = models.device.name
    chosen = [entry for entry in TABLE if not names or set(entry.about) & set(names)]
    rows: list[Row] = []
    for done, entry in enumerate(chosen):
        rows += _rows(case, entry)
        progress("measuring", done + 1, len(chosen))
    return Report(
        versions=_versions() | {"device": device},
        rows=tuple(rows),
        unusable=tuple(name for name in names or PUBLISHED if _unusable(case, name)),
    )


def _rows(case: Case, entry: Entry) -> list[Row]:
    """The row or rows of an entry; whatever goes wrong becomes the row's text."""
    there = case.models.has if entry.export else case.models.store.has
    absent = [card(name).file for name in entry.about if not there(name)]
    if absent:
        told = f"{', '.join(absent)} is not there"
        return [Row(id=entry.id, item=entry.item, measured=told, expected="", verdict=UNMEASURED)]
    try:
        seen = entry.measure(case)
    except LipwrightError as error:
        why = str(error)
    except ImportError as error:
        why = f"needs PyTorch ({error}); pip install 'lipwright[heygem]'"
    except Exception as error:
        log.debug("failed", exc_info=True)
        why = unexpected(error)
    else:
        return [_row(entry, each) for each in (seen if isinstance(seen, list) else [seen])]
    told = without_paths(why, case.models.store.folder)
    return [Row(id=entry.id, item=entry.item, measured=told, expected="", verdict=UNMEASURED)]


def _row(entry: Entry, seen: Seen) -> Row:
    return Row(
        id=entry.id,
        item=f"{entry.item}: {seen.part}" if seen.part else entry.item,
        measured=seen.measured,
        expected=seen.expected,
        verdict={True: AGREES, False: DIFFERS, None: UNMEASURED}[seen.agrees],
        constant=seen.constant if seen.agrees is False else "",
    )


def _unusable(case: Case, name: str) -> bool:
    """Whether the file is there and refused; a checkpoint cannot be judged without PyTorch."""
    try:
        return case.models.has(name) and bool(files.refused(case, name))
    except ImportError:
        return False


def _versions() -> dict[str, str]:
    converters = {name: metadata.version(name) if find_spec(name) else "absent" for name in ("torch", "onnx")}
    return converters | {
        "lipwright": metadata.version("lipwright"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "onnxruntime": load_onnxruntime().__version__,
    }
