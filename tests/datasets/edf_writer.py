"""A minimal EDF+ writer, so that the tests of the reader need no recorded file."""

import numpy as np


def edf_bytes(digital, ch_names, sfreq, annotations=(), *, gain=1.0, offset=0.0, reserved="EDF+C"):
    """Bytes of an EDF+ file of one-second records: int16 signals and (onset, text) annotations.

    A sample of d stands for ``gain * d + offset``: the physical limits say so.
    """
    n_channels, n_times = digital.shape
    n_records = n_times // sfreq
    lists = [f"+{record}\x14\x14\0".encode() for record in range(n_records)]
    for onset, text in annotations:
        lists[int(onset)] += f"+{onset}\x154.1\x14{text}\x14\0".encode()
    n_text = (max(map(len, lists)) + 1) // 2
    fields = [
        (16, [*ch_names, "EDF Annotations"]),
        (80, [""] * (n_channels + 1)),
        (8, ["uV"] * n_channels + [""]),
        (8, [f"{-2000 * gain + offset:g}"] * n_channels + ["-1"]),
        (8, [f"{2000 * gain + offset:g}"] * n_channels + ["1"]),
        (8, ["-2000"] * n_channels + ["-32768"]),
        (8, ["2000"] * n_channels + ["32767"]),
        (80, [""] * (n_channels + 1)),
        (8, [str(sfreq)] * n_channels + [str(n_text)]),
        (32, [""] * (n_channels + 1)),
    ]
    start = [
        (8, "0"),
        (80, "X X X X"),
        (80, "Startdate 12-AUG-2009 X X X"),
        (8, "12.08.09"),
        (8, "16.15.00"),
        (8, str(256 * (n_channels + 2))),
        (44, reserved),
        (8, str(n_records)),
        (8, "1"),
        (4, str(n_channels + 1)),
    ]
    header = "".join(text.ljust(width) for width, text in start)
    header += "".join(text.ljust(width) for width, texts in fields for text in texts)
    records = digital.astype("<i2").reshape(n_channels, n_records, sfreq).swapaxes(0, 1)
    body = b"".join(
        record.tobytes() + text.ljust(2 * n_text, b"\0")
        for record, text in zip(records, lists, strict=True)
    )
    return header.encode("ascii") + body


def sine(frequency, amplitude, sfreq, seconds):
    """Samples of a sine, as many as ``seconds`` hold."""
    times = np.arange(sfreq * seconds) / sfreq
    return amplitude * np.sin(2 * np.pi * frequency * times)
