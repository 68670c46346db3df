"""What the service demands of every result: marks and a label, whichever of its interfaces a job came by."""

import shutil

import numpy as np
import pytest
from fastapi.testclient import TestClient

from lipwright.compose.caption import Caption
from lipwright.errors import OptionError
from lipwright.media import open_clip
from lipwright.provenance.certificates import signing_folder
from lipwright.provenance.records import read_records
from lipwright.service import easy
from lipwright.service.app import create_app
from lipwright.service.generations import GenerationRequest, job_request
from lipwright.service.intake import Intake
from lipwright.service.options import dub_options
from lipwright.service.schemas import JobRequest
from lipwright.service.settings import Settings, load_settings
from lipwright.service.worker import Worker

FAST = {"preset": "ultrafast", "crf": 20}


def settings_of(tmp_path, **more):
    return Settings(data_dir=tmp_path / "data", devices=("cpu",), least_free_bytes=0, **more).prepared()


@pytest.mark.parametrize(
    ("demanded", "asked", "got"),
    [
        ("off", {}, "off"),
        ("off", {"label": "off"}, "off"),
        ("off", {"label": "start"}, "start"),
        ("start", {}, "start"),
        ("start", {"label": "start"}, "start"),
        ("start", {"label": "always"}, "always"),
        ("always", {}, "always"),
        ("always", {"label": "always"}, "always"),
        ("start", {"label": "off"}, None),
        ("always", {"label": "off"}, None),
        ("always", {"label": "start"}, None),
    ],
)
def test_a_job_may_ask_for_more_of_a_label_and_not_for_less(demanded, asked, got, tmp_path):
    settings = settings_of(tmp_path, label=demanded)
    if got is None:
        with pytest.raises(OptionError, match=rf"labels every result \(`label` {demanded}\)"):
            dub_options(asked, settings)
    else:
        assert dub_options(asked, settings).label == got


@pytest.mark.parametrize("policy", ["always", "choice"])
def test_marks_are_on_unless_asked_otherwise(policy, tmp_path):
    assert dub_options({}, settings_of(tmp_path, marks=policy)).marks is True


def test_marks_may_be_left_out_where_that_is_a_choice(tmp_path):
    signing = {"certificate": tmp_path / "a.pem", "private_key": tmp_path / "b.pem"}
    made = dub_options({"marks": False}, settings_of(tmp_path, marks="choice", **signing))
    assert (made.marks, made.certificate) == (False, None)
    with pytest.raises(OptionError, match="this service marks every result; leave `marks` out"):
        dub_options({"marks": False}, settings_of(tmp_path))


@pytest.mark.parametrize("asked", [{"label_text": "real"}, {"label_corner": "top-right"}, {"label_language": "fr"}])
def test_a_demanded_label_is_the_services_own(asked, tmp_path):
    (name,) = asked
    free = settings_of(tmp_path, label_language="de")
    assert getattr(dub_options(asked | {"label": "start"}, free), name) == asked[name]
    with pytest.raises(OptionError, match=f"own label is over every result; leave `{name}` out"):
        dub_options(asked, settings_of(tmp_path, label="start", label_language="de"))


def test_settings_of_the_label_and_of_who_signs_reach_the_job(tmp_path):
    told = {"label_text": "Ours", "label_language": "de", "label_corner": "bottom-left", "label_size": 0.08}
    files = {name: tmp_path / name for name in ("label_font", "certificate", "private_key")}
    made = dub_options({}, settings_of(tmp_path, label="always", **told, **files))
    for name, value in (told | files).items():
        assert getattr(made, name) == value
    asked = {"label": "always", "label_language": "fr", "consent_note": "agreed"}
    made = dub_options(asked, settings_of(tmp_path, label="start"))
    assert (made.label, made.label_language, made.consent_note) == ("always", "fr", "agreed")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"label": "sometimes"}, "label"),
        ({"marks": "never"}, "marks"),
        ({"label_language": "xx"}, "label-language 'xx' is not known"),
        ({"label_size": 0.5}, r"label-size must be"),
        ({"label_text": "x" * 300}, "300 characters"),
        ({"certificate": "a.pem"}, "belong together"),
        ({"private_key": "a.pem"}, "belong together"),
    ],
)
def test_settings_that_cannot_be(flags, told):
    with pytest.raises(OptionError, match=told):
        load_settings(**flags)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"label_text": "\U0010fffd"}, "no font was found"),
        ({"label": "start", "label_font": "none.ttf"}, r"none\.ttf is no font"),
        ({"certificate": "none.pem", "private_key": "none.pem"}, r"none\.pem cannot be read"),
    ],
)
def test_what_would_fail_every_job_is_refused_at_the_start(more, told, tmp_path):
    with pytest.raises(OptionError, match=told):
        create_app(settings_of(tmp_path, **more))


def test_the_certificate_a_service_makes_for_itself_lies_in_its_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LIPWRIGHT_SIGNING", "")  # so that it is removed again
    monkeypatch.delenv("LIPWRIGHT_SIGNING")
    settings = settings_of(tmp_path)
    create_app(settings)
    assert signing_folder() == settings.data_dir / "signing"


@pytest.fixture
def client(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, label="start")
    monkeypatch.setattr(Intake, "check", lambda *_: None)
    for name in ("a.mp4", "a.wav"):
        (settings.data_dir / "uploads" / name).touch()
    return TestClient(create_app(settings), base_url="http://127.0.0.1:8383", client=("127.0.0.1", 50000))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"marks": False}, "this service marks every result"),
        ({"label": "off"}, "this service labels every result"),
        ({"label_text": "real"}, "own label"),
        ({"label": "maybe"}, "options.label"),
        ({"consent_note": "x" * 1001}, "options.consent_note"),
    ],
)
def test_refusals_are_a_sentence(client, options, told):
    asked = {"video": "uploads/a.mp4", "audio": "uploads/a.wav", "options": options}
    answer = client.post("/v1/jobs", json=asked)
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert client.get("/v1/jobs").json()["jobs"] == []


@pytest.fixture
def film(clip_file, speech_wav):
    return clip_file, speech_wav


def jobs_of_every_kind(settings, queue):
    """One job of each interface, as it waits in the queue; none says anything of marks or labels."""
    intake = Intake(settings, queue, sniffer=None)
    intake.check = lambda *_: None
    video, audio = "uploads/a.mp4", "uploads/a.wav"
    fast = JobRequest.model_validate({"video": video, "audio": audio, "options": FAST})
    v1 = intake.job(fast)
    parts = [{"type": "video", "url": video}, {"type": "audio", "url": audio}]
    wanted, notes = job_request(GenerationRequest.model_validate({"model": "native", "input": parts}), settings)
    v2 = intake.job(wanted, "v2", generation={}, notes=notes)
    for name in ("a.mp4", "a.wav"):
        shutil.copyfile(settings.data_dir / "uploads" / name, settings.data_dir / "temp" / name)
    body = b'{"video_url": "a.mp4", "audio_url": "a.wav", "code": "c"}'
    old = intake.add(easy.job_of(easy.read_submitted(body), settings, intake.check))
    return [v1, v2, old]


def test_marks_and_the_demanded_label_are_in_results_of_every_interface(film, tmp_path):
    from lipwright.service.jobs import JobStore

    settings = settings_of(tmp_path, label="start", label_language="zh")
    for path, name in zip(film, ("a.mp4", "a.wav"), strict=True):
        shutil.copyfile(path, settings.data_dir / "uploads" / name)
    queue = JobStore(settings.database)
    asked = jobs_of_every_kind(settings, queue)
    with Worker(settings, "cpu", "w") as worker:
        while job := queue.claim("w"):
            worker.run(job)
    for job in asked:
        done = queue.get(job.id)
        assert done.state == "done", done.error
        result = settings.data_dir / done.output
        assert done.result["marks"] == ["statement", "mark", "records", "label"]
        assert done.result["signed_by"]
        found = read_records(result)
        assert found.xmp["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
        assert found.aigc["ProduceID"] == done.result["mark_id"]
        assert_labelled(result, "zh")
    queue.close()


def assert_labelled(path, language):
    """The letters are white on dark in the first frames."""
    with open_clip(path) as clip:
        width, height = clip.facts.width, clip.facts.height
        frame = next(iter(clip.frames())).astype(int)
    made = Caption(width, height, language=language)
    black = made.over(np.zeros((height, width, 3), np.uint8))
    white = made.over(np.full((height, width, 3), 255, np.uint8))
    plate = (white < 255).all(2) & (black == 0).all(2)
    assert frame[(black > 200).all(2)].mean() > 190
    assert frame[plate].mean() < 100
