"""
Results as the benchmark writes them, of stand-ins for the methods on magnetograms made of statistics.
"""

from itertools import pairwise

import numpy as np
from scipy import ndimage

from sunpy_superres import metrics
from sunpy_superres.benchmark.report import plain
from sunpy_superres.degradation import synthetic_magnetogram

__all__ = ["make_results"]

SCALE = 0.504273
DRAWS = 8

# Name, title, kind, whether it draws.
ROWS = (
    ("bicubic", "bicubic × 0.701", "baseline", False),
    ("wiener", "Wiener filter", "baseline", False),
    ("highresnet", "HighResNet (Muñoz-Jaramillo et al.)", "method", False),
    ("ldm", "latent diffusion", "method", True),
    ("ddpm<b>", "pixel diffusion <b>, R&D", "method", True),
    ("theirs", "predictions of a file", "predictions", False),
    ("oracle", "oracle: truth blurred to the limit", "control", False),
    ("random-phase", "random phases, spectrum of the truth", "control", False),
)

# Name, title, unit, digits, better, nominal.
COLUMNS = {
    "A": (
        ("rmse", "RMSE", "G", 1, "low", None),
        ("psnr", "PSNR (R = 6000 G)", "dB", 1, "high", None),
        ("pcc", "PCC", "", 4, "high", None),
        ("bias", "bias", "G", 2, "zero", None),
        ("gradient", "gradient error", "G/px", 1, "low", None),
        ("w1", "Wasserstein distance W₁", "G", 1, "low", None),
        ("frc", "FRC = 1/7 at", "arcsec", 2, "low", None),
    ),
    "D": (
        ("flux", "unsigned flux", "Mx", None, None, None),
        ("flux_ratio", "flux ratio", "", 3, "one", None),
        ("net", "net flux error / Σ|G|", "", 4, "zero", None),
    ),
    "ensemble": (
        ("crps", "fair CRPS", "G", 2, "low", None),
        ("ssr", "spread / skill", "", 3, "one", None),
        ("coverage", "coverage, smallest to largest", "", 3, "nominal", 7 / 9),
    ),
}
TITLES = {
    "A": (
        "Pixels and structure",
        "Pooled over all pixels of all cases; a draw of the ensembles for FRC.",
    ),
    "D": ("Flux", None),
    "ensemble": ("Ensembles", "Without the noise of the truth. A deterministic CRPS is the mean absolute error."),
}


def _random_phase(field, rng):
    noise = np.fft.fft2(rng.normal(size=field.shape))
    return np.fft.ifft2(np.abs(np.fft.fft2(field)) * noise / np.abs(noise)).real


def _enlarge(seen):
    return ndimage.zoom(seen, 4, order=3, mode="grid-constant", grid_mode=True)


def _predictions(truth, seen, rng):
    """
    Members of every row, shape (draws, y, x).
    """

    def draws(sigma, spread, gain=1.0):
        low = gain * ndimage.gaussian_filter(truth, sigma)
        detail = truth - low
        local = np.sqrt(ndimage.gaussian_filter(detail**2, 4))
        white = _random_phase(detail, rng)
        return np.array([low + spread * local * _random_phase(detail, rng) / white.std() for _ in range(DRAWS)])

    blurred = ndimage.gaussian_filter(truth, 1.5)
    return {
        "bicubic": _enlarge(seen)[None],
        "wiener": ndimage.gaussian_filter(_enlarge(seen) * 1.02, 0.8)[None],
        "highresnet": 0.97 * blurred[None] + rng.normal(0, 4, (1, *truth.shape)),
        "ldm": draws(1.2, 1.0),
        "ddpm<b>": draws(1.3, 0.5, 0.98),
        "theirs": ndimage.shift(ndimage.gaussian_filter(truth, 1.2), (0.4, 0.7))[None],
        "oracle": ndimage.gaussian_filter(truth, 0.9)[None],
        "random-phase": _random_phase(truth, rng)[None],
    }


def _scores(members, truth):
    mean, one = members.mean(0), members[0]
    error = mean - truth
    scores = {
        "rmse": metrics.rmse(mean, truth),
        "psnr": 20 * np.log10(6000 / metrics.rmse(mean, truth)),
        "pcc": metrics.pcc(mean, truth),
        "bias": error.mean(),
        "gradient": metrics.gradient_error(mean, truth),
        "w1": np.abs(np.sort(one.ravel()) - np.sort(truth.ravel())).mean(),
        "frc": metrics.resolution(one, truth, SCALE),
        "flux": np.abs(one).sum() * 1.34e15,
        "flux_ratio": np.abs(one).sum() / np.abs(truth).sum(),
        "net": (one - truth).sum() / np.abs(truth).sum(),
        "crps": np.abs(error).mean(),
    }
    if len(members) > 1:
        scores["crps"] = metrics.fair_crps(members, truth)
        scores["ssr"] = metrics.spread_skill_ratio(members, truth)
        scores["coverage"] = metrics.coverage(members, truth)
    return scores


def _cell(values):
    if not np.isfinite(values).all() or not values:
        return {"value": None, "low": None, "high": None, "mean": None, "std": None}
    value, std = float(np.mean(values)), float(np.std(values))
    return {"value": value, "low": value - 1.2 * std, "high": value + 1.4 * std, "mean": value * 1.01, "std": std}


def _tables(scores, names):
    tables = []
    for table, columns in COLUMNS.items():
        keys = ("name", "title", "unit", "digits", "better", "nominal")
        cells = {
            name: {c[0]: _cell([s[c[0]] for s in scores[name] if c[0] in s]) for c in columns}
            for name in names
            if any(c[0] in scores[name][0] for c in columns)
        }
        title, caption = TITLES[table]
        tables.append(
            {
                "name": table,
                "title": title,
                "caption": caption,
                "columns": [dict(zip(keys, column, strict=True)) for column in columns],
                "cells": cells,
                "published": [],
            }
        )
    tables[0]["published"] = [
        {
            "title": "SR-MDI, Muñoz-Jaramillo et al. 2021",
            "source": "Table 1 of the preprint, doi:10.1234/example<1>, month of March 2011",
            "grade": "read in the paper",
            "note": "all of the disk, 25 million pixels",
            "cells": {"pcc": 0.93},
        },
        {
            "title": "LDM RES, AGU 2024",
            "source": "a slide",
            "grade": "slide",
            "note": None,
            "cells": {"psnr": "29.23 ± 8"},
        },
    ]
    return tables


def _curves(predictions, truths):
    """
    All curves, of all cases pooled.
    """
    truth = np.array(truths)
    means = {name: np.array([p[name].mean(0) for p in predictions]) for name in predictions[0]}
    ones = {name: np.array([p[name][0] for p in predictions]) for name in predictions[0]}
    ensembles = {
        name: np.concatenate([p[name] for p in predictions], axis=1)
        for name in predictions[0]
        if len(predictions[0][name]) > 1
    }
    tall = np.concatenate(truths)
    curves = {name: {"rows": {}} for name in ("spectra", "scatter", "rank_histogram", "reliability", "spread_error")}

    frequency, power = metrics.power_spectrum(truth[0], SCALE)
    count = 2 * np.pi * np.arange(1, len(frequency) + 1)
    half_bit = (0.2071 + 1.9102 / np.sqrt(count)) / (1.2071 + 0.9102 / np.sqrt(count))
    curves["spectra"].update(period=1 / frequency, truth=power, half_bit=half_bit)
    edges = np.linspace(-2000, 2000, 101)
    curves["scatter"]["edges"] = edges
    for name, mean in means.items():
        own = metrics.power_spectrum(ones[name][0], SCALE)[1]
        correlation = metrics.frc(ones[name][0], truth[0], SCALE)[1]
        curves["spectra"]["rows"][name] = {"power": own, "ratio": own / power, "frc": correlation}
        counts = np.histogram2d(truth.ravel(), mean.ravel(), bins=(edges, edges))[0].astype(int)
        curves["scatter"]["rows"][name] = {"counts": counts}
    for name, members in ensembles.items():
        curves["rank_histogram"]["rows"][name] = metrics.rank_histogram(members, tall)
        ordered = np.sort(members, axis=0)
        levels = [(DRAWS + 1 - 2 * k) / (DRAWS + 1) for k in range(4, 0, -1)]
        observed = [np.mean((tall >= ordered[k - 1]) & (tall <= ordered[DRAWS - k])) for k in range(4, 0, -1)]
        curves["reliability"]["rows"][name] = {"nominal": levels, "observed": observed}
        spread, error = members.std(0, ddof=1).ravel(), (members.mean(0) - tall).ravel()
        bins = np.array_split(np.argsort(spread), 10)
        curves["spread_error"]["rows"][name] = {
            "spread": [np.sqrt(np.mean(spread[b] ** 2)) for b in bins],
            "rmse": [np.sqrt(np.mean(error[b] ** 2)) for b in bins],
            "count": [b.size for b in bins],
        }
    mu = np.linspace(0.35, 1, truth.shape[1])[None, :, None] * np.ones(truth.shape)
    curves["by_field"] = _by(np.abs(truth), [0, 10, 30, 100, 300, 600, 1000, 3000], means, truth)
    curves["by_mu"] = _by(mu, np.linspace(0.3, 1, 8), means, truth)
    curves["time_series"] = _time_series(means, truth)
    return curves


def _by(values, edges, means, truth):
    inside = [(values >= low) & (values < high) for low, high in pairwise(edges)]
    rows = {}
    for name, mean in means.items():
        pairs = [(mean[i], truth[i]) for i in inside]
        rows[name] = {
            "rmse": [np.sqrt(np.mean((p - g) ** 2)) if p.size else None for p, g in pairs],
            "bias": [np.mean(p - g) if p.size else None for p, g in pairs],
            "pcc": [np.corrcoef(p, g)[0, 1] if p.size > 1 else None for p, g in pairs],
        }
    return {"edges": edges, "count": [int(i.sum()) for i in inside], "rows": rows}


def _time_series(means, truth):
    rng = np.random.default_rng(5)
    days = np.arange(24)
    unsigned = 1e22 * (3 + np.sin(days / 4) + 0.05 * rng.normal(size=days.size))
    net = 1e21 * (0.6 + np.cos(days / 5))
    rows = {}
    for name, mean in means.items():
        gain = np.abs(mean).sum() / np.abs(truth).sum()
        rows[name] = {
            "unsigned": [*(unsigned * gain * (1 + 0.01 * rng.normal(size=days.size)))[:-1], None],
            "net": net + 1e20 * rng.normal(size=days.size),
        }
    time = [f"2011-03-{day + 1:02d}T00:00:00Z" for day in days]
    return {"time": time, "truth": {"unsigned": unsigned, "net": net}, "rows": rows}


def make_results(shape=(128, 128), *, cases=3, names=None, seed=0):
    """
    Return what is in ``results.json``, and what is in ``maps.npz``.
    """
    rng = np.random.default_rng(seed)
    rows = [row for row in ROWS if names is None or row[0] in names]
    truths, inputs, predictions = [], [], []
    for case in range(cases):
        truth = synthetic_magnetogram(shape, seed=seed + case).astype(float)
        seen = ndimage.gaussian_filter(truth, 2.8).reshape(shape[0] // 4, 4, shape[1] // 4, 4).mean((1, 3))
        seen = seen + rng.normal(0, 14, seen.shape)
        made = _predictions(truth, seen, rng)
        truths.append(truth)
        inputs.append(seen)
        predictions.append({row[0]: made[row[0]] for row in rows})
    scores = {row[0]: [_scores(p[row[0]], g) for p, g in zip(predictions, truths, strict=True)] for row in rows}
    results = {
        "format": 1,
        "protocol": {
            "name": "degraded",
            "title": "HMI magnetograms degraded to MDI",
            "description": "Magnetograms of HMI are brought to MDI by the forward operator, noise included, and "
            "enlarged again. The truth is known exactly.\n\nPixels beyond 0.9 solar radii are left out.",
            "reference": "Muñoz-Jaramillo et al. 2021, doi:10.1234/example<1>; "
            "pixel sizes of Scherrer et al. 2012 (doi:10.1007/s11207-011-9834-2).",
        },
        "version": "0.2.0",
        "command": "sunpy-superres benchmark degraded --method ldm --method 'ddpm<b>' --samples 8 --seed 0",
        "data": {
            "cases": [
                {
                    "name": f"case-{i + 1}",
                    "region": ("AR 11158", "AR 11166 & <quiet>", None)[i % 3],
                    "time": f"2011-03-{i + 7:02d}T04:48:00" if i != 1 else None,
                    "shape": list(shape),
                    "shift": [0.21, -0.64] if i else None,
                    "used": shape[0] * shape[1] - 1432 * i,
                    "ignored": 1432 * i,
                }
                for i in range(cases)
            ]
        },
        "settings": {
            "instrument": "mdi",
            "n_samples": DRAWS,
            "seed": seed,
            "edge": 8,
            "scale": SCALE,
            "blocks": 32,
            "bootstrap": 2000,
            "level": 0.95,
        },
        "rows": [
            {
                "name": name,
                "title": title,
                "kind": kind,
                "model": f"{name}-mdi" if kind == "method" else None,
                "sha256": ("3fe1c0" * 11)[:64] if kind == "method" else None,
                "n_samples": DRAWS if drawn else 1,
                "steps": 50 if drawn else None,
                "seconds": 12.345 if drawn else 0.0214,
                "calibrated": drawn if kind == "method" else None,
            }
            for name, title, kind, drawn in rows
        ],
        "tables": _tables(scores, [row[0] for row in rows]),
        "curves": _curves(predictions, truths),
        "maps": {"case": "case-1", "scale": SCALE, "file": "maps.npz"},
        "findings": [
            {"text": "Every method follows the truth to smaller scales than bicubic interpolation.", "passed": True},
            {"text": "The spread of <ddpm> is the size of its error within 15 %.", "passed": False},
            {"text": "The random phases fail the ring correlation, as they must.", "passed": True},
            {"text": "Only 3 cases: intervals are wide.", "passed": None},
        ],
    }
    truth, seen = truths[0].copy(), inputs[0].copy()
    truth[:5, :5] = np.nan
    maps = {"truth": truth.astype(np.float32), "seen": seen.astype(np.float32)}
    for name, members in predictions[0].items():
        maps[f"{name}/mean"] = members.mean(0).astype(np.float32)
        if len(members) > 1:
            maps[f"{name}/sample"] = members[0].astype(np.float32)
            maps[f"{name}/std"] = members.std(0, ddof=1).astype(np.float32)
    return plain(results), maps
