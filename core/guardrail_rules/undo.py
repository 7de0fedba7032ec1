"""How a change of a rule is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from core.audit import Because, PastChange, Undo, Undoing
from core.guardrail_rules._rules import described
from core.principals import Permission, Principal
from core.tables import GuardrailRule
from core.visibility import concerned

if TYPE_CHECKING:
    from core.guardrail_rules._rules import GuardrailRules


def _undo(session: Session, rules: GuardrailRules, past: PastChange) -> Undo:
    """Return how a rule is what it was, or is not there."""
    tenant = concerned(session, past.tenant_id)
    of = select(GuardrailRule).where(
        GuardrailRule.tenant_id == (past.tenant_id or ""), GuardrailRule.name == past.subject
    )
    row = session.exec(of).first()
    now = described(row) if row else None
    version = row.version if row else 0
    then = past.restored(now)

    def do(principal: Principal, reason: str) -> None:
        why: Because = {"reason": reason, "undo_of": past.id}
        if then is None:
            rules.remove(principal, past.subject, tenant, expected_version=version, **why)
        else:
            fields = {name: value for name, value in then.items() if name not in {"check", "action"}}
            rules.set(
                principal,
                past.subject,
                tenant,
                then["check"],
                then["action"],
                expected_version=version,
                **fields,
                **why,
            )

    return Undo(now=now, then=then, needs=Permission.GUARDRAILS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"guardrail.set": _undo, "guardrail.remove": _undo}
"""How each of its changes is undone."""
