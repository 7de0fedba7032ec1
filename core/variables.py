"""Where settings are read from beside variables of their own: secret files, and things that a list names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsError

from core.identity_providers import named_identity_providers
from core.servers import named_servers

_PIPELINE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_MOST_PIPELINES = 8


def read_pipelines(text: str) -> Mapping[str, str]:
    """Return the pipelines of a list with commas, ``en=en_core_web_lg,de=/srv/models/de``: packages or folders.

    Raises:
        ValueError: it cannot be read.

    """
    found: dict[str, str] = {}
    for number, part in enumerate((part.strip() for part in text.split(",") if part.strip()), 1):
        name, _, where = part.partition("=")
        if not _PIPELINE_NAME.fullmatch(name) or not (where.isidentifier() or PurePosixPath(where).is_absolute()):
            raise ValueError(f"entry {number} is not name=package or name=/folder, such as en=en_core_web_lg")
        found[name] = where
    if len(found) > _MOST_PIPELINES:
        raise ValueError(f"it names {len(found)} pipelines, and each is a process: at most {_MOST_PIPELINES} are taken")
    return found


def read_analytics(text: str) -> str:
    """Return the address of an analytics store, ``clickhouse://user:password@host:8123/database``.

    Raises:
        ValueError: it cannot be used; what is wrong is said without the password.

    """
    text = text.strip()
    if not text:
        return ""
    if text.partition("://")[0].lower() not in {"clickhouse", "clickhouses", "http", "https"}:
        raise ValueError("it must start with clickhouse://, or clickhouses:// for TLS")
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("it names no host and port, such as clickhouse://user:password@host:8123/database")
    return text


class SecretFiles(EnvSettingsSource):
    """``NAME_FILE`` holds the path of a file whose content is the value of ``NAME``, as secret managers mount them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return what the file of a field's variable holds."""
        del field
        return _secret_file(field_name.upper(), self.env_vars), field_name, False


def _secret_file(name: str, environment: Mapping[str, str | None]) -> str | None:
    path = environment.get(f"{name.lower()}_file")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{name}_FILE names {path!r}, which cannot be read: {error}.") from None


class NamedThings(PydanticBaseSettingsSource):
    """``PROVIDERS`` and ``OIDC_PROVIDERS`` list names; what each is stands in variables that begin with its name."""

    def __init__(self, settings_cls: type[BaseSettings], *sources: EnvSettingsSource) -> None:
        super().__init__(settings_cls)
        self._sources = sources

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return nothing: a list is read whole."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the lists name."""
        found: dict[str, Any] = {}
        for name, read in (("PROVIDERS", named_servers), ("OIDC_PROVIDERS", named_identity_providers)):
            try:
                if names := self._variable(name):
                    found[name.lower()] = read(names, self._variable)
            except ValueError as error:
                raise SettingsError(f"{name} cannot be read") from error
        return found

    def _variable(self, name: str) -> str | None:
        """Return the value of a variable: from the environment, else from the file that it names, else from .env."""
        environment, *others = (source.env_vars for source in self._sources)
        found = environment.get(name.lower())
        if found is None:
            found = _secret_file(name, environment)
        return found or next((value for one in others if (value := one.get(name.lower()))), None)
