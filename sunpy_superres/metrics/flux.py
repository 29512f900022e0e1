r"""
Magnetic flux: unsigned, net, and where it is wrong.

Everywhere prediction and truth are arrays, Quantities or Maps of one shape; masked pixels and pixels that are not
finite in both are left out. Units are converted to that of the truth, and results are plain numbers in that unit; an
input without a unit is taken to have that of the other. Two Maps must show the same place, to a tenth of a pixel.
A threshold and its like may have a unit, too: without one it has that of the truth, fields without one are in gauss.

On the plane of the sky a line-of-sight field B and the area A of a pixel are both foreshortened, by the cosine
:math:`\mu` of the angle from disk center: a radial field has the flux :math:`B A / \mu^2`. A pixel of a heliographic
Map (CEA, as of SHARPs) is an area of the surface already: its flux is :math:`B A / \mu`.
"""

import math

import numpy as np

from sunpy_superres.instruments import SOLAR_RADIUS, SOLAR_RADIUS_METERS
from sunpy_superres.metrics._arrays import (
    arcsec_per_pixel,
    as_array,
    as_field,
    difference,
    finite_pairs,
    in_unit,
    on_surface,
    ratio,
    same_place,
    same_shape,
    squares,
)

__all__ = ["flux_ratio", "net_flux_error", "pixel_area", "radial_flux", "signed_flux_error", "unsigned_flux"]

#: Projections whose pixels all have the same area on the sphere.
_EQUAL_AREA = ("CEA", "ZEA", "SFL", "PAR", "MOL", "AIT")


def pixel_area(scale, rsun_obs=None, rsun=None):
    r"""
    Area of a pixel on the plane of the sky, or of a heliographic Map on the solar surface.

    .. math:: A_\mathrm{px} = s^2 \, (R / \rho)^2

    with the scale s, the radius R of the Sun and its angular radius :math:`\rho`, as for the keywords of SHARPs [1]_.
    Of a heliographic Map :math:`s / \rho` is the side of a pixel in radians of heliographic angle.

    Parameters
    ----------
    scale : `float`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Arcsec per pixel, or a Map that has one.
    rsun_obs : `float` or `~astropy.units.Quantity`, optional
        Angular radius in arcsec. Defaults to that of the Map, or 959.63, that at 1 au. Of a heliographic Map it does
        not matter.
    rsun : `float` or `~astropy.units.Quantity`, optional
        Radius of the Sun in meters. Defaults to that of the Map, or 6.96e8.

    Returns
    -------
    `float`
        In cm²: times a field in gauss it is a flux in maxwell.

    Raises
    ------
    ValueError
        If a number is not positive or has a unit that does not convert, or the Map has no usable coordinates, or is
        heliographic in a projection that is not equal-area, such as CAR.

    References
    ----------
    .. [1] Bobra et al. 2014, Sol. Phys. 289, 3549, doi:10.1007/s11207-014-0529-3

    Examples
    --------
    >>> from sunpy_superres.metrics import pixel_area
    >>> print(f"{pixel_area(0.504273):.3e} cm²")
    1.338e+15 cm²
    """
    if hasattr(scale, "wcs"):
        from sunpy_superres._wcs import pixel_scale  # NOQA: PLC0415

        surface = on_surface(scale)
        if surface and (projection := scale.wcs.wcs.ctype[0][5:]) not in _EQUAL_AREA:
            msg = f"The pixels of a heliographic map in the projection {projection} are not of one area: reproject it "
            msg += "to CEA, or compute the area of each."
            raise ValueError(msg)
        # What the scale of a heliographic Map was made with.
        rsun_obs = scale.rsun_obs if rsun_obs is None or surface else rsun_obs
        rsun = scale.rsun_meters if rsun is None else rsun
        scale = math.sqrt(math.prod(pixel_scale(scale)))
    scale = arcsec_per_pixel(scale)
    rsun_obs = SOLAR_RADIUS if rsun_obs is None else in_unit(rsun_obs, "rsun_obs", unit="arcsec")
    rsun = SOLAR_RADIUS_METERS if rsun is None else in_unit(rsun, "rsun", unit="m")
    if not (rsun_obs > 0 and rsun > 0):
        msg = f"rsun_obs and rsun must be positive, got {rsun_obs!r} and {rsun!r}."
        raise ValueError(msg)
    return float((scale * rsun / rsun_obs) ** 2 * 1e4)


def unsigned_flux(field, pixel_area=1, threshold=0):
    r"""
    Total unsigned flux.

    .. math:: \Phi = \sum_{|B| > t} |B| \, A_\mathrm{px}

    It is USFLUX of the SHARPs [1]_ for their Bz, and USFLUXL for the line-of-sight field, if what their masks leave out
    is set to NaN.

    Parameters
    ----------
    field : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Magnetic field B; pixels that are masked or not finite are left out.
    pixel_area : `float`, `numpy.ndarray` or `~astropy.units.Quantity`, optional
        Area of a pixel (cm² for a flux in Mx, see `pixel_area`), one number or one for every pixel. Defaults to 1,
        which is enough for the ratio of two maps of the same grid.
    threshold : `float` or `~astropy.units.Quantity`, optional
        The threshold t, in the unit of the field unless it has one. Defaults to 0.

    Returns
    -------
    `float`
        In the unit of the field times that of the area.

    Raises
    ------
    ValueError
        If no pixel is finite, the area does not fit the field, or the unit of an option does not convert.

    See Also
    --------
    radial_flux : of the line-of-sight component, with foreshortening undone

    Notes
    -----
    Noise adds to :math:`|B|`, so removing noise lowers the flux: compare maps of the same noise, or above a threshold
    of several times the noise.

    References
    ----------
    .. [1] Bobra et al. 2014, Sol. Phys. 289, 3549, doi:10.1007/s11207-014-0529-3

    Examples
    --------
    >>> from sunpy_superres.metrics import unsigned_flux
    >>> unsigned_flux([[10.0, -30.0]], pixel_area=2)
    80.0
    """
    threshold, field = in_unit(threshold, "threshold", field), as_field(field)
    area = _area(pixel_area, field)
    size = np.abs(field, dtype=np.float64)
    counts = np.isfinite(field) & (size > threshold)
    return float(np.sum(size[counts] * area[counts]))


def radial_flux(field, mu=None, pixel_area=1, threshold=0):
    r"""
    Total unsigned flux of a radial field, with foreshortening undone.

    .. math:: \Phi = \sum_{|B| > t} \frac{|B|}{\mu} \frac{A_\mathrm{px}}{\mu}

    The line-of-sight component of a radial field :math:`B_r` is :math:`B = \mu B_r`, and a pixel on the plane of the
    sky, as of an array or a helioprojective Map, covers :math:`1/\mu` times its area on the surface. This is the flux
    of the disk of Muñoz-Jaramillo et al. [1]_, who end at 0.9 solar radii. The area of a pixel of a heliographic Map
    is that on the surface, so there it is

    .. math:: \Phi = \sum_{|B| > t} \frac{|B|}{\mu} A_\mathrm{px}

    Parameters
    ----------
    field : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Line-of-sight field B; pixels that are masked or not finite are left out. Set to NaN what is too close to the
        limb: noise is multiplied by :math:`1/\mu^2` there. Of a field that is radial already, such as Br of SHARPs, and
        of an array on a heliographic grid, divided by mu, take `unsigned_flux`.
    mu : `float` or `numpy.ndarray`, optional
        Cosine of the angle from disk center, one number or one for every pixel; pixels where it is not positive are
        left out. Defaults to that of the Map.
    pixel_area : `float`, `numpy.ndarray` or `~astropy.units.Quantity`, optional
        Area of a pixel, as `pixel_area` gives it for the Map: on the plane of the sky, or of a heliographic Map on the
        surface. One number or one for every pixel. Defaults to 1.
    threshold : `float` or `~astropy.units.Quantity`, optional
        The threshold t for B, in its unit unless it has one. Defaults to 0.

    Returns
    -------
    `float`
        In the unit of the field times that of the area.

    Raises
    ------
    ValueError
        If no pixel is left, ``mu`` or the area do not fit the field, ``mu`` is missing and the field is no Map, or the
        unit of an option does not convert.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.metrics import radial_flux
    >>> radial_flux([[10.0, -30.0]], mu=[[1.0, 0.5]])
    130.0
    """
    if mu is None and not _is_map(field):
        msg = "Give mu, the cosine of the angle from disk center: only a Map knows its own."
        raise ValueError(msg)
    foreshortening, threshold = _foreshortening(mu, field), in_unit(threshold, "threshold", field)
    field = np.where(np.isfinite(foreshortening), as_field(field), np.nan)
    if not np.isfinite(field).any():
        msg = "No pixel of the field is finite and on the disk (mu above 0)."
        raise ValueError(msg)
    return unsigned_flux(field, _area(pixel_area, field) / foreshortening, threshold)


def flux_ratio(pred, truth, threshold=0):
    r"""
    Unsigned flux of the prediction over that of the truth.

    .. math:: \rho_F = \frac{\sum_{|P| > t} |P|}{\sum_{|G| > t} |G|}

    The percentage variation that some works give is :math:`100 (1 - \rho_F)`.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out. For a flux with
        foreshortening undone divide both by :math:`\mu^2`, or on a heliographic grid by :math:`\mu`.
    threshold : `float` or `~astropy.units.Quantity`, optional
        The threshold t for each of the two, in the unit of the truth unless it has one. Defaults to 0.

    Returns
    -------
    `float`
        1 is right; NaN where no truth is above the threshold.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, no pixel is left, or the unit of the threshold does not
        convert.

    Notes
    -----
    Removing noise alone lowers the ratio at a threshold of 0: give it at several, for example 0, 30 and 100 G and
    three times the noise.

    Examples
    --------
    >>> from sunpy_superres.metrics import flux_ratio
    >>> flux_ratio([3.0, -80.0], [10.0, -100.0]), flux_ratio([3.0, -80.0], [10.0, -100.0], threshold=30)
    (0.7545454545454545, 0.8)
    """
    threshold = in_unit(threshold, "threshold", truth, pred)
    pred, truth = (np.abs(field) for field in finite_pairs(pred, truth))
    return ratio(pred[pred > threshold].sum(), truth[truth > threshold].sum())


def net_flux_error(pred, truth):
    r"""
    Error of the net flux, over the unsigned flux of the truth.

    .. math:: \frac{\sum P - \sum G}{\sum |G|}

    Over the net flux of the truth it would be without meaning, since that is often close to zero.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, same shape; pixels that are not finite in both are left out.

    Returns
    -------
    `float`
        0 is right; NaN where the truth is 0 everywhere.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, or no pixel is left.

    Examples
    --------
    >>> from sunpy_superres.metrics import net_flux_error
    >>> net_flux_error([60.0, -40.0], [50.0, -50.0])
    0.2
    """
    pred, truth = finite_pairs(pred, truth)
    return ratio(np.sum(pred - truth), np.sum(np.abs(truth)))


def signed_flux_error(pred, truth, pixel_area=1, mu=None, block=1):
    r"""
    Error of the signed flux, pixel by pixel or summed over blocks.

    .. math:: E = \phi_P - \phi_G, \quad \phi = B \, A_\mathrm{px} / \mu^2

    Equation 2 of Muñoz-Jaramillo et al. [1]_, for arrays and helioprojective Maps. The area of a pixel of a
    heliographic Map is that on the surface: there :math:`\phi = B \, A_\mathrm{px} / \mu`, as for `radial_flux`.

    Parameters
    ----------
    pred, truth : `numpy.ndarray`, `~astropy.units.Quantity` or `~sunpy.map.GenericMap`
        Prediction P and truth G, two-dimensional, same shape.
    pixel_area : `float`, `numpy.ndarray` or `~astropy.units.Quantity`, optional
        See `radial_flux`. Defaults to 1.
    mu : `float` or `numpy.ndarray`, optional
        Cosine of the angle from disk center, one number or one for every pixel. Defaults to that of the Map, and where
        both are arrays to 1 everywhere: no foreshortening.
    block : `int`, optional
        Pixels along each side of the blocks to sum over, for example 4, 8, 16 or 32. Defaults to 1.

    Returns
    -------
    `numpy.ndarray`
        Shape (y / block, x / block), in the unit of the truth times that of the area. NaN for every block with a pixel
        that is not finite in both or where ``mu`` is not positive; what does not fill a block at the far ends is left
        out. Its spread is the error: that of noise grows like the block, that of a wrong calibration like its square.

    Raises
    ------
    ValueError
        If the shapes, the places or the kinds of unit differ, they are not of two dimensions, the area or ``mu`` do
        not fit, or the block is smaller than a pixel or larger than the field.

    References
    ----------
    .. [1] Muñoz-Jaramillo et al. 2024, ApJS 271, 46, doi:10.3847/1538-4365/ad12c2

    Examples
    --------
    >>> from sunpy_superres.metrics import signed_flux_error
    >>> pred, truth = [[5.0, -1.0], [2.0, 0.0]], [[4.0, 0.0], [0.0, 0.0]]
    >>> signed_flux_error(pred, truth)
    array([[ 1., -1.],
           [ 2.,  0.]])
    >>> signed_flux_error(pred, truth, block=2)
    array([[2.]])
    """
    place = truth if _is_map(truth) else pred
    pred, truth = same_shape(pred, truth, ndim=2)
    foreshortening = _foreshortening(1 if mu is None and not _is_map(place) else mu, place)
    error = difference(pred, truth) * _area(pixel_area, truth) / foreshortening
    return squares(error, block).sum(axis=-1)


def _area(pixel_area, field):
    """
    The area of every pixel, in cm² if it has a unit.
    """
    return _every_pixel(in_unit(pixel_area, "pixel_area", unit="cm2"), field, "pixel_area")


def _foreshortening(mu, field):
    """
    What to divide the field of every pixel times its area by: the square of mu, or mu on the surface; NaN off the disk.
    """
    if mu is None:
        from sunpy_superres._wcs import disk_radius  # NOQA: PLC0415

        mu = np.sqrt(np.clip(1 - disk_radius(field).astype(np.float64) ** 2, 0, None))
    else:
        same_place(mu, field, "mu")
        mu = as_array(in_unit(mu, "mu", unit=""))
    mu = _every_pixel(mu, as_array(field), "mu")
    return np.where(mu > 0, mu, np.nan) ** (1 if on_surface(field) else 2)


def _is_map(field):
    return hasattr(field, "coordinate_frame")


def _every_pixel(value, field, name):
    value = np.asarray(value, dtype=np.float64)
    if value.ndim and value.shape != field.shape:
        msg = f"{name} must be one number or have the shape {field.shape} of the field, not {value.shape}."
        raise ValueError(msg)
    return np.broadcast_to(value, field.shape)
