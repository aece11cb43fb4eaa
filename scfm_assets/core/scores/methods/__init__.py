"""All methods that score edges from counts: the baselines, and what the modules beside this one declare as `METHOD`.

A new method is one module here: a function (cells, genes) -> scores, whose docstring says what it computes, and its
record ``METHOD = BaselineMethod(...)``. Catalog, runs, reports and studies find it by its name.
"""

from importlib import import_module
from pkgutil import iter_modules

from scfm_assets.core.scores.baselines import BASELINES, BaselineMethod


def declared() -> list[BaselineMethod]:
    """Find the records of the modules, expensive ones last."""
    methods = [import_module(f"{__name__}.{module.name}").METHOD for module in iter_modules(__path__)]
    return sorted(methods, key=lambda method: method.expensive)


METHODS = {method.name: method for method in (*BASELINES, *declared())}
"""Name -> method."""
NULLS = tuple(method for method in METHODS.values() if method.null)
"""Methods that know nothing of regulation: what others have to beat, computed without being asked for."""


def method_names() -> tuple[str, ...]:
    """Names that one may ask for: of all methods but the nulls."""
    return tuple(method.name for method in METHODS.values() if not method.null)
