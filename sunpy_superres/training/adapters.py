"""
Low-rank adapters: a trained network learns something new with few weights (LoRA, Hu et al. 2022, arXiv:2106.09685).
"""

import torch
from torch import nn
from torch.nn.utils import parametrize

__all__ = ["LowRank", "add_adapters", "merged_state", "remove_adapters"]


class LowRank(nn.Module):
    """
    What is added to the weight of a convolution: a product of two thin matrices, of which one starts at zero.

    Parameters
    ----------
    shape : `tuple` of `int`
        Of the weight: outputs, inputs, y, x.
    rank : `int`
        Columns of the one matrix, rows of the other.
    """

    def __init__(self, shape, rank):
        super().__init__()
        outputs, inputs = shape[0], shape[1:].numel()
        self.down = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, weight):
        return weight + (self.up @ self.down).view(weight.shape)


def add_adapters(module, rank):
    """
    Give every convolution that is larger than its adapter an adapter, and freeze all else.

    Parameters
    ----------
    module : `torch.nn.Module`
        Changed in place.
    rank : `int`
        Rank of the adapters.
    """
    module.requires_grad_(False)
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d):
            weight = layer.weight
            if rank * (weight.shape[0] + weight.shape[1:].numel()) < weight.numel():
                parametrize.register_parametrization(layer, "weight", LowRank(weight.shape, rank).to(weight.device))


def merged_state(module):
    """
    The weights of a module with its adapters put into them, by the names that they have without adapters.

    Parameters
    ----------
    module : `torch.nn.Module`
        With adapters or without.

    Returns
    -------
    `dict`
    """
    state = {}
    for name, value in module.state_dict().items():
        layer, adapted, rest = name.partition("parametrizations.weight.")
        if not adapted:
            state[name] = value
        elif rest == "original":  # of the module itself, or of one within
            state[f"{layer}weight"] = module.get_submodule(layer.rstrip(".")).weight.detach()
    return state


def remove_adapters(module):
    """
    Make a network what it was before `add_adapters`, with the weights that it then had.

    Parameters
    ----------
    module : `torch.nn.Module`
        Changed in place. Copies of it that have adapters cannot be used any more.
    """
    for layer in list(module.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)
