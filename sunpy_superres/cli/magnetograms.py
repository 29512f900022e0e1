"""
Commands that make magnetograms: ``superresolve``, ``compare`` and ``demo``.
"""

import sys
from pathlib import Path

import click

import sunpy_superres
from sunpy_superres.cli.errors import one_line

__all__ = ["compare_command", "demo_command", "superresolve_command"]


@click.command("superresolve")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--method", default="ldm", show_default=True, help="Method; see `sunpy-superres info`.")
@click.option("--n-samples", default=20, show_default=True, help="Size of the ensemble.")
@click.option("--seed", type=int, help="Seed of the ensemble; drawn unless given. It is in the header either way.")
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
@click.option("--instrument", help="mdi, gong, hmi or hmi-continuum, where the header does not tell.")
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option(
    "--calibrate/--no-calibrate",
    default=True,
    show_default=True,
    help="Make the spread as large as the errors were on the validation data of the model.",
)
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is unless given.")
@click.option("--tile-size", type=int, help="Side of a tile in pixels of the input.")
@click.option("--plot", is_flag=True, help="Also a figure (PNG) of each result.")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def superresolve_command(files, out, plot, overwrite, quiet, **options):
    """
    Super-resolve magnetograms, or continuum images of HMI (FITS), into the folder OUT.

    Each result keeps the name of its input with `_superres` before the suffix; its uncertainty and mask are
    in the extensions UNCERT and MASK.

    \b
    Example:
      sunpy-superres superresolve mdi.fits -o results --n-samples 20 --seed 0 --plot
    """
    if out.suffix.lower() in (".fits", ".gz") or (out.exists() and not out.is_dir()):
        msg = f"-o takes a folder, and {out} is or looks like a file."
        raise click.ClickException(msg)
    targets = [out / f"{_stem(file)}_superres.fits" for file in files]
    if len(set(targets)) < len(targets):
        msg = "Two input files have the same name, so their results would too: run them into different folders."
        raise click.ClickException(msg)
    with one_line():
        for file, target in zip(files, targets, strict=True):
            if not file.exists():
                raise FileNotFoundError(2, "there is no such file", str(file))
            for path in (target, target.with_suffix(".png")) if plot else (target,):
                if path.exists() and not overwrite:
                    raise FileExistsError(17, "is there already; --overwrite replaces it", str(path))
        out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for file, target in zip(files, targets, strict=True):
        try:
            with one_line():
                _superresolve_file(file, target, plot=plot, overwrite=overwrite, progress=not quiet, **options)
        except click.ClickException as error:
            # The other files are not lost for one that is bad.
            told = error.message if str(file) in error.message else f"{file}: {error.message}"
            click.echo(f"Error: {told}", err=True)
            failed += 1
            continue
        click.echo(str(target))
    if failed:
        if len(files) > 1:
            click.echo(f"{failed} of {len(files)} files failed.", err=True)
        sys.exit(1)


def _stem(file):
    name = file.name
    for suffix in (".gz", ".fz", ".fits", ".fit", ".fts"):
        if name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def _superresolve_file(file, target, *, plot, overwrite, progress, **options):
    from sunpy_superres import maps  # NOQA: PLC0415

    smap = maps.read_map(file)
    fine = sunpy_superres.superresolve(smap, progress=progress and sys.stderr.isatty(), **options)
    maps.write_map(fine, target, overwrite=overwrite)
    if plot:
        import matplotlib.pyplot as plt  # NOQA: PLC0415

        from sunpy_superres.plotting import plot_superresolution, save_figure  # NOQA: PLC0415
        from sunpy_superres.superresolution import draw_one  # NOQA: PLC0415

        sample = None
        if fine.uncertainty is not None:
            # The first draw of the same seed, once more: the ensemble itself was never kept.
            options["seed"] = fine.meta["srseed"]
            sample = draw_one(smap, **{name: value for name, value in options.items() if name != "n_samples"})
        figure = plot_superresolution(smap, fine, sample=sample)
        save_figure(figure, target.with_suffix(".png"))
        plt.close(figure)


@click.command("compare")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--methods", default="ldm,bicubic", show_default=True, help="Names, with commas between them.")
@click.option("--truth", type=click.Path(path_type=Path), help="What HMI saw at that time (FITS).")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for table and figure.")
@click.option("--n-samples", default=20, show_default=True, help="Size of the ensembles.")
@click.option("--seed", default=0, show_default=True, help="Seed of the ensembles.")
@click.option("--model", "models", multiple=True, help="METHOD=WEIGHTS, where they are not those of the registry.")
def compare_command(file, methods, truth, out, n_samples, seed, models):
    """
    Run several methods on one magnetogram: a table (also as CSV) and a figure, against a truth where there is one.

    \b
    Example:
      sunpy-superres compare mdi.fits --methods ldm,bicubic --truth hmi.fits -o comparison
    """
    import matplotlib.pyplot as plt  # NOQA: PLC0415

    from sunpy_superres import maps  # NOQA: PLC0415
    from sunpy_superres.benchmark import compare, comparison_table, write_csv  # NOQA: PLC0415
    from sunpy_superres.plotting import plot_comparison, save_figure  # NOQA: PLC0415

    if wrong := [text for text in models if "=" not in text]:
        msg = f"--model takes METHOD=WEIGHTS, not {wrong[0]!r}."
        raise click.UsageError(msg)
    with one_line():
        smap = maps.read_map(file)
        true_map = None if truth is None else maps.read_map(truth)
        found = compare(
            smap,
            [name.strip() for name in methods.split(",") if name.strip()],
            truth=true_map,
            n_samples=n_samples,
            seed=seed,
            models=dict(text.split("=", 1) for text in models),
            progress=sys.stderr.isatty(),
        )
        out.mkdir(parents=True, exist_ok=True)
        write_csv(found.rows, out / "comparison.csv")
        figure = plot_comparison(found.results, samples=found.samples, truth=found.truth)
        save_figure(figure, out / "comparison.png")
        plt.close(figure)
    click.echo(comparison_table(found.rows))
    click.echo(f"wrote {out / 'comparison.csv'} and {out / 'comparison.png'}")


@click.command("demo")
@click.option("-o", "--out", default="sunpy_superres_demo", show_default=True, type=click.Path(path_type=Path))
@click.option(
    "--n-samples", type=click.IntRange(min=3), default=8, show_default=True, help="Size of the ensemble, 3 or more."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the magnetogram and of the ensemble.")
def demo_command(out, **options):
    """
    Run the whole job offline on a synthetic magnetogram whose truth is known.
    """
    from sunpy_superres.demo import run_demo  # NOQA: PLC0415

    with one_line():
        result = run_demo(out, progress=sys.stderr.isatty(), **options)
    scores = result["scores"]
    for path in result["paths"].values():
        click.echo(f"wrote {path}")
    click.echo(
        f"ldm, {result['n_samples']} samples, {scores['seconds']:.0f} s; against the synthetic truth:\n"
        f"  RMSE            {scores['rmse']:6.1f} G    (calibrated bicubic {scores['rmse_bicubic']:.1f} G)\n"
        f"  gradient error  {scores['gradient']:6.1f} G/px (calibrated bicubic {scores['gradient_bicubic']:.1f} G/px)\n"
        f"  spread / error  {scores['spread_skill']:6.2f}      (1 is calibrated)\n"
        f"  truth within the samples for {scores['coverage']:.0%} of the pixels "
        f"({scores['nominal_coverage']:.0%} is calibrated)\n"
        "The truth is made of statistics, not a Sun: the figures for real magnetograms are in the model card."
    )
