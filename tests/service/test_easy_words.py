"""HeyGem's requests and answers, without a server: every quirk that a client may depend on."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lipwright.compose.overlays import Overlay
from lipwright.errors import MediaError
from lipwright.service import easy
from lipwright.service.easy import NoJob, NoRequest, read_submitted, same_request, told
from lipwright.service.jobs import Job
from lipwright.service.options import chosen_overlays, dub_options
from lipwright.service.settings import Settings

WHOLE = {"audio_url": "speech.wav", "video_url": "talking.mp4", "code": "a1"}


def read(**fields):
    return read_submitted(json.dumps(WHOLE | fields).encode())


def job_of(asked, settings, check=lambda path, name: None):
    return easy.job_of(asked, settings, check)


@pytest.fixture
def settings(tmp_path):
    made = Settings(data_dir=tmp_path / "data", models=tmp_path / "models").prepared()
    for name in ("speech.wav", "talking.mp4"):
        (made.data_dir / "temp" / name).write_bytes(b"content")
    return made


@pytest.mark.parametrize("field", ["audio_url", "video_url", "code"])
@pytest.mark.parametrize("value", ["", "  ", None, [], {}, True, 1.5])
def test_a_required_field_that_says_nothing(field, value):
    with pytest.raises(NoJob, match=f"^{field}参数缺失$"):
        read(**{field: value})
    with pytest.raises(NoJob, match=f"^{field}参数缺失$"):
        read_submitted(json.dumps({name: text for name, text in WHOLE.items() if name != field}).encode())


@pytest.mark.parametrize("body", [b"", b"audio_url=a", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_json_object(body):
    with pytest.raises(NoRequest):
        read_submitted(body)


@pytest.mark.parametrize("value", [1, "1"])
def test_on(value):
    asked = read(watermark_switch=value, digital_auth=value, chaofen=value, pn=value)
    assert (asked.watermark_switch, asked.digital_auth, asked.chaofen, asked.pn) == (True,) * 4


@pytest.mark.parametrize("value", [0, "0", 2, "true", True, 1.0, "yes", [1], " 1"])
def test_off(value):
    asked = read(watermark_switch=value, digital_auth=value, chaofen=value, pn=value)
    assert (asked.watermark_switch, asked.digital_auth, asked.chaofen, asked.pn) == (False,) * 4


@pytest.mark.parametrize("fields", [{}, dict.fromkeys(("watermark_switch", "digital_auth", "chaofen", "pn"), "")])
def test_nothing_given_is_the_default(fields):
    asked = read(**fields)
    assert (asked.watermark_switch, asked.digital_auth, asked.chaofen, asked.pn) == (False, False, False, True)


@pytest.mark.parametrize(
    ("code", "meant"),
    [
        ("b3a5c1de-0f4e-4f0a-9d57-5a1ef0a7c001", None),
        ("任务 1", None),
        ("été_2+3@home.v1", None),
        (7, "7"),
        (" padded ", "padded"),
        ("x" * 100, None),
        ("题" * 66, None),
    ],
)
def test_codes(code, meant):
    assert read(code=code).code == (meant or code)


@pytest.mark.parametrize(
    "code",
    [
        "../up", "a/b", "a\\b", ".hidden", "a:b", "a\0b", "a\nb", "x" * 101, "题" * 67, "ends.", "😀", "a*", "\ud800",
        "a%b", "<a>", "a\u202eb",
    ],
)  # fmt: skip
def test_codes_that_are_no_part_of_a_file_name(code):
    with pytest.raises(NoJob, match="cannot be part of a file's name") as error:
        read(code=code)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("talking.mp4", "temp/talking.mp4"),
        ("./talking.mp4", "temp/talking.mp4"),
        ("/code/data/temp/talking.mp4", "temp/talking.mp4"),
        ("/code/data/uploads/a.mp4", "uploads/a.mp4"),
        ("http://example.org/a.mp4", "http://example.org/a.mp4"),
        ("HTTPS://example.org/a.mp4", "HTTPS://example.org/a.mp4"),
    ],
)
def test_inputs(text, path, settings):
    (settings.data_dir / "uploads" / "a.mp4").write_bytes(b"content")
    job = job_of(read(video_url=text), settings)
    assert (job.request["video"], job.request["audio"]) == (path, "temp/speech.wav")
    assert job.state == ("queued" if path[0] in "tu" else "fetching")
    assert (job.api, job.kind, job.code, job.request["place"]) == ("easy", "dub", "a1", "temp/a1-r.mp4")


def test_an_absolute_path_in_the_data_folder(settings):
    job = job_of(read(video_url=str(settings.data_dir / "temp" / "talking.mp4")), settings)
    assert job.request["video"] == "temp/talking.mp4"


@pytest.mark.parametrize(
    "text",
    [
        "missing.mp4",
        "../lipwright.db",
        "/etc/passwd",
        "/code/data/../x",
        "..",
        "a\0b",
        "\ud800",
        "file:///a",
        "s3://bucket/a",
        "memory://a",
    ],
)
def test_inputs_that_are_not_there(text, settings):
    with pytest.raises(NoJob, match=r"^audio_url: "):
        job_of(read(audio_url=text), settings)


def test_inputs_are_looked_into(settings):
    seen = []
    job_of(read(video_url="http://example.org/a.mp4"), settings, lambda path, name: seen.append(path))
    assert seen == [settings.data_dir / "temp" / "speech.wav"]

    def refuse(path, name):
        raise MediaError("it is a text")

    with pytest.raises(NoJob, match=r"^video_url: it is a text$"):
        job_of(read(), settings, refuse)


def test_a_result_does_not_take_the_place_of_its_input(settings):
    (settings.data_dir / "temp" / "a1-r.mp4").write_bytes(b"content")
    with pytest.raises(NoJob, match="choose another code"):
        job_of(read(video_url="a1-r.mp4"), settings)
    assert job_of(read(video_url="a1-r.mp4", code="a2"), settings).request["video"] == "temp/a1-r.mp4"


def test_options(settings):
    assert job_of(read(), settings).request["options"] == {"engine": "native", "length": "bounce"}
    heygem = settings.model_copy(update={"easy_engine": "heygem"})
    assert job_of(read(pn=0), heygem).request["options"] == {"engine": "heygem", "length": "loop"}


def test_what_is_not_there_is_left_out_and_told(settings):
    asked = read(chaofen=1, watermark_switch=1, digital_auth="1")
    job = job_of(asked, settings)
    assert (job.request["options"], job.request["overlays"]) == ({"engine": "native", "length": "bounce"}, [])
    assert [note.partition(":")[0] for note in job.request["notes"]] == ["chaofen", "watermark", "digital_auth"]


def test_what_is_there_is_used(settings, tmp_path):
    picture = tmp_path / "logo.png"
    picture.write_bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    card = settings.models / "pretrain_models" / "face_lib" / "face_restore" / "gfpgan" / "GFPGANv1.4.onnx"
    card.parent.mkdir(parents=True)
    card.write_bytes(b"weights")
    both = settings.model_copy(update={"watermark_path": picture, "digital_auth_path": picture})
    job = job_of(read(chaofen=1, watermark_switch=1, digital_auth="1"), both)
    assert job.request["notes"] == []
    options = dub_options(job.request["options"], both.model_copy(update={"blur_threshold": 0.3}))
    assert (options.restore, options.restore_when, options.blur_threshold) == (1.0, "after", 0.0)
    overlays = (Overlay(picture, "bottom-right"), Overlay(picture, "top-right"))
    assert chosen_overlays(job.request["overlays"], both) == overlays
    assert chosen_overlays(["digital_auth"], both) == overlays[1:]


def test_a_job_knows_its_request(settings):
    job = job_of(read(pn=1), settings)
    fetched = replace(job, request=json.loads(json.dumps(job.request)) | {"video": "uploads/x.mp4"})
    assert same_request(fetched, read())
    assert not same_request(fetched, read(pn=0))
    assert not same_request(Job(), read())


RUNNING = [
    ({"state": "fetching"}, 0, ""),
    ({"state": "fetching", "stage": "fetch", "done": 50, "total": 100}, 0, ""),
    ({"state": "queued"}, 10, "文件下载完成"),
    ({"state": "running"}, 10, "文件下载完成"),
    ({"state": "running", "stage": "analyse", "done": 30, "total": 60}, 15, "文件下载完成"),
    ({"state": "running", "stage": "analyse", "done": 60, "total": 60}, 20, "文件下载完成"),
    ({"state": "running", "stage": "analyse", "done": 60, "total": None}, 10, "文件下载完成"),
    ({"state": "running", "stage": "render", "done": 1, "total": 100}, 20, "音频特征提取完成"),
    ({"state": "running", "stage": "render", "done": 50, "total": 100}, 55, "音频特征提取完成"),
    ({"state": "running", "stage": "render", "done": 99, "total": 100}, 89, "音频特征提取完成"),
    ({"state": "running", "stage": "render", "done": 100, "total": 100}, 90, "视频处理完成"),
]


@pytest.mark.parametrize(("fields", "progress", "message"), RUNNING)
def test_a_job_under_way(fields, progress, message):
    assert told(Job(code="a1", **fields)) == {
        "code": "a1",
        "status": 1,
        "progress": progress,
        "result": "",
        "msg": message,
    }


def test_a_job_that_is_done():
    result = {"duration": 4.0129, "width": 640, "height": 360}
    job = Job(code="a1", state="done", output="temp/a1-r.mp4", result=result, started=100.0, finished=102.34)
    assert told(job) == {
        "code": "a1",
        "status": 2,
        "progress": 100,
        "result": "/a1-r.mp4",
        "msg": "任务完成",
        "cost": 2.34,
        "video_duration": 4013,
        "width": 640,
        "height": 360,
    }


@pytest.mark.parametrize(("state", "message"), [("failed", "there is no face"), ("cancelled", "任务已取消")])
def test_a_job_that_came_to_nothing(state, message):
    job = Job(code="a1", state=state, error="there is no face", stage="render", done=5, total=9)
    assert told(job) == {"code": "a1", "status": 3, "progress": 0, "result": "", "msg": message}
