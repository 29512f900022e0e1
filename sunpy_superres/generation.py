"""
Images of rare flare classes: a GOES class in, a synthetic AIA Map out.
"""

import math
from numbers import Real

import numpy as np

import astropy.units as u

from sunpy.map import MapSequence

from sunpy_superres import maps
from sunpy_superres._arguments import choose_seed, whole_number
from sunpy_superres._resample import resample
from sunpy_superres._synthetic import observing_frame
from sunpy_superres.flare_classes import parse_flare_class
from sunpy_superres.transfer import SCALINGS, Rates

__all__ = ["generate_aia", "generate_aia_sequence"]

#: Wavelengths that there are models for, in Angstrom.
_WAVELENGTHS = (171,)
_METHOD = "class-diffusion"
#: Strongest guidance: beyond it there is only noise.
_STRONGEST = 20
#: Steps of solvers that need more than others, unless told.
_STEPS = {"ddpm": 1000, "ddim": 50}


@u.quantity_input
def generate_aia(
    flare_class,
    *,
    wavelength: u.angstrom = 171 * u.angstrom,
    date=None,
    observer=None,
    shape=None,
    guidance=None,
    steps=None,
    solver=None,
    seed=None,
    device=None,
    model=None,
    progress=False,
):
    """
    Draw a full-disk AIA image as it may look around a flare of a GOES class.

    The image is synthetic: a diffusion model [1]_ that learned from real images draws one that never was. X flares are
    too rare to train a classifier on; images like theirs may help it.

    Parameters
    ----------
    flare_class : `str` or `~astropy.units.Quantity`
        A class (``"A"``, ``"B"``, ``"C"``, ``"M"`` or ``"X"``), a sub-class such as ``"M2.5"``, or a GOES X-ray flux
        (1-8 Angstrom) in W/m2: the largest within half an hour of the image (of A flares, that of the image).
    wavelength : `~astropy.units.Quantity`, optional
        Only 171 Angstrom for now.
    date : `str` or any time that sunpy parses, optional
        Time that the header states. It decides where the Earth is, and so how large the Sun appears; nothing of what
        the Sun looked like then is in the image. Without it the header has the time of the observer or else a nominal
        one, and says so.
    observer : `~astropy.coordinates.SkyCoord`, optional
        Where the image is seen from at that date; by default the Earth. It changes the coordinates, not what is drawn.
    shape : `tuple` of `int`, optional
        Shape (ny, nx) of the result; by default that of the model, (128, 128). Any other is interpolated, or averaged:
        it has no more detail, and the same field of view, so that pixels are square only if the shape is.
    guidance : `float`, optional
        Strength of classifier-free guidance [2]_: the velocity is that without a class plus so many times the
        difference that the class makes. 1 for none, larger for more typical and less varied images. Defaults to that
        of the model. In the convention of [2]_ it is one more than ``w``.
    steps : `int`, optional
        Steps of the sampler. Defaults to that of the model; 1000 of ``"ddpm"``, 50 of ``"ddim"``.
    solver : `str`, optional
        ``"heun"``, ``"euler"`` or ``"multistep"`` on the straight path, or on the schedule of DDPM ``"ddim"`` or
        ``"ddpm"`` (that of [1]_ with ``steps=1000``). Defaults to that of the model.
    seed : `int`, optional
        0 or larger. Without it one is drawn; either way it is in the header. The same seed gives the same image, to the
        last bit on the same machine with the same number of threads (`torch.set_num_threads`).
    device : `str` or `torch.device`, optional
        Defaults to a GPU if there is one, else the CPU.
    model : `str` or path-like, optional
        Weights: a name of `sunpy_superres.weights.list_models`, a folder, or ``"owner/name@revision"`` on the Hugging
        Face Hub.
    progress : `bool`, optional
        Show a progress bar.

    Returns
    -------
    `~sunpy.map.sources.AIAMap`
        In DN/s, float32, north up, disk center in the middle, the solar radius as it is seen from the observer. The
        header says that it is synthetic (``SYNTHET``, ORIGIN, COMMENT, HISTORY), and so do the name and the title of
        plots, and holds all that is needed to make it again. Its ``uncertainty`` is that of the curve from display
        values to DN/s (`sunpy_superres.transfer.display_to_rates`), which all pixels of one brightness share; at the
        display value of 255 the rate is a lower limit.

    Raises
    ------
    ValueError
        If the flare class is none, there is no model for the wavelength, or an option is out of range; the message says
        what is accepted.
    TypeError
        If the observer is no coordinate.

    See Also
    --------
    generate_aia_sequence : many draws

    Notes
    -----
    What the images are good for, and what not, is measured by ``sunpy-superres evaluate-aia``; see the model card. The
    class is the GOES class as it stands in lists of before 2020, without the factor of 1/0.7 to the true flux.

    Images are drawn one after the other, on a GPU too: the result must not depend on how many there are.

    Operations such as ``submap`` and ``rotate`` keep the header and the title of plots, but make the name anew, which
    then is that of an observation; ``reproject_to`` keeps the title alone. `sunpy.map.Map` reads a saved image as any
    other of AIA (of a file of `sunpy_superres.write_map` in a list with its uncertainty): the instrument that it shows,
    ``AIA SYNTHETIC``, and the header tell. `sunpy_superres.read_map` restores name and title.

    References
    ----------
    .. [1] Ramunno et al. 2024, A&A 686, A285, `doi:10.1051/0004-6361/202347860
       <https://doi.org/10.1051/0004-6361/202347860>`__
    .. [2] Ho & Salimans 2022, `arXiv:2207.12598 <https://arxiv.org/abs/2207.12598>`__

    Examples
    --------
    >>> import sunpy_superres
    >>> image = sunpy_superres.generate_aia("X", seed=0, steps=4)
    >>> image.data.shape, str(image.unit), image.meta["synthet"], image.meta["srclass"]
    ((128, 128), 'DN / s', True, 'X')
    """
    options = {"date": date, "observer": observer, "shape": shape, "guidance": guidance, "steps": steps}
    options |= {"solver": solver, "seed": seed, "device": device, "model": model, "progress": progress}
    return next(draw_maps(flare_class, 1, wavelength, **options))


@u.quantity_input
def generate_aia_sequence(
    flare_class,
    n,
    *,
    wavelength: u.angstrom = 171 * u.angstrom,
    date=None,
    observer=None,
    shape=None,
    guidance=None,
    steps=None,
    solver=None,
    seed=None,
    device=None,
    model=None,
    progress=False,
):
    """
    Draw many AIA images of a flare class, independent of each other.

    They are no sequence in time: all have the same date. Draws of two classes are independent, too, with one seed;
    those of two sub-classes or fluxes of one class begin with the same noise, and resemble each other.

    Parameters
    ----------
    flare_class, wavelength, date, observer, shape, guidance, steps, solver, seed, device, model, progress
        As for `generate_aia`.
    n : `int`
        Number of images.

    Returns
    -------
    `~sunpy.map.MapSequence`
        Of `~sunpy.map.sources.AIAMap`. Image k depends on the seed and on k, not on n; the first is that of
        `generate_aia`.

    Raises
    ------
    ValueError, TypeError
        As for `generate_aia`.

    Examples
    --------
    >>> import sunpy_superres
    >>> images = sunpy_superres.generate_aia_sequence("M2.5", 2, seed=0, steps=4)
    >>> [image.meta["srsample"] for image in images]
    [0, 1]
    """
    options = {"date": date, "observer": observer, "shape": shape, "guidance": guidance, "steps": steps}
    options |= {"solver": solver, "seed": seed, "device": device, "model": model, "progress": progress}
    return MapSequence(list(draw_maps(flare_class, n, wavelength, **options)), sortby=None)


def _shape(shape):
    if shape is None:
        return None
    sides = tuple(shape) if isinstance(shape, tuple | list) else ()
    if len(sides) != 2:
        msg = f"shape must be two whole numbers (ny, nx), not {shape!r}."
        raise ValueError(msg)
    return tuple(whole_number(side, "shape", 16) for side in sides)


def draw_maps(
    flare_class, n, wavelength, *, date, observer, shape, guidance, steps, solver, seed, device, model, progress
):
    """
    Check a request, and return an iterator over its images, each drawn when it is asked for.

    See `generate_aia_sequence`.
    """
    # torch is loaded only here, when there is something to compute.
    from tqdm import tqdm  # NOQA: PLC0415

    from sunpy_superres.inference import choose_device, choose_precision  # NOQA: PLC0415
    from sunpy_superres.models.diffusion import check_solver  # NOQA: PLC0415
    from sunpy_superres.weights.loading import load, locate  # NOQA: PLC0415

    wanted = parse_flare_class(flare_class)
    n = whole_number(n, "n", 1)
    if not wavelength.isscalar:
        msg = f"wavelength must be one wavelength, not {wavelength}."
        raise ValueError(msg)
    angstrom = wavelength.to_value(u.angstrom)
    if not any(math.isclose(angstrom, known) for known in _WAVELENGTHS):
        msg = f"There is no model for {angstrom:g} Angstrom; there is one for {', '.join(map(str, _WAVELENGTHS))}."
        raise ValueError(msg)
    if guidance is not None and not (isinstance(guidance, Real) and 0 <= guidance <= _STRONGEST):
        msg = f"guidance must be a number from 0 to {_STRONGEST}, not {guidance!r}."
        raise ValueError(msg)
    steps = None if steps is None else whole_number(steps, "steps", 1)
    seed = choose_seed(seed)
    shape = _shape(shape)
    frame, angular_radius, date_origin = observing_frame(date, observer)
    device = choose_device(device)
    weights = locate(model, _METHOD, "aia", progress=progress)
    network, sha256, precision, _ = load(weights, device, choose_precision(device))
    if solver is not None:
        check_solver(solver, steps or 1)
    if steps is None:
        steps = _STEPS.get(solver, network.steps)
    solver = network.solver if solver is None else solver
    guidance = float(network.guidance if guidance is None else guidance)
    # As large as it is in the images of the training, where the Sun is that far away; else the plate scale gives way.
    low, high = network.radii
    radius = min(max(angular_radius / weights.scale, low), high) if weights.scale else (low + high) / 2
    options = {"seed": seed, "steps": steps, "guidance": guidance, "solver": solver}
    drawn = network.draw(wanted.label, wanted.log_flux, radius, range(n), **options)

    def build(k, image):
        rates, factors = _in_shape(image.float().cpu().numpy(), shape, SCALINGS[network.scaling])
        provenance = maps.SyntheticProvenance(
            flare_class=str(wanted),
            flux=wanted.flux,
            sample=k,
            method=_METHOD,
            model=weights.name,
            sha256=sha256,
            precision=str(precision).removeprefix("torch."),
            scaling=network.scaling,
            **options,
        )
        return maps.build_synthetic(
            rates.rates,
            scale=tuple(angular_radius / radius / factor for factor in factors),
            frame=frame,
            wavelength=angstrom,
            date_origin=date_origin,
            provenance=provenance,
            std=rates.uncertainty,
        )

    bar = tqdm(drawn, total=n, desc="images", disable=not progress)
    return (build(k, image) for k, image in enumerate(bar))


def _in_shape(image, shape, rates_of):
    """
    DN/s of an image in another shape, and the new pixels per old one along x and y.
    """
    if shape is None or shape == image.shape:
        return rates_of(image), (1.0, 1.0)
    factors = tuple(new / old for new, old in zip(shape[::-1], image.shape[::-1], strict=True))

    def resized(array):
        return None if array is None else resample(array, shape, factors, (-0.5, -0.5))

    if max(factors) > 1:
        return rates_of(np.clip(resized(image), 0, 1)), factors
    # A pixel that holds several has their mean rate, which is not the rate of their mean display value.
    return Rates(*(resized(part) for part in rates_of(image))), factors
