"""How many tokens texts are said to be beforehand, against what vendors count."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.messages.likely_tokens import likely_tokens

_NOISE = hashlib.shake_256(b"noise").digest(1500)
_ROWS = [{"id": n, "name": f"Person {n}", "email": f"p{n}@example.com", "score": n * 7.31} for n in range(20)]
TEXTS = {
    "english": "The committee met on Thursday to discuss the budget for the coming year. After a long debate, members "
    "agreed that spending on schools should rise, while the plans for a new bridge were put off. " * 5,
    "german": "Der Ausschuss trat am Donnerstag zusammen, um über den Haushalt des kommenden Jahres zu beraten. " * 9,
    "polish": "Komisja zebrała się w czwartek, aby omówić budżet na nadchodzący rok i wydatki na szkoły. " * 9,
    "spanish": "La comisión se reunió el jueves para debatir el presupuesto; después se votó también el plan. " * 9,
    "vietnamese": "Ủy ban đã họp vào thứ Năm để thảo luận về ngân sách cho năm tới và chi tiêu cho trường học. " * 9,
    "russian": "Комитет собрался в четверг, чтобы обсудить бюджет на следующий год и расходы на школы. " * 9,
    "arabic": "اجتمعت اللجنة يوم الخميس لمناقشة ميزانية العام المقبل وزيادة الإنفاق على المدارس. " * 9,
    "hindi": "समिति ने आने वाले वर्ष के बजट पर चर्चा करने के लिए गुरुवार को बैठक की। " * 9,
    "thai": "คณะกรรมการประชุมกันเมื่อวันพฤหัสบดีเพื่อหารือเกี่ยวกับงบประมาณสำหรับปีหน้า " * 9,
    "chinese": "委员会于星期四开会讨论来年的预算。经过长时间的辩论、委员们同意增加学校的开支。" * 9,
    "japanese": "委員会は木曜日に来年度の予算について話し合うために会合を開いた。" * 9,
    "korean": "위원회는 목요일에 내년 예산을 논의하기 위해 회의를 열었다. " * 9,
    "emoji": "🎉🚀😀🔥💡🌍🍕🐍" * 30,
    "code": "def total(lines):\n    return sum(line.price * line.count for line in lines if line.count > 0)\n\n" * 15,
    "minified": "function a(b,c){var d=b.e||{},f=c.g?c.g(d):null;for(var h=0,i=d.length;h<i;++h)c.k(d[h].m)}" * 15,
    "json": json.dumps(_ROWS, indent=2),
    "compact json": json.dumps(_ROWS, separators=(",", ":")),
    "numbers": "\n".join(",".join(str(round(n * k * 17.393, 3)) for k in range(1, 7)) for n in range(1, 50)),
    "long numbers": "\n".join(str(int.from_bytes(_NOISE[n : n + 8])) for n in range(0, 400, 8)),
    "digits": "".join(str(one % 10) for one in _NOISE),
    "letters": "".join(chr(ord("a") + one % 26) for one in _NOISE),
    "medicines": "hydroxychloroquine acetaminophen, methylprednisolone, levothyroxine and dexamethasone; " * 9,
    "short lines": "yes\nno\nmaybe\n" * 60,
    "indented": ("\n" + " " * 24 + "yes") * 50,
    "pattern": r"^(?:[\w.+-]+@(?:\w+\.)+[a-z]{2,})|(\"(?:\\.|[^\"\\])*\")$" * 9,
    "drawn lines": ("=" * 60 + "\n") * 20,
    "hex": _NOISE.hex(),
    "base64": base64.b64encode(_NOISE).decode(),
    "ids": "\n".join(_NOISE[n : n + 16].hex("-", 4) for n in range(0, 1200, 16)),
    "snake name": "get_customer_invoice_line_item_total_amount_" * 40,
    "camel name": "getCustomerInvoiceLineItemTotalAmountWithTax" * 40,
    "table": "| name | value |\n|------|-------|\n" + "".join(f"| row {n} | {n * 3.7:.2f} kg |\n" for n in range(60)),
}
COUNTED = {
    "english": 196,
    "german": 163,
    "polish": 290,
    "spanish": 181,
    "vietnamese": 252,
    "russian": 199,
    "arabic": 190,
    "hindi": 173,
    "thai": 226,
    "chinese": 261,
    "japanese": 225,
    "korean": 189,
    "emoji": 420,
    "code": 345,
    "minified": 615,
    "json": 802,
    "compact json": 482,
    "numbers": 1339,
    "long numbers": 396,
    "digits": 500,
    "letters": 784,
    "medicines": 218,
    "short lines": 360,
    "indented": 150,
    "pattern": 288,
    "drawn lines": 40,
    "hex": 1702,
    "base64": 1387,
    "ids": 1691,
    "snake name": 281,
    "camel name": 360,
    "table": 670,
}
"""Tokens by OpenAI's published vocabulary of its newer models, ``o200k_base``."""


@pytest.mark.parametrize("kind", TEXTS)
def test_it_is_within_twice_of_what_is_counted(kind: str) -> None:
    """And less by a fifth at most, since who reckons with too few outgrows a model's context."""
    assert COUNTED[kind] * 0.8 <= likely_tokens([TEXTS[kind]]) <= COUNTED[kind] * 2


@pytest.mark.parametrize("kind", TEXTS)
def test_a_long_text_is_judged_by_parts_of_it(kind: str) -> None:
    """What is looked at of it has an end, and is as good as all of it."""
    times = 200_000 // len(TEXTS[kind])
    one, many = likely_tokens([TEXTS[kind]]), likely_tokens([TEXTS[kind] * times])
    assert many == pytest.approx(one * times, rel=0.15)


def test_a_digit_of_its_own_is_within_twice_as_well() -> None:
    """Some vendors have a token for each digit, others for three: a guess between them serves both."""
    assert likely_tokens([TEXTS["digits"]]) >= len(TEXTS["digits"]) / 2


def test_all_of_a_long_text_is_looked_at() -> None:
    """Its beginning does not speak for what follows."""
    half = 200_000
    parts = [(TEXTS[kind] * half)[:half] for kind in ("english", "chinese")]
    assert likely_tokens(["".join(parts)]) == pytest.approx(likely_tokens(parts), rel=0.05)


@given(st.lists(st.text(max_size=50), max_size=5), st.text(max_size=50))
def test_more_text_is_no_fewer_tokens(texts: list[str], more: str) -> None:
    """It is never negative, and none for nothing."""
    assert 0 <= likely_tokens(texts) <= likely_tokens([*texts, more])
    assert likely_tokens([]) == likely_tokens([""]) == 0
