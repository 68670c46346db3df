"""What is being worked on right now, for the log: which request, which job."""

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("lipwright_request_id", default="")
job_id: ContextVar[str] = ContextVar("lipwright_job_id", default="")
