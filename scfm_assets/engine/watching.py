"""What the files of a model are now, looked at from outside: their version, or why they are left alone for a while."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scfm_assets.catalog import HubAddress, is_hub, unsettled
from scfm_assets.errors import ScfmError
from scfm_assets.home import home
from scfm_assets.inputs import checkpoints, hub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scfm_assets.catalog import Catalog

HUB_SECONDS = 3600
"""Time between two questions to the hub whether a branch has moved."""


@dataclass(frozen=True)
class Seen:
    """What a look at a model's files found."""

    version: str | None
    """Digest of what decides what the model computes; None if it cannot be told now."""
    reason: str = ""
    """Why it cannot."""


def look(catalog: Catalog, model: str) -> Seen:
    """Version of a model's files once they are settled and whole. Nothing is built, and nothing raised.

    Parameters
    ----------
    catalog
        What is declared.
    model
        One of its models.
    """
    from scfm_assets.families import FAMILIES
    from scfm_assets.families.folder import check_whole

    entry = catalog.models[model]
    try:
        if addresses := on_hub(catalog, model):
            question = _QUESTIONS.setdefault((model, *addresses), _Question(addresses))
            if reason := question.ask(lambda: checkpoints.checkpoint_files(catalog, model)):
                return Seen(None, reason)
        folder = checkpoints.known_folder(catalog, model)
        if entry.control is not None:
            built = folder.is_dir()
            return Seen(checkpoints.checkpoint_version(catalog, model)) if built else Seen(None, "is not built yet")
        files = FAMILIES[entry.family].digest_inputs(folder, checkpoints.options_of(catalog, model))
        if reason := unsettled(folder, files):
            return Seen(None, reason)
        check_whole(files)
        return Seen(checkpoints.checkpoint_version(catalog, model))
    except (ScfmError, OSError) as error:
        return Seen(None, _in_words(error))


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())


# The hub ------------------------------------------------------------------------------------------------------------


def on_hub(catalog: Catalog, model: str) -> tuple[str, ...]:
    """List the addresses of a model's files that are on the hub."""
    entry = catalog.models[model]
    places = [str(entry.checkpoint), *entry.files.values()]
    return tuple(place for place in places if is_hub(place))


def refresh(addresses: Iterable[str]) -> None:
    """Let this home use the commits at which the hub's branches stand now."""
    for address in addresses:
        hub.refreshed(HubAddress.parse(address), home())


@dataclass
class _Question:
    """Where the hub's branches stand now, asked from time to time beside the sensor: it may take a download."""

    addresses: tuple[str, ...]
    asked: float | None = None
    thread: threading.Thread | None = None
    failed: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, fetch: Callable[[], object]) -> str:
        """Ask if it is time; say why nothing can be told, or nothing if all is there."""
        with self.lock:
            if self.thread is not None and self.thread.is_alive():
                return "is being fetched from the hub"
            if self.asked is None or time.monotonic() - self.asked >= HUB_SECONDS:
                self.asked = time.monotonic()
                self.thread = threading.Thread(target=self._go, args=(fetch,), daemon=True)
                self.thread.start()
                return "the hub is asked for it"
            return self.failed

    def _go(self, fetch: Callable[[], object]) -> None:
        try:
            refresh(self.addresses)
            fetch()
            self.failed = ""
        except (ScfmError, OSError) as error:
            self.failed = _in_words(error)


_QUESTIONS: dict[tuple[str, ...], _Question] = {}
"""One per model and addresses, for the life of the process."""
