"""Where a layer of a network is active: functions of its activations, without torch.

:class:`subspace_learn.deep.EigenCAM` takes the activations out of a torch network by itself.
"""

from ..functional.activations.eigen_cam import eigen_cam, mean_activation_map

__all__ = ["eigen_cam", "mean_activation_map"]
