"""
What is measured: methods with their weights, baselines and controls.
"""

import numpy as np

import sunpy_superres
from sunpy_superres.benchmark._scene import check_complete
from sunpy_superres.benchmark.baselines import oracle, random_phase, wiener
from sunpy_superres.benchmark.cases import case_seed
from sunpy_superres.benchmark.predictions import Prediction, Predictions, Row
from sunpy_superres.instruments import get_instrument

__all__ = ["Baseline", "Control", "Method", "bundled_methods", "contenders"]


class Baseline(Row):
    """
    Calibration and bicubic interpolation, as it is, divided by another factor, or deconvolved.

    Parameters
    ----------
    name : {"bicubic", "wiener", "paper-factor"}
        Which.
    instrument : `str`
        Whose magnetograms are the input.
    factor : `float`, optional
        What gauss of the instrument are divided by, instead of its factor to HMI.
    """

    def __init__(self, name, instrument, factor=None):
        titles = {
            "bicubic": "bicubic, calibrated",
            "wiener": "bicubic, deconvolved (PSF, pixel, Wiener filter)",
            "paper-factor": f"bicubic, input divided by {factor}",
        }
        super().__init__(name, titles[name], {"instrument": instrument, "factor": factor})
        self._factor = factor

    def predict(self, case):
        found = interpolated(case)
        if self.name == "wiener":
            found = wiener(found, case.seen, case.instrument)
        elif self._factor is not None:
            found = found / np.float32(self._factor * get_instrument(case.instrument).to_hmi)
        return Prediction(found, about={"device": "cpu"})


class Control(Row):
    """
    A fake that shows what the figures can tell, see `~sunpy_superres.benchmark.baselines`.

    Parameters
    ----------
    name : {"oracle", "random-phase"}
        Which.
    period : `float`
        Period in arcsec down to which the interpolated input follows the truth.
    seed : `int`
        Seed of the phases.
    """

    kind = "control"

    def __init__(self, name, period, seed):
        titles = {
            "oracle": f"control: truth without scales below {period:.2f} arcsec",
            "random-phase": f"control: random phases below {period:.2f} arcsec",
        }
        super().__init__(name, titles[name], {"period": period, "seed": seed})

    def predict(self, case):
        truth, period = np.where(case.known, case.truth, np.nan), self.settings["period"]
        if self.name == "oracle":
            return Prediction(oracle(truth, period), about={"device": "cpu"})
        rng = np.random.default_rng([case_seed(self.settings["seed"], case.name), 1])
        return Prediction(random_phase(truth, interpolated(case), period, rng), about={"device": "cpu"})


def interpolated(case):
    """
    What was seen, calibrated and on the grid of the truth.
    """
    smap = sunpy_superres.superresolve(case.map(), "bicubic", 1, instrument=case.instrument)
    return np.asarray(smap.data)


class Method(Row):
    """
    A method of the package with its weights.

    Parameters
    ----------
    method : `str`
        Name of the method.
    protocol : `~sunpy_superres.benchmark.Protocol`
        How many members it draws.
    instrument : `str`
        Whose magnetograms are the input.
    model : `str` or path-like, optional
        Weights, where they are not those of the registry.
    n_samples : `int`, optional
        Members (independent ones, where the protocol counts those), instead of what the protocol says.
    seed : `int`, optional
        Seed of all.
    device : `str`, optional
        As for `sunpy_superres.superresolve`.
    calibrate : `bool`, optional
        Whether the spread is calibrated.

    Raises
    ------
    ValueError
        If there is no such method, or no such weights for the instrument.
    """

    kind = "method"

    def __init__(
        self, method, protocol, instrument, *, model=None, n_samples=None, seed=0, device=None, calibrate=True
    ):
        import torch  # NOQA: PLC0415

        from sunpy_superres.models import get_method  # NOQA: PLC0415
        from sunpy_superres.weights.files import read_config  # NOQA: PLC0415
        from sunpy_superres.weights.layout import CONFIG, WEIGHTS, sha256_of  # NOQA: PLC0415
        from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

        if not get_method(method).trained:
            msg = f"The method {method!r} has no weights: it is no row of a benchmark but for the baseline 'bicubic'."
            raise ValueError(msg)
        weights = locate(model, method, instrument)
        loaded = load(weights, torch.device("cpu"), torch.float32)
        network = loaded.model
        #: Whether the model has a calibration of its spread.
        self.has_calibration = loaded.calibration is not None
        self.antithetic = network.antithetic
        if network.stochastic:
            wanted = protocol.samples(antithetic=network.antithetic)
            if n_samples is not None:
                wanted = n_samples * (2 if protocol.independent and network.antithetic else 1)
            least = 3 if network.antithetic else 2
            if wanted != 1 and wanted < least:
                msg = f"An ensemble of {method!r} has at least {least} members, not {wanted}; or one, for that alone."
                raise ValueError(msg)
            self.n_samples = wanted
        name, title = method, method
        if self.n_samples > 1:
            title = f"{method}, mean of {self.n_samples}"
        if not calibrate:
            name, title = f"{method}-uncalibrated", f"{title}, spread not calibrated"
        files = {file: sha256_of(weights.folder / file) for file in (WEIGHTS, CONFIG)}
        options = {"n_samples": self.n_samples, "instrument": instrument, "device": device, "model": model}
        options |= {"calibrate": calibrate}
        # What was used to calibrate is no test of the calibration.
        fitted = (read_config(weights.folder).get("calibration") or {}).get("images") or []
        self._calibrated_on = sorted(fitted) if calibrate and self.has_calibration else []
        super().__init__(name, title, {"method": method, "seed": seed, "files": files, **options, "model": None})
        self._method, self._seed, self._options, self._weights = method, seed, options, weights
        self.draws = protocol.rows.draws and self.n_samples > 1 and calibrate

    def prepare(self):
        from sunpy_superres.inference import choose_device, choose_precision  # NOQA: PLC0415
        from sunpy_superres.weights.loading import load  # NOQA: PLC0415

        device = choose_device(self._options["device"])
        load(self._weights, device, choose_precision(device))

    def predict(self, case):
        options = self._options | {"seed": case_seed(self._seed, case.name)}
        if self.n_samples == 1:
            found = sunpy_superres.superresolve(case.map(), self._method, **options)
            mean, members = np.asarray(found.data), None
        else:
            found = sunpy_superres.sample_posterior(case.map(), self._method, **options)
            members = np.asarray(found.data)
            mean = members.mean(axis=0, dtype=np.float64).astype(np.float32)
        check_complete(mean if members is None else members, case.seen, self._method)
        return Prediction(mean, members, self.antithetic and members is not None, self._about(found.meta))

    def _about(self, meta):
        from sunpy_superres.inference import choose_device  # NOQA: PLC0415

        keys = {"model": "srmodel", "sha256": "srsha256", "steps": "srsteps", "precision": "srprec"}
        about = {name: meta[key] for name, key in keys.items() if key in meta}
        calibrated = meta.get("srcalib")
        return about | {
            "calibrated": None if calibrated is None else bool(calibrated),
            "calibration_images": self._calibrated_on if calibrated else [],
            "device": str(choose_device(self._options["device"])),
        }


def bundled_methods(instrument):
    """
    Methods with weights that come with the package and bring an instrument to the grid of HMI.

    Parameters
    ----------
    instrument : `str`
        Name of the instrument.

    Returns
    -------
    `list` of `str`

    Examples
    --------
    >>> from sunpy_superres.benchmark.contenders import bundled_methods
    >>> bundled_methods("gong")
    ['highresnet', 'ldm']
    """
    from sunpy_superres.weights import list_models, model_info  # NOQA: PLC0415

    records = [model_info(name) for name in list_models(instrument=instrument)]
    return sorted({one.method for one in records if one.bundled and one.target == "hmi" and one.factor == 4})


def contenders(
    protocol, instrument, *, methods=None, models=None, predictions=None, n_samples=None, seed=0, device=None
):
    """
    Everything that is measured, but for the controls: they depend on what the interpolated input resolves.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        Which protocol.
    instrument : `str`
        Whose magnetograms are the input.
    methods : iterable of `str`, optional
        Methods; those of the protocol unless told.
    models : `dict`, optional
        Weights by method, where they are not those of the registry.
    predictions : `dict`, optional
        Folders of FITS files of other codes, by the name of the row.
    n_samples, seed, device : optional
        See `Method`.

    Returns
    -------
    `list`
        The first is the interpolated input.

    Raises
    ------
    ValueError, FileNotFoundError
        If one of them is not there.
    """
    models, wanted = dict(models or {}), protocol.rows
    if methods is None:
        methods = bundled_methods(instrument) if wanted.methods == "bundled" else wanted.methods
        methods = [*methods, *(name for name in models if name not in methods)]
    else:
        methods = list(dict.fromkeys(methods))
    if unused := [name for name in models if name not in methods]:
        msg = f"There are weights for {unused[0]!r}, which is not among the methods {', '.join(methods)}."
        raise ValueError(msg)
    rows = [Baseline("bicubic", instrument)]
    for name in wanted.baselines:
        if name == "wiener":
            rows.append(Baseline(name, instrument))
        elif name == "paper-factor" and instrument in wanted.factors:
            rows.append(Baseline(name, instrument, wanted.factors[instrument]))
    options = {"n_samples": n_samples, "seed": seed, "device": device}
    for name in methods:
        row = Method(name, protocol, instrument, model=models.get(name), **options)
        rows.append(row)
        if wanted.uncalibrated and row.has_calibration and row.n_samples > 1:
            rows.append(Method(name, protocol, instrument, model=models.get(name), calibrate=False, **options))
    rows += [Predictions(name, folder) for name, folder in (predictions or {}).items()]
    names = [row.name for row in rows] + list(wanted.controls)
    if len(set(names)) < len(names):
        msg = f"Two rows have one name: {', '.join(sorted({n for n in names if names.count(n) > 1}))}."
        raise ValueError(msg)
    return rows
