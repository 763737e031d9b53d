"""Walks through latents: what lies between a generator's samples."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from gan_bench.api.pictures import ROW
from gan_bench.api.randomness import make_stream
from gan_bench.errors import GanBenchError
from gan_bench.files import destination, replace_file
from gan_bench.scoring.sample_grid import picture_of_images, picture_of_points
from gan_bench.scoring.samples import BATCH, evaluating

FORMS = {"gif": "GIF", "apng": "PNG", "png": "PNG"}  # in which walks are saved, and Pillow's names of them
MILLISECONDS = 80  # that a frame is shown


@dataclass(frozen=True)
class Walk:
    """Samples along walks, frame by frame. A notebook shows it as an animation."""

    samples: Tensor  # (frames, walks, *shape) on the CPU
    columns: int = ROW  # walks side by side in an animation

    def save(self, path: str | Path, form: str | None = None) -> None:
        """Write it as an animation that repeats ("gif", of 256 colours, or "apng", of all), or as one picture ("png").

        The form is the path's ending if none is given. GanBenchError: there is no such form.
        """
        path = Path(path)
        form = form or path.suffix.lower().removeprefix(".")
        if form not in FORMS:
            raise GanBenchError(f"a walk is saved as .gif, .apng or .png (found: {path.name})")
        content = _png(self.picture()) if form == "png" else self._animation(FORMS[form])
        with destination(path) as file:
            replace_file(file, lambda beside: beside.write_bytes(content))

    def picture(self) -> Image.Image:
        """One picture of all: a row a walk, its frames from left to right; of points, a plot a frame, side by side."""
        if self.samples.dim() == 3:
            plots = [picture_of_points(frame) for frame in self.samples]
            whole = Image.new("L", (sum(plot.width for plot in plots), plots[0].height))
            for place, plot in enumerate(plots):
                whole.paste(plot, (place * plot.width, 0))
            return whole
        return picture_of_images(self.samples.transpose(0, 1).flatten(0, 1), len(self.samples))

    def frames(self) -> list[Image.Image]:
        """A picture a frame, of all walks."""
        if self.samples.dim() == 3:
            return [picture_of_points(frame) for frame in self.samples]
        return [picture_of_images(frame, self.columns) for frame in self.samples]

    def _animation(self, form: str) -> bytes:
        first, *others = self.frames()
        content = io.BytesIO()
        first.save(content, format=form, save_all=True, append_images=others, duration=MILLISECONDS, loop=0)
        return content.getvalue()

    def _repr_html_(self) -> str:
        content = base64.b64encode(self._animation("PNG")).decode()
        return f'<img alt="a walk through latents" src="data:image/png;base64,{content}">'


def interpolate(
    generator: nn.Module,
    start: Tensor,
    end: Tensor,
    frames: int = 10,
    *,
    labels: int | Tensor | None = None,
    turn: bool = False,
    columns: int = ROW,
) -> Walk:
    """Walk from the latents `start` to `end`, (latent,) or (walks, latent), in so many frames, both ends among them.

    On a sphere, for that is where latents from N(0, I) lie: the direction turns at an even pace (White 2016) and the
    length goes evenly from one to the other. With `turn` they go round a circle through both, and the frame after the
    last would be the first: cos(t) start + sin(t) end, which is from N(0, I) at each moment if both ends are.

    `labels` are each walk's class, (walks,) int64, or one of all; a class stays the same, for labels are whole numbers
    to a generator, between which nothing lies. Noise that it draws for itself is the same in all frames. `columns` is how
    many walks stand side by side in an animation. ValueError: ends of different shapes, fewer than two frames, or labels
    of no class. TypeError: labels, to a generator that takes none.
    """
    start, end = torch.atleast_2d(start), torch.atleast_2d(end)
    if start.shape != end.shape or start.dim() != 2 or frames < 2:
        found = f"{tuple(start.shape)}, {tuple(end.shape)}, {frames} frames"
        raise ValueError(
            f"a walk leads between latents of one shape, (walks, latent), in 2 frames or more (found: {found})"
        )
    device = start.device
    if isinstance(labels, int):
        labels = torch.full((len(start),), labels, device=device)
    given: tuple[Tensor, ...] = () if labels is None else (labels,)
    samples: list[Tensor] = []
    with evaluating(generator):
        for frame in range(frames):
            if turn:
                angle = 2 * math.pi * frame / frames
                z = math.cos(angle) * start + math.sin(angle) * end
            else:
                z = on_sphere(start, end, frame / (frames - 1))
            batches = zip(*(whole.split(BATCH) for whole in (z, *given)), strict=True)
            with make_stream(0, "walk", device):
                samples.append(torch.cat([generator(*some).float().cpu() for some in batches]))
    return Walk(torch.stack(samples), columns)


def on_sphere(start: Tensor, end: Tensor, share: float) -> Tensor:
    """The latents (..., latent) at this share, 0 to 1, of the way: directions along the great circle, lengths along a line.

    Opposite latents, those of one number and the centre have no one great circle: from and to these the way is straight.
    """
    lengths = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    one, two = normalize(start, dim=-1), normalize(end, dim=-1)
    angle = torch.acos((one * two).sum(-1, keepdim=True).clamp(-1, 1))
    direction = normalize(torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * two, dim=-1)
    curved = ((1 - share) * lengths[0] + share * lengths[1]) * direction
    lost = (torch.sin(angle) < 1e-4) | (lengths[0] * lengths[1] == 0)
    return torch.where(lost, (1 - share) * start + share * end, curved)


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()
