"""Pen digits: the file is parsed, verified and split by writers."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pellucid import DataError, FileError
from pellucid.data.drawings import pen_digits
from pellucid.data.sources import download, lzw

TEXT = """.INCLUDE        dene.doc

.LEXICON "0" "1"
.HIERARCHY      DIGIT

.SEGMENT DIGIT    0 ? "7"
.COMMENT 7 12  224
.PEN_DOWN
 10  90
 60  88
 30  10
.PEN_UP
.DT 100
.PEN_DOWN
 20  50
 55  52
.PEN_UP
.DT 100

.SEGMENT DIGIT    1 ? "1"
.COMMENT 1 26   54
.PEN_DOWN
 5  5
.PEN_UP
"""


def folder():
    named = os.environ.get("PELLUCID_DATA")
    return None if named is None else next((p for p in (Path(named).parent / "pendigits",) if p.is_dir()), None)


def test_a_drawing_has_strokes_a_label_and_a_writer():
    seven, one = pen_digits.parse_unipen(TEXT)
    assert (seven.label, seven.writer, len(seven.strokes)) == (7, 12, 2)
    np.testing.assert_array_equal(seven.strokes[0], [(10, -90), (60, -88), (30, -10)])  # y downwards
    assert (one.label, one.writer) == (1, 26)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((".COMMENT 7 12  224\n", ""), "drawing 0: there is no .COMMENT"),
        ((" 60  88", " 60  8x"), "drawing 0: ' 60  8x' is not a point"),
        ((" 60  88", " 60"), "is not a point"),
        ((".PEN_DOWN\n 5  5\n", ""), "drawing 1: there are no strokes"),
    ],
)
def test_malformed_texts_are_refused(change, message):
    with pytest.raises(DataError, match=message):
        pen_digits.parse_unipen(TEXT.replace(*change))


def test_another_file_is_refused_and_a_missing_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"no pendigits-orig\.tra \(or"):
        pen_digits.pendigits(tmp_path)
    (tmp_path / "pendigits-orig.tra").write_text(TEXT)
    with pytest.raises(FileError, match="is not the published"):
        pen_digits.pendigits(tmp_path)
    (tmp_path / "pendigits-orig.tra").unlink()
    for name, content in (("gz", gzip.compress(TEXT.encode())[:-9]), ("Z", b"\x1f\x9d\x90\xff\xff\xff")):
        path = tmp_path / f"pendigits-orig.tra.{name}"
        path.write_bytes(content)
        with pytest.raises(FileError, match="damaged"):
            pen_digits.pendigits(tmp_path)
        path.unlink()


def test_lzw_unpacks_what_compress_packed():
    assert lzw.unpack(base64.b64decode(PACKED), 1 << 20) == TEXT_PACKED.encode()
    assert lzw.unpack(base64.b64decode("H52QdNCUAQGnjBsWIAIOLHgwoUCCBhGGcUPG4UKDIMKcCZPGDQ=="), 100) == PEN
    for damaged in (b"", b"\x1f\x9d", b"\x1f\x9d\x81abc", b"\x1f\x9d\x90\xff\xff\xff"):
        with pytest.raises(DataError):
            lzw.unpack(damaged, 1 << 20)
    with pytest.raises(DataError, match="more than 20 bytes"):
        lzw.unpack(base64.b64decode(PACKED), 20)


def test_the_file_is_downloaded_verified_and_cached(tmp_path, monkeypatch):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("pendigits-orig.tra.Z", base64.b64decode(PACKED))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    monkeypatch.setattr(pen_digits, "DIGEST", hashlib.sha256(lzw.unpack(base64.b64decode(PACKED), 1 << 20)).hexdigest())
    requested = []

    def fetch(urls, target, check):
        requested.append(urls)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.getvalue())
        check(target)

    monkeypatch.setattr(download, "fetch", fetch)
    cached = pen_digits.fetch()
    assert gzip.decompress(cached.read_bytes()).startswith(b"aaaa")
    assert (pen_digits.fetch(), pen_digits.find_file(None)) == (cached, (cached, "download"))
    assert len(requested) == 1
    assert all(url.startswith("https://archive.ics.uci.edu/") for url in requested[0])
    cached.write_bytes(b"damaged")
    pen_digits.fetch()
    assert len(requested) == 2


def test_the_file_is_looked_for_in_and_beside_the_named_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pen_digits, "DIGEST", hashlib.sha256(TEXT.encode()).hexdigest())
    (tmp_path / "mnist").mkdir()
    for parent in (tmp_path / "mnist" / "pendigits", tmp_path / "mnist", tmp_path / "pendigits"):
        parent.mkdir(exist_ok=True)
        (parent / "pendigits-orig.tra").write_text(TEXT)
        assert pen_digits.find_file(tmp_path / "mnist") == (parent / "pendigits-orig.tra", str(parent))
        monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mnist"))
        assert pen_digits.find_file(None)[1] == str(parent)
        (parent / "pendigits-orig.tra").unlink()


@pytest.mark.skipif(folder() is None, reason="the published file is not beside PELLUCID_DATA")
def test_the_published_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # without cached images
    splits = pen_digits.pendigits(folder())
    assert splits.sizes == {"train": 4_996, "validation": 1_000, "test": 1_498}
    assert splits.train.x.shape == (4_996, 28, 28, 1)
    assert np.bincount(splits.test.y, minlength=10).min() > 100
    ink = splits.train.x.mean()
    assert 25 < ink < 40  # the mean of MNIST is 33
    writers = {drawing.writer for drawing in pen_digits.load_drawings(next(folder().iterdir()))}
    assert writers == set(range(1, 31))


# TEXT_PACKED as compressed by compress -b 10: the codes grow from 9 to 10 bits, and the dictionary is emptied on the way.
PACKED = """
H52KYQIKHEiwoMGDCBMqXMiwocOHECNKnEixosWLGDNq3Mixo8ePIEOKHEmypMmTKFOqXMmypcuXMGPKnEmzps2bOHPq3Mmzp8+fQIMKHUq0qNGjSJMqXcq0
qdOnUKNKnUq1qtWrWLNq3cq1q9evYMOKHUu2rNmzaNOqXcu2rdu3cOPKnUu3rt27ePPq3cu3r9+/gAMLHky4sOHDiBMrXsy4sePHkCNLnky5suXLmDNr3sy5
s+fPoEOLHk26tOnTqFOrXs26tevXsGPLnk27tu3buHPr3s27t+/fwIMLH068uPHjyJMrX868ufPn0KNLn069uvXr2LNr3869u/fv4MOLH0++vPnz6NOrX8++
vfv38OPLn98WBogYIGSAmAGCBogaINgAwg0g4ABCDvfZFwN+MegXA38x+BcDgDEIGAOBMRgYA4Iy2CcDfjLoJwN/MvgnA4AyCCgDgTIYKAOCM9g3A34z6DcD
fzP4NwOAMwg4A4EzGDgDgjTYRwN+NOhHA380+EcDgDQISAOBNBhIA4I12FcDfjXoVwN/NfhXA4A1CFgDgTUYWAOCNthnA3426GcDfzb4ZwOANghoA4E2GGgD
gjfYdwN+N+h3A383+HcDgDcIeAOBNxh4A4I42IcDfjjohwN/OPiHA4A4CIgDgTgYiAOCOdiXA3456JcDfzn4lwOAOQiYA4E5GJgDgjHAoCAMDMLgIAwQwiAh
DBTCYCEMGMKgIQy89nrfgtM6+OC0Ek44rYUXTqvhhvd1GC6DIYYLYYnhUphiuBi2GC6vMd43o7wO3iivhDvKa+GP8mo45H1FAsxgkgBD2CTAFEYJMIZVAsxr
lvdtGbGDX0Ys4ZgRW3hmxBqueV+bHzMY58cQ1vkxhXl+jGGfH/Ma6H2DwuzgoTBLuCjMFj4Ks4aT3lepzwxm6jOEnfpMYag+Y1iqz7ymet+qTzv46tMSzvq0
hbc+reGu+fnaNYjCdk2isV2jqGzXLDrbNYfSfghig/ld+6GJ2n6oYrcfughuiB5+mF+5IZKIbogorhsii+6GyGG8I4JYY372jmhiviOqyO+ILv5boodH5kdw
iSQeXCKKCpfIYsMlcgjxiSB2mV/FJ5qI8Ykqbnyiix6n6OGb+Y2cIokmp4hiyimyyHKKHL68IoiF5kfziibevKKKOq/oYs8tenhpfkK3SGLRLaKIdIssLt0i
h06/CGKr+U39oolWv6hi1i+6yHWMMgK7X9gx4kh2jDyeHSOQascIo7Qz0gj3jDhGuJ+2M/rY7YxCglujjH7XaOOI+6FbI4/r1gikuzXCGO+NND5+I4457pfv
jT7ye6OQ/+YoY+c52rjkfgfnyKPCOQLZcI4wQrwjja7viGOY+2G8o48b7yikxz3KyHuPNs65n8k98phyj0Cy3COML/9IY/M/4pjofjf/6KPOPwrZc5Aybh+k
jZvuV3SQPCIdJJBLBwmj00PSyP6QOMa6n9VD+pj1kEJyXaSR+hepJLH9kV0klGcXSaXaRRIp7ZFIwn0kkxH2p+2RUnZ7pJXgJmmk30kqOWJ/6CYJ5bpJUulu
kkTGuySSjy/JZI795buklPwuaeW/TRrZeZNKLtnfwU1CqXCTVDbcJJEQP4mk608yGWZ/GD8p5cZPWulxlEbyHqWSc/ZncpRQphwllSxHSeTLUyLZ/JRMJtrf
zVNKqfOUVvZcpZHbV6nkpv0VXSWUSFdJ5dJVEun0lUiyfyWTsfZn9ZVSZn2llVxnqaX+WXpJ7H9kZ0nm2VmiqXaWWEq7JZdwbwlmhP9pu6WZ3W6pJrhdaul3
l16O+B+6XZK5bpdoutsllvF+yeXjX4KZ43/5fmkmv1+q+W+YWnYeppdL/ndwmGQqHCaaDYeJJcRjcun6mGCG+R/GY5q58ZhqelymlryX6eWc/5lcJpkpl4km
y2Vi+fKZXDZ/JpiJ/nfzmWbqfKaaPaep5fZpernpf0WnSSbSaaK5dJpYOr0ml+yvCWas/1m9pplZr6km1226qX+bchIbINlt4nl2m3yq3Sab0r4JJ9xv0hlh
gNq+qWe3b/oJbpxu+h2nnCMGiG6ceK4bJ5/uxslmvHPC+ficdOYYYL5z6snvnH7+W6ebndcp55IBHlwnngrXyWfDdbIJ8Z1wun4nnWEGiPGdem58p58e5+km
73nKOWeAJueJZ8p58slynmy+vCecze9JZ6IB3rynnjrv6WfPfbq5fZ9ybhpg0X3iiXSffC7dJ5tO/wkn+3/SGWuAVv+pZ9Z/+sl1oILqH6ihxA5IdqCMnh0o
pGoHCqi0gxIK96CIRjigtoM62u2gkoJbqKB+F2roiAOiWyij6xYKqbuFAhrvoYQ+fiiiOQ6Y76GO8nuopP8mKmjniRq65IAHJ8qowolC2nCigEK8KKGuL4po
mANivKijGy8qqceNCsp7o4bOOaDJjTKacqOQstwooC8/SmjzjyKa6IA3P+qozo9K2nOkgm4fqaGbDlh0pIwiHSmkS0cKqNOTEsr+pIjGOqDVkzqa9aSScl2p
pfpXqimxBZJdKahnV0qq2pVSKu2lmMJ9KacRFqjtpaJ2e6mp4GZqqd+ZajpigehmCuq6mZLqbqaUxrsppo9vymmOBea7qaj8bmrqv51a2nmnmi5Z4MGdgqpw
p6Q23CmlEH+KqeufchpmgRh/KurGn5rqcaiW8h6qpnMWaHKooKYcKqksh0rpy6Ni2vyonCZa4M2jiqrzqKb2XKql25eq6aYFFl0qqEiXSurSpVLq9KmYsn8q
p7EWaPWpomZ9qqlcp6qq/qm6SuyBZKdK69mp4qp2qqhKuyqrcK8Ka4QHaruqrd2uqiu4rarqd6uujngguq3Sum6ruLrbKqrxvsrq46/CmuOB+b5qK7+v6vpv
rKp2HqurSx54cKy0Khwrrg3HiirEs7Lq+qywhnkgxrPauvGsunpcq6q81+rqnAeaXCutKdeKK8u1ovryraw2fyusiR5486226nyrrj3nqur2ubq66YFF50or
0rniunSuqDq9K6vs7wprrAdavautWe+q66700UcfffTRRx999NFHH3300UcfffTRRx999NFHH330oSVGR2J0JEZHYnQkRkdidCRGR2J0JEZHYnQkRkdidCRG
R2J0JEZHYnQkRkdidCRGR2J0JEZHYnQkRkdidCRGR2J0JEZHYnQkRkdidCRGR2J0BBAAYsIIHEiwoMGDAgMiXMgwYcOHBxVCnBhGIsWHFi8yzKgRIceOBj+C
JChypEOTHlGmVBmSZUuXJGHGlHmSZkmTN0fmBLmzY0+NPy8GpTh0YlGIRzHSrCkzaUOnG5dWlAp1YdWVNqlqXXo14tasXL82FQuz60uwaMeGXZu2LFmXZgvG
ndkW7luWcwfmZeqWrdq6eO+q3DvVb1/AgwWjJMxYMU7HOiHzlOyTMlDLQjET1WyUM1LPSg3bFR2YdGLTi0E/VR0V9WPXkWFPll2Z9mXbmXFv1t2Z92ffoRGn
Br6aeGvhr5HHVj6beW3nt6Hnlr6bem/rv7EH/8v9cPfR2ouHP/699HirrNEbV38ea/nT7b2ud++9Pvj3w+OfxZ+c/3L/zQH4nIDRETidgdUheJ2C2TG4nX3m
OSiehORBCB+F7GFI330W5qehfPrJld6GEXbYn4n/oRigigOyWKCLB8KYoIwL0tigjQ9yqGOJO16I44Q/Vtijh0FmWCSJPg55opIpMrmiky1C+aKUMVI5o5U1
Ynmjljny6GWSXxLJJZBjChnmkmc2meaTa0bZ5pRvVhnnlXNmWeeWd3YJ5p5i5kmmn2byiaagahLKpqFuIgqnonIySqejdkKKp6R69knpn5cGaummg3JaqKeH
gpqoqIuS2qipjy4G
"""
TEXT_PACKED = "a" * 30_000 + " ".join(map(str, range(1000))) + "a" * 6_200 + ("a" * 30 + "b") * 400
PEN = b"the pen, the pen, the pen, and the pen again"
