"""A proxy in front of a real PostgreSQL that counts round trips on the wire: how often the client waited for it."""

from __future__ import annotations

import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_BYTES = 1 << 16


class CountingProxy:
    """Passes bytes on, and counts each time that the server's come after the client's."""

    def __init__(self, server: Path, ours: Path, delay_seconds: float) -> None:
        self._server = server
        self._delay = delay_seconds
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(ours))
        self._listener.listen(128)
        self._living: list[socket.socket] = []
        self._lock = threading.Lock()
        self.trips = 0
        threading.Thread(target=self._accept, name="counting proxy", daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                with self._lock:
                    self._living += [client, server]
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        has_asked = False
        with selectors.DefaultSelector() as watched, suppress(OSError), client, server:
            watched.register(client, selectors.EVENT_READ, server)
            watched.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in watched.select():
                    source: socket.socket = key.fileobj  # pyright: ignore[reportAssignmentType]
                    chunk = source.recv(_BYTES)
                    if not chunk:
                        return
                    if source is client:
                        has_asked = True
                    elif has_asked:
                        has_asked = False
                        with self._lock:
                            self.trips += 1
                        time.sleep(self._delay)
                    key.data.sendall(chunk)

    def cut(self) -> None:
        """Break every connection that there is, as a restart of the server does; new ones are let through."""
        with self._lock:
            living, self._living = self._living, []
        for one in living:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let nobody in any more."""
        self._listener.close()
        self.cut()


@contextmanager
def counting(url: str, delay_seconds: float = 0.0) -> Iterator[tuple[CountingProxy, str]]:
    """Yield a proxy before the server of *url*, with *url* as it leads through it; each trip takes *delay_seconds*."""
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    with tempfile.TemporaryDirectory(prefix="px_") as ours:
        proxy = CountingProxy(folder / ".s.PGSQL.5432", Path(ours) / ".s.PGSQL.5432", delay_seconds)
        try:
            yield proxy, url.replace(str(folder), ours)
        finally:
            proxy.close()
