"""HeyGem's HTTP interface: requests as its clients write them, against the application, and with real workers."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from answering import answering
from fastapi import FastAPI
from pictures import placed, scene
from serving import serving

from lipwright.media import open_clip, read_sound
from lipwright.service.app import create_app
from lipwright.service.settings import Settings

LONGEST = 60.0  # seconds a test waits for a job
VIDEO, SOUND = "20250520153045123.mp4", "a5c3f5d2-5b0c-4b1e-8f0b-0d6f8f7f7a11.wav"  # as the desktop client names files
# Of the desktop client, an Electron program.
CLIENT = {
    "Accept": "application/json, text/plain, */*",
    "Content-Type": "application/json",
    "User-Agent": "axios/1.7.9",
}
MARK, TOLD = (200, 40, 40), (40, 60, 210)


def picture(path: Path, rgb: tuple[int, int, int]) -> Path:
    path.write_bytes(cv2.imencode(".png", np.full((20, 40, 3), rgb[::-1], np.uint8))[1].tobytes())
    return path


@pytest.fixture(scope="module")
def inputs(clip_file, speech_wav, long_wav, faceless_file) -> dict[str, Path]:
    return {VIDEO: clip_file, SOUND: speech_wav, "long.wav": long_wav, "stripes.mp4": faceless_file}


def filled(settings: Settings, inputs: dict[str, Path]) -> Settings:
    settings = settings.prepared()
    for name, source in inputs.items():
        shutil.copy(source, settings.data_dir / "temp" / name)
    return settings


# Without workers: jobs wait for ever.


@pytest.fixture
def app(tmp_path, inputs) -> Iterator[FastAPI]:
    made = create_app(filled(Settings(data_dir=tmp_path / "data", queue_length=3), inputs))
    yield made
    made.state.parts.sniffer.close()
    made.state.parts.store.close()


@pytest.fixture
def waiting(app) -> Iterator[httpx.Client]:
    with answering(app, lifespan="off") as client:
        yield client


def request(code: object = "a1", **fields: object) -> dict[str, object]:
    return {"audio_url": SOUND, "video_url": VIDEO, "code": code} | fields


def submit(client: httpx.Client, body: object, headers: dict[str, str] | None = None) -> dict:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post("/easy/submit", content=content, headers=CLIENT if headers is None else headers)
    assert response.status_code == 200
    return response.json()


def query(client: httpx.Client, code: str) -> dict:
    response = client.get("/easy/query", params={"code": code})
    assert response.status_code == 200
    return response.json()


def test_answers_look_as_they_always_did(waiting):
    submitted = waiting.post("/easy/submit", json=request())
    assert submitted.text == '{\n    "code": 10000,\n    "data": {},\n    "msg": 10000,\n    "success": true\n}'
    asked = waiting.get("/easy/query?code=a1")
    data = {"code": "a1", "msg": "文件下载完成", "progress": 10, "result": "", "status": 1}
    whole = {"code": 10000, "data": data, "msg": "", "success": True}
    assert asked.text == json.dumps(whole, indent=4, ensure_ascii=False)  # the keys above are in order
    assert asked.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("code", ["nobody", "../a", "a\0b", "x" * 500, "😀"])
def test_a_job_that_nobody_knows(code, waiting):
    assert query(waiting, code) == {"code": 10004, "data": {}, "msg": "任务不存在", "success": True}


@pytest.mark.parametrize("path", ["/easy/query", "/easy/query?code=", "/easy/query?code=%20", "/easy/query?job=a1"])
def test_a_query_without_a_code(path, waiting):
    response = waiting.get(path)
    assert (response.status_code, response.json()) == (
        200,
        {"code": 10002, "data": {}, "msg": "code参数缺失", "success": False},
    )


def test_a_field_that_is_missing(waiting):
    answer = submit(waiting, request(video_url=""))
    assert answer == {"code": 10002, "data": {}, "msg": "video_url参数缺失", "success": False}


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": ""}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}],
)
def test_a_body_may_be_called_anything(headers, waiting):
    assert submit(waiting, request(), headers)["code"] == 10000


@pytest.mark.parametrize("body", [b"", b"audio_url=a&video_url=b&code=c", b"[1]", b"\xff\x00", b"[" * 50_000])
def test_a_body_that_is_no_request(body, waiting):
    answer = submit(waiting, body)
    assert (answer["code"], answer["data"], answer["success"]) == (9999, {}, False)
    assert answer["msg"].startswith("系统异常: ")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"code": "../../up"}, "code '../../up' cannot be part of a file's name"),
        ({"video_url": "missing.mp4"}, "video_url: there is no file"),
        ({"audio_url": "/etc/hostname"}, "audio_url: '/etc/hostname' is not in the data folder"),
        ({"audio_url": "/code/data/lipwright.db"}, "audio_url: "),
        ({"video_url": "text.mp4"}, "video_url: "),
        ({"video_url": SOUND}, "video_url: "),
        ({"video_url": "http://"}, "video_url: "),
        ({"video_url": "http://example.org/\0.mp4"}, "video_url: "),
        ({"video_url": "http://me:secret@example.org/a.mp4"}, "video_url: "),
    ],
)
def test_what_cannot_be_used_is_said(fields, told, app, waiting):
    folder = app.state.parts.settings.data_dir
    (folder / "temp" / "text.mp4").write_text("not a video\n" * 100)
    answer = submit(waiting, request(**fields))
    assert (answer["code"], answer["success"], answer["data"]) == (10002, False, {})
    assert answer["msg"].startswith(told)
    assert str(folder) not in answer["msg"]
    assert query(waiting, "a1")["code"] == 10004


def test_jobs_queue_and_only_a_full_queue_is_busy(waiting):
    for number in range(3):
        assert submit(waiting, request(f"job {number}"))["code"] == 10000
    assert submit(waiting, request("one more")) == {"code": 10001, "data": {}, "msg": "忙碌中", "success": True}
    assert query(waiting, "one more")["code"] == 10004
    assert submit(waiting, request("job 2"))["code"] == 10000  # heard before, and waiting


def test_a_code_under_way(app, waiting):
    assert submit(waiting, request())["msg"] == 10000
    assert submit(waiting, request(pn="1", chaofen=0))["msg"] == 10000  # the same, spelt out
    other = submit(waiting, request(pn=0))
    assert (other["code"], other["success"]) == (10005, False)
    assert "under way" in other["msg"]
    assert len(app.state.parts.store.recent()) == 1


def test_the_same_request_sent_at_once_by_many_is_one_job(app, waiting):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(submit(waiting, request())["code"])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [10000] * 6
    assert len(app.state.parts.store.recent()) == 1


def test_an_error_nobody_thought_of(app, waiting, monkeypatch):
    monkeypatch.setattr(app.state.parts.store, "by_code", lambda code: 1 / 0)
    for answer in (submit(waiting, request()), query(waiting, "a1")):
        assert answer == {"code": 9999, "data": {}, "msg": "系统异常", "success": False}


@pytest.mark.parametrize("path", ["/v1/preprocess_and_tran", "/v1/invoke"])
def test_speech_is_not_made_here(path, waiting):
    response = waiting.post(path, json={"speaker": "a", "text": "b"})
    assert response.status_code == 501
    assert response.json()["code"] == -1
    assert "speech" in response.json()["msg"]


# With a server and its workers.


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def working(folder, inputs) -> FastAPI:
    pictures = {
        "watermark_path": picture(folder / "mark.png", MARK),
        "digital_auth_path": picture(folder / "told.png", TOLD),
    }
    settings = Settings(data_dir=folder / "data", devices=("cpu",), allow_private_urls=True, **pictures)
    return create_app(filled(settings, inputs))


@pytest.fixture(scope="module")
def service(working) -> Iterator[httpx.Client]:
    with answering(working) as client:
        yield client


def desktop(client: httpx.Client, code: str) -> Iterator[dict]:
    """Poll as the desktop client does, only faster: it knows three codes that end a job, and ignores all others."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        answer = query(client, code)
        assert answer["code"] not in (9999, 10002, 10003)
        if answer["code"] == 10000:
            yield answer["data"]
            if answer["data"]["status"] in (2, 3):
                return
        time.sleep(0.05)
    raise AssertionError(f"{code} does not end")


def test_the_desktop_client_makes_a_video(service, folder, inputs):
    code = "3d7d1f7c-9d1b-4a57-9f39-2f5f6d1f0c3e"
    asked = {"audio_url": SOUND, "video_url": VIDEO, "code": code, "chaofen": 0, "watermark_switch": 0, "pn": 1}
    assert submit(service, asked) == {"code": 10000, "data": {}, "msg": 10000, "success": True}
    heard = list(desktop(service, code))
    seen = [data["progress"] for data in heard]
    assert seen == sorted(seen)
    assert {data["status"] for data in heard[:-1]} <= {1}
    last = heard[-1]
    assert (last["status"], last["progress"], last["result"], last["msg"]) == (2, 100, f"/{code}-r.mp4", "任务完成")
    result = Path(f"{folder / 'data' / 'temp'}/{last['result']}")  # as its path.join makes it
    frames = ceil(read_sound(inputs[SOUND]).duration * 24)
    with open_clip(result) as clip:
        assert (clip.facts.frames, clip.facts.fps, clip.facts.has_sound) == (frames, 24, True)
        assert (clip.facts.width, clip.facts.height) == (last["width"], last["height"]) == (288, 256)
        assert last["video_duration"] == round(1000 * clip.facts.duration)
    assert 0 < last["cost"] < LONGEST
    assert query(service, code)["data"] == last  # it can be asked for again


def test_a_node_gives_paths_of_the_container(working, service, folder, inputs):
    asked = {
        "audio_url": "/code/data/temp/long.wav",
        "video_url": f"/code/data/temp/{VIDEO}",
        "code": "ComfyUI_00042",
        "watermark_switch": 0,
        "digital_auth": 0,
        "chaofen": 0,
        "pn": 0,
    }
    assert submit(service, asked)["code"] == 10000
    *heard, last = desktop(service, "ComfyUI_00042")
    assert last["status"] == 2
    assert any(20 <= data["progress"] <= 90 for data in heard)
    result = working.state.parts.store.by_code("ComfyUI_00042").result
    assert (result["length"], result["frames"]) == ("loop", 60)
    with open_clip(folder / "data" / "temp" / last["result"].lstrip("/")) as clip:
        assert clip.facts.duration == Fraction(60, 24)


def test_a_script_uses_one_code_again_and_again(service, folder):
    result = folder / "data" / "temp" / "test-r.mp4"
    lengths = []
    for sound in (SOUND, "long.wav", SOUND):
        assert submit(service, request("test", audio_url=sound))["code"] == 10000
        *_, last = desktop(service, "test")
        with open_clip(result) as clip:
            lengths.append(clip.facts.frames)
            assert last["video_duration"] == round(1000 * clip.facts.duration)
    assert lengths == [20, 60, 20]


def test_pictures_are_laid_over(service, folder):
    assert submit(service, request("both", watermark_switch="1", digital_auth=1))["code"] == 10000
    *_, last = desktop(service, "both")
    assert last["status"] == 2
    with open_clip(folder / "data" / "temp" / "both-r.mp4") as clip:
        for frame in clip.frames():
            assert np.abs(frame[228:244, 240:276].astype(int) - MARK).mean() < 12
            assert np.abs(frame[12:28, 240:276].astype(int) - TOLD).mean() < 12


def test_footage_without_a_face_is_an_error_with_a_reason(service, folder):
    assert submit(service, request("stripes", video_url="stripes.mp4"))["code"] == 10000
    *_, last = desktop(service, "stripes")
    assert (last["status"], last["progress"], last["result"]) == (3, 0, "")
    assert "face" in last["msg"]
    assert str(folder) not in last["msg"]
    assert not (folder / "data" / "temp" / "stripes-r.mp4").exists()


def test_several_jobs_at_once_and_several_faces(service, folder, portrait):
    two = placed(placed(scene(512, 256), portrait, 20, 30, 180), portrait, 280, 40, 170)
    (folder / "data" / "temp" / "two.png").write_bytes(cv2.imencode(".png", two[:, :, ::-1])[1].tobytes())
    codes = ["first", "second", "third"]
    for code in codes:
        assert submit(service, request(code, video_url="two.png"))["code"] == 10000
    assert [list(desktop(service, code))[-1]["status"] for code in codes] == [2, 2, 2]


def test_inputs_are_fetched(service, inputs):
    """From this very machine, which the settings allow here."""
    with serving() as site:
        site.files = {f"/{name}": inputs[name].read_bytes() for name in (VIDEO, SOUND)}
        asked = request("fetched", audio_url=f"{site.url}/{SOUND}", video_url=f"{site.url}/{VIDEO}")
        assert submit(service, asked)["code"] == 10000
        assert submit(service, asked)["code"] == 10000  # the same, whether or not its inputs have arrived by now
        assert list(desktop(service, "fetched"))[-1]["status"] == 2
        assert submit(service, request("gone", audio_url=f"{site.url}/gone.wav"))["code"] == 10000
        last = list(desktop(service, "gone"))[-1]
        assert (last["status"], "404" in last["msg"]) == (3, True)
