import threading
import time

import pytest

from lipwright.errors import OptionError
from lipwright.service.jobs import Avatar, CodeInUse, Job, JobStore, JobUnknown, QueueFull
from lipwright.service.jobs.tables import jobs


def test_jobs_are_served_in_the_order_of_arrival_but_previews_first(store):
    first, second, look = store.add(Job()), store.add(Job(kind="avatar", avatar="a")), store.add(Job(kind="preview"))
    assert [store.position(job) for job in (first, second, look)] == [2, 1, 0]
    assert store.positions() == {look.id: 0, second.id: 1, first.id: 2}
    assert [store.claim("w").id for _ in range(3)] == [look.id, second.id, first.id]
    assert store.claim("w") is None


def test_a_worker_takes_the_kinds_it_is_for(store):
    store.add(Job())
    assert not store.waiting(["preview"])
    assert store.claim("w", ["preview"]) is None
    assert store.claim("w", ["dub"]) is not None


def test_what_is_stored_comes_back_equal(store):
    job = Job(kind="preview", api="v2", code="müßig", request={"video": "a", "n": [1, 2.5, None]}, webhook="http://x/")
    store.add(job)
    assert store.get(job.id) == store.by_code("müßig") == job


def test_a_full_queue_refuses(store):
    for _ in range(3):
        store.add(Job(), limit=3)
    store.claim("w")
    store.add(Job(), limit=3)  # the one that runs does not wait
    with pytest.raises(QueueFull, match="3 jobs wait"):
        store.add(Job(), limit=3)


def test_a_code_is_free_again_once_its_job_has_ended(store):
    old = store.add(Job(code="1234"))
    with pytest.raises(CodeInUse, match="1234"):
        store.add(Job(code="1234"))
    store.claim("w")
    store.finish(old.id, "w", "temp/1234-r.mp4", {})
    new = store.add(Job(code="1234"))
    assert store.by_code("1234").id == new.id
    assert (store.get(old.id).code, store.get(old.id).output) == (None, "")  # the file will be the new job's


def test_only_the_lease_holder_speaks_for_a_job(store):
    job = store.add(Job())
    store.claim("mine")
    assert not store.progress(job.id, "other", "render", 1, 2, 50.0)
    assert not store.finish(job.id, "other", "x", {})
    assert not store.fail(job.id, "other", "no", "input")
    assert store.progress(job.id, "mine", "render", 1, 2, 50.0)
    assert store.finish(job.id, "mine", "results/x", {"frames": 2})
    done = store.get(job.id)
    assert (done.state, done.output, done.percent, done.lease) == ("done", "results/x", 100.0, None)
    assert not store.finish(job.id, "mine", "again", {})


def test_a_crash_is_tried_once_more(store):
    job = store.add(Job())
    store.claim("w1")
    assert store.crashed("w1", "it fell over").state == "queued"
    store.claim("w2")
    given_up = store.crashed("w2", "it fell over")
    assert (given_up.state, given_up.error, given_up.error_kind) == (
        "failed",
        "it fell over, 2 times; given up",
        "crash",
    )
    assert store.crashed("w2", "it fell over") is None
    assert store.retry(job.id)
    assert (store.get(job.id).state, store.get(job.id).crashes, store.get(job.id).error) == ("queued", 0, "")


def test_cancelling(store):
    waits, runs = store.add(Job()), store.add(Job())
    assert store.cancel(waits.id).state == "cancelled"
    store.claim("w")
    assert store.cancel(runs.id).cancel
    assert not store.wanted(runs.id, "w")
    assert not store.progress(runs.id, "w", "render", 1, 2, 50.0)
    assert not store.finish(runs.id, "w", "x", {})  # who cancelled gets no result after all
    assert store.cancelled(runs.id, "w")
    assert store.cancel(runs.id).state == "cancelled"


def test_cancelling_a_job_that_is_put_back_at_that_moment(store):
    job = store.add(Job())
    store.claim("w")
    thread = threading.Thread(target=store.cancel, args=(job.id,))
    with store.database.write() as connection:  # as after a crash
        connection.execute(jobs.update().where(jobs.c.id == job.id).values(state="queued", lease=None))
        thread.start()
        time.sleep(0.3)
    thread.join()
    assert store.get(job.id).state == "cancelled"


def test_a_cancelled_job_whose_worker_dies_is_not_tried_again(store):
    job = store.add(Job())
    store.claim("w")
    store.cancel(job.id)
    assert store.crashed("w", "it fell over").state == "cancelled"


def test_an_end_of_the_service_is_no_crash(store):
    runs, stopped, loads = store.add(Job()), store.add(Job()), store.add(Job(state="fetching"))
    store.claim("w")
    store.claim("w2")
    store.claim_fetch("f")
    store.cancel(stopped.id)
    assert store.recover() == 2
    assert [store.get(job.id).state for job in (runs, stopped, loads)] == ["queued", "cancelled", "fetching"]
    assert store.get(runs.id).crashes == 0
    assert store.claim_fetch("f2").id == loads.id


def test_downloads(store):
    job = store.add(Job(state="fetching", request={"video": "http://x/a", "audio": "b"}))
    assert store.claim("w") is None
    assert store.claim_fetch("f").id == job.id
    assert store.claim_fetch("f2") is None
    assert store.claim_fetch("f").id == job.id  # an error came between
    assert store.fetched(job.id, "f", {"video": "a", "audio": "b"})
    assert store.claim("w").request["video"] == "a"


def test_a_stalled_job_is_seen(store):
    store.add(Job())
    store.claim("w")
    assert not store.stalled("w", 60)
    time.sleep(0.05)
    assert store.stalled("w", 0.01)


def test_messages_are_due_when_a_job_ends_and_taken_once(store):
    job, silent = store.add(Job(webhook="http://x/")), store.add(Job())
    assert store.due_webhooks() == []
    store.cancel(job.id)
    store.cancel(silent.id)
    [due] = store.due_webhooks()
    assert (due.job.id, due.attempts) == (job.id, 0)
    assert store.due_webhooks() == []
    store.webhook_failed(due, "no answer", time.time() - 1)
    [again] = store.due_webhooks()
    assert (again.attempts, again.event_id) == (1, due.event_id)
    store.webhook_sent(due)
    store.webhook_failed(due, "never mind", None)
    assert store.due_webhooks() == []


def test_news_of_a_message_say_nothing_of_the_jobs_next_ending(store):
    job = store.add(Job(webhook="http://x/"))
    store.cancel(job.id)
    [first] = store.due_webhooks()
    store.retry(job.id)
    store.webhook_failed(first, "no answer", time.time() - 1)
    assert store.due_webhooks() == []  # it runs again; there is nothing to tell yet
    time.sleep(0.01)
    store.cancel(job.id)
    store.webhook_sent(first)
    [second] = store.due_webhooks()
    assert (second.attempts, second.event_id != first.event_id) == (0, True)


def test_listing_goes_backwards_page_by_page(store):
    made = [store.add(Job()).id for _ in range(5)]
    store.cancel(made[4])
    page = [job.id for job in store.recent(limit=2)]
    assert page == [made[4], made[3]]
    assert [job.id for job in store.recent(limit=2, before=page[-1])] == [made[2], made[1]]
    assert [job.id for job in store.recent(states=["cancelled"])] == [made[4]]
    assert store.recent(kinds=["avatar"]) == []
    assert store.counts() == {("queued", "dub"): 4, ("cancelled", "dub"): 1}


def test_removing(store):
    job = store.add(Job())
    assert not store.remove(job.id)
    store.cancel(job.id)
    assert [old.id for old in store.expired(time.time() + 1)] == [job.id]
    assert store.expired(time.time() - 60) == []
    assert store.remove(job.id)
    with pytest.raises(JobUnknown, match=job.id):
        store.get(job.id)


def test_an_avatar_is_kept_with_its_job_or_not_at_all(store):
    job = Job(kind="avatar", avatar="a")
    avatar = Avatar(id="a", footage="avatars/a/footage.mp4", job=job.id)
    with pytest.raises(QueueFull):
        store.add(job, 0, avatar)
    assert store.avatars() == []
    store.add(job, 1, avatar)
    store.cancel(job.id)
    assert not store.remove(job.id)  # else nobody would know any more whether the avatar is ready
    assert store.expired(time.time() + 1) == []
    assert store.remove_avatar("a")
    assert [each.id for each in store.expired(time.time() + 1)] == [job.id]
    assert store.remove(job.id)


def test_an_avatar_in_use_stays(store):
    made = Job(kind="avatar")
    avatar = Avatar(name="Ada", footage="avatars/x/footage.mp4", facts={"width": 2}, job=made.id)
    store.add(made, avatar=avatar)
    assert store.avatar(avatar.id) == avatar
    assert store.avatars() == [avatar]
    job = store.add(Job(avatar=avatar.id))
    assert not store.remove_avatar(avatar.id)
    store.cancel(job.id)
    assert store.remove_avatar(avatar.id)
    with pytest.raises(JobUnknown, match="avatar"):
        store.avatar(avatar.id)


def test_many_claim_at_once_and_each_job_goes_to_one(store):
    made = {store.add(Job()).id for _ in range(40)}
    taken: list[str] = []

    def take(name):
        while (job := store.claim(name)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take, args=(f"w{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(made)


def test_many_add_at_once_and_the_limit_holds_on_one_database_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    refused = []

    def add():
        store = JobStore(url)  # as several processes do
        for _ in range(10):
            try:
                store.add(Job(), limit=25)
            except QueueFull:
                refused.append(1)
        store.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 15


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://x/y", "sqlite:////nowhere/at/all.db", "postgresql+psycopg://u:secret@127.0.0.1:1/x"]
)
def test_a_database_that_does_not_open_is_told_without_its_password(url):
    with pytest.raises(OptionError, match="database cannot be opened") as caught:
        JobStore(url)
    assert "secret" not in str(caught.value)


def test_one_server_a_database(postgres):
    first, second = JobStore(postgres), JobStore(postgres)
    first.database.hold()
    first.database.hold()
    with pytest.raises(OptionError, match="another lipwright server"):
        second.database.hold()
    first.close()
    second.database.hold()
    second.close()


def test_a_server_ends_in_good_order_though_its_database_was_restarted(postgres):
    store, other = JobStore(postgres), JobStore(postgres)
    store.database.hold()
    with other.database.read() as connection:
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}")
    store.close()
    other.database.hold()
    other.close()


def test_what_a_strange_worker_took_is_put_back(store):
    ours, strays, stopped = store.add(Job()), store.add(Job()), store.add(Job())
    for lease in ("ours", "orphan", "orphan"):
        store.claim(lease)
    store.cancel(stopped.id)
    assert store.reclaim(["ours", ""]) == 1
    assert [store.get(job.id).state for job in (ours, strays, stopped)] == ["running", "queued", "cancelled"]
    assert store.get(strays.id).crashes == 0
    assert store.reclaim(["ours"]) == 0


def test_a_database_that_was_started_anew_is_held_again(postgres):
    first, second = JobStore(postgres), JobStore(postgres)
    first.database.hold()
    with second.database.read() as connection:
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
        connection.exec_driver_sql(f"SELECT pg_terminate_backend(pid) {others}")
    first.database.hold()
    with pytest.raises(OptionError, match="another lipwright server"):
        second.database.hold()
    first.close()
    second.close()


def test_many_open_a_new_database_file_at_once(tmp_path):
    failed = []

    def begin(url):
        try:
            JobStore(url).close()
        except OptionError as exc:
            failed.append(exc)

    for number in range(20):  # one in some eighty openings met the moment in which SQLite does not wait
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        threads = [threading.Thread(target=begin, args=(url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
