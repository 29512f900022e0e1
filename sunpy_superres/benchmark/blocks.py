"""
Cutting an image into square blocks, the pieces that a bootstrap draws.
"""

import numpy as np

__all__ = ["BLOCK", "Blocks"]

#: Side of a block in pixels of the truth: 64 arcsec, more than a supergranule.
BLOCK = 128


class Blocks:
    """
    Squares of `BLOCK` pixels from the first pixel on; what is left at the far ends makes smaller ones.

    So every pixel is in one block, and sums over blocks are sums over the image.

    Parameters
    ----------
    shape : `tuple` of `int`
        Shape (y, x) of the image.
    side : `int`, optional
        Pixels along each side.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark.blocks import Blocks
    >>> blocks = Blocks((130, 256))
    >>> blocks.keys
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    >>> blocks.sum(np.ones((130, 256)))
    array([16384., 16384.,   256.,   256.])
    """

    def __init__(self, shape, side=BLOCK):
        self.shape, self.side = tuple(shape), side
        counts = [-(-n // side) for n in shape]
        self.keys = [(i, j) for i in range(counts[0]) for j in range(counts[1])]
        self.count = len(self.keys)
        rows, columns = (np.arange(n) // side for n in shape)
        self.labels = rows[:, None] * counts[1] + columns

    def __len__(self):
        return self.count

    def sum(self, values, labels=None, bins=None, n_bins=1):
        """
        Sum in every block and, if asked for, in every bin.

        Parameters
        ----------
        values : `numpy.ndarray`
            Anything of the shape of ``labels``.
        labels : `numpy.ndarray`, optional
            Block of each value; those of all pixels unless told.
        bins : `numpy.ndarray`, optional
            Bin of each value.
        n_bins : `int`, optional
            How many bins there are.

        Returns
        -------
        `numpy.ndarray`
            Shape (blocks,), or (blocks, bins).
        """
        labels = self.labels if labels is None else labels
        if bins is None:
            return np.bincount(np.ravel(labels), np.ravel(values), self.count).astype(np.float64)
        index = np.ravel(labels) * n_bins + np.ravel(bins)
        weights = None if values is None else np.ravel(values)
        found = np.bincount(index, weights, self.count * n_bins).astype(np.float64)
        return found.reshape(self.count, n_bins)

    def windows(self):
        """
        Slices of one window for each block, all of the same size.

        That of a smaller block is moved inwards; where the image is smaller than a block, so are all windows.

        Yields
        ------
        `tuple` of `slice`
        """
        for key in self.keys:
            starts = [min(k * self.side, max(n - self.side, 0)) for k, n in zip(key, self.shape, strict=True)]
            yield tuple(slice(start, min(start + self.side, n)) for start, n in zip(starts, self.shape, strict=True))
