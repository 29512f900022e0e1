"""
The stages of training by the name that recipes call them.
"""

from sunpy_superres.training.field_tasks import AutoencoderTask, FlowTask, NetworkTask, RegressionTask, StepsTask
from sunpy_superres.training.image_tasks import FeaturesTask, ImagesTask

__all__ = ["STAGES"]

#: Tasks of the stages by name.
STAGES = {
    "autoencoder": AutoencoderTask,
    "regression": RegressionTask,
    "flow": FlowTask,
    "network": NetworkTask,
    "steps": StepsTask,
    "images": ImagesTask,
    "features": FeaturesTask,
}
