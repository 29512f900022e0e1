"""
From a trained model to a release: card, test tensors, registry entry, and the upload to the Hugging Face Hub.

huggingface_hub is imported only here, and only when it is needed.
"""

import json
import shutil
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.weights.files import load_model, read_config
from sunpy_superres.weights.layout import CARD, CONFIG, VERIFICATION, WEIGHTS, sha256_of
from sunpy_superres.weights.verification import verify, write_verification

__all__ = ["FIGURE", "build_release", "registry_entry", "upload"]

FIGURE = "figure.png"
#: What users get; the card and its figure are for people.
_REGISTERED = (WEIGHTS, CONFIG, VERIFICATION)
#: What the configuration of a release must say, besides how to build the model.
_DESCRIPTION = ("name", "version", "target", "summary", "data", "license", "citation")
_HEADLINES = (
    "rmse_ratio",
    "gradient_ratio",
    "crps_ratio",
    "spread_skill",
    "flux_ratio",
    "pair_correlation_gain",
    "pair_rmse_ratio",
)
_CARD = """
# {name}, version {version}

{summary}.

## Use

```python
import sunpy.map
import sunpy_superres

smap = sunpy.map.Map("magnetogram.fits")
result = sunpy_superres.superresolve(smap, method="{method}", model="{repository}@REVISION")
```

Input: {instruments}, {scale:.4g} arcsec per pixel. Output: {target}, {factor} times finer.

## Data

{data}.

## Training

{training}

## Figures

{figures}

`verification.safetensors` holds an input and the output of this model: `sunpy-superres models verify FOLDER` compares.

## Limits

{limits}

## Citation

{citation}
"""


def build_release(folder, out, *, repository, results=(), draw=None):
    """
    Put everything that is published of a model into a new folder.

    Parameters
    ----------
    folder : path-like
        Folder of the model: ``model.safetensors`` and ``config.json``, as the training writes them. ``README.md``,
        ``figure.png`` and ``verification.safetensors`` are made where they are not there.
    out : path-like
        The new folder.
    repository : `str`
        Where it will be published, ``"owner/name"``.
    results : iterable of path-like, optional
        What ``sunpy-superres benchmark -o`` wrote: the figures of the card and of the registry.
    draw : callable, optional
        Draws a figure for the card into the path that it is called with; used where the folder has none.

    Returns
    -------
    `pathlib.Path`
        The new folder; it appears when it is complete.

    Raises
    ------
    FileExistsError
        If it is there already.
    FileNotFoundError, ValueError
        If the model cannot be loaded, its description lacks something, or the test tensors are of another model.
    """
    folder, out = Path(folder), Path(out)
    if out.exists():
        raise FileExistsError(17, "is there already; a release is made into a new folder", str(out))
    config = read_config(folder)
    if missing := [key for key in _DESCRIPTION if not config.get(key)]:
        msg = f"{folder / CONFIG} does not say {', '.join(missing)}: add it there, or in [card] of the recipe."
        raise ValueError(msg)
    measured = {}
    for path in results:
        measured |= json.loads(Path(path).read_text(encoding="utf-8"))["figures"]
    config["factor"] = load_model(folder).factor
    config["metrics"] = {name: round(measured[name], 4) for name in _HEADLINES if name in measured} or config.get(
        "metrics", {}
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as staging:
        staging.mkdir()
        try:
            shutil.copyfile(folder / WEIGHTS, staging / WEIGHTS)
            (staging / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
            if (folder / VERIFICATION).is_file():
                shutil.copyfile(folder / VERIFICATION, staging / VERIFICATION)
            else:
                write_verification(staging)
            verify(staging)
            if (folder / FIGURE).is_file():
                shutil.copyfile(folder / FIGURE, staging / FIGURE)
            elif draw is not None:
                draw(staging / FIGURE)
            card = _checked_card(folder / CARD, config) if (folder / CARD).is_file() else None
            text = card or _new_card(folder, config, repository, measured, has_figure=(staging / FIGURE).is_file())
            (staging / CARD).write_text(text, encoding="utf-8")
        except BaseException:
            shutil.rmtree(staging)
            raise
    return out


def registry_entry(folder, repository="", revision=""):
    """
    The entry of a release in ``registry.toml``.

    Parameters
    ----------
    folder : path-like
        Written by `build_release`.
    repository, revision : `str`, optional
        Where it is published, and the commit.

    Returns
    -------
    `str`
        TOML.
    """
    folder = Path(folder)
    config = read_config(folder)
    keys = ("version", "method", "instruments", "target", "factor", "scale", "summary", "data", "license", "citation")
    lines = [f"[{config['name']}]", *(f"{key} = {json.dumps(config[key])}" for key in keys)]
    lines += [f"repository = {json.dumps(repository)}", f"revision = {json.dumps(revision)}"]
    for table in ("arguments", "metrics"):
        lines += ["", f"[{config['name']}.{table}]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in config.get(table, {}).items()]
    lines += ["", f"[{config['name']}.files]"]
    for name in _REGISTERED:
        size, sha256 = (folder / name).stat().st_size, sha256_of(folder / name)
        lines.append(f'"{name}" = {{ size = {size}, sha256 = "{sha256}" }}')
    return "\n".join(lines) + "\n"


def upload(folder, repository):
    """
    Publish a release on the Hugging Face Hub (or the mirror of ``HF_ENDPOINT``), as the user of ``HF_TOKEN``.

    Parameters
    ----------
    folder : path-like
        Written by `build_release`.
    repository : `str`
        ``"owner/name"``; made if it is not there.

    Returns
    -------
    `str`
        The commit, to be used as the revision.

    Raises
    ------
    ConnectionError
        If the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi  # NOQA: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # NOQA: PLC0415

    from sunpy_superres.weights.hub import endpoint, token  # NOQA: PLC0415

    config = read_config(folder)
    api = HfApi(endpoint=endpoint(), token=token(), library_name="sunpy_superres")
    message = f"{config['name']} {config['version']}"
    try:
        api.create_repo(repository, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=str(folder), commit_message=message)
    except (HfHubHTTPError, OSError) as error:
        msg = f"{repository} could not be published on {endpoint()}: {error}"
        raise ConnectionError(msg) from error
    return commit.oid


def _checked_card(path, config):
    """
    A card that is there already, if the Hub will understand its header.
    """
    from huggingface_hub import ModelCard  # NOQA: PLC0415

    text = path.read_text(encoding="utf-8")
    data = ModelCard(text, ignore_metadata_errors=True).data
    if not data.license or data.library_name != "sunpy_superres":
        msg = f"{path} must begin with a header (YAML) that gives license and library_name: sunpy_superres."
        raise ValueError(msg)
    if data.license.lower() not in (config["license"].lower(), "other"):
        msg = f"{path} says that the license is {data.license}, {CONFIG} that it is {config['license']}."
        raise ValueError(msg)
    return text


def _new_card(folder, config, repository, measured, *, has_figure):
    from huggingface_hub import ModelCardData  # NOQA: PLC0415

    data = ModelCardData(
        license=config["license"].lower(),
        library_name="sunpy_superres",
        pipeline_tag="image-to-image",
        tags=["solar-physics", "super-resolution", config["method"], *config["instruments"]],
        model_name=config["name"],
    )
    training = "It is not known how this model was trained."
    if (record := folder / "training.json").is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        recipe = known["recipe"]
        stages = ", ".join(f"{name} ({stage['steps']} steps)" for name, stage in recipe["stages"].items())
        training = (
            f"Recipe `{recipe['name']}`, seed {recipe['seed']}: {stages}; on {known['hardware']}, torch "
            f"{known['torch']}."
        )
    figures = "Nothing was measured: see `sunpy-superres benchmark`."
    if measured:
        rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in measured.items())
        figures = f"By `sunpy-superres benchmark`:\n\n| figure | measured |\n|---|---|\n{rows}"
    if has_figure:
        figures += f"\n\n![Input, result, truth and uncertainty]({FIGURE})"
    values = config | {"repository": repository, "instruments": ", ".join(config["instruments"])}
    values |= {"training": training, "figures": figures, "limits": config.get("limits") or "None were stated."}
    return f"---\n{data.to_yaml()}\n---\n" + _CARD.format(**values)
