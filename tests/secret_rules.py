"""The rules for secrets, made for prose from a rule set that is made for source code.

``python -m tests.secret_rules betterleaks.toml LICENSE COMMITTED`` writes ``core/detection/secret_rules.json`` anew:
COMMITTED is the date of that file's last commit. Taken over are the patterns and the words that stand in them, as data,
with their licence (MIT, https://github.com/betterleaks/betterleaks); its expressions are not, some of which send what
was found to a vendor.

What is made of a rule: what follows the key (a quote, a blank, the end) is cut off, as in a sentence a full stop or a
bracket follows; in its place stands the alphabet of the key, behind whose last character it ends. A rule that asks for
a word before the key keeps it.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
import warnings
from pathlib import Path
from re import _constants, _parser  # pyright: ignore[reportAttributeAccessIssue]  # how a pattern is built
from typing import Any

TARGET = Path(__file__).parent.parent / "core/detection/secret_rules.json"
ENDING = re.compile(
    r"(?:\(\?:\\\\\?\[['\"\\x60]+\]\|\[\\s;\]\|\\\\\[nr\]\|\$\)|\\b|\(\?:\$\|\[[^\]]*\]\)|\(\?:\[\^[^\]]*\]\|\$\))$"
)
"""What a rule for source code asks for behind a key."""
BEGINNING = re.compile(r"^(?:\\b|\(\?:\^\|\[(?:\\.|[^\]])*\]\))+(?=\()")
"""What it asks for before a key that needs no word there: that no word goes on, which is asked of every rule."""
FLAGS = re.compile(r"\(\?[a-z-]+\)")
THRESHOLD = re.compile(r"entropy\(finding\[\"secret\"\]\)\s*<=?\s*([\d.]+)")
NOT_SECRET = (
    *("client-id", "account-id", "app-id", "publishable", "public", "auth-id", "tenant-id", "workspace-id"),
    *("-url", "-host", "account-name"),
)
"""What is no secret by the vendor's own word."""
OURS = (
    "generic-api-key",
    "private-key",
    "kubernetes-secret-yaml",
    "curl-auth",
    "nuget-config-password",
    "openai-api-key",
    "twilio-api-key",
    "jwt",
)
"""What our own rules say, for prose."""
ELSEWHERE = (
    "airtable-personnal",
    "facebook-access",
    "salesforce-access",
    "tableau-personal",
    "temporal-cloud",
    "ebay-client",
    "microsoft-teams",
)
"""What needs a word anywhere in the same file, or begins with anything: no rule for a sentence."""
BREAKS = frozenset(" \t\n\"'`<>(){}[],;")
"""What stands in no key, so that it ends one."""
VENDORS = {
    "aws": "AWS", "gcp": "Google", "github": "GitHub", "gitlab": "GitLab", "openai": "OpenAI",
    "huggingface": "Hugging Face",
    "pypi": "PyPI", "npm": "npm", "sendgrid": "SendGrid", "digitalocean": "DigitalOcean", "hashicorp": "HashiCorp",
    "jwt": "JSON web", "age": "age", "ibm": "IBM", "ovh": "OVH", "new": "New Relic", "val": "Val Town",
    "weights": "Weights & Biases", "xai": "xAI",
}  # fmt: skip
LEADS = {"azure-ad-client-secret": 3}
"""Characters of a key before the word that tells it."""
NAMED = {"aws-access-token": "an AWS access key"}
NOUNS = (
    "private-key",
    "secret-key",
    "api-key",
    "access-key",
    "webhook",
    "password",
    "secret",
    "token",
    "pat",
    "cookie",
)


def rules(source: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rules of *source* as we keep them, by their names."""
    made = [_rule(rule) for rule in source["rules"] if "regex" in rule and not rule["id"].startswith(OURS)]
    return sorted((rule for rule in made if rule is not None), key=lambda rule: rule["id"])


def _rule(rule: dict[str, Any]) -> dict[str, Any] | None:
    name: str = rule["id"]
    if name.startswith(ELSEWHERE) or any(word in name for word in NOT_SECRET):
        return None
    pattern = BEGINNING.sub("", ENDING.sub("", rule["regex"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        tree = _parser.parse(
            FLAGS.sub("", pattern).replace(r"\z", r"\Z"), re.IGNORECASE if FLAGS.search(pattern) else 0
        )
    group = rule.get("secretGroup") or (0 if "(?P<" in pattern or not tree.state.groups - 1 else 1)
    before, secret = _split(list(tree), group)
    alphabet = _alphabet(secret, is_caseless="(?i" in pattern)
    if alphabet & BREAKS:
        return None  # it may go on for lines: whoever wrote it had a file in mind
    threshold = THRESHOLD.search(rule.get("filter") or "")
    return {
        "id": name,
        "kind": _kind(name),
        "pattern": pattern,
        "group": group,
        "words": sorted(rule["keywords"]),
        "alphabet": "".join(sorted(alphabet)),
        "entropy": float(threshold[1]) if threshold else 0.0,
        "beside": _least(before) > 1,
        **({"lead": LEADS[name]} if name in LEADS else {}),
    }


def _split(tree: list[Any], group: int) -> tuple[list[Any], list[Any]]:
    """Return what stands before the secret and what it is."""
    if not group:
        return [], tree
    for at, (kind, value) in enumerate(tree):
        if kind is _constants.SUBPATTERN and value[0] == group:
            return tree[:at], list(value[3])
        if kind is _constants.SUBPATTERN:
            before, secret = _split(list(value[3]), group)
            if secret:
                return tree[:at] + before, secret
    return [], []


def _least(tree: list[Any]) -> int:
    return sum(_least_of(kind, value) for kind, value in tree)


def _least_of(kind: Any, value: Any) -> int:
    match kind:
        case _constants.LITERAL | _constants.NOT_LITERAL | _constants.IN | _constants.ANY:
            return 1
        case _constants.MAX_REPEAT | _constants.MIN_REPEAT:
            return value[0] * _least(list(value[2]))
        case _constants.SUBPATTERN:
            return _least(list(value[3]))
        case _constants.BRANCH:
            return min(_least(list(branch)) for branch in value[1])
        case _:
            return 0


def _alphabet(tree: list[Any], *, is_caseless: bool) -> set[str]:
    """Return the printable characters of ASCII, and blanks, that may stand in what *tree* matches."""
    found: set[str] = set()
    for kind, value in tree:
        found |= _characters(kind, value, is_caseless=is_caseless)
    return found | {c.swapcase() for c in found} if is_caseless else found


def _characters(kind: Any, value: Any, *, is_caseless: bool) -> set[str]:
    everything = {chr(n) for n in range(32, 127)} | set("\t\n")
    match kind:
        case _constants.LITERAL:
            return {chr(value)}
        case _constants.NOT_LITERAL:
            return everything - {chr(value)}
        case _constants.ANY:
            return everything
        case _constants.IN:
            return _class(value, everything)
        case _constants.MAX_REPEAT | _constants.MIN_REPEAT:
            return _alphabet(list(value[2]), is_caseless=is_caseless)
        case _constants.SUBPATTERN:
            return _alphabet(list(value[3]), is_caseless=is_caseless)
        case _constants.BRANCH:
            return set().union(*(_alphabet(list(branch), is_caseless=is_caseless) for branch in value[1]))
        case _:
            return set()


def _class(members: Any, everything: set[str]) -> set[str]:
    categories = {
        _constants.CATEGORY_DIGIT: r"\d", _constants.CATEGORY_WORD: r"\w", _constants.CATEGORY_SPACE: r"\s",
        _constants.CATEGORY_NOT_SPACE: r"\S", _constants.CATEGORY_NOT_WORD: r"\W", _constants.CATEGORY_NOT_DIGIT: r"\D",
    }  # fmt: skip
    found: set[str] = set()
    is_negated = False
    for kind, value in members:
        if kind is _constants.NEGATE:
            is_negated = True
        elif kind is _constants.LITERAL:
            found.add(chr(value))
        elif kind is _constants.RANGE:
            found |= {chr(n) for n in range(value[0], min(value[1], 126) + 1)}
        else:
            found |= {c for c in everything if re.match(categories[value], c, re.ASCII)}
    return everything - found if is_negated else found


def _kind(name: str) -> str:
    """Return what a person reads: a vendor's token, key, secret or password."""
    if name in NAMED:
        return NAMED[name]
    stem = re.sub(r"\.\d+$", "", name)
    noun = next((word for word in NOUNS if word in stem), "key")
    vendor = VENDORS.get(stem.split("-")[0]) or stem.split("-")[0].capitalize()
    said = {"pat": "token", "api-key": "key", "secret-key": "key", "access-key": "access key"}.get(
        noun, noun.replace("-", " ")
    )
    return f"{'an' if vendor[0] in 'AEIOUaeiou' and vendor[:2] != 'Eu' else 'a'} {vendor} {said}"


def main(path: str, licence: str, committed: str) -> None:
    """Write them."""
    made = rules(tomllib.loads(Path(path).read_text()))
    content = {
        "source": "https://github.com/betterleaks/betterleaks",
        "licence": Path(licence).read_text(),
        "date": committed,
        "rules": made,
    }
    TARGET.write_text(json.dumps(content, indent=0, ensure_ascii=False) + "\n")
    sys.stdout.write(f"{len(made)} rules\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
