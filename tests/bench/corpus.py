"""Pydantic source as people have it, read from a folder: ``python -m tests.bench corpus FOLDER``.

A corpus is any tree of ``.py`` files; a snippet is a file of its own. Such as code blocks of documentation and modules
of public repositories, which are not kept here. Each is read as when somebody pastes it, with the likely root: nothing
in it is run for that.

To compare, what a file defines (imports, classes, functions and plain assignments, no other statement) **is run**, in a
child process without environment, for five seconds and a gigabyte at most, and asked for Pydantic's own schema. So take
files that you would run.
"""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from core.errors import Invalid
from core.pydantic_source import PydanticSource, SourceSchema
from core.python_syntax import MOST_CHARACTERS
from core.response_models import response_model
from tests.core.test_pydantic_as_found import meaning

_SECONDS = 5
_BYTES = 1 << 30
_SHOWN = 150
_MOST_GROUPS = 25
_PLAIN = ast.Import | ast.ImportFrom | ast.ClassDef
_DEFINES = ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign | ast.Assign


@dataclass(frozen=True, slots=True)
class _Read:
    """What became of a file."""

    path: Path
    is_plain: bool
    """Whether it holds only imports and classes."""
    schema: SourceSchema | None
    refused: str
    own: dict[str, Any] | None
    """Pydantic's own schema; ``None`` where Pydantic could not run it here."""

    @property
    def is_alike(self) -> bool:
        """Whether both schemas say the same."""
        return self.schema is not None and self.own is not None and meaning(self.schema.schema) == meaning(self.own)


def run(folder: Path) -> None:
    """Read each Python file below *folder*; print how they fare, and by which sentence those are that are refused.

    Raises:
        SystemExit: one of them failed otherwise than with a sentence.

    """
    rows: list[_Read] = []
    bad: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        try:
            rows.append(_read(path))
        except Exception as error:  # noqa: BLE001 whatever comes is the finding
            bad.append(f"{path.name}: {type(error).__name__}: {error}")
    for name, some in (("only imports and classes", [one for one in rows if one.is_plain]), ("as they stand", rows)):
        _table(name, some)
    for row in rows:
        if row.own is not None and not row.is_alike:
            print(f"  {'refused, and runs' if row.schema is None else 'differs from Pydantic'}: {row.path.name}")
    for sentence, names in sorted(_groups(rows).items(), key=lambda one: -len(one[1]))[:_MOST_GROUPS]:
        print(f"  {len(names):4} {sentence[:_SHOWN]}  ({', '.join(names[:3])})")
    print(f"failed otherwise: {bad or 'none'}")
    if bad:
        raise SystemExit(1)


def _table(name: str, rows: list[_Read]) -> None:
    taken = [one for one in rows if one.schema is not None]
    partly = sum(one.schema is not None and bool(one.schema.left_out) for one in rows)
    ran = [one for one in taken if one.own is not None]
    share = f"{100 * len(taken) / len(rows):.1f} %" if rows else "none"
    print(
        f"{name}: {len(rows)} files, {len(taken)} read ({share}), {partly} of them with things left out; Pydantic runs "
        f"{len(ran)} of these, {sum(one.is_alike for one in ran)} with the same schema, and of those refused "
        f"{sum(one.own is not None for one in rows if one.schema is None)}"
    )


def _groups(rows: list[_Read]) -> dict[str, list[str]]:
    """Return the names of the files that were refused, by sentence without what is a file's own."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.schema is None:
            general = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", re.sub(r"^Line \d+: ", "", row.refused))
            found.setdefault(re.sub(r"\b[A-Z]\w*\.?\w*(?= (is|has|derives))", "…", general), []).append(row.path.name)
    return found


def _read(path: Path) -> _Read:
    text = path.read_text(encoding="utf-8", errors="replace")
    body = ast.parse(text).body if len(text) <= MOST_CHARACTERS else []
    is_plain = bool(body) and all(isinstance(one, _PLAIN) or _is_text(one) for one in body)
    found, refused, root = None, "", ""
    try:
        source = PydanticSource(text)
        root = source.likely_root
        found = source.read()
        response_model(found.schema, "thing")
    except Invalid as refusal:
        found, refused = None, refusal.message
    return _Read(path, is_plain, found, refused, _own(text, root) if root else None)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# ── Pydantic's own schema, in a process that runs what a file defines ─────────────────────────────────────────────────


class _Quiet(GenerateJsonSchema):
    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing."""


def _own(text: str, root: str) -> dict[str, Any] | None:
    """Return Pydantic's own schema of the class *root*; ``None`` where it cannot be run here, or not in time."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_ran, args=(text, root, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(_SECONDS) else None
    except EOFError:
        return None
    finally:
        child.kill()
        child.join()


def _ran(text: str, root: str, told: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    os.environ.clear()
    os.chdir(tempfile.gettempdir())
    module = ModuleType("sample")
    sys.modules["sample"] = module
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        for node in ast.parse(text).body:
            if isinstance(node, _PLAIN | _DEFINES):
                with suppress(Exception):
                    exec(compile(ast.Module([node], []), "sample", "exec"), module.__dict__)  # noqa: S102 see above
        with suppress(Exception):
            found: Any = module
            for name in root.split("."):
                found = getattr(found, name)
            if hasattr(found, "model_rebuild"):
                found.model_rebuild(_types_namespace=module.__dict__)
            told.send(TypeAdapter(found).json_schema(schema_generator=_Quiet))
