"""
Alarms from a folder of files that is larger than memory
========================================================

A machine writes one Parquet file a day: twelve sensors, a row a minute. Dask reads the files one by
one, a detector goes through them by sums, and alarms are written back beside the times. The same
rows in one NumPy file on a disk need no Dask. Both give the threshold of the whole table. Needs
``pip install "subspace-learn[distributed]"``.
"""

import tempfile
from pathlib import Path

import dask
import dask.dataframe as dd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from subspace_learn import GrassmannPCA, SubspaceDetector

DAYS, MINUTES, BAD_DAY, BAD_HOUR = 30, 1440, 20, slice(600, 660)
home = Path(tempfile.mkdtemp())
(home / "days").mkdir()
rng = np.random.default_rng(0)
# Four hidden loads move twelve sensors in units from 0.01 to 1000; for an hour one goes astray.
mixing, units = rng.normal(size=(4, 12)), np.geomspace(0.01, 1000, 12)
for day in range(DAYS):
    X = rng.normal(size=(MINUTES, 4)) @ mixing + 0.3 * rng.normal(size=(MINUTES, 12))
    if day == BAD_DAY:
        X[BAD_HOUR, 5] += 6.0
    start = pd.Timestamp("2026-01-01") + pd.Timedelta(days=day)
    times = pd.date_range(start, periods=MINUTES, freq="min", name="time")
    frame = pd.DataFrame(X * units, index=times, columns=[f"sensor{i}" for i in range(12)])
    frame.to_parquet(home / "days" / f"{day:02}.parquet")

# %%
# scikit-learn's ``StandardScaler`` makes one array of what it is given. Mean and deviation are sums
# that Dask adds up itself.


class ChunkScaler(TransformerMixin, BaseEstimator):
    """Subtract the mean of each column and divide by its deviation; frames may be Dask's."""

    def fit(self, X, y=None):
        self.mean_, self.scale_ = dask.compute(X.mean(axis=0), X.std(axis=0))
        return self

    def transform(self, X):
        if hasattr(X, "map_partitions"):
            return X.map_partitions(self.transform)
        return (X - self.mean_) / self.scale_


files = sorted((home / "days").iterdir())
past, table = dd.read_parquet(files[:15]), dd.read_parquet(files)
detector = make_pipeline(ChunkScaler(), SubspaceDetector(GrassmannPCA(4), quantile=0.999))
detector.fit(past)  # days that are known to be normal


def alarms(part):
    """Scores and alarms of one file, a pandas frame, with its times."""
    scores = detector.decision_function(part)
    length = (detector[0].transform(part) ** 2).sum(axis=1)
    return pd.DataFrame({"score": -scores, "alarm": scores < 0, "length": length}, part.index)


table.map_partitions(alarms).to_parquet(home / "alarms")
found = pd.read_parquet(home / "alarms").sort_index()  # files come in the order of their names

# %%
# The same rows in one file on this machine: ``mmap_mode`` reads what is asked for, ``partial_fit``
# takes one stretch after the other, and the threshold is read off five days that were not fitted.

np.save(home / "table.npy", table.compute().to_numpy())
rows = np.load(home / "table.npy", mmap_mode="r")
days = [slice(MINUTES * day, MINUTES * (day + 1)) for day in range(DAYS)]
scaler, pca = StandardScaler(), GrassmannPCA(4)
for day in days[:10]:
    scaler.partial_fit(rows[day])
for day in days[:10]:
    pca.partial_fit(scaler.transform(rows[day]))
stream = SubspaceDetector(FrozenEstimator(pca), quantile=0.999, threshold_rows="training")
stream.fit(scaler.transform(rows[MINUTES * 10 : MINUTES * 15]))
labels = np.concatenate([stream.predict(scaler.transform(rows[day])) for day in days])

bad = np.zeros(len(found), dtype=bool)
bad[BAD_DAY * MINUTES + np.arange(MINUTES)[BAD_HOUR]] = True
length = found["length"] > found["length"].quantile(0.999)
print("minutes of the bad hour found, and false alarms among", (~bad).sum(), "other minutes")
for name, alarm in {
    "by Dask": found["alarm"],
    "from one file": labels == -1,
    "length of the row": length,
}.items():
    print(f"  {name:18} {np.sum(alarm[bad])} of {bad.sum()}, {np.sum(alarm[~bad])}")

figure, (above, below) = plt.subplots(2, figsize=(9, 5), layout="constrained")
near = slice(BAD_DAY * MINUTES + 540, BAD_DAY * MINUTES + 720)
hours = np.arange(540, 720) / 60
above.plot(hours, found["score"].iloc[near], color="#0072B2", lw=1)
above.axhline(0, color="#D55E00")
above.text(9.05, 0.3, "threshold", color="#D55E00")
above.axvspan(10, 11, color="0.9", zorder=0)
above.set(xlabel="hour of day 20", ylabel="score above the threshold", xlim=(9, 12))
per_hour = found["alarm"].groupby(found.index.floor("h")).sum()
below.bar(np.arange(len(per_hour)) / 24, per_hour, width=0.1, color="#0072B2")
below.set(xlabel="day", ylabel="alarms an hour", xlim=(0, DAYS))
plt.show()
