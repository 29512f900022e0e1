"""
Keeping the results, and holding them against the targets.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.benchmark._scene import check_writable

__all__ = ["TARGETS", "Target", "read_json", "table", "targets_of", "write_json"]


@dataclass(frozen=True)
class Target:
    """
    One figure, and between which bounds it must and should lie.

    Parameters
    ----------
    name : `str`
        Name of the figure in the results.
    title : `str`
        What it is, for people.
    must, aim : `tuple` of `float`, optional
        Smallest and largest value allowed, and wished for; `None` where there is no such demand.
        An infinite bound means that one side is free.
    digits : `int`, optional
        Digits after the point. Defaults to 3.
    """

    name: str
    title: str
    must: tuple | None = None
    aim: tuple | None = None
    digits: int = 3

    def verdict(self, value):
        """
        Return ``"aim"``, ``"must"``, ``"missed"`` or, without any demand or value, an empty string.
        """
        if value is None or (self.must is None and self.aim is None):
            return ""
        for word, bounds in (("aim", self.aim), ("must", self.must)):
            if bounds is not None and bounds[0] <= value <= bounds[1]:
                return word
        return "missed"


def _at_most(value):
    return -math.inf, value


def _at_least(value):
    return value, math.inf


#: The figures of the table, in its order. Those of speed, memory and tiling are measured elsewhere.
TARGETS = (
    Target("rmse_ratio", "RMSE of the ensemble mean / calibrated bicubic", _at_most(0.75), _at_most(0.65)),
    Target("gradient_ratio", "Sobel gradient error / calibrated bicubic", _at_most(0.80), _at_most(0.65)),
    Target("crps_ratio", "fair CRPS / MAE of the ensemble mean", _at_most(0.80), _at_most(0.70)),
    Target("spread_skill", "spread-skill ratio", (0.85, 1.15), (0.95, 1.05)),
    Target("coverage", "coverage between smallest and largest member"),
    Target("nominal_coverage", "the same, if calibrated"),
    *(
        Target(f"{kind}power_{period}", f'power of one sample / truth at {period}"{how}', (0.7, 1.4), (0.9, 1.1))
        for kind, how in (("pooled_", ", mean spectra"), ("", ", mean of the images' ratios"))
        for period in (8, 4, 2)
    ),
    Target("flux_ratio", "total unsigned flux of one sample / truth", (0.9, 1.1), (0.97, 1.03)),
    Target("data_consistency", "misfit of one degraded sample to the input / noise"),
    Target("autoencoder_rmse", "autoencoder round trip, RMSE [G]", _at_most(5), _at_most(2), 2),
    Target("full_disk_minutes", "full disk, time [min]", _at_most(15), _at_most(3), 2),
    Target("full_disk_gigabytes", "full disk, memory [GB]", _at_most(4), _at_most(2), 1),
    Target("pair_correlation_gain", "real pairs: gain in correlation, worst", _at_least(0.005), _at_least(0.02), 4),
    Target("pair_rmse_ratio", "real pairs: RMSE / calibrated bicubic, worst", _at_most(0.92), _at_most(0.80)),
    Target("pair_spread_skill", "real pairs: spread / error, worst"),
    Target("tile_difference", "tiled against not tiled, float32 [G, or quiet Sun]", _at_most(1e-4), None, 6),
    Target("reference_correlation", "Enhance: correlation with the authors' output", digits=4),
    Target("reference_correlation_bicubic", "the same, bicubic", digits=4),
    Target("reference_rms", "Enhance: rms difference from the authors' output [G]", digits=1),
    Target("reference_rms_bicubic", "the same, bicubic [G]", digits=1),
    Target("sobel_ratio", "Enhance: Sobel gradient / bicubic"),
    Target("sobel_ratio_authors", "the same, authors"),
    Target("flux_in_out", "Enhance: unsigned flux / input"),
    Target("flux_in_out_authors", "the same, authors"),
    Target("std_ratio_authors", "Enhance: standard deviation / authors' output"),
    Target("reconvolution_residual", "Enhance: seen by HMI again, residual / input"),
    Target("reconvolution_residual_authors", "the same, authors"),
    Target("granulation_contrast", "Enhance: contrast of the granulation", digits=4),
    Target("granulation_contrast_bicubic", "the same, bicubic", digits=4),
    Target("granulation_contrast_input", "the same, input", digits=4),
    Target("granulation_contrast_ratio", "Enhance: contrast of the granulation / bicubic"),
    Target("bright_contrast_ratio", "the same, of all above 0.9 of the quiet Sun"),
    Target("quiet_mean_change", "Enhance: change of the mean of the quiet Sun", digits=4),
)


#: What other methods than ``"ldm"``, whose demands are in `TARGETS`, must reach; what is not here has no demand.
_DEMANDS = {
    "highresnet": {
        "rmse_ratio": _at_most(0.78),
        "gradient_ratio": _at_most(0.80),
        "full_disk_minutes": _at_most(0.1),
        "full_disk_gigabytes": _at_most(2),
        "tile_difference": _at_most(1e-4),
    },
    "progressive": {"rmse_ratio": _at_most(0.80), "tile_difference": _at_most(1e-4)},
    "enhance": {
        "reference_correlation": _at_least(0.990),
        "sobel_ratio": (1.4, 1.8),
        "flux_in_out": (0.97, 1.06),
        "granulation_contrast_ratio": (1.3, 1.6),
        "bright_contrast_ratio": (1.3, 1.6),
        "quiet_mean_change": (-0.005, 0.005),
        "full_disk_minutes": _at_most(1),
        "full_disk_gigabytes": _at_most(3),
        "tile_difference": _at_most(1e-4),
    },
}


def targets_of(method):
    """
    What is asked of a method.

    Parameters
    ----------
    method : `str`
        Its name.

    Returns
    -------
    `tuple` of `Target`
        All figures in the order of the table, with the demands on this method.

    Examples
    --------
    >>> from sunpy_superres.benchmark import targets_of
    >>> [target.must for target in targets_of("highresnet") if target.name == "gradient_ratio"]
    [(-inf, 0.8)]
    """
    if method == "ldm":
        return TARGETS
    demands = _DEMANDS.get(method, {})
    return tuple(replace(target, must=demands.get(target.name), aim=None) for target in TARGETS)


def table(*results, style="markdown", targets=TARGETS, measured=False):
    """
    Write figures and targets as a table.

    Parameters
    ----------
    *results : `dict`
        Results with their ``"figures"``, a dictionary from name to value; where two have the same name, the last
        counts.
    style : `str`, optional
        ``"markdown"`` or ``"plain"``. Defaults to ``"markdown"``.
    targets : iterable of `Target`, optional
        The rows. Defaults to all `TARGETS`; a figure that was not measured shows a dash.
    measured : `bool`, optional
        Leave out the rows of what was not measured. Defaults to `False`.

    Returns
    -------
    `str`
        One line per figure: its value, what it must and should be, and which of the two is reached
        ("aim", "must" or "missed").

    Raises
    ------
    ValueError
        If the style is not known.

    Examples
    --------
    >>> from sunpy_superres.benchmark import TARGETS, table
    >>> print(table({"figures": {"rmse_ratio": 0.7}}, style="plain", targets=TARGETS[:1]))
    figure                                          measured  must      aim       reached
    RMSE of the ensemble mean / calibrated bicubic  0.700     <= 0.75   <= 0.65   must
    """
    if style not in ("markdown", "plain"):
        msg = f"Unknown style {style!r}; known are markdown, plain."
        raise ValueError(msg)
    figures = {}
    for result in results:
        figures.update(result["figures"])
    rows = [("figure", "measured", "must", "aim", "reached")]
    for target in targets:
        value = figures.get(target.name)
        if measured and value is None:
            continue
        shown = "-" if value is None else f"{value:.{target.digits}f}"
        rows.append((target.title, shown, _bounds(target.must), _bounds(target.aim), target.verdict(value)))
    if style == "markdown":
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
    widths = [max(8, *(len(row[i]) for row in rows)) + 2 for i in range(len(rows[0]))]
    return "\n".join("".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def write_json(results, path):
    """
    Write results to a file, all of it or nothing.

    Parameters
    ----------
    results : `dict`
        Dictionaries, lists, strings and numbers. What is not a finite number becomes ``null``.
    path : path-like
        The file; it is replaced if it exists. Its folder must exist.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> from sunpy_superres.benchmark import read_json, write_json
    >>> write_json({"figures": {"rmse_ratio": 0.7}}, "results.json")  # doctest: +SKIP
    >>> read_json("results.json")  # doctest: +SKIP
    {'figures': {'rmse_ratio': 0.7}}
    """
    path = check_writable(path)
    text = json.dumps(plain(results), indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path):
    """
    Read results that `write_json` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    `dict`
        The results; ``null`` has become `None`.

    Examples
    --------
    >>> from sunpy_superres.benchmark import read_json, table
    >>> print(table(read_json("degraded.json"), read_json("pairs.json")))  # doctest: +SKIP
    """
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _bounds(bounds):
    if bounds is None:
        return ""
    low, high = bounds
    if low == -math.inf:
        return f"<= {high:g}"
    if high == math.inf:
        return f">= {low:g}"
    return f"{low:g} to {high:g}"


def plain(value):
    """
    The same in what JSON has: lists for arrays, `None` for what is not finite.

    Parameters
    ----------
    value : object
        Dictionaries, lists, arrays, strings and numbers.

    Returns
    -------
    object
    """
    # NumPy's numbers and arrays.
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool)) or value is None:
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float)) else str(value)
