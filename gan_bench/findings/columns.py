"""What the tables of `gan_bench.load` hold: unit and meaning of each column, said once.

`Results.describe` shows it, and docs/tables.md is a copy that a test holds to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pandas as pd

from gan_bench.findings.score_columns import ScoreColumn

Column = tuple[str, str, str]  # name, unit (empty of names, numbers without one, truth values), meaning
SETTING, SCORE, REPORTED = "SETTING", "SCORE", "NAME"  # stand for paths, scores and what tricks report

RUN: Column = ("run", "", "the run's key, by which tables are joined: its folder's name")
STEP: Column = ("step", "steps of G", "when: updates of the generator")
D_STEPS: Column = ("d_steps", "steps of D", "updates of the discriminator until then")
IMAGES: Column = ("images", "images", "real images that the discriminator saw until then")
SECONDS: Column = ("seconds", "s", "time spent in training until then, without evaluation and checkpoints")
LABEL: Column = ("score", "", "its label, which names the features in brackets")
VALUE: Column = ("value", "the score's", "the score; missing where it could not be computed")
PATH: Column = ("path", "", "the PNG file")

TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {  # by name: what a row is, and the columns
    "runs": (
        "a run",
        (
            RUN,
            ("folder", "", "the run's folder"),
            ("store", "", "the short name of its store"),
            ("cell", "", "its combination of levels, in words"),
            (
                SETTING,
                "the setting's",
                "a setting by its path, such as architecture.depth, if not all runs have it alike",
            ),
            ("seed", "", "its seed"),
            ("status", "", "finished, failed, unfinished or damaged"),
            ("reason", "", "why it failed or what is damaged; else empty"),
            ("health", "", "names of its diagnoses, or healthy; empty where that is not known"),
            ("stale", "", "why its results are out of date, where they were kept; else empty"),
            ("g_steps", "steps of G", "updates of the generator"),
            ("d_steps", "steps of D", "updates of the discriminator"),
            ("images", "images", "real images that the discriminator saw"),
            ("seconds", "s", "time spent in training, without evaluation and checkpoints"),
            ("images_per_second", "images/s", "real images that the discriminator saw in a second of training"),
            (
                "share_of_peak",
                "share, 0 to 1",
                "arithmetic done, of what the device's fastest products and convolutions do",
            ),
            ("peak_memory", "bytes", "the most memory that it took: on a GPU of its tensors, on a CPU of its process"),
            ("ended", "UTC", "when it ended, in ISO 8601"),
            ("evaluation_seconds", "s", "time spent in samples, scores and pictures"),
            ("checkpoints_seconds", "s", "time spent in saving"),
            ("waiting_seconds", "s", "time until it was opened"),
            ("generator_parameters", "", "numbers that the generator learns"),
            ("generator_flops", "FLOPs an image", "operations of the generator's forward pass"),
            ("discriminator_parameters", "", "numbers that the discriminator learns"),
            ("discriminator_flops", "FLOPs an image", "operations of the discriminator's forward pass"),
            (f"{SCORE} last", "the score's", "the score at its last snapshot"),
            (
                f"{SCORE} best",
                "the score's",
                "the best of all its snapshots: chosen by the score, so flattered by chance",
            ),
            (f"{SCORE} best step", "steps of G", "when that was"),
            (f"{SCORE} best again", "the score's", "that snapshot's score on other samples, which is not flattered"),
            (
                f"{SCORE} last against training",
                "the score's",
                "at its last snapshot, with training data for held-out ones",
            ),
        ),
    ),
    "curves": (
        "a run and window of 25 steps; NAME is what a trick reports",
        (
            RUN,
            STEP,
            D_STEPS,
            IMAGES,
            SECONDS,
            ("loss_d", "the loss's", "the discriminator's loss, mean over the window"),
            ("loss_g", "the loss's", "the generator's loss, mean over the window"),
            ("logit_real", "", "the discriminator's outputs of real samples in its own updates, mean over the window"),
            ("logit_fake", "", "the same of generated samples"),
            (
                "grad_norm_d",
                "",
                "L2 norm of the gradient that the discriminator's optimiser was given, mean over the window",
            ),
            ("grad_norm_g", "", "the same of the generator's"),
            (
                REPORTED,
                "the trick's",
                "what a trick reports, mean over the window; in fp16 also the share of updates that were skipped_d and "
                "skipped_g, and loss_scale_d and loss_scale_g",
            ),
        ),
    ),
    "snapshots": (
        "a run, snapshot and score",
        (
            RUN,
            STEP,
            D_STEPS,
            IMAGES,
            SECONDS,
            LABEL,
            VALUE,
            ("against_training", "the score's", "the same score with training data in the place of held-out data"),
            ("cost", "s", "time that its metric took"),
            ("metric", "", "the metric's name"),
            ("protocol_id", "", "a hash of all that decides what scores may be compared"),
            ("error", "", "why the score could not be computed"),
        ),
    ),
    "by_class": (
        "a run, score and class, at the last snapshot of samples that were asked for by class",
        (RUN, STEP, LABEL, ("class", "", "the class's name"), VALUE),
    ),
    "comparisons": (
        "a comparison, level and seed",
        (
            ("store", "", "the short name of the store"),
            ("comparison", "", "its title"),
            ("level", "", "the level's label"),
            ("reference", "", "whether the others are compared with it"),
            RUN,
            ("seed", "", "the run's seed"),
        ),
    ),
    "diagnoses": (
        "a run and diagnosis",
        (
            RUN,
            ("name", "", "what is wrong"),
            ("step", "steps of G", "since when"),
            ("evidence", "", "the numbers that say so, in words"),
        ),
    ),
    "pictures": ("a sample grid", (RUN, STEP, PATH)),
    "neighbours": ("a picture of samples beside their nearest training samples", (RUN, STEP, PATH)),
    "real": (
        "a score of real training data, in the place of generated samples: what a perfect generator has",
        (
            ("store", "", "the short name of the store"),
            LABEL,
            VALUE,
            ("generated", "samples", "how many training samples stood in the place of generated ones"),
        ),
    ),
}
SIDES = {"lower": "lower is better", "higher": "higher is better"}


def described(
    tables: Mapping[str, pd.DataFrame], scores: Collection[ScoreColumn]
) -> Iterator[tuple[str, str, str, str]]:
    """Table, name, unit and meaning of every column of some tables, in their order."""
    for table, frame in tables.items():
        known = {name: (unit, meaning) for name, unit, meaning in TABLES[table][1]}
        if table == "runs":
            known |= {name: facts for score in scores for name, facts in _of_score(score, known)}
        other = known.get(SETTING if table == "runs" else REPORTED, ("", ""))
        for name in map(str, frame.columns):
            yield table, name, *known.get(name, other)


def _of_score(score: ScoreColumn, known: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    """The columns of a score, which has a unit or none, and a direction."""
    for name, (unit, meaning) in known.items():
        if name.startswith(SCORE):
            own = score.unit if unit == "the score's" else unit
            yield name.replace(SCORE, score.label, 1), (own, f"{meaning} ({score.title}; {SIDES[score.better]})")
