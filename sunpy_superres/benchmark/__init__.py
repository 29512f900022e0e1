"""
Measuring a method on magnetograms whose truth is known: the commands behind every number the package quotes.

* `degraded_hmi`: HMI magnetograms brought to MDI by the forward operator; the truth is exact.
* `real_pairs`: MDI and HMI magnetograms of the same moment; the input is real.
* `run_reference`, `run_continuum`: HMI enlarged twice, held against what the authors of Enhance published.
* `run_full_disk`: time, memory, and what tiles change of the result.
* `fit_spread`: the calibration of a model's spread.
* `ablation`: what each term of the loss of a network is worth.
* `evaluate_trained`, `write_release`: what a training ends with; `cross_validate`, `paired_fields`: fine-tuning on real
  pairs.
* `evaluate_generator`, `run_classifier`: generated AIA images against real ones, and what they are good for.
* `run_protocol`: every method, baseline, control and any other code by a protocol that is data (`read_protocol`,
  `list_protocols`), with confidence intervals and a report.

All return plain dictionaries, which `write_json` keeps and `table` compares with the targets.
"""

from sunpy_superres.benchmark.ablation import ablation
from sunpy_superres.benchmark.classifier import classifier_table, run_classifier
from sunpy_superres.benchmark.compare import Comparison, compare, comparison_table, write_csv
from sunpy_superres.benchmark.cross_validation import cross_validate
from sunpy_superres.benchmark.degraded import degraded_hmi, run_degraded, score_ensemble
from sunpy_superres.benchmark.full_disk import run_full_disk
from sunpy_superres.benchmark.generator import GENERATOR_TARGETS, check_options, evaluate_generator
from sunpy_superres.benchmark.paired import paired_fields
from sunpy_superres.benchmark.pairs import real_pairs, run_pairs
from sunpy_superres.benchmark.protocol import Column, Expected, Protocol, Published, Rows, Table
from sunpy_superres.benchmark.protocol_files import list_protocols, read_protocol
from sunpy_superres.benchmark.reference import continuum_figures, run_continuum, run_reference, score_reference
from sunpy_superres.benchmark.report import TARGETS, Target, read_json, table, targets_of, write_json
from sunpy_superres.benchmark.runner import run_protocol
from sunpy_superres.benchmark.spread import fit_spread, store_calibration
from sunpy_superres.benchmark.trained import evaluate_trained, write_release

__all__ = [
    "GENERATOR_TARGETS",
    "TARGETS",
    "Column",
    "Comparison",
    "Expected",
    "Protocol",
    "Published",
    "Rows",
    "Table",
    "Target",
    "ablation",
    "check_options",
    "classifier_table",
    "compare",
    "comparison_table",
    "continuum_figures",
    "cross_validate",
    "degraded_hmi",
    "evaluate_generator",
    "evaluate_trained",
    "fit_spread",
    "list_protocols",
    "paired_fields",
    "read_json",
    "read_protocol",
    "real_pairs",
    "run_classifier",
    "run_continuum",
    "run_degraded",
    "run_full_disk",
    "run_pairs",
    "run_protocol",
    "run_reference",
    "score_ensemble",
    "score_reference",
    "store_calibration",
    "table",
    "targets_of",
    "write_csv",
    "write_json",
    "write_release",
]
