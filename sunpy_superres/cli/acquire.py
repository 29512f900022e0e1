"""
Commands that get training data from the archives: ``fetch-pairs`` and ``fetch-aia``.
"""

from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = ["fetch_aia_command", "fetch_pairs_command"]

_POSITIVE = click.FloatRange(min=0, min_open=True)
_EMAIL = click.option("--email", help="Address registered with JSOC; that of JSOC_EMAIL unless given.")
_PAUSE = click.option(
    "--pause", default=1.0, show_default=True, type=click.FloatRange(min=0), help="Seconds between requests."
)


@click.command("fetch-pairs")
@click.argument("start")
@click.argument("end")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--source", default="mdi", show_default=True, help="mdi or gong.")
@click.option("--target", default="hmi", show_default=True, help="hmi, hmi-45s or hmi-continuum.")
@click.option("--cadence", default=96.0, show_default=True, type=_POSITIVE, help="Minutes between sources.")
@click.option("--tolerance", type=click.FloatRange(min=0), help="Most minutes apart; half the cadence of the target.")
@_EMAIL
@_PAUSE
def fetch_pairs_command(start, end, out, cadence, tolerance, pause, **options):
    """
    Fetch pairs of full-disk observations of two instruments from START to END into the folder OUT.

    Run again with the same OUT, it fetches what is missing or damaged, and nothing else.

    \b
    Example:
      sunpy-superres fetch-pairs 2010-06-01 2010-06-08 pairs --source mdi --email me@example.org
    """
    with one_line():
        import astropy.units as u  # NOQA: PLC0415

        from sunpy_superres.training.acquire import fetch_pairs  # NOQA: PLC0415

        options |= {"cadence": cadence * u.min, "pause": pause * u.s, "progress": click.echo}
        options["tolerance"] = None if tolerance is None else tolerance * u.min
        found = fetch_pairs(start, end, out, **options)
    click.echo(f"{found.complete} pairs in {found.manifest}")


@click.command("fetch-aia")
@click.argument("start")
@click.argument("end")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--wavelength", default=171.0, show_default=True, type=_POSITIVE, help="Angstrom.")
@click.option("--cadence", default=60.0, show_default=True, type=_POSITIVE, help="Minutes between images.")
@click.option(
    "--labels",
    default="hek",
    show_default=True,
    help="hek (flare list), xrs (X-ray light curve: every image has a class), both, or none.",
)
@click.option("--true-flux", is_flag=True, help="Classes of the true flux, not as reported (0.7 of it for GOES 8-15).")
@click.option(
    "--validation", default=0.2, show_default=True, help="Part of the time, at its end, that is for validation."
)
@_EMAIL
@_PAUSE
def fetch_aia_command(start, end, out, wavelength, cadence, pause, **options):
    """
    Fetch full-disk images of AIA from START to END, and the flare class of each, into the folder OUT.

    OUT/images.csv is a table for `train` and `prepare-images`; a recipe for it has scaling = "log" in its [model]. Run
    again with the same OUT, it fetches what is missing or damaged, and nothing else.

    \b
    Example:
      sunpy-superres fetch-aia 2012-03-01 2012-03-15 aia --labels xrs --email me@example.org
      sunpy-superres train my-recipe.toml --data aia/images.csv --out run
    """
    with one_line():
        import astropy.units as u  # NOQA: PLC0415

        from sunpy_superres.training.acquire import fetch_aia  # NOQA: PLC0415

        options |= {"wavelength": wavelength * u.angstrom, "cadence": cadence * u.min, "pause": pause * u.s}
        found = fetch_aia(start, end, out, progress=click.echo, **options)
    click.echo(f"{found.complete} images in {found.images or found.manifest}")
