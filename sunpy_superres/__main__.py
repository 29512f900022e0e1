"""
``python -m sunpy_superres``.
"""

from sunpy_superres.cli import main

if __name__ == "__main__":
    main(prog_name="sunpy-superres")
