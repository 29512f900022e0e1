"""
Commands about weights: ``models list``, ``info``, ``fetch``, ``verify``, ``path``, ``clear``, ``publish``, ``convert``.
"""

import sys
import tempfile
from pathlib import Path

import click

from sunpy_superres.cli.errors import one_line

__all__ = ["models_group"]


@click.group("models")
def models_group():
    """
    Pretrained models: which there are, where they are, and whether they are intact.
    """


def _names(names, everything):
    """
    The names given, or all; not neither nor both.
    """
    from sunpy_superres.weights import list_models  # NOQA: PLC0415

    if bool(names) == everything:
        msg = "Give the names of models (see `sunpy-superres models list`), or --all."
        raise click.UsageError(msg)
    return list_models() if everything else names


def _place(record):
    """
    Where the files of a model are, in words.
    """
    from sunpy_superres.weights.fetch import find_files  # NOQA: PLC0415

    if record.bundled:
        return "bundled"
    if find_files(record.name):
        return "in the cache"
    return "on the Hub" if record.revision else "not published"


@models_group.command("list")
@click.option("--method", help="Only models of this method.")
@click.option("--instrument", help="Only models for this instrument.")
def list_command(method, instrument):
    """
    The models that are known by name.
    """
    from sunpy_superres.weights import list_models, model_info  # NOQA: PLC0415

    names = list_models(method, instrument)
    if not names:
        click.echo(f"No model fits; known are {', '.join(list_models())}.", err=True)
    for name in names:
        record = model_info(name)
        click.echo(f"{name} {record.version} ({record.size / 1e6:.1f} MB, {_place(record)}): {record.summary}")


@models_group.command("info")
@click.argument("name")
def info_command(name):
    """
    All that is known of a model of the list.
    """
    from sunpy_superres.weights import model_info  # NOQA: PLC0415

    with one_line():
        record = model_info(name)
        place = _place(record)
    published = f"not published (meant for {record.repository})"
    if record.revision:
        published = f"{record.repository} at {record.revision}"
    rows = {
        "model": f"{record.name}, version {record.version} ({place})",
        "what": record.summary,
        "method": record.method,
        "images": record.kind,
        "trained on": record.data,
        "license": record.license,
        "cite": record.citation,
        "on the Hub": published,
        **{f"  {key}": value for key, value in record.metrics.items()},
        **{f"  {key}": value for key, value in record.arguments.items()},
        **{f"  {key}": f"{file.size} bytes, SHA-256 {file.sha256}" for key, file in record.files.items()},
    }
    width = max(len(key) for key in rows)
    for key, value in rows.items():
        click.echo(f"{key:{width}}  {value}")


@models_group.command("fetch")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every model of the list.")
def fetch_command(names, everything):
    """
    Make models available offline, and check them.

    NAMES are names of the list, or owner/name@revision on the Hugging Face Hub.
    """
    from sunpy_superres.weights import fetch, fetch_repository  # NOQA: PLC0415
    from sunpy_superres.weights.hub import parse_address  # NOQA: PLC0415

    progress = sys.stderr.isatty()
    with one_line():
        for name in _names(names, everything):
            address = parse_address(name)
            folder = fetch_repository(*address, progress=progress) if address else fetch(name, progress=progress)
            click.echo(f"{name}: {folder}")


@models_group.command("path")
@click.argument("name")
def path_command(name):
    """
    Folder of a model that is here already; an error if it is not, or damaged.
    """
    from sunpy_superres.weights.fetch import check  # NOQA: PLC0415

    with one_line():
        click.echo(str(check(name)))


@models_group.command("verify")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every model that is here.")
def verify_command(names, everything):
    """
    Check the files of models, run them on the input that they were published with, and compare.

    NAMES are names of the list, owner/name@revision, or folders. Nothing is downloaded.
    """
    from sunpy_superres.weights import list_models  # NOQA: PLC0415
    from sunpy_superres.weights.fetch import check, find_files  # NOQA: PLC0415
    from sunpy_superres.weights.verification import verify  # NOQA: PLC0415

    failed = 0
    for name in _names(names, everything):
        if everything and find_files(name) is None:
            click.echo(f"{name}: not here")
            continue
        try:
            with one_line():
                is_folder = name not in list_models() and Path(name).is_dir()
                difference = verify(Path(name) if is_folder else check(name))
        except click.ClickException as error:
            click.echo(f"Error: {name}: {error.message}", err=True)
            failed += 1
        else:
            click.echo(f"{name}: intact, and gives the published result (to {difference:.1g})")
    if failed:
        sys.exit(1)


@models_group.command("clear")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that was downloaded.")
def clear_command(name, everything):
    """
    Remove a model from the cache; what came with the package stays.
    """
    from sunpy_superres.weights import clear  # NOQA: PLC0415

    _names([name] if name else [], everything)
    with one_line():
        folders = clear(name)
    for folder in folders:
        click.echo(f"removed {folder}")
    if not folders:
        click.echo("nothing to remove")


@models_group.command("publish")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("repository")
@click.option("--results", multiple=True, type=click.Path(path_type=Path, exists=True), help="JSON of the benchmark.")
@click.option("-o", "--out", type=click.Path(path_type=Path), help="New folder to keep the release in.")
@click.option("--dry-run", is_flag=True, help="Make and show everything, send nothing.")
def publish_command(folder, repository, results, out, dry_run):
    """
    Publish the model in FOLDER as REPOSITORY (owner/name) on the Hugging Face Hub.

    Makes the model card, the figure and the test tensors where there are none, and prints the entry for the registry.

    \b
    Example:
      sunpy-superres models publish runs/mdi owner/name --results figures/degraded.json --dry-run
    """
    from sunpy_superres.demo import artist_of  # NOQA: PLC0415
    from sunpy_superres.weights import publish  # NOQA: PLC0415

    with one_line(), tempfile.TemporaryDirectory() as scratch:
        out = out or Path(scratch) / "release"
        measured = folder / "evaluation.json"  # what `train` wrote
        results = results or ([measured] if measured.is_file() else [])
        release = publish.build_release(folder, out, repository=repository, results=results, draw=artist_of(folder))
        for path in sorted(release.iterdir()):
            click.echo(f"{path.name}  {path.stat().st_size} bytes")
        if dry_run:
            click.echo("\nREADME.md:\n\n" + (release / "README.md").read_text(encoding="utf-8"))
        revision = "" if dry_run else publish.upload(release, repository)
        click.echo(f"\nEntry for weights/registry.toml:\n\n{publish.registry_entry(release, repository, revision)}")
        click.echo("Nothing was sent." if dry_run else f"Published {repository} at {revision}.")


@models_group.command("convert")
@click.argument("kind", type=click.Choice(["highresnet", "enhance"]))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--instrument", type=click.Choice(["mdi", "gong"]), help="highresnet: the instrument that it was trained for."
)
@click.option("--factor", type=int, help="highresnet: the enlargement, if it is none of the published files.")
@click.option("--quantity", type=click.Choice(["magnetogram", "continuum"]), help="enhance: what it was trained on.")
@click.option("--accept-license", help="Name of the license of the file, which you have read and accept.")
def convert_command(kind, file, out, instrument, factor, quantity, accept_license):
    """
    Turn weights that the authors of a method published, and you downloaded, into a model folder OUT.

    \b
    Example:
      sunpy-superres models convert enhance blos_weights.hdf5 OUT --quantity magnetogram --accept-license MIT
    """
    from sunpy_superres.weights.convert import convert_enhance, convert_highresnet  # NOQA: PLC0415

    options = {"highresnet": {"instrument": instrument, "factor": factor}, "enhance": {"quantity": quantity}}
    for other, values in options.items():
        if foreign := [name for name, value in values.items() if other != kind and value is not None]:
            msg = f"--{foreign[0]} does not apply to {kind}."
            raise click.UsageError(msg)
    needed = {"highresnet": "instrument", "enhance": "quantity"}[kind]
    if options[kind][needed] is None:
        msg = f"Give --{needed}: what the weights were trained on."
        raise click.UsageError(msg)
    with one_line():
        if kind == "highresnet":
            convert_highresnet(file, out, accept_license=accept_license, **options[kind])
        else:
            convert_enhance(file, out, kind=quantity, accept_license=accept_license)
    click.echo(f"wrote {out}")
