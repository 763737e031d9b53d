"""The setting that says which folders are the parts of a dataset."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema

from gan_bench import Field


def _folders(value: Any) -> Any:
    """A folder, or several, as a tuple. ValueError: there is none, or one is not below the data's folder."""
    folders = (value,) if isinstance(value, str) else value
    if not isinstance(folders, list | tuple) or not folders:
        raise ValueError("must be the name of a folder below `root`, or a list of such names")
    for folder in folders:
        if not isinstance(folder, str) or not folder.strip("/.") or folder[0] == "/" or ".." in folder.split("/"):
            raise ValueError("must name folders below `root`, as 'train' does")
    return tuple("/".join(part for part in folder.split("/") if part not in ("", ".")) for folder in folders)


_texts = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
FolderNames = Annotated[tuple[str, ...], BeforeValidator(_folders), WithJsonSchema(_texts)]


class Split(BaseModel):
    """The folders of each part, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    training: FolderNames = Field(description="folders below root to train on: a name, or a list")
    held_out: FolderNames | None = Field(
        None, description="folders held out (default: some of the pictures in the others, at random)"
    )


def _split(value: Any) -> Any:
    """A table as a `Split`. ValueError: it is none, nor a word; one text, where pydantic has one for each that it may be."""
    if isinstance(value, Split) or value in ("auto", "random"):
        return value
    if not isinstance(value, dict):
        raise ValueError('must be "auto", "random" or a table such as { training = "train", held_out = "test" }')
    try:
        return Split.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] in ("missing", "extra_forbidden"):
            raise ValueError("must be a table of `training` and, where folders are held out, `held_out`") from None
        raise ValueError(f"{first['loc'][0]} {first['msg'].removeprefix('Value error, ')}") from None


SplitSetting = Annotated[Literal["auto", "random"] | Split, BeforeValidator(_split)]
