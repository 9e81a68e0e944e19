"""What a user sees of a long training, as skorch callbacks."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

__all__ = ["EpochBar", "EpochLines"]


def _losses(net: NeuralNet) -> dict[str, str]:
    names = {"train_loss": "training loss", "valid_loss": "validation loss"}
    last = net.history[-1]
    return {text: f"{last[name]:.4g}" for name, text in names.items() if name in last}


class EpochBar(Callback):
    """A bar that grows with the epochs, on the standard error stream."""

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Draw the empty bar."""
        from tqdm import tqdm  # skorch needs it too

        self.bar_ = tqdm(total=net.max_epochs, unit="epoch")

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Grow by one."""
        self.bar_.set_postfix(_losses(net), refresh=False)
        self.bar_.update()

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the bar as it is; it cannot be pickled."""
        self.bar_.close()
        del self.bar_


class EpochLines(Callback):
    """A line for each epoch, on the standard output stream."""

    def on_epoch_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Say how the epoch went."""
        last = net.history[-1]
        losses = ", ".join(f"{name} {value}" for name, value in _losses(net).items())
        print(f"epoch {last['epoch']}: {losses}, {last['dur']:.2f} s", flush=True)
