"""What the page of privacy gives away: all that is kept of a user, and the certificate of an erasure."""

from __future__ import annotations

from collections.abc import Iterator

from core.api.exports import Export
from core.documents import as_json
from core.principals import Principal
from core.runtime import Runtime
from core.user_exports import KeptUser


def _kept(runtime: Runtime, who: Principal, user: KeptUser) -> Iterator[bytes]:
    return runtime.user_exports.export(who, user).lines


def _certificate(runtime: Runtime, who: Principal, certificate_id: str) -> Iterator[bytes]:
    return iter((as_json(runtime.erasures.certificate(who, certificate_id).document()),))


# By his hashes: what stands in an address ends in logs, where nobody's name belongs.
USER = Export("privacy/user", KeptUser, _kept, media_type="application/x-ndjson")
CERTIFICATE = Export("privacy/certificate", str, _certificate, media_type="application/json")
FILES = (USER, CERTIFICATE)
