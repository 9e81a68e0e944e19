"""State space layers on a batch, forwards and backwards, beside what they could be made of."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from .common import Speed

BATCH, WIDTH, STATE = 64, 32, 32


class Kernel(Speed):
    """Kernel of 32 channels of 16 modes; the target is 1.5 times product and convolution."""

    param_names = ["length"]
    params = [[128, 1024]]
    budget = 8.0

    def make_data(self, length):
        import torch

        from subspace_learn.deep import S4DLayer

        torch.manual_seed(0)
        return S4DLayer(WIDTH, STATE, init="lin"), torch.randn(1, WIDTH, length)

    def nbytes(self, data):
        return data[1].nbytes

    def ours(self, data):
        layer, u = data
        return layer.kernel(u.shape[2])

    def peers(self, data):
        layer, u = data

        def product_and_convolution():
            return convolved(u, vandermonde(layer, u.shape[2]))

        return {"Vandermonde product and FFT convolution": product_and_convolution}


class Layer(Speed):
    """Output of 64 sequences of 32 channels and all gradients; float32, one thread."""

    param_names = ["layer", "length"]
    params = [["s4d", "s5"], [128, 1024]]
    budget = 10.0

    def setup(self, *case):
        super().setup(*case)
        self.one = threadpool_limits(1)

    def teardown(self, *case):
        self.one.restore_original_limits()
        super().teardown(*case)

    def make_data(self, layer, length):
        import torch

        from subspace_learn.deep import S4DLayer, S5Layer

        torch.set_num_threads(1)
        torch.manual_seed(0)
        self.layer = {"s4d": S4DLayer, "s5": S5Layer}[layer](WIDTH, STATE, init="lin")
        return torch.randn(BATCH, length, WIDTH, requires_grad=True)

    def nbytes(self, data):
        return data.nbytes

    def ours(self, u):
        self.layer(u).square().mean().backward()

    def peers(self, u):
        if hasattr(self.layer, "B"):
            return {"loop over time": lambda: plain_s5(self.layer, u)}
        return {"Vandermonde product and FFT convolution": lambda: plain_s4d(self.layer, u)}


def vandermonde(layer, length):
    """The kernel as its formula stands: all powers of all modes, in double precision too."""
    import torch

    values, dt = layer.modes()
    z = dt * values
    weight = torch.view_as_complex(layer.C.double())[0] * torch.expm1(z) / values
    powers = torch.exp(z[:, :, None] * torch.arange(length))
    return 2 * torch.einsum("hn,hnl->hl", weight, powers).real


def convolved(u, kernel):
    import torch

    size = 2 * u.shape[-1]
    spectrum = torch.fft.rfft(u, n=size) * torch.fft.rfft(kernel.to(u.dtype), n=size)
    return torch.fft.irfft(spectrum, n=size)[..., : u.shape[-1]]


def plain_s4d(layer, u):
    y = convolved(u.transpose(1, 2), vandermonde(layer, u.shape[1])).transpose(1, 2) + layer.D * u
    y.square().mean().backward()


def plain_s5(layer, u):
    """The recurrence as its formula stands."""
    import torch

    values, dt = layer.modes()
    decay = torch.exp(dt * values)
    enter = ((decay - 1) / values)[:, None] * torch.view_as_complex(layer.B.double())
    decay, enter = decay.to(torch.complex64), enter.to(torch.complex64)
    C = torch.view_as_complex(layer.C)[0]
    inputs = u.to(torch.complex64) @ enter.T
    x, y = torch.zeros_like(inputs[:, 0]), []
    for k in range(u.shape[1]):
        x = decay * x + inputs[:, k]
        y.append(2 * (x @ C.T).real)
    (torch.stack(y, dim=1) + layer.D * u).square().mean().backward()
