"""The registry of schemas: named response models, their immutable versions, and the labels that move between them."""

from core.schemas._registry import PRODUCTION, SAMPLES, Schemas
from core.schemas._views import ResolvedSchema, SchemaEntry, SchemaSummary, VersionSummary

__all__ = ["PRODUCTION", "SAMPLES", "ResolvedSchema", "SchemaEntry", "SchemaSummary", "Schemas", "VersionSummary"]
