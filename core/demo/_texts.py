"""What callers send in the demo world, and what a good answer to it is: one function per schema."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from core.demo._chance import Dice
from core.demo._seed import Pools, Seed

_KEY_TEXT_SHARE = 0.12
"""How many of the messages that quote a key are let through; the secrets guardrail marks the key."""


class Texts:
    """Makes texts with their answers."""

    def __init__(self, seed: Seed, dice: Dice) -> None:
        self._tickets = seed.tickets
        self._pools: Pools = seed.pools
        self._dice = dice
        self._by_schema: dict[str, Callable[[date], tuple[str, dict[str, Any]]]] = {
            "support_ticket": self._ticket,
            "invoice": self._invoice,
            "contract_terms": self._agreement,
            "meeting_notes": self._meeting,
            "shipment_notice": self._shipment,
        }

    def make(self, schema: str, at: datetime) -> tuple[str, dict[str, Any]]:
        """Return a text of about the day *at*, and the object of *schema* that it holds."""
        return self._by_schema[schema](at.date())

    def _ticket(self, _: date) -> tuple[str, dict[str, Any]]:
        dice = self._dice
        ticket = dice.pick(self._tickets)
        while "{secret}" in ticket.text and not dice.happens(_KEY_TEXT_SHARE):
            ticket = dice.pick(self._tickets)
        text = ticket.text.format(
            person=dice.pick(self._pools.people),
            firm=dice.pick(self._pools.firms),
            number=f"EX-{dice.digits(6)}",
            secret="AKIA" + "".join(dice.pick("ABCDEFGHJKLMNPQRSTUVWXYZ234567") for _ in range(16)),
        )
        return text, ticket.model_dump(exclude={"text"})

    def _invoice(self, day: date) -> tuple[str, dict[str, Any]]:
        dice, pools = self._dice, self._pools
        issued, net = day - timedelta(days=dice.whole(0, 9)), dice.pick((14, 21, 30))
        supplier, customer = dice.sample(pools.firms, 2)
        (_, supplier_country), (city, customer_country) = dice.sample(pools.places, 2)
        currency = dice.weighed({"AUD": 5, "USD": 3, "EUR": 2})
        number, tax_id = f"{supplier[:2].upper()}-{dice.digits(5)}", f"{supplier_country}{dice.digits(9)}"
        lines: list[dict[str, Any]] = []
        for sold in dice.sample(pools.garden, dice.whole(1, 4)):
            quantity, price = dice.whole(1, 24), dice.whole(350, 9900) / 100
            amount = round(quantity * price, 2)
            lines.append({"description": sold, "quantity": quantity, "unit_price": price, "amount": amount})
        subtotal = round(sum(line["amount"] for line in lines), 2)
        tax = round(subtotal * 0.1, 2)
        total = round(subtotal + tax, 2)
        rows = [
            f"{one['description']:<28} {one['quantity']:>3} x {one['unit_price']:>7.2f} {one['amount']:>9.2f}"
            for one in lines
        ]
        text = "\n".join(
            (
                f"{supplier}, {supplier_country}   Tax no. {tax_id}",
                f"INVOICE {number}   {issued:%d %B %Y}   {net} days net",
                f"To: {customer}, {city}, {customer_country}",
                "",
                *rows,
                "",
                f"Subtotal {currency} {subtotal:.2f}   Tax 10 % {tax:.2f}   Total {currency} {total:.2f}",
            )
        )
        return text, {
            "invoice_number": number,
            "issued_on": issued.isoformat(),
            "due_on": (issued + timedelta(days=net)).isoformat(),
            "currency": currency,
            "supplier": {"name": supplier, "tax_id": tax_id, "country": supplier_country},
            "customer": {"name": customer, "tax_id": None, "country": customer_country},
            "lines": lines,
            "subtotal": subtotal,
            "tax": tax,
            "total": total,
            "payment_reference": None,
        }

    def _agreement(self, day: date) -> tuple[str, dict[str, Any]]:
        dice = self._dice
        lodge, months, notice = dice.pick(self._pools.lodges), dice.pick((6, 12, 24)), dice.pick((30, 60, 90))
        begins = (day.replace(day=1) + timedelta(days=40)).replace(day=1)
        amount, due = dice.whole(8, 60) * 10_000, dice.pick((7, 15, 30))
        keeps_deposit = dice.happens(0.5)
        text = (
            f'ALLOTMENT AGREEMENT between {lodge} ("Lodge") and Namuna Travels ("Agency"), '
            f"effective {begins:%d %B %Y}.\n"
            f"1.2 It runs for {months} months and ends without notice; earlier with {notice} days' notice.\n"
            f"3.1 The Agency pays NPR {amount:,} per month. 3.2 Payment is due {due} days after the invoice.\n"
            + ("3.4 Deposits are kept by the Lodge whatever the reason for a cancellation.\n" if keeps_deposit else "")
            + "6.1 The Lodge's liability is limited to the fees of one month.\n8. The law of Nepal applies."
        )
        risk = "Deposits are lost whatever the reason for a cancellation, even one by the Lodge."
        return text, {
            "kind": "supply",
            "parties": [{"name": lodge, "role": "Lodge"}, {"name": "Namuna Travels", "role": "Agency"}],
            "effective_on": begins.isoformat(),
            "term": {"months": months, "renews_automatically": False, "notice_days": notice, "clause": "1.2"},
            "payment": {"amount": amount, "currency": "NPR", "period": "month", "due_days": due, "clause": "3.1"},
            "liability": {"is_capped": True, "cap": "the fees of one month", "clause": "6.1"},
            "governing_law": "Nepal",
            "risks": [{"risk": risk, "severity": "high", "clause": "3.4"}] if keeps_deposit else [],
        }

    def _meeting(self, day: date) -> tuple[str, dict[str, Any]]:
        dice = self._dice
        chair, author, other = dice.sample(self._pools.editors, 3)
        book, later_book = dice.sample(self._pools.books, 2)
        due = day + timedelta(days=dice.whole(2, 9))
        weeks, price = dice.whole(1, 4), dice.whole(14, 29)
        text = (
            f"Editorial meeting, {day:%A %d %B %Y}\n\n"
            f"{chair}: Where is {book}?\n"
            f"{author}: The proofs need {weeks} more week{'s' * (weeks > 1)}. The index is what holds us up.\n"
            f"{chair}: Then {later_book} goes to the printer first. Agreed?\n{other}: Agreed.\n"
            f"{author}: I'll have the index by {due:%A %d %B}.\n"
            f"{other}: And the price? I'd still say {price} euros.\n{chair}: Let's leave that for next time."
        )
        return text, {
            "title": f"Editorial meeting: {book}",
            "held_on": day.isoformat(),
            "participants": [chair, author, other],
            "summary": f"{later_book} goes to the printer first, because the proofs of {book} need {weeks} more "
            f"week{'s' * (weeks > 1)}. Its price is still open.",
            "decisions": [
                {"decision": f"Send {later_book} to the printer first.", "reason": f"The proofs of {book} are late."}
            ],
            "actions": [
                {
                    "task": f"Finish the index of {book}",
                    "owner": author,
                    "due_on": due.isoformat(),
                    "status": "in_progress",
                }
            ],
            "open_questions": [f"Does {book} cost {price} euros?"],
        }

    def _shipment(self, day: date) -> tuple[str, dict[str, Any]]:
        dice, pools = self._dice, self._pools
        shipper, consignee = dice.sample(pools.firms, 2)
        city, country = dice.pick(pools.places)
        ready, reference = day + timedelta(days=dice.whole(1, 6)), f"{shipper[:1]}{dice.digits(6)}"
        unit, is_dangerous = dice.weighed({"kg": 3, "lb": 1}), dice.happens(0.06)
        pieces: list[dict[str, Any]] = []
        loads: list[str] = []
        for contents in dice.sample(pools.cargo, dice.whole(1, 2)):
            count, package = dice.whole(1, 14), dice.pick(("pallet", "crate", "carton", "drum"))
            pieces.append({"count": count, "package": package, "contents": contents})
            loads.append(f"{count} {package}{'s' * (count > 1)} of {contents}")
        weight = dice.whole(40, 2400)
        text = (
            f"Hi, {shipper} here with {reference}: {' and '.join(loads)} for {consignee} in {city}, {country}. "
            f"Gross {weight} {unit.upper()}. Ready for collection on {ready:%d %B %Y}."
            + (" Declared as dangerous goods, papers follow." if is_dangerous else "")
            + f" Regards, {dice.pick(pools.people)}"
        )
        return text, {
            "reference": reference,
            "shipper": shipper,
            "consignee": consignee,
            "destination": {"city": city, "country": country},
            "ready_on": ready.isoformat(),
            "pieces": pieces,
            "gross_weight": {"value": weight, "unit": unit},
            "is_dangerous": is_dangerous,
        }
