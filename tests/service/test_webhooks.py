"""Messages about jobs that have ended: signed, repeated until taken, and never sent inside."""

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import wire
from standardwebhooks.webhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from lipwright.errors import OptionError
from lipwright.service import webhooks
from lipwright.service.fetch import AddressRefused, FetchError
from lipwright.service.jobs import Job, JobStore
from lipwright.service.webhooks import DELAYS_S, Refused, WebhookSender, deliver, next_attempt, signer

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - the one of the scheme's own examples
BODY = {"id": "a1", "状态": "完成", "error": None}


def answering(status):
    return lambda *_: f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()


def heads(text):
    return dict(line.split(": ", 1) for line in text.split("\r\n")[1:])


@pytest.fixture
def store(tmp_path):
    made = JobStore(f"sqlite:///{(tmp_path / 'lipwright.db').as_posix()}")
    yield made
    made.close()


def ended(store, url, **more):
    """A job that has come to its end, by the ways jobs have."""
    job = store.add(Job(webhook=url, **more))
    store.cancel(job.id)
    return store.get(job.id)


def sender(store, **more):
    return WebhookSender(
        store, lambda job: {"id": job.id, "status": job.state}, secret=SECRET, **{"allow_private": True} | more
    )


def left(store, job):
    """What the store says of a message: when it is due, how often it failed, and why."""
    with store.database.read() as connection:
        asked = "SELECT webhook_due, webhook_attempts, webhook_error FROM jobs WHERE id = ?"
        return connection.exec_driver_sql(asked, (job.id,)).one()


def test_a_receiver_can_verify_what_it_gets():
    with wire.peer(answering(200)) as site:
        deliver(f"{site.url}/hook", "evt_1", BODY, signer(SECRET), allow_private=True)
    headers = heads(site.asked[0])
    assert headers["Webhook-Id"] == "evt_1"
    assert headers["Content-Type"] == "application/json"
    assert abs(int(headers["Webhook-Timestamp"]) - time.time()) < 5
    assert Receiver(SECRET).verify(site.bodies[0], headers) == BODY
    assert "完成".encode() in site.bodies[0]
    for data, given in ((site.bodies[0] + b" ", headers), (site.bodies[0], headers | {"Webhook-Id": "evt_2"})):
        with pytest.raises(WebhookVerificationError):
            Receiver(SECRET).verify(data, given)
    with pytest.raises(WebhookVerificationError):
        Receiver("whsec_" + "A" * 32).verify(site.bodies[0], headers)


def test_the_signature_is_that_of_the_schemes_example():
    payload, at = '{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)
    signed = signer(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, payload)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_that_are_none_are_refused():
    for wrong in ("", "whsec_", "whsec_!", "whsec_A", "ü"):
        with pytest.raises(OptionError, match="webhook secret") as caught:
            signer(wrong)
        assert "!" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_it_is_taken_once(store, status):
    with wire.peer(answering(status)) as site:
        job = ended(store, f"{site.url}/hook")
        assert sender(store).send_due() == 1
        assert sender(store).send_due() == 0
    assert json.loads(site.bodies[0]) == {"id": job.id, "status": "cancelled"}
    assert left(store, job) == (None, 0, "")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_it_is_tried_again_later(store, status):
    before = time.time()
    with wire.peer(answering(status)) as site:
        job = ended(store, f"{site.url}/hooks/password")
        sender(store).send_due()
        assert sender(store).send_due() == 0  # not yet
    due, attempts, error = left(store, job)
    assert before + DELAYS_S[0] <= due < time.time() + 2 * DELAYS_S[0]
    assert attempts == 1
    assert f"answered with status {status}" in error
    assert "password" not in error
    assert len(site.asked) == 1


def test_it_keeps_its_event_id_and_is_given_up_in_the_end(store, monkeypatch):
    now = time.time()
    monkeypatch.setattr(webhooks, "DELAYS_S", (0.0,) * 3)
    with wire.peer(answering(500)) as site:
        job = ended(store, site.url)
        while sender(store).send_due():
            assert time.time() < now + 20
    assert len(site.asked) == 4
    assert len({heads(text)["Webhook-Id"] for text in site.asked}) == 1
    assert left(store, job)[:2] == (None, 4)


def test_the_delays_grow():
    error, waits = FetchError("x"), []
    for failures in range(1, len(DELAYS_S) + 1):
        waits.append(next_attempt(failures, error, 0.0))
        assert DELAYS_S[failures - 1] <= waits[-1] <= DELAYS_S[failures - 1] * 1.2
    assert next_attempt(len(DELAYS_S) + 1, error, 0.0) is None
    assert sum(waits) > 24 * 3600  # a receiver may be away for a day


def test_what_cannot_get_better_is_not_tried_again(store):
    assert next_attempt(1, Refused(410), 0.0) is None
    assert next_attempt(1, Refused(404), 0.0) is not None
    assert next_attempt(1, AddressRefused("x"), 0.0) is None
    with wire.peer(answering(410)) as site:
        gone = ended(store, site.url)
        sender(store).send_due()
    assert left(store, gone)[0] is None


def test_nothing_is_sent_inside(store, monkeypatch):
    names = wire.Names(monkeypatch)
    names.answers["inside.test"] = [["169.254.169.254"]]
    with wire.peer(answering(200)) as site:
        jobs = [ended(store, url) for url in (site.url, f"http://[::1]:{site.port}/", "http://inside.test/")]
        sender(store, allow_private=False).send_due()
        assert site.asked == names.connected == []
    for job in jobs:
        due, _, error = left(store, job)
        assert (due, "not on the public internet" in error) == (None, True)


def test_redirects_inside_are_not_followed(store):
    with wire.peer(answering(200)) as inside, wire.peer(lambda *_: wire.moved(inside.url, 307)) as site:
        ended(store, site.url)
        sender(store).send_due()
        assert inside.asked == []


def test_a_receiver_that_hangs_does_not_hold_up_others(store, monkeypatch):
    monkeypatch.setattr(webhooks, "post", lambda *args, **more: webhooks_post(*args, **more, seconds=1.0))
    begun = time.monotonic()
    with (
        wire.peer(lambda connection, _: wire.drip(connection, b"HTTP/1.1 200 OK\r\nA: ")) as slow,
        wire.peer(answering(200)) as site,
    ):
        for _ in range(3):
            ended(store, slow.url)
        jobs = [ended(store, site.url) for _ in range(5)]
        assert sender(store).send_due() == 8
    assert time.monotonic() - begun < 2.8
    assert all(left(store, job)[0] is None for job in jobs)


webhooks_post = webhooks.post


def test_the_thread_sends_what_comes_and_survives_a_database_that_is_away(store, monkeypatch):
    monkeypatch.setattr(webhooks, "POLL_S", 0.05)
    real, away = store.due_webhooks, [True, True]

    def due(limit=20):
        if away:
            away.pop()
            raise OSError("the database is away")
        return real(limit)

    monkeypatch.setattr(store, "due_webhooks", due)
    running = sender(store)
    running.start()
    with wire.peer(answering(200)) as site:
        jobs = [ended(store, site.url) for _ in range(3)]
        end = time.monotonic() + 10
        while any(left(store, job)[0] is not None for job in jobs):
            assert time.monotonic() < end
            time.sleep(0.05)
        running.stop()
    assert len(site.asked) == 3


def test_one_body_that_cannot_be_made_does_not_hold_up_others(store):
    with wire.peer(answering(200)) as site:
        bad, good = (ended(store, site.url) for _ in range(2))

        def body(job):
            if job.id == bad.id:
                raise KeyError("x")
            return {"id": job.id}

        WebhookSender(store, body, secret=SECRET, allow_private=True).send_due()
    assert [json.loads(each)["id"] for each in site.bodies] == [good.id]
    assert left(store, good)[0] is None
    due, attempts, error = left(store, bad)
    assert (due > time.time(), attempts, "unexpected" in error) == (True, 1, True)


def test_a_job_without_a_webhook_sends_nothing(store):
    job = ended(store, None)
    assert sender(store).send_due() == 0
    assert replace(job, webhook=None) == job
