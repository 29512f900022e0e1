"""
The command ``sunpy-superres``.
"""

import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

import sunpy_superres

__all__ = ["main"]

_EXPECTED = (ValueError, TypeError, OSError, RuntimeError)


@contextmanager
def _one_line():
    """
    Turn an expected error into one line and exit status 1.
    """
    try:
        yield
    except _EXPECTED as error:
        if isinstance(error, OSError) and error.filename:
            message = f"{error.filename}: {error.strerror or error}"
        else:
            message = " ".join(str(error).split()) or type(error).__name__
        raise click.ClickException(message) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sunpy_superres.__version__, prog_name="sunpy-superres")
def main():
    """
    Super-resolution of solar magnetograms, with an honest uncertainty.
    """
    os.environ.setdefault("MPLBACKEND", "agg")


@main.command("superresolve")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the results.")
@click.option("--method", default="ldm", show_default=True, help="Method; see `sunpy-superres info`.")
@click.option("--n-samples", default=20, show_default=True, help="Size of the ensemble.")
@click.option("--seed", type=int, help="Seed of the ensemble; drawn unless given. It is in the header either way.")
@click.option("--model", help="Weights: a name of `sunpy-superres info`, or a folder.")
@click.option("--instrument", help="mdi or hmi, where the header does not tell.")
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is unless given.")
@click.option("--tile-size", type=int, help="Side of a tile in pixels of the input.")
@click.option("--plot", is_flag=True, help="Also a figure (PNG) of each result.")
@click.option("--overwrite", is_flag=True, help="Replace results that are there already.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def superresolve_command(files, out, plot, overwrite, quiet, **options):
    """
    Super-resolve magnetograms (FITS) into the folder OUT.

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
    with _one_line():
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
            with _one_line():
                _superresolve_file(file, target, plot=plot, overwrite=overwrite, progress=not quiet, **options)
        except click.ClickException as error:
            # The other files are not lost for one that is bad.
            click.echo(f"Error: {file}: {error.message}", err=True)
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

        sample = None
        if fine.uncertainty is not None:
            # Sample 0 of the same seed, once more: the ensemble itself was never kept.
            options |= {"n_samples": 1, "seed": fine.meta["srseed"]}
            sample = sunpy_superres.superresolve(smap, **options)
        figure = plot_superresolution(smap, fine, sample=sample)
        save_figure(figure, target.with_suffix(".png"))
        plt.close(figure)


@main.command("demo")
@click.option("-o", "--out", default="sunpy_superres_demo", show_default=True, type=click.Path(path_type=Path))
@click.option("--n-samples", default=8, show_default=True, help="Size of the ensemble.")
@click.option("--seed", default=0, show_default=True, help="Seed of the magnetogram and of the ensemble.")
def demo_command(out, **options):
    """
    Run the whole job offline on a synthetic magnetogram whose truth is known.
    """
    from sunpy_superres.demo import run_demo  # NOQA: PLC0415

    with _one_line():
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


@main.command("info")
def info_command():
    """
    Methods, models, devices and versions.
    """
    from importlib.metadata import version  # NOQA: PLC0415

    import torch  # NOQA: PLC0415

    from sunpy_superres.inference import choose_device, choose_precision  # NOQA: PLC0415
    from sunpy_superres.weights import list_models, model_info  # NOQA: PLC0415

    click.echo(f"sunpy_superres {sunpy_superres.__version__}")
    click.echo("\nmethods")
    for name in sunpy_superres.available_methods():
        click.echo(f"  {name}")
    click.echo("\nmodels")
    for name in list_models():
        record = model_info(name)
        click.echo(f"  {name} {record.version}: {record.summary}")
    device = choose_device()
    click.echo("\ndevices")
    click.echo(f"  used unless told: {device} in {str(choose_precision(device)).removeprefix('torch.')}")
    click.echo(f"  CPU threads: {torch.get_num_threads()}; CUDA devices: {torch.cuda.device_count()}")
    click.echo("\nversions")
    for package in ("torch", "sunpy", "astropy", "ndcube", "numpy", "scipy"):
        click.echo(f"  {package} {version(package)}")


@main.command("train")
@click.argument("recipe")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of FITS files, or of prepared arrays."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for checkpoints and weights.")
@click.option("--validation", type=click.Path(path_type=Path), help="As --data: fields that training is watched on.")
@click.option("--max-steps", type=click.IntRange(min=1), help="At most so many steps a stage, to try a recipe.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
def train_command(recipe, data, out, validation, max_steps, device):
    """
    Train a RECIPE (a TOML file, or the name of one that comes with the package).

    Run again with the same OUT, it goes on from the last checkpoint.
    """
    with _one_line():
        try:
            from sunpy_superres.training.fit import fit  # NOQA: PLC0415
        except ImportError as error:
            msg = f"Training needs more packages ({error.name} is missing): pip install 'sunpy_superres[train]'."
            raise RuntimeError(msg) from error
        from sunpy_superres.training.recipe import read_recipe  # NOQA: PLC0415

        recipe = read_recipe(recipe)
        if max_steps:
            recipe = recipe.with_steps(max_steps)
        data = _prepared(data, out / "data", recipe.exclude)
        if validation is not None:
            validation = _prepared(validation, out / "validation", recipe.exclude, limbward=False)
        fit(recipe, data, out, validation=validation, device=device, progress=click.echo)
    click.echo(f"wrote {out / 'model.safetensors'}")


def _prepared(folder, target, exclude, **options):
    """
    The folder itself if it holds prepared arrays, else the other one, with arrays made from its FITS files.
    """
    if (folder / "index.json").exists():
        return folder
    from sunpy_superres.training.prepare import prepare  # NOQA: PLC0415

    records = prepare(folder, target, exclude=exclude, progress=click.echo, **options)
    click.echo(f"{len(records)} fields in {target}")
    return target


@main.command("prepare")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--exclude", multiple=True, help="Part of the names of files to leave out; may be given more than once.")
@click.option("--limbward/--no-limbward", default=True, show_default=True, help="Also copies as seen nearer the limb.")
def prepare_command(data, out, exclude, limbward):
    """
    Read the FITS files of the folder DATA into the training arrays of OUT, for a machine with torch alone.
    """
    with _one_line():
        _prepared(data, out, exclude, limbward=limbward)


@main.command("benchmark")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the figures as JSON.")
@click.option("--method", default="ldm", show_default=True)
@click.option("--model", help="Weights: a name of `sunpy-superres info`, or a folder.")
@click.option("--n-samples", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option("--full-disk", type=click.Path(path_type=Path), help="Also time and memory of this magnetogram (FITS).")
@click.option("--markdown", is_flag=True, help="A Markdown table.")
def benchmark_command(data, out, full_disk, markdown, **options):
    """
    Measure a method on the folder DATA: degraded HMI (hmi/validation) and real MDI/HMI pairs (pairs).
    """
    from sunpy_superres.benchmark import run_degraded, run_full_disk, run_pairs, table  # NOQA: PLC0415

    with _one_line():
        for folder in (data / "hmi" / "validation", data / "pairs"):
            if not folder.is_dir():
                raise FileNotFoundError(2, "there is no such folder", str(folder))
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
        runs = {"degraded": partial(run_degraded, data), "pairs": partial(run_pairs, data)}
        if full_disk is not None:
            runs = {"full_disk": partial(run_full_disk, full_disk), **runs}  # first: memory is the most ever used
        progress = sys.stderr.isatty()
        results = [
            run(out=None if out is None else out / f"{name}.json", progress=progress, **options)
            for name, run in runs.items()
        ]
        click.echo(table(*results, style="markdown" if markdown else "plain"))
