"""Python text read as a syntax tree, within bounds, and what is said of it. It is read; nothing in it is ever run."""

from __future__ import annotations

import ast
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from core.errors import Invalid

MOST_CHARACTERS = 200_000
"""The longest source."""
MOST_NODES = 50_000
"""The most nodes of its syntax tree."""
MOST_QUOTED = 500
"""The longest type that stands in quotes."""
LONGEST_TOLD = 200
"""The most characters that a sentence says of what is wrong: names may be of any length."""
LONGEST_SHOWN = 60
"""The most characters of source that a sentence quotes."""
_FENCE = re.compile(r"\s*(```|~~~)")
_PRINTED_QUOTES = (*"\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb",)
_NEWER = re.compile(r"\btype[ \t]+\w+|\b(class|def)[ \t]+\w+[ \t]*\[")
"""What Python reads from 3.12 on: type statements, and type parameters in brackets."""

_PARAMETER = re.compile(r"(\w+) (?:: ([^=]+))?(?:= (.+))?$")


@dataclass(frozen=True, slots=True)
class Syntax:
    """A source as a tree. *parameters* are the type parameters of classes and type statements, by line."""

    tree: ast.Module
    parameters: dict[int, tuple[ast.expr, ...]]
    """Each as the call of TypeVar that it stands for. A type statement has an entry, though it have none."""


def syntax(source: str) -> Syntax:
    """Return *source* as a tree; fences around it and a common indentation are taken away.

    Raises:
        Invalid: it is no Python, or more than we take; the message gives the line and what to do.

    """
    if len(source) > MOST_CHARACTERS:
        raise Invalid(f"The source has over {MOST_CHARACTERS} characters; keep only the models.")
    text = _unwrapped(source)
    parameters: dict[int, tuple[ast.expr, ...]] = {}
    tree = None
    if _NEWER.search(text):
        text, parameters = _older(text)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise _not_python(error, text) from None
    except (ValueError, RecursionError, MemoryError):
        raise Invalid("Line 1: Python cannot read this source; remove NUL characters and deep nesting.") from None
    if sum(1 for _ in islice(ast.walk(tree), MOST_NODES + 1)) > MOST_NODES:
        raise Invalid(f"The source has over {MOST_NODES} parts; keep only the models.")
    return Syntax(tree, parameters)


def _unwrapped(source: str) -> str:
    """Return what stands within the fences of a pasted answer, on the lines where it stood."""
    lines = source.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").split("\n")
    fences = [place for place, line in enumerate(lines) if _FENCE.match(line)]
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    if fences and fences[0] == first:
        end = fences[1] if len(fences) > 1 else len(lines)
        lines = [line if fences[0] < place < end else "" for place, line in enumerate(lines)]
    text = "\n".join(lines)
    return textwrap.dedent(text) if next((line for line in lines if line.strip()), "")[:1] == " " else text


def _not_python(error: SyntaxError, text: str) -> Invalid:
    # Python's own words on a number of thousands of digits are advice to change the interpreter.
    reason = "a number has too many digits" if "integer string conversion" in error.msg else error.msg
    lines = text.split("\n")
    line = error.lineno or 1
    stands = lines[line - 1].strip() if line <= len(lines) else ""
    instead = "correct it"
    if stands.startswith(">>>"):
        instead = "leave out the prompts '>>>' and '...'"
    elif _FENCE.match(stands):
        instead = "leave out the fences, and what is not Python around them"
    elif any(quote in error.msg for quote in _PRINTED_QUOTES):
        instead = "write straight quotes, \" or '"
    elif reason == "expected ':'" and len(stands) <= 60:
        instead = f"write {stands.split('#')[0].rstrip() + ':'!r}"
    elif "expected an indented block" in reason:
        instead = "indent what belongs to it, or write 'pass' there"
    elif "indent" in reason:
        instead = "indent the lines of a class alike"
    return Invalid(f"Line {line}: this is not Python ({reason[:120]}); {instead}.")


# ── What newer Pythons read ──


def _older(text: str) -> tuple[str, dict[int, tuple[ast.expr, ...]]]:
    """Return *text* without type parameters and type statements, as this Python reads it; and what they said."""
    lines = text.split("\n")
    parameters: dict[int, tuple[ast.expr, ...]] = {}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return text, {}
    edits: list[tuple[tuple[int, int], tuple[int, int], str]] = []
    is_start = True
    place = 0
    while place < len(tokens) - 2:
        token, name, after = tokens[place : place + 3]
        place += 1
        if token.type in (tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT):
            continue
        is_new_type = is_start and token.string == "type" and name.type == tokenize.NAME and after.string in ("=", "[")
        is_start = token.type == tokenize.NEWLINE or token.string == ";"
        if not is_new_type and (token.string not in ("class", "def") or after.string != "["):
            continue
        given: tuple[ast.expr, ...] = ()
        end = after.start
        if after.string == "[":
            close = _closing(tokens, place + 1)
            if close is None:
                return text, {}
            given = tuple(_type_variables(tokens[place + 2 : close], token.start[0]))
            end = tokens[close].end
            edits.append((after.start, end, ""))
            place = close + 1
        if is_new_type:
            edits += [(token.start, name.start, ""), (end, end, ": TypeAlias ")]
        if token.string != "def":
            parameters[token.start[0]] = given
    for start, end, instead in sorted(edits, reverse=True):
        (first, left), (last, right) = start, end
        if first == last:
            lines[first - 1] = lines[first - 1][:left] + instead + lines[first - 1][right:]
        else:  # the lines stay where they are
            lines[first - 1] = lines[first - 1][:left] + instead + "\\"
            lines[first : last - 1] = ["\\"] * (last - 1 - first)
            lines[last - 1] = lines[last - 1][right:]
    return "\n".join(lines), parameters


def _closing(tokens: list[tokenize.TokenInfo], place: int) -> int | None:
    """Return where the bracket that opens at *place* is closed."""
    depth = 0
    for end, token in enumerate(tokens[place:], place):
        depth += (token.string in ("[", "(", "{")) - (token.string in ("]", ")", "}"))
        if depth == 0:
            return end
    return None


def _type_variables(tokens: list[tokenize.TokenInfo], line: int) -> Iterator[ast.expr]:
    """Yield each of the type parameters as the call of TypeVar that it stands for."""
    depth, parts = 0, [""]
    for token in tokens:
        depth += (token.string in ("[", "(", "{")) - (token.string in ("]", ")", "}"))
        if token.string == "," and depth == 0:
            parts.append("")
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            parts[-1] += f"{token.string} "
    for part in parts:
        named = _PARAMETER.match(part)
        if named is None:
            continue
        name, bound, default = named.groups()
        told = (f", bound={bound}" if bound else "") + (f", default={default}" if default else "")
        try:
            made = ast.parse(f"TypeVar({name!r}{told})", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        place_at(made, line)
        yield made


# ── What is said of it ──


def place_at(node: ast.AST, line: int) -> None:
    """Let *node*, which is made by us, stand in *line*."""
    for each in ast.walk(node):
        if isinstance(each, ast.expr | ast.stmt | ast.keyword | ast.arg):
            each.lineno = each.end_lineno = line
            each.col_offset = each.end_col_offset = 0


def refusal(node: ast.AST, what: str, instead: str) -> Invalid:
    """Return the error that says the line of *node*, *what* is wrong there, and what to write *instead*."""
    told = what if len(what) <= LONGEST_TOLD else f"{what[: LONGEST_TOLD - 1]}…"
    return Invalid(f"Line {getattr(node, 'lineno', 1)}: {told}; {instead}.")


def shown(node: ast.AST) -> str:
    """Return *node* as source in quotes, short enough for a sentence."""
    return repr(written(node))


def written(node: ast.AST) -> str:
    """Return *node* as source in one line, short enough for a name."""
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        text = "…"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def target(statement: ast.stmt) -> str:
    """Return the one name that *statement* assigns or annotates; nothing for any other statement."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case _:
            return ""


def parsed(text: str, node: ast.expr) -> ast.expr:
    """Return the type that is written in quotes at *node*."""
    if len(text) > MOST_QUOTED:
        raise refusal(node, f"the type {shown(node)} is too long", "write it without quotes")
    try:
        inner = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refusal(node, f"the type {shown(node)} is not Python", "correct it") from None
    for each in ast.walk(inner):
        ast.copy_location(each, node)
    return inner


def arguments(node: ast.Subscript) -> list[ast.expr]:
    """Return what stands between the brackets of *node*."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def alternatives(node: ast.expr) -> list[ast.expr]:
    """Return the parts of ``a | b | c``, in order."""
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        parts.append(node.right)
        node = node.left
    return [node, *reversed(parts)]
