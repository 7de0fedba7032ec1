"""What browsers are told of each answer: what a page may load, who may frame it, who else may read it."""

from __future__ import annotations

from collections.abc import Mapping

from core.api.served import To

HSTS = (b"strict-transport-security", b"max-age=31536000")
"""For answers that go out behind https alone: a browser that has read it comes by no other way for a year."""

_DATA = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_INLINE = "sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA="
_PAGE = (
    f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval' '{_INLINE}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "media-src 'self' blob:; manifest-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_FORM = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; font-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
NOTICE = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""For a page of ours that says no."""
_PERMISSIONS = (
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), "
    "midi=(), payment=(), publickey-credentials-get=(), usb=()"
)


def _headers(policy: str, *, is_page: bool = False) -> tuple[tuple[bytes, bytes], ...]:
    told = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",  # for what does not know frame-ancestors
        "referrer-policy": "no-referrer" if not is_page else "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
    }
    if is_page:
        told["permissions-policy"] = _PERMISSIONS
    return tuple((name.encode(), value.encode()) for name, value in told.items())


HEADERS: Mapping[To, tuple[tuple[bytes, bytes], ...]] = {
    To.PROGRAMS: _headers(_DATA),
    To.OPERATIONS: _headers(_DATA),
    To.PAGES: _headers(_PAGE, is_page=True),
    To.CONSOLE: _headers(_DATA),
    To.SIGN_IN: _headers(_FORM, is_page=True),
    To.ASSETS: _headers(_DATA),
    To.NOBODY: _headers(_DATA),
}
"""What is added to every answer, by whom its address is open to."""
