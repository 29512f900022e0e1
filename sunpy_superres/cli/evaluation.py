"""
Commands about one method: ``evaluate`` and ``calibrate``.
"""

import sys
from functools import partial
from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = ["calibrate_command", "evaluate_command"]


@click.command("evaluate")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the figures as JSON.")
@click.option("--method", default="ldm", show_default=True)
@click.option(
    "--instrument",
    type=click.Choice(["mdi", "gong", "hmi", "hmi-continuum"]),
    default="mdi",
    show_default=True,
    help="Whose observations the method is measured on.",
)
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
@click.option("--n-samples", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option("--full-disk", type=click.Path(path_type=Path), help="Also time and memory of this magnetogram (FITS).")
@click.option("--markdown", is_flag=True, help="A Markdown table.")
def evaluate_command(data, out, instrument, full_disk, markdown, **options):
    """
    Measure one method on the folder DATA, with what there is for an instrument, against what is asked of it.

    \b
    mdi             HMI degraded to MDI (hmi/validation), and real MDI/HMI pairs (pairs)
    gong            HMI degraded to GONG (hmi/validation)
    hmi             the magnetogram that the authors of Enhance published (enhance)
    hmi-continuum   granulation in continuum images (enhance, hmi/validation)
    """
    from sunpy_superres import benchmark  # NOQA: PLC0415

    protocols = {
        "mdi": {"degraded": ("hmi/validation", benchmark.run_degraded), "pairs": ("pairs", benchmark.run_pairs)},
        "gong": {"degraded": ("hmi/validation", partial(benchmark.run_degraded, instrument="gong"))},
        "hmi": {"reference": ("enhance", benchmark.run_reference)},
        "hmi-continuum": {"continuum": ("enhance", benchmark.run_continuum)},
    }
    with one_line():
        for folder, _ in protocols[instrument].values():
            if not (data / folder).is_dir():
                raise FileNotFoundError(2, "there is no such folder", str(data / folder))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        runs = {name: partial(run, data) for name, (_, run) in protocols[instrument].items()}
        if full_disk is not None:
            # First, because memory is the most ever used.
            runs = {"full_disk": partial(benchmark.run_full_disk, full_disk), **runs}
        progress = sys.stderr.isatty()
        results = [
            run(out=None if out is None else out / f"{name}.json", progress=progress, **options)
            for name, run in runs.items()
        ]
        targets = benchmark.targets_of(options["method"])
        click.echo(benchmark.table(*results, style="markdown" if markdown else "plain", targets=targets, measured=True))


@click.command("calibrate")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--method", default="ldm", show_default=True)
@click.option("--instrument", type=click.Choice(["mdi", "gong"]), default="mdi", show_default=True)
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
@click.option("--seed", default=0, show_default=True, help="Seed of the noise of what is calibrated on.")
@click.option("--repeats", type=click.IntRange(min=1), default=2, show_default=True, help="Ensembles of each image.")
@click.option("--store", is_flag=True, help="Keep the calibration in the folder given as --model.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="File for factors and figures as JSON.")
def calibrate_command(data, store, out, model, **options):
    """
    Fit the factor that makes the spread of a model as large as its errors on the HMI magnetograms in DATA.

    DATA holds them in hmi/validation (NAME.magnetogram.fits), or by itself. Choose what the model was not trained on,
    and judge on others: what is calibrated on is used up.

    \b
    Example:
      sunpy-superres calibrate DATA --method ldm --model runs/mdi --store
    """
    if store and not (model and Path(model).is_dir()):
        msg = "--store needs a folder as --model: that of the model whose calibration is kept."
        raise click.UsageError(msg)
    from sunpy_superres.benchmark import fit_spread, store_calibration, write_json  # NOQA: PLC0415
    from sunpy_superres.benchmark._scene import check_writable  # NOQA: PLC0415

    with one_line():
        check_writable(out)
        fitted = fit_spread(data, model=model, progress=sys.stderr.isatty(), **options)
        if out is not None:
            write_json(fitted, out)
        if store:
            store_calibration(model, fitted)
    click.echo("spread [G]  " + "  ".join(f"{value:7.2f}" for value in fitted["spread"]))
    click.echo("factor      " + "  ".join(f"{value:7.3f}" for value in fitted["factor"]))
    names = list(fitted["before"]["all"])
    click.echo(f"\n{'':24}" + "".join(f"{name:>14}" for name in names))
    for when in ("before", "after", "held_out"):
        for which, figures in fitted.get(when, {}).items():
            if which != "images":
                click.echo(f"{when + ', ' + which:24}" + "".join(f"{figures[name]:14.3f}" for name in names))
    for path in filter(None, (out, Path(model) / "config.json" if store else None)):
        click.echo(f"wrote {path}")
