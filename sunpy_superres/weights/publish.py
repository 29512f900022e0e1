"""
From a trained model to a release: card, test tensors, registry entry, and the upload to the Hugging Face Hub.

huggingface_hub is imported only here, and only when it is needed.
"""

import json
import math
import re
import shutil
import tomllib
from pathlib import Path

from sunpy_superres._atomic import replacing
from sunpy_superres.weights.files import load_model, read_config, write_config
from sunpy_superres.weights.layout import CARD, CONFIG, TRAINING, VERIFICATION, WEIGHTS, sha256_of
from sunpy_superres.weights.registry import parse_record
from sunpy_superres.weights.verification import verify, write_verification

__all__ = ["FIGURE", "build_release", "check_repository", "hub_license", "registry_entry", "upload"]

FIGURE = "figure.png"
#: What users get; the card and its figure are for people.
_REGISTERED = (WEIGHTS, CONFIG, VERIFICATION)
#: What the configuration of a release must say, besides how to build the model.
_DESCRIPTION = ("name", "version", "target", "summary", "data", "license", "citation", "limits")
#: Identifiers of licenses on the Hub, by those of SPDX in lower case.
_LICENSES = {
    "apache-2.0": "apache-2.0",
    "bsd-2-clause": "bsd-2-clause",
    "bsd-3-clause": "bsd-3-clause",
    "cc-by-4.0": "cc-by-4.0",
    "cc0-1.0": "cc0-1.0",
    "gpl-2.0-only": "gpl-2.0",
    "gpl-3.0-only": "gpl-3.0",
    "gpl-3.0-or-later": "gpl-3.0",
    "mit": "mit",
}
#: Commands that measure, where they are not those of magnetograms, by protocol.
_COMMANDS = {"generator": "evaluate-aia TABLE -o OUT"}
#: Tasks of the Hub, by purpose.
_TASKS = {
    "superresolve": "image-to-image",
    "generate": "unconditional-image-generation",
    "describe": "image-feature-extraction",
    "encode": "image-feature-extraction",
}
_HEADLINES = (
    "rmse_ratio",
    "gradient_ratio",
    "crps_ratio",
    "spread_skill",
    "flux_ratio",
    "pair_correlation_gain",
    "pair_rmse_ratio",
    "pairs_rmse_ratio",
    "pairs_correlation_gain",
    "autoencoder_rmse",
    "reference_correlation",
    "sobel_ratio",
    "flux_in_out",
    "granulation_contrast_ratio",
    "bright_contrast_ratio",
    "quiet_mean_change",
    "kid_ratio",
    "limb_radius",
    "not_copied",
    *(f"bright_{letter}" for letter in "ABCM"),
)
_LOAD = """from sunpy_superres.weights import fetch_repository, load_model

network = load_model(fetch_repository("{repository}", "v{version}"))"""
#: How a model is used, by its purpose.
_USE = {
    "superresolve": """import sunpy.map
import sunpy_superres

smap = sunpy.map.Map("magnetogram.fits")
result = sunpy_superres.superresolve(smap, method="{method}", model="{repository}@v{version}")""",
    "generate": """import sunpy_superres

image = sunpy_superres.generate_aia("X", model="{repository}@v{version}")""",
    "describe": _LOAD,
    "encode": _LOAD,
}
_CARD = """
# {name}, version {version}

{summary}.

## Use

```python
{use}
```

Images: {kind}.

## Data

{data}.

## Training

{training}

## Figures

{figures}

`verification.safetensors` holds an input and the output of this model: `sunpy-superres models verify FOLDER` compares.

## Limits

{limits}{source}

## Citation

{citation}
"""


def check_repository(repository):
    """
    Raise unless a text is the name of a repository.

    Parameters
    ----------
    repository : `str`
        ``"owner/name"``.

    Raises
    ------
    ValueError
        If it is not.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id  # NOQA: PLC0415

    try:
        validate_repo_id(repository)
        if repository.count("/") != 1:
            msg = "it needs an owner and a name"
            raise HFValidationError(msg)
    except HFValidationError as error:
        msg = f"{repository!r} is no repository, which is 'owner/name': {error}"
        raise ValueError(msg) from error


def hub_license(license):  # NOQA: A002
    """
    A license as the header of a model card gives it.

    Parameters
    ----------
    license : `str`
        Its SPDX identifier, or the name of another.

    Returns
    -------
    `dict`
        ``license``, and ``license_name`` where the Hub has no identifier for it.
    """
    known = _LICENSES.get(license.lower())
    return {"license": known} if known else {"license": "other", "license_name": license}


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
        What ``sunpy-superres evaluate -o`` wrote: the figures of the card and of the registry.
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
        If the model cannot be loaded, its description lacks something, the results are of another model, or the test
        tensors are.
    """
    folder, out = Path(folder), Path(out)
    check_repository(repository)
    if out.exists():
        raise FileExistsError(17, "is there already; a release is made into a new folder", str(out))
    config = read_config(folder)
    if missing := [key for key in ("instruments", "scale", *_DESCRIPTION) if not config.get(key)]:
        msg = f"{folder / CONFIG} does not say {', '.join(missing)}: add it there, or in [card] of the recipe."
        raise ValueError(msg)
    if wrong := [key for key in _DESCRIPTION if not isinstance(config[key], str)]:
        msg = f"{folder / CONFIG}: {wrong[0]} must be text, not {config[wrong[0]]!r}."
        raise ValueError(msg)
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", config["name"]):
        msg = f"{folder / CONFIG}: the name must be small letters and digits with hyphens, not {config['name']!r}."
        raise ValueError(msg)
    measured, commands = _measured(results, sha256_of(folder / WEIGHTS))
    headlines = {name: round(measured[name], 4) for name in _HEADLINES if name in measured}
    model = load_model(folder)
    config |= {"factor": getattr(model, "factor", 1), "metrics": headlines or config.get("metrics", {})}
    card = _checked_card(folder / CARD, config) if (folder / CARD).is_file() else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as staging:
        staging.mkdir()
        shutil.copyfile(folder / WEIGHTS, staging / WEIGHTS)
        write_config(staging, config)
        if (folder / VERIFICATION).is_file():
            shutil.copyfile(folder / VERIFICATION, staging / VERIFICATION)
        else:
            write_verification(staging)
        verify(staging)
        if (folder / FIGURE).is_file():
            shutil.copyfile(folder / FIGURE, staging / FIGURE)
        elif draw is not None:
            draw(staging / FIGURE)
        has_figure = (staging / FIGURE).is_file()
        record = parse_record(config["name"], tomllib.loads(registry_entry(staging, repository))[config["name"]])
        use = _USE[model.purpose].format(repository=repository, **config)
        known = {"use": use, "kind": record.kind, "task": _TASKS[model.purpose]}
        text = card or _new_card(folder, config | known, measured, commands, has_figure=has_figure)
        (staging / CARD).write_text(text, encoding="utf-8")
    return out


def _measured(paths, sha256):
    """
    Figures of the benchmark, of these weights and no others, and the commands that measure them.
    """
    measured, commands = {}, []
    for path in paths:
        try:
            results = json.loads(Path(path).read_text(encoding="utf-8"))
            figures = {str(name): value for name, value in results["figures"].items() if value is not None}
            provenance = results.get("provenance", {})
            of = provenance.get("srsha256")
            right = all(isinstance(value, int | float) and math.isfinite(value) for value in figures.values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{path} is nothing that `sunpy-superres evaluate -o` wrote: {error!r}."
            raise ValueError(msg) from error
        if not right:
            msg = f"{path} is nothing that `sunpy-superres evaluate -o` wrote: not every figure is a number."
            raise ValueError(msg)
        if of and not sha256.startswith(str(of)):
            msg = f"{path} holds figures of other weights (SHA-256 {of}..., and this is {sha256[:16]}...)."
            raise ValueError(msg)
        measured |= figures
        if command := results.get("command"):  # what a training measured at its end
            commands.append(f"`sunpy-superres {command}`")
            continue
        given = {"method": provenance.get("srmethod"), "instrument": provenance.get("srinstr")}
        given |= {"n-samples": results.get("n_samples"), "seed": results.get("seed")}
        options = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
        commands.append(f"`sunpy-superres {_COMMANDS.get(results.get('protocol'), 'benchmark DATA')}{options}`")
    return measured, list(dict.fromkeys(commands))


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

    Raises
    ------
    ValueError
        If the configuration holds what the registry cannot.
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
    text = "\n".join(lines) + "\n"
    try:
        parse_record(config["name"], tomllib.loads(text)[config["name"]])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{folder / CONFIG} holds what the registry cannot: {error!r}."
        raise ValueError(msg) from error
    return text


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
    ValueError
        If the name of the repository or the token is none.
    ConnectionError
        If the Hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi  # NOQA: PLC0415

    from sunpy_superres.weights.hub import endpoint, token  # NOQA: PLC0415

    check_repository(repository)
    config = read_config(folder)
    message = f"{config['name']} {config['version']}"
    try:
        api = HfApi(endpoint=endpoint(), token=token(), library_name="sunpy_superres")
        api.create_repo(repository, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=str(folder), commit_message=message).oid
        # The name that the card gives the revision.
        api.create_tag(repository, tag=f"v{config['version']}", revision=commit, exist_ok=True)
    except ValueError:
        raise
    except Exception as error:  # of the library for HTTP, whichever it is
        msg = f"{repository} could not be published on {endpoint()}: {' '.join(str(error).split()) or repr(error)}"
        raise ConnectionError(msg) from error
    return commit


def _checked_card(path, config):
    """
    A card that is there already, if the Hub will understand its header and it is of this model.
    """
    from huggingface_hub import ModelCard  # NOQA: PLC0415

    text = path.read_text(encoding="utf-8")
    try:
        data = ModelCard(text, ignore_metadata_errors=True).data
    except Exception as error:  # of the library for YAML
        msg = f"{path} has a header that is no YAML: {' '.join(str(error).split())}"
        raise ValueError(msg) from error
    if not data.license or data.library_name != "sunpy_superres":
        msg = f"{path} must begin with a header (YAML) that gives license and library_name: sunpy_superres."
        raise ValueError(msg)
    expected = hub_license(config["license"])["license"]
    if str(data.license).lower() != expected:
        msg = f"{path} says that the license is {data.license}; for {config['license']} the Hub has {expected!r}."
        raise ValueError(msg)
    if f"version {config['version']}" not in text:
        msg = f"{path} does not say that it is of version {config['version']}, as {CONFIG} does."
        raise ValueError(msg)
    return text


def _new_card(folder, config, measured, commands, *, has_figure):
    from huggingface_hub import EvalResult, ModelCardData  # NOQA: PLC0415

    evaluated = [
        EvalResult(
            task_type=config["task"],
            dataset_type="sunpy-superres-benchmark",
            dataset_name="validation images of sunpy-superres evaluate",
            metric_type=name,
            metric_value=value,
        )
        for name, value in config["metrics"].items()
    ]
    data = ModelCardData(
        **hub_license(config["license"]),
        library_name="sunpy_superres",
        pipeline_tag=config["task"],
        tags=["solar-physics", config["method"], *config["instruments"]],
        model_name=config["name"],
        eval_results=evaluated or None,
    )
    training = "It is not known how this model was trained."
    if (record := folder / TRAINING).is_file():
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
            recipe = known["recipe"]
            stages = ", ".join(f"{name} ({stage['steps']} steps)" for name, stage in recipe["stages"].items())
            training = (
                f"Recipe `{recipe['name']}`, seed {recipe['seed']}: {stages}; on {known['hardware']}, torch "
                f"{known['torch']}."
            )
            if recipe.get("start"):
                training += f" Begun with `{recipe['start']}`."
            if ranks := {name: stage["rank"] for name, stage in recipe["stages"].items() if stage.get("rank")}:
                training += f" Low-rank adapters, of rank {', '.join(f'{r} ({n})' for n, r in ranks.items())}."
            if known.get("data"):
                training += f" This run was trained on {known['data']}."
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{record} is not what the training writes: {error!r}."
            raise ValueError(msg) from error
    figures = "Nothing was measured: see `sunpy-superres evaluate`."
    if measured:
        rows = "\n".join(f"| {name} | {value:.4g} |" for name, value in measured.items())
        figures = f"By {' and '.join(commands)}, on the validation images:\n\n| figure | measured |\n|---|---|\n{rows}"
    if has_figure:
        figures += f"\n\n![What it makes]({FIGURE})"
    source = f"\n\n## Source\n\n{config['source']}, under {config['license']}." if config.get("source") else ""
    values = config | {"training": training, "figures": figures, "source": source}
    return f"---\n{data.to_yaml()}\n---\n" + _CARD.format(**values)
