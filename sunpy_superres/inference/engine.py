"""
Where a model runs, in what precision and in what pieces.
"""

import torch

from sunpy_superres.inference.tiles import Tiles

__all__ = ["Engine", "choose_device", "choose_precision"]

#: Side of a tile in low-resolution pixels unless told otherwise: the fewest pixels computed twice at activations
#: of about 32 MB, beyond which memory traffic takes over.
TILE_SIZE = 512
_DEVICES = ("cpu", "cuda", "mps")


def choose_device(device=None):
    """
    The device asked for, or the best there is: CUDA, then MPS, then the CPU.

    Parameters
    ----------
    device : `str` or `torch.device`, optional
        For example ``"cpu"`` or ``"cuda:1"``.

    Returns
    -------
    `torch.device`

    Raises
    ------
    ValueError
        If the device is not known or not there.
    """
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        msg = f"The device {device!r} cannot be used: {str(error).splitlines()[0]}"
        raise ValueError(msg) from error
    if found.type not in _DEVICES:
        msg = f"The device {device!r} cannot be used; known are {', '.join(_DEVICES)}."
        raise ValueError(msg)
    return found


def choose_precision(device):
    """
    bfloat16 where the device computes in it natively, else float32.

    Parameters
    ----------
    device : `torch.device`
        Where the model runs.

    Returns
    -------
    `torch.dtype`
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return torch.bfloat16
    return torch.float32


class Engine:
    """
    Device, tile size and batching of a run.

    Parameters
    ----------
    device : `torch.device`
        Where the model runs.
    cell : `int`
        Low-resolution pixels of a cell of the method.
    tile_size : `int`, optional
        Side of a tile in low-resolution pixels; rounded up to whole cells.
    """

    #: Elements of the state that are computed at once, at most: small maps are drawn many samples at a time.
    budget = 2**21

    def __init__(self, device, cell, tile_size=None):
        self.device = device
        self.cells = -(-(tile_size or TILE_SIZE) // cell)

    def tiles(self, active):
        """
        Plan of tiles for a field of cells; see `~sunpy_superres.inference.tiles.Tiles`.
        """
        return Tiles(active, self.cells)

    def batch(self, state):
        """
        Number of samples to draw at once, for a state of one sample.
        """
        return max(1, self.budget // state.numel())
