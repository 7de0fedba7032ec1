"""What happened, told to logs and metrics: never a prompt, an answer, a key or a plain user id.

Metrics bear OpenTelemetry's gen_ai names where these exist (semantic conventions 1.37: ``gen_ai.client.token.usage``,
``gen_ai.client.operation.duration``, ``gen_ai.server.time_to_first_token``), in Prometheus' spelling.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, cast

import orjson
import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from core.clock import Clock, SystemClock
from core.database_faults import DatabaseFault

disable_created_metrics()  # a ``_created`` series beside each counter would double what is scraped, and tells nothing
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""The bucket bounds that the gen_ai conventions recommend for durations."""
_MOMENTS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The bucket bounds of what takes less than a network does."""

_MOST_MODELS = 200
FAULT_TOLD_SECONDS = 10.0
_TIERS = frozenset({"", "priority", "flex", "fast", "batch", "scale"})


class _StandardError:
    """Standard error as it is when a line is written. A line that cannot be written is lost: it must not end a call."""

    def write(self, line: bytes) -> int:
        """Write a line."""
        with suppress(OSError, ValueError):
            sys.stderr.write(line.decode())
        return len(line)

    def flush(self) -> None:
        """Let it be seen."""
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def configure_logging(level: str) -> None:
    """Write one JSON object per line to standard error, from *level* on."""
    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", _StandardError())),
        cache_logger_on_first_use=True,
    )
    for name in ("openai", "anthropic", "httpx2", "httpcore2", "instructor", "psycopg", "openfeature"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # at DEBUG they log bodies; what matters we log ourselves


LINE_EVERY_SECONDS = 10.0
"""So often at most a library's warning of one kind is told."""
_UNTRUE = frozenset({"ASGI callable returned without completing handshake."})
"""What uvicorn says of each websocket that is refused with an answer: whoever is refused would fill the log with it."""


class _Untold:
    """How often what a library warns of came since it was told: whoever can make it warn must not fill the log."""

    def __init__(self) -> None:
        self._lock, self._clock = threading.Lock(), SystemClock()
        self._places: dict[str, tuple[float, int]] = {}
        """By the place in its source: places are as many as a library has lines that warn."""

    def told(self, where: str) -> int:
        """Return how many it is time to tell of; 0: it was told of a moment ago."""
        with self._lock:
            now = self._clock.monotonic()
            at, count = self._places.get(where, (-LINE_EVERY_SECONDS, 0))
            is_due = now - at >= LINE_EVERY_SECONDS
            self._places[where] = (now, 0) if is_due else (at, count + 1)
            return count + 1 if is_due else 0


def speak_for_libraries() -> None:
    """Let what libraries log from warnings on, and what ends a thread, be lines of ours: no tracebacks, no values.

    For a process that serves, not for a program that has a log of its own.
    """
    make, untold = logging.getLogRecordFactory(), _Untold()

    def make_ours(*details: Any, **more: Any) -> logging.LogRecord:
        record = make(*details, **more)
        if record.levelno >= logging.WARNING:
            error = record.exc_info[0] if record.exc_info else None
            # Its words are not repeated: they may quote a value. A text without any is the library's own.
            said = record.msg if error is None and isinstance(record.msg, str) and not record.args else None
            where = f"{record.filename}:{record.lineno}"
            if said not in _UNTRUE and (count := untold.told(where)):
                log().warning(
                    "library_warning",
                    logger=record.name,
                    error=error.__name__ if error else None,
                    where=where,
                    said=said,
                    count=count,
                )
            record.levelno = -1  # which no handler takes
        return record

    def tell_thread(ended: threading.ExceptHookArgs) -> None:
        name = ended.thread.name if ended.thread else ""
        log().error("thread_failed", thread=name, error=ended.exc_type.__name__)

    logging.setLogRecordFactory(make_ours)
    threading.excepthook = tell_thread


def _line(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


def log() -> Any:
    """Return the logger."""
    return structlog.get_logger()


def place(error: BaseException) -> str:
    """Return where *error* was raised, as file and line: never what it says, which may quote a value."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename.rpartition('/')[2]}:{frame.tb_lineno}" if frame else ""


class Metrics:
    """The process's metrics, in a registry of their own so that a second runtime can be built beside this one."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._models: set[tuple[str, str]] = set()
        self._children: dict[tuple[Any, ...], Any] = {}
        self.generations = Counter(
            "proctor_generations",
            "Generations, refusals included, by how they ended.",
            ["tenant", "route", "outcome"],
            registry=registry,
        )
        self.generation_seconds = Histogram(
            "proctor_generation_duration_seconds",
            "Wall time of a generation, all its attempts included.",
            ["tenant", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_seconds = Histogram(
            "proctor_generation_queue_seconds",
            "How long a generation waited for its turn before its first attempt.",
            ["tenant", "route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge("proctor_generations_in_flight", "Generations that are under way.", registry=registry)
        self.waiting = Gauge(
            "proctor_requests_waiting",
            "Requests to the API that wait for a place; the kinds are generate and read.",
            ["kind"],
            registry=registry,
        )
        self.shed = Counter(
            "proctor_requests_shed",
            "Requests to the API that were turned away as too many waited; of no tenant before its key is known.",
            ["tenant"],
            registry=registry,
        )
        self.client_reasks = Counter(
            "proctor_client_reasks",
            "Generations by which a client asked again for what another one had not given.",
            ["tenant", "route"],
            registry=registry,
        )
        self.workers_busy = Gauge(
            "proctor_workers_busy", "Processes that read just now, by what they read.", ["reads"], registry=registry
        )
        self.workers_waiting = Gauge(
            "proctor_workers_waiting",
            "What waits for a process to read it, by what it is.",
            ["reads"],
            registry=registry,
        )
        self.worker_seconds = Histogram(
            "proctor_worker_seconds",
            "Processor time that a process took to read something, by what that is and what it found.",
            ["reads", "found"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.workers_lost = Counter(
            "proctor_workers_lost",
            "Processes that are gone or could not be started, by what they read and the reason.",
            ["reads", "reason"],
            registry=registry,
        )
        self.repeats = Counter(
            "proctor_repeats",
            "Requests under the Idempotency-Key of an earlier one: answered as that was, or refused.",
            ["result"],
            registry=registry,
        )
        self.wrong_keys = Counter(
            "proctor_wrong_keys", "Requests to the API with a key that is not known.", registry=registry
        )
        self.gate_refusals = Counter(
            "proctor_gate_refusals",
            "Requests that were not let in, whoever they came from, by the reason.",
            ["reason"],
            registry=registry,
        )
        self.backlog = Gauge(
            "proctor_backlog_records",
            "Generations that have ended and wait to be put on record, because the database did not take them.",
            registry=registry,
        )
        self.attempts = Histogram(
            "gen_ai_client_operation_duration_seconds",
            "Duration of one provider call.",
            ["gen_ai_provider_name", "gen_ai_request_model", "error_type"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_token = Histogram(
            "gen_ai_server_time_to_first_token_seconds",
            "Time to the first piece of content of a streamed call.",
            ["gen_ai_provider_name", "gen_ai_request_model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "gen_ai_client_token_usage",
            "Tokens paid for; input includes cached.",
            ["tenant", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"],
            registry=registry,
        )
        self.cost = Counter(
            "proctor_cost_nano_usd",
            "Money spent, in nano-dollars.",
            ["tenant", "gen_ai_provider_name", "gen_ai_request_model"],
            registry=registry,
        )
        self.tier_cost = Counter(
            "proctor_service_tier_cost_nano_usd",
            "Money spent by the service tier that answered, in nano-dollars.",
            ["gen_ai_provider_name", "service_tier"],
            registry=registry,
        )
        self.unpriced = Counter(
            "proctor_unpriced_attempts",
            "Attempts whose model, or a tool that ran for it, has no known price.",
            ["gen_ai_provider_name", "gen_ai_request_model"],
            registry=registry,
        )
        self.findings = Counter(
            "proctor_guardrail_findings",
            "What guardrails found, each once in its generation and place, by what came of it.",
            ["guardrail", "stage", "action"],
            registry=registry,
        )
        self.guardrail_seconds = Histogram(
            "proctor_guardrail_duration_seconds",
            "How long the texts of one generation were judged.",
            buckets=_MOMENTS,
            registry=registry,
        )
        self.thresholds = Counter(
            "proctor_budget_thresholds",
            "Thresholds of budgets that were passed; 100 is the limit.",
            ["tenant", "scope", "percent"],
            registry=registry,
        )
        self.budget_waits = Counter(
            "proctor_budget_waits",
            "Calls that waited for money that other calls held, by what came of it: covered, refused or left.",
            ["tenant", "result"],
            registry=registry,
        )
        self.failed_open = Counter(
            "proctor_failed_open",
            "Decisions that were let through because what decides them was down.",
            ["room"],
            registry=registry,
        )
        self.verifications = Counter(
            "proctor_verifications",
            "How often this process verified books, trail or sums, by what it found.",
            ["result"],
            registry=registry,
        )
        self.chore_runs = Counter(
            "proctor_chore_runs",
            "How often this process did a chore, by how it ended: done or failed.",
            ["chore", "result"],
            registry=registry,
        )
        self.chore_seconds = Histogram(
            "proctor_chore_duration_seconds", "How long a chore took.", ["chore"], buckets=_SECONDS, registry=registry
        )
        self.chore_success = Gauge(
            "proctor_chore_last_success_timestamp_seconds",
            "When a chore was last done, by whichever process, in seconds since 1970.",
            ["chore"],
            registry=registry,
        )
        self.chore_late = Gauge(
            "proctor_chore_late_seconds",
            "For how long a chore has been due without being done.",
            ["chore"],
            registry=registry,
        )
        self.store_bytes = Gauge("proctor_store_bytes", "What the database takes on its disk.", registry=registry)
        self.store_free_bytes = Gauge(
            "proctor_store_free_bytes", "What is left on that disk; -1 where that is not known.", registry=registry
        )
        self.analytics_waiting = Gauge(
            "proctor_analytics_waiting_rows", "Rows that the analytics store is yet to be sent.", registry=registry
        )
        self.analytics_shipped = Gauge(
            "proctor_analytics_shipped_batch", "The newest batch that the analytics store has.", registry=registry
        )
        self.analytics_behind = Gauge(
            "proctor_analytics_behind_seconds", "For how long something has waited to be sent.", registry=registry
        )
        self.shared_up = Gauge(
            "proctor_shared_up",
            "Whether the Redis that the processes share answers: 1 or 0. Without one it is 1.",
            registry=registry,
        )

    def of(self, metric: Counter | Histogram, *labels: str) -> Any:
        """Return what of *metric* bears these labels; kept, as the library takes longer to find it than to count."""
        child = self._children.get((metric, *labels))
        if child is None:
            child = self._children[metric, *labels] = metric.labels(*labels)
        return child

    def who(self, provider: str, model: str, *, is_routed: bool = False) -> tuple[str, str]:
        """Return the labels of a model. One that a route names always has its own; past 200 all others share a name.

        For a caller may ask for any, and what he invents must not take the place of what is in use.
        """
        who = (provider, model)
        if who not in self._models:
            if len(self._models) >= _MOST_MODELS and not is_routed:
                return provider, "other"
            self._models.add(who)
        return who

    @staticmethod
    def tier(told: str) -> str:
        """Return the label of the service tier that a vendor told; one that nobody has heard of is ``other``."""
        return (told or "standard") if told in _TIERS else "other"

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)


def fault_teller(clock: Clock) -> Callable[[DatabaseFault | None], None]:
    """Return what logs what is wrong with the database, or that all is well again; nothing twice within a while."""
    told: list[tuple[float, DatabaseFault | None]] = []

    def tell(fault: DatabaseFault | None) -> None:
        now = clock.monotonic()
        told[:] = [(at, one) for at, one in told if now - at < FAULT_TOLD_SECONDS]
        if any(one is fault for _, one in told):
            return
        told.append((now, fault))
        if fault is None:
            log().warning("database_recovered")
        else:
            log().error("database_fault", reason=fault.value, detail=fault.sentence)

    return tell
