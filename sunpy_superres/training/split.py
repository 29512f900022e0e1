"""
Training, validation and test apart in time and by active region, and the check that they are.

Frames of one region, or of neighboring hours, are nearly the same picture. Imports neither torch, sunpy nor astropy.
"""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from sunpy_superres.training.arrays import appending, read_index, read_pixels, remove_arrays

__all__ = ["IMAGE_GAP", "SPLITS", "check_folders", "check_leakage", "split_by_time", "split_folder"]

#: In the order of time.
SPLITS = ("train", "validation", "test")
#: Hours between two splits of whole images: few days have a large flare, so that splits alternate in short blocks.
IMAGE_GAP = 1.0
# Hours by which a gap may be too short: times are rounded.
_ROUNDING = 1e-6

# Of these cuts, those nearest to the wanted fraction, the best is taken.
_CUTS = 400
#: Region of the fields that are simulated, as in `sunpy_superres.training.patches`.
_SIMULATION = "simulation"
_SHARP = re.compile(r"hmi\.m?sharp\w*\.(\d+)")


def split_by_time(times, regions=None, *, validation=0.15, test=0.0, block="month", gap=24.0):
    """
    Split observations into blocks of time: the first to train on, the next to validate, the last to test.

    Parameters
    ----------
    times : iterable of `str` or `~datetime.datetime`
        When each was observed, UTC (ISO 8601).
    regions : iterable of `str`, optional
        The active region of each, or `None` for one that shows no particular region.
    validation, test : `float`, optional
        Fractions that are wanted. They are met as nearly as whole blocks allow. 0 for none.
    block : ``"month"`` or `float`, optional
        What is never divided: calendar months, or so many hours, for short sets.
    gap : `float`, optional
        Hours that are left out between two splits. Defaults to 24.

    Returns
    -------
    `list`
        For each ``"train"``, ``"validation"``, ``"test"``, or `None` for what is in none of them: the hours before a
        cut, and of a region that is on both sides of it the side with fewer observations.

    Raises
    ------
    ValueError
        If an option or a time is not what it has to be, or there is no cut with something on either side.

    Notes
    -----
    Every block and every region is in one split only; all times of a split are later than those of the one before.
    The cut is where the fraction is nearest to the wanted one and least is left out.

    Examples
    --------
    >>> from sunpy_superres.training.split import split_by_time
    >>> times = ["2011-02-12T00:00", "2011-02-14T00:00", "2012-03-06T00:00", "2012-04-07T00:00"]
    >>> split_by_time(times, ["A", "A", "B", "C"], validation=0.25)
    ['train', 'train', 'train', 'validation']
    """
    hours = np.array([_hours(time) for time in times])
    for name, value in (("validation", validation), ("test", test)):
        if not 0 <= value < 1:
            msg = f"{name} must be at least 0 and less than 1, got {value!r}."
            raise ValueError(msg)
    if validation + test >= 1 or validation + test <= 0:
        msg = f"validation and test, {validation} and {test}, must leave something to train on, and take something."
        raise ValueError(msg)
    if not gap >= 0:
        msg = f"gap must be at least 0 hours, got {gap!r}."
        raise ValueError(msg)
    blocks = _blocks(hours, block)
    regions = [None] * len(hours) if regions is None else list(regions)
    if len(regions) != len(hours):
        msg = f"There are {len(hours)} times and {len(regions)} regions; each observation needs both."
        raise ValueError(msg)
    numbers = _numbered(regions)
    labels = np.full(len(hours), "", dtype=object)
    left = np.argsort(hours, kind="stable")
    for name, fraction in (("test", test), ("validation", validation)):
        if fraction:
            left, later = _cut(left, hours, blocks, numbers, fraction * len(hours), gap, name)
            labels[later] = name
    labels[left] = "train"
    return [label or None for label in labels]


def check_leakage(times, labels, regions=None, *, gap=24.0):
    """
    Refuse splits that share an active region, or are less than a gap apart in time.

    Parameters
    ----------
    times : iterable of `str`, `~datetime.datetime` or `None`
        When each was observed, if it is known.
    labels : iterable of `str` or `None`
        The split that each is in, as `split_by_time` returns them.
    regions : iterable of `str` or `None`, optional
        The active region of each.
    gap : `float`, optional
        Hours that have to be between two splits; 0 to compare regions only. Defaults to 24.

    Raises
    ------
    ValueError
        If anything leaks; it names the regions, or the times.

    Examples
    --------
    >>> from sunpy_superres.training.split import check_leakage
    >>> check_leakage(["2011-02-12", "2011-06-12"], ["train", "test"], ["HARP 377", "HARP 377"])
    Traceback (most recent call last):
        ...
    ValueError: train and test share active regions, whose frames are nearly the same: HARP 377.
    """
    times, labels = list(times), list(labels)
    regions = [None] * len(times) if regions is None else list(regions)
    names = [name for name in dict.fromkeys(labels) if name is not None]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            pair = [[j for j, label in enumerate(labels) if label == name] for name in (one, other)]
            _check_regions(*([regions[j] for j in part] for part in pair), one, other)
            if gap:
                _check_times(*([times[j] for j in part] for part in pair), one, other, gap)


def check_folders(train, validation, *, gap=24.0):
    """
    Refuse prepared data to validate on that are nearly those that are trained on.

    Parameters
    ----------
    train, validation : path-like
        Folders of prepared data.
    gap : `float`, optional
        Hours that have to be between the two, unless both show cutouts of numbered active regions (SHARP), which are
        different places on the Sun; between whole images no more than `IMAGE_GAP`. Defaults to 24.

    Raises
    ------
    FileNotFoundError
        If one of them was not prepared.
    ValueError
        If they share an active region or a whole image, are too near in time, or one holds whole images and the other
        fields.

    Notes
    -----
    Simulated fields, and fields of an index without times, are not compared in time.
    """
    parts = {"the training": read_index(train), "the validation": read_index(validation)}
    kinds = {isinstance(index, dict) for index in parts.values()}
    if len(kinds) > 1:
        msg = f"Of {train} and {validation} one holds whole images, and the other fields."
        raise ValueError(msg)
    if True in kinds:
        rows = [(image.get("time"), label) for label, index in parts.items() for image in index["images"]]
        same = set.intersection(*({time for time, label in rows if label == part} for part in parts))
        if same:
            msg = f"The same images are in {train} and {validation}: those of {_listed(same)}."
            raise ValueError(msg)
        check_leakage(*zip(*rows, strict=True), gap=min(gap, IMAGE_GAP))
        return
    rows = [
        (record.get("time"), label, region_name(record["region"]))
        for label, index in parts.items()
        for record in index
        if record["region"] != _SIMULATION
    ]
    if rows:
        check_leakage(*zip(*rows, strict=True), gap=0)
    for loose in parts:
        # Of one those that may show any place on the Sun, and every field of the other.
        kept = [row for row in rows if row[1] != loose or not row[2].startswith("HARP ")]
        if kept:
            check_leakage(*list(zip(*kept, strict=True))[:2], gap=gap)


def split_folder(source, target, *, validation=0.15, test=0.0, block="month", gap=24.0, progress=None):
    """
    Split prepared fields into folders.

    Parameters
    ----------
    source : path-like
        Folder of prepared fields, each with a time.
    target : path-like
        Folder for the folders ``train``, ``validation`` and ``test``, of which those that are asked for are made.
    validation, test, block, gap
        As for `split_by_time`.
    progress : callable, optional
        Called with a line of text for each folder, and for what is in none.

    Returns
    -------
    `dict`
        Number of fields by the name of the folder.

    Raises
    ------
    FileNotFoundError
        If the source was not prepared.
    ValueError
        If a field has no time, or the fields cannot be split.

    Notes
    -----
    Only what is trained on has the copies nearer the limb; simulated fields are trained on. Arrays of an earlier split
    in a folder that is not made now are removed: what is in them may be in another one now.
    """
    say = progress or (lambda _: None)
    index, pixels = read_index(source), read_pixels(source, mapped=True)
    # Copies nearer the limb have the name of what they are copies of, and follow it.
    originals = {}
    for record in index:
        if record["region"] != _SIMULATION:
            originals.setdefault(record["name"], record)
    if timeless := [name for name, record in originals.items() if not record.get("time")]:
        msg = f"A split in time needs the time of every field; there is none in the header of {_listed(timeless)}."
        raise ValueError(msg)
    times = [record["time"] for record in originals.values()]
    regions = [region_name(record["region"]) for record in originals.values()]
    options = {"validation": validation, "test": test, "block": block, "gap": gap}
    labels = split_by_time(times, regions, **options)
    check_leakage(times, labels, regions, gap=gap)
    label_of = dict(zip(originals, labels, strict=True))
    counts = {}
    for split in set(SPLITS) - set(labels):
        remove_arrays(Path(target) / split)
    for split in [name for name in SPLITS if name in labels]:
        with appending(Path(target) / split, pixels.dtype) as writer:
            for record in index:
                name, simulated = record["name"], record["region"] == _SIMULATION
                copy = not simulated and record is not originals[name]
                if ("train" if simulated else label_of[name]) == split and (split == "train" or not copy):
                    writer.index.append(_copied(record, index, pixels, writer))
        counts[split] = len(writer.index)
        own = sorted(time for time, label in zip(times, labels, strict=True) if label == split)
        say(f"{split}: {counts[split]} fields of {own[0]} to {own[-1]}")
    if lost := labels.count(None):
        say(f"in none of them, for they are too near to another: {lost}")
    return counts


def region_name(region):
    """
    The region of a record; of a SHARP its number, whatever the series.
    """
    found = _SHARP.fullmatch(region)
    return f"HARP {found[1]}" if found else region


def _copied(record, index, pixels, writer):
    """
    The record, after its pieces of the array were written.
    """
    places = sorted({r[key] for r in index for key in ("offset", "seen") if r.get(key) is not None} | {pixels.size})
    ends = dict(pairwise(places))
    moved = {
        key: writer.append(pixels[record[key] : ends[record[key]]])
        for key in ("offset", "seen")
        if record.get(key) is not None
    }
    return {**record, **moved}


def _hours(time):
    """
    Hours since 1970.
    """
    try:
        time = time if isinstance(time, datetime) else datetime.fromisoformat(time)
    except (TypeError, ValueError):
        msg = f"{time!r} is not a time such as 2011-02-14T20:34:12."
        raise ValueError(msg) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return time.timestamp() / 3600


def _blocks(hours, block):
    """
    Number of the block that each is in.
    """
    if block == "month":
        return (hours * 3600).astype("datetime64[s]").astype("datetime64[M]").astype(int)
    if isinstance(block, str) or not block > 0:
        msg = f"block must be 'month' or a number of hours, not {block!r}."
        raise ValueError(msg)
    return np.floor(hours / block).astype(int)


def _numbered(regions):
    """
    Numbers for names; -1 for `None`.
    """
    known = {}
    return np.array([-1 if name is None else known.setdefault(name, len(known)) for name in regions], dtype=int)


def _cut(order, hours, blocks, numbers, wanted, gap, name):
    """
    What comes before and after the best cut, without what is left out.
    """
    ends = np.flatnonzero(np.diff(blocks[order])) + 1
    ends = sorted(ends, key=lambda end: (abs(len(order) - end - wanted), end))[:_CUTS]
    best, least = None, np.inf
    for end in ends:
        earlier, later = _apart(order[:end], order[end:], hours, numbers, gap)
        if not len(earlier) or not len(later):
            continue
        cost = abs(len(later) - wanted) + len(order) - len(earlier) - len(later)
        if cost < least:
            best, least = (earlier, later), cost
    if best is None:
        msg = (
            f"The {len(order)} observations cannot be cut into earlier ones and a {name} set: they are all in one block"
            " of time, of one active region, or within the gap. Give more of them, shorter blocks or a smaller gap."
        )
        raise ValueError(msg)
    return best


def _apart(earlier, later, hours, numbers, gap):
    """
    Two parts of which no region is in both, and that are a gap apart.
    """
    n = numbers.max() + 1
    counts = [np.bincount(numbers[part][numbers[part] >= 0], minlength=n) for part in (earlier, later)]
    shared = (counts[0] > 0) & (counts[1] > 0)
    leaves = [shared & (counts[0] < counts[1]), shared & (counts[0] >= counts[1])]  # -1, no region, is the last of n+1
    earlier, later = (
        part[~np.append(leave, False)[numbers[part]]] for part, leave in zip((earlier, later), leaves, strict=True)
    )
    if len(later):
        earlier = earlier[hours[earlier] <= hours[later].min() - gap]
    return earlier, later


def _check_regions(ours, theirs, one, other):
    if shared := {region for region in ours if region is not None} & set(theirs):
        msg = f"{one} and {other} share active regions, whose frames are nearly the same: {_listed(shared)}."
        raise ValueError(msg)


def _check_times(ours, theirs, one, other, gap):
    ours, theirs = ([time for time in part if time is not None] for part in (ours, theirs))
    if not ours or not theirs:
        return
    first, second = (np.array([_hours(time) for time in part]) for part in (ours, theirs))
    order = np.argsort(second)
    place = np.searchsorted(second[order], first)
    near = [np.clip(place + step, 0, len(second) - 1) for step in (-1, 0)]
    apart = np.array([np.abs(second[order][side] - first) for side in near])
    side, i = np.unravel_index(np.argmin(apart), apart.shape)
    if apart[side, i] < gap - _ROUNDING:
        msg = (
            f"{one} and {other} are {apart[side, i]:.3g} hours apart in time at {ours[i]} and "
            f"{theirs[order[near[side][i]]]}; at least {gap:g} are needed, or the same Sun is in both."
        )
        raise ValueError(msg)


def _listed(names, most=8):
    names = sorted(map(str, names))
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
