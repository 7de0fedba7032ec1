"""The SDKs' own test suites, run straight at the fake vendor and through Proctor."""
