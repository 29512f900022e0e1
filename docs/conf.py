"""
Configuration of the documentation.
"""

import os
import warnings
from datetime import UTC, datetime
from pathlib import Path

from matplotlib import MatplotlibDeprecationWarning
from packaging.version import Version
from sphinx_astropy.conf.v3 import *

from astropy.utils.exceptions import AstropyDeprecationWarning

from sunpy.util.exceptions import SunpyDeprecationWarning, SunpyPendingDeprecationWarning

from sunpy_superres import __version__
from sunpy_superres.benchmark import TARGETS
from sunpy_superres.weights import list_models, model_info

# The documentation shows nothing that is about to go.
for category in (
    AstropyDeprecationWarning,
    MatplotlibDeprecationWarning,
    SunpyDeprecationWarning,
    SunpyPendingDeprecationWarning,
):
    warnings.filterwarnings("error", category=category)

# -- Project ---------------------------------------------------------------------------------------------------------

project = "sunpy_superres"
author = "The sunpy_superres developers"
copyright = f"{datetime.now(tz=UTC).year}, {author}"
release = __version__
version = Version(release.replace("+unknown", "")).public
is_development = Version(version).is_devrelease

# -- Sphinx ----------------------------------------------------------------------------------------------------------

extensions += [
    "sphinx_automodapi.automodapi",
    "sphinx_automodapi.smart_resolver",
    "sphinx_changelog",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
extensions = list(dict.fromkeys(extensions))
exclude_patterns += ["**.ipynb_checkpoints"]
maximum_signature_line_length = 80
numpydoc_xref_param_type = False

# Inventories of other projects are fetched where there is a network: on Read the Docs, or with "-t online".
if not (os.environ.get("READTHEDOCS") or tags.has("online")):
    intersphinx_mapping = {}
else:
    for name in ("pythonloc", "h5py"):
        intersphinx_mapping.pop(name, None)
    intersphinx_mapping |= {
        "ndcube": ("https://docs.sunpy.org/projects/ndcube/en/stable/", None),
        "sunpy": ("https://docs.sunpy.org/en/stable/", None),
        "torch": ("https://pytorch.org/docs/stable/", None),
    }

# -- HTML ------------------------------------------------------------------------------------------------------------

html_theme = "sunpy"
html_title = f"{project} {version}"
html_theme_options = {"navbar_end": ["theme-switcher", "navbar-icon-links"]}
html_show_sourcelink = True

# -- Gallery ---------------------------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "abort_on_example_error": False,
    "backreferences_dir": "generated/modules",
    "default_thumb_file": None,
    "doc_module": ("sunpy_superres",),
    "examples_dirs": "../examples",
    # An example whose name begins with "skip_" is shown, and not run.
    "filename_pattern": r"^((?!skip_).)*$",
    "gallery_dirs": "generated/gallery",
    "matplotlib_animations": False,
    "only_warn_on_example_error": True,
    "reference_url": {"sunpy_superres": None},
    "write_computation_times": False,
}

# -- Pretrained models -----------------------------------------------------------------------------------------------


def describe_model(name):
    """
    A section on a model, from its record in the registry.
    """
    record = model_info(name)
    published = "not yet"
    if record.revision:
        url = f"https://huggingface.co/{record.repository}/tree/{record.revision}"
        published = f"`{record.repository} <{url}>`__, revision ``{record.revision}``"
    elif record.repository:
        published = f"not yet; ``{record.repository}`` is the name meant for it"
    titles = {target.name: target.title for target in TARGETS}
    rows = {
        "What it does": record.summary,
        "Version": record.version,
        "Method": f"``{record.method}``",
        "Images": record.kind,
        "Trained on": record.data,
        "Sampler": ", ".join(
            f"{key} {record.arguments[key]}"
            for key in ("solver", "steps", "spread", "guidance")
            if key in record.arguments
        ),
        "Comes with the package": "yes" if record.bundled else "no",
        "On the Hugging Face Hub": published,
        "Size": f"{record.size / 1e6:.1f} MB",
        "License": record.license,
        "Cite": record.citation,
        **{titles.get(key, key): f"{value:.4g}" for key, value in record.metrics.items()},
        **{f"SHA-256 of ``{key}``": f"``{file.sha256}``" for key, file in record.files.items()},
    }
    lines = [name, "=" * len(name), "", ".. list-table::", "   :widths: 30 70", ""]
    for key, value in rows.items():
        if value:
            lines += [f"   * - {key}", f"     - {value}"]
    return "\n".join([*lines, "", ""])


def describe_published():
    """
    Which repositories exist, and which are names only.
    """
    records = [model_info(name) for name in list_models()]
    published = ", ".join(f"``{record.repository}``" for record in records if record.revision)
    planned = ", ".join(f"``{record.repository}``" for record in records if not record.revision)
    lines = [f"Published on the Hugging Face Hub: {published or 'no model of this package yet'}."]
    if planned:
        lines.append(f"Names meant for the first publication, which nobody can download from today: {planned}.")
    return "\n".join([*lines, ""])


_generated = Path(__file__).parent / "generated"
_generated.mkdir(exist_ok=True)
(_generated / "models.inc").write_text("".join(describe_model(name) for name in list_models()), encoding="utf-8")
(_generated / "published.inc").write_text(describe_published(), encoding="utf-8")
