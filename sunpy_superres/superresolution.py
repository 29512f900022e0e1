"""
The main job: a magnetogram in, an HMI-like magnetogram with its uncertainty out.
"""

import warnings
from collections import namedtuple

import numpy as np

from sunpy import log
from sunpy.map import MapSequence

from sunpy_superres import maps, observations
from sunpy_superres._arguments import choose_seed, whole_number
from sunpy_superres.exceptions import warn_user

__all__ = ["available_methods", "sample_posterior", "superresolve"]

#: Relative difference of plate scale beyond which a map is regridded.
SCALE_TOLERANCE = 0.05
#: Ratio of plate scales beyond which regridding makes no sense, and beyond which what comes out is made up.
_REGRID_LIMIT = 20
_COARSE = 1.3
_DEFAULT_SAMPLES = 20
_DEFAULTS = dict.fromkeys(("model", "instrument", "steps", "seed", "device", "tile_size"))
_DEFAULTS |= {"calibrate": True, "progress": False}

# Everything decided before the first sample is drawn; `members` is the iterator over them, `calibration` what their
# spread is multiplied by, or `None`.
_Run = namedtuple("_Run", ["smap", "observation", "network", "provenance", "members", "calibration"])


def available_methods():
    """
    Names of the methods that `superresolve` knows.

    Returns
    -------
    `tuple` of `str`

    Examples
    --------
    >>> import sunpy_superres
    >>> sunpy_superres.available_methods()
    ('bicubic', 'ddpm', 'ddpm-residual', 'enhance', 'highresnet', 'ldm', 'ldm-noresidual', 'progressive')
    """
    from sunpy_superres.models import METHODS  # NOQA: PLC0415

    return tuple(sorted(METHODS))


def superresolve(
    map,  # NOQA: A002
    method="ldm",
    n_samples=_DEFAULT_SAMPLES,
    *,
    model=None,
    instrument=None,
    steps=None,
    seed=None,
    calibrate=True,
    device=None,
    tile_size=None,
    progress=False,
):
    """
    Turn a magnetogram into one as HMI would have taken it, with the uncertainty of what was added.

    The field is brought to HMI gauss and to a four times finer grid. The default method draws an ensemble of
    fine magnetograms from what the input may have looked like to HMI; their mean is the data of the result,
    their standard deviation its uncertainty.

    Parameters
    ----------
    map : `~sunpy.map.GenericMap`, `~sunpy.map.MapSequence` or a sequence of Maps
        Line-of-sight magnetograms of SOHO/MDI, of GONG, or of SDO/HMI rebinned to about 2 arcsec per pixel; for
        ``"enhance"`` magnetograms or continuum images of HMI at 0.5 arcsec per pixel. Full disk or cutout, in any
        orientation, with NaN where there is no field. Dask arrays are computed. The mask is carried over but does not
        keep pixels from being used: set them to NaN for that. Not modified.
    method : `str`, optional
        One of `available_methods`:

        * ``"ldm"``: MDI or GONG to HMI by latent diffusion of the residual [1]_, an ensemble
        * ``"highresnet"``: MDI or GONG to HMI by a convolutional network [2]_; an ensemble by Monte-Carlo dropout, or
          with ``n_samples=1`` the result of the whole network
        * ``"ldm-noresidual"``, ``"ddpm-residual"``, ``"ddpm"``: what ``"ldm"`` is compared with, see the guide:
          diffusion without a residual, without a latent space, and without both; MDI, ensembles
        * ``"progressive"``: MDI to HMI in two steps [4]_; deterministic
        * ``"enhance"``: HMI, deconvolved and enlarged twice [3]_; deterministic
        * ``"bicubic"``: calibration and interpolation, on the grid of the input whatever its scale; deterministic
    n_samples : `int`, optional
        Size of the ensemble. With 1 the result is one draw (of ``"highresnet"``, that of the whole network), without
        uncertainty; with a few the mean is good (the draws of ``"ldm"`` are antithetic) and the uncertainty rough. A
        deterministic method has one result whatever is asked for, and no uncertainty. Defaults to 20.
    model : `str` or path-like, optional
        Weights: a name of `sunpy_superres.weights.list_models`, a folder, or ``"owner/name@revision"`` on the
        Hugging Face Hub. Defaults to those that fit.
    instrument : `str`, optional
        ``"mdi"``, ``"gong"``, ``"hmi"`` or ``"hmi-continuum"``, where the header does not tell or is not to be
        believed.
    steps : `int`, optional
        Steps of the sampler. The spread is calibrated for the default of the model only; other values are faster
        or slower and differ in spread and in power at small scales.
    seed : `int`, optional
        Seed of the ensemble, 0 or larger. Without it one is drawn; either way it is in the header. The same
        seed gives the same numbers on the same machine, whatever the tile size.
    calibrate : `bool`, optional
        Multiply the spread of the ensemble by what makes it as large as the errors were on the validation data of the
        model, a factor that depends on the spread [5]_. The mean stays as it is. Draws with another number of steps
        than the default, of a model without such a calibration, and one alone stay as they are. Defaults to `True`.
    device : `str` or `torch.device`, optional
        Defaults to a GPU if there is one, else the CPU.
    tile_size : `int`, optional
        Side, in pixels of the input, of the tiles that are computed at once. It changes memory and time, and
        on the CPU no more of the result than its last bits.
    progress : `bool`, optional
        Show a progress bar.

    Returns
    -------
    `~sunpy.map.GenericMap` or `list` of `~sunpy.map.GenericMap`
        Of the class of the input and with its metadata, four times (``"enhance"``: two times) as many pixels along
        each axis, float32, in HMI gauss (a continuum image in the unit of the input), NaN where the input is not
        finite. ``uncertainty`` is a
        `~astropy.nddata.StdDevUncertainty`: the spread of the ensemble, which says how far an HMI magnetogram,
        with its noise, may be from the mean. The header holds all that is needed to make the result again.
        For several maps, a list.

    Raises
    ------
    TypeError
        If the input is not a Map.
    ValueError
        If the map is no magnetogram of an accepted instrument, has no usable WCS or no finite pixel, or an
        option is out of range; the message says what would be right.

    See Also
    --------
    sample_posterior : the members of the ensemble

    Notes
    -----
    A map whose plate scale differs from that of the model by more than 5 % is regridded first, with a warning.
    Where a field at 2 arcsec per pixel is stronger than any in the training, or stands out of its neighbors as where a
    cosmic ray hit, the part beyond is interpolated, with a warning; ``"enhance"`` takes all pixels as they are.
    Of several maps all are checked before work on the first begins.

    References
    ----------
    .. [1] Ramunno et al. 2025, A&A 698, A140, `doi:10.1051/0004-6361/202453205
       <https://doi.org/10.1051/0004-6361/202453205>`__
    .. [2] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, `doi:10.3847/1538-4365/ad12c2
       <https://doi.org/10.3847/1538-4365/ad12c2>`__
    .. [3] Díaz Baso & Asensio Ramos 2018, A&A 614, A5, `arXiv:1706.02933 <https://arxiv.org/abs/1706.02933>`__
    .. [4] Rahman et al. 2020, ApJL 897, L32, `doi:10.3847/2041-8213/ab9d79
       <https://doi.org/10.3847/2041-8213/ab9d79>`__
    .. [5] Gneiting et al. 2005, Mon. Weather Rev. 133, 1098, `doi:10.1175/MWR2904.1
       <https://doi.org/10.1175/MWR2904.1>`__

    Examples
    --------
    >>> import sunpy_superres
    >>> from sunpy_superres.degradation import degrade, synthetic_magnetogram
    >>> from sunpy_superres.maps import from_array
    >>> mdi = from_array(degrade(synthetic_magnetogram((64, 64)), seed=0), scale=1.986, instrument="mdi")
    >>> hmi_like = sunpy_superres.superresolve(mdi, n_samples=2, seed=0)
    >>> hmi_like.data.shape, hmi_like.uncertainty.array.shape
    ((64, 64), (64, 64))
    """
    options = {"model": model, "instrument": instrument, "steps": steps, "seed": seed, "device": device}
    options |= {"calibrate": calibrate, "tile_size": tile_size, "progress": progress}
    return _each(_summary, map, method=method, n_samples=n_samples, **options)


def sample_posterior(
    map,  # NOQA: A002
    method="ldm",
    n_samples=_DEFAULT_SAMPLES,
    *,
    model=None,
    instrument=None,
    steps=None,
    seed=None,
    calibrate=True,
    device=None,
    tile_size=None,
    progress=False,
):
    """
    Draw the fine magnetograms that may be behind a coarse one, and keep every one of them.

    Parameters
    ----------
    map, method, n_samples, model, instrument, steps, seed, device, tile_size, progress
        As for `superresolve`.
    calibrate : `bool`, optional
        As for `superresolve`: deviations of the members from their mean are multiplied by the factor. With `False` they
        are the draws as the model makes them, and number k does not depend on how many are drawn.

    Returns
    -------
    `~ndcube.NDCube` or `list` of `~ndcube.NDCube`
        Of shape (sample, y, x), float32, in HMI gauss, or in the unit of a continuum image; the two spatial axes have
        the WCS of the Map that `superresolve` returns. All members are in memory: 64 MiB each for a full disk. Members
        2k and 2k + 1 of ``"ldm"`` are antithetic (made from opposite noise [1]_), so that few of them give the mean;
        each is a draw by itself, but where independent draws are needed, take every second one (``data[::2]``).

    Raises
    ------
    TypeError, ValueError
        As for `superresolve`.

    See Also
    --------
    superresolve : their mean and standard deviation, in constant memory

    References
    ----------
    .. [1] Hammersley & Morton 1956, Math. Proc. Camb. Phil. Soc. 52, 449, `doi:10.1017/S0305004100031455
       <https://doi.org/10.1017/S0305004100031455>`__

    Examples
    --------
    >>> import sunpy_superres
    >>> from sunpy_superres.degradation import degrade, synthetic_magnetogram
    >>> from sunpy_superres.maps import from_array
    >>> mdi = from_array(degrade(synthetic_magnetogram((64, 64)), seed=0), scale=1.986, instrument="mdi")
    >>> sunpy_superres.sample_posterior(mdi, n_samples=3, seed=0).data.shape
    (3, 64, 64)
    """
    options = {"model": model, "instrument": instrument, "steps": steps, "seed": seed, "device": device}
    options |= {"calibrate": calibrate, "tile_size": tile_size, "progress": progress}
    return _each(_members, map, method=method, n_samples=n_samples, **options)


def draw_one(smap, method, **options):
    """
    Make a Map of one draw: the first of those that `superresolve` takes the mean of, as the model makes it.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The observation.
    method : `str`
        A method that draws.
    **options
        Those of `superresolve`, but for ``n_samples``.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    TypeError, ValueError
        As for `superresolve`.
    """
    # Of two, since one alone need not be a draw; the second is not asked for.
    run = _prepare(smap, method=method, n_samples=2, **_DEFAULTS | options)
    return _build(run, next(run.members))


def enlarge(smap, method, factor):
    """
    Apply a method without weights, such as ``"bicubic"``, with another factor than its own.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The observation.
    method : `str`
        The method.
    factor : `int`
        Enlargement.

    Returns
    -------
    `~sunpy.map.GenericMap`

    Raises
    ------
    TypeError, ValueError
        As for `superresolve`.
    """
    return _summary(_prepare(smap, method=method, n_samples=1, arguments={"factor": factor}, **_DEFAULTS))


def _each(finish, given, **options):
    """
    Prepare every map, which finds all that is wrong with any of them, and only then begin with the work.
    """
    several = given.maps if isinstance(given, MapSequence) else given
    if isinstance(several, list | tuple):
        return [finish(run) for run in [_prepare(smap, **options) for smap in several]]
    return finish(_prepare(given, **options))


def _summary(run):
    from sunpy_superres.inference import moments  # NOQA: PLC0415

    ensemble = moments(run.members, antithetic=run.network.antithetic)
    if run.calibration is not None:
        run.calibration.apply(ensemble.std)
    return _build(run, ensemble.mean, ensemble.std)


def _build(run, data, std=None):
    observation, unit = run.observation, "G"
    if observation.quiet_sun is not None:
        unit, level = None, np.float32(observation.quiet_sun)
        data, std = data * level, None if std is None else std * level
    return maps.build(
        run.smap,
        data,
        run.network.factor,
        valid=observation.valid,
        std=std,
        provenance=run.provenance,
        unit=unit,
    )


def _members(run):
    factor = run.network.factor
    shape = [n * factor for n in run.observation.field.shape]
    members = np.empty((run.provenance.n_samples, *shape), dtype=np.float32)
    for member, drawn in zip(members, run.members, strict=True):
        member[:] = drawn
    if run.calibration is not None:
        run.calibration.apply_to_members(members, antithetic=run.network.antithetic)
    fine = _build(run, members[0])
    # In place: a full disk fills a gigabyte.
    if run.observation.quiet_sun is not None:
        members *= np.float32(run.observation.quiet_sun)
    members[:, np.isnan(fine.data)] = np.nan
    return maps.to_ndcube(fine, members)


def _prepare(
    smap,
    *,
    method,
    n_samples,
    model,
    instrument,
    steps,
    seed,
    calibrate,
    device,
    tile_size,
    progress,
    arguments=None,
):
    # torch is loaded only here, when there is something to compute.
    from sunpy_superres.inference import check_noise, choose_device, choose_precision, draw  # NOQA: PLC0415
    from sunpy_superres.models import get_method  # NOQA: PLC0415
    from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

    kind = get_method(method)
    n_samples = whole_number(n_samples, "n_samples", 1)
    if steps is not None:
        steps = whole_number(steps, "steps", 1)
    seed = choose_seed(seed)
    if not isinstance(calibrate, bool | np.bool_):
        msg = f"calibrate must be True or False, not {calibrate!r}."
        raise ValueError(msg)
    observation = observations.read(smap, instrument=instrument)
    if tile_size is not None:
        tile_size = whole_number(tile_size, "tile_size", 1)
    device = choose_device(device)
    if kind.trained:
        weights = locate(model, method, observation.instrument.name, progress=progress)
        network, sha256, precision, calibration = load(weights, device, choose_precision(device))
        smap, observation = on_scale(smap, observation, weights.scale)
        name, precision = weights.name, str(precision).removeprefix("torch.")
    else:
        if model is not None:
            msg = f"The method {method!r} has no weights: model={str(model)!r} does not apply to it."
            raise ValueError(msg)
        network, name, sha256, precision, calibration = kind(**arguments or {}), None, None, "float32", None
    check_noise(network, observation)
    if steps is not None and network.steps is None:
        msg = f"The method {method!r} has no sampler: steps={steps} does not apply to it."
        raise ValueError(msg)
    if not network.stochastic:
        n_samples = _deterministic(method, n_samples)
    by_chance = network.stochastic and not (network.alone and n_samples == 1)
    if not calibrate or n_samples == 1 or steps not in (None, network.steps):
        calibration = None
    with warnings.catch_warnings():
        # A header that cannot be carried over is told now, and not after the samples; what it warns of, then.
        warnings.simplefilter("ignore")
        shape = [n * network.factor for n in smap.data.shape]
        maps.build(smap, np.broadcast_to(np.float32(0), shape), network.factor, unit=None)
    provenance = maps.Provenance(
        method=method,
        factor=network.factor,
        n_samples=n_samples,
        seed=seed if by_chance else None,
        steps=steps or network.steps,
        model=name,
        sha256=sha256,
        instrument=observation.instrument.name,
        solver=network.solver_description if by_chance else None,
        precision=precision,
        quiet_sun=observation.quiet_sun,
        calibrated=None if not by_chance else calibration is not None and calibration.digest,
    )
    members = draw(
        network,
        observation,
        range(n_samples),
        seed=seed,
        steps=steps,
        device=device,
        tile_size=tile_size,
        progress=progress,
    )
    return _Run(smap, observation, network, provenance, members, calibration)


def on_scale(smap, observation, scale):
    """
    Map and observation at the plate scale of a model.

    Parameters
    ----------
    smap : `~sunpy.map.GenericMap`
        The map.
    observation : `~sunpy_superres.observations.Observation`
        What was read of it.
    scale : `float` or None
        Arcsec per pixel that the model takes, if it is known.

    Returns
    -------
    smap, observation
        The same, or regridded, with a warning or, where that is usual for the instrument, a line in the log.

    Raises
    ------
    ValueError
        If the two scales are too far apart.
    """
    if scale is None or abs(observation.scale / scale - 1) <= SCALE_TOLERANCE:
        return smap, observation
    ratio = observation.scale / scale
    if not 1 / _REGRID_LIMIT <= ratio <= _REGRID_LIMIT:
        msg = (
            f"The map has {observation.scale:.4g} arcsec per pixel, the model takes {scale:.3f}: too far apart to "
            f"regrid. Give a map of {scale / _REGRID_LIMIT:.2g} to {scale * _REGRID_LIMIT:.2g} arcsec per pixel."
        )
        raise ValueError(msg)
    coarse = (
        " It is coarser than anything the model was trained on: neither its fine structure nor its uncertainty is to "
        "be trusted."
    )
    note = (
        f"The map has {observation.scale:.3f} arcsec per pixel and the model takes {scale:.3f}: "
        "it was regridded first, so the result has another grid than the input times the factor."
    )
    fine = " What is finer than that in the map is lost."
    if abs(observation.scale / observation.instrument.scale - 1) <= SCALE_TOLERANCE and 1 <= ratio <= _COARSE:
        log.info(note)  # as the instrument is: nothing is unusual about this map
    else:
        warn_user(note + (coarse if ratio > _COARSE else fine if ratio < 1 else ""), stacklevel=4)
    smap = maps.regrid(smap, scale, valid=observation.valid)
    return smap, observations.read(smap, instrument=observation.instrument.name)


def _deterministic(method, n_samples):
    meaning = f"The method {method!r} is deterministic: one result instead of n_samples={n_samples}, no uncertainty."
    if n_samples == _DEFAULT_SAMPLES:  # perhaps nobody asked for samples
        log.info(meaning)
    elif n_samples > 1:
        warn_user(meaning, stacklevel=4)
    return 1
