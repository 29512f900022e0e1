"""
The command ``sunpy-superres``.
"""

import os

import click

import sunpy_superres
from sunpy_superres.cli.acquire import fetch_aia_command, fetch_pairs_command
from sunpy_superres.cli.benchmark import benchmark_command
from sunpy_superres.cli.evaluation import calibrate_command, evaluate_command
from sunpy_superres.cli.images import (
    evaluate_aia_command,
    fit_transfer_command,
    generate_command,
    prepare_images_command,
)
from sunpy_superres.cli.magnetograms import compare_command, demo_command, superresolve_command
from sunpy_superres.cli.models import models_group
from sunpy_superres.cli.training import (
    ablation_command,
    cross_validate_command,
    prepare_command,
    prepare_pairs_command,
    train_command,
)

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sunpy_superres.__version__, prog_name="sunpy-superres")
def main():
    """
    Super-resolution of solar magnetograms, with an honest uncertainty; images of rare flare classes.
    """
    os.environ.setdefault("MPLBACKEND", "agg")


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


for _command in (
    superresolve_command,
    compare_command,
    demo_command,
    models_group,
    fetch_pairs_command,
    fetch_aia_command,
    prepare_command,
    prepare_pairs_command,
    train_command,
    cross_validate_command,
    evaluate_command,
    calibrate_command,
    benchmark_command,
    ablation_command,
    generate_command,
    prepare_images_command,
    fit_transfer_command,
    evaluate_aia_command,
):
    main.add_command(_command)
