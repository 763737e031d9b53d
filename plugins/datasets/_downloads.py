"""Downloads of published datasets: over https, with the published checksum, and unpacked inside their folder."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path
from typing import IO

from gan_bench.errors import GanBenchError

SECONDS = 60.0  # without an answer
SECURE = {  # where the files of addresses without https, as torchvision has them, can be had with it
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/": (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
    ),
    "http://codh.rois.ac.jp/": "https://codh.rois.ac.jp/",
    "http://ufldl.stanford.edu/": "https://ufldl.stanford.edu/",
    "http://ai.stanford.edu/": "https://ai.stanford.edu/",
}


class _StayOnHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise RuntimeError(f"{req.full_url} leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    url: str,
    root: str | os.PathLike[str],
    filename: str | os.PathLike[str] | None = None,
    md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:
    """What torchvision's `download_url` does, but never without https and a checksum; a file has its name once it is right.

    RuntimeError: there is no such address, or the file is not the published one. OSError: the network failed.
    """
    from torchvision.datasets.utils import check_integrity

    for plain, secure in SECURE.items():
        url = secure + url.removeprefix(plain) if url.startswith(plain) else url
    if not url.startswith("https://") or not md5:
        raise RuntimeError(f"{url} is no https address of a file with a published checksum")
    file = Path(root) / (filename or os.path.basename(url))
    if check_integrity(file, md5):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.{uuid.uuid4().hex[:8]}.partial")
    print(f"downloading {url}", file=sys.stderr)
    try:
        with (
            urllib.request.build_opener(_StayOnHttps).open(url, timeout=SECONDS) as answer,
            partial.open("wb") as written,
        ):
            shutil.copyfileobj(answer, written)
        if not check_integrity(partial, md5):
            raise RuntimeError(f"what {url} gives is not the published file: its MD5 sum is another than {md5}")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def careful() -> Iterator[None]:
    """While torchvision downloads: it fetches files as above, and no archive puts anything outside of its folder.

    GanBenchError: this Python can't unpack archives safely.
    """
    from torchvision.datasets import svhn, utils

    if not hasattr(tarfile, "data_filter"):
        raise GanBenchError("unpacking an archive safely takes Python 3.11.4 or later")
    own, extract = utils.download_url, tarfile.TarFile.extraction_filter
    utils.download_url = svhn.download_url = fetch  # the one imports it from the other; the rest go through `utils`
    tarfile.TarFile.extraction_filter = staticmethod(tarfile.data_filter)
    try:
        yield
    finally:
        utils.download_url = svhn.download_url = own
        tarfile.TarFile.extraction_filter = extract
