"""
Time and memory of one magnetogram: ``python benchmarks/full_disk.py mdi.fits``.

With ``--tiles`` also the largest difference, in gauss and in float32, between one sample computed in tiles of
these sizes and in one piece.
"""

import argparse
import resource
import time

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--n-samples", type=int, default=20)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--tile-size", type=int)
    parser.add_argument("--tiles", type=int, nargs="*")
    parser.add_argument("--out", help="write the result to this FITS file")
    options = parser.parse_args()

    import torch

    from sunpy_superres import inference, read_map, superresolve, write_map

    smap = read_map(options.file)
    if options.tiles:
        inference.choose_precision = lambda device: torch.float32
        whole = superresolve(smap, n_samples=1, seed=0, tile_size=max(smap.data.shape)).data
        for size in options.tiles:
            tiled = superresolve(smap, n_samples=1, seed=0, tile_size=size).data
            print(f"tiles of {size}: largest difference {np.nanmax(np.abs(tiled - whole)):.2e} G")
        return
    start = time.perf_counter()
    fine = superresolve(
        smap, n_samples=options.n_samples, seed=0, steps=options.steps, tile_size=options.tile_size, progress=True
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{smap.data.shape} -> {fine.data.shape}, {options.n_samples} samples, {fine.meta['srsteps']} steps, "
        f"{fine.meta['srprec']}, {torch.get_num_threads()} threads: {seconds:.0f} s, {peak:.2f} GiB at most"
    )
    if options.out:
        write_map(fine, options.out, overwrite=True)


if __name__ == "__main__":
    main()
