"""Sources: export formats, and how their files become canonical tables.

A new format is a new file beside this one and a line in `ADAPTERS`.
"""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from pipelines.errors import UserError
from pipelines.sources.adapter import Adapter
from pipelines.sources.azure_apim import AZURE_APIM
from pipelines.sources.bedrock import BEDROCK
from pipelines.sources.deliveries import files_of, list_deliveries
from pipelines.sources.envoy import ENVOY
from pipelines.sources.helicone import HELICONE
from pipelines.sources.kong import KONG
from pipelines.sources.langfuse import LANGFUSE
from pipelines.sources.litellm_payload import LITELLM_PAYLOAD
from pipelines.sources.litellm_spendlogs import LITELLM_SPENDLOGS
from pipelines.sources.native import NATIVE
from pipelines.sources.otel_genai import OTEL_GENAI
from pipelines.sources.portkey import PORTKEY
from pipelines.sources.readers import first_record
from pipelines.sources.usage_counters import with_usage_counters

ADAPTERS: tuple[Adapter, ...] = tuple(
    with_usage_counters(adapter)
    for adapter in (
        AZURE_APIM,
        BEDROCK,
        ENVOY,
        HELICONE,
        KONG,
        LANGFUSE,
        LITELLM_PAYLOAD,
        LITELLM_SPENDLOGS,
        NATIVE,
        OTEL_GENAI,
        PORTKEY,
    )
)

# A day may hold a million files of one record each; a format shows in the first few.
_SAMPLED_FILES_PER_DAY = 20
_SAMPLED_DAYS = 20

__all__ = ["ADAPTERS", "Adapter", "adapter_named", "recognise"]


def adapter_named(name: str) -> Adapter:
    """The adapter of that name; `UserError` listing the known ones if there is none."""
    for adapter in ADAPTERS:
        if adapter.name == name:
            return adapter
    known = ", ".join(adapter.name for adapter in ADAPTERS)
    raise UserError(f"unknown format {name!r}; the known ones are {known}")


def recognise(exports: Path) -> Adapter:
    """The one adapter whose layout and content the files below `exports` have.

    Raises `UserError` when none or several fit, saying what was seen.
    """
    fitting: list[Adapter] = []
    seen: Mapping[str, object] = {}
    troubles: list[str] = []
    for adapter in ADAPTERS:
        try:
            record = _sample(exports, adapter)
        except UserError as trouble:
            troubles.append(f"{adapter.name}: {trouble}")
            continue
        seen = record or seen
        if record and adapter.recognises(record):
            fitting.append(adapter)
    if len(fitting) == 1:
        return fitting[0]
    if len(troubles) == len(ADAPTERS):
        raise UserError(f"no known export format in {exports}: " + "; ".join(troubles))
    choices = "|".join(adapter.name for adapter in fitting or ADAPTERS)
    saw = f"records with {', '.join(sorted(seen)[:12])}" if seen else "no readable record"
    what = "several formats fit" if fitting else "no known format fits"
    raise UserError(
        f"{what} the files in {exports}, found {saw}; say which with --format {choices}"
    )


def _sample(exports: Path, adapter: Adapter) -> Mapping[str, object]:
    """The first record in the layout of `adapter`, newest day first; empty if there is none."""
    for day in list_deliveries(exports, adapter)[: -_SAMPLED_DAYS - 1 : -1]:
        files = (
            file
            for file in files_of(exports, adapter, "requests", day)
            if adapter.manifests is None or not adapter.manifests.are_named(file.name)
        )
        for file in islice(files, _SAMPLED_FILES_PER_DAY):
            record = first_record(file.path)
            if record:
                return record
    return {}
