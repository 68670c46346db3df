"""The tables."""

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),  # the order of arrival
    Column("id", String(32), unique=True, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("api", String(8), nullable=False),
    Column("code", String(100), unique=True),
    Column("state", String(16), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("avatar", String(32)),
    Column("stage", String(32), nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("percent", Float, nullable=False),
    Column("error", Text, nullable=False),
    Column("error_kind", String(16), nullable=False),
    Column("result", JSON, nullable=False),
    Column("output", Text, nullable=False),
    Column("webhook", Text),
    Column("webhook_due", Float),
    Column("webhook_attempts", Integer, nullable=False, default=0),
    Column("webhook_error", Text, nullable=False, default=""),
    Column("request_id", String(64), nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("updated", Float),
    Column("crashes", Integer, nullable=False),
    Column("lease", String(32)),
    Column("cancel", Boolean, nullable=False),
    Index("jobs_by_turn", "state", "rank", "number"),
    Index("jobs_by_lease", "lease"),
    Index("jobs_by_webhook", "webhook_due"),
)

avatars = Table(
    "avatars",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("engine", String(16), nullable=False),
    Column("person", String(16), nullable=False),
    Column("footage", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("job", String(32), nullable=False),
    Column("created", Float, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("hash", String(64), unique=True, nullable=False),  # SHA-256 of the key; the key itself is kept nowhere
    Column("created", Float, nullable=False),
    Column("last_used", Float),
)
