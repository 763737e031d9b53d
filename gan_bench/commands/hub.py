"""Uploading an export to the Hugging Face Hub."""

from __future__ import annotations

import shlex
from pathlib import Path

from gan_bench.errors import GanBenchError, message


def check_upload(repository: str) -> None:
    """GanBenchError: this is no repository's name, or nobody is logged in; said before anything is exported."""
    from huggingface_hub import get_token
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise GanBenchError(f"{repository!r} is no repository of the Hub, such as USER/NAME: {error}") from error
    if get_token() is None:
        raise GanBenchError("nobody is logged in to the Hub here: `hf auth login`, or set HF_TOKEN")


def upload(folder: Path, repository: str) -> None:
    """Upload a folder in one commit; a repository that is not there yet is made, private. GanBenchError: the Hub refuses."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import HFValidationError

    refusals: tuple[type[Exception], ...] = (
        *HfHubHTTPError.__bases__,
        HFValidationError,
    )  # of any HTTP library it is built on
    api = HfApi()
    try:
        name = api.create_repo(repository, private=True, exist_ok=True).repo_id
        api.upload_folder(repo_id=name, folder_path=folder, commit_message="A generator, exported by gan-bench")
    except refusals as error:
        why = message(error).partition("\n")[0]
        cure = f"`{shlex.join(['hf', 'upload', '--private', repository, str(folder)])}` tries again"
        raise GanBenchError(f"{folder} is exported but not uploaded: {why}. {cure}") from error
