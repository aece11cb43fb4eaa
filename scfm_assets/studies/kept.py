"""What a long step has finished, so that a killed run goes on and does not begin anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scfm_assets.core.base import digest_json, replacing


@dataclass(frozen=True)
class Kept:
    """Finished parts of a step.

    Parameters
    ----------
    folder
        Where they lie; the platform names it after all that the step is made of, so that other inputs, settings or code
        never go on from them. None keeps nothing: in a notebook.
    """

    folder: Path | None = None

    def rows(self, part: Sequence[Any], make: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """Rows of one part, made now or taken from what was kept.

        Parameters
        ----------
        part
            What tells it from all other parts, as JSON values.
        make
            Makes its rows, of plain values.
        """
        if self.folder is None:
            return make()
        file = self.folder / f"{digest_json(list(part))}.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
        rows = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(file) as hidden:
            hidden.write_text(json.dumps(rows, default=lambda number: number.item()), encoding="utf-8")
        return rows
