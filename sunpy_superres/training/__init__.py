"""
Training of the package's models: prepare arrays, fit a recipe, write weights.
"""
