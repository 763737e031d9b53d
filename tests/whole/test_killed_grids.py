"""kill -9 at random instants on grids of all kinds: points, penalties, precisions, budgets, metrics, weights, seeds, searches."""

from __future__ import annotations

import random
import time

import pytest
from stores import gan_bench
from victim import Victim

KILLS = 2  # of each grid
STARTED = 3  # seconds until a process has imported what it needs
GRIDS = {
    "points and penalties": """
dataset = { name = "ring", training = 4000 }
architecture = { name = "fcgan", width = 32, depth = 2, latent = 4 }
seeds = [0, 1]
steps = 450
batch_size = 64
[evaluate]
metrics = ["fid", "modes", "memorization"]
samples = 500
[[compare]]
title = "Penalties"
tricks = [[], ["wgan_gp"], [{ name = "r1", every = 3 }, "ema"], ["hinge", "d_lr"]]
""",
    "precisions and budgets": """
dataset = { name = "digits", size = 8 }
architecture = { name = "dcgan", depth = 1, width = 8, latent = 8 }
seeds = [3, 9223372036854775807]
steps = 300
batch_size = 32
precision = "bf16"
[optimizer.discriminator]
name = "sgd"
lr = 0.01
[evaluate]
at_steps = [7, 100, 300]
metrics = ["kid", "precision_recall", "density_coverage", "fid_inf"]
features = "pixels"
samples = 300
keep = "best+last"
[[compare]]
title = "How often D?"
budget = "images"
tricks = [[], [{ name = "d_every", n = 3 }], ["label_flip", "input_noise"]]
[[compare]]
title = "Which, in which precision?"
architecture = ["dcgan", "fcgan"]
precision = ["bf16", "fp32"]
""",
    "classifier and shapes": """
dataset = { name = "polygons", size = 12, training = 1500, held_out = 500 }
architecture = { name = "dcgan", depth = 2, width = 4, kernel = 3, dropout = 0.4 }
seeds = "0-1"
epochs = 4
batch_size = 100
[evaluate]
snapshots = 5
metrics = ["fid", "class_coverage", "true_precision_recall", "inception_score"]
samples = 400
keep = "last"
[[compare]]
title = "Optimisers"
"optimizer.name" = ["adam", "rmsprop", "adamw"]
tricks = [[], ["label_smoothing", "spectral_norm", "label_noise"]]
""",
    "a search": """
dataset = { name = "ring", training = 2000 }
architecture = { name = "fcgan", width = 16, depth = 1, latent = 4 }
seeds = [0, 1]
steps = 300
batch_size = 32
[evaluate]
metrics = ["fid"]
features = "pixels"
samples = 300
snapshots = 2
[search]
draws = 4
[search.space]
"optimizer.lr" = { log_uniform = [1e-4, 1e-2] }
"tricks.r1.gamma" = { log_uniform = [0.1, 10] }
[[compare]]
title = "Penalty"
tricks = [[], ["r1"]]
""",
    "a line's two numbers": """
dataset = "dirac"
architecture = "dirac"
seeds = [0, 1, 2]
steps = 500
batch_size = 4
[evaluate]
metrics = ["fid"]
features = "pixels"
samples = 10
snapshots = 10
[[compare]]
title = "What makes it converge?"
tricks = [[], ["r1"], ["wgan_gp"], ["label_shift"]]
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", GRIDS)
def test_killed_at_random_instants_every_kind_of_grid_ends_with_the_same_bits(kind, tmp_path):
    grid, chance = tmp_path / "grid.toml", random.Random(kind)
    grid.write_text(f'name = "killed"\n{GRIDS[kind]}')
    began = time.monotonic()
    gan_bench("run", grid, "--out", "whole", cwd=tmp_path)
    seconds = time.monotonic() - began
    victim = Victim(tmp_path, tmp_path / "whole", grid)
    while victim.kills < KILLS:  # a command that came to its end is given again, and has little left to do
        victim.kill_after(chance.uniform(STARTED, STARTED + seconds / 2), chance)
    victim.finish_and_compare("killed")
