"""
What a protocol is: what is measured on which images, what is shown of it, and what others have published of the same.
"""

from dataclasses import dataclass, field

from sunpy_superres.instruments import INSTRUMENTS

__all__ = ["Column", "Expected", "Protocol", "Published", "Rows", "Table"]

_SOURCES = ("degraded", "pairs")
_BETTER = ("low", "high", "one", "zero", "nominal")
_VIEWS = ("all", "noise", "large", "small", "noise-large", "noise-small")
_CURVES = ("spectra", "scatter", "rank_histogram", "reliability", "spread_error", "by_field", "by_mu", "time_series")
_GRADES = (
    *("read in the paper", "slide", "code", "measured", "computed", "inference"),
    *("abstract only", "from memory", "third-party summary"),
)
_BASELINES, _CONTROLS = ("bicubic", "wiener", "paper-factor"), ("oracle", "random-phase")


def _one_of(value, known, what):
    if value not in known:
        msg = f"{what} must be one of {', '.join(map(str, known))}, not {value!r}"
        raise ValueError(msg)


@dataclass(frozen=True)
class Column:
    """
    One figure of a table.

    Parameters
    ----------
    name : `str`
        Of the column, once in a table.
    title : `str`
        For people.
    figure : `str`, optional
        What is computed, see ``sunpy_superres/benchmark/figures.py`` for what there is; the name of the column
        unless told.
    unit : `str`, optional
        Of the figure.
    digits : `int`, optional
        Decimals to be shown.
    better : {"low", "high", "one", "zero", "nominal"}, optional
        Which value is the best.
    nominal : `float`, optional
        The right value, where ``better`` is ``"nominal"``.
    options : `dict`, optional
        Of the figure, such as ``{"period": 2}``.
    """

    name: str
    title: str
    figure: str = ""
    unit: str = ""
    digits: int = 2
    better: str | None = None
    nominal: float | None = None
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        from sunpy_superres.benchmark.figures import check_figure  # NOQA: PLC0415

        if not self.figure:
            object.__setattr__(self, "figure", self.name)
        if self.better is not None:
            _one_of(self.better, _BETTER, "better")
        if (self.better == "nominal") != (self.nominal is not None):
            msg = "nominal is the value of better = 'nominal', and goes with it alone"
            raise ValueError(msg)
        check_figure(self.figure, self.options)


@dataclass(frozen=True)
class Published:
    """
    A row of numbers that others have published.

    Parameters
    ----------
    title, source : `str`
        What was measured, and where it is written.
    grade : `str`
        How it is known: ``"read in the paper"``, ``"slide"``, ``"code"``, ``"measured"``, ``"computed"``,
        ``"inference"``, ``"abstract only"``, ``"from memory"`` or ``"third-party summary"``.
    cells : `dict`
        Numbers or text by the name of the column.
    note : `str`, optional
        What has to be known to compare it.
    """

    title: str
    source: str
    grade: str
    cells: dict
    note: str = ""

    def __post_init__(self):
        _one_of(self.grade, _GRADES, "grade")


@dataclass(frozen=True)
class Table:
    """
    A table of figures, one row for each method.

    Parameters
    ----------
    name, title : `str`
        Its name, once in a protocol, and its title.
    columns : `tuple` of `Column`
        The figures.
    caption : `str`, optional
        How to read it.
    published : `tuple` of `Published`, optional
        What others found.
    over : {"pixels", "images"}, optional
        Whether figures are those of all pixels together, or means over images.
    """

    name: str
    title: str
    columns: tuple
    caption: str = ""
    published: tuple = ()
    over: str = "pixels"

    def __post_init__(self):
        _one_of(self.over, ("pixels", "images"), "over")
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names) or not names:
            msg = "a table has columns, each with a name of its own"
            raise ValueError(msg)
        for row in self.published:
            if unknown := set(row.cells) - set(names):
                msg = f"the published row {row.title!r} has cells {', '.join(sorted(unknown))}, which are no columns"
                raise ValueError(msg)


@dataclass(frozen=True)
class Rows:
    """
    What is measured.

    Parameters
    ----------
    methods : ``"bundled"`` or `tuple` of `str`, optional
        Methods: by default all with weights that come with the package and take this instrument.
    baselines : `tuple` of `str`, optional
        Of ``"bicubic"`` (calibrated, always there), ``"wiener"`` and ``"paper-factor"``.
    controls : `tuple` of `str`, optional
        Of ``"oracle"`` and ``"random-phase"``.
    draws : `bool`, optional
        Whether one draw of each ensemble has a row of its own.
    uncalibrated : `bool`, optional
        Whether ensembles have another row without the calibration of their spread.
    factors : `dict`, optional
        What the gauss of an instrument are divided by in the row ``"paper-factor"``.
    """

    methods: str | tuple = "bundled"
    baselines: tuple = _BASELINES[:2]
    controls: tuple = _CONTROLS
    draws: bool = True
    uncalibrated: bool = False
    factors: dict = field(default_factory=dict)

    def __post_init__(self):
        if isinstance(self.methods, str) and self.methods != "bundled":
            msg = f"methods must be 'bundled' or a list of names, not {self.methods!r}"
            raise ValueError(msg)
        for name in self.baselines:
            _one_of(name, _BASELINES, "baselines")
        for name in self.controls:
            _one_of(name, _CONTROLS, "controls")
        if "paper-factor" in self.baselines and not self.factors:
            msg = "the baseline 'paper-factor' needs factors"
            raise ValueError(msg)


@dataclass(frozen=True)
class Expected:
    """
    Where a figure has to be if all is right, from what is known of it elsewhere.

    Parameters
    ----------
    row, table, column : `str`
        Which figure.
    between : `tuple` of `float`
        The lowest and the highest value.
    because : `str`
        From where it is known.
    instruments : `tuple` of `str`, optional
        For which it holds.
    """

    row: str
    table: str
    column: str
    between: tuple
    because: str
    instruments: tuple = ("mdi", "gong")

    def __post_init__(self):
        if len(self.between) != 2 or not self.between[0] <= self.between[1]:
            msg = f"between must be two numbers, the lower one first, not {self.between!r}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Protocol:
    """
    What is measured, how, and what is shown of it.

    Parameters
    ----------
    name : `str`
        Name of the file.
    title, description, reference : `str`
        For people.
    source : {"degraded", "pairs"}
        Where the images are from: HMI seen through the forward operator, or real pairs of two instruments.
    tables : `tuple` of `Table`
        The figures.
    instrument : `str`, optional
        Whose magnetograms are the input, unless told.
    n_samples : `int`, optional
        Members of an ensemble.
    independent : `int`, optional
        Independent members of an ensemble: those of a method that draws in antithetic pairs are twice as many.
    edge : `int`, optional
        Pixels of the truth left out along every side, whole ones of the input.
    mask : `float`, optional
        Solar radii beyond which nothing is scored, but for figures of rings of the disk.
    months : `tuple` of `str`, optional
        Months (``"2011-03"``) that published numbers are of.
    box : `tuple` of `float`, optional
        Part of the disk that the time series is of: west, east, south and north side in arcsec at 1 au.
    series_noise : `float`, optional
        Noise added to predictions for the time series, in gauss.
    views : `tuple` of `str`, optional
        How ensembles are looked at: ``"all"``, ``"large"`` and ``"small"`` scales (split at 4 arcsec), ``"noise"`` (of
        HMI, added to members), ``"noise-large"``, ``"noise-small"``.
    curves : `tuple` of `str`, optional
        What is drawn.
    rows : `Rows`, optional
        What is measured.
    expected : `tuple` of `Expected`, optional
        What is known of figures.
    """

    name: str
    title: str
    description: str
    reference: str
    source: str
    tables: tuple
    instrument: str = "mdi"
    n_samples: int | None = None
    independent: int | None = None
    edge: int = 0
    mask: float = 0.9
    months: tuple = ()
    box: tuple | None = None
    series_noise: float = 4.7
    views: tuple = ("all",)
    curves: tuple = _CURVES[:-1]
    rows: Rows = Rows()
    expected: tuple = ()

    def __post_init__(self):
        _one_of(self.source, _SOURCES, "source")
        _one_of(self.instrument, [name for name in ("mdi", "gong") if name in INSTRUMENTS], "instrument")
        if (self.n_samples is None) == (self.independent is None):
            msg = "one of n_samples and independent is needed, and not both"
            raise ValueError(msg)
        if (self.n_samples or self.independent) < 2:
            msg = "an ensemble has two members or more"
            raise ValueError(msg)
        if self.edge < 0 or self.edge % 4 or not 0 < self.mask <= 1:
            msg = f"edge = {self.edge} must be 0 or a multiple of 4, and mask = {self.mask} above 0 and at most 1"
            raise ValueError(msg)
        for name in self.views:
            _one_of(name, _VIEWS, "views")
        for name in self.curves:
            _one_of(name, _CURVES, "curves")
        if self.box is not None and not (
            len(self.box) == 4 and self.box[0] < self.box[1] and self.box[2] < self.box[3]
        ):
            msg = f"box must be four numbers, x from and to, y from and to, not {self.box!r}"
            raise ValueError(msg)
        names = {table.name: table for table in self.tables}
        if len(names) < len(self.tables) or not names:
            msg = "a protocol has tables, each with a name of its own"
            raise ValueError(msg)
        for table in self.tables:
            for column in table.columns:
                if (view := column.options.get("view", "all")) not in self.views and column.figure.startswith("ens_"):
                    msg = f"the column {column.name!r} is of the view {view!r}, which is not among views"
                    raise ValueError(msg)
        for one in self.expected:
            if one.table not in names or one.column not in [c.name for c in names[one.table].columns]:
                msg = f"something is expected of the column {one.column!r} of table {one.table!r}, which is not there"
                raise ValueError(msg)

    def samples(self, *, antithetic):
        """
        Members to draw.

        Parameters
        ----------
        antithetic : `bool`
            Whether the method draws in antithetic pairs.

        Returns
        -------
        `int`
        """
        if self.independent is None:
            return self.n_samples
        return 2 * self.independent if antithetic else self.independent
