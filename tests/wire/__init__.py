"""A fake of both providers that speaks their wire: real HTTP on loopback, scripted behaviour, a ledger of what it billed."""
