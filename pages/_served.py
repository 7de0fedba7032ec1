"""Every address that the console's framework answers, and whom; the gate lets nobody to any other.

What a later release of it adds is not there until it stands here; a test compares the list with the routes of the
release that is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.api.served import ServedAddress, To

FRAMEWORK = (
    ServedAddress("/_stcore/health", To.OPERATIONS),
    ServedAddress("/_stcore/host-config", To.CONSOLE),
    ServedAddress("/_stcore/stream", To.CONSOLE, is_socket=True),
    ServedAddress("/_stcore/upload_file/*", To.CONSOLE, methods=frozenset({"PUT", "DELETE"})),  # nothing is read there
    ServedAddress("/media/*", To.NOBODY),  # it asks nobody whose a file is: files leave by /export
    ServedAddress("/app/static/*", To.ASSETS),
    ServedAddress("/static/*", To.ASSETS),
    ServedAddress("/favicon.png", To.ASSETS),
    ServedAddress("/_stcore/metrics", To.NOBODY),  # of sessions and caches, with people's names if it is told to
    ServedAddress("/_stcore/script-health-check", To.NOBODY),  # it runs a page for whoever asks
    ServedAddress("/_stcore/bidi-components/*", To.NOBODY),  # no page has a component that is not the framework's own
    ServedAddress("/component/*", To.NOBODY),
    ServedAddress("/_stcore/agent/interact", To.NOBODY),  # it drives pages, as whoever a header names
    ServedAddress("/_stcore/agent/openapi.json", To.NOBODY),
    ServedAddress("/_stcore/agent/mcp", To.NOBODY),
    ServedAddress("/auth/login", To.NOBODY),
    ServedAddress("/auth/logout", To.NOBODY),
    ServedAddress("/oauth2callback", To.NOBODY),
    ServedAddress("/manifest.json", To.NOBODY),
    ServedAddress("/index.html", To.NOBODY),
)

FORCED: Mapping[str, Any] = {
    "global.developmentMode": False,
    "server.allowedHosts": [],
    "server.baseUrlPath": "",
    "server.corsAllowedOrigins": [],
    "server.enableAgentApi": False,
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.scriptHealthCheckEnabled": False,
    "server.trustedUserHeaders": {},
    "server.unsafeMetricsUserAttributes": [],
}
"""Options of the framework that hold whatever its environment says: each of them opens something, or does the gate's
work by other rules.
"""


def pages() -> tuple[ServedAddress, ...]:
    """Return the addresses of the console's pages."""
    names = sorted(path.parent.name for path in Path(__file__).parent.glob("*/page.py"))
    names.remove("home")  # it is the first page, which has no name in an address
    addresses = ["/", *(f"/{name}{end}" for name in names for end in ("", "/"))]
    return tuple(ServedAddress(address, To.PAGES) for address in addresses)
