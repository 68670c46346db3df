"""A line of the diagnosis, and how errors become one."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lipwright.errors import LipwrightError

AGAIN = "install Lipwright again in a fresh environment"
SYSTEM_LIBRARIES = "install the system libraries that OpenCV needs (Debian: apt-get install libgl1 libglib2.0-0)"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the diagnosis.

    Args:
        name: what was looked at; given by the table of checks.
        status: `fail` where a job cannot run, `warn` where some jobs cannot or something will soon be short.
        detail: what was found.
        remedy: what to do; only a finding that is `ok` may go without.
    """

    name: str = ""
    status: Literal["ok", "warn", "fail"] = "ok"
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.status != "ok" and not self.remedy:
            raise ValueError(f"a finding that is {self.status!r} needs a remedy: {self.detail}")


Check = Callable[[], Finding]


def run(check: Check) -> Finding:
    """What a check found; what it raised, as a finding that failed."""
    try:
        return check()
    except LipwrightError as exc:
        log.debug("failed", exc_info=True)
        return told(exc)
    except ImportError as exc:
        log.debug("failed", exc_info=True)
        return Finding(status="fail", detail=str(exc), remedy=_import_remedy(exc))
    except Exception as exc:
        log.debug("failed", exc_info=True)
        detail = f"unexpected {type(exc).__name__}: {exc}".partition("\n")[0]
        return Finding(status="fail", detail=detail, remedy="run `lipwright doctor --verbose` and report it")


def told(exc: LipwrightError, status: Literal["warn", "fail"] = "fail") -> Finding:
    """An error of ours as a finding: its sentence ends with what to do."""
    detail, _, remedy = str(exc).rpartition("; ")
    return Finding(status=status, detail=detail or str(exc), remedy=remedy if detail else AGAIN)


def _import_remedy(exc: ImportError) -> str:
    text = str(exc)
    if "shared object file" in text:
        library = text.partition(":")[0]
        ours = library.startswith(("libGL", "libgthread", "libglib"))
        return SYSTEM_LIBRARIES if ours else f"install the system library {library}"
    if "DLL load failed" in text:
        return "install Microsoft's Visual C++ redistributable"
    return AGAIN
