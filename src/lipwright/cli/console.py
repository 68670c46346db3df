"""What the commands share: logging, the progress display, and errors as sentences with exit codes."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lipwright.errors import BackendError, LipwrightError, OptionError

EXIT_UNEXPECTED, EXIT_INTERRUPTED = 1, 130
STAGES = {
    "batch": "jobs",
    "fetch": "fetching",
    "publish": "sending",
    "analyse": "looking at the footage",
    "render": "drawing and writing",
    "fit": "fitting",
    "prepare": "tracking videos",
    "sync": "finding offsets",
    "train": "training",
    "calibrate": "finding the gains",
    "measure": "measuring",
}

log = logging.getLogger("lipwright")


class Terminal:
    """How one command talks.

    Args:
        verbose: show the library's log.
        quiet: show nothing but errors.
        as_json: one JSON object on stdout, on success and on failure; nothing else there.
        log_file: also write the whole log, tracebacks included, into this file.
    """

    def __init__(
        self, *, verbose: bool = False, quiet: bool = False, as_json: bool = False, log_file: Path | None
    ) -> None:
        self.quiet, self.as_json = quiet, as_json
        self._err = Console(stderr=True)
        self._out = Console(highlight=False, soft_wrap=True)
        level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.WARNING
        log.handlers.clear()
        log.setLevel(logging.DEBUG)
        screen = RichHandler(console=self._err, show_path=False, show_time=False)
        screen.setLevel(level)
        log.addHandler(screen)
        self._log_file = log_file

    def _open_log(self) -> None:
        if self._log_file is None:
            return
        try:
            file = logging.FileHandler(self._log_file, encoding="utf-8")
        except OSError as exc:
            raise OptionError(
                f"--log-file {self._log_file} cannot be written: {exc.strerror}; name a file in a folder that exists"
            ) from exc
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        log.addHandler(file)

    @staticmethod
    def _close_log() -> None:
        for handler in list(log.handlers):
            log.removeHandler(handler)
            handler.close()

    def say(self, text: str) -> None:
        """A line for the user; not with --json or --quiet."""
        if not (self.quiet or self.as_json):
            self._out.print(text, markup=False)

    def result(self, facts: dict[str, Any] | list[dict[str, Any]], text: str) -> None:
        """The outcome: JSON when asked for, else a line."""
        if self.as_json:
            print(json.dumps(facts))
        else:
            self.say(text)

    @contextmanager
    def progress(self) -> Iterator[Any]:
        """A progress callback that draws a bar per stage with the time left, on stderr."""
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._err,
            disable=self.quiet or self.as_json or not self._err.is_terminal,
        )
        tasks: dict[str, Any] = {}
        with bar:

            def show(stage: str, done: int, total: int | None) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(STAGES.get(stage, stage), total=total)
                bar.update(tasks[stage], completed=done, total=total)

            yield show

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn exceptions into one sentence and an exit code."""
        try:
            self._open_log()
            yield
        except LipwrightError as exc:
            log.debug("failed", exc_info=True)
            self._fail("; ".join([str(exc), *getattr(exc, "__notes__", [])]), exc.exit_code)
        except ImportError as exc:
            log.debug("failed", exc_info=True)
            sentence = f"a library cannot be loaded: {exc}; `lipwright doctor` says what to install"
            self._fail(sentence, BackendError.exit_code)
        except KeyboardInterrupt as exc:
            left = getattr(exc, "__notes__", [])
            told = ["interrupted", "no file was written" if left else "nothing was written", *left]
            self._fail("; ".join(told), EXIT_INTERRUPTED)
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as exc:  # the last net: a user gets a sentence, the log the traceback
            log.debug("unexpected", exc_info=True)
            self._fail(
                f"unexpected {type(exc).__name__}: {exc}; run again with --verbose and report it",
                EXIT_UNEXPECTED,
            )
        finally:
            self._close_log()

    def _fail(self, sentence: str, code: int) -> None:
        if self.as_json:
            print(json.dumps({"error": sentence, "exit_code": code}))
        self._err.print(f"lipwright: {sentence}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(code)
