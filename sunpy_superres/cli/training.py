"""
Commands that make and measure weights: ``prepare``, ``prepare-pairs``, ``train``, ``cross-validate``, ``benchmark`` and
``ablation``.
"""

from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = [
    "ablation_command",
    "cross_validate_command",
    "prepare_command",
    "prepare_pairs_command",
    "train_command",
]


_workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Processes that read files; as many as are worth it unless told."
)
_simulation = click.option(
    "--simulation",
    "simulations",
    multiple=True,
    type=(click.Path(exists=True, path_type=Path), float),
    metavar="NPY PIXEL",
    help="A simulated continuum image (.npy) and its pixel in arcsec; may be given more than once.",
)


@click.command("train")
@click.argument("recipe")
@click.option(
    "--data",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of prepared arrays, of FITS files, or of pairs of FITS files; a table of images.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for checkpoints and weights.")
@click.option("--validation", type=click.Path(path_type=Path), help="As --data: what training is watched on.")
@click.option("--max-steps", type=click.IntRange(min=1), help="At most so many steps a stage, to try a recipe.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
@click.option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="GPUs (or processes) a node.")
@click.option("--num-nodes", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16"]), help="bfloat16 where it is native unless told."
)
@_simulation
@_workers
@click.option(
    "--evaluate/--no-evaluate",
    default=True,
    show_default=True,
    help="Measure the model at the end, and make a release.",
)
def train_command(
    recipe, data, out, validation, max_steps, devices, num_nodes, simulations, workers, evaluate, **options
):
    """
    Train a RECIPE (a TOML file, or the name of one that comes with the package).

    Run again with the same OUT, it goes on from the last checkpoint. OUT gets the weights, a log and pictures of each
    stage and, in OUT/release, all that is published of a model: its card has figures where there are validation data.

    \b
    Examples:
      sunpy-superres train ldm-mdi --data hmi/train --validation hmi/validation --out run
      sunpy-superres train ldm-mdi-pairs --data pairs --out run --max-steps 20
    """
    with one_line():
        fit = _fit()
        from sunpy_superres.training.prepared import is_prepared, prepare_for  # NOQA: PLC0415
        from sunpy_superres.training.recipe import read_recipe  # NOQA: PLC0415

        name, recipe = recipe, read_recipe(recipe)
        if max_steps:
            recipe = recipe.with_steps(max_steps)
        for path in filter(None, (data, validation)):
            if not path.exists():
                raise FileNotFoundError(2, "there is no such file or folder", str(path))
        if out.exists() and not out.is_dir():
            raise NotADirectoryError(20, "is a file, and --out is a folder", str(out))
        several = devices * num_nodes > 1
        if several and not all(is_prepared(folder) for folder in (data, validation) if folder):
            msg = "Several processes cannot prepare the same data: do it first, with `sunpy-superres prepare`."
            raise ValueError(msg)
        known = {"workers": workers, "progress": click.echo}
        data = prepare_for(recipe, data, out / "data", split="train", simulations=simulations, **known)
        if validation is not None:
            from sunpy_superres.training.split import check_folders  # NOQA: PLC0415

            validation = prepare_for(
                recipe, validation, out / "validation", split="validation", limbward=False, **known
            )
            check_folders(data, validation)
        options |= {"devices": devices, "num_nodes": num_nodes, "validation": validation, "progress": click.echo}
        if fit(recipe, data, out, **options) is None:
            return  # another process has the result
        click.echo(f"wrote {out / 'model.safetensors'}")
        if evaluate:
            _finish(recipe, data, validation, out, f"train {name} --data DATA --validation VALIDATION --out OUT")


def _finish(recipe, data, validation, out, command):
    """
    Measure a model, and make what is published of it; what goes wrong here does not undo the training.
    """
    from sunpy_superres.benchmark import evaluate_trained, write_release  # NOQA: PLC0415

    try:
        if validation is None:
            click.echo("not measured: there are no validation data")
        else:
            evaluate_trained(out, recipe, data, validation, command=command, progress=click.echo)
            click.echo(f"wrote {out / 'evaluation.json'}")
    except (ValueError, OSError, RuntimeError) as error:
        click.echo(f"not measured: {error}")
    try:
        release = write_release(out)
    except (ValueError, OSError, RuntimeError) as error:
        click.echo(f"no release: {error}")
        return
    click.echo(f"wrote {release}")
    click.echo(f"to publish it: sunpy-superres models publish {release} OWNER/NAME --dry-run")


@click.command("cross-validate")
@click.argument("recipe")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of pairs of FITS files, or of prepared ones."
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for networks and figures.")
@click.option("--max-steps", type=click.IntRange(min=1), help="At most so many steps a stage.")
@click.option("--n-samples", default=20, show_default=True, type=click.IntRange(min=2))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the ensembles.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
@_workers
def cross_validate_command(recipe, data, out, max_steps, workers, **options):
    """
    Fine-tune a RECIPE on the pairs of all regions but one, and measure it on that one; so for each region.

    \b
    Example:
      sunpy-superres cross-validate ldm-mdi-pairs --data pairs -o cross
    """
    from sunpy_superres.benchmark import comparison_table, cross_validate  # NOQA: PLC0415

    with one_line():
        _fit()
        from sunpy_superres.training.prepared import prepare_for  # NOQA: PLC0415
        from sunpy_superres.training.recipe import read_recipe  # NOQA: PLC0415

        recipe = read_recipe(recipe)
        if max_steps:
            recipe = recipe.with_steps(max_steps)
        data = prepare_for(recipe, data, out / "data", workers=workers, progress=click.echo)
        rows = cross_validate(recipe, data, out, instrument=recipe.jitter.instrument, progress=click.echo, **options)
    click.echo(comparison_table(rows))
    click.echo(f"wrote {out / 'cross_validation.csv'}, {out / 'cross_validation.json'}")


def _fit():
    """
    The function that trains, or an error that says what is missing for it.
    """
    try:
        from sunpy_superres.training.fit import fit  # NOQA: PLC0415
    except ImportError as error:
        msg = f"Training needs more packages, {error.name} is missing: with the source, pip install '.[train]'."
        raise RuntimeError(msg) from error
    return fit


class _Bits(click.ParamType):
    """
    A whole number, which may be written as ``0x4000``.
    """

    name = "bits"

    def convert(self, value, param, ctx):
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is not a number such as 0x4000.", param, ctx)


class _Block(click.ParamType):
    """
    ``month``, or a number of hours.
    """

    name = "month|hours"

    def convert(self, value, param, ctx):
        if value == "month":
            return value
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is neither 'month' nor a number of hours.", param, ctx)


_quality = click.option(
    "--bad-quality",
    type=_Bits(),
    help="Bits of QUALITY of HMI with which a file is skipped, such as 0x4000; 0 for none. "
    "Those that mean bad or missing data unless told.",
)


@click.command("prepare")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--exclude", multiple=True, help="Part of the names of files to leave out; may be given more than once.")
@click.option("--limbward/--no-limbward", default=True, show_default=True, help="Also copies as seen nearer the limb.")
@click.option("--quantity", type=click.Choice(["magnetogram", "continuum"]), default="magnetogram", show_default=True)
@_simulation
@_quality
@click.option(
    "--max-missing",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="Largest part of the pixels on the disk that may be unknown.",
)
@_workers
@click.option("--split", is_flag=True, help="Split in time, into OUT/train, OUT/validation and OUT/test.")
@click.option("--validation", "fraction", type=click.FloatRange(0, 1), default=0.15, show_default=True)
@click.option("--test", type=click.FloatRange(0, 1), default=0.0, show_default=True)
@click.option("--block", type=_Block(), default="month", show_default=True, help="What a split never divides.")
@click.option("--gap", type=click.FloatRange(min=0), default=24.0, show_default=True, help="Hours between two splits.")
def prepare_command(data, out, exclude, split, fraction, test, block, gap, **options):
    """
    Read the FITS files of the folder DATA into the training arrays of OUT, for a machine with torch alone.

    With --split, what is newest is kept to validate and to test; no active region is in two splits. --validation,
    --test, --block and --gap are of the split.

    \b
    Examples:
      sunpy-superres prepare HMI ARRAYS --workers 4
      sunpy-superres prepare HMI ARRAYS --split --validation 0.15 --test 0.1
    """
    with one_line():
        from sunpy_superres.training.prepare import prepare, prepare_split  # NOQA: PLC0415

        if not split:
            records = prepare(data, out, exclude=exclude, progress=click.echo, **options)
            click.echo(f"{len(records)} fields in {out}")
            return
        options |= {"validation": fraction, "test": test, "block": block, "gap": gap}
        prepare_split(data, out, exclude=exclude, progress=click.echo, **options)


@click.command("prepare-pairs")
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--instrument", type=click.Choice(["mdi", "gong"]), default="mdi", show_default=True)
@click.option("--size", type=click.IntRange(min=64), default=512, show_default=True, help="Most pixels of HMI a side.")
@click.option(
    "--min-correlation",
    type=click.FloatRange(-1, 1),
    default=0.6,
    show_default=True,
    help="Least correlation of a patch with HMI.",
)
@click.option(
    "--max-shift",
    type=click.FloatRange(min=0),
    default=4.0,
    show_default=True,
    help="Most pixels of HMI that a patch may be off, after the shift of the whole image.",
)
@click.option(
    "--max-minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Longest time between the two."
)
@_quality
@_workers
def prepare_pairs_command(data, out, **options):
    """
    Read the pairs of the folder DATA, of MDI or GONG and HMI, into the training arrays of OUT.

    DATA holds a manifest.csv as fetch-pairs writes it, or files NAME_mdi.fits (NAME_gong.fits) and NAME_hmi.fits.
    """
    with one_line():
        from sunpy_superres.training.prepare_pairs import prepare_pairs  # NOQA: PLC0415

        prepare_pairs(data, out, progress=click.echo, **options)


@click.command("ablation")
@click.argument("recipe")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of FITS files, or of prepared arrays."
)
@click.option(
    "--validation",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of HMI magnetograms (NAME.magnetogram.fits) to measure on.",
)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for networks and figures.")
@click.option("--steps", type=click.IntRange(min=1), help="Steps of each training; those of the recipe unless given.")
@click.option("--seed", default=0, show_default=True, help="Seed of the noise of what is measured on.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
def ablation_command(recipe, data, validation, out, **options):
    """
    Train a RECIPE four times, adding the terms of its loss one by one, and measure what each is worth.

    Run again with the same OUT, it goes on from the last checkpoint.

    \b
    Example:
      sunpy-superres ablation highresnet-mdi --data arrays --validation data/hmi/validation -o ablation --steps 1500
    """
    from sunpy_superres.benchmark import ablation, comparison_table  # NOQA: PLC0415

    with one_line():
        _fit()  # what is missing for it is missed now
        from sunpy_superres.training.recipe import read_recipe  # NOQA: PLC0415

        recipe = read_recipe(recipe)
        from sunpy_superres.training.prepared import prepare_for  # NOQA: PLC0415

        data = prepare_for(recipe, data, out / "data", progress=click.echo)
        rows = ablation(recipe, data, validation, out, progress=click.echo, **options)
    click.echo(comparison_table(rows))
    click.echo("wrote " + ", ".join(str(out / f"ablation.{suffix}") for suffix in ("csv", "json", "png")))
