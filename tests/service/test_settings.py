import os
import stat
import sys
from pathlib import Path

import pytest

from lipwright.errors import OptionError, OutputError
from lipwright.service.settings import FOLDERS, Settings, load_settings

INI = "[http_server]\nserver_port = 9001\n[digital]\nbatch_size = 8\n[temp]\nclean_switch = 1\n[other]\nkey = 1\n"


def test_the_defaults_stay_on_this_machine():
    settings, notes = load_settings()
    assert (settings.host, settings.port, settings.loopback, settings.public) == ("127.0.0.1", 8383, True, False)
    assert notes == ()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path, monkeypatch):
    config = tmp_path / "lipwright.toml"
    config.write_text(
        'port = 1111\nqueue_length = 11\nmax_seconds = 12.5\nallowed_hosts = ["a.example", "b.example"]\n'
    )
    monkeypatch.setenv("LIPWRIGHT_PORT", "2222")
    monkeypatch.setenv("LIPWRIGHT_QUEUE_LENGTH", "22")
    settings, _ = load_settings(config, port=3333, host=None)
    assert (settings.port, settings.queue_length, settings.max_seconds) == (3333, 22, 12.5)
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_the_file_can_be_named_in_the_environment(tmp_path, monkeypatch):
    (tmp_path / "x.toml").write_text('max_upload_bytes = "10MB"\n')
    monkeypatch.setenv("LIPWRIGHT_CONFIG", str(tmp_path / "x.toml"))
    assert load_settings()[0].max_upload_bytes == 10_000_000


def test_lists_in_the_environment_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("LIPWRIGHT_DEVICES", "cuda:0, cuda:1,cpu")
    assert load_settings()[0].devices == ("cuda:0", "cuda:1", "cpu")


def test_a_heygem_file_lies_beneath_all(tmp_path):
    (tmp_path / "config.ini").write_text(INI)
    (tmp_path / "x.toml").write_text(f'heygem_config = "{(tmp_path / "config.ini").as_posix()}"\nport = 9002\n')
    settings, notes = load_settings(tmp_path / "x.toml")
    assert (settings.port, settings.batch_size) == (9002, 8)
    assert any("ignored other.key" in note for note in notes)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"port": 99999}, "port"),
        ({"devices": ("abacus",)}, "abacus"),
        ({"devices": ("cuda:x",)}, "cuda:x"),
        ({"devices": ()}, "at least one"),
        ({"colour": "red"}, "'colour' is unknown"),
        ({"max_upload_bytes": "many"}, "max_upload_bytes"),
        ({"restore": 2.0}, "restore"),
        ({"mask": "fog"}, "mask"),
    ],
)
def test_bad_values_are_told_by_name(flags, told):
    with pytest.raises(OptionError, match=told):
        load_settings(**flags)


@pytest.mark.parametrize("text", ["port = ", "\x00", b"\xff\xfe"])
def test_a_file_that_is_no_toml(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OptionError, match="is not TOML"):
        load_settings(path)
    with pytest.raises(OptionError, match="cannot be read"):
        load_settings(tmp_path / "none.toml")


def test_the_data_folder_is_made_once_and_its_secret_kept(tmp_path):
    first = Settings(data_dir=tmp_path / "a" / "data").prepared()
    again = Settings(data_dir=tmp_path / "a" / "data").prepared()
    assert all((first.data_dir / name).is_dir() for name in FOLDERS)
    assert first.webhook_secret.get_secret_value().startswith("whsec_")
    assert first.webhook_secret == again.webhook_secret
    if os.name == "posix":
        assert stat.S_IMODE((first.data_dir / "webhook.secret").stat().st_mode) == 0o600
    assert "whsec_" not in repr(first)


@pytest.mark.skipif(sys.platform == "win32", reason="a file in the way of a folder is told otherwise there")
def test_a_data_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="data folder"):
        Settings(data_dir=tmp_path / "file" / "data").prepared()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.3", True), ("::1", True), ("localhost", True), ("::", False), ("example.org", False)],
)
def test_which_hosts_are_this_machine(host, loopback):
    assert Settings(host=host).loopback == loopback


def test_every_setting_is_in_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "service.md").read_text("utf-8")
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` | {field.description.rstrip('.')} |" in text
