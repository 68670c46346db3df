import json
import logging
import threading

import pytest

from lipwright.errors import OptionError
from lipwright.media import prefetch
from lipwright.service.context import job_id
from lipwright.service.jobs.record import Job
from lipwright.service.logs import configure_logs, job_log, job_log_path, log_path, without_secrets
from lipwright.service.settings import Settings

log = logging.getLogger("lipwright.service.test")


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path)


@pytest.fixture(autouse=True)
def _as_before():
    """The log is the process's own: leave it as it was."""
    from multiprocessing import current_process

    names = ("", "lipwright", "uvicorn")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    process, raises, handlers = current_process().name, logging.raiseExceptions, list(logging.getLogger().handlers)
    yield
    current_process().name, logging.raiseExceptions = process, raises
    logging.getLogger("uvicorn.access").disabled = False
    for logger, level in before:
        logger.setLevel(level)
    for handler in [each for each in logging.getLogger().handlers if each not in handlers]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_says_who_when_and_about_what(settings):
    configure_logs(settings, "worker-cpu")
    with job_log(settings, Job(id="ab12", request_id="req-7")):
        log.info("drawing %d frames", 3, extra={"frames": 3})
    log.warning("后来")
    first, second = lines(log_path(settings, "worker-cpu"))
    assert first | {"time": ""} == {
        "time": "", "level": "INFO", "logger": "lipwright.service.test", "process": "worker-cpu",
        "message": "drawing 3 frames", "request_id": "req-7", "job": "ab12", "frames": 3,
    }  # fmt: skip
    assert first["time"].endswith("+00:00")
    assert (second["message"], second["level"]) == ("后来", "WARNING")
    assert not {"job", "request_id"} & set(second)


def test_a_jobs_file_holds_that_job_alone_and_is_continued(settings):
    configure_logs(settings, "server")
    started, go_on = threading.Event(), threading.Event()

    def other():
        with job_log(settings, Job(id="other")):
            started.set()
            go_on.wait(10)
            log.info("of the other")

    thread = threading.Thread(target=other)
    with job_log(settings, Job(id="mine")):
        thread.start()
        started.wait(10)
        log.info("of mine")
        go_on.set()
        thread.join()
    with job_log(settings, Job(id="mine")):
        log.info("again")
    log.info("of none")
    assert [line["message"] for line in lines(job_log_path(settings, "mine"))] == ["of mine", "again"]
    assert [line["message"] for line in lines(job_log_path(settings, "other"))] == ["of the other"]
    assert len(lines(log_path(settings, "server"))) == 4


def test_what_a_jobs_reading_thread_says_is_the_jobs(settings):
    configure_logs(settings, "worker-cpu")

    def frames():
        log.info("from %s", threading.current_thread().name)
        yield 1

    with job_log(settings, Job(id="ab12")):
        assert list(prefetch(frames())) == [1]
    assert lines(job_log_path(settings, "ab12"))[0]["message"] == "from lipwright-prefetch"
    assert job_id.get() == ""


def test_files_are_rotated_and_so_many_are_kept(tmp_path):
    settings = Settings(data_dir=tmp_path, log_bytes=2000, log_count=2)
    configure_logs(settings, "server")
    for number in range(100):
        log.info("line %d", number)
    files = sorted((tmp_path / "logs").glob("server.log*"))
    assert [file.name for file in files] == ["server.log", "server.log.1", "server.log.2"]
    assert all(file.stat().st_size <= 2000 for file in files)
    assert lines(files[0])[-1]["message"] == "line 99"


def test_a_configured_file_is_the_servers_and_others_lie_beside(tmp_path):
    settings = Settings(data_dir=tmp_path, log_file=tmp_path / "elsewhere" / "lip.log")
    assert log_path(settings, "server") == tmp_path / "elsewhere" / "lip.log"
    assert log_path(settings, "worker-cpu") == tmp_path / "elsewhere" / "lip.worker-cpu.log"


def test_a_log_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"the log .* cannot be written: .*; set another log_file"):
        configure_logs(Settings(data_dir=tmp_path, log_file=tmp_path / "file" / "lip.log"), "server")


def test_a_jobs_log_that_cannot_be_written_stops_no_job(settings):
    configure_logs(settings, "worker-cpu")
    (settings.data_dir / "logs" / "jobs").write_text("")
    with job_log(settings, Job(id="ab12")):
        log.info("goes on")
    first, second = lines(log_path(settings, "worker-cpu"))
    assert (first["level"], second["message"], second["job"]) == ("WARNING", "goes on", "ab12")


def test_level_is_ours_alone(tmp_path):
    settings = Settings(data_dir=tmp_path, log_level="debug")
    configure_logs(settings, "server")
    log.debug("ours")
    logging.getLogger("httpcore.http11").debug("authorization: Bearer secret")
    logging.getLogger("httpx").info('HTTP Request: GET http://host/?key=secret "HTTP/1.1 200 OK"')
    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\033[36mstarted"})
    logging.getLogger("uvicorn.access").info('127.0.0.1 - "GET /v1/jobs?key=secret HTTP/1.1" 200')
    kept = lines(log_path(settings, "server"))
    assert [line["message"] for line in kept] == ["ours", "started"]
    assert "color_message" not in kept[1]


def test_addresses_are_logged_without_their_secrets(settings):
    configure_logs(settings, "server")
    try:
        raise ValueError("https://me:hush1@host.example/a.mp4?sig=hush2#part")  # noqa: TRY301
    except ValueError:
        log.exception("cannot fetch %s", "http://host.example/b.wav?token=hush3")
    (line,) = lines(log_path(settings, "server"))
    assert line["message"] == "cannot fetch http://host.example/b.wav"
    assert "ValueError: https://host.example/a.mp4" in line["exc_info"]
    assert not any(word in json.dumps(line) for word in ("hush", "sig=", "token="))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("GET 'http://a/b?c=d', then https://e?f", "GET 'http://a/b', then https://e"),
        ("http://u@h/p", "http://h/p"),
        ("http://u:p%40@h:80/p?x", "http://h:80/p"),
        ("http://h/who@where", "http://h/who@where"),
        ("what? no address", "what? no address"),
        ("http://[::1]:8383/v1?x=1 ok", "http://[::1]:8383/v1 ok"),
    ],
)
def test_only_secrets_are_left_out(text, left):
    assert without_secrets(text) == left


def test_configuring_again_replaces_and_leaves_others_alone(tmp_path):
    stranger = logging.NullHandler()
    logging.getLogger().addHandler(stranger)
    for folder in ("a", "b"):
        configure_logs(Settings(data_dir=tmp_path / folder), "server")
    log.info("once")
    logging.getLogger().removeHandler(stranger)
    assert log_path(Settings(data_dir=tmp_path / "a"), "server").read_text() == ""
    assert len(lines(log_path(Settings(data_dir=tmp_path / "b"), "server"))) == 1


def test_a_stream_gets_json_and_a_terminal_sentences(settings, capsys, monkeypatch):
    configure_logs(settings, "server")
    log.info("to a pipe")
    assert json.loads(capsys.readouterr().err)["message"] == "to a pipe"
    monkeypatch.setenv("FORCE_COLOR", "1")
    configure_logs(settings, "server")
    log.info("to a terminal, see http://h/p?q=secret")
    shown = capsys.readouterr().err
    assert "to a terminal" in shown
    assert "{" not in shown
    assert "secret" not in shown


def test_what_cannot_be_encoded_is_still_logged(settings):
    configure_logs(settings, "server")
    log.info("name %s", "\udcff.mp4")
    assert "name" in log_path(settings, "server").read_text("utf-8")
