"""
The command ``benchmark``: protocols that hold every method, and any other code, against the same truth.
"""

import re
import sys
from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = ["benchmark_command"]


class _Named(click.ParamType):
    """
    ``NAME=VALUE``.
    """

    def __init__(self, name, value):
        self.name = f"{name}={value}"

    def convert(self, value, param, ctx):
        if isinstance(value, tuple):
            return value
        name, sign, rest = value.partition("=")
        if not (name and sign and rest):
            self.fail(f"{value!r} is not of the form {self.name}.", param, ctx)
        return name, rest


def _list(ctx, param, value):
    """
    Tell which protocols there are, and leave.
    """
    if not value or ctx.resilient_parsing:
        return
    from sunpy_superres.benchmark import list_protocols, read_protocol  # NOQA: PLC0415

    names = list_protocols()
    width = max(map(len, names))
    for name in names:
        protocol = read_protocol(name)
        source = "degraded HMI" if protocol.source == "degraded" else "real pairs"
        click.echo(f"{name:{width}}  {protocol.title}: {source}, {len(protocol.tables)} tables")
    ctx.exit()


class _Folder(_Named):
    """
    ``NAME=DIR``, or a folder whose name counts.
    """

    def convert(self, value, param, ctx):
        if isinstance(value, str) and ("=" not in value or Path(value).expanduser().is_dir()):
            name = Path(value).expanduser().resolve().name
            return self._checked(name, param, ctx), value
        name, folder = super().convert(value, param, ctx)
        return self._checked(name, param, ctx), folder

    def _checked(self, name, param, ctx):
        # It becomes the name of a folder.
        if not re.fullmatch(r"[\w+-][\w.+ -]*", name):
            self.fail(f"{name!r} is no name of a row: letters, digits, spaces and any of . _ + - are.", param, ctx)
        return name


@click.command("benchmark")
@click.argument("protocol")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="Protocols of the package, and exit.",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of HMI magnetograms (with hmi/validation, or FITS files), or of pairs.",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for results and the report.")
@click.option("--methods", help="Methods, separated by commas; 'none' for none. Those of the protocol unless given.")
@click.option(
    "--model",
    "models",
    multiple=True,
    type=_Named("METHOD", "WEIGHTS"),
    help="Weights of a method: a folder, a name, or owner/name@revision. May be given more than once.",
)
@click.option(
    "--predictions",
    multiple=True,
    type=_Folder("NAME", "DIR"),
    metavar="[NAME=]DIR",
    help="FITS files of another code, one for each case, in the unit of BUNIT (gauss without one); its row has the "
    "name of the folder unless given. May be given more than once.",
)
@click.option("--instrument", type=click.Choice(["mdi", "gong"]), help="Whose magnetograms are the input.")
@click.option("--n-samples", type=click.IntRange(min=1), help="Members of ensembles (independent, where these count).")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of noise and draws.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
@click.option("--fresh", is_flag=True, help="Do everything again, and nothing of what OUT holds.")
@click.option("--export", type=click.Path(path_type=Path), help="Folder for the inputs of all cases, as FITS files.")
def benchmark_command(protocol, data, out, methods, models, predictions, **options):
    """
    Measure all methods by a PROTOCOL: the name of one that comes with the package, or a TOML file.

    OUT gets report.html, results.json, figures.csv and maps.npz. Run again with the same OUT and options, it does what
    is missing; the report holds the rows of the last run. Other codes take part by their FITS files: --export writes
    the inputs, --predictions reads what was made of them (CASE.fits with four pixels for each of the input along a
    side, in HMI gauss or another unit that BUNIT states; an ensemble with the members along a third axis).

    \b
    Examples:
      sunpy-superres benchmark --list
      sunpy-superres benchmark degraded-hmi --data data -o bench
      sunpy-superres benchmark ensemble --data data -o bench-ensemble --methods ldm,ddpm
      sunpy-superres benchmark pairs --data data/pairs -o bench-pairs --model ldm=run
      sunpy-superres benchmark degraded-hmi --data data -o bench --methods none --export inputs
      sunpy-superres benchmark degraded-hmi --data data -o bench --predictions mine=outputs
    """
    with one_line():
        from sunpy_superres.benchmark import run_protocol  # NOQA: PLC0415

        if methods is not None:
            methods = [] if methods == "none" else [name.strip() for name in methods.split(",") if name.strip()]
        options |= {"methods": methods, "models": _unique(models), "predictions": _unique(predictions)}
        results = run_protocol(
            protocol, data, out, progress=sys.stderr.isatty(), tell=click.echo, command=_command(), **options
        )
    click.echo(_table(results))
    for finding in results["findings"]:
        mark = {True: "passed", False: "FAILED", None: "      "}[finding["passed"]]
        click.echo(f"{mark}  {finding['text']}")
    names = ("report.html", "results.json", "figures.csv", "maps.npz")
    click.echo("wrote " + ", ".join(str(out / name) for name in names))


def _unique(pairs):
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        msg = f"{twice[0]!r} is given twice."
        raise ValueError(msg)
    return dict(pairs)


def _command():
    """
    What was typed, with the last part of every path alone: whose machine it was is nobody's business.
    """
    words = []
    for word in sys.argv[1:]:
        name, sign, value = word.rpartition("=")
        words.append(name + sign + (Path(value).name if value.startswith(("/", "~", ".")) else value))
    return " ".join(["sunpy-superres", *words])


def _table(results):
    """
    The first figures of the first table.
    """
    table = results["tables"][0]
    columns = table["columns"][:5]
    lines = [[table["title"], *(f"{c['title']} [{c['unit']}]" if c["unit"] else c["title"] for c in columns)]]
    for row in results["rows"]:
        cells = [table["cells"][row["name"]][column["name"]]["value"] for column in columns]
        shown = ("-" if v is None else f"{v:.{c['digits']}f}" for v, c in zip(cells, columns, strict=True))
        lines.append([row["name"], *shown])
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    return "\n".join(
        "  ".join(
            text.ljust(w) if i == 0 else text.rjust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
