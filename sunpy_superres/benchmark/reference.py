"""
Enhance against its authors: HMI magnetograms and continuum images, enlarged twice.

The authors' output for one magnetogram is public, for the continuum they published what became of the granulation
(Díaz Baso & Asensio Ramos 2018, A&A 614, A5, https://arxiv.org/abs/1706.02933).
"""

from pathlib import Path

import numpy as np
from scipy import ndimage, signal

import sunpy_superres
from sunpy_superres import degradation, metrics, observations
from sunpy_superres._quiet_sun import limb_darkening
from sunpy_superres.benchmark._scene import (
    about,
    check_complete,
    check_writable,
    crop_edge,
    mean_gradient,
    progress_bar,
    ratio,
    read_image,
)
from sunpy_superres.benchmark.report import write_json
from sunpy_superres.instruments import HMI_SCALE
from sunpy_superres.maps import from_array, read_map

__all__ = ["continuum_figures", "run_continuum", "run_reference", "score_reference"]

#: Pixels of an output per pixel of the input.
_FACTOR = 2
#: What tells granulation from spots: the mean over so many fine pixels, about 6 arcsec, lies this near to the quiet
#: Sun, which is looked for among what is brighter than any penumbra.
_SMOOTHING, _QUIET, _PENUMBRA = 24, 0.03, 0.9


def run_reference(
    data_dir, out=None, *, method="enhance", model=None, n_samples=20, seed=0, steps=None, edge=8, progress=False
):
    """
    Super-resolve the magnetogram of the authors of Enhance and compare with their own result.

    Parameters
    ----------
    data_dir : path-like
        Folder with ``enhance/input_blos.fits`` and ``enhance/author_blos_enhanced.fits``: shapes (y, x) and
        (2 y, 2 x), in gauss, with the same outer edges.
    out : path-like, optional
        Where to write the results as JSON. Its folder must exist.
    method, model, n_samples, seed, steps, progress
        As for `sunpy_superres.superresolve`. The method must have the factor 2; defaults to ``"enhance"``.
    edge : `int`, optional
        As for `score_reference`. Defaults to 8.

    Returns
    -------
    `dict`
        What was measured and how, ``images`` (this one) and ``figures``, those of `score_reference`. Fit for
        `write_json`.

    Raises
    ------
    FileNotFoundError
        If there are no such files, or no folder to write into.
    ValueError
        If the method has another factor or leaves holes, or the two files do not fit each other.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_reference
    >>> run_reference("data", "reference.json")["figures"]["reference_correlation"]  # doctest: +SKIP
    """
    check_writable(out)
    name = "input_blos.fits"
    seen, authors = (read_image(_sample(data_dir, file)) for file in (name, "author_blos_enhanced.fits"))
    smap = from_array(seen, scale=HMI_SCALE, instrument="hmi")
    options = {"model": model, "n_samples": n_samples, "seed": seed, "steps": steps, "progress": progress}
    result = sunpy_superres.superresolve(smap, method=method, **options)
    found = _output(result, seen, method)
    figures = score_reference(found, authors, seen, _baseline(seen), edge=edge)
    results = {
        **about("enhance_reference", result.meta, method=method, n_samples=n_samples, seed=seed, edge=edge),
        "images": [{"file": name, "shape": list(seen.shape), **figures}],
        "figures": figures,
    }
    if out is not None:
        write_json(results, out)
    return results


def score_reference(found, authors, seen, baseline, *, edge=8, kernel=None):
    """
    Score an enhanced HMI magnetogram against that of the authors and against interpolation.

    Parameters
    ----------
    found, authors, baseline : `numpy.ndarray`
        The output to be scored, the authors' and the bicubic interpolation of the input, shape (2 y, 2 x), in gauss.
    seen : `numpy.ndarray`
        The input, shape (y, x), in gauss, with the same outer edges.
    edge : `int`, optional
        Fine pixels left out along every side, an even number. Defaults to 8.
    kernel : `numpy.ndarray`, optional
        The blur that an output has to be given to be seen by HMI, of odd square shape and sum 1, in fine pixels.
        Defaults to `sunpy_superres.degradation.sharpening_kernel`.

    Returns
    -------
    `dict`
        Figure by name, all `float`.

        * ``reference_correlation`` and ``reference_rms`` (in gauss): of the output with that of the authors;
          ``reference_correlation_bicubic``, ``reference_rms_bicubic``: of the baseline
        * ``sobel_ratio``: mean size of the Sobel gradient over that of the baseline
        * ``flux_in_out``: unsigned flux per area over that of the input
        * ``std_ratio_authors``: standard deviation over that of the authors' output
        * ``reconvolution_residual``: the output, blurred by the kernel, averaged over 2 x 2 pixels and multiplied by
          the one number that makes it most like the input (least squares), minus the input; its rms over the rms of
          the input
        * ``sobel_ratio_authors``, ``flux_in_out_authors``, ``reconvolution_residual_authors``: of the authors' output

    Raises
    ------
    ValueError
        If the shapes do not fit, a pixel is not finite, or nothing is left without the edge.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark import score_reference
    >>> seen = np.random.default_rng(0).normal(0, 100, (16, 16))
    >>> fine = np.kron(seen, np.ones((2, 2)))
    >>> figures = score_reference(fine, fine, seen, fine, kernel=np.ones((1, 1)))
    >>> figures["reference_correlation"], figures["reconvolution_residual"]
    (1.0, 0.0)
    """
    found, authors, baseline, seen = (np.asarray(a, dtype=np.float64) for a in (found, authors, baseline, seen))
    _check_grids(seen, edge, found=found, authors=authors, baseline=baseline)
    for name, image in (("found", found), ("authors", authors), ("baseline", baseline), ("seen", seen)):
        if not np.isfinite(image).all():
            msg = f"{name} has pixels that are not finite; the images of the reference have none."
            raise ValueError(msg)
    kernel = degradation.sharpening_kernel() if kernel is None else np.asarray(kernel)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        msg = f"The kernel has shape {kernel.shape}; a square with an odd side is needed."
        raise ValueError(msg)
    inner_seen = crop_edge(seen, edge // _FACTOR)
    inner = {"": crop_edge(found, edge), "_authors": crop_edge(authors, edge), "_bicubic": crop_edge(baseline, edge)}
    figures = {}
    for suffix in ("", "_bicubic"):
        figures[f"reference_correlation{suffix}"] = metrics.pcc(inner[suffix], inner["_authors"])
        figures[f"reference_rms{suffix}"] = metrics.rmse(inner[suffix], inner["_authors"])
    steepness = mean_gradient(inner["_bicubic"])
    flux = metrics.unsigned_flux(inner_seen)
    for suffix, whole in (("", found), ("_authors", authors)):
        image = inner[suffix]
        figures[f"sobel_ratio{suffix}"] = ratio(mean_gradient(image), steepness)
        figures[f"flux_in_out{suffix}"] = ratio(metrics.unsigned_flux(image, _FACTOR**-2), flux)
        again = crop_edge(_block_mean(_blurred(whole, kernel)), edge // _FACTOR)
        figures[f"reconvolution_residual{suffix}"] = _residual(again, inner_seen)
    figures["std_ratio_authors"] = ratio(float(inner[""].std()), float(inner["_authors"].std()))
    return figures


def run_continuum(
    data_dir, out=None, *, method="enhance", model=None, n_samples=20, seed=0, steps=None, edge=8, progress=False
):
    """
    Super-resolve HMI continuum images and measure what becomes of the granulation.

    Parameters
    ----------
    data_dir : path-like
        Folder with ``enhance/input_hmi.fits`` (shape (y, x), in units of the quiet Sun). The images in
        ``hmi/validation/*.continuum.fits``, with the header of HMI and with limb darkening, are measured too.
    out : path-like, optional
        Where to write the results as JSON. Its folder must exist.
    method, model, n_samples, seed, steps
        As for `sunpy_superres.superresolve`. The method must have the factor 2; defaults to ``"enhance"``.
    edge : `int`, optional
        As for `continuum_figures`. Defaults to 8.
    progress : `bool`, optional
        Whether to show a progress bar. Defaults to `False`.

    Returns
    -------
    `dict`
        What was measured and how, ``images`` (the figures of `continuum_figures` for every image), ``figures`` (their
        mean over images) and ``std`` (their standard deviation over images). Fit for `write_json`.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no folder to write into.
    ValueError
        If the method has another factor or leaves holes, or an image has no quiet Sun.

    Examples
    --------
    >>> from sunpy_superres.benchmark import run_continuum
    >>> run_continuum("data", "continuum.json")["figures"]["granulation_contrast_ratio"]  # doctest: +SKIP
    """
    check_writable(out)
    paths = [_sample(data_dir, "input_hmi.fits")]
    paths += sorted((Path(data_dir) / "hmi" / "validation").glob("*.continuum.fits"))
    options = {"model": model, "n_samples": n_samples, "seed": seed, "steps": steps}
    images, meta = [], None
    for path in progress_bar(paths, show=progress):
        # Only the first has no header.
        smap = read_map(path) if images else from_array(read_image(path), scale=HMI_SCALE, instrument="hmi-continuum")
        result = sunpy_superres.superresolve(smap, method=method, **options)
        meta = result.meta
        figures = continuum_figures(*_in_quiet_suns(smap, result, method), edge=edge)
        images.append({"file": path.name, "shape": list(smap.data.shape), **figures})

    values = {name: [image[name] for image in images] for name in figures}
    results = {
        **about("enhance_continuum", meta, method=method, n_samples=n_samples, seed=seed, edge=edge),
        "images": images,
        "figures": {name: float(np.mean(v)) for name, v in values.items()},
        "std": {name: float(np.std(v)) for name, v in values.items()},
    }
    if out is not None:
        write_json(results, out)
    return results


def continuum_figures(found, seen, baseline, *, edge=8):
    """
    Score an enhanced continuum image by its granulation.

    Granulation is where the baseline, averaged over 24 x 24 fine pixels (about 6 arcsec), lies within 3 % of the quiet
    Sun, so that neither spots nor penumbrae count. The quiet Sun is the median of that average where it is above 0.9.

    Parameters
    ----------
    found, baseline : `numpy.ndarray`
        The output to be scored and the bicubic interpolation of the input, shape (2 y, 2 x), in units of the quiet
        Sun. What is not finite is left out.
    seen : `numpy.ndarray`
        The input, shape (y, x), in the same unit, with the same outer edges.
    edge : `int`, optional
        Fine pixels left out along every side, an even number. Defaults to 8.

    Returns
    -------
    `dict`
        Figure by name, all `float`, of the pixels that are granulation.

        * ``granulation_contrast``: standard deviation over mean of the output; ``granulation_contrast_bicubic``: of
          the baseline; ``granulation_contrast_ratio``: one over the other
        * ``granulation_contrast_input``: the same of the input, which is what the authors compare with
        * ``quiet_mean_change``: mean of the output over mean of the baseline, minus 1

        and, of all pixels where the baseline is above 0.9, with the surroundings of spots,

        * ``bright_contrast_ratio``: contrast of the output over that of the baseline

    Raises
    ------
    ValueError
        If the shapes do not fit, nothing is left without the edge, or there is no granulation.

    Examples
    --------
    >>> import numpy as np
    >>> from sunpy_superres.benchmark import continuum_figures
    >>> seen = np.random.default_rng(0).normal(1, 0.03, (32, 32))
    >>> fine = np.kron(seen, np.ones((2, 2)))
    >>> round(continuum_figures(1 + 1.5 * (fine - 1), seen, fine)["granulation_contrast_ratio"], 2)
    1.5
    """
    found, seen, baseline = (np.asarray(a, dtype=np.float64) for a in (found, seen, baseline))
    _check_grids(seen, edge, found=found, baseline=baseline)
    chosen = crop_edge(_granulation(baseline, edge) & np.isfinite(found), edge)
    found, baseline, seen = crop_edge(found, edge), crop_edge(baseline, edge), crop_edge(seen, edge // _FACTOR)
    # Of the input, the pixels that are granulation as a whole.
    coarse = _blocks(chosen).all(axis=(1, 3))
    if not coarse.any():
        msg = "The image has no granulation: nothing like a quiet Sun, which is 1, outside of its edge."
        raise ValueError(msg)
    contrast, contrast_bicubic = _contrast(found[chosen]), _contrast(baseline[chosen])
    bright = (baseline > _PENUMBRA) & np.isfinite(found)
    return {
        "granulation_contrast": contrast,
        "granulation_contrast_bicubic": contrast_bicubic,
        "granulation_contrast_input": _contrast(seen[coarse]),
        "granulation_contrast_ratio": ratio(contrast, contrast_bicubic),
        "quiet_mean_change": float(found[chosen].mean() / baseline[chosen].mean() - 1),
        "bright_contrast_ratio": ratio(_contrast(found[bright]), _contrast(baseline[bright])),
    }


def _sample(data_dir, name):
    path = Path(data_dir) / "enhance" / name
    if not path.is_file():
        msg = f"No enhance/{name} in {data_dir}."
        raise FileNotFoundError(msg)
    return path


def _output(result, seen, method):
    found = np.asarray(result.data)
    check_complete(found, seen, method, _FACTOR)
    return found


def _baseline(seen):
    """
    The input on the fine grid, by bicubic interpolation: the method of that name enlarges four times.
    """
    import torch  # NOQA: PLC0415

    from sunpy_superres.models.regression import bicubic  # NOQA: PLC0415

    return bicubic(torch.from_numpy(np.array(seen, dtype=np.float32))[None, None], _FACTOR)[0, 0].numpy()


def _in_quiet_suns(smap, result, method):
    """
    Result, input and baseline in units of the quiet Sun at the same place, so that its granulation is found anywhere.
    """
    observation = observations.read(smap)
    seen = np.where(observation.valid, observation.field, np.nan)
    dark = limb_darkening(observation.radius)
    # A result has the unit of its input.
    found = _output(result, seen, method) / (observation.quiet_sun * _baseline(dark))
    return found, seen / dark, _baseline(seen / dark)


def _check_grids(seen, edge, **fine):
    expected = tuple(_FACTOR * side for side in seen.shape)
    shapes = {name: image.shape for name, image in fine.items()}
    if seen.ndim != 2 or any(shape != expected for shape in shapes.values()):
        given = ", ".join(f"{name} {shape}" for name, shape in {"seen": seen.shape, **shapes}.items())
        msg = f"Shapes do not fit: {given}; expected (y, x) of seen and (2 y, 2 x) of the others."
        raise ValueError(msg)
    if edge < 0 or edge % _FACTOR:
        msg = f"edge must be an even number of fine pixels, 0 or larger, got {edge!r}."
        raise ValueError(msg)


def _blurred(image, kernel):
    # Mirrored at the edges: darkness beyond them would be seen as an error of the output.
    padded = np.pad(image, kernel.shape[0] // 2, mode="symmetric")
    return signal.fftconvolve(padded, kernel, mode="valid")


def _blocks(image):
    return image.reshape(image.shape[0] // _FACTOR, _FACTOR, image.shape[1] // _FACTOR, _FACTOR)


def _block_mean(image):
    return _blocks(image).mean(axis=(1, 3))


def _residual(again, seen):
    """
    Rms of what is left of the input after one factor fitted by least squares, over that of the input.
    """
    factor = np.vdot(again, seen) / max(np.vdot(again, again), np.finfo(float).tiny)
    return ratio(metrics.rmse(factor * again, seen), metrics.rmse(seen, np.zeros_like(seen)))


def _granulation(baseline, edge):
    """
    Mark the pixels around which the mean is that of the quiet Sun.
    """
    known = np.isfinite(baseline)
    mean = ndimage.uniform_filter(np.where(known, baseline, 0), _SMOOTHING)
    mean[~ndimage.minimum_filter(known, _SMOOTHING)] = np.nan
    inner = crop_edge(mean, edge)
    bright = inner[inner > _PENUMBRA]
    if not bright.size:
        return np.zeros(baseline.shape, dtype=bool)
    return np.abs(mean / np.median(bright) - 1) <= _QUIET


def _contrast(values):
    return float(values.std() / values.mean())
