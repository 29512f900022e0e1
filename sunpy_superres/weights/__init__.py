"""
Pretrained weights: which there are, where they come from, and how they are read.
"""

from sunpy_superres.weights.fetch import cache_folder, clear, fetch, fetch_repository
from sunpy_superres.weights.registry import FileRecord, ModelRecord, find_model, list_models, model_info

__all__ = [
    "FileRecord",
    "ModelRecord",
    "cache_folder",
    "clear",
    "fetch",
    "fetch_repository",
    "find_model",
    "list_models",
    "load_model",
    "model_info",
]


def __getattr__(name):
    # It imports torch, which names and files of models do without.
    if name == "load_model":
        from sunpy_superres.weights.files import load_model  # NOQA: PLC0415

        return load_model
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
