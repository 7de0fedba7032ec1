"""What people and programs wrote is shown as text: nothing of it becomes markup of a page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import ROOT
from pages.kit.markup import code, plain

HOSTILE = (
    "<img src=x onerror=alert(1)> ![p](https://evil.example/p.png) [l](https://evil.example) https://evil.example/x "
    "www.evil.example a@evil.example $\\frac{1}{2}$ :red[x] :material/lock: :material_lock: :streamlit: :smile: **b** "
    "`c`\n\n# h\n\n---\n\n    four\n> q | a | -> <- -- \u202edcba <script>alert(1)</script>"
)
"""All that Streamlit's Markdown makes something of."""
ESCAPED = "\\`*_{}[]()#+-.!|~>$:<&"
LATER = (
    r"https?://",
    r"www\.",
    r"[\w.+-]@[-\w]+\.",
    r":material[_/]\w+:",
    r":streamlit:",
    r"(?:^|\s)(?:<->|->|<-|--|[<>~]=)(?:\s|$)",
)
"""What Streamlit and its parser look for once all backslashes are gone."""


@given(
    st.text(st.sampled_from("ab:/@.<->=~ \n\t`[]()!$*_#{}\\|\u202e") | st.characters(), max_size=30) | st.just(HOSTILE)
)
def test_nothing_of_a_text_is_markup(text: str) -> None:
    """On one line, each sign written out, and nothing left that is looked for later; the characters are the same."""
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    bare = re.sub(r"\\(.)", r"\1", shown)
    assert all(shown[max(0, at - 1)] == "\\" for at, sign in enumerate(shown) if sign in ESCAPED and sign != "\\")
    assert not [found for found in LATER if re.search(found, bare, re.IGNORECASE)]
    assert not re.search(r":material/", code(text))
    seen = bare.replace("\N{WORD JOINER}", "")
    assert (
        seen.split()
        == re.sub(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]", " ", text).split()
    )


# ── Whoever draws it writes it out ────────────────────────────────────────────────────────────────────────────────────

DRAWN = {
    "badge": (0,), "button": (0,), "caption": (0,), "card": (0,), "checkbox": (0,), "date_input": (0,),
    "empty": (0, 1), "error": (0,), "expander": (0,), "header": (0,), "info": (0,), "markdown": (0,),
    "metric": (0, 1, 2), "multiselect": (0,), "number_input": (0,), "page_link": (1,), "pills": (0, 1),
    "popover": (0,), "progress": (1,), "radio": (0, 1), "segmented_control": (0, 1), "selectbox": (0,),
    "spinner": (0,), "subheader": (0,), "success": (0,), "tabs": (0,), "text_area": (0,), "text_input": (0,),
    "title": (0,), "toast": (0,), "toggle": (0,), "warning": (0,),
}  # fmt: skip
"""Functions of Streamlit and of the kit of which these arguments are Markdown."""
NAMED = {"help", "label", "title", "body", "delta", "caption", "text"}
"""What is Markdown wherever it is given by its name."""
FOREIGN = {
    "actor", "answer", "because", "by", "called", "code", "covered", "description", "detail", "email", "error",
    "error_code", "error_detail", "field", "guardrail", "headline", "host", "key", "kind", "label", "media_type",
    "message", "model", "name", "note", "object", "obstacle", "owner", "path", "place", "principal", "provider",
    "reason", "route", "rule", "schema", "scope_name", "sentence", "subject", "summary", "tenant", "text", "trouble",
    "user", "value", "what", "whom", "why",
}  # fmt: skip
"""How what people and programs wrote is called, wherever it is kept."""
OUTSIDE = {
    "pages/kit/layout.py", "pages/kit/tiles.py", "pages/kit/buttons.py", "pages/kit/numbered.py", "pages/kit/page.py",
}  # fmt: skip
"""Files that hand on what they are given as Markdown, and say so."""


def drawn(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield what a file hands to Streamlit as Markdown."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWN:
            places = DRAWN[node.func.attr]
            yield from (node.args[place] for place in places if place < len(node.args))
            yield from (word.value for word in node.keywords if word.arg in NAMED)


def parts(node: ast.expr, known: dict[str, list[ast.expr]], left: int = 6) -> Iterator[ast.expr]:
    """Yield what an expression puts into a text, through the names that its function gives to such things."""
    if isinstance(node, ast.Name) and left and node.id in known:
        for one in known[node.id]:
            yield from parts(one, known, left - 1)
        return
    within = inside(node)
    if within is None:
        yield node
    for one in within or ():
        yield from parts(one, known, left)


def inside(node: ast.expr) -> list[ast.expr] | None:
    """Return the expressions that one is put together of."""
    match node:
        case ast.JoinedStr():
            return [one.value for one in node.values if isinstance(one, ast.FormattedValue)]
        case ast.IfExp():
            return [node.body, node.orelse]
        case ast.BinOp():
            return [node.left, node.right]
        case ast.BoolOp():
            return node.values
        case ast.Call(func=ast.Attribute(attr="join" | "replace" | "strip" | "lower" | "capitalize", value=of)):
            return [of, *node.args]
        case ast.Call(func=ast.Attribute(attr="retold") | ast.Name(id="str")):
            return node.args[:1]
        case ast.GeneratorExp() | ast.ListComp():
            return [node.elt]
        case _:
            return None


def bound(node: ast.Assign) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that an assignment sets, with their values."""
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = zip(target.elts, value.elts, strict=False)
        yield from ((one.id, other) for one, other in pairs if isinstance(one, ast.Name))
    elif isinstance(target, ast.Name):
        yield target.id, value


def in_function(tree: ast.Module) -> Iterator[tuple[ast.expr, dict[str, list[ast.expr]]]]:
    """Yield what is drawn, with what each name of its function was set to there."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            known: dict[str, list[ast.expr]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign):
                    for name, value in bound(node):
                        known.setdefault(name, []).append(value)
            module = ast.Module([function], [])
            yield from ((one, known) for one in drawn(module))


def raw(source: str) -> set[str]:
    """Return what of foreign texts a file draws as Markdown without writing it out."""
    return {
        ast.unparse(part)
        for one, known in in_function(ast.parse(source))
        for part in parts(one, known)
        if isinstance(part, ast.Attribute | ast.Subscript | ast.Name) and last(part) in FOREIGN
    }


def last(node: ast.expr) -> str:
    """Return the last name of what is looked up; of a subscript that of its key."""
    match node:
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case _:
            return ""


OURS = {
    "pages/_frame.py": {"name"},  # of what is made in the background
    "pages/calls/call.py": {"label", "value"},  # of figures
    "pages/calls/paging.py": {"label"},  # of a button
    "pages/changes/listing.py": {"key"},
    "pages/changes/one.py": {"shown.undo.needs.value"},  # a permission
    "pages/flags/dialogs.py": {"label"},  # From, Until
    "pages/flags/page.py": {"kind"},  # of flags
    "pages/guardrails/caught.py": {"label", "value"},  # of figures
    "pages/guardrails/edit.py": {"name"},  # of an action
    "pages/guardrails/places.py": {"label"},  # of a field of the form
    "pages/home/page.py": {"found[0].sentence", "one.sentence"},  # Markdown already: Notice
    "pages/kit/choices.py": {"label"},  # of a choice
    "pages/playground/runs.py": {"sentence"},  # says itself that it is Markdown
    "pages/playground/settings.py": {"name"},  # of a field
    "pages/prices/dialogs.py": {"label"},
    "pages/routes/edit.py": {"cause.value"},
    "pages/schemas/one.py": {"sentence"},  # made of links
    "pages/spend/panels.py": {"label"},  # of a chart
    "pages/traffic/groups.py": {
        "label",
        "MEASURES[measure].label",
        "MEASURES[measure].sentence",
    },  # of a figure
    "pages/tenants/key_dialogs.py": {"what"},  # models, routes
    "pages/tenants/limits.py": {"label"},
    "pages/tenants/settings.py": {"label"},
}
"""What is called like a foreign text and is none, by file; none is unused."""


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n st.error(error.message)",
        "def f():\n st.caption(f'Route {terms.name} asks.')",
        "def f():\n said = zones.retold(one.why)\n st.info('x' if a else said + '.')",
        "def f(name):\n row.button(f'Only {name}')",
        "def f():\n st.metric('Spend', 1, help=' · '.join(one['name'] for one in found))",
    ],
)
def test_a_raw_text_would_be_seen(source: str) -> None:
    """Whichever way a page draws it, the next test sees it; written out it is not."""
    assert raw(source)


@pytest.mark.parametrize("path", sorted(ROOT.glob("pages/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_draws_a_foreign_text_as_markdown(path: Path) -> None:
    """Names, errors, reasons and answers go through :func:`plain` or :func:`code` wherever Markdown is made of them."""
    name = str(path.relative_to(ROOT))
    if name not in OUTSIDE:
        assert raw(path.read_text()) == OURS.get(name, set())
