"""Whether a token is a provider's word about one sign-in: who signed it, for whom it is, when, and who asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from core.identity_providers import IdentityProvider

LEEWAY_SECONDS = 60
"""So far the clocks of the two may be apart."""
_LONGEST_SUBJECT = 255


class UntrueToken(Exception):
    """A token does not say what it would have to."""

    def __init__(self, what: str, *, may_be_newer_key: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.may_be_newer_key = may_be_newer_key


def claims_of(
    token: Mapping[str, Any],
    keys: Mapping[str, Any],
    provider: IdentityProvider,
    *,
    algorithms: Sequence[str],
    nonce: str,
    now: int,
) -> dict[str, Any]:
    """Return what the ``id_token`` of a token endpoint's answer says.

    Raises:
        UntrueToken: it is not signed by one of *keys*, or not for us, not now, or not for this browser.

    """
    from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 pyright: ignore[reportMissingTypeStubs]
    from joserfc import jwt  # noqa: PLC0415
    from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415
    from joserfc.jwk import KeySet  # noqa: PLC0415
    from joserfc.jws import JWSRegistry  # noqa: PLC0415

    checked: Any = CodeIDToken
    registry = JWSRegistry(algorithms=list(algorithms), strict_check_header=False)
    try:
        read = jwt.decode(token["id_token"], KeySet.import_key_set(cast("Any", keys)), registry=registry)
        claims: Any = checked(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "sub": {"essential": True},
                "nonce": {"essential": True, "value": nonce},
            },
            {"nonce": nonce, "client_id": provider.client_id, "access_token": token.get("access_token")},
        )
        claims.validate(now=now, leeway=LEEWAY_SECONDS)
    except InvalidKeyIdError:
        raise UntrueToken("key", may_be_newer_key=True) from None
    except JoseError as error:
        raise UntrueToken(error.error) from None
    except (ValueError, TypeError, KeyError):
        raise UntrueToken("form") from None
    found = dict(claims)
    subject = found.get("sub")
    if not isinstance(subject, str) or not subject.strip() or len(subject) > _LONGEST_SUBJECT:
        raise UntrueToken("sub")
    return found
