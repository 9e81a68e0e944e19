r"""Blind deconvolution as self-calibration in the Fourier domain.

A circular convolution ``y = h * z`` is entrywise after the unitary transform F: ``F y = d (F z)``
with the transfer function ``d = sqrt(m) F h``, so gains are frequencies and A_l becomes F A_l.
"""

from __future__ import annotations

import cmath

from ...._array import Array, array_namespace, double, fft_of

__all__ = ["filter_of", "filtered", "inverse_gains", "known", "real_filter", "spectra"]


def spectra(X: Array) -> Array:
    """Unitary Fourier transform of the rows.

    Parameters
    ----------
    X : array of shape (p, m)
        Real or complex.

    Returns
    -------
    Y : array of shape (p, m)
        Of complex128.
    """
    xp = array_namespace(X)
    rows = xp.astype(double(X), xp.complex128)
    return fft_of(rows).fft(rows, axis=-1, norm="ortho")


def filtered(X: Array, transfer: Array) -> Array:
    """Multiply the spectra of the rows.

    Parameters
    ----------
    X : array of shape (p, m)
        Real or complex.
    transfer : array of shape (m,)
        Transfer function; zero where unknown (NaN).

    Returns
    -------
    Y : array of shape (p, m)
        Of complex128.
    """
    rows = spectra(X) * known(transfer)
    return fft_of(rows).ifft(rows, axis=-1, norm="ortho")


def filter_of(transfer: Array) -> Array:
    """Impulse response of a transfer function, unknown (NaN) frequencies taken as zero.

    Parameters
    ----------
    transfer : array of shape (m,)
        Complex.

    Returns
    -------
    h : array of shape (m,)
        Complex.
    """
    transfer = known(transfer)
    return fft_of(transfer).ifft(transfer, axis=-1)


def known(values: Array) -> Array:
    """Put zeros in place of NaN.

    Parameters
    ----------
    values : array
        Real or complex.

    Returns
    -------
    values : array
        Of the same shape.
    """
    xp = array_namespace(values)
    return xp.where(xp.isnan(values), xp.zeros_like(values), values)


def inverse_gains(gains: Array) -> Array:
    """Return 1 / gains, NaN where they are NaN, without a division by NaN (NumPy warns of it).

    Parameters
    ----------
    gains : array of shape (m,)
        Not zero.

    Returns
    -------
    s : array of shape (m,)
        Of the same dtype.
    """
    xp = array_namespace(gains)
    dead = xp.isnan(gains)
    s = 1.0 / xp.where(dead, xp.ones_like(gains), gains)
    return xp.where(dead, xp.full_like(gains, xp.nan), s)


def real_filter(transfer: Array, signals: Array) -> tuple[Array, Array, Array]:
    """Choose the phase of a solution that makes filter and signals real, where the data are.

    Parameters
    ----------
    transfer : array of shape (m,)
        Transfer function of a real filter times some unit number.
    signals : array
        Real signals divided by that number.

    Returns
    -------
    transfer : array of shape (m,)
        That of the real filter.
    signals : array
        Real.
    h : array of shape (m,)
        The real filter.
    """
    h = filter_of(transfer)
    xp = array_namespace(h)
    # sum h^2 is positive for real h, so its phase is twice the unknown one
    phase = cmath.exp(-0.5j * cmath.phase(complex(xp.sum(h * h))))
    return transfer * phase, xp.real(signals / phase), xp.real(h * phase)
