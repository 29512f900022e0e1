"""
Running a protocol: every row on every case, once, and everything that is told of it.
"""

import json
import time
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np

import sunpy_superres
from sunpy_superres.benchmark._scene import FACTOR
from sunpy_superres.benchmark.blocks import Blocks
from sunpy_superres.benchmark.bootstrap import unit_numbers, unit_weights
from sunpy_superres.benchmark.cases import export_cases
from sunpy_superres.benchmark.contenders import Control, contenders
from sunpy_superres.benchmark.figures import figure
from sunpy_superres.benchmark.parts import Parts, fingerprint
from sunpy_superres.benchmark.protocol_files import read_protocol
from sunpy_superres.benchmark.results import RowSums, needed
from sunpy_superres.benchmark.scoring import Scorer, example_window
from sunpy_superres.benchmark.sources import read_cases
from sunpy_superres.benchmark.summary import write_results
from sunpy_superres.exceptions import SunpySuperresUserWarning
from sunpy_superres.instruments import HMI_SCALE, get_instrument

__all__ = ["run_protocol"]

#: Pixels of truths that are in memory at once.
_PIXELS = 1 << 25
#: Bounds of the period, in arcsec, that controls are cut at.
_PERIODS = 2.2 * HMI_SCALE, 16.0


def run_protocol(
    protocol,
    data,
    out,
    *,
    methods=None,
    models=None,
    predictions=None,
    instrument=None,
    n_samples=None,
    seed=0,
    device=None,
    export=None,
    fresh=False,
    progress=False,
    tell=None,
    command=None,
):
    """
    Run a protocol, or what is left to be done of it.

    Parameters
    ----------
    protocol : `str`, path-like or `~sunpy_superres.benchmark.Protocol`
        A name of `~sunpy_superres.benchmark.list_protocols`, or a TOML file.
    data : path-like
        Folder of the data: for protocols of degraded images one with ``hmi/validation/*.magnetogram.fits`` or
        ``*.fits``, for pairs one that `~sunpy_superres.training.prepare_pairs.prepare_pairs` takes, or with ``pairs``.
    out : path-like
        Folder for ``results.json``, ``figures.csv``, ``maps.npz`` and ``report.html``, and in ``parts`` for what is
        done already: each row and case, under everything that decides it but the version of the package.
    methods : iterable of `str`, optional
        Methods to be measured; unless told those of the protocol, which are all that come with weights. May be empty.
    models : `dict`, optional
        Weights by method, where they are not those of the registry.
    predictions : `dict`, optional
        Folders by the name of a row: what other codes made of the cases, see
        `~sunpy_superres.benchmark.predictions.Predictions` for what is in them.
    instrument : {"mdi", "gong"}, optional
        Whose magnetograms are the input; that of the protocol unless told.
    n_samples : `int`, optional
        Members of ensembles, instead of what the protocol says; independent ones where it counts those.
    seed : `int`, optional
        Seed of all noise and draws.
    device : `str`, optional
        As for `sunpy_superres.superresolve`.
    export : path-like, optional
        Folder for the inputs of all cases, as FITS.
    fresh : `bool`, optional
        Do everything again.
    progress : `bool`, optional
        Show a progress bar.
    tell : callable, optional
        Called with lines of text.
    command : `str`, optional
        The command that led here.

    Returns
    -------
    `dict`
        What ``results.json`` holds; `None` stands for what could not be measured.

    Raises
    ------
    FileNotFoundError
        If there are no data, no such protocol or predictions.
    ValueError
        If an option is not known, or something is not what it has to be; before any work where that is possible.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_protocol
    >>> results = run_protocol("degraded-hmi", "data", "bench", methods=["ldm"])  # doctest: +SKIP
    >>> results["findings"][0]["text"]  # doctest: +SKIP
    '5 cases of 2 regions: 1043200 pixels scored, 0 left out. ...'
    """
    protocol = read_protocol(protocol) if isinstance(protocol, str | Path) else protocol
    instrument = get_instrument(instrument or protocol.instrument).name
    if instrument not in ("mdi", "gong"):
        msg = f"instrument must be 'mdi' or 'gong', not {instrument!r}."
        raise ValueError(msg)
    out, tell = Path(out), tell or (lambda _: None)
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(20, "is a file, and not a folder", str(out))
    options = {"methods": methods, "models": models, "predictions": predictions}
    options |= {"n_samples": n_samples, "seed": seed, "device": device}
    rows = contenders(protocol, instrument, **options)
    run = Run(protocol, rows, instrument, seed, out, progress=progress, tell=tell)
    if fresh:
        run.parts.clear()
    run.read(data, export)
    run.do(rows)
    period = run.resolved(rows[0])
    controls = [Control(name, period, seed) for name in protocol.rows.controls]
    run.do(controls)
    run.finish()
    return write_results(run, [*rows, *controls], period, n_samples=n_samples, command=command)


class Run:
    """
    Cases and parts of a run.
    """

    def __init__(self, protocol, rows, instrument, seed, out, *, progress, tell):
        self.protocol, self.instrument, self.seed, self.out = protocol, instrument, seed, out
        self.parts, self.scorer, self.tell = Parts(out / "parts"), Scorer(protocol, seed), tell
        self.progress, self._rows = progress, rows
        #: What is told of each case, and what decides it.
        self.cases, self.marks = [], {}
        self._keys, self._held, self.example, self.pictures = [], None, None, {}
        self.done, self.made = 0, 0
        #: Of the package, that made what was there.
        self.versions = set()

    def read(self, data, export):
        """
        Look at all cases before any work is done, and keep them if they are few.
        """
        self._data, held, pixels, strongest = data, [], 0, -1.0
        for case in self._read(tell=self.tell):
            for row in self._rows:
                row.check(case)
            scored = case.inner(self.protocol.edge).scored(self.protocol.mask)
            window, strength = example_window(case, np.pad(scored, self.protocol.edge))
            if strength > strongest:
                strongest, self.example = strength, (case.name, window)
                coarse = tuple(slice(part.start // FACTOR, part.stop // FACTOR) for part in window)
                self.pictures = {"truth": case.truth[window], "seen": case.seen[coarse]}
            self.cases.append(
                {
                    "name": case.name,
                    "region": case.region,
                    "time": case.time,
                    "shape": list(case.truth.shape),
                    "shift": None if case.shift is None else list(case.shift),
                    "used": int(scored.sum()),
                    "ignored": int(case.truth.size - scored.sum()),
                }
            )
            self.marks[case.name] = case.digest()
            self._keys += case.places(self.protocol.edge)
            pixels += case.truth.size
            if held is not None:
                held.append(case)
            if pixels > _PIXELS:
                held = None
            if export is not None:
                export_cases([case], export, append=len(self.cases) > 1)
        self._held = held
        self.tell(f"{len(self.cases)} cases of {len({case['region'] for case in self.cases})} regions")

    def _read(self, tell=None):
        return read_cases(self.protocol, self._data, instrument=self.instrument, seed=self.seed, tell=tell)

    def _batches(self):
        """
        Cases, as many at a time as are held in memory.
        """
        if self._held is not None:
            yield self._held
            return
        batch, pixels = [], 0
        for case in self._read():
            batch.append(case)
            pixels += case.truth.size
            if pixels > _PIXELS:
                yield batch
                batch, pixels = [], 0
        if batch:
            yield batch

    def mark(self, row, case):
        window = self.example[1] if case.name == self.example[0] else None
        window = window and [[part.start, part.stop] for part in window]
        return fingerprint(
            case=self.marks[case.name], row=row.identity(case), scores=self.scorer.settings(), window=window
        )

    def do(self, rows):
        """
        Fill in the parts that are missing; a row at a time, so that its weights are loaded once.
        """
        bar = _bar(len(rows) * len(self.cases), show=self.progress)
        for batch in self._batches():
            for row in rows:
                for case in batch:
                    bar.set_postfix_str(row.name, refresh=False)
                    self._one(row, case)
                    bar.update()
        bar.close()

    def _one(self, row, case):
        mark = self.mark(row, case)
        there = self.parts.read(row.name, case.name, mark)
        if there is not None and not there[1]["again"]:
            self.done += 1
            self.versions.add(there[1]["version"])
            return
        row.prepare()
        start = time.perf_counter()
        with warnings.catch_warnings():
            # The header of an input is that of the file it came from, as often as a method reads it.
            warnings.filterwarnings("ignore", category=SunpySuperresUserWarning)
            prediction = row.predict(case)
        seconds = time.perf_counter() - start
        window = self.example[1] if case.name == self.example[0] else None
        self.scorer.lacking, self.scorer.again = {}, False
        noisy = row.kind in ("method", "predictions")
        arrays = self.scorer.score(case, prediction, window=window, noisy=noisy)
        about = {**prediction.about, "seconds": seconds, "pixels": case.truth.size, "mark": mark}
        about |= {"lacking": self.scorer.lacking, "again": self.scorer.again, "version": sunpy_superres.__version__}
        self.parts.write(row.name, case.name, mark, arrays, about)
        self.made += 1

    def resolved(self, row):
        """
        Period down to which the interpolated input follows the truth.
        """
        (sums,) = self.load(row)[0]
        found = float(figure("resolution", sums.pooled))
        found = _PERIODS[1] if np.isnan(found) else min(max(found, _PERIODS[0]), _PERIODS[1])
        return round(found, 3)

    @cached_property
    def _places(self):
        """
        Number of the place of each block, how many places there are, and the weights that resample them.
        """
        numbers, count = unit_numbers(self._keys)
        return numbers, count, unit_weights(count, seed=self.seed)

    def load(self, row):
        """
        The sums of a row and, if it draws, of its first draws; and the maps of the example.
        """
        numbers, count, weights = self._places
        found, maps, abouts, at, kept = {}, {}, [], 0, None
        for i, case in enumerate(self.cases):
            n_blocks = len(Blocks([n - 2 * self.protocol.edge for n in case["shape"]]))
            places = numbers[at : at + n_blocks]
            at += n_blocks
            arrays, about = self._part(row, case["name"])
            abouts.append(about)
            for key, value in arrays.items():
                kind, _, name = key.partition("/")
                if kind == "maps":
                    maps[name] = value
                    continue
                sums = found.setdefault(kind, {"units": {}, "cases": {}, "whole": {}})
                if name.startswith("case/"):
                    _keep(sums["whole"], name.removeprefix("case/"), value)
                    continue
                shape = value.shape[1:]
                units = sums["units"].setdefault(name, np.zeros((count, *shape)))
                np.add.at(units, places, value)
                if kept is None:
                    kept = needed(self.protocol, {k.partition("/")[2]: v for k, v in arrays.items()})
                if name in kept:
                    sums["cases"].setdefault(name, np.zeros((len(self.cases), *shape)))[i] = value.sum(axis=0)
        about = _common(abouts)
        of_cases = {"regions": [case["region"] for case in self.cases], "times": [case["time"] for case in self.cases]}
        rows = []
        for kind, sums in found.items():
            if kind == "draw" and not row.draws:
                continue
            drawn = kind == "draw"
            title = f"{row.name}, one draw" if drawn else row.title
            name = f"{row.name}-draw" if drawn else row.name
            about_it = about | {"n_samples": 1 if drawn else row.n_samples}
            rows.append(
                RowSums(name, title, row.kind, about_it, **sums, weights=weights, blocks=len(self._keys), **of_cases)
            )
        return rows, maps

    def _part(self, row, name):
        # What was just written or found sound.
        with np.load(self.parts.path(row.name, name), allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            return {key: file[key] for key in file.files if key not in ("fingerprint", "about")}, about

    def finish(self):
        """
        Say what was done.
        """
        if self.done:
            others = sorted(self.versions - {sunpy_superres.__version__})
            of = f", made by version {', '.join(others)} of the package too" if others else ""
            self.tell(f"{self.made} results made, {self.done} were there{of}")


def _keep(whole, name, value):
    """
    Keep what is of an image; of the scatter, which is large and never shown of one image, the sum.
    """
    if name == "scatter":
        whole[name] = whole.get(name, 0) + value
    else:
        whole.setdefault(name, []).append(value)


def _common(abouts):
    """
    What is the same for all cases, and the mean of their seconds.
    """
    known = dict(abouts[0])
    known["seconds"] = float(np.mean([about["seconds"] for about in abouts]))
    megapixels = np.mean([about["pixels"] for about in abouts]) / 1e6
    known["seconds_per_megapixel"] = known["seconds"] / float(megapixels)
    known["calibration_images"] = sorted({name for about in abouts for name in about.get("calibration_images", [])})
    known["versions"] = sorted({about["version"] for about in abouts})
    known["lacking"] = {name: why for about in abouts for name, why in about["lacking"].items()}
    return known


def _bar(total, *, show):
    from tqdm.auto import tqdm  # NOQA: PLC0415

    return tqdm(total=total, unit="case", disable=not show)
