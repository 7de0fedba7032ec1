"""Which of the texts of an answer is the object that was asked for; read here, or by a worker where that is heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from core.object_texts import LONG, json_texts, looks_bare
from core.response_models import ResponseModel
from core.schema_forms import SchemaForm
from core.validation import Effort, Extent
from core.workers._order import Order, WorkerReply, Written

MOST_LOOKS = 50_000
"""Looks of a subschema at a place that are made here: some milliseconds at worst, a tenth of one as a rule."""
MOST_BYTES = 200_000
"""The longest answer that is read here; to parse one that is longer takes as long as the looks."""
MOST_MATCHING = 30_000_000
"""Bytes of compiled pattern times bytes of text that are matched here."""
MOST_TRIES = 10
"""Texts that are matched here by patterns that backtrack."""
BRIEFLY = 0.01
"""Seconds of this thread's processor time for which it is tried here to find what is wrong with a small answer."""

LOST = (
    "The answer came, but no worker process found out whether it satisfies the schema: those that read it ended, or "
    "none was free. The log tells of it as worker_lost. Ask for a smaller object."
)

_Model = TypeVar("_Model", bound=BaseModel)


class Unjudged(Exception):
    """Whether an answer satisfies its schema was not found out: the deadline passed, or, where it says so, why else."""


def first_valid(model: type[BaseModel], written: Written, effort: Effort, form: SchemaForm | None = None) -> BaseModel:
    """Return the first valid object in what was *written* to *form*; all places are paid from one *effort*.

    The likeliest text gets its verdict in any case: what that can cost is known before.

    Raises:
        ValidationError: there is none. It tells of the first text that is JSON, or of the first.
        Unjudged: the deadline passed while it was looked for, or no worker could tell.

    """
    leads_back = form is not None and bool(form.way_back)
    can_go = not leads_back or bool(form and form.named_vendor)
    order = Order(written, (form.named_vendor, form.asked) if form and leads_back else None)
    return _read(model, order, effort, lambda paid: found_here(model, written, paid, form), can_go=can_go)


def validated(model: type[ResponseModel], text: str, effort: Effort) -> BaseModel:
    """Return *text* as a valid object; all of it is one.

    Raises:
        ValidationError: it is none.
        Unjudged: no worker could tell.

    """
    order = Order(Written((text,)), is_bare=True)
    return _read(model, order, effort, lambda paid: model.model_validate_json(text, context=paid))


def found_here(model: type[_Model], written: Written, effort: Effort, form: SchemaForm | None) -> _Model:
    """Return the first valid object in what was *written*, read in this process; raises as :func:`first_valid`."""
    errors: list[ValidationError] = []
    for text in _candidates(written.places() or ("",)):
        if errors and effort.is_spent:
            break
        try:
            return _valid(form, model, text, effort)
        except ValidationError as error:
            errors.append(error)
    if effort.was_late:
        raise Unjudged
    raise next((error for error in errors if not _is_no_json(error)), errors[0])


def _candidates(texts: Sequence[str]) -> Iterable[str]:
    return (text for written in texts for text in json_texts(written))


def _is_no_json(error: ValidationError) -> bool:
    return error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == "json_invalid"


def _valid(form: SchemaForm | None, model: type[_Model], text: str, effort: Effort) -> _Model:
    """Return *text* as a valid object, as the form leads back to the author's schema, or else as it was written."""
    restored = form.restored(text) if form else text
    try:
        return model.model_validate_json(restored, context=effort)
    except ValidationError:
        if restored is not text:
            with suppress(ValidationError):
                return model.model_validate_json(text, context=effort)
        raise


def _read(
    model: type[BaseModel], order: Order, effort: Effort, here: Callable[[Effort], BaseModel], *, can_go: bool = True
) -> BaseModel:
    """Return what *order* finds: *here* where that is light, else by a worker, where there is one."""
    workers = effort.workers
    if workers is None or not can_go or not issubclass(model, ResponseModel):
        return here(effort)
    if not is_heavy(model, order):
        brief = effort.brief(BRIEFLY)
        try:
            return here(brief)
        except (ValidationError, Unjudged):
            if not brief.was_spent:
                raise
    reply = workers.read(model, order, effort)
    return here(effort) if reply is None else _taken(model, reply, effort)


def is_heavy(model: type[ResponseModel], order: Order) -> bool:
    """Whether it is known beforehand that to read what was written may take long."""
    texts = order.written.texts
    size = sum(map(len, texts))
    if order.written.blocks or (size > LONG and not (order.is_bare or all(map(looks_bare, texts)))):
        return True
    cost = model.form.validator.cost
    if size > MOST_BYTES or cost.pattern_bytes * size > MOST_MATCHING:
        return True
    if (size + 1) * cost.visits <= MOST_LOOKS and not cost.backtracking:  # no value is shorter than a byte
        return False
    values = sum(Extent.of_text(text.encode("utf-8", "surrogatepass")).values for text in texts)
    return values * cost.visits > MOST_LOOKS or values * cost.backtracking > MOST_TRIES


def _taken(model: type[ResponseModel], reply: WorkerReply, effort: Effort) -> ResponseModel:
    """Return what a worker found, or raise it as it would have been raised here."""
    effort.charge(reply.seconds)
    if reply.found == "valid":
        return model.of_text(reply.text)
    if reply.found == "invalid":
        raise model.failure([(tuple(loc), kind, message) for loc, kind, message in reply.problems])
    raise Unjudged(LOST if reply.found == "lost" else "")
