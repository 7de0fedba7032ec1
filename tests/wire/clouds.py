"""What the clouds have of their own: Amazon's frames of a stream, its signatures, and where each gives its tokens."""

from __future__ import annotations

import base64
import struct
import threading
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.wire.answering import AnsweringServer

SECRET = "aws-secret-of-nobody"
GRANTED_SECONDS = 3600.0


def amazon_frames(*events: Any, failing: str = "") -> bytes:
    """Return *events* as Amazon's event stream has them; with *failing* an exception of this name ends it."""
    framed = [
        _frame(
            {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"},
            orjson.dumps({"bytes": base64.b64encode(orjson.dumps(event)).decode(), "p": "abcd"}),
        )
        for event in events
    ]
    if failing:
        told = {":exception-type": failing, ":content-type": "application/json", ":message-type": "exception"}
        framed.append(_frame(told, b'{"message":"it broke"}'))
    return b"".join(framed)


def _frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one frame: lengths and their checksum, headers (of kind 7, a text), payload, the checksum of all."""
    named = b"".join(
        bytes((len(name),)) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(named) + len(payload), len(named))
    told = prelude + struct.pack(">I", zlib.crc32(prelude)) + named + payload
    return told + struct.pack(">I", zlib.crc32(told))


def is_signed(method: str, url: str, headers: Mapping[str, str], body: bytes, *, key: str, region: str) -> bool:
    """Whether a request that came has the signature that its own headers and body ask for, by Amazon's library."""
    told = headers.get("authorization", "")
    if not told.startswith("AWS4-HMAC-SHA256 "):
        return False
    parts = dict(one.strip().split("=", 1) for one in told.removeprefix("AWS4-HMAC-SHA256 ").split(","))
    names = parts["SignedHeaders"].split(";")
    request = AWSRequest(method, url, data=body, headers={name: headers[name] for name in names})
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(key, SECRET, headers.get("x-amz-security-token")), "bedrock", region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return signer.signature(text, request) == parts["Signature"] and {"host", "x-amz-date"} <= set(names)


class TokenServer(AnsweringServer):
    """Where a process gets its tokens: Azure's managed identity, Google's token endpoint, Amazon's containers."""

    def __init__(self, public_key: Any = None) -> None:
        self.granted: list[str] = []
        """What was given, in order, each with the name of its cloud before it."""
        self.seconds = GRANTED_SECONDS
        """How long what it gives from now on holds."""
        self.is_closed = False
        """Whether it gives nothing."""
        self.gate = threading.Event()
        """What every answer waits for."""
        self.gate.set()
        self._public_key = public_key
        super().__init__()

    def asked_for(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Answer each cloud's way to ask."""
        status, told = self.asked(path, headers, body)
        return status, orjson.dumps(told)

    def asked(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Return what somebody is given who asks as his cloud's library does."""
        self.gate.wait(20)
        there, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        named = {name.lower(): text for name, text in headers.items()}
        if self.is_closed:
            return 400, {"error": "invalid_grant", "message": "closed"}
        match there:
            case "/azure" if named.get("x-identity-header") == "a-secret" and "resource" in query:
                ends = int(datetime.now(UTC).timestamp() + self.seconds)
                return 200, {"access_token": self._grant("azure"), "expires_on": str(ends), "token_type": "Bearer"}
            case "/google" if self._is_google_s(parse_qs(body.decode())):
                return 200, {"access_token": self._grant("google"), "expires_in": int(self.seconds)}
            case "/aws" if named.get("authorization") == "a-secret":
                until = datetime.now(UTC) + timedelta(seconds=self.seconds)
                ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
                return 200, {
                    "AccessKeyId": self._grant("aws"),
                    "SecretAccessKey": SECRET,
                    "Token": "a-session",
                    "Expiration": ends,
                }
            case _:
                return 403, {"message": "not so"}

    def _is_google_s(self, form: Mapping[str, list[str]]) -> bool:
        """Whether a form asks for a token as a service account does, with an assertion that its key has signed."""
        told = jwt.decode(form["assertion"][0], self._public_key, algorithms=["RS256"], options={"verify_aud": False})
        return form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"] and "scope" in told

    def _grant(self, cloud: str) -> str:
        self.granted.append(f"{cloud}-{len(self.granted) + 1}")
        return self.granted[-1]
