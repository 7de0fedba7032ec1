"""Incidents: where much more than usual went wrong, and one such stretch of time, opened.

What is usual are the same hours of the seven days before (:class:`Usual`); when something stands out from that is said
in :mod:`core.reports.incidents._rule` alone.
"""

from core.reports.incidents._clusters import LONGEST, MOST_SEARCHED, MOST_TENANTS, Cluster, ClusterKind, clusters
from core.reports.incidents._fallbacks import FallbackPremium
from core.reports.incidents._one import DAYS, LOST_CALLS, MOST_HIT, Hit, HowMany, Incident, OneCall, Usual, incident

__all__ = [
    "DAYS",
    "LONGEST",
    "LOST_CALLS",
    "MOST_HIT",
    "MOST_SEARCHED",
    "MOST_TENANTS",
    "Cluster",
    "ClusterKind",
    "FallbackPremium",
    "Hit",
    "HowMany",
    "Incident",
    "OneCall",
    "Usual",
    "clusters",
    "incident",
]
