"""Tensors from files, read without running anything, and held against what a configuration asks for."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read a dictionary of tensors: safetensors, or what torch.save wrote of nothing but tensors.

    Raises
    ------
    ScfmError
        If it is unreadable, or holds anything else; nothing in it is ever run.
    """
    remedy = (
        "Copy or save the checkpoint again; weights are read from safetensors, or with torch's weights_only reader."
    )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ScfmError(str(path), f"not a readable safetensors file ({error})", remedy) from error
    except pickle.UnpicklingError as error:
        problem = f"refused: it holds more than tensors, or is broken ({str(error).splitlines()[0]})"
        raise ScfmError(str(path), problem, remedy) from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        raise ScfmError(str(path), f"not a readable weights file ({error})", remedy) from error
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise ScfmError(str(path), "not a dictionary of tensors", remedy)
    return state


def check_state(
    path: Path, state: Mapping[str, torch.Tensor], expected: Mapping[str, tuple[int, ...]], *, config: str
) -> None:
    """Ask for every tensor of the configuration, none else, in its shape, finite.

    Parameters
    ----------
    path
        Where the tensors are from.
    state
        What was found.
    expected
        Name -> shape.
    config
        Name of the file that asks for these.

    Raises
    ------
    ScfmError
        Names the first tensor that is missing, left over, of another shape or not finite.
    """
    remedy = f"{config} and weights do not belong together, or one of them is damaged."
    missing = [name for name in expected if name not in state]
    if missing:
        problem = f"{len(missing)} of {len(expected)} tensors are missing (first: {missing[0]!r})"
        raise ScfmError(str(path), problem, remedy)
    extra = [name for name in state if name not in expected]
    if extra:
        problem = f"{len(extra)} tensors have no place in the config's model (first: {extra[0]!r})"
        raise ScfmError(str(path), problem, remedy)
    for name, shape in expected.items():
        actual = tuple(state[name].shape)
        if actual != shape:
            raise ScfmError(str(path), f"tensor {name!r} has shape {actual}, {config} asks for {shape}", remedy)
        if not torch.isfinite(state[name]).all():
            raise ScfmError(str(path), f"tensor {name!r} holds values that are not finite", remedy)


def stored_as(state: Mapping[str, torch.Tensor]) -> str:
    """Name the types that tensors are stored in, such as 'float16'."""
    return "+".join(sorted({str(tensor.dtype).removeprefix("torch.") for tensor in state.values()}))
