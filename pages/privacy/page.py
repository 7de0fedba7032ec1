"""Privacy: what is kept of one of a tenant's users, given out or erased, and what went of those who were."""

from __future__ import annotations

from core.tenants import Permission
from pages.kit import address
from pages.kit.choices import tenant_choice
from pages.kit.page import open_page, refusals
from pages.privacy import certificates, user

visit = open_page(
    "Privacy",
    "What is kept of one of your users: given out, or erased.",
    needs=Permission.USERS_ERASE,
    takes={"tenant": address.TENANT},
)
with visit.controls:
    tenant = tenant_choice(visit, needs=Permission.USERS_ERASE)
user.draw(visit, tenant)
with refusals("Certificates cannot be read."):
    certificates.draw(visit, tenant)
