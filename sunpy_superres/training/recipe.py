"""
Recipes: everything that decides what is trained, in one TOML file.
"""

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import NoneType
from typing import get_args

from sunpy_superres.training.images import Augmentation
from sunpy_superres.training.patches import Jitter

__all__ = ["CARD", "Recipe", "Stage", "read_recipe"]

#: Keys of the table ``[card]``: version and target, and for people summary, data, license, citation and limits.
CARD = ("version", "target", "summary", "data", "license", "citation", "limits")


@dataclass(frozen=True)
class Stage:
    """
    One stage of training.

    Parameters
    ----------
    steps, batch : `int`
        Steps of the optimizer, and patches of a step.
    size : `int`, optional
        Fine pixels of a patch along each axis.
    block, reuse : `int`, optional
        Patches are drawn in blocks of so many batches, and each serves so many steps on average.
    learning_rate, weight_decay, clip, ema : `float`, optional
        Of AdamW, of the gradient's norm, and of the moving average of the weights.
    warmup : `int`, optional
        Steps until the learning rate is reached.
    validate_every : `int`, optional
        Steps between looks at the validation fields.
    scale_weight : `float`, optional
        Weight of the likelihood of the scale (stage ``regression``).
    time_location, time_spread : `float`, optional
        Location and width of the logit-normal law of the times (stages ``flow`` and ``images``).
    flux_weight : `float`, optional
        Weight of the error of the X-ray flux (stage ``features``).
    gradient, histogram, ssim : `float`, optional
        Coefficients of `~sunpy_superres.training.losses.conversion_loss` (stage ``network``).
    middle : `float`, optional
        Weight of the result of a step on the way (stage ``steps``).
    rank : `int`, optional
        Train low-rank adapters of the convolutions instead of all weights (`~sunpy_superres.training.adapters`).
    patience : `int`, optional
        Stop when the validation has not become better in so many looks, and keep the best; 0 for never.
    picture_every : `int`, optional
        Steps between pictures of what the network makes; 0 for none.
    """

    steps: int
    batch: int
    size: int = 192
    block: int = 32
    reuse: int = 3
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    warmup: int = 200
    validate_every: int = 500
    scale_weight: float = 0.3
    time_location: float = 0.0
    time_spread: float = 1.0
    flux_weight: float = 0.3
    gradient: float = 0.0
    histogram: float = 0.0
    ssim: float = 0.0
    middle: float = 0.0
    rank: int = 0
    patience: int = 0
    picture_every: int = 1000

    def __post_init__(self):
        least = dict.fromkeys(("steps", "batch", "size", "block", "reuse", "warmup", "validate_every"), 1)
        for field_ in fields(self):
            value, low = getattr(self, field_.name), least.get(field_.name, 0)
            if field_.name != "time_location" and value < low:
                msg = f"{field_.name} must be {low} or more, not {value!r}"
                raise ValueError(msg)
        if self.ema >= 1:
            msg = f"ema must be below 1, not {self.ema!r}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Recipe:
    """
    What is trained and how.

    Parameters
    ----------
    name, method : `str`
        Name of the model, and of the registered method whose class is built.
    instruments : `tuple` of `str`
        Instruments whose magnetograms the model takes.
    scale : `float` or None
        Plate scale of the input that the weights are for, in arcsec per pixel; that of the training unless told.
    seed : `int`
        Seed of everything random.
    start : `str`, `dict` or None
        Model whose weights training begins with, of the same class and arguments: a name of
        `sunpy_superres.weights.list_models`, or a folder; or such models by the part that is taken of each, such as
        ``{"autoencoder": "autoencoder-hmi"}``. Other weights are drawn.
    exclude : `tuple` of `str`
        Parts of the names of files that are not trained on.
    simulated : `float`
        Part of the patches that come from simulations, where the data hold any.
    model : `dict`
        Arguments of the class.
    jitter : `~sunpy_superres.training.patches.Jitter`
        Variation of the forward operator.
    augmentation : `~sunpy_superres.training.images.Augmentation`
        Variation of whole images (stage ``images``).
    stages : `dict`
        `Stage` by name, in order.
    card : `dict`
        What the weights will say of themselves: the keys `CARD`.
    """

    name: str
    method: str
    instruments: tuple
    scale: float | None = None
    seed: int = 0
    start: str | dict | None = None
    exclude: tuple = ()
    simulated: float = 0.5
    model: dict = field(default_factory=dict)
    jitter: Jitter = field(default_factory=Jitter)
    augmentation: Augmentation = field(default_factory=Augmentation)
    stages: dict = field(default_factory=dict)
    card: dict = field(default_factory=dict)

    def with_steps(self, steps):
        """
        The same recipe with at most so many steps a stage, and no more patches than these use, to try it out.
        """

        def shortened(stage):
            block = min(stage.block, -(-steps // stage.reuse))
            return replace(stage, block=block, steps=min(stage.steps, steps))

        card = dict(self.card)
        if card and any(stage.steps > steps for stage in self.stages.values()):
            cut = f"Cut short to {steps} steps a stage, to try the recipe: not for use."
            card |= {"version": "0", "limits": f"{cut} {card.get('limits', '')}".strip()}
        stages = {name: shortened(stage) for name, stage in self.stages.items()}
        return replace(self, stages=stages, card=card)


_KINDS = {
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    bool: "true or false",
    tuple: "a list",
    dict: "a table",
}


def _checked(cls, values, place):
    known = {f.name for f in fields(cls)}
    if unknown := sorted(set(values) - known):
        msg = f"Unknown key {unknown[0]!r} in {place} of the recipe; known are {', '.join(sorted(known))}."
        raise ValueError(msg)
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    for f in fields(cls):
        kinds = tuple(kind for kind in (get_args(f.type) or (f.type,)) if kind is not NoneType)
        allowed = (*kinds, int) if float in kinds else kinds
        if (value := values.get(f.name)) is not None and type(value) not in allowed:
            names = " or ".join(_KINDS.get(kind, kind.__name__) for kind in kinds)
            msg = f"{f.name} in {place} of the recipe must be {names}, not {value!r}."
            raise ValueError(msg)
    try:
        return cls(**values)
    except ValueError as error:
        msg = f"In {place} of the recipe: {error}."
        raise ValueError(msg) from error
    except TypeError as error:
        msg = f"In {place} of the recipe: {str(error).split('() ')[-1]}."
        raise ValueError(msg) from error


def read_recipe(path):
    """
    Read and check a recipe.

    Parameters
    ----------
    path : path-like
        TOML file, or the name of one that comes with the package (``"ldm-mdi"``).

    Returns
    -------
    `Recipe`

    Raises
    ------
    FileNotFoundError
        If there is no such file and no such recipe.
    ValueError
        If the file is not TOML, or a key is unknown or missing; the message names it.
    """
    shipped = Path(__file__).parent / "recipes"
    file = Path(path)
    if not file.exists():
        file = shipped / f"{path}.toml"
    if not file.exists():
        names = ", ".join(sorted(p.stem for p in shipped.glob("*.toml")))
        msg = f"There is no recipe {str(path)!r}; those that come with the package are {names}."
        raise FileNotFoundError(msg)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        msg = f"{file} is not a TOML file: {error}."
        raise ValueError(msg) from error
    for name, kind in {"jitter": Jitter, "augmentation": Augmentation}.items():
        values[name] = _checked(kind, values.get(name, {}), f"[{name}]")
    stages = values.get("stages", {})
    values["stages"] = {name: _checked(Stage, stage, f"[stages.{name}]") for name, stage in stages.items()}
    if unknown := sorted(set(values.get("card", {})) - set(CARD)):
        msg = f"Unknown key {unknown[0]!r} in [card] of the recipe; known are {', '.join(sorted(CARD))}."
        raise ValueError(msg)
    if wrong := [key for key, value in values.get("card", {}).items() if not isinstance(value, str)]:
        msg = f"{wrong[0]} in [card] of the recipe must be text in quotes."
        raise ValueError(msg)
    model = values.get("model", {})
    values["model"] = {key: tuple(v) if isinstance(v, list) else v for key, v in model.items()}
    return _checked(Recipe, values, "the top level")
