"""The command line: what happens before the console, without it, or from a script.

Every command takes ``--json``: standard output then holds one JSON document, and an error is one on standard error.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage or wrong settings. The heavy parts are imported by the commands
that need them, so that ``--help`` is quick. One file per subject; each puts its commands into the group ``proctor``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from core.cli import (
    analytics,
    answers,
    audit,
    bench,
    breakers,
    budgets,
    changes,
    deployment,
    doctor,
    drills,
    erasures,
    flags,
    guardrails,
    keys,
    limits,
    partitions,
    payloads,
    people,
    prices,
    routes,
    schemas,
    spend,
    tenants,
    versions,
)
from core.cli._command import DONE, MISUSED, REFUSED, complain, fail, proctor
from core.errors import Misconfigured, ProctorError, Unavailable

SUBJECTS = (
    tenants,
    keys,
    people,
    limits,
    budgets,
    drills,
    prices,
    routes,
    flags,
    guardrails,
    breakers,
    answers,
    schemas,
    versions,
    spend,
    bench,
    partitions,
    deployment,
    doctor,
    analytics,
    audit,
    changes,
    payloads,
    erasures,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        return proctor.main(given, "proctor", standalone_mode=False) or DONE
    except click.ClickException as error:
        if as_json:
            complain("usage", error.format_message())
        else:
            error.show()
        return MISUSED
    except ProctorError as error:
        return fail(error, MISUSED if isinstance(error, Misconfigured) else REFUSED, as_json=as_json)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return fail(Unavailable(f"{error.filename or 'A file'}: {error.strerror or error}."), REFUSED, as_json=as_json)
    except Exception as error:
        if not type(error).__module__.startswith("sqlalchemy."):
            raise
        sentence = f"The database failed ({type(error).__name__}); nothing was saved. 'proctor doctor' looks closer."
        return fail(Unavailable(sentence), REFUSED, as_json=as_json)
