"""The registry of schemas: named response models, their immutable versions, and the labels that move between them."""

from core.schemas._checks import CheckedAnswer, checked
from core.schemas._differences import Effect, SchemaDifference, altogether, differences
from core.schemas._labels import LabelView
from core.schemas._names import PRODUCTION
from core.schemas._registry import SAMPLES, Schemas
from core.schemas._versions import version_name, version_of
from core.schemas._views import ResolvedSchema, SchemaEntry, SchemaSummary, VersionSummary

__all__ = [
    "PRODUCTION",
    "SAMPLES",
    "CheckedAnswer",
    "Effect",
    "LabelView",
    "ResolvedSchema",
    "SchemaDifference",
    "SchemaEntry",
    "SchemaSummary",
    "Schemas",
    "VersionSummary",
    "altogether",
    "checked",
    "differences",
    "version_name",
    "version_of",
]
