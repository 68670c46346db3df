import errno
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from lipwright.errors import NoFaceError, OutputError
from lipwright.media import open_clip
from lipwright.service import supervisor, tasks
from lipwright.service.jobs import Job
from lipwright.service.publish import publish
from lipwright.service.supervisor import Supervisor
from lipwright.service.worker import Cancelled, Teller, Worker, gpu

FAST = {"preset": "ultrafast", "crf": 30}


@pytest.fixture
def worker(settings):
    with Worker(settings, "cpu", "w") as made:
        yield made


def begin(store, **request):
    store.add(Job(request=request))
    return store.claim("w")


def files(settings, *folders):
    return [path for folder in folders for path in (settings.data_dir / folder).rglob("*") if path.is_file()]


def test_a_job_from_request_to_file(settings, queue, worker, inputs):
    job = begin(queue, **inputs, options=FAST)
    worker.run(job)
    done = queue.get(job.id)
    assert (done.state, done.percent, done.output) == ("done", 100.0, f"results/{job.id}/result.mp4")
    with open_clip(settings.data_dir / done.output) as clip:
        assert clip.facts.frames == done.result["frames"] == 180
        assert clip.facts.has_sound
    assert done.result["bytes"] == (settings.data_dir / done.output).stat().st_size
    assert done.result["duration"] == pytest.approx(7.2)
    assert not files(settings, "work", "tmp")


def test_a_job_whose_code_is_anothers_leaves_that_ones_result_alone(settings, queue, worker, inputs):
    request = {**inputs, "options": FAST, "place": "temp/x-r.mp4"}
    old = queue.add(Job(api="easy", code="x", request=request))
    queue.cancel(old.id)
    new = queue.add(Job(api="easy", code="x", request=request))
    worker.run(queue.claim("w"))
    made = (settings.data_dir / "temp" / "x-r.mp4").stat()
    assert queue.retry(old.id)
    worker.run(queue.claim("w"))
    assert queue.get(old.id).output == f"results/{old.id}/result.mp4"
    assert queue.get(new.id).output == "temp/x-r.mp4"
    assert (settings.data_dir / "temp" / "x-r.mp4").stat() == made


def test_a_preview_is_a_picture(settings, queue, worker, inputs):
    queue.add(Job(kind="preview", request={**inputs, "seconds": 1.0}))
    job = queue.claim("w")
    worker.run(job)
    done = queue.get(job.id)
    assert done.result["type"] == "image/png"
    assert (settings.data_dir / done.output).read_bytes().startswith(b"\x89PNG")


def test_an_avatar_serves_the_jobs_that_follow(settings, queue, worker, inputs):
    queue.add(Job(kind="avatar", avatar="a1", request={"video": inputs["video"], "options": {}}))
    made = queue.claim("w")
    worker.run(made)
    assert (settings.data_dir / "avatars/a1/picture.jpg").read_bytes().startswith(b"\xff\xd8")
    job = begin(queue, **inputs, options=FAST)
    worker.run(job)
    assert queue.get(job.id).result["avatar_reused"]
    assert queue.get(job.id).result["avatar_key"] == queue.get(made.id).result["avatar_key"]


def test_an_unusable_input_fails_at_once_and_names_no_folder_of_the_machine(settings, queue, worker, inputs):
    (settings.data_dir / "uploads/text.mp4").write_bytes(b"no video")
    job = begin(queue, video="uploads/text.mp4", audio=inputs["audio"])
    worker.run(job)
    failed = queue.get(job.id)
    assert (failed.state, failed.error_kind, failed.crashes) == ("failed", "input", 0)
    assert "uploads/text.mp4" in failed.error
    assert str(settings.data_dir) not in failed.error
    assert not files(settings, "work", "results")


@pytest.mark.parametrize(
    ("raised", "told"), [(RuntimeError("boom"), "unexpected RuntimeError"), (MemoryError(), "ran out of memory")]
)
def test_what_nobody_foresaw_costs_the_process_and_one_try(
    settings, queue, worker, inputs, monkeypatch, caplog, raised, told
):
    def fail(*_):
        raise raised

    monkeypatch.setattr(tasks, "make", fail)
    for state in ("queued", "failed"):
        job = begin(queue, **inputs) if state == "queued" else queue.claim("w")
        with pytest.raises(SystemExit):
            worker.run(job)
        assert queue.get(job.id).state == state
    assert told in queue.get(job.id).error
    assert "boom" not in queue.get(job.id).error  # a stranger's words are for the log
    caplog.clear()


@pytest.mark.parametrize(("raised", "kind"), [(NoFaceError("no face"), "input"), (OutputError("disk full"), "output")])
def test_kinds_of_failure(queue, worker, inputs, monkeypatch, raised, kind):
    def fail(*_):
        raise raised

    monkeypatch.setattr(tasks, "make", fail)
    job = begin(queue, **inputs)
    worker.run(job)
    assert (queue.get(job.id).error, queue.get(job.id).error_kind) == (str(raised), kind)


def test_a_cancelled_job_stops_within_two_frames_and_leaves_nothing(settings, queue, worker, inputs, monkeypatch):
    told = []

    def teller(store, job, lease):
        own = Teller(store, job, lease)

        def tell(stage, done, total):
            told.append((stage, done))
            if (stage, done) == ("render", 5):
                store.cancel(job.id)
            own(stage, done, total)

        return tell

    monkeypatch.setattr("lipwright.service.worker.Teller", teller)
    job = begin(queue, **inputs, options=FAST)
    worker.run(job)
    assert queue.get(job.id).state == "cancelled"
    assert told[-1][0] == "render"
    assert told[-1][1] <= 7
    assert not files(settings, "work", "results")


def test_cancelled_between_the_last_frame_and_the_end(settings, queue, worker, inputs, monkeypatch):
    def late(made, place):
        publish(made, place)
        queue.cancel(job.id)

    monkeypatch.setattr("lipwright.service.worker.publish", late)
    job = begin(queue, **inputs, options=FAST)
    worker.run(job)
    assert queue.get(job.id).state == "cancelled"
    assert not files(settings, "results")


def test_traces_of_a_killed_run_do_not_stay(settings, queue, worker, inputs):
    job = begin(queue, **inputs, options=FAST)
    left = settings.data_dir / "work" / job.id / "left.partial"
    left.parent.mkdir()
    left.write_bytes(b"x")
    worker.run(job)
    assert not left.exists()


def test_progress_never_falls(queue):
    job = begin(queue)
    tell, seen = Teller(queue, job, "w"), []
    for stage, total in (("analyse", 10), ("render", 20)):
        for done in range(1, total + 1):
            tell._told = 0.0  # as if enough time had passed
            tell(stage, done, total)
            seen.append(queue.get(job.id).percent)
    assert seen == sorted(seen)
    assert (seen[9], seen[-1]) == (50.0, 100.0)


def test_a_job_goes_on_while_the_database_is_away(queue, monkeypatch):
    job, asked = begin(queue), []

    def away(*given):
        asked.append(given)
        raise OperationalError("UPDATE", {}, Exception("server closed the connection"))

    tell = Teller(queue, job, "w")
    with monkeypatch.context() as patch:
        patch.setattr(queue, "progress", away)
        tell("render", 1, 10)
        tell("render", 2, 10)
    assert len(asked) == 1  # the next try is due a little later
    tell._quiet_until = 0.0
    tell("render", 3, 10)
    assert queue.get(job.id).done == 3
    queue.cancel(job.id)
    with pytest.raises(Cancelled):
        tell("render", 4, 10)


def test_a_scratch_folder_that_cannot_be_made_is_told(settings, queue, worker, inputs, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    job = begin(queue, **inputs)
    monkeypatch.setattr("lipwright.service.worker.Path.mkdir", full)
    worker.run(job)
    failed = queue.get(job.id)
    assert (failed.state, failed.error_kind) == ("failed", "output")
    assert failed.error == f"the folder work/{job.id} cannot be made: No space left on device; free space on the disk"


def test_a_job_that_is_not_ours_any_more_is_dropped(queue):
    job = begin(queue)
    queue.recover()
    with pytest.raises(Cancelled):
        Teller(queue, job, "w")("render", 1, 2)


def test_longer_than_the_service_takes(settings, queue, inputs):
    tight = settings.model_copy(update={"max_seconds": 1.0})
    with Worker(tight, "cpu", "w") as worker:
        job = begin(queue, **inputs)
        worker.run(job)
    assert "longer than the 1 seconds" in queue.get(job.id).error


def wait_for(true, seconds=60.0):
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


def workers_of(supervisor):
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_worker_costs_a_try_and_the_service_goes_on(settings, queue, inputs):
    supervisor = Supervisor(queue, settings)
    supervisor.start()
    try:
        wait_for(lambda: not supervisor.missing())
        job = queue.add(Job(request={**inputs, "options": FAST}))
        wait_for(lambda: queue.get(job.id).percent > 0)
        [process] = workers_of(supervisor)
        process.kill()
        wait_for(lambda: queue.get(job.id).crashes == 1)
        wait_for(lambda: queue.get(job.id).state == "done")
        other = queue.add(Job(request={**inputs, "options": FAST}))
        wait_for(lambda: queue.get(other.id).state == "done")
        assert supervisor.slots[0].crashes == 1
    finally:
        supervisor.stop()
    assert len(files(settings, "results")) == 2
    assert not workers_of(supervisor)


def test_stopping_puts_the_job_back_as_if_it_had_never_begun(settings, queue, inputs):
    supervisor = Supervisor(queue, settings)
    supervisor.start()
    try:
        job = queue.add(Job(request={**inputs, "options": FAST}))
        wait_for(lambda: queue.get(job.id).state == "running")
    finally:
        supervisor.stop()
    assert (queue.get(job.id).state, queue.get(job.id).crashes) == ("queued", 0)


def test_a_stalled_worker_is_stopped(settings, queue, inputs):
    supervisor = Supervisor(queue, settings.model_copy(update={"stall_seconds": 0.01}))
    supervisor.start()
    try:
        job = queue.add(Job(request=inputs))
        wait_for(lambda: queue.get(job.id).state == "failed")
        assert "told nothing for 0.01 seconds" in queue.get(job.id).error
    finally:
        supervisor.stop()


def test_publishing_onto_a_folder_is_told(tmp_path):
    made, place = tmp_path / "made.mp4", tmp_path / "place"
    made.write_bytes(b"x")
    place.mkdir()
    (Path(place) / "in the way").touch()
    with pytest.raises(OutputError, match="cannot be kept"):
        publish(made, place)


def test_several_workers_on_one_device_have_names_of_their_own(settings, queue):
    watched = Supervisor(queue, settings.model_copy(update={"devices": ("cuda:1", "cpu", "cpu")}))
    assert [slot.name for slot in watched.slots] == ["cuda:1", "cpu", "cpu-2", "cuda:1"]
    assert watched.missing() == ["cuda:1", "cpu", "cpu-2"]


def test_a_dead_workers_job_is_taken_back_once_the_database_answers(settings, queue, monkeypatch):
    """The database is away while a worker dies: what it had must not stay `running` under a lease nobody holds."""
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.05)
    job = queue.add(Job(request={"video": "uploads/none.mp4", "audio": "uploads/none.wav"}))
    watched = Supervisor(queue, settings)
    watched.slots[0].lease = "w"
    queue.claim("w")
    asked = []

    def away(*given):
        asked.append(given)
        if len(asked) < 4:
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))
        return False

    monkeypatch.setattr(queue, "stalled", away)
    assert not watched._stalled("w")
    taken = queue.crashed
    monkeypatch.setattr(queue, "crashed", lambda *given: away() or taken(*given))
    watched._take_back("w", "died")
    assert len(asked) == 4
    assert (queue.get(job.id).state, queue.get(job.id).crashes) == ("queued", 1)


def test_the_place_for_previews_outlives_a_database_that_is_away(settings, queue, monkeypatch):
    watched, asked = Supervisor(queue, settings), []

    def waiting(_kinds):
        asked.append(time.monotonic())
        if len(asked) == 1:
            raise OperationalError("SELECT", {}, Exception("gone"))
        watched._stop.set()
        return False

    monkeypatch.setattr(queue, "waiting", waiting)
    monkeypatch.setattr(supervisor, "PAUSE_S", 0.05)
    watched._keep(watched.slots[-1])
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("number", "shown", "named"), [(1, "", "1"), (1, "2,3", "3"), (0, " GPU-ab , GPU-cd", "GPU-ab"), (2, "2,3", "")]
)
def test_gpus_are_counted_among_those_that_are_shown(number, shown, named):
    assert gpu(number, shown) == named
