"""Where the originals of the data sets are, and what they must hash to.

GitHub addresses are pinned to a commit. The EEG recordings come from PhysioNet itself; their hashes
are those of public copies and agree with the list that MNE-Python ships.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

__all__ = ["MOTOR_IMAGERY_RUNS", "SOURCES", "Remote"]


class Remote(NamedTuple):
    """One original file: its address and its SHA-256."""

    url: str
    sha256: str


def _github(repository: str, commit: str, path: str, sha256: str) -> Remote:
    return Remote(f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}", sha256)


def _nsl_kdd(name: str, sha256: str) -> Remote:
    return _github("defcom17/NSL_KDD", "27bbbdf5c5cccf9970b8b6037a0f19dc09c5a0a9", name, sha256)


def _planetoid(name: str, sha256: str) -> Remote:
    commit = "af6abf468a772cc055bec88c52e4d6f51b7c37e3"
    return _github("kimiyoung/planetoid", commit, f"data/{name}", sha256)


def _geom_gcn(name: str, sha256: str) -> Remote:
    commit = "f1fc0d14b3b019c562737240d06ec83b07d16a8f"
    return _github("graphdml-uiuc-jlu/geom-gcn", commit, f"new_data/{name}", sha256)


def _nettack(name: str, sha256: str) -> Remote:
    commit = "da8ec64b2444233ffa1a29b18e8abdfda2015679"
    return _github("danielzuegner/nettack", commit, f"data/{name}", sha256)


def _newman(name: str, sha256: str) -> Remote:
    commit = "8bc22634570438922e3660f147bf9069ff6ffb6d"
    return _github("qinyuenlp/CommunityDetection", commit, f"data/{name}", sha256)


def _bootcmatch(name: str, sha256: str) -> Remote:
    commit = "f97d0ceb58e2a7be3bdeb2ddd44fa596cf47f1c4"
    return _github("bootcmatch/BCMatch4Graphs", commit, f"Test/RUNS/{name}", sha256)


def _mamem(name: str, sha256: str) -> Remote:
    commit = "1ec323214a1f3444afc430c35e2c3b6efd4852c8"
    path = f"GBWBN_SPDNet/experiments/data/MAMEM/{name}"
    return _github("jjscc/GBWBN", commit, path, sha256)


def _physionet(subject: int, hashes: dict[int, str]) -> tuple[Remote, ...]:
    base = f"https://physionet.org/files/eegmmidb/1.0.0/S{subject:03d}"
    return tuple(
        Remote(f"{base}/S{subject:03d}R{run:02d}.edf", sha256) for run, sha256 in hashes.items()
    )


_LAWYERS_36 = _bootcmatch(
    "metadata_sample_LLawyers_36.txt",
    "2010b5a9b97dab7b2936dcfc74dd75ac18ba6ee35b45faa7cd982864c91ff09c",
)

# subject -> run -> SHA-256 of the EDF file
_MOTOR_IMAGERY: dict[int, dict[int, str]] = {
    1: {
        3: "3427c8d01bff1380bc9ab9f27a35ece2af5dfadf3e291bbc05eb66e4dadbfe2e",
        4: "3d161f88e1c00632585287d2ce584c2bc0f08862438eb255ea8723e00fac693d",
        5: "8828f4b97931100af136cebf27838248b82f69cf359f7e6c3146a1970a8fb8d9",
        6: "5369364f2c4e81ca141679d6dd2ba6ece61c7eb53d7fae31241b308876e1b6b3",
        7: "6320a941815eb7a0bc632e32c07c88b6e2281a0e2f177e8f49e2d0a16231145c",
        8: "358fb5189220725141968ae285fbe9e3f36210b834ffba71d940af308e3aca68",
        9: "1b642457807be572c31e8bb56a936cbdb554507d66e25e242c9bd1b0c557c53c",
        10: "20de1c7746c2349d16bda5e9f1b0ac7b7ad1581102a2e30dd2ac422696f62fb1",
        11: "d5296b9232b0ad88b7022155cbcde618df44d4b0db046ce3bec54f8f8644207a",
        12: "2b281c9b687b4c4176e83251d74743721f2d6ebd76656a972a3b9c44d9d88cd5",
        13: "dde646236a13d846ca68ee71440f1fd38d818bc50a2f4804a29bcf0f773ad167",
        14: "2110c48e3106898e3dbca47e39b330637afd3d3b8bc2da3ba1e44f4ac1118137",
    },
    3: {
        3: "ebf184ea51d9aa3178190583f428db02f184e22412ff300a5f224776d1e8dbb4",
        4: "7d0732eea963488a53153835524e55c2b68220b0a0c7c5be99e535a9f5367e7f",
        5: "847632c525a231a97e61cd942fe8f4205b2138764f14cecd62f76621287efacd",
        6: "8d48a46397416bbea19eb6b97474aaade72029364231202295bbda805ed79c97",
        7: "d8a610bf60a19c1d653a11633f7df40bd7b3eca976bebf2b525eb65017fdf044",
        9: "e871d2d855a538f653e1e71c4181f1e2b0b5eba59ef698328908cd8511dfdf58",
    },
    7: {
        3: "af7f2fe4fc8ae5b727a2cee5e41a58ad0aca7907f0da83b67a754ea7e94ff3a9",
        4: "3b31e50c4a5ebbb25459b1ebdf802b7ca86010857637580aacd53067350553a6",
        5: "6697e3a18c3025727806e28df7c378468b700f73532fd61ecbebaa2960d712dc",
        6: "9f6e8d2367dd2965fe71380ad6d42c94e13848d589516fda86fa0eb93481998e",
        7: "d801688adfc14ce87dd52f4308b0dbf72fffba30fc5d5b66a4c05a4f3b9310d6",
        9: "47aed2ff57705ed0e534cca0fe5e7cf2571b7709efd50c61c2480be4752e0244",
    },
    15: {
        3: "9de915e373fc372b372cbe9c59692c7c961dc9d2ff12cbffcdc99190a1bac99d",
        4: "1721d4a066e0c28221877d0f9e7da2402bdd924a532f5f19261c429def061273",
        5: "9119fdc1ff6ac9f67eb34d14803c8d1279a1d4c013a77f05b99abe2e334dd55a",
        6: "705c63ec04c0f9096cc6b4f32eec0bcea9a0bfa8d01aed7494b67a487e014afe",
        7: "914f9c987bf66fdbc3183531bbc5ca97ba8afaabd8864811c438d8ddb38dfc3a",
        8: "70e4dcfa5bb501007b4a502fb1ac6975128fb316de67eb825f8eee00cba9377f",
        9: "628b83cdf791ab95545606d1b879edd13449da7e143627f931a35680de2b312c",
        10: "67233630176aa19faa4133355be20476cc8f571d9327943b9d35a73ecb96f519",
        11: "5403967a07422bcce09d1d96dd78d0eef6f29344d8e0d388975b483b93d47341",
        12: "a5e56adba75340447849c46eb049b39799ee98d68133357741c6980f8f60c54a",
        13: "e154f143697251a1b3401fa5792fe47c7d9891a2cf63edd1cc67234752b428e3",
        14: "3f57b464e13807f30aacbfc2f6780bc02bf8faecea883725683177416503c875",
    },
}
MOTOR_IMAGERY_RUNS = {subject: tuple(hashes) for subject, hashes in _MOTOR_IMAGERY.items()}

SOURCES: dict[str, tuple[Remote, ...]] = {
    "nsl_kdd/train": (
        _nsl_kdd(
            "KDDTrain+.txt", "1b86d2f957b33082081bba410fe129b475efebcc13c9014c3f447c8271aadf95"
        ),
    ),
    "nsl_kdd/test": (
        _nsl_kdd(
            "KDDTest+.txt", "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84"
        ),
    ),
    "graphs/cora": (
        _planetoid(
            "ind.cora.allx", "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543"
        ),
        _planetoid(
            "ind.cora.ally", "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71"
        ),
        _planetoid(
            "ind.cora.tx", "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a"
        ),
        _planetoid(
            "ind.cora.ty", "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad"
        ),
        _planetoid(
            "ind.cora.graph", "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d"
        ),
        _planetoid(
            "ind.cora.test.index",
            "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
        ),
    ),
    "graphs/texas": (
        _geom_gcn(
            "texas/out1_graph_edges.txt",
            "0fe85183243a78cbee9b85a684f8240963d04d1020d10e9cd2b8cfb25e33b476",
        ),
        _geom_gcn(
            "texas/out1_node_feature_label.txt",
            "cf5a3ca346cdd1210b8342e22517fcbbdae658065b7a3145f59350e50e6236a3",
        ),
    ),
    "graphs/polblogs": (
        _nettack(
            "polblogs.npz", "cd0983c2b1caa3bbe2703a4e316f97bb1dccd33f98800d3d8e4bbe51cc86941b"
        ),
    ),
    "graphs/polbooks": (
        _newman("polbooks.gml", "29e2439036fa4e13b478a9d4ceda78b5ab4d4d8252882a7f2b6036b028e34848"),
    ),
    "graphs/football": (
        _newman("football.gml", "48bc58e19bf674cc9064e60fe7128f0b95a908e684fed575178f1388ac34e949"),
    ),
    "graphs/yeast_ppi": (
        _bootcmatch(
            "sample_yeast.mtx", "581390fd34508aaa2a4d9a92e1cf10b9f880f97377ae2f17b9cf187924421c5e"
        ),
        _bootcmatch(
            "metadata_sample_yeast.txt",
            "edcd70b852fb026560664d8e41937234f81c137ab5d07b26f9e6394149c05167",
        ),
    ),
    "graphs/lazega71_advice": (
        _bootcmatch(
            "sample_LLawyers_adv.mtx",
            "d03a24da0a6e9dda80a1750d85dc0e2bec6c4107f2038310797d39713c1a14c0",
        ),
        _bootcmatch(
            "metadata_sample_LLawyers_adv.txt",
            "651f84162d0b7cc24fd8e725fe557d7d94fb4ba21ec831ada75085b0e247275e",
        ),
    ),
    "graphs/lazega36_advice": (
        _bootcmatch(
            "sample_LLawyers_adv36.mtx",
            "5bd961f7796e7fe7cf7be876d9f1d12ec40fead14ef1062227f6ea98fd705b93",
        ),
        _LAWYERS_36,
    ),
    "graphs/lazega36_friend": (
        _bootcmatch(
            "sample_LLawyers_friend36.mtx",
            "a4ea9602f20463869bd3a866b1e7fea4d4809e0d0e705a1c1d03c214c880d986",
        ),
        _LAWYERS_36,
    ),
    "graphs/sbm400": (
        _bootcmatch(
            "sample2.mtx", "df4894619846cab5d6fbd4cc547fe552f741bded4e539cf5ddfb56dfec083cf0"
        ),
        _bootcmatch(
            "metadata_sample2.txt",
            "3d103631d11a757750bde37e6b3ff894c47c6fb52839c92c494006f4d4a445ad",
        ),
    ),
    "eeg/mamem_ssvep_U001": (
        _mamem("U001.mat", "f0038f1f59698c5fbfd11496b7a2e10e534eabd08e2f086acbd88dec73381bb9"),
    ),
    "eeg/mamem_ssvep_U009": (
        _mamem("U009.mat", "3032972728ab118953577b7124068b01514a58c36845ac772a4f9f83f058d64c"),
    ),
    **{
        f"eeg/physionet_mi_S{subject:03d}": _physionet(subject, hashes)
        for subject, hashes in _MOTOR_IMAGERY.items()
    },
}
