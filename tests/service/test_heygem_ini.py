"""HeyGem's config.ini as settings."""

from pathlib import Path

import pytest

from lipwright.errors import InputError, OptionError
from lipwright.service.heygem_ini import read_heygem_ini

# The keys that the published package ships with, and those that it knows besides.
SHIPPED = """\
[log]
log_dir = ./log
log_file = dh.log

[http_server]
server_ip = 0.0.0.0
server_port = 8383

[temp]
temp_dir = ./
clean_switch = 1

[result]
result_dir = ./result
clean_switch = 0

[digital]
batch_size = 4

[register]
url = http://172.16.160.51:12121
report_interval = 10
enable = 0
"""


@pytest.fixture
def ini(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "config.ini"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def test_the_shipped_file(ini):
    read = read_heygem_ini(ini(SHIPPED))
    assert read.values == {"log_file": Path("log/dh.log"), "port": 8383, "batch_size": 4}
    assert read.ignored == ("register.url", "register.report_interval", "register.enable")
    keys = ["http_server.server_ip", "temp.temp_dir", "temp.clean_switch", "result.result_dir", "result.clean_switch"]
    assert sorted(note.split()[0] for note in read.notes) == sorted(keys)
    assert read_heygem_ini(ini(SHIPPED), public=True).values["host"] == "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_loopback_needs_no_flag(host, ini):
    read = read_heygem_ini(ini(f"[http_server]\nserver_ip={host}\n"))
    assert (read.values, read.notes) == ({"host": host}, ())


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[model]\nblend_dynamic = lmk", {"mask": "landmark"}),
        ("[model]\nblend_dynamic = xseg", {"mask": "xseg"}),
        ("[model]\nchaofen_before = 1\nchaofen_after = 0", {"restore": 1.0, "restore_when": "before"}),
        ("[model]\nchaofen_before = 0\nchaofen_after = 1", {"restore": 1.0, "restore_when": "after"}),
        ("[model]\nchaofen_before = 0", {"restore": 0.0}),
        ("[model]\nblur_threshold = 0.25", {"blur_threshold": 0.25}),
        ("[watermark]\nwatermark_path = ./logo.png", {"watermark_path": Path("logo.png")}),
        (
            "[digital_human_authentication]\ndigital_auth_path = auth.png",
            {"digital_auth_path": Path("auth.png")},
        ),
        ("[log]\nlog_dir = logs", {"log_file": Path("logs/dh.log")}),
        ("[log]\nlog_file = a.log", {"log_file": Path("a.log")}),
        ("[log]\nlog_dir =\nlog_file =\n[digital]\nbatch_size\n", {}),  # given without a value: as if absent
        ("", {}),
    ],
)
def test_each_key(text, values, ini):
    read = read_heygem_ini(ini(text))
    assert (read.values, read.ignored, read.notes) == (values, (), ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[model]\nblend_dynamic = other", "taken as lmk"),
        ("[model]\nchaofen_before = 1\nchaofen_after = 1", "once, before"),
    ],
)
def test_what_is_not_taken_as_written_is_told(text, told, ini):
    (note,) = read_heygem_ini(ini(text)).notes
    assert told in note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_encodings(encoding, ini):
    text = "; 配置文件\n[watermark]\nwatermark_path = D:\\数据\\100%水印%.png\n"
    assert read_heygem_ini(ini(text, encoding)).values == {"watermark_path": Path("D:\\数据\\100%水印%.png")}


def test_the_last_of_two_counts_and_line_ends_do_not(ini):
    read = read_heygem_ini(ini(b"[digital]\r\nbatch_size=2\r\nbatch_size=3\r\n[digital]\r\nBATCH_SIZE = 6\r\n"))
    assert read.values == {"batch_size": 6}


def test_a_section_called_default_is_no_other_section(ini):
    read = read_heygem_ini(ini("[DEFAULT]\nserver_port = 1\n[http_server]\n"))
    assert (read.values, read.ignored) == ({}, ("DEFAULT.server_port",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[http_server]\nserver_port = many", r"http_server\.server_port .* 1 to 65535, got 'many'"),
        ("[http_server]\nserver_port = 70000", "70000"),
        ("[digital]\nbatch_size = 0", r"digital\.batch_size"),
        ("[model]\nblur_threshold = nan", r"model\.blur_threshold"),
    ],
)
def test_values_that_cannot_be(text, told, ini):
    with pytest.raises(OptionError, match=told):
        read_heygem_ini(ini(text))


@pytest.mark.parametrize(
    "content",
    [
        b"port = 8383\n",
        b"\x00\x01\x02\xff\xfe\xfd" * 40,
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"\xff\xfe\x00",
        b"[unclosed\nkey = 1",
        b"[a]\n= 3\n",
    ],
)
def test_garbage_is_told_in_one_sentence(content, ini):
    with pytest.raises(InputError, match=r"config\.ini is no INI file") as error:
        read_heygem_ini(ini(content))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_heygem_ini(tmp_path / "config.ini")
    with pytest.raises(InputError, match="cannot be read"):
        read_heygem_ini(tmp_path)
