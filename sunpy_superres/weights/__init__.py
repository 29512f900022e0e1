"""
Pretrained weights: which there are, where they come from, and how they are read.
"""

from sunpy_superres.weights.registry import ModelRecord, find_model, list_models, model_info

__all__ = ["ModelRecord", "find_model", "list_models", "model_info"]
