"""An OpenID Connect provider that says whatever a test wants: real HTTP, real signatures, true or not."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from tests.wire.answering import AnsweringServer

CLIENT_ID, CLIENT_SECRET = "proctor", "a-secret-of-this-client-alone-0123456789"
KEY, NEWER_KEY, STRANGE_KEY = (RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two", "one"))
"""Two of the provider's, and another's under the name of the first."""
SECRET_KEY = OctKey.import_key(CLIENT_SECRET)
ANY_ALGORITHM = JWSRegistry(algorithms=["RS256", "HS256"])


class OidcServer(AnsweringServer):
    """It knows one client, and each code once."""

    def __init__(self) -> None:
        self.keys: list[RSAKey] = [KEY]
        """What it publishes."""
        self.metadata: dict[str, Any] = {}
        """What it says of itself in another way than it should."""
        self.claims: dict[str, Any] = {}
        """What its tokens say beside, or in the place of, what is true; ``None`` leaves a claim out."""
        self.told: dict[str, Any] = {}
        """What it tells at its userinfo endpoint beside who it is."""
        self.signs: tuple[dict[str, Any], Any] = ({"alg": "RS256", "kid": "one"}, KEY)
        self.answers: Mapping[str, tuple[int, bytes]] = {}
        """What it answers instead, by path."""
        self.asked: list[str] = []
        """The paths that were asked, in order."""
        self._begun: dict[str, dict[str, str]] = {}
        super().__init__()

    def asked_for(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Answer what is public, userinfo, and the token endpoint."""
        sent = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if body:
            sent["authorization"] = next(
                (value for name, value in headers.items() if name.lower() == "authorization"), ""
            )
        return self.answered(urlsplit(path).path, sent)

    def signed_in(self, address: str, subject: str = "1") -> tuple[str, dict[str, str]]:
        """Do as a person does who is sent to *address* and signs in; return the callback's address and parameters."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self._begun)}"
        self._begun[code] = asked | {"sub": subject}
        return asked["redirect_uri"], {"code": code, "state": asked["state"]}

    def answered(self, path: str, sent: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        match path:
            case "/.well-known/openid-configuration":
                return 200, json.dumps(self._metadata()).encode()
            case "/keys":
                return 200, json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()
            case "/me":
                return 200, json.dumps({"sub": self._subject} | self.told).encode()
            case "/token":
                return self._token(sent)
            case _:
                return 404, b"{}"

    def _metadata(self) -> dict[str, Any]:
        true = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/me",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return true | self.metadata

    def _token(self, sent: Mapping[str, str]) -> tuple[int, bytes]:
        begun = self._begun.pop(sent.get("code", ""), None)
        verifier = sent.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).decode().rstrip("=")
        ours = f"Basic {base64.b64encode(f'{CLIENT_ID}:{CLIENT_SECRET}'.encode()).decode()}"
        if begun is None or begun.get("code_challenge") != challenge or sent["authorization"] != ours:
            return 400, json.dumps({"error": "invalid_grant"}).encode()
        self._subject = begun["sub"]
        now = self.now
        true = {"iss": self.url, "sub": begun["sub"], "aud": CLIENT_ID, "iat": now, "exp": now + 300}
        claims = {
            name: value for name, value in (true | {"nonce": begun["nonce"]} | self.claims).items() if value is not None
        }
        header, key = self.signs
        if header["alg"] == "none":  # the library writes no such token without a warning
            parts = (
                base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims)
            )
            token = f"{'.'.join(parts)}."
        else:
            token = jwt.encode(header, claims, key, registry=ANY_ALGORITHM)
        return 200, json.dumps({"access_token": "secret", "token_type": "Bearer", "id_token": token}).encode()

    now = 0
    """What time its tokens are of, in seconds since 1970."""
    _subject = ""
