"""Downloads that go on where they stopped. HTTP itself is Requests' work: TLS, proxies, redirects, lengths."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import requests

from lipwright.errors import BackendError, OutputError

ATTEMPTS = 5  # a broken connection is taken up again this often, as long as every attempt brings something
TIMEOUTS = (10, 60)  # seconds to connect, and of silence
BLOCK = 1 << 16  # what a broken connection may lose

Report = Callable[[int, int | None], None]
"""Called with the bytes that are there and the file's length, None while it is unknown."""


class FetchError(BackendError):
    """An address does not give the file; the message is the reason alone."""


def fetch(url: str, part: Path, report: Report) -> None:
    """Download into `part`. What is there of the same file is continued, if the server can tell it is the same.

    Raises:
        FetchError: the address does not give the file.
        OutputError: the file cannot be written.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise FetchError("only http and https addresses are fetched")
    for attempt in range(1, ATTEMPTS + 1):
        before = _length(part)
        try:
            _attempt(url, part, report)
        except requests.RequestException as error:
            if attempt == ATTEMPTS or _length(part) <= before:
                raise FetchError(_why(error)) from error
        except OSError as error:
            raise OutputError(
                f"{part} cannot be written: {error.strerror}; free space, or name another folder with --models"
            ) from error
        else:
            return


def discard(part: Path) -> None:
    """Remove an unfinished download."""
    for path in (part, _about(part)):
        path.unlink(missing_ok=True)


def _attempt(url: str, part: Path, report: Report) -> None:
    headers = {"Accept-Encoding": "identity"} | _condition(url, part)
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUTS) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            discard(part)  # all of it was there, or the file became shorter: begin again
            return _attempt(url, part, report)
        answer.raise_for_status()
        if url.startswith("https:") and any(urlsplit(hop.url).scheme != "https" for hop in (*answer.history, answer)):
            raise FetchError("it leads to an address without TLS")
        done = _length(part) if answer.status_code == requests.codes.partial_content else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else None
        part.parent.mkdir(parents=True, exist_ok=True)
        if not done:
            part.unlink(missing_ok=True)  # not emptied: another process may be writing it
        _about(part).write_text(json.dumps({"url": url, "etag": answer.headers.get("ETag", "")}), "utf-8")
        with part.open("ab" if done else "wb") as file:
            report(done, total)
            for block in answer.iter_content(BLOCK):
                file.write(block)
                done += len(block)
                report(done, total)
    # The file's own length: urllib3 before 2.0 does not notice a short answer, and another process may write too.
    if total is not None and _length(part) != total:
        raise requests.exceptions.ChunkedEncodingError(f"{_length(part)} bytes of {total}")
    return None


def _condition(url: str, part: Path) -> dict[str, str]:
    """Headers that ask for the rest, if the file is still the one that was begun; none where that cannot be known."""
    with suppress(OSError, ValueError, KeyError):
        begun = json.loads(_about(part).read_text("utf-8"))
        if begun["url"] == url and begun["etag"].startswith('"') and _length(part):  # W/"…" promises too little
            return {"Range": f"bytes={_length(part)}-", "If-Range": begun["etag"]}
    return {}


def _about(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _why(error: requests.RequestException) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"answered {error.response.status_code} {error.response.reason}"
    reasons = {
        requests.exceptions.SSLError: "its certificate is not trusted",
        requests.exceptions.ProxyError: "the proxy does not let it through",
        requests.Timeout: "no answer in time",
        requests.ConnectionError: "no connection",
        requests.exceptions.ChunkedEncodingError: "the connection broke",
    }
    return next((told for kind, told in reasons.items() if isinstance(error, kind)), str(error))
