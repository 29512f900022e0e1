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
    "model_info",
]
