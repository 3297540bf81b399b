"""What is kept of a request's text: numbers and hashes, never the text.

Here belongs everything that looks at a prompt, a system prompt or a response. The text is
read once, while a delivery is ingested, and leaves this module as the columns of
`FINGERPRINT_TYPES`. What those columns mean for an account is decided in the dbt project.
"""

from pipelines.fingerprints.cues import ELICITATION_FAMILIES
from pipelines.fingerprints.sql import FINGERPRINT_TYPES, fingerprint_sql

__all__ = ["ELICITATION_FAMILIES", "FINGERPRINT_TYPES", "fingerprint_sql"]
