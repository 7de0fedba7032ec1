"""How schemas, versions and labels are named, and what is said of names that name nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from core.errors import Invalid, NotFound
from core.response_models import ResponseModel, field_errors
from core.schemas._versions import NAME, NUMBER
from core.schemas._views import SchemaSummary

PRODUCTION = "production"
"""The label that a bare name means."""
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def parts_of(reference: str) -> tuple[str, str]:
    """Return the name and the label, or the number, that *reference* consists of.

    Raises:
        Invalid: it is written otherwise.

    """
    name, at, which = reference.partition("@")
    label = which if at else PRODUCTION
    if not (NAME.fullmatch(name) and (NUMBER.fullmatch(label) or _LABEL.fullmatch(label))):
        raise Invalid(f"{reference[:80]!r} is no schema; write name, name@label or name@3.")
    return name, label


def not_found(schemas: Iterable[SchemaSummary], name: str, which: str) -> NotFound:
    """Return the error that there is no version *which* (a label or a number) of *name*; it tells what there is."""
    summaries = {summary.name: summary for summary in schemas}
    if (summary := summaries.get(name)) is None:
        there = ", ".join(summaries) or "none yet; add one first"
        return NotFound(f"There is no schema {name[:80]!r}. There are: {there[:400]}.")
    labels = ", ".join(f"{label} (version {version})" for label, version in summary.labels.items()) or "none"
    wanted = f"version {which}" if which.isdecimal() else f"version labelled {which!r}"
    newest = f"1 to {summary.latest}" if summary.latest > 1 else "1"
    return NotFound(f"The schema {name!r} has no {wanted}. It has version {newest}; its labels: {labels}.")


def check_name(name: str) -> None:
    """Take only what can name a schema.

    Raises:
        Invalid: it cannot.

    """
    if not NAME.fullmatch(name):
        raise Invalid(
            f"{name[:80]!r} cannot name a schema; use up to 63 lower-case letters, digits and _, a letter first."
        )


def check_label(label: str | None) -> None:
    """Take only what can be a label, or none.

    Raises:
        Invalid: it cannot.

    """
    if label is not None and not _LABEL.fullmatch(label):
        raise Invalid(
            f"{label[:80]!r} cannot be a label; use up to 32 lower-case letters, digits, - and _, a letter first."
        )


def check_example(model: type[ResponseModel], example: Any) -> None:
    """Take only an example that satisfies its schema, or none.

    Raises:
        Invalid: it does not; the message says where.

    """
    if example is None:
        return
    try:
        model.model_validate(example)
    except ValidationError as error:
        first = field_errors(error)[0]
        raise Invalid(f"The example output breaks its own schema at {first.path}: {first.message}.") from None
