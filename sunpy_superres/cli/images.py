"""
Commands for images of flare classes: ``generate``, ``evaluate-aia``, ``prepare-images`` and ``fit-transfer``.
"""

import sys
from contextlib import suppress
from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = [
    "evaluate_aia_command",
    "fit_transfer_command",
    "generate_command",
    "prepare_images_command",
    "prepared_images",
]


@click.command("generate")
@click.argument("flare_class")
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for the images (FITS).")
@click.option("-n", "n", default=1, show_default=True, type=click.IntRange(min=1), help="Number of images.")
@click.option("--seed", type=int, help="Seed; drawn unless given. It is in the header either way.")
@click.option("--date", help="Time that the header states; the image knows nothing of it.")
@click.option("--guidance", type=float, help="Strength of the guidance; the model's own unless given.")
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option("--solver", help="heun, euler, multistep, ddim or ddpm; the model's own unless given.")
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
@click.option("--device", help="cpu, cuda, cuda:1, mps; the best there is unless given.")
@click.option("--plot", is_flag=True, help="Also a figure (PNG) of each image.")
@click.option("--overwrite", is_flag=True, help="Replace images that are there already.")
def generate_command(flare_class, out, n, plot, overwrite, **options):
    """
    Draw synthetic AIA 171 images of a FLARE_CLASS into the folder OUT.

    The class is one of A, B, C, M, X, a sub-class such as M2.5, or a GOES X-ray flux in W/m2 such as 2.5e-5.

    \b
    Example:
      sunpy-superres generate X -n 4 --seed 0 -o images --plot
    """
    import astropy.units as u  # NOQA: PLC0415

    import sunpy_superres  # NOQA: PLC0415
    from sunpy_superres._arguments import choose_seed  # NOQA: PLC0415
    from sunpy_superres.flare_classes import parse_flare_class  # NOQA: PLC0415
    from sunpy_superres.generation import draw_maps  # NOQA: PLC0415

    with one_line():
        with suppress(ValueError):
            flare_class = float(flare_class) * u.W / u.m**2
        options["seed"] = seed = choose_seed(options["seed"])
        name = f"synthetic_aia171_{parse_flare_class(flare_class)}_seed{seed}"
        targets = [out / f"{name}_{k:03d}.fits" for k in range(n)]
        for target in targets:
            for path in (target, target.with_suffix(".png")) if plot else (target,):
                if path.exists() and not overwrite:
                    raise FileExistsError(17, "is there already; --overwrite replaces it", str(path))
        options |= {"observer": None, "shape": None, "progress": sys.stderr.isatty()}
        images = draw_maps(flare_class, n, 171 * u.angstrom, **options)
        out.mkdir(parents=True, exist_ok=True)
        # Each is written when it is drawn: an interruption leaves the ones before.
        for target in targets:
            image = next(images)
            sunpy_superres.write_map(image, target, overwrite=overwrite)
            if plot:
                _plot(image, target.with_suffix(".png"))
            click.echo(str(target))


def _plot(image, path):
    import matplotlib.pyplot as plt  # NOQA: PLC0415

    from sunpy_superres.plotting import save_figure  # NOQA: PLC0415

    figure = plt.figure(figsize=(6, 5.6), layout="constrained")
    axes = figure.add_subplot(projection=image)
    image.plot(axes=axes)
    image.draw_limb(axes=axes, color="white", linewidth=0.5)
    save_figure(figure, path)
    plt.close(figure)


@click.command("prepare-images")
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--split", help="Only rows with this value of the column `split`.")
@click.option("--size", type=click.IntRange(min=32), help="Pixels along each axis that images are averaged to.")
@click.option(
    "--correction-table",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Degradation of AIA (aia_V*_response_table.txt of SolarSoft), for FITS images; takes aiapy.",
)
def prepare_images_command(table, out, **options):
    """
    Read the images of a TABLE into the training arrays of OUT.

    TABLE is an archive of display-scaled images (NAME.npz, with a row for each in NAME.csv), or a NAME.csv whose column
    `file` names FITS images in DN or DN/s, of level 1.5 or, with aiapy, of level 1. Both have the columns datetime,
    goes_class and xrs_flux_w_m2.
    """
    with one_line():
        prepared_images(table, out, **options)


def prepared_images(table, target, **options):
    """
    Prepare the images of a table, and say so; returns the folder.
    """
    from sunpy_superres.training.prepare_images import prepare_images  # NOQA: PLC0415

    if not table.is_file():
        raise FileNotFoundError(2, "there is no such file", str(table))
    records = prepare_images(table, target, progress=click.echo, **options)
    click.echo(f"{len(records)} images in {target}")
    return target


@click.command("fit-transfer")
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("calibrated", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Table to write (ECSV).")
def fit_transfer_command(data, calibrated, out):
    """
    Fit DN/s as a function of display values: prepared images DATA against CALIBRATED images (FITS).
    """
    with one_line():
        from sunpy_superres.training.transfer import fit_transfer  # NOQA: PLC0415

        fit_transfer(data, calibrated, out)
    click.echo(f"wrote {out}")


@click.command("evaluate-aia")
@click.argument("table", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder for tables and figures.")
@click.option("-n", "n", default=64, show_default=True, type=click.IntRange(min=4), help="Least draws of each class.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the draws.")
@click.option("--guidance", type=float, help="Strength of the guidance; the model's own unless given.")
@click.option("--steps", type=int, help="Steps of the sampler; the model's own unless given.")
@click.option("--solver", help="heun, euler, multistep, ddim or ddpm; the model's own unless given.")
@click.option("--model", help="Weights: a name of `sunpy-superres models list`, a folder, or owner/name@revision.")
@click.option("--device", help="cpu or cuda; a GPU is used where there is one.")
@click.option(
    "--features", default="random", show_default=True, help="Besides the bundled ones: random, inception, clip."
)
@click.option("--conditions/--no-conditions", default=True, help="Also draws by flux, by both, and by neither.")
@click.option("--classifier", is_flag=True, help="Also classifiers trained with and without the draws.")
@click.option("--seeds", default=5, show_default=True, help="Trainings of each classifier.")
@click.option("--markdown", is_flag=True, help="Markdown tables.")
def evaluate_aia_command(table, out, features, classifier, seeds, markdown, device, **options):
    """
    Measure generated AIA images against the real ones of a TABLE with a column `split` (train and validation).

    TABLE is as for `prepare-images`. OUT gets generator.json, generator.csv, a card (generator.md) with its figures,
    the images and draws as training takes them, and with --classifier classifier.json.

    \b
    Example:
      sunpy-superres evaluate-aia aia171_2012_128px.npz -o evaluation --classifier
    """
    from sunpy_superres import benchmark  # NOQA: PLC0415

    with one_line():
        benchmark.check_options(
            {name: options[name] for name in ("guidance", "steps", "solver") if options[name] is not None}
        )
        size = _size_of(options["model"])
        folders = [prepared_images(table, out / name, split=name, size=size) for name in ("train", "validation")]
        results = benchmark.evaluate_generator(
            *folders,
            out,
            extractors=dict.fromkeys(["solar", *(name.strip() for name in features.split(",") if name.strip())]),
            device=device,
            progress=sys.stderr.isatty(),
            **options,
        )
        style = "markdown" if markdown else "plain"
        click.echo(benchmark.table(results, style=style, targets=benchmark.GENERATOR_TARGETS, measured=True))
        if classifier:
            found = benchmark.run_classifier(
                *folders, out / "generated", out / "classifier.json", seeds=seeds, device=device, progress=click.echo
            )
            click.echo(benchmark.classifier_table(found))


def _size_of(model):
    """
    Pixels along each axis that a generator draws.
    """
    from sunpy_superres.models import get_architecture  # NOQA: PLC0415
    from sunpy_superres.weights.files import read_config  # NOQA: PLC0415
    from sunpy_superres.weights.loading import locate  # NOQA: PLC0415

    config = read_config(locate(model, "class-diffusion", "aia").folder)
    return get_architecture(config["method"])(**config["arguments"]).size
