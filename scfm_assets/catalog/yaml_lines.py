"""YAML as plain data together with the line on which every key and list item stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from scfm_assets.errors import ScfmError

Key = str | int
Lines = dict[tuple[Key, ...], int]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str, place: str) -> tuple[Any, Lines]:
    """Parse one YAML document with the safe loader.

    Parameters
    ----------
    text
        The document.
    place
        What errors call it: the file's name.

    Returns
    -------
    data, lines
        Plain dicts, lists and scalars; and for every path into them the 1-based line of its key or item.

    Raises
    ------
    ScfmError
        If the text is no YAML, holds tags of other languages, or says a key twice (YAML itself would silently keep
        the last).
    """
    loader = _Loader(text)
    lines: Lines = {}
    try:
        root = loader.get_single_node()
        if root is None:
            return None, lines
        _check(root, place, frozenset(), set())
        return _build(loader, root, (), lines), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place}:{mark.line + 1}" if mark else place
        raise ScfmError(where, f"not readable as YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise ScfmError(place, f"not readable as YAML: {error}") from error
    finally:
        loader.dispose()


def line_of(lines: Mapping[tuple[Key, ...], int], path: tuple[Key, ...]) -> int:
    """Line of a path, or of its nearest parent that stands in the file."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _check(node: yaml.Node, place: str, above: frozenset[int], seen: set[int]) -> None:
    """Refuse aliases that close a circle and keys that are said twice, before merge keys are resolved."""
    where = f"{place}:{_line(node)}"
    if id(node) in above:
        raise ScfmError(where, "an alias refers to the block that it stands in")
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    keys: set[str] = set()
    for item in node.value:
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        if key is not None:
            where = f"{place}:{_line(key)}"
            if not isinstance(key, yaml.ScalarNode):
                raise ScfmError(where, "a key must be a word, found a list or a block")
            if key.value in keys:
                raise ScfmError(where, f"the key {key.value!r} is said twice", "Keep one of the two.")
            keys.add(key.value)
        _check(value, place, above | {id(node)}, seen)


def _build(loader: Any, node: yaml.Node, path: tuple[Key, ...], lines: Lines) -> Any:
    """Construct the data below a node and note the line of each part."""
    # what bears a tag of its own goes to the safe loader, which refuses what is no plain data
    if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
        for i, item in enumerate(node.value):
            lines[*path, i] = _line(item)
        return [_build(loader, item, (*path, i), lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
        loader.flatten_mapping(node)  # `<<: *base`: the keys of the base come first, and own keys override them
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            lines[*path, key] = _line(key_node)
            mapping[key] = _build(loader, value_node, (*path, key), lines)
        return mapping
    return loader.construct_object(node, deep=True)


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
