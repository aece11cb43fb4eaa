"""What every room stands on: digests of content, and texts that can be shown."""

from scfm_assets.core.base.atomic import hidden_beside, replacing
from scfm_assets.core.base.code_digest import digest_code, digest_source, is_text
from scfm_assets.core.base.digest import (
    LENGTH,
    digest_arrays,
    digest_file,
    digest_folder,
    digest_json,
    digest_table,
    seed_from,
)
from scfm_assets.core.base.fingerprint import Fingerprint
from scfm_assets.core.base.passed import Passed
from scfm_assets.core.base.text import is_plain, shown

__all__ = [
    "LENGTH",
    "Fingerprint",
    "Passed",
    "digest_arrays",
    "digest_code",
    "digest_file",
    "digest_folder",
    "digest_json",
    "digest_source",
    "digest_table",
    "hidden_beside",
    "is_plain",
    "is_text",
    "replacing",
    "seed_from",
    "shown",
]
