"""Weights of networks in files: saved atomically, loaded without executing anything, put strictly into networks."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from info_geometry.files import InputError, atomic_path
from learning.runs.diverged import DivergedError


def of(network: torch.nn.Module, where: str | Path, half: bool = False) -> dict[str, torch.Tensor]:
    """Return the weights of a network on the CPU, with `half` those of convolutions and linear maps in float16.

    Raises DivergedError, an InputError, saying `where`, if some are not finite.
    """
    state = {}
    for key, value in network.state_dict().items():
        value = value.detach().to("cpu", torch.float16 if half and value.ndim > 1 else None)
        bad = int((~torch.isfinite(value)).sum()) if value.is_floating_point() else 0
        if bad:
            told = f"{bad} non-finite values in {key}"
            raise DivergedError(f"{where}: {told}; training diverged, lower the learning rate")
        state[key] = value
    return state


def save(path: str | Path, content: Any) -> None:
    """Write tensors and plain values atomically."""
    buffer = io.BytesIO()  # written to a file, torch hides that the disk is full
    torch.save(content, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load(path: str | Path) -> Any:
    """Return the tensors and plain values of a `.pth` file, on the CPU.

    Raises InputError if it is truncated, damaged (the checksums of the archive are verified, which torch does not
    do), or holds anything that would have to be executed.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise InputError(f"{path}: checksum mismatch in {damaged}; delete it and train again")
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except InputError:
        raise
    except Exception as error:  # a damaged archive makes torch raise almost anything
        first = (str(error).splitlines() or [""])[0]
        if "Unsupported" in str(error) or "weights_only" in str(error) or "GLOBAL" in str(error):
            found = re.search(r"GLOBAL ([\w.]+)", str(error))
            what = found.group(1) if found else first
            raise InputError(
                f"{path} contains pickled objects ({what}). Only tensors and plain values are loaded."
            ) from None
        raise InputError(f"{path} is not a complete checkpoint ({first}); delete it and train again") from error


def unwrapped(content: Any, path: str | Path) -> dict[str, torch.Tensor]:
    """Return {key: tensor} of the network, whatever wrapper (`module.`, `_orig_mod.`) weights were saved from.

    Raises InputError for what is no dictionary of tensors.
    """
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        raise InputError(f"{path} holds no weights; expected a dictionary of tensors")
    return {re.sub(r"^(module\.|_orig_mod\.)+", "", key): value for key, value in content.items()}


def fit(content: Any, network: torch.nn.Module, path: str | Path) -> None:
    """Put weights strictly into a network, as `unwrapped` returns them.

    Raises InputError with the first keys and the heads that do not fit, or the first weight that is not finite.
    """
    state = unwrapped(content, path)
    for key, value in state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: {int((~torch.isfinite(value)).sum())} non-finite values in {key}")
    expected = network.state_dict()
    absent, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    shapes = [
        f"{key} {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in sorted(expected.keys() & state.keys(), key=lambda key: (not key.startswith("head."), key))
        if state[key].shape != expected[key].shape
    ]
    if absent or extra or shapes:
        raise InputError(
            f"{path} does not fit the network: missing {absent[:3] or 'none'}, unexpected "
            f"{extra[:3] or 'none'}, other shapes {shapes[:3] or 'none'}"
        )
    network.load_state_dict(state, strict=True)
