"""What a user may set of the studies: one block for each study that there is, made of its own settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import create_model
from pydantic_core import PydanticCustomError

from scfm_assets.studies import discover
from scfm_assets.studies.settings import Block, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    Studies = Block
else:
    Studies = create_model(
        "Studies",
        __base__=Block,
        __doc__="The studies of a catalog: all of them unless one is set to null. They run when they are asked for.",
        **{name: (study.settings | None, study.settings()) for name, study in discover().items()},
    )


def check_studies(studies: Block, atlases: Mapping[str, Any]) -> None:
    """Let every study look at the rest of the catalog; what it refuses is told of under its own key."""
    for name in type(studies).model_fields:
        settings = getattr(studies, name)
        try:
            if settings is not None:
                settings.check(atlases)
        except PydanticCustomError as error:
            context = error.context or {}
            refuse(context["problem"], context["remedy"], at=("studies", name, *context["at"]))
