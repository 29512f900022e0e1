"""
One function on many files, in order, by as many processes as there are cores.
"""

import math
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec

from sunpy import log

__all__ = ["default_workers", "in_order"]

# A process that begins has to import sunpy first, which takes as long as to read so many bytes of FITS files.
_WORTH_A_PROCESS = 40e6
# Results that wait for their turn, for each process.
_WAITING = 2


def default_workers(paths):
    """
    Processes that are worth their beginning: at most one for each core, and for every 40 MB of files.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, int(sum(path.stat().st_size for path in paths) / _WORTH_A_PROCESS)))


def in_order(function, items, *, workers=1, unit="file"):
    """
    Yield what a function makes of each item, in the order of the items.

    Parameters
    ----------
    function : callable
        Of a module, so that another process finds it; it must not raise.
    items : `list`
        Its arguments.
    workers : `int`, optional
        Processes. With more than one Dask distributes the work; without Dask there is one. A script that asks for more
        needs ``if __name__ == "__main__":``, as ever with processes.
    unit : `str`, optional
        What an item is, for the progress bar, which is shown on a terminal only.

    Yields
    ------
    object
        No more than two results for each process are in memory.

    Raises
    ------
    ValueError
        If workers is below 1.
    """
    from tqdm.auto import tqdm  # NOQA: PLC0415

    if workers < 1:
        msg = f"workers must be at least 1, got {workers}."
        raise ValueError(msg)
    workers = min(workers, len(items))
    if workers > 1 and find_spec("dask") is None:
        log.info("Dask is not installed: one file after the other. pip install dask.")
        workers = 1
    results = _distributed(function, items, workers) if workers > 1 else (function(item) for item in items)
    # Not on anything but a terminal.
    yield from tqdm(results, total=len(items), unit=unit, disable=None, leave=False)


def _distributed(function, items, workers):
    import dask  # NOQA: PLC0415

    # Processes, since warnings are caught, which no thread can do by itself; not forks, which threads do not survive.
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        context.set_forkserver_preload([getattr(function, "func", function).__module__])
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        at_once = _WAITING * workers
        for number in range(math.ceil(len(items) / at_once)):
            tasks = [dask.delayed(function)(item) for item in items[number * at_once :][:at_once]]
            yield from dask.compute(*tasks, scheduler="processes", pool=pool, chunksize=1, optimize_graph=False)
