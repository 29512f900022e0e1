"""
Commands that make and measure weights: ``prepare``, ``train`` and ``benchmark``.
"""

import sys
from functools import partial
from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = ["benchmark_command", "prepare_command", "train_command"]


@click.command("train")
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
    with one_line():
        try:
            from sunpy_superres.training.fit import fit  # NOQA: PLC0415
        except ImportError as error:
            msg = f"Training needs more packages, {error.name} is missing: with the source, pip install '.[train]'."
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


@click.command("prepare")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--exclude", multiple=True, help="Part of the names of files to leave out; may be given more than once.")
@click.option("--limbward/--no-limbward", default=True, show_default=True, help="Also copies as seen nearer the limb.")
def prepare_command(data, out, exclude, limbward):
    """
    Read the FITS files of the folder DATA into the training arrays of OUT, for a machine with torch alone.
    """
    with one_line():
        _prepared(data, out, exclude, limbward=limbward)


@click.command("benchmark")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder for the figures as JSON.")
@click.option("--method", default="ldm", show_default=True)
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
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

    with one_line():
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
