"""Messages to whoever wants to know that a job has ended, signed by the Standard Webhooks scheme.

Delivered at least once: a message that was taken and whose answer got lost is sent again under the same event id.
"""

import json
import logging
import random
import threading
import time
from binascii import Error as NotBase64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Protocol

from standardwebhooks.webhooks import EmptyWebhookSecretError
from standardwebhooks.webhooks import Webhook as Signer

from lipwright.errors import OptionError
from lipwright.service.fetch import AddressRefused, FetchError, post
from lipwright.service.jobs import Job, Webhook

DELAYS_S = (
    5,
    60,
    300,
    1800,
    7200,
    18_000,
    36_000,
    36_000,
)  # after the first failure, the second …; then it is given up
SPREAD = 0.2  # share of a delay by which it may be longer, so that messages that failed together do not come together
GONE = 410  # the receiver says that it wants no more
POLL_S = 1.0
AT_ONCE = 4
log = logging.getLogger(__name__)


class Refused(FetchError):
    """The receiver did not take a message."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered with status {status}, a status of 200 to 299 was wanted")
        self.final = status == GONE


class Outbox(Protocol):
    """What the sender needs of `lipwright.service.jobs.JobStore`."""

    def due_webhooks(self, limit: int = 20) -> list[Webhook]:
        """Messages whose time has come; nobody else is given them for a while."""
        ...

    def webhook_sent(self, message: Webhook) -> None:
        """Say that a message has arrived."""

    def webhook_failed(self, message: Webhook, error: str, next_at: float | None) -> None:
        """Say that it has not, and when to try again; None: never."""


def signer(secret: str) -> Signer:
    """What signs with that secret.

    Raises:
        OptionError: it is no secret of the scheme.
    """
    try:
        made = Signer(secret)
    except (EmptyWebhookSecretError, NotBase64, ValueError) as exc:
        raise OptionError(
            "the webhook secret is not base64 after `whsec_`; encode 24 random bytes so, or leave it out"
        ) from exc
    return made


def deliver(url: str, event_id: str, body: dict[str, Any], sign: Signer, *, allow_private: bool = False) -> None:
    """Send one message.

    Args:
        url: the receiver's.
        event_id: the same at every attempt.
        body: is sent as JSON.
        sign: of `signer`.
        allow_private: also to this machine and the network around it.

    Raises:
        FetchError: it was not taken.
    """
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    now = datetime.now(UTC)
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": sign.sign(event_id, now, text),
    }
    status = post(url, text.encode(), headers, allow_private=allow_private)
    if not 200 <= status < 300:
        raise Refused(status)


def next_attempt(failures: int, error: FetchError, now: float) -> float | None:
    """When to try again after so many failures, in seconds since 1970; None: never."""
    hopeless = isinstance(error, AddressRefused) or (isinstance(error, Refused) and error.final)
    if hopeless or failures > len(DELAYS_S):
        return None
    return now + DELAYS_S[failures - 1] * random.uniform(1, 1 + SPREAD)  # noqa: S311 - no secret


class WebhookSender:
    """Sends what is due, in threads of its own, from `start` to `stop`.

    Args:
        outbox: where messages wait.
        body: of the message about a job.
        secret: signs.
        allow_private: see `deliver`.

    Raises:
        OptionError: the secret is none.
    """

    def __init__(
        self, outbox: Outbox, body: Callable[[Job], dict[str, Any]], *, secret: str, allow_private: bool = False
    ) -> None:
        self._outbox = outbox
        self._body = body
        self._sign = signer(secret)
        self._allow_private = allow_private
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the messages that are on their way."""
        self._over.set()
        self._thread.join()

    def send_due(self) -> int:
        """Send what is due now, some at a time. Returns how many messages that were, arrived or not."""
        due = self._outbox.due_webhooks(AT_ONCE * 4)
        if due:
            with ThreadPoolExecutor(AT_ONCE, "webhook") as pool:
                list(pool.map(self._send, due))
        return len(due)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                sent = self.send_due()
            except Exception:  # whatever it was, such as a database away for a moment: later messages shall go out
                log.exception("webhooks could not be sent; trying again")
                sent = 0
            if not sent:
                self._over.wait(POLL_S)

    def _send(self, message: Webhook) -> None:
        job = message.job
        try:
            body = self._body(job)
            deliver(str(job.webhook), message.event_id, body, self._sign, allow_private=self._allow_private)
        except FetchError as exc:
            self._failed(message, exc)
        except Exception as exc:  # the others of this round shall go out
            log.exception("webhook of job %s cannot be made", job.id)
            self._failed(message, FetchError(f"unexpected {type(exc).__name__}; the server's log says more"))
        else:
            log.info("webhook of job %s delivered", job.id)
            self._outbox.webhook_sent(message)

    def _failed(self, message: Webhook, error: FetchError) -> None:
        again = next_attempt(message.attempts + 1, error, time.time())
        told = "given up" if again is None else f"next attempt in {again - time.time():.0f} s"
        log.warning("webhook of job %s failed: %s; %s", message.job.id, error, told)
        self._outbox.webhook_failed(message, str(error), again)
