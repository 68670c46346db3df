import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from service_process import ServiceProcess, footage, sound, upload, wrong_with
from standardwebhooks import Webhook

from lipwright.errors import OptionError
from lipwright.service.generations import GenerationRequest, job_request
from lipwright.service.settings import Settings

URLS = [{"type": "video", "url": "https://a.example/v.mp4"}, {"type": "audio", "url": "https://a.example/a.wav"}]


def asked(model="lipsync-2", given=URLS, **more):
    return GenerationRequest.model_validate({"model": model, "input": given} | more)


def options_of(request, settings=None):
    job, notes = job_request(request, settings or Settings())
    return job.options.model_dump(exclude_none=True), notes


@pytest.mark.parametrize(
    ("model", "engine"),
    [
        ("native", "native"),
        ("heygem", "heygem"),
        ("lipsync-2", "heygem"),
        ("lipsync-1.9.0-beta", "heygem"),
        ("lipsync-2-pro", "heygem"),
        ("react-1", "heygem"),
        ("sync-3", "heygem"),
    ],
)
def test_models_are_engines_and_foreign_ones_the_configured(model, engine):
    options, notes = options_of(asked(model), Settings(easy_engine="heygem"))
    assert options == {"engine": engine}
    assert notes == ([] if model == engine else [f"model {model} is not here; the engine heygem was used"])


def test_an_unknown_model_is_refused():
    with pytest.raises(OptionError, match="model 'wav2lip' is unknown; use one of heygem, native"):
        options_of(asked("wav2lip"))


def test_options_and_what_becomes_of_those_that_mean_nothing():
    given = {"sync_mode": "cut_off", "temperature": 0.5, "active_speaker_detection": {"auto_detect": True}}
    given |= {"model_mode": "face", "occlusion_detection_enabled": False}
    options, notes = options_of(asked("native", options=given))
    assert options == {"engine": "native", "length": "cut_off", "intensity": 1.0}
    assert notes == ["active_speaker_detection: the largest face speaks", "option model_mode means nothing here"]


def test_temperature_is_left_out_where_the_engine_has_none():
    options, notes = options_of(asked("heygem", options={"temperature": 0.9}))
    assert options == {"engine": "heygem"}
    assert notes == ["temperature means nothing to the engine heygem"]


def test_occlusion_needs_a_model(tmp_path):
    settings = Settings(models=tmp_path)
    options, notes = options_of(asked("native", options={"occlusion_detection_enabled": True}), settings)
    assert options == {"engine": "native"}
    assert notes == ["occlusion_detection_enabled: the model xseg is not here; run `lipwright models pull xseg`"]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"given": [URLS[0], URLS[0]]}, "one video or image and one audio"),
        ({"segments": [{"startTime": 0}]}, "segments"),
        ({"given": [URLS[0] | {"segments_secs": [[0, 1]]}, URLS[1]]}, "segments"),
        ({"options": {"active_speaker_detection": {"coordinates": [1, 2], "frame_number": 0}}}, "face is not chosen"),
    ],
)
def test_what_would_give_another_result_is_refused(request_, sentence):
    with pytest.raises(OptionError, match=sentence):
        options_of(asked(**request_))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("v2") / "data") as service:
        yield service


@pytest.fixture
def client(service):
    with service.client() as client:
        yield client


@pytest.fixture(scope="module")
def inputs(service, tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    with service.client() as client:
        video, audio = upload(client, footage(folder, 1.0)), upload(client, sound(folder, 1.0))
    return [{"type": "video", "url": video}, {"type": "audio", "url": audio}]


def followed(client, generation):
    until = time.monotonic() + 60
    while generation["status"] not in ("COMPLETED", "FAILED") and time.monotonic() < until:
        time.sleep(0.1)
        generation = client.get(f"/v2/generate/{generation['id']}").json()
    return generation


def test_from_request_to_file(client, inputs, tmp_path):
    body = {"model": "lipsync-2", "input": inputs, "options": {"sync_mode": "loop"}, "outputFileName": "my-take_1"}
    answer = client.post("/v2/generate", json=body)
    assert answer.status_code == 201
    begun = answer.json()
    assert (begun["status"], begun["outputUrl"], begun["error"]) == ("PENDING", None, None)
    assert begun["createdAt"].endswith("Z")
    assert {name: begun[name] for name in body} == body
    done = followed(client, begun)
    assert done["status"] == "COMPLETED"
    assert done["outputDuration"] == 1.0
    assert done["outputUrl"].startswith(str(client.base_url))
    result = client.get(done["outputUrl"], headers={"Range": "bytes=0-9"})
    assert result.status_code == 206
    content = client.get(done["outputUrl"]).content
    assert wrong_with(content, tmp_path / "got.mp4", 25) == ""


def test_a_result_opens_to_its_own_address_only(client, inputs):
    done = followed(client, client.post("/v2/generate", json={"model": "native", "input": inputs}).json())
    address = done["outputUrl"].partition("?")[0]
    for query in ("", "?token=", "?token=" + "0" * 64, "?token=ÄÖ"):
        assert client.get(address + query).status_code == 403
    other = client.post("/v2/generate", json={"model": "native", "input": inputs}).json()
    token = done["outputUrl"].partition("token=")[2]
    assert client.get(f"/v2/generate/{other['id']}/output?token={token}").status_code == 403


def test_what_cannot_be_fetched_fails_in_a_sentence(client, inputs):
    url = "http://127.0.0.1:9/v.mp4"  # this machine is nobody's business
    given = [{"type": "video", "url": url}, inputs[1]]
    failed = followed(client, client.post("/v2/generate", json={"model": "native", "input": given}).json())
    assert failed["status"] == "FAILED"
    assert failed["error_code"] == "input"
    assert "127.0.0.1" in failed["error"]


def test_refusals_have_the_apis_shape(client, inputs):
    good = {"model": "native", "input": inputs}
    bad = [
        good | {"input": inputs[:1]},
        good | {"model": "wav2lip"},
        good | {"options": {"sync_mode": "sideways"}},
        good | {"outputFileName": "../../etc"},
        good | {"input": [{"type": "text", "provider": {}}, inputs[0]]},
        good | {"input": [{"type": "video", "url": "../lipwright.db"}, inputs[1]]},
        good | {"input": [{"type": "video", "url": "file:///etc/passwd"}, inputs[1]]},
        good | {"webhookUrl": "ftp://host/"},
        [],
    ]
    for body in bad:
        answer = client.post("/v2/generate", json=body)
        assert answer.status_code == 400, (body, answer.text)
        told = answer.json()
        assert (told["statusCode"], told["error"]) == (400, "Bad Request")
        assert len(told["message"]) > 10
    missing = client.get("/v2/generate/nobody")
    assert (missing.status_code, missing.json()["statusCode"], missing.json()["error"]) == (404, 404, "Not Found")


def test_jobs_of_the_own_api_are_no_generations(client, inputs):
    job = client.post("/v1/jobs", json={"video": inputs[0]["url"], "audio": inputs[1]["url"]}).json()
    assert client.get(f"/v2/generate/{job['id']}").status_code == 404
    client.delete(f"/v1/jobs/{job['id']}")


def test_list(client, inputs):
    first, second = (
        followed(client, client.post("/v2/generate", json={"model": "native", "input": inputs}).json())["id"]
        for _ in range(2)
    )
    shown = [each["id"] for each in client.get("/v2/generations", params={"status": "PROCESSING,COMPLETED"}).json()]
    assert shown[:2] == [second, first]
    assert [each["id"] for each in client.get("/v2/generations", params={"ids": first}).json()] == [first]
    both = client.get("/v2/generations", params={"ids": [first, second]}).json()
    assert {each["id"] for each in both} == {first, second}
    assert client.get("/v2/generations", params={"status": "REJECTED"}).json() == []
    assert client.get("/v2/generations", params={"status": "ASLEEP"}).status_code == 400


def test_a_cancelled_one_says_so(client, inputs):
    begun = client.post("/v2/generate", json={"model": "native", "input": inputs}).json()
    client.delete(f"/v1/jobs/{begun['id']}")
    until = time.monotonic() + 30
    while (now := client.get(f"/v2/generate/{begun['id']}").json())["status"] not in ("CANCELED", "COMPLETED"):
        assert time.monotonic() < until
        time.sleep(0.05)
    if now["status"] == "CANCELED":  # it may have been done already
        assert now["error"] == "the generation was cancelled"
        assert now["outputUrl"] is None


def test_the_webhook_tells_the_same_and_is_signed(tmp_path):
    told = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.put((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    with ServiceProcess(tmp_path / "data", "--set", "allow_private_urls=true") as service, service.client() as client:
        video, audio = upload(client, footage(tmp_path, 0.4)), upload(client, sound(tmp_path, 0.4))
        given = [{"type": "video", "url": video}, {"type": "audio", "url": audio}]
        begun = client.post("/v2/generate", json={"model": "native", "input": given, "webhookUrl": url}).json()
        headers, body = told.get(timeout=30)
        now = client.get(f"/v2/generate/{begun['id']}").json()
        secret = (tmp_path / "data" / "webhook.secret").read_text()
    receiver.shutdown()
    receiver.server_close()
    assert Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()}) == now
    assert (now["status"], now["webhookUrl"]) == ("COMPLETED", url)
