"""NSL-KDD: network connections, normal and attacks (Tavallaee et al., CISDA 2009)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.utils import Bunch

from ._data_home import Outputs, local_files, optional_import, read_npz

__all__ = ["convert_nsl_kdd", "fetch_nsl_kdd"]

# The columns of the text files, in order; the three of _VOCABULARIES are text, the others numbers.
_COLUMNS = """
duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot
num_failed_logins logged_in num_compromised root_shell su_attempted num_root num_file_creations
num_shells num_access_files num_outbound_cmds is_host_login is_guest_login count srv_count
serror_rate srv_serror_rate rerror_rate srv_rerror_rate same_srv_rate diff_srv_rate
srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate dst_host_diff_srv_rate
dst_host_same_src_port_rate dst_host_srv_diff_host_rate dst_host_serror_rate
dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate
""".split()

# Sorted values of train and test together; a code is a position here.
_VOCABULARIES = {
    "protocol_type": "icmp tcp udp".split(),
    "service": """
        IRC X11 Z39_50 aol auth bgp courier csnet_ns ctf daytime discard domain domain_u echo eco_i
        ecr_i efs exec finger ftp ftp_data gopher harvest hostnames http http_2784 http_443
        http_8001 imap4 iso_tsap klogin kshell ldap link login mtp name netbios_dgm netbios_ns
        netbios_ssn netstat nnsp nntp ntp_u other pm_dump pop_2 pop_3 printer private red_i
        remote_job rje shell smtp sql_net ssh sunrpc supdup systat telnet tftp_u tim_i time urh_i
        urp_i uucp uucp_path vmnet whois""".split(),
    "flag": "OTH REJ RSTO RSTOS0 RSTR S0 S1 S2 S3 SF SH".split(),
}

_FAMILIES = {
    "normal": ["normal"],
    "dos": """apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm
        worm""".split(),
    "probe": "ipsweep mscan nmap portsweep saint satan".split(),
    "r2l": """ftp_write guess_passwd httptunnel imap multihop named phf sendmail snmpgetattack
        snmpguess spy warezclient warezmaster xlock xsnoop""".split(),
    "u2r": "buffer_overflow loadmodule perl ps rootkit sqlattack xterm".split(),
}

_KEYS = ["X_num", "X_cat", "num_names", "cat_names", "y", "attack", "attack_names"]
_KEYS += ["family", "family_names", *(f"vocab_{name}" for name in _VOCABULARIES)]

_DESCR = """NSL-KDD, the {subset} set: connections of a simulated network.

38 numeric and 3 categorical features of a connection; target 0 normal, 1 attack; `attack` names the
attack type and `family` its kind (dos, probe, r2l, u2r). Many attack types of the test set never
occur in the train set (125,973 rows, 67,343 normal; test: 22,544 rows, 9,711 normal).

Facts to know. num_outbound_cmds is constant 0. src_bytes and dst_bytes reach 1.4e9, so a plain
standardisation is ruled by a handful of rows; try sign(x) log(1 + |x|). float32 is exact up to
2**24; larger byte counts are rounded by less than 64. `difficulty` (train only) says how many of 21
reference learners were right. In anomaly detection fit on normal rows of the train set only, and
take the threshold from train normals, never from test scores.

Tavallaee, Bagheri, Lu, Ghorbani, "A detailed analysis of the KDD CUP 99 data set", CISDA 2009.
Canadian Institute for Cybersecurity, University of New Brunswick; free for research with citation.
"""


def fetch_nsl_kdd(
    subset: Literal["train", "test"] = "train",
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    as_frame: bool = False,
    return_X_y: bool = False,
    progressbar: bool = False,
) -> Any:
    """Load the NSL-KDD network intrusion data, downloading them if need be.

    Parameters
    ----------
    subset : {"train", "test"}, default="train"
        KDDTrain+ (125,973 rows) or KDDTest+ (22,544 rows).
    data_home : path-like or None, default=None
        Folder of the data; see :func:`data_home`.
    download_if_missing : bool, default=True
        If False, a missing file raises.
    as_frame : bool, default=False
        Give ``data`` as a pandas DataFrame (38 float32 columns, 3 categorical ones with their
        words) and ``target`` as a Series.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    progressbar : bool, default=False
        Show the progress of a download (needs tqdm).

    Returns
    -------
    data : sklearn.utils.Bunch or tuple
        ``data`` (n, 41) float32: 38 numeric columns, then the 3 categorical ones as integer codes;
        ``target`` (n,) 0 normal, 1 attack; ``attack`` and ``family`` (n,) words; ``difficulty``
        (n,), None in the test set; ``feature_names``; ``categorical_features``, the positions of
        the categorical columns; ``categories``, their words by column name, a code being a position
        there; ``frame``, data and target together if ``as_frame``; ``DESCR``.

    Raises
    ------
    DatasetUnavailableError
        If the file is missing and cannot be brought, or is damaged.
    ValueError
        If ``subset`` is neither "train" nor "test".
    """
    if subset not in ("train", "test"):
        raise ValueError(f'subset={subset!r} is unknown: take "train" or "test".')
    name = f"nsl_kdd/{subset}"
    [path] = local_files(
        name,
        [f"{name}.npz"],
        convert_nsl_kdd,
        home=data_home,
        download_if_missing=download_if_missing,
        progressbar=progressbar,
    )
    stored = read_npz(path, _KEYS + ["difficulty"] * (subset == "train"))
    bunch = _bunch(stored, _DESCR.format(subset=subset))
    if as_frame:
        bunch.update(_frames(bunch))
    return (bunch.data, bunch.target) if return_X_y else bunch


def convert_nsl_kdd(originals: Mapping[str, Path]) -> Outputs:
    """Code the text files KDDTrain+.txt and KDDTest+.txt; the others' difficulty is left out."""
    outputs = {}
    for name, path in originals.items():
        subset = {"KDDTrain+.txt": "train", "KDDTest+.txt": "test"}[name]
        outputs[f"nsl_kdd/{subset}.npz"] = _coded(path, keep_difficulty=subset == "train")
    return outputs


def _coded(path: Path, *, keep_difficulty: bool) -> dict[str, np.ndarray]:
    text = [_COLUMNS.index(name) for name in _VOCABULARIES]
    numbers = [column for column in range(len(_COLUMNS)) if column not in text]
    attack_column, difficulty_column = len(_COLUMNS), len(_COLUMNS) + 1
    words = np.loadtxt(path, delimiter=",", dtype=str, usecols=[*text, attack_column], ndmin=2)
    values = np.loadtxt(path, delimiter=",", usecols=[*numbers, difficulty_column], ndmin=2)

    family_of = {
        attack: code for code, attacks in enumerate(_FAMILIES.values()) for attack in attacks
    }
    attack_names = np.array(sorted(family_of))
    family = np.array([family_of[attack] for attack in attack_names], dtype=np.uint8)
    attack = _codes(words[:, -1], attack_names)
    vocabularies = {name: np.array(words_) for name, words_ in _VOCABULARIES.items()}
    columns = [
        _codes(words[:, j], vocabulary) for j, vocabulary in enumerate(vocabularies.values())
    ]
    coded = {
        "X_num": values[:, :-1].astype(np.float32),
        "num_names": np.array([_COLUMNS[column] for column in numbers]),
        "cat_names": np.array(list(_VOCABULARIES)),
        "X_cat": np.stack(columns, axis=1),
        "y": (words[:, -1] != "normal").astype(np.uint8),
        "attack": attack,
        "attack_names": attack_names,
        "family": family[attack],
        "family_names": np.array(list(_FAMILIES)),
        **{f"vocab_{name}": vocabulary for name, vocabulary in vocabularies.items()},
    }
    if keep_difficulty:
        coded["difficulty"] = values[:, -1].astype(np.uint8)
    return coded


def _codes(words: np.ndarray, vocabulary: np.ndarray) -> np.ndarray:
    """Position of each word in the sorted vocabulary; an unknown word raises."""
    codes = np.searchsorted(vocabulary, words).clip(max=len(vocabulary) - 1)
    unknown = vocabulary[codes] != words
    if unknown.any():
        raise ValueError(
            f"{np.unique(words[unknown])[:5]} not among the {len(vocabulary)} known words "
            f"{vocabulary[:3]}...: this is not the NSL-KDD text file."
        )
    return codes.astype(np.uint8)


def _bunch(stored: Mapping[str, np.ndarray], description: str) -> Bunch:
    categorical = stored["cat_names"].tolist()
    n_numeric = len(stored["num_names"])
    return Bunch(
        data=np.hstack([stored["X_num"], stored["X_cat"].astype(np.float32)]),
        target=stored["y"].astype(np.int64),
        attack=stored["attack_names"][stored["attack"]],
        family=stored["family_names"][stored["family"]],
        difficulty=stored["difficulty"].astype(np.int64) if "difficulty" in stored else None,
        feature_names=stored["num_names"].tolist() + categorical,
        categorical_features=np.arange(n_numeric, n_numeric + len(categorical)),
        categories={name: stored[f"vocab_{name}"] for name in categorical},
        frame=None,
        DESCR=description,
    )


def _frames(bunch: Bunch) -> dict[str, Any]:
    """Data, target and both together as pandas objects, categorical codes turned into words."""
    pd = optional_import("pandas", "as_frame=True")
    n_numeric = len(bunch.feature_names) - len(bunch.categories)
    data = pd.DataFrame(bunch.data[:, :n_numeric], columns=bunch.feature_names[:n_numeric])
    for column, (name, words) in zip(
        bunch.categorical_features, bunch.categories.items(), strict=True
    ):
        codes = bunch.data[:, column].astype(np.int64)
        data[name] = pd.Categorical.from_codes(codes, categories=words)
    target = pd.Series(bunch.target, name="target")
    return {"data": data, "target": target, "frame": data.assign(target=target)}
