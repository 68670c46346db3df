"""Every change of state a job can go through, each one transaction.

A worker process works under a lease, a name of its own. What it says of a job counts only while the job carries that
lease: one that is thought dead and is not can do no harm.

    fetching ──► queued ──► running ──► done
        │           │          ├──────► failed        (a crash: queued again, once)
        └───────────┴──────────┴──────► cancelled
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from lipwright.service.jobs.database import Database
from lipwright.service.jobs.record import ACTIVE, FINAL, KINDS, Avatar, CodeInUse, Job, JobUnknown, QueueFull, Webhook
from lipwright.service.jobs.tables import avatars, jobs

MOST_CRASHES = 2  # a job that has seen so many workers die is given up
WAITING = ("fetching", "queued")
WEBHOOK_LEASE_S = 120  # nobody else takes a message on its way

_COLUMNS = [jobs.c[part.name] for part in fields(Job)]


class JobStore:
    """The queue, and all that became of it.

    Args:
        url: of the database, SQLAlchemy's.

    Raises:
        OptionError: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    # Asking

    def add(self, job: Job, limit: int | None = None, avatar: Avatar | None = None) -> Job:
        """Put a job at the end of the queue. One of a finished job's code takes its place, and its result's.

        Args:
            job: the job.
            limit: how many may wait.
            avatar: what the job makes; it is kept in the same step, as neither means anything without the other.

        Raises:
            QueueFull: `limit` jobs wait already.
        """
        row = asdict(job) | {"rank": KINDS.index(job.kind), "webhook_attempts": 0, "webhook_error": ""}
        with self.database.write() as connection:
            if limit is not None and _count(connection, jobs.c.state.in_(WAITING)) >= limit:
                raise QueueFull(f"{limit} jobs wait already, which is all this service takes; try again later")
            if job.code is not None:
                old = and_(jobs.c.code == job.code, jobs.c.state.in_(FINAL))
                connection.execute(update(jobs).where(old).values(code=None, output=""))
            if avatar is not None:
                connection.execute(insert(avatars).values(asdict(avatar)))
            try:
                connection.execute(insert(jobs).values(row))
            except IntegrityError as exc:
                raise CodeInUse(
                    f"a job with the code {job.code!r} is under way; wait for it or choose another"
                ) from exc
        return job

    def get(self, job_id: str) -> Job:
        """The job of that name.

        Raises:
            JobUnknown: there is none.
        """
        return self._one(jobs.c.id == job_id, job_id)

    def by_code(self, code: str) -> Job:
        """The job of a HeyGem client's name.

        Raises:
            JobUnknown: there is none.
        """
        return self._one(jobs.c.code == code, code)

    def recent(
        self,
        *,
        states: Sequence[str] = (),
        kinds: Sequence[str] = (),
        apis: Sequence[str] = (),
        ids: Sequence[str] = (),
        limit: int = 100,
        before: str | None = None,
    ) -> list[Job]:
        """Jobs, newest first.

        Args:
            states, kinds, apis, ids: only these; none given: all.
            limit: how many at most.
            before: only those that came before the job of this name.
        """
        wanted = select(*_COLUMNS).order_by(jobs.c.number.desc()).limit(limit)
        for column, values in ((jobs.c.state, states), (jobs.c.kind, kinds), (jobs.c.api, apis), (jobs.c.id, ids)):
            if values:
                wanted = wanted.where(column.in_(values))
        if before is not None:
            wanted = wanted.where(jobs.c.number < select(jobs.c.number).where(jobs.c.id == before).scalar_subquery())
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are by state and kind."""
        counted = select(jobs.c.state, jobs.c.kind, func.count()).group_by(jobs.c.state, jobs.c.kind)
        with self.database.read() as connection:
            return {(state, kind): number for state, kind, number in connection.execute(counted)}

    def oldest_waiting(self) -> float | None:
        """Since when the job that waits longest has waited, seconds since 1970; None where none waits."""
        since = select(func.min(func.coalesce(jobs.c.updated, jobs.c.created))).where(jobs.c.state.in_(WAITING))
        with self.database.read() as connection:
            return connection.execute(since).scalar()

    def ended_since(self, moment: float) -> list[Job]:
        """Jobs that ended after that, seconds since 1970; the earliest first."""
        wanted = select(*_COLUMNS).where(jobs.c.finished > moment, jobs.c.state.in_(FINAL)).order_by(jobs.c.finished)
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(wanted)]

    def position(self, job: Job) -> int | None:
        """How many jobs come before this one, None where it does not wait."""
        if job.state != "queued":
            return None
        own = select(jobs.c.rank, jobs.c.number).where(jobs.c.id == job.id).subquery()
        earlier = or_(jobs.c.rank < own.c.rank, and_(jobs.c.rank == own.c.rank, jobs.c.number < own.c.number))
        with self.database.read() as connection:
            return _count(connection, and_(jobs.c.state == "queued", earlier), own)

    def positions(self) -> dict[str, int]:
        """How many jobs come before each one that waits, by its name."""
        waiting = select(jobs.c.id).where(jobs.c.state == "queued").order_by(jobs.c.rank, jobs.c.number)
        with self.database.read() as connection:
            return {name: place for place, name in enumerate(connection.execute(waiting).scalars())}

    def uses(self, avatar: str) -> bool:
        """Whether a job that has not ended uses this avatar."""
        with self.database.read() as connection:
            return _count(connection, and_(jobs.c.avatar == avatar, jobs.c.state.in_(ACTIVE))) > 0

    def expired(self, before: float) -> list[Job]:
        """Jobs that ended before then; those that made an avatar stay with it."""
        free = jobs.c.id.not_in(select(avatars.c.job))
        ended = and_(jobs.c.state.in_(FINAL), jobs.c.finished < before, free)
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(select(*_COLUMNS).where(ended))]

    def names(self) -> set[str]:
        """Names of all jobs."""
        with self.database.read() as connection:
            return set(connection.execute(select(jobs.c.id)).scalars())

    def active(self) -> list[Job]:
        """Jobs that have not ended."""
        with self.database.read() as connection:
            return [_job(row) for row in connection.execute(select(*_COLUMNS).where(jobs.c.state.in_(ACTIVE)))]

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once where it waits, within two frames where it runs. One that has ended stays as it is.

        Raises:
            JobUnknown: there is no such job.
        """
        mine = jobs.c.id == job_id
        with self.database.write() as connection:  # locked first: it may be going from one state to another just now
            state = connection.execute(select(jobs.c.state).where(mine).with_for_update()).scalar()
            if state in WAITING:
                connection.execute(update(jobs).where(mine).values(_ended("cancelled")))
            elif state == "running":
                connection.execute(update(jobs).where(mine).values(cancel=True))
        return self.get(job_id)

    def retry(self, job_id: str) -> bool:
        """Put a failed or cancelled job into the queue again; False where it is neither.

        Raises:
            JobUnknown: there is no such job.
        """
        ended = and_(jobs.c.id == job_id, jobs.c.state.in_(("failed", "cancelled")))
        fresh = {"started": None, "finished": None, "crashes": 0, "cancel": False, "webhook_due": None}
        values = _waiting() | fresh | {"error": "", "error_kind": "", "webhook_attempts": 0, "webhook_error": ""}
        with self.database.write() as connection:
            request = connection.execute(select(jobs.c.request).where(ended).with_for_update()).scalar()
            if request is not None:
                state = "fetching" if has_addresses(request) else "queued"
                connection.execute(update(jobs).where(ended).values(values | {"state": state}))
        self.get(job_id)
        return request is not None

    def remove(self, job_id: str) -> bool:
        """Forget a job that has ended; False where it has not, or where an avatar that it made is kept."""
        with self.database.write() as connection:
            ended = and_(jobs.c.id == job_id, jobs.c.state.in_(FINAL), jobs.c.id.not_in(select(avatars.c.job)))
            return connection.execute(delete(jobs).where(ended)).rowcount > 0

    # Working

    def recover(self) -> int:
        """Put what ran or was downloaded when the service ended back where it waits. Returns how many jobs."""
        with self.database.write() as connection:
            found = _put_back(connection, jobs.c.state == "running")
            fetched = update(jobs).where(jobs.c.state == "fetching", jobs.c.lease.is_not(None)).values(lease=None)
            return found + connection.execute(fetched).rowcount

    def reclaim(self, leases: Sequence[str]) -> int:
        """Put running jobs of other workers back: one that outlives its server may take a job before it ends."""
        strays = and_(jobs.c.state == "running", jobs.c.lease.not_in(leases))
        with self.database.read() as connection:
            if not _count(connection, strays):
                return 0
        with self.database.write() as connection:
            return _put_back(connection, strays)

    def waiting(self, kinds: Sequence[str]) -> bool:
        """Whether a job of these kinds waits for a worker."""
        with self.database.read() as connection:
            return _count(connection, and_(jobs.c.state == "queued", jobs.c.kind.in_(kinds))) > 0

    def claim(self, lease: str, kinds: Sequence[str] = KINDS) -> Job | None:
        """The job whose turn it is, now running under this lease; None where none waits."""
        values = {"state": "running", "lease": lease, "started": time.time(), "updated": time.time()}
        return self._take(and_(jobs.c.state == "queued", jobs.c.kind.in_(kinds)), values)

    def claim_fetch(self, lease: str) -> Job | None:
        """A job whose inputs are to be downloaded, now under this lease; None where there is none.

        What this lease has already counts, too: it asks only when it is done, so that job was left by an error.
        """
        free = or_(jobs.c.lease.is_(None), jobs.c.lease == lease)
        wanted = and_(jobs.c.state == "fetching", free)
        return self._take(wanted, {"lease": lease, "stage": "fetch", "updated": time.time()})

    def fetched(self, job_id: str, lease: str, request: dict[str, Any]) -> bool:
        """Let a job whose inputs are here now wait for a worker; False where it is not this lease's any more."""
        values = _waiting() | {"state": "queued", "request": request}
        return self._change(_held(job_id, lease, "fetching"), values)

    def progress(self, job_id: str, lease: str, stage: str, done: int, total: int | None, percent: float) -> bool:
        """Tell where a job is. False where it shall stop."""
        values = {"stage": stage, "done": done, "total": total, "percent": percent, "updated": time.time()}
        return self._change(and_(_held(job_id, lease), jobs.c.cancel.is_(False)), values)

    def wanted(self, job_id: str, lease: str) -> bool:
        """Whether a job shall go on."""
        with self.database.read() as connection:
            return _count(connection, and_(_held(job_id, lease), jobs.c.cancel.is_(False))) > 0

    def finish(self, job_id: str, lease: str, output: str, result: dict[str, Any]) -> bool:
        """Call a job done. False where it was cancelled or is not this lease's any more: then there is no result."""
        values = _ended("done") | {"output": output, "result": result, "percent": 100.0}
        return self._change(and_(_held(job_id, lease), jobs.c.cancel.is_(False)), values)

    def fail(self, job_id: str, lease: str, error: str, kind: str, state: str = "running") -> bool:
        """Give a job up for a reason that would not change."""
        return self._change(_held(job_id, lease, state), _ended("failed") | {"error": error, "error_kind": kind})

    def cancelled(self, job_id: str, lease: str) -> bool:
        """Say that a job has stopped as it was told to."""
        return self._change(and_(_held(job_id, lease), jobs.c.cancel), _ended("cancelled"))

    def crashed(self, lease: str, reason: str) -> Job | None:
        """Take the job from a worker that died: queued again, or failed where it is not the first time.

        Args:
            lease: the worker's.
            reason: how it died, for the user.

        Returns:
            The job as it stands now, None where the worker had none.
        """
        with self.database.write() as connection:
            held = select(*_COLUMNS).where(jobs.c.lease == lease, jobs.c.state == "running").with_for_update()
            row = connection.execute(held).first()
            if row is None:
                return None
            job, crashes = _job(row), row.crashes + 1
            if job.cancel:
                values = _ended("cancelled")
            elif crashes < MOST_CRASHES:
                values = _waiting() | {"state": "queued"}
            else:
                values = _ended("failed") | {"error": f"{reason}, {crashes} times; given up", "error_kind": "crash"}
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(values | {"crashes": crashes}))
        return self.get(job.id)

    def stalled(self, lease: str, seconds: float) -> bool:
        """Whether the worker's job has told nothing for so long."""
        quiet = and_(jobs.c.lease == lease, jobs.c.state == "running", jobs.c.updated < time.time() - seconds)
        with self.database.read() as connection:
            return _count(connection, quiet) > 0

    # Messages to those who asked

    def due_webhooks(self, limit: int = 20) -> list[Webhook]:
        """Messages whose time has come; they are the caller's for two minutes."""
        now = time.time()
        with self.database.write() as connection:
            due = select(*_COLUMNS, jobs.c.webhook_attempts).where(jobs.c.webhook_due <= now)
            rows = connection.execute(due.limit(limit).with_for_update(skip_locked=True)).all()
            taken = update(jobs).where(jobs.c.id.in_([row.id for row in rows]))
            connection.execute(taken.values(webhook_due=now + WEBHOOK_LEASE_S))
        return [Webhook(job=_job(row), attempts=row.webhook_attempts) for row in rows]

    def webhook_sent(self, message: Webhook) -> None:
        """Say that a message has arrived. It says nothing of a later ending of the same job, which has its own."""
        self._change(_about(message), {"webhook_due": None, "webhook_error": ""})

    def webhook_failed(self, message: Webhook, error: str, next_at: float | None) -> None:
        """Say that a message has not arrived, and when to try again; None: never."""
        attempts = jobs.c.webhook_attempts + 1
        values = {"webhook_due": next_at, "webhook_error": error, "webhook_attempts": attempts}
        self._change(_about(message), values)

    # Avatars

    def avatar(self, avatar_id: str) -> Avatar:
        """The avatar of that name.

        Raises:
            JobUnknown: there is none.
        """
        with self.database.read() as connection:
            row = connection.execute(select(avatars).where(avatars.c.id == avatar_id)).first()
        if row is None:
            raise JobUnknown(f"there is no avatar {avatar_id!r}; GET /v1/avatars lists them")
        return Avatar(**row._mapping)

    def avatars(self) -> list[Avatar]:
        """All of them, newest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(avatars).order_by(avatars.c.created.desc())).all()
        return [Avatar(**row._mapping) for row in rows]

    def remove_avatar(self, avatar_id: str) -> bool:
        """Forget an avatar; False where a job that has not ended uses it."""
        with self.database.write() as connection:
            if _count(connection, and_(jobs.c.avatar == avatar_id, jobs.c.state.in_(ACTIVE))):
                return False
            connection.execute(delete(avatars).where(avatars.c.id == avatar_id))
        return True

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def _one(self, wanted: ColumnElement[bool], name: str) -> Job:
        with self.database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(wanted)).first()
        if row is None:
            raise JobUnknown(f"there is no job {name!r}; GET /v1/jobs lists them")
        return _job(row)

    def _take(self, wanted: ColumnElement[bool], values: dict[str, Any]) -> Job | None:
        first = select(jobs.c.id).where(wanted).order_by(jobs.c.rank, jobs.c.number).limit(1)
        with self.database.read() as connection:  # an idle worker asks often; writers are not kept waiting for it
            if connection.execute(first).first() is None:
                return None
        with self.database.write() as connection:
            found = connection.execute(first.with_for_update(skip_locked=True)).scalar()
            if found is None:
                return None
            connection.execute(update(jobs).where(jobs.c.id == found).values(values))
        return self.get(found)

    def _change(self, which: ColumnElement[bool], values: dict[str, Any]) -> bool:
        with self.database.write() as connection:
            return connection.execute(update(jobs).where(which).values(values)).rowcount > 0


def has_addresses(request: dict[str, Any]) -> bool:
    """Whether an input is still to be downloaded."""
    return any(is_address(request.get(name)) for name in ("video", "audio"))


def is_address(text: object) -> bool:
    """Whether this is an http(s) address, not a path."""
    return isinstance(text, str) and text.lower().startswith(("http://", "https://"))


def _job(row: Row[Any]) -> Job:
    return Job(**{part.name: getattr(row, part.name) for part in fields(Job)})


def _held(job_id: str, lease: str, state: str = "running") -> ColumnElement[bool]:
    return and_(jobs.c.id == job_id, jobs.c.lease == lease, jobs.c.state == state)


def _about(message: Webhook) -> ColumnElement[bool]:
    """The job, as long as it has not been tried again since."""
    return and_(jobs.c.id == message.job.id, jobs.c.finished == message.job.finished)


def _put_back(connection: Connection, which: ColumnElement[bool]) -> int:
    """Let running jobs wait again, with as many tries as before; those that were to stop have. Returns how many."""
    connection.execute(update(jobs).where(which, jobs.c.cancel).values(_ended("cancelled")))
    return connection.execute(update(jobs).where(which).values(_waiting() | {"state": "queued"})).rowcount


def _waiting() -> dict[str, Any]:
    return {"lease": None, "stage": "", "done": 0, "total": None, "percent": 0.0, "updated": time.time()}


def _ended(state: str) -> dict[str, Any]:
    now = time.time()
    due = case((jobs.c.webhook.is_not(None), now), else_=None)  # in the same step: no ending goes untold
    return {"state": state, "lease": None, "finished": now, "updated": now, "cancel": False, "webhook_due": due}


def _count(connection: Connection, wanted: ColumnElement[bool], *tables: Any) -> int:  # noqa: ANN401 - selectables
    counted = select(func.count()).select_from(jobs, *tables).where(wanted)
    return int(connection.execute(counted).scalar() or 0)
