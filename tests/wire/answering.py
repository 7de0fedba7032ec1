"""A small server that answers JSON: what those have in common that are no provider of models."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class AnsweringServer:
    """Real HTTP on a port of its own, from entering to leaving it."""

    more_headers: Mapping[str, str] = {}
    """What each answer has beside the usual ones."""

    def __init__(self) -> None:
        given = self

        class Door(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base's own name
                """Say nothing."""

            def do_GET(self) -> None:
                """Answer what is asked without a body."""
                self._answer(b"")

            def do_POST(self) -> None:
                """Answer what is sent."""
                self._answer(self.rfile.read(int(self.headers["content-length"])))

            def _answer(self, body: bytes) -> None:
                status, content = given.asked_for(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                for name, value in given.more_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def asked_for(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Return the status and the text of the answer to one request."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
