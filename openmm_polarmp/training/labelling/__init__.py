"""Labels of structures by methods that everybody can run: SO3LR and other models, GFN-xTB, PySCF and CP2K.

They give training data free of licences, and the response of the same method to compare a model's response with.
"""

from openmm_polarmp.training.labelling.methods import METHODS, method_of
from openmm_polarmp.training.labelling.protocol import Labels, Method, NotConverged, label_frame
from openmm_polarmp.training.labelling.run import label

__all__ = ["METHODS", "Labels", "Method", "NotConverged", "label", "label_frame", "method_of"]
