"""Programs of others, run straight at a vendor and through Proctor, and what differs."""
