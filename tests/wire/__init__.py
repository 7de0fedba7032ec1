"""A fake of both providers that speaks their wire: real HTTP, scripted behaviour, a ledger of what it billed."""
