"""What every command is made of: settings or runtime in, an answer out, as text or as one JSON document."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from core.documents import paid
from core.errors import ProctorError

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.settings import Settings

DONE, REFUSED, MISUSED = 0, 1, 2
_PLAIN = (str, int, float, list, dict, type(None))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="proctor", message="%(package)s %(version)s")
def proctor() -> None:
    """Operate structured LLM output: tenants, budgets, schemas, and the calls behind every object."""


class Output(NamedTuple):
    """What a command has to say."""

    document: Any
    """For ``--json``."""
    text: str
    """For people."""
    aside: str = ""
    """For people, on standard error, so that the text can be piped."""
    exit_code: int = DONE


def command(group: click.Group, name: str, *, needs_runtime: bool = True) -> Callable[[Callable[..., Output]], Any]:
    """Make a function of (runtime or settings, its parameters) into a command of *group* with ``--json``."""

    def register(function: Callable[..., Output]) -> Callable[..., Output]:
        @functools.wraps(function)
        def run(*, as_json: bool, **parameters: Any) -> int:
            with runtime() if needs_runtime else settings() as given:
                answer = function(given, **parameters)
            click.echo(_document(answer.document) if as_json else answer.text)
            if answer.aside and not as_json:
                click.echo(click.style(answer.aside, dim=True), err=True)
            return answer.exit_code

        option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
        group.command(name)(option(run))
        return function

    return register


reasoned = click.option("--reason", default="", help="Why: it stands beside the change, for whoever wonders later.")
"""Lets a command be told why; for those that do not insist."""


@contextmanager
def settings() -> Generator[Settings]:
    """Give the settings.

    Raises:
        Misconfigured: one is bad.

    """
    from core.settings import load  # noqa: PLC0415

    yield load()


@contextmanager
def runtime() -> Generator[Runtime]:
    """Give a Proctor on a database that is ready, and close it.

    Raises:
        Unavailable: the database does not answer, or is not migrated.

    """
    from core import runtime as running  # noqa: PLC0415

    with settings() as given:
        # what goes wrong is said in one sentence at the end; a log line beside it would be a second
        built = running.build(given.model_copy(update={"log_level": "CRITICAL"}), creates=False)
    try:
        built.store.check()
        if (shape := built.store.shape()) is not None:
            raise shape.told()
        yield built
    finally:
        built.close()


def show_progress(sentence: str) -> None:
    """Write over the last line of standard error how a long work goes, where somebody watches."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{click.style(sentence, dim=True)}", nl=False, err=True)


def fail(error: ProctorError, exit_code: int, *, as_json: bool) -> int:
    """Write one sentence, or one JSON document, on standard error; return the exit code."""
    if as_json:
        plain: dict[str, Any] = {name: fact for name, fact in error.facts.items() if isinstance(fact, _PLAIN)}
        made = error.facts.get("generation")  # it holds answers, which errors never show
        complain(error.code, error.message, **plain, **(paid(made) if made is not None else {}))
    else:
        click.echo(error.message, err=True)
    return exit_code


def complain(code: str, detail: str, **facts: Any) -> None:
    """Write an error as one JSON document on standard error."""
    click.echo(_document({"code": code, "detail": detail, **facts}), err=True)


def _document(value: Any) -> str:
    import orjson  # noqa: PLC0415

    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* under *heads*, in columns."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [heads, *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
