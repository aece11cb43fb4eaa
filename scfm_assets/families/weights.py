"""Tensors from files, read without running anything, and held against what a configuration asks for."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from scfm_assets.errors import ScfmError

Encoder = TypeVar("Encoder", bound=torch.nn.Module)


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


def shapes_of(make: Callable[[], torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors of a module, which is made without spending memory or random numbers."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in make().state_dict().items()}


def built(make: Callable[[], Encoder], state: Mapping[str, torch.Tensor]) -> Encoder:
    """Build an encoder, in float32 and evaluation mode, of weights that fit it."""
    # The weights drawn here are all replaced; the user's own random stream must not notice them.
    with torch.random.fork_rng(devices=[]):
        encoder = make()
    encoder.load_state_dict({name: tensor.float() for name, tensor in state.items()}, strict=True)
    return encoder.float().eval()


def loaded(
    make: Callable[[], Encoder], path: Path, state: Mapping[str, torch.Tensor], *, config: str
) -> tuple[Encoder, str]:
    """Build an encoder of weights that are held against it first (`check_state`).

    Returns
    -------
    Encoder
        As `built`.
    str
        Types the weights are stored in, such as 'float16'.
    """
    check_state(path, state, shapes_of(make), config=config)
    stored = {str(tensor.dtype).removeprefix("torch.") for tensor in state.values()}
    return built(make, state), "+".join(sorted(stored))
