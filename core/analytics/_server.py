"""The analytics server: what is sent to it and asked of it, and what is wrong where it does not answer.

Of its errors a code and its name are told, and never their text, which quotes what was asked and by whom.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from core.clock import Clock
from core.errors import Unavailable

REASON = "analytics"
"""Of an ``Unavailable``: it is the analytics store that is meant."""
_CONNECT_SECONDS = 5
WRITE_SECONDS = 120
"""For so long whoever sends something waits for the server."""
_RESTS = timedelta(seconds=30)
"""For so long a server that did not answer is asked nothing."""
_TOO_SLOW = (159, 160)
"""Its codes of what took too long, or would."""


class TooSlow(Unavailable):
    """An answer took longer than it may; whoever asks again waits as long again."""


class AnalyticsServer:
    """One server, to which a connection is made when it is first asked."""

    def __init__(
        self, url: str, clock: Clock, connect: Callable[[], Any] | None = None, patience: float = WRITE_SECONDS
    ) -> None:
        """*patience*: after so many seconds nobody waits any longer for bytes of the server."""
        self._clock = clock
        self._connect = connect or (lambda: _connected(url, patience))
        self._client: Any = None
        self._lock = threading.Lock()
        self._rests_until: datetime | None = None

    def rows(self, sql: str, bound: Mapping[str, Any], seconds: float = 0) -> Sequence[Sequence[Any]]:
        """Return the rows of a SELECT, whose parameters are ``{name:Type}``; after so many seconds it is ended there.

        Raises:
            TooSlow: it took longer.
            Unavailable: the server does not answer, or not so.

        """
        settings = {"max_execution_time": max(1, round(seconds))} if seconds else {}
        return self._told(lambda client: client.query(sql, parameters=dict(bound), settings=settings).result_rows)

    def command(self, sql: str) -> None:
        """Run a statement that returns nothing."""
        self._told(lambda client: client.command(sql))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows; once this returns the server has them, and whoever asks it sees them."""
        settings = {"async_insert": 0, "wait_end_of_query": 1, "max_partitions_per_insert_block": 0}
        self._told(lambda client: client.insert(table, rows, column_names=columns, settings=settings))

    def close(self) -> None:
        """Close the connection, if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _told(self, ask: Callable[[Any], Any]) -> Any:
        """Ask, and tell in our words what is wrong."""
        try:
            found = ask(self._open())
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 the library has its own, and that of whatever it sends by
            raise self._unavailable(error) from None  # its text, and that of what it came of, quotes what was asked
        self._rests_until = None
        return found

    def _open(self) -> Any:
        self._require_rested()
        with self._lock:
            if self._client is None:
                self._require_rested()  # whoever had the lock may have waited in vain: one wait is enough
                try:
                    self._client = self._connect()
                except Unavailable:
                    raise
                except Exception as error:  # noqa: BLE001 as above
                    raise self._unavailable(error) from None
            return self._client

    def _require_rested(self) -> None:
        if self._rests_until is not None and self._clock.now() < self._rests_until:
            raise Unavailable("The analytics store did not answer a moment ago.", reason=REASON)

    def _unavailable(self, error: Exception) -> Unavailable:
        code, name = getattr(error, "code", None), getattr(error, "name", None)
        if code in _TOO_SLOW:
            return TooSlow(
                "The answer took longer than it may and was given up: choose a shorter time, or one tenant. "
                "REPORT_SECONDS says how long it may take.",
                reason=REASON,
            )
        if code is None:
            self._rests_until = self._clock.now() + _RESTS
            told = f"The analytics store does not answer ({type(error).__name__}). Look at the server in ANALYTICS_URL."
            return Unavailable(told, reason=REASON)
        named = f"{code} {name}" if name else str(code)
        return Unavailable(f"The analytics store refused what it was asked: its error {named}.", reason=REASON)


def _connected(url: str, patience: float) -> Any:
    try:
        import clickhouse_connect  # noqa: PLC0415 who sets no store need not have it, nor load it
    except ImportError:
        told = "ANALYTICS_URL names a store, and what speaks to it is not installed: install proctor[clickhouse]."
        raise Unavailable(told, reason=REASON) from None
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # what it says quotes what was asked
    parts = urlsplit(url)
    is_secure = parts.scheme in {"clickhouses", "https"}
    more = {name: values[0] for name, values in parse_qs(parts.query).items() if name == "ca_cert"}
    library: Any = clickhouse_connect
    return library.get_client(
        host=parts.hostname,
        port=parts.port or (8443 if is_secure else 8123),
        interface="https" if is_secure else "http",
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "default",
        connect_timeout=_CONNECT_SECONDS,
        send_receive_timeout=max(1, round(patience)),
        autogenerate_session_id=False,  # in a session one question waits for the other
        form_encode_query_params=True,  # a list of tenants would be too long for an address
        client_name="proctor",
        **more,
    )
