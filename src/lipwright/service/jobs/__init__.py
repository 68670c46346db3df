"""Jobs in a database: what they are, and every change of state they can go through."""

from lipwright.service.jobs.record import ACTIVE, FINAL, Avatar, CodeInUse, Job, JobUnknown, QueueFull, Webhook
from lipwright.service.jobs.store import JobStore

__all__ = ["ACTIVE", "FINAL", "Avatar", "CodeInUse", "Job", "JobStore", "JobUnknown", "QueueFull", "Webhook"]
