"""
Running a network over a field in tiles, with the same result as in one piece.

Grids of different resolution are cut along the same *cells*: the coarsest pixel of the method. A tile is
computed with a halo of at least the network's reach; only its core is kept. At the edge of the field the
network pads as it would for the whole field.
"""

import torch

__all__ = ["Tiles"]


class Tiles:
    """
    A plan of tiles over a field of cells.

    Parameters
    ----------
    active : `torch.Tensor`
        Boolean, shape (y, x): the cells whose result is wanted. The others are zero in every result.
    size : `int`
        Cells of a tile's core along each axis.
    """

    def __init__(self, active, size):
        self.active = active
        self.cores = []
        rows, columns = active.shape
        for top in range(0, rows, size):
            for left in range(0, columns, size):
                wanted = active[top : top + size, left : left + size]
                y, x = torch.nonzero(wanted.any(dim=1)), torch.nonzero(wanted.any(dim=0))
                # Cores shrink to what is wanted of them: the sky around the disk costs nothing.
                if len(y):
                    self.cores.append((top + int(y[0]), top + int(y[-1]) + 1, left + int(x[0]), left + int(x[-1]) + 1))

    def apply(self, function, *inputs, halo):
        """
        Apply a function tile by tile.

        Parameters
        ----------
        function : callable
            Takes as many tensors as there are inputs and returns a tuple of tensors, each (n, c, y, x) on a
            grid of whole pixels per cell.
        *inputs : `torch.Tensor`
            Fields (n, c, y, x), y and x multiples of the number of cells.
        halo : `int`
            Cells around a core that the function looks at, at most.

        Returns
        -------
        `tuple` of `torch.Tensor`
            The results for the whole field.
        """
        rows, columns = self.active.shape
        results = None
        for top, bottom, left, right in self.cores:
            above, below = max(top - halo, 0), min(bottom + halo, rows)
            before, after = max(left - halo, 0), min(right + halo, columns)
            pieces = []
            for field in inputs:
                py, px = field.shape[-2] // rows, field.shape[-1] // columns
                pieces.append(field[..., above * py : below * py, before * px : after * px])
            tiles = function(*pieces)
            if results is None:
                results = [self._whole(tile, below - above, after - before) for tile in tiles]
            for tile, whole in zip(tiles, results, strict=True):
                py, px = whole.shape[-2] // rows, whole.shape[-1] // columns
                core = tile[
                    ...,
                    (top - above) * py : (bottom - above) * py,
                    (left - before) * px : (right - before) * px,
                ]
                wanted = self.active[top:bottom, left:right]
                if not wanted.all():
                    # Zeros, so that what a later network sees there does not depend on the tiles.
                    core = core * wanted.repeat_interleave(py, 0).repeat_interleave(px, 1).to(core)
                whole[..., top * py : bottom * py, left * px : right * px] = core
        return tuple(results)

    def _whole(self, tile, rows, columns):
        shape = [
            *tile.shape[:-2],
            tile.shape[-2] // rows * self.active.shape[0],
            tile.shape[-1] // columns * self.active.shape[1],
        ]
        return torch.zeros(shape, dtype=tile.dtype, device=tile.device)
