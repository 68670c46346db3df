"""HeyGem's own configuration file, read as far as its keys mean something here."""

import configparser
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lipwright.errors import InputError, OptionError

MASKS = {"lmk": "landmark", "xseg": "xseg"}
LOG_NAME = "dh.log"  # where the file names a folder for logs only: HeyGem's own name

# Known keys that have no say here, and why not.
UNUSED = {
    "temp.temp_dir": "inputs by bare name and results lie in the folder temp of the data folder; name the data folder "
    "that holds it",
    "temp.clean_switch": "a job removes what it made itself, and nothing else",
    "result.result_dir": "results lie in the folder temp of the data folder",
    "result.clean_switch": "results stay in that folder until somebody removes them",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeygemIni:
    """What a HeyGem configuration says to the service.

    Args:
        values: settings by name, only those that the file gives.
        ignored: keys that mean nothing here, each as section.key.
        notes: what was not taken as written, one sentence each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_heygem_ini(path: Path, *, public: bool = False) -> HeygemIni:
    """Read a HeyGem `config.ini`; the last one counts where a key is given twice. Relative paths stay relative.

    Args:
        path: the file; UTF-8, UTF-16 with its mark, or GB 18030.
        public: whether the service may be bound to an address that others reach; else such an address is left out.

    Raises:
        InputError: it cannot be read or is no INI file.
        OptionError: a key has a value that it cannot have.
    """
    given = _keys(path)
    known = _Known(path, public=public)
    ignored = []
    for key, text in given.items():
        if key in UNUSED:
            known.notes.append(f"{key} of {path.name} is not used: {UNUSED[key]}")
        elif key in known.rules:
            if text:
                known.rules[key](key, text)
        else:
            ignored.append(key)
    known.finish()
    return HeygemIni(values=known.values, ignored=tuple(ignored), notes=tuple(known.notes))


class _Known:
    """Turns the texts of known keys into settings."""

    def __init__(self, path: Path, *, public: bool) -> None:
        self.values: dict[str, Any] = {}
        self.notes: list[str] = []
        self._name, self._public = path.name, public
        self._log: dict[str, str] = {}
        self._restored: dict[str, bool] = {}
        self.rules: dict[str, Callable[[str, str], None]] = {
            "log.log_dir": self._log_part,
            "log.log_file": self._log_part,
            "http_server.server_ip": self._host,
            "http_server.server_port": lambda key, text: self._number("port", key, text, int, 1, 65535),
            "digital.batch_size": lambda key, text: self._number("batch_size", key, text, int, 1, 64),
            "model.blend_dynamic": self._mask,
            "model.chaofen_before": self._restore,
            "model.chaofen_after": self._restore,
            "model.blur_threshold": lambda key, text: self._number("blur_threshold", key, text, float, 0, 1),
            "watermark.watermark_path": lambda _, text: self.values.update(watermark_path=Path(text)),
            "digital_human_authentication.digital_auth_path": lambda _, text: self.values.update(
                digital_auth_path=Path(text)
            ),
        }

    def finish(self) -> None:
        """Settings that several keys make together."""
        if self._log:
            folder, name = self._log.get("log.log_dir", "."), self._log.get("log.log_file", LOG_NAME)
            self.values["log_file"] = Path(folder) / name
        if self._restored:
            self.values["restore"] = 1.0 if any(self._restored.values()) else 0.0
        after, before = self._restored.get("model.chaofen_after"), self._restored.get("model.chaofen_before")
        if after or before:
            self.values["restore_when"] = "before" if before else "after"
        if after and before:
            self.notes.append(
                f"model.chaofen_before and model.chaofen_after of {self._name} are both on: the face is restored "
                "once, before the mouth is drawn"
            )

    def _log_part(self, key: str, text: str) -> None:
        self._log[key] = text

    def _host(self, key: str, text: str) -> None:
        if self._public or _is_loopback(text):
            self.values["host"] = text
        else:
            self.notes.append(
                f"{key} {text} of {self._name} is not used: the service answers on this machine only, until public is "
                "set"
            )

    def _number(self, setting: str, key: str, text: str, kind: type, least: float, most: float) -> None:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            raise OptionError(f"{key} of {self._name} must be a number from {least} to {most}, got {text!r}")
        self.values[setting] = value

    def _mask(self, key: str, text: str) -> None:
        self.values["mask"] = MASKS.get(text, "landmark")
        if text not in MASKS:
            self.notes.append(
                f"{key} {text} of {self._name} stands for a mask that came with the network and is not used here; "
                "taken as lmk"
            )

    def _restore(self, key: str, text: str) -> None:
        self._restored[key] = text == "1"


def _keys(path: Path) -> dict[str, str]:
    """Every key of the file as section.key."""
    try:
        stored = path.read_bytes()
    except OSError as exc:
        raise InputError(f"the configuration {path} cannot be read: {exc.strerror}; name a HeyGem config.ini") from exc
    parser = configparser.ConfigParser(
        interpolation=None,  # a % in a path is a %
        strict=False,
        allow_no_value=True,
        default_section="\0",  # [DEFAULT] is a section like any other
    )
    try:
        parser.read_string(_decoded(stored))
    except (configparser.Error, UnicodeError) as exc:
        raise InputError(f"{path} is no INI file ({_reason(exc)}); wanted are [section] lines and key = value") from exc
    return {f"{name}.{key}": (text or "").strip() for name in parser.sections() for key, text in parser[name].items()}


def _decoded(stored: bytes) -> str:
    if stored.startswith((b"\xff\xfe", b"\xfe\xff")):
        return stored.decode("utf-16")
    try:
        text = stored.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = stored.decode("gb18030")  # Windows in China saves in this, of which GBK is a part
    if "\0" in text:
        raise UnicodeError("it holds zero bytes")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return f"line {error.lineno} comes before any [section]"
    if isinstance(error, configparser.ParsingError):
        return f"line {error.errors[0][0]} is no key = value"
    return "it is no text" if isinstance(error, UnicodeError) else str(error).replace("\n", " ")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
