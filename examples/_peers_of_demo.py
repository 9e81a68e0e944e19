"""What an expert would use instead, for the rows of the demo that need more than one call."""

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import butter, sosfiltfilt


def extended(X, frequencies, sfreq):
    """Channels filtered around each frequency and its second harmonic, stacked (pyRiemann)."""
    bands = [(h * f - 1, h * f + 1) for f in frequencies for h in (1, 2)]
    filters = [butter(2, band, "bandpass", fs=sfreq, output="sos") for band in bands]
    return np.concatenate([sosfiltfilt(sections, X, axis=-1) for sections in filters], axis=1)


def canonical_correlation(X, frequencies, sfreq):
    """Label of the frequency that the channels follow best, with two harmonics; no training."""
    angle = 2 * np.pi * np.arange(X.shape[2]) / sfreq
    centred = (X - X.mean(axis=2, keepdims=True)).swapaxes(1, 2)
    epochs, scores = np.linalg.qr(centred)[0].swapaxes(1, 2), []
    for frequency in frequencies:
        harmonics = np.outer([frequency, 2 * frequency, 3 * frequency], angle)
        waves = np.vstack([np.sin(harmonics), np.cos(harmonics)]).T
        basis = np.linalg.qr(waves - waves.mean(axis=0))[0]
        scores.append(np.linalg.svd(epochs @ basis, compute_uv=False)[:, 0])
    return np.argmax(scores, axis=0)


def alternating_least_squares(rows, n_pixels, n_taps, n_steps=200):
    """The image for a filter, the filter for that image, and again: rows smeared in a circle."""
    m = rows.shape[1]
    h, spectra = np.eye(1, n_taps)[0], np.fft.fft(rows)

    def solved(power, right, length):
        """Least squares of a circular convolution, the answer being short."""
        gram, right = np.fft.ifft(power).real, np.fft.ifft(right).real
        return solve_toeplitz(gram[:length], right[..., :length].T).T

    for _ in range(n_steps):
        H = np.fft.fft(h, m)
        x = solved(np.abs(H) ** 2, np.conj(H) * spectra, n_pixels)
        S = np.fft.fft(x, m)
        power, right = np.sum(np.abs(S) ** 2, axis=0), np.sum(np.conj(S) * spectra, axis=0)
        h = solved(power, right, n_taps)
    return x
