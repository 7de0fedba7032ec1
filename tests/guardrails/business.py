"""Texts as a company writes them all day, in which there is nothing to be found. Drawn by a seed, from templates."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

from stdnum import ean

_DIGITS = "0123456789"
_NAMES = (
    "Nordwind",
    "Kiesel",
    "Alba",
    "Meridian",
    "Tarn",
    "Vellum",
    "Quarto",
    "Brisa",
    "Kaede",
    "Hanami",
    "Rivi\u00e8re",
)
_WORDS = (
    *("token budget", "key account", "password policy", "secret santa", "system prompt", "card index", "phone booth"),
    *(
        "previous instructions",
        "bearer bond",
        "session room",
        "master key",
        "ignore list",
        "passport photo",
        "card game",
    ),
)
_UPPER = "ABCDEFGHJKLMNPQRSTUVWXYZ"


class _Draws:
    """What stands in the gaps of a template: ``{order}`` is the order number that :meth:`order` draws."""

    def __init__(self, chance: random.Random) -> None:
        """Draw by *chance*."""
        self._chance = chance

    def __getitem__(self, name: str) -> str:
        drawn: str = getattr(self, name.rstrip("0123456789"))()
        return drawn

    def _number(self, size: int) -> str:
        return self._chance.choice("123456789") + "".join(self._chance.choices(_DIGITS, k=size - 1))

    def order(self) -> str:
        """Return a number of an order, a delivery or a ticket."""
        form = self._chance.choice(
            ["{7}", "{8}", "{9}", "{10}", "{4}-2026-{4}", "PO-{6}", "SO{8}", "INC{7}", "#{5}", "{2}/{5}"]
        )
        for size in range(2, 11):
            form = form.replace(f"{{{size}}}", self._number(size))
        return form

    def date(self) -> str:
        """Return a day, as people write it."""
        day, month = self._chance.randint(1, 28), self._chance.randint(1, 12)
        return self._chance.choice([f"{day:02}.{month:02}.2026", f"2026-{month:02}-{day:02}", f"{month}/{day}/26"])

    def time(self) -> str:
        """Return a time of day."""
        return f"{self._chance.randint(0, 23):02}:{self._chance.randint(0, 59):02}:{self._chance.randint(0, 59):02}"

    def amount(self) -> str:
        """Return a sum of money in the style of some country."""
        cents = self._chance.randint(100, 99_999_999)
        written = f"{cents // 100:,}.{cents % 100:02}"
        swapped = written.translate(str.maketrans(",.", ".,"))
        return self._chance.choice([written, swapped, swapped.replace(".", " "), swapped.replace(".", "'")])

    def count(self) -> str:
        """Return a small number."""
        return str(self._chance.randint(2, 900))

    def article(self) -> str:
        """Return the number of an article: EAN, SKU or a part."""
        body = self._chance.choice(["400", "401", "426", "76", "50", "97", "30"]) + self._number(9)
        body = body[:12]
        return self._chance.choice(
            [
                f"EAN {body}{ean.calc_check_digit(body)}",
                f"{body}{ean.calc_check_digit(body)}",
                f"SKU {''.join(self._chance.choices(_UPPER, k=2))}-2026-{self._number(4)}",
                f"{self._chance.choice(_UPPER)}{self._number(6)}-{self._number(2)}",
            ]
        )

    def version(self) -> str:
        """Return a version of a program."""
        return ".".join(str(self._chance.randint(0, 20)) for _ in range(self._chance.choice([2, 3, 3, 4])))

    def millis(self) -> str:
        """Return a moment in milliseconds."""
        return str(1_700_000_000_000 + self._chance.randint(0, 10**11))

    def uuid(self) -> str:
        """Return an identifier."""
        bits = f"{self._chance.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"

    def digest(self) -> str:
        """Return a hash."""
        return f"{self._chance.getrandbits(256):064x}"

    def ulid(self) -> str:
        """Return an identifier that sorts by time."""
        return "01" + "".join(self._chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24))

    def parcel(self) -> str:
        """Return the number of a parcel."""
        return self._chance.choice(
            [f"1Z{self._number(16)}", f"JJD{self._number(17)}", f"00{self._number(18)}", self._number(14)]
        )

    def name(self) -> str:
        """Return what a firm or a thing is called."""
        return self._chance.choice(_NAMES)

    def host(self) -> str:
        """Return a private address."""
        return f"10.{self._chance.randint(0, 255)}.{self._chance.randint(0, 255)}.{self._chance.randint(1, 254)}"

    def word(self) -> str:
        """Return words with which something else begins as well."""
        return self._chance.choice(_WORDS)


TEMPLATES = (
    "Please find attached invoice {order} of {date} over {amount} EUR, due within {count} days.",
    "Order {order1} was split into {count} deliveries ({date1}, {date2}); the rest follows by {date3}.",
    "Dear team of {name}, we confirm {count1} pieces of {article} at {amount} each, delivery in week {count2}.",
    "Ticket {order}: the export stops after {count1} rows. Version {version}, since {date} {time}.",
    "{date} {time} INFO worker-{count} job={uuid} took {millis} rows={order}",
    "{date} {time} WARN [{ulid}] retry {count} of batch {millis} on {host}, digest {digest}",
    "GET /v1/orders/{order} 200 {count}ms trace={uuid} agent=probe/{version}",
    "The {word} will be discussed on {date} at {time}; minutes are kept under {order}.",
    "Minutes of {date}: 1. budget {amount} EUR, 2. {word}, 3. move to hall {count}, 4. other.",
    "Parcel {parcel} left {name} on {date}, {count} kg, and is expected on {date1}.",
    "Wir liefern am {date} die Bestellung {order} ({count} Stück, {amount} EUR) an das Lager {name}.",
    "Die Rechnung {order} vom {date} über {amount} Euro ist bis heute nicht beglichen; Mahngebühr {amount1} Euro.",
    "Artikel {article} ist ab {date} wieder verfügbar, Charge {order}, Prüfziffer {count}.",
    "Votre commande {order} du {date} est prête : {count} colis, {amount} € TTC, référence {article}.",
    "La réunion du {date} à {time} portera sur le budget de {amount} € et le dossier {order}.",
    "Su pedido {order} del {date} por {amount} € se entregará en {count} días; lote {order1}.",
    "El informe {order} sin errores fue cerrado el {date}, {count} unidades, versión {version}.",
    "ご注文番号{order}の商品は{date}に発送いたします。数量は{count}個、合計{amount}円です。",
    "会議は{date}の{time}から、議題は予算{amount}円と案件{order}です。",
    "Q3: {amount1} units in the north, {amount2} in the south; margin {count} %, see sheet {order}.",
    "Serial {article1}, firmware {version}, replaced on {date} under RMA {order}.",
    "Room {version}, building {name}, extension {count}; keys at the desk until {time}.",
    "VAT DE{order1}, HRB {count}, annual report {date}: turnover {amount} EUR.",
    "Coordinates 52.{count1}, 13.{count2}; plot {order}, area {amount} m2.",
    "Answer to audit {order}: control {version} was tested {count} times, last on {date}.",
    "The primary key is {name}_{order}, the foreign key points to {uuid}.",
    "Shift plan {date}: early {count1}, late {count2}, night {count3}; hours {amount}.",
    "Batch {millis}: {count1} ok, {count2} failed, checksum {digest}",
    "Purchase requisition {order1} replaces {order2} and {order3}; cost centre {count}, total {amount} USD.",
    "Flight LH {count1}, seat {count2}A, booking ABC{count3}, {date} {time}.",
)
"""One sentence of each sort, with gaps. All of it was written for this file."""


def _table(draw: _Draws) -> str:
    rows = [f"{draw['article']};{draw['count']};{draw['amount']};{draw['date']};{draw['order']}" for _ in range(5)]
    return "\n".join(["article;pieces;price;date;order", *rows])


def _grid(draw: _Draws) -> str:
    return "\n".join(" ".join(str(int(draw["count"]) + 1_000) for _ in range(6)) for _ in range(4))


def _document(draw: _Draws) -> str:
    lines = [{"sku": draw["article"], "pieces": int(draw["count"]), "price": draw["amount"]} for _ in range(3)]
    return json.dumps(
        {"id": draw["uuid"], "order": draw["order"], "created": draw["date"], "at": int(draw["millis"]), "lines": lines}
    )


def _letter(draw: _Draws) -> str:
    return " ".join(
        template.format_map(_gaps(draw)) for template in (TEMPLATES[0], TEMPLATES[2], TEMPLATES[7], TEMPLATES[9])
    )


def _gaps(draw: _Draws) -> Mapping[str, str]:
    class Gaps(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return draw[name]

    return Gaps()


FORMS: tuple[Callable[[_Draws], str], ...] = (_table, _grid, _document, _letter)


def business(count: int, seed: int = 20261130) -> list[str]:
    """Return *count* texts, the same for the same *seed*."""
    chance = random.Random(seed)  # noqa: S311  # nothing is to be kept secret by it
    draw = _Draws(chance)
    made: list[str] = []
    for number in range(count):
        place = number % (len(TEMPLATES) + len(FORMS))
        made.append(
            TEMPLATES[place].format_map(_gaps(draw)) if place < len(TEMPLATES) else FORMS[place - len(TEMPLATES)](draw)
        )
    return made
