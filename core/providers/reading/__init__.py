"""What comes back over a vendor's wire, whole or in events, and where in it the object or the reason stands."""
