"""
Write the requirements of the installed package with every lower bound made exact: python oldest.py FILE.
"""

import sys
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement


def oldest(text):
    """
    The requirement with its lower bound as the only version.
    """
    requirement = Requirement(text)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    (bound,) = (specifier.version for specifier in requirement.specifier if specifier.operator == ">=")
    return f"{requirement.name}{extras}=={bound}"


# What an extra asks for carries a marker; what the package itself needs does not.
pins = [oldest(text) for text in requires("sunpy-superres") if "extra ==" not in text]
Path(sys.argv[1]).write_text("\n".join(pins) + "\n", encoding="utf-8")
