"""Store: how large the database is, what takes the room, and how long it lasts."""

from __future__ import annotations

from core.tenants import Permission
from pages.kit.page import open_page, refusals
from pages.store import room

visit = open_page(
    "Store",
    "How large the database is, and how long it lasts.",
    needs=Permission.GENERATIONS_READ,
    takes={},
)
with refusals("The store cannot be measured."):
    room.draw(visit)
