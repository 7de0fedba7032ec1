"""The pages on which one signs in and out, as HTML: made here, without a script, in the console's colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
@font-face { font-family: Inter; src: url(/app/static/fonts/inter.woff2); font-weight: 100 900 }
:root { color-scheme: light dark; --back: #F3F6F8; --card: #FFFFFF; --text: #0F1C24; --pale: #4B5A63; --line: #DAE3E8;
  --field: #FFFFFF; --main: #0B6B80; --link: #0A6074; --wrong: #AF2131; --wrong-back: #FCEBEC }
@media (prefers-color-scheme: dark) { :root { --back: #0B1318; --card: #131E25; --text: #E4ECF0; --pale: #A9B8C0;
  --line: #26363F; --field: #0B1318; --main: #0F7C93; --link: #6CC5D9; --wrong: #FF98A1; --wrong-back: #331A20 } }
* { box-sizing: border-box }
body { font: 14px/1.55 Inter, system-ui, sans-serif; background: var(--back); color: var(--text); margin: 0;
  min-height: 100vh; display: flex; flex-direction: column; align-items: center; padding: 12vh 16px 32px }
img { height: 28px; margin-bottom: 24px; display: block }
main { width: 100%; max-width: 368px; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 28px 28px 30px }
h1 { font-size: 20px; font-weight: 650; margin: 0 0 6px; letter-spacing: -.01em }
p { margin: 0 0 18px; color: var(--pale) }
label { display: block; font-weight: 550; margin: 14px 0 6px }
input { width: 100%; font: inherit; color: inherit; background: var(--field); border: 1px solid var(--line);
  border-radius: 8px; padding: 10px 12px }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 1px }
small { display: block; margin-top: 6px; color: var(--pale) }
button { width: 100%; font: inherit; font-weight: 600; color: #FFFFFF; background: var(--main); border: 1px solid
  var(--main); border-radius: 8px; padding: 10px 12px; margin-top: 20px; cursor: pointer }
button.second { background: none; color: inherit; border-color: var(--line); margin-top: 10px }
hr { border: 0; border-top: 1px solid var(--line); margin: 24px 0 14px }
a { color: var(--link) }
a.way { display: block; text-align: center; font-weight: 600; color: inherit; text-decoration: none; border: 1px solid
  var(--line); border-radius: 8px; padding: 10px 12px; margin-top: 10px }
a.way:hover { border-color: var(--link) }
main > a:not(.way) { display: inline-block; margin-top: 18px }
[role=alert] { color: var(--wrong); background: var(--wrong-back); border-radius: 8px; padding: 10px 12px }
"""
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Proctor</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="/app/static/mark.svg"><style>{style}</style></head><body>'
    '<picture><source srcset="/app/static/logo-dark.svg" media="(prefers-color-scheme: dark)">'
    '<img src="/app/static/logo-light.svg" alt="Proctor"></picture>'
    "<main><h1>{title}</h1>{inside}</main></body></html>"
)
_SECOND = ' class="second" formnovalidate'


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be filled in."""

    name: str
    label: str
    complete: str
    """What a browser or a password manager may fill it with, as ``autocomplete`` has it."""
    hint: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent, and to where."""

    to: str
    token: str
    """By which a form of ours is known."""
    fields: Sequence[Question] = ()
    buttons: Sequence[tuple[str, str]] = ()
    """Of each its label, and what it sends as ``do``."""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to sign in beside a password, as a button that leads there."""

    label: str
    to: str


def page(
    title: str,
    sentence: str = "",
    *,
    form: Form | None = None,
    wrong: str = "",
    link: str = "",
    ways: Sequence[Way] = (),
) -> str:
    """Return a page; *wrong* says in a sentence what did not work, *link* leads to that address of ours."""
    inside = f"<p>{escape(sentence)}</p>" if sentence else ""
    inside += f'<div role="alert">{escape(wrong)}</div>' if wrong else ""
    inside += _written(form) if form else ""
    if ways:
        inside += "<hr>" if form else ""
        inside += "".join(f'<a class="way" href="{escape(one.to)}">{escape(one.label)}</a>' for one in ways)
    if link:
        inside += f'<a href="{escape(link)}">{"Sign in" if link == "/sign-in" else "To the console"}</a>'
    return _PAGE.format(title=escape(title), style=_STYLE, inside=inside)


def _written(form: Form) -> str:
    hidden = f'<input type="hidden" name="form" value="{escape(form.token)}">'
    if form.next:
        hidden += f'<input type="hidden" name="next" value="{escape(form.next)}">'
    fields = "".join(_field(one, is_first=not number) for number, one in enumerate(form.fields))
    buttons = "".join(
        f'<button name="do" value="{escape(does)}"{_SECOND if number else ""}>{escape(label)}</button>'
        for number, (label, does) in enumerate(form.buttons)
    )
    return f'<form method="post" action="{escape(form.to)}">{hidden}{fields}{buttons}</form>'


def _field(field: Question, *, is_first: bool) -> str:
    kind = "password" if "password" in field.complete else "text"
    hint = f"<small>{escape(field.hint)}</small>" if field.hint else ""
    focus = " autofocus" if is_first and not field.value else ""
    return (
        f'<label for="{field.name}">{escape(field.label)}</label><input id="{field.name}" name="{field.name}" '
        f'type="{kind}" value="{escape(field.value)}" autocomplete="{field.complete}" autocapitalize="none" '
        f'spellcheck="false" required{focus}>{hint}'
    )
