"""
The package as a whole: its version, its lazy imports, and its floors.
"""

import ast
import subprocess
import sys
from importlib import import_module, metadata
from itertools import pairwise
from pathlib import Path

import pytest

import sunpy_superres

PACKAGE = Path(sunpy_superres.__file__).parent

# From the top to the bottom: a module imports from its own floor and from those below it.
FLOORS = (
    {"cli"},
    {"archive", "benchmark", "demo", "training"},
    {"superresolution", "generation", "plotting"},
    {"inference", "weights"},
    {"models"},
    {
        *("maps", "observations", "registration", "degradation", "metrics", "instruments", "exceptions"),
        *("flare_classes", "transfer"),
    },
)
LEVEL = {room: level for level, rooms in enumerate(reversed(FLOORS)) for room in rooms}

# Importing these must not import torch.
LIGHT = (
    *("sunpy_superres", "weights", "cli", "instruments", "observations", "maps", "metrics", "registration"),
    "generation",
)

FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
# The face of the package itself is not part of any floor.
MODULES = [path for path in FILES if path.as_posix() not in {"__init__.py", "__main__.py", "_version.py"}]


def room_of(path):
    # "models" for "models/unet.py".
    return path.with_suffix("").parts[0]


def level_of(room):
    # A private module of the package itself serves all: it belongs on the lowest floor.
    return 0 if room.startswith("_") else LEVEL[room]


def imports_of(path):
    """
    Absolute names of all that a file of the package imports, inside functions too.
    """
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: line {node.lineno} has a relative import"
            # "from sunpy_superres import maps" names a room, "from sunpy_superres.maps import build" does not.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_used_by(path):
    """
    The rooms that a file imports from, its own excluded; a name of the public face stands for the room it comes from.
    """
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("sunpy_superres.")}
    homes = {name: module.split(".")[1] for name, module in sunpy_superres._EXPORTS.items()}
    return {homes.get(name, name) for name in used} - {room_of(path), "__version__"}


def run_python(code):
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


def test_version():
    try:
        installed = metadata.version("sunpy-superres")
    except metadata.PackageNotFoundError:
        pytest.skip("the package is not installed")
    assert sunpy_superres.__version__ == installed
    assert installed != "0+unknown"


@pytest.mark.parametrize("name", sunpy_superres.__all__)
def test_exports(name):
    assert name in dir(sunpy_superres)
    assert getattr(sunpy_superres, name).__name__ == name


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sunpy_superres.no_such_name


def test_package_imports_nothing_heavy():
    heavy = ("torch", "sunpy", "astropy", "numpy", "matplotlib", "pooch", "huggingface_hub")
    result = run_python(f"import sys, sunpy_superres; print(*[name for name in {heavy} if name in sys.modules])")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


@pytest.mark.parametrize("name", LIGHT)
def test_import_without_torch(name):
    module = name if name == "sunpy_superres" else f"sunpy_superres.{name}"
    result = run_python(f"import sys, {module}; print('torch' in sys.modules)")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "False"


@pytest.mark.parametrize("room", sorted({room_of(path) for path in MODULES}))
def test_every_module_has_a_floor(room):
    assert room.startswith("_") or room in LEVEL, f"{room}: say in FLOORS where it belongs"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_import_climbs(path):
    own = level_of(room_of(path))
    assert [used for used in sorted(rooms_used_by(path)) if level_of(used) > own] == []


def test_no_cycles_between_rooms():
    graph = {}
    for path in MODULES:
        graph.setdefault(room_of(path), set()).update(rooms_used_by(path))

    def visit(room, trail):
        assert room not in trail, " -> ".join([*trail, room])
        for used in sorted(graph.get(room, ())):
            visit(used, [*trail, room])

    for room in sorted(graph):
        visit(room, [])


def test_models_know_only_torch():
    # A network takes and gives tensors: no Map, no file, no download.
    allowed = set(sys.stdlib_module_names) | {"numpy", "torch", "sunpy_superres"}
    strangers = [
        f"{path} imports {name}"
        for path in MODULES
        if room_of(path) == "models"
        for name in imports_of(path)
        if name.split(".")[0] not in allowed
    ]
    assert strangers == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if not path.name.startswith("_") or path.name == "__init__.py"], ids=str
)
def test_public_modules_say_what_is_public(path):
    tree = ast.parse((PACKAGE / path).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if len(tree.body) > 1:
        assigned = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        assert "__all__" in {target.id for target in assigned if isinstance(target, ast.Name)}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_all_names_exist(path):
    name = ".".join(("sunpy_superres", *path.with_suffix("").parts)).removesuffix(".__init__")
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        # Only training may need an extra to be imported at all.
        if room_of(path) == "training" and error.name in ("pytorch_lightning", "torchmetrics"):
            pytest.skip("the extra 'train' is not installed")
        raise
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []


def test_floors_are_disjoint():
    assert sum(map(len, FLOORS)) == len(LEVEL)
    assert all(not upper & lower for upper, lower in pairwise(FLOORS))
