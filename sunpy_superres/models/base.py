"""
The contract of every method and of every generator, and the registries that `sunpy_superres.superresolve` and
`sunpy_superres.generate_aia` read.

A method is one file of this folder that registers its class; nothing else needs to know of it.
"""

import numpy as np
import torch
from torch import nn

__all__ = ["ARCHITECTURES", "METHODS", "ImageGenerator", "SuperResolver", "register_architecture", "register_method"]

#: Registered classes by method name.
METHODS = {}
#: Registered classes by name that are no methods: generators, and what measures them.
ARCHITECTURES = {}


def _register(registry, name):
    def decorate(cls):
        if name in METHODS or name in ARCHITECTURES:
            other = METHODS.get(name) or ARCHITECTURES[name]
            msg = f"The method {name!r} is registered twice, by {other.__name__} and {cls.__name__}."
            raise ValueError(msg)
        cls.method = name
        registry[name] = cls
        return cls

    return decorate


def register_method(name):
    """
    Class decorator that makes a `SuperResolver` available as ``method=name``.
    """
    return _register(METHODS, name)


def register_architecture(name):
    """
    Class decorator that makes any other network known by the name that ``config.json`` gives.
    """
    return _register(ARCHITECTURES, name)


class SuperResolver(nn.Module):
    """
    A network, or several, that turn a calibrated low-resolution field into samples of the fine one.

    Subclasses set the attributes and define `draw` or, where they are deterministic, ``forward`` and ``reach``;
    their constructor takes plain numbers only, the ones that ``config.json`` holds beside the weights.
    """

    #: Name in the registry; set by `register_method`.
    method = None
    #: What it is for: ``"superresolve"``, ``"generate"``, ``"describe"`` or ``"encode"``.
    purpose = "superresolve"
    #: Whether samples differ from each other.
    stochastic = True
    #: Whether samples 2k and 2k + 1 are drawn from opposite noise: their errors cancel in the mean of the ensemble.
    antithetic = False
    #: Whether one result alone is not a draw, but that of the network without chance.
    alone = False
    #: Whether there are weights to load.
    trained = True
    #: Up-sampling factor.
    factor = 4
    #: Low-resolution pixels of the coarsest grid's cell; maps are padded to whole cells.
    cell = 1
    #: Low-resolution pixels of a tile's side unless told; `None` for that of the engine.
    tile_size = None
    #: Largest field in HMI gauss that it has learned to deal with, or `None`: what is beyond it, or stands out of its
    #: neighbors as nothing on the Sun does, is interpolated instead.
    limit = None
    #: Largest noise of the input in HMI gauss that it is known to bear, or `None`.
    noise_limit = None
    #: Number of sampler steps unless told, or None where there is no sampler.
    steps = None
    #: The solver and the numbers that go with it, in words, or None where there is no sampler.
    solver_description = None

    def lower(self, dtype):
        """
        Compute in a lower precision where it loses nothing; by default nowhere.

        Parameters
        ----------
        dtype : `torch.dtype`
            The precision.

        Returns
        -------
        `torch.dtype`
            The lowest precision that is computed in from now on.
        """
        return torch.float32

    def draw(self, field, radius, active, samples, *, seed, steps, engine):
        """
        Draw samples, one after the other; unless overridden, the one result of a deterministic network.

        That is ``self(field, radius)``, in tiles that overlap by `reach`: how far the network looks, in low-resolution
        pixels on each side.

        Parameters
        ----------
        field, radius : `torch.Tensor`
            Calibrated field in HMI gauss and distance from disk center in solar radii, shape (1, 1, y, x),
            y and x multiples of `cell`.
        active : `torch.Tensor`
            Boolean, shape (y / cell, x / cell): cells that hold any valid pixel.
        samples : iterable of `int`
            Numbers of the samples wanted; sample k is the same whatever else is drawn.
        seed : `int`
            Seed of the ensemble.
        steps : `int` or None
            Steps of the sampler.
        engine : `sunpy_superres.inference.Engine`
            Where and in which pieces to compute.

        Yields
        ------
        `torch.Tensor`
            Shape (factor * y, factor * x), float32, HMI gauss.
        """
        tiles = engine.tiles(active)
        halo = -(-self.reach // self.cell)
        (fine,) = tiles.apply(lambda *piece: (self(*piece),), field, radius, halo=halo)
        for _ in samples:
            yield fine[0, 0]

    @classmethod
    def noise(cls, shape, seed, sample):
        """
        Standard normal noise of one sample for the whole field, the same on every device.
        """
        return next(cls.noises(shape, seed, sample))

    @classmethod
    def noises(cls, shape, seed, sample):
        """
        The same, as often as it is asked for: some samplers add noise on their way.
        """
        key, sign = (sample // 2, 1 - 2 * (sample % 2)) if cls.antithetic else (sample, 1)
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
        while True:
            yield torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32)) * sign


class ImageGenerator(nn.Module):
    """
    A network that draws whole images of the Sun from a flare class.

    Subclasses define `draw`; their constructor takes plain numbers only, the ones that ``config.json`` holds beside
    the weights.
    """

    #: Name in the registry; set by `register_architecture`.
    method = None
    #: See `SuperResolver`.
    purpose = "generate"
    #: Pixels of an image along each axis.
    size = None
    #: What 0 and 1 mean in an image.
    scaling = None
    #: Least and largest solar radius, in pixels, that it can draw.
    radii = None

    def lower(self, dtype):
        """
        Compute in a lower precision where it loses nothing; by default nowhere.
        """
        return torch.float32

    def draw(self, label, flux, radius, samples, *, seed, steps=None, guidance=None, solver=None):
        """
        Draw images, one after the other.

        Parameters
        ----------
        label : `int`
            Class: 0 to 4 for A to X, 5 for none.
        flux : `float`
            Logarithm (base 10) of the X-ray flux in W/m2, or NaN.
        radius : `float`
            Solar radius in pixels; the disk is in the middle of the image.
        samples : iterable of `int`
            Numbers of the draws wanted; draw k is the same whatever else is drawn.
        seed : `int`
            Seed of all draws.
        steps, guidance, solver : optional
            How to sample, if not as the model does by itself.

        Yields
        ------
        `torch.Tensor`
            Shape (size, size), float32, 0 to 1, the first row in the south.
        """
        raise NotImplementedError

    @staticmethod
    def noise(shape, seed, key, device):
        """
        Standard normal noise of one draw, as often as it is asked for; the same on every device.

        The key holds the class too: else the draws of two classes with one seed would be the same Sun.
        """
        generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
        while True:
            yield torch.from_numpy(generator.standard_normal(tuple(shape), dtype=np.float32)).to(device)
