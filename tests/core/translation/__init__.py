"""Translation between the dialects of two vendors, held against their own SDKs' models."""
