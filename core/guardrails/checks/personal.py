"""Mail addresses, phones, accounts, cards, national numbers and addresses of machines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.detection.personal import KINDS, REGIONS, PersonalDetector
from core.errors import Invalid
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import chosen, require_known, texts

_MOST_REGIONS = 300
_MOST_DOMAINS = 1_000
_DOMAIN = re.compile(r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")


class Personal:
    """Finds what tells of a person: by kind, for countries, and beside the domains that are nobody's."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> PersonalDetector:
        """Return the detector: ``kinds`` of data, all without it; ``regions`` by ISO 3166; mail ``domains`` to let be.

        Raises:
            Invalid: a setting cannot be used.

        """
        require_known(settings, ("kinds", "regions", "domains"))
        regions = [region.upper() for region in texts(settings, "regions", most=_MOST_REGIONS)]
        for region in regions:
            if region not in REGIONS:
                raise Invalid(f"regions has {region[:40]!r}, which is no country's code of two letters, such as DE.")
        domains = texts(settings, "domains", most=_MOST_DOMAINS)
        for domain in domains:
            if not _DOMAIN.fullmatch(domain):
                raise Invalid(f"domains has {domain[:40]!r}, which is no domain, such as example.org.")
        return PersonalDetector(chosen(settings, "kinds", KINDS), regions, domains)


CHECK = Personal()
