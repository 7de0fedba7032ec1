"""Panels: every question that the console's pages ask, as data, and what each costs on this database.

A page is as slow as its questions. So each has a line in ``catalog.py``, and ``proctor bench panels`` asks all of them
as a page would: what the database had to read, how long it took at first and again, and whose processor did it.
"""

from core.panels._asking import PagePanel
from core.panels._database_work import scanned
from core.panels._measuring import PanelBench, PanelCost
from core.panels.catalog import PANELS

__all__ = ["PANELS", "PagePanel", "PanelBench", "PanelCost", "scanned"]
