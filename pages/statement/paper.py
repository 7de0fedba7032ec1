"""A statement as a sheet of paper: one HTML document, light in every theme, that prints as it stands.

Knows no Streamlit. Every text that people or programs chose is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from zoneinfo import ZoneInfo

from core.reports import CallFigures, Line, Statement
from pages.kit import formats

STYLE = """
<style>
.statement { background: #fff; color: #1b2733; border: 1px solid #d5dbe1; border-radius: 6px; padding: 2.2rem 2.4rem;
  max-width: 74rem; margin: 0 auto; font-size: 0.86rem; line-height: 1.45; color-scheme: light; }
.statement h2 { font-size: 1.5rem; font-weight: 650; margin: 0 0 0.2rem; padding: 0; color: inherit; }
.statement h3 { font-size: 1rem; font-weight: 650; margin: 1.6rem 0 0.4rem; padding: 0; color: inherit; }
.statement p { margin: 0.2rem 0; color: #44515e; }
.statement .due { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: 0.8rem;
  margin: 1.3rem 0 0.4rem; padding: 0.9rem 0; border-block: 2px solid #1b2733; }
.statement .due div > span { display: block; color: #44515e; font-size: 0.78rem; }
.statement .due strong { font-size: 1.25rem; font-variant-numeric: tabular-nums; color: #1b2733; }
.statement .wide { overflow-x: auto; }
.statement table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
.statement th, .statement td { padding: 0.28rem 0.45rem; text-align: right; border-bottom: 1px solid #e3e8ed;
  white-space: nowrap; color: inherit; }
.statement th { font-weight: 600; color: #44515e; }
.statement th:first-child, .statement td:first-child { text-align: left; padding-left: 0; }
.statement td.long { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.statement tfoot td { font-weight: 650; border-bottom: 0; border-top: 1px solid #1b2733; color: #1b2733; }
.statement .open { display: inline-block; border: 1px solid #8a5a00; color: #6e4700; border-radius: 4px;
  padding: 0 0.4rem; font-size: 0.78rem; margin-left: 0.5rem; vertical-align: 0.25rem; }
@media (max-width: 640px) { .statement { padding: 1.1rem 1rem; } }
@media print {
  @page { size: A4; margin: 14mm; }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stToolbar"], [data-testid="stExpandSidebarButton"],
  [data-testid="stDecoration"], [data-testid="stStatusWidget"], .st-key-unprinted, .st-key-unprinted_head,
  [data-testid="stHeading"], [data-testid="stCaptionContainer"], [data-testid="stHorizontalBlock"],
  [data-testid="stToastContainer"] { display: none !important; }
  html, body, #root, .stApp, [data-testid="stAppViewContainer"], [data-testid="stMain"],
  [data-testid="stMainBlockContainer"] { background: #fff !important; position: static !important;
    height: auto !important; overflow: visible !important; padding: 0 !important; margin: 0 !important;
    max-width: none !important; }
  .statement { border: 0; padding: 0; max-width: none; font-size: 8.5pt; }
  .statement .wide { overflow: visible; }
  .statement tr, .statement .due { break-inside: avoid; }
  .statement h3 { break-after: avoid; }
}
</style>
"""
_HEADS = (
    "Calls",
    "Valid",
    "Attempts",
    "Input",
    "of it cached",
    "Output",
    "Useful",
    "Thrown away",
    "Spend",
    "Per valid",
)


def paper(bill: Statement) -> str:
    """Return *bill* as HTML."""
    total = bill.total
    state = '<span class="open">not closed yet</span>' if bill.is_open else ""
    zone = bill.timezone.replace("_", " ")
    return "".join(
        (
            '<article class="statement">',
            f"<h2>Statement {escape(bill.month)}{state}</h2>",
            f"<p><strong>{escape(bill.tenant)}</strong></p>",
            (
                f"<p>Calls that began from {_moment(bill, 'starts_at')} to {_moment(bill, 'ends_at')}, times in "
                f"{escape(zone)}. As of {_moment(bill, 'as_of')}.</p>"
            ),
            _due(total),
            "<h3>By model</h3>",
            "<p>A call that fell back asked two models and counts for both, so their calls may exceed the total.</p>",
            _table("Model", bill.models, total),
            "<h3>By schema</h3>",
            _table("Schema", bill.schemas, total),
            *_tiers(bill),
            "<h3>What these sums hold</h3>",
            *(f"<p>{said}</p>" for said in _said(bill)),
            "</article>",
        )
    )


def _tiers(bill: Statement) -> tuple[str, ...]:
    if not bill.tiers:
        return ()
    said = (
        "As the providers billed; a line without a region was billed in none. A call whose attempts were billed in "
        "several ways counts for each."
    )
    return ("<h3>By service tier and region</h3>", f"<p>{said}</p>", _table("Service", bill.tiers, bill.total))


def _due(total: CallFigures) -> str:
    figures = (
        ("Spend", formats.dollars(total.spend)),
        ("of it useful", formats.dollars(total.useful)),
        ("of it thrown away", formats.dollars(total.discarded)),
        ("Valid objects", formats.count(total.valid)),
        ("Saved by caches", formats.dollars(total.saved)),
    )
    shown = "".join(f"<div><span>{label}</span><strong>{value}</strong></div>" for label, value in figures)
    return f'<div class="due">{shown}</div>'


def _table(what: str, lines: Sequence[Line], total: CallFigures) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in (what, *_HEADS))
    rows = (
        "".join(f'<tr><td class="long">{escape(line.key)}</td>{_cells(line.figures)}</tr>' for line in lines)
        or f'<tr><td colspan="{len(_HEADS) + 1}">No calls.</td></tr>'
    )
    foot = f"<tr><td>Total</td>{_cells(total)}</tr>"
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="By {what.lower()}"><table><thead><tr>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody><tfoot>{foot}</tfoot></table></div>"
    )


def _cells(figures: CallFigures) -> str:
    each = formats.UNKNOWN if figures.cost_per_valid is None else _micro(figures.cost_per_valid)
    counts = (figures.calls, figures.valid, figures.attempts, figures.input_tokens, figures.cached_tokens)
    cells = (
        *map(formats.count, (*counts, figures.output_tokens)),
        *(_micro(figures.useful), _micro(figures.discarded), _micro(figures.spend), each),
    )
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _micro(nano_usd: int | None) -> str:
    """Return an amount with six decimals: in one column all have to be added up."""
    return "unpriced" if nano_usd is None else f"${nano_usd / 1e9:,.6f}"


def _said(bill: Statement) -> list[str]:
    """Return what the sums hold and what not, in sentences."""
    total = bill.total
    sentences = [
        (
            f"Charged to the tenant's budget, by the ledger: {_micro(bill.charged_nano_usd)}; "
            f"spent while it had none: {_micro(bill.outside_nano_usd)}."
        )
    ]
    if bill.difference_nano_usd:
        sentences.append(
            f"<strong>{formats.dollars(bill.difference_nano_usd)} are explained by neither.</strong> "
            "Run proctor verify."
        )
    if bill.unpriced:
        counts = [
            f"{escape(line.key)} ({formats.plural(line.figures.unpriced_attempts, 'attempt')})"
            for line in bill.unpriced
        ]
        sentences.append(
            f"Not in these sums, because the models have no known price: {', '.join(counts)}, in "
            f"{formats.plural(total.unpriced_calls, 'call')}."
        )
    if total.estimated_attempts:
        sentences.append(
            f"Estimated, because the provider did not report the usage: {formats.dollars(total.estimated_spent)} for "
            f"{formats.plural(total.estimated_attempts, 'attempt')}."
        )
    sentences.append(
        f"Saved: {formats.dollars(total.cache_saved)} by providers' caches, which held "
        f"{formats.count(total.cached_tokens)} of {formats.count(total.input_tokens)} input tokens "
        f"({formats.count(total.cache_write_tokens)} were written); "
        f"{formats.dollars(total.answers_saved)} by {formats.plural(total.answers, 'cache hit')}. "
        f"Of the output {formats.count(total.reasoning_tokens)} tokens were reasoning."
    )
    return sentences


def _moment(bill: Statement, name: str) -> str:
    at = getattr(bill, name).astimezone(ZoneInfo(bill.timezone))
    return f"{at:%Y-%m-%d %H:%M}"
