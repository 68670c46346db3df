"""What the service can be told: a TOML file, then the environment, then flags; the later wins.

A HeyGem `config.ini` may lie beneath all three (`lipwright.service.heygem_ini`).
"""

import os
import secrets
import tomllib
from base64 import b64encode
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from lipwright.compose.caption import check_caption
from lipwright.errors import OptionError, OutputError
from lipwright.runtime import check_device
from lipwright.service.heygem_ini import read_heygem_ini

PREFIX = "LIPWRIGHT_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
SECRET = ("database_url", "webhook_secret")  # never shown
FOLDERS = ("temp", "uploads", "results", "work", "cache", "avatars", "logs", "tmp")


class Settings(BaseSettings):
    """All of them, with their defaults; each is `LIPWRIGHT_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; another than loopback needs `public` and a key.")
    port: int = Field(8383, ge=0, le=65535, description="Port to listen on.")
    public: bool = Field(default=False, description="Allow addresses that other machines reach.")
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Further names that clients may call the service by, such as the one a reverse proxy serves."
    )
    data_dir: Path = Field(
        default_factory=lambda: user_data_path("lipwright", appauthor=False) / "service",
        description="Folder of all the service keeps: inputs, results, avatars, logs and the database.",
    )
    database_url: SecretStr | None = Field(None, description="SQLAlchemy URL, such as one of PostgreSQL; else SQLite.")
    devices: Annotated[tuple[str, ...], NoDecode] = Field(
        ("auto",), description="One worker process each: auto, cpu, cuda, cuda:1 …; twice the same makes two."
    )
    models: Path | None = Field(None, description="Folder of published models; else the user's.")

    easy_engine: Literal["native", "heygem"] = Field(
        "native", description="Engine of HeyGem clients' jobs, and of v2 jobs that name a hosted model."
    )
    easy_remote: bool = Field(
        default=False, description="Take HeyGem clients' calls from other machines, without a key."
    )
    heygem_config: Path | None = Field(None, description="A HeyGem config.ini to take settings from.")
    watermark_path: Path | None = Field(None, description="Picture laid over results of jobs with `watermark_switch`.")
    digital_auth_path: Path | None = Field(None, description="Picture laid over results of jobs with `digital_auth`.")

    marks: Literal["always", "choice"] = Field(
        "always", description="Whether every result says what made it, or a job may ask for one without marks."
    )
    certificate: Path | None = Field(
        None, description="PEM certificate that signs results, with its chain; else one made for this service."
    )
    private_key: Path | None = Field(None, description="PEM key of `certificate`, without a passphrase.")
    label: Literal["off", "start", "always"] = Field(
        "off", description="Least visible label of every result; a job may ask for more, not for less."
    )
    label_text: str = Field("", description="What the label says; else a sentence of the language.")
    label_language: str = Field("", description="Language of the sentence: en, zh, zh-Hant …; else this machine's.")
    label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] = Field(
        "top-left", description="Where the label stands."
    )
    label_size: float = Field(0.05, description="Height of its letters, as a share of the picture's shorter side.")
    label_font: Path | None = Field(None, description="Font file for the label; else one that has the letters.")

    mask: Literal["landmark", "parse", "xseg"] = Field(
        "landmark", description="Default of the job option of that name."
    )
    restore: float = Field(0.0, ge=0, le=1, description="Default of the job option of that name.")
    restore_when: Literal["before", "after"] = Field("before", description="Default of the job option of that name.")
    blur_threshold: float = Field(0.0, ge=0, le=1, description="Default of the job option of that name.")
    batch_size: int = Field(4, ge=1, le=64, description="Default of the job option of that name.")

    max_upload_bytes: ByteSize = Field(
        ByteSize(2 * 2**30), ge=1, description="Largest body of a request, and largest download."
    )
    max_seconds: float = Field(4 * 3600, gt=0, description="Longest sound, and longest footage.")
    queue_length: int = Field(1000, ge=1, description="Jobs that may wait; one more is refused.")
    disk_quota_bytes: ByteSize | None = Field(None, ge=1, description="What the data folder may hold; else the disk.")
    least_free_bytes: ByteSize = Field(ByteSize(2**30), ge=0, description="Space on the disk that is left alone.")
    retention_hours: float = Field(
        168, gt=0, description="How long finished jobs, unused uploads and analyses are kept; avatars and `temp` stay."
    )
    stall_seconds: float = Field(1800, gt=0, description="A job without progress for so long is taken from its worker.")
    fetch_seconds: float = Field(600, gt=0, description="Longest time for the download of one input.")
    allow_private_urls: bool = Field(
        default=False, description="Fetch inputs and call webhooks on private addresses, too."
    )
    webhook_secret: SecretStr | None = Field(None, description="Signs webhooks (`whsec_…`); made at the first start.")

    log_file: Path | None = Field(None, description="Log of the server; else logs/server.log in the data folder.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_bytes: ByteSize = Field(ByteSize(10 * 2**20), ge=1024, description="Size at which a log file is rotated.")
    log_count: int = Field(5, ge=1, description="Rotated log files kept.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, the environment, and what files say, as `load_settings` hands it over."""
        del dotenv_settings, file_secret_settings
        flags = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        files = flags.pop("files", {})
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=files)

    @field_validator("allowed_hosts", "devices", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("devices")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for device in value:
            name, colon, number = device.partition(":")
            if colon and (name != "cuda" or not number.isdecimal()):
                raise ValueError(f"{device} is no device; only those of CUDA are numbered, as in cuda:1")
            check_device(name)
        if not value:
            raise ValueError("name at least one device")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        check_caption(self.label_text, self.label_language, self.label_size)
        if (self.certificate is None) != (self.private_key is None):
            raise OptionError("settings certificate and private_key belong together; give both or neither")
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the service."""
        return self.host == "localhost" or _is_loopback(self.host)

    @property
    def database(self) -> str:
        """URL of the database."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir / 'lipwright.db').as_posix()}"

    def prepared(self) -> "Settings":
        """The same with the data folder made, absolute and without symbolic links, and a secret for webhooks.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        folder = self.data_dir.expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            folder = folder.resolve()
            for name in FOLDERS:
                (folder / name).mkdir(exist_ok=True)
            secret = self.webhook_secret or SecretStr(_kept_secret(folder / "webhook.secret"))
        except OSError as exc:
            raise OutputError(
                f"the data folder {folder} cannot be used: {exc.strerror}; name another with --data-dir"
            ) from exc
        return self.model_copy(update={"data_dir": folder, "webhook_secret": secret})


def load_settings(config: Path | None = None, **flags: Any) -> tuple[Settings, tuple[str, ...]]:  # noqa: ANN401 - pydantic checks them
    """Settings from all their sources, and what the user should know of how they were taken.

    Args:
        config: a TOML file; None: the one named in LIPWRIGHT_CONFIG, if any.
        flags: fields of `Settings` given on the command line; None means not given.

    Raises:
        OptionError: a file cannot be read, or a value is not what its field takes.
    """
    named = config or (Path(os.environ[CONFIG_VARIABLE]) if os.environ.get(CONFIG_VARIABLE) else None)
    files = _read_toml(named) if named else {}
    given = {name: value for name, value in flags.items() if value is not None}
    ini = given.get("heygem_config") or os.environ.get(f"{PREFIX}HEYGEM_CONFIG") or files.get("heygem_config")
    notes: tuple[str, ...] = ()
    try:
        if ini:
            heygem = read_heygem_ini(Path(ini), public=_settings(files, given).public)
            files, notes = heygem.values | files, heygem.notes
            if heygem.ignored:
                notes += (f"{ini}: ignored {', '.join(heygem.ignored)}",)
        return _settings(files, given), notes
    except ValidationError as exc:
        raise OptionError("; ".join(_told(error) for error in exc.errors(include_url=False))) from exc
    except SettingsError as exc:
        raise OptionError(f"{exc}; see `lipwright serve --help`") from exc


def _settings(files: dict[str, Any], flags: dict[str, Any]) -> Settings:
    return Settings(files=files, **flags)  # pyright: ignore[reportCallIssue] - see `settings_customise_sources`


def _told(error: Any) -> str:  # noqa: ANN401 - pydantic's own dict
    name = ".".join(map(str, error["loc"])) or "settings"
    if error["type"] == "extra_forbidden":
        return f"setting {name!r} is unknown; `lipwright serve --help` lists them"
    told = f"setting {name}: {error['msg'].removeprefix('Value error, ')}"
    return told if name in SECRET else f"{told}, got {error['input']!r}"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise OptionError(f"{path} cannot be read: {exc.strerror}; name a TOML file with --config") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise OptionError(f"{path} is not TOML: {exc}") from exc


def _kept_secret(path: Path) -> str:
    """The secret in that file, made when there is none; only its owner may read it."""
    path.touch(mode=0o600)
    if not path.stat().st_size:  # new, or a start that was broken off
        path.write_text("whsec_" + b64encode(secrets.token_bytes(24)).decode(), "ascii")
    return path.read_text("ascii")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
