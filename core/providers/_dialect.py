"""What the vendors' dialects share: Instructor's frames of requests, its words of re-asks, and how answers are read.

Instructor prepares requests and words re-asks; its control loop is not used (docs/architecture.md says why). The frame
of a request, which is all of it but the messages, depends on schema and mode only, so it is made once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import instructor
from instructor.v2 import mode_registry
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from pydantic import BaseModel

from core.schema_forms import SchemaForm, form_for

logging.getLogger("instructor").setLevel(logging.CRITICAL)  # it logs values of invalid fields at ERROR

MODES: Mapping[str, Mode] = {
    "tools": Mode.TOOLS,
    "json_schema": Mode.JSON_SCHEMA,
    "json": Mode.JSON,
    "md_json": Mode.MD_JSON,
}


@lru_cache(maxsize=1024)
def in_instructor(response_model: type[BaseModel]) -> type[BaseModel]:
    """Return *response_model* as Instructor wants it, wrapped once: it would build a class per call otherwise."""
    if issubclass(response_model, instructor.ResponseSchema):
        return response_model
    bases: tuple[type, ...] = (response_model, instructor.ResponseSchema)
    return type(response_model.__name__, bases, {"__doc__": response_model.__doc__})  # pyright: ignore[reportGeneralTypeIssues] it sees one base of two


@lru_cache(maxsize=1024)
def frame(vendor: Vendor, mode: Mode, response_model: type[BaseModel]) -> Mapping[str, Any]:
    """Return the part of a request that does not depend on its messages, prepared by Instructor. Do not change it."""
    _, prepared = mode_registry.get_handlers(vendor, mode).request_handler(
        response_model=in_instructor(response_model), kwargs={"messages": []}
    )
    return {name: value for name, value in prepared.items() if name not in ("messages", "system")}


@lru_cache(maxsize=1024)
def schema_form(response_model: type[BaseModel], vendor: str, mode: str) -> SchemaForm:
    """Return what *vendor* is sent of the schema in *mode*, worked out once."""
    return form_for(response_model.model_json_schema(), vendor, mode)


def in_messages(
    vendor: Vendor, mode: Mode, response_model: type[BaseModel], messages: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a request prepared by Instructor for a mode that writes the schema into the messages."""
    _, prepared = mode_registry.get_handlers(vendor, mode).request_handler(
        response_model=in_instructor(response_model), kwargs={"messages": messages}
    )
    return dict(prepared)


def ask_again(vendor: Vendor, mode: Mode, messages: list[dict[str, Any]], response: Any, error: Exception) -> list[Any]:
    """Return the messages that Instructor adds for an invalid answer."""
    known = len(messages)
    kwargs = mode_registry.get_handlers(vendor, mode).reask_handler(
        kwargs={"messages": list(messages)}, response=response, exception=error
    )
    return kwargs["messages"][known:]
