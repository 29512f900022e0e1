"""
What the figures say, in words: whether the controls come out as they must, and which method is better than what.
"""

import numpy as np

import sunpy_superres
from sunpy_superres.benchmark.bootstrap import interval
from sunpy_superres.benchmark.ensemble_sums import STRONG
from sunpy_superres.benchmark.figures import figure, frequencies

__all__ = ["findings"]

#: Correlation of a ring below which nothing is followed.
_SEEN = 1 / 7
#: How near to the period where it was cut the resolution of a control has to be.
_NEAR = 0.05
#: Ratios of power that count as right, and by how much coverage (in points) and the spread-skill ratio may be off.
_POWER, _POINTS, _SPREAD = (0.8, 1.25), 3.0, (0.9, 1.1)


def findings(protocol, rows, cases, *, cells, instrument, period, lacking):
    """
    Findings of a run.

    Parameters
    ----------
    protocol : `~sunpy_superres.benchmark.Protocol`
        Which protocol.
    rows : `list` of `~sunpy_superres.benchmark.results.RowSums`
        All rows; the first is the interpolated input.
    cases : `list` of `dict`
        What is known of each case.
    cells : `dict`
        Of the tables, by table, row and column.
    instrument : `str`
        Whose magnetograms are the input.
    period : `float`
        Period in arcsec down to which the interpolated input follows the truth.
    lacking : `dict`
        What could not be measured, and why.

    Returns
    -------
    `list` of `dict`
        ``text`` and ``passed``: `None` where there is nothing to pass.
    """
    by_name = {row.name: row for row in rows}
    found = [
        *_data(protocol, rows, cases),
        _said(
            f"The interpolated input follows the truth down to {period:.2f} arcsec (ring correlation above 1/7). What "
            "a method shows of finer scales is right as far as its own ring correlation says so, whatever its power."
        ),
        *_controls(by_name, period),
        *_expected(protocol, by_name, cells, instrument),
        *_versions(rows),
    ]
    for row in rows[1:]:
        # Without its calibration an ensemble has the same mean.
        if row.kind != "control" and not row.name.endswith("-uncalibrated"):
            found += _against(row, rows[0])
    for row in rows:
        if _has_members(row):
            found += _calibration(row, cases)
    found += _crps(rows)
    names = {"lpips": "LPIPS", "features": "Distances of features", "regions": "Figures of active regions"}
    found += [_said(f"{names[name]} could not be measured: {why}") for name, why in sorted(lacking.items())]
    return found


def _said(text, passed=None):
    return {"text": text, "passed": passed if passed is None else bool(passed)}


def _value(row, name, **options):
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(figure(name, row.pooled, options))


def _has_members(row):
    ranks = row.units.get("ranks:all")
    return ranks is not None and ranks.shape[-1] > 2


def _data(protocol, rows, cases):
    regions, used = len({case["region"] for case in cases}), sum(case["used"] for case in cases)
    ignored = sum(case["ignored"] for case in cases)
    count = f"{len(cases)} case{'s' * (len(cases) != 1)} of {regions} region{'s' * (regions != 1)}"
    text = f"{count}: {used} pixels scored, {ignored} left out."
    weights = rows[0].weights
    if weights is None:
        text += " There are too few blocks for confidence intervals."
    else:
        text += (
            f" Confidence intervals are from {weights.shape[1]} places (blocks of a region with all their frames), "
            f"drawn {len(weights)} times: they know nothing of other regions."
        )
    found = [_said(text)]
    months = sorted({case["time"][:7] for case in cases if case["time"]})
    if protocol.months and set(months) - set(protocol.months):
        wanted, here = ", ".join(protocol.months), ", ".join(months)
        text = f"Published numbers are of {wanted} and these cases of {here}: compare the rows with each other only."
        found.append(_said(text))
    elif protocol.months and not months:
        found.append(
            _said(f"Published numbers are of {', '.join(protocol.months)}; when these cases are of is not known.")
        )
    shifts = [case["shift"] for case in cases if case["shift"] is not None]
    if shifts:
        largest = max(abs(value) for shift in shifts for value in shift)
        found.append(_said(f"The truth was registered to what was seen, by up to {largest:g} pixels."))
    if not rows[0].pooled["radius"].any():
        text = "Where the images lie on the disk is not known: nothing is told by distance from its center."
        found.append(_said(text))
    return found


def _controls(by_name, period):
    found = []
    if (row := by_name.get("random-phase")) is not None:
        ratio, shared, limit = *_below(row, period), _value(row, "resolution")
        text = (
            f"Control of random phases, a fake: at all periods below {period:.2f} arcsec its power is {ratio:.2f} of "
            f"that of the truth and its ring correlation {shared:.3f} (both weighted by power), and it follows the "
            f"truth down to {limit:.2f} arcsec; at longer periods it is the interpolated input itself, with the power "
            "of the truth: "
        )
        passed = _POWER[0] <= ratio <= _POWER[1] and shared < _SEEN and limit >= (1 - _NEAR) * period
        text += (
            "the power takes it for the truth, the ring correlation does not. It fails, as it must."
            if passed
            else "it should have the power of the truth, no correlation with it, and resolve nothing of it."
        )
        found.append(_said(text, passed))
    if (row := by_name.get("oracle")) is not None:
        ours, plain = (_value(one, "rmse") for one in (row, by_name["bicubic"]))
        limit = _value(row, "resolution")
        text = (
            f"Control of the oracle, the truth without unresolved scales: RMSE {ours:.1f} G against {plain:.1f} G of "
            f"the interpolated input, ring correlation above 1/7 down to {limit:.2f} arcsec: "
        )
        passed = ours < plain and limit <= (1 + _NEAR) * period
        found.append(_said(text + ("it passes, as it must." if passed else "it should pass, and does not."), passed))
    return found


def _below(row, period):
    """
    Power over that of the truth, and correlation with it, of all rings beyond a period.
    """
    sums = row.pooled["rings"][frequencies() > 1 / period].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[1] / sums[2], sums[3] / np.sqrt(sums[1] * sums[2])


def _versions(rows):
    """
    Results that other versions of the package left.
    """
    known = {row.name: row.about["versions"] for row in rows}
    every = sorted({version for versions in known.values() for version in versions})
    if every == [sunpy_superres.__version__]:
        return []
    text = f"Results of other runs were used: they are of {', '.join(every)} of the package"
    if len(every) > 1:
        mixed = [name for name, versions in known.items() if versions != [sunpy_superres.__version__]]
        text += f", a mixture (rows that are not of this version alone: {', '.join(mixed)})"
    return [_said(f"{text}; this is {sunpy_superres.__version__}. --fresh makes all again.")]


def _expected(protocol, by_name, cells, instrument):
    tables = {table.name: {column.name: column for column in table.columns} for table in protocol.tables}
    for one in protocol.expected:
        if one.row not in by_name or instrument not in one.instruments:
            continue
        column = tables[one.table][one.column]
        value = cells[one.table][one.row][one.column]["value"]
        if not np.isfinite(value):
            continue
        low, high = one.between
        text = f"{by_name[one.row].title}: {column.title} {value:.3g}, expected {low:g} to {high:g} ({one.because})."
        yield _said(text, low <= value <= high)


def _against(row, plain):
    """
    Errors against those of the interpolated input; of a draw, what its finest detail is worth.
    """
    if row.name.endswith("-draw"):
        ratio, shared = _value(row, "power_ratio", period=2), _value(row, "frc", period=2)
        text = f"{row.title}: power at 2 arcsec {ratio:.2f} of that of the truth, ring correlation there {shared:.2f}"
        if ratio < _POWER[0] / 2:
            text += ": hardly any detail of that size"
        elif ratio > 2 * _POWER[1]:
            text += ": too much detail of that size, as noise has it"
        elif shared < _SEEN:
            text += ": detail of that size is plausible at best, and not observed"
        yield _said(f"{text}.")
        return
    value, reference = _value(row, "rmse"), _value(plain, "rmse")
    if not reference > 0:
        return
    text = f"{row.title}: RMSE {value:.1f} G, {value / reference:.3f} of that of the interpolated input"
    if row.resampled is None:
        yield _said(f"{text}; no confidence interval.")
        return
    low, high = interval(figure("relative", row.resampled, {"of": "rmse"}, plain.resampled))
    verdict = "better" if high < 1 else "worse" if low > 1 else "no difference that is certain"
    yield _said(f"{text} ({low:.3f} to {high:.3f}): {verdict}.", None if row.kind == "baseline" else high < 1)


def _fitted(row, cases):
    """
    How many of the cases the spread of a row was calibrated on.
    """
    images = {name.removesuffix(".fits").removesuffix(".magnetogram") for name in row.about["calibration_images"]}
    return sum(case["name"].partition("[")[0] in images for case in cases)


def _calibration(row, cases):
    """
    Coverage and spread of all pixels, and of strong ones.
    """
    m = row.units["ranks:all"].shape[-1] - 1
    widest = (m - 1) / (m + 1)
    levels = [level for level in (0.5, 0.9) if level < widest - 1e-9]
    if 0.9 not in levels:
        levels.append(min(widest, 0.9))

    def told(select):
        inside = [_value(row, "ens_coverage", level=level, select=select) for level in levels]
        ratio = _value(row, "ens_spread_skill", select=select)
        right = all(abs(value - 100 * level) <= _POINTS for value, level in zip(inside, levels, strict=True))
        return inside, ratio, right and _SPREAD[0] <= ratio <= _SPREAD[1]

    inside, ratio, right = told("all")
    intervals = " and ".join(
        f"{value:.1f} % in the {100 * level:.3g} % interval" for value, level in zip(inside, levels, strict=True)
    )
    text = f"{row.title}: of the truths {intervals}, spread-skill ratio {ratio:.2f}"
    strong, strong_ratio, strong_right = told("prediction")
    if np.isfinite(strong_ratio):
        by_truth, truth_ratio, _ = told("truth")
        told_in = [", ".join(f"{value:.1f} %" for value in values) for values in (strong, by_truth)]
        text += (
            f"; where the mean is above {STRONG} G {told_in[0]} and {strong_ratio:.2f}; where the truth is above "
            f"{STRONG} G {told_in[1]} and {truth_ratio:.2f}, a choice that makes any ensemble look too sure"
        )
        right = right and strong_right
        text += ". Of all pixels and of those that the prediction chooses it is "
    else:
        text += ". It is "
    text += "calibrated" if right else "not calibrated throughout"
    if fitted := _fitted(row, cases):
        text += f", but its calibration was fitted on {fitted} of these {len(cases)} cases: that is no test of it"
    elif row.about["calibration_images"]:
        text += ", by a calibration that was fitted on other images"
    yield _said(f"{text}.", right)


def _crps(rows):
    """
    Fair CRPS of each ensemble against the smallest mean absolute error of what gives one answer.
    """
    # Of ensembles, their mean is one answer too.
    single = [row for row in rows if row.kind != "control" and not row.name.endswith("-draw")]
    best, other = min(((_value(row, "mae"), row) for row in single), key=lambda pair: pair[0])
    for row in rows:
        if not _has_members(row):
            continue
        crps = _value(row, "ens_crps")
        text = (
            f"{row.title}: fair CRPS {crps:.2f} G against a mean absolute error of {best:.2f} G of the best single "
            f"answer ({other.title})"
        )
        if row.resampled is None:
            yield _said(f"{text}.", crps < best)
            continue
        ratios = figure("ens_crps", row.resampled) / figure("mae", other.resampled)
        low, high = interval(ratios)
        yield _said(f"{text}, {crps / best:.3f} of it ({low:.3f} to {high:.3f}).", high < 1)
