"""Grid files that are wrong: one clear error with file and line, and never another exception."""

from __future__ import annotations

import pytest
from grid_files import BASELINE, FOLDER, compared, load, only_toys  # noqa: F401 - a fixture

from gan_bench.errors import GridError
from gan_bench.grid import load_grid

FILE = FOLDER / "grid.toml"


def refused(text: str | bytes, **options) -> str:
    """The error's text, without the file's name."""
    with pytest.raises(GridError) as caught:
        load(text, **options)
    return str(caught.value).removeprefix(f"{FILE}:")


def refused_comparison(lines: str, baseline: str = BASELINE) -> str:
    with pytest.raises(GridError) as caught:
        compared(lines, baseline=baseline)
    return str(caught.value).removeprefix(f"{FILE}:")


def replaced(old: str, new: str) -> str:
    assert old in BASELINE
    return BASELINE.replace(old, new)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", " name: is required. And 2 more in this file."),
        ("x = ", "1: is not valid TOML: invalid value."),
        ('a = 1\nb = "', "2: is not valid TOML: unterminated string."),
        ("a = 1\na = 2", "2: is not valid TOML: cannot overwrite a value."),
        (b'name = "x"\nb = "\xff"', r"2: is not UTF-8 text (found: b'\xff')."),
        ("x = nan", "1: x: must be a finite number (found: nan)."),
        ("x = [1,\n -inf]", "2: x[1]: must be a finite number (found: -inf)."),
        ("x = 2024-01-01", "1: x: no setting is a date or time (found: '2024-01-01')."),
        ("x = 9223372036854775808", "1: x: whole numbers must fit into 64 bits."),
        ("x = " + "9" * 5000, "1: is not valid TOML: Exceeds the limit"),
        ("x = " + "[" * 20 + "]" * 20, "1: x[0][0]"),
        ("x = " + "[" * 5000 + "]" * 5000, " lists or tables are nested too deeply."),
        ("x = 1\n" * 200_000, " a grid file has at most 1,000,000 bytes (found: 1200000)."),
        (b"\xef\xbb\xbfx = nan", "1: x: must be a finite number"),
        ("\0", "1: is not valid TOML"),
    ],
)
def test_not_a_grid_file_at_all(text, error):
    assert refused(text).startswith(error), refused(text)


def test_no_file():
    with pytest.raises(GridError, match=r"nowhere.toml: can't be read: No such file or directory\."):
        load_grid(FOLDER / "nowhere.toml")
    with pytest.raises(GridError, match=r"can't be read: Is a directory\."):
        load_grid(FOLDER)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (BASELINE + "stepz = 3", "7: stepz: is no known key (found: 3). Did you mean 'steps'?"),
        (
            BASELINE + "[evaluate]\nsample = 3",
            "8: evaluate.sample: is no known key (found: 3). Did you mean 'samples'?",
        ),
        (replaced("steps = 100", ""), " needs a length. Write epochs = ... or steps = ..."),
        (BASELINE + "epochs = 3", "6: steps: epochs and steps can't both be given (found: 100). Leave one out."),
        (replaced("100", "0"), "6: steps: must be at least 1 (found: 0)."),
        (replaced("100", "1.5"), "6: steps: must be a whole number (found: 1.5)."),
        (replaced("100", '"100"'), "6: steps: must be a whole number (found: '100')."),
        (replaced("100", "true"), "6: steps: must be a whole number (found: True)."),
        (replaced("steps = 100", "epochs = 0"), "6: epochs: must be more than 0 (found: 0)."),
        (replaced("[0, 1]", "[0, -1]"), "5: seeds[1]: must be at least 0 (found: -1)."),
        (replaced("[0, 1]", "[3, 3]"), "5: seeds[1]: stands there twice (found: 3)."),
        (replaced("[0, 1]", "[]"), "5: seeds: needs at least one seed (found: [])."),
        (replaced("[0, 1]", "3"), '5: seeds: must be a list (found: 3). Write seeds = [3] or "0-7".'),
        (replaced("[0, 1]", "true"), "5: seeds: must be a list (found: True)."),
        (replaced("[0, 1]", '"5-1"'), '5: seeds: must be a list of whole numbers, or text such as "0-9" or "0-4,7"'),
        (replaced("[0, 1]", '"0-9999999999"'), "5: seeds: these are 10,000,000,000 seeds, and a grid has at most"),
        (replaced("[0, 1]", '"9223372036854775808"'), "5: seeds: must be at most 9223372036854775807 (found: '92"),
        (replaced("[0, 1]", '"0,0"'), "5: seeds: stands there twice (found: '0,0')."),
        (replaced('"toy"', '"../toy"'), "1: name: becomes a folder's name, so it may hold only"),
        (
            replaced('"toy"', '"a/b"'),
            "1: name: becomes a folder's name, so it may hold only letters, digits, spaces, '.', '_' and '-' (found: 'a/b').",
        ),
        (replaced('"toy"', '"CON.txt"'), "1: name: becomes a folder's name, and Windows reserves this one"),
        (replaced('"toy"', '"toy."'), "1: name: becomes a folder's name, so it must begin with a letter or digit and"),
        (replaced('"toy"', '""'), "1: name: becomes a folder's name"),
        (replaced('"toy"', "[]"), "1: name: must be text in quotes (found: [])."),
        (replaced('"mnist"', "{ size = 3 }"), "2: dataset: needs a name (found: {'size': 3})."),
        (replaced('"mnist"', "3"), "2: dataset: must be a name in quotes, or a table such as { name ="),
        (replaced('"mnist"', "{ name = 3 }"), "2: dataset.name: must be a plugin's name in quotes (found: 3)."),
        (replaced('"mnist"', '"mnits"'), "2: dataset: no dataset is called 'mnits'. Did you mean 'mnist'?"),
        (replaced('"mnist"', '"folder"'), "2: dataset.root: is required."),
        (
            replaced("width = 32", "widht = 32"),
            "3: architecture.widht: is no parameter of dcgan (found: 32). Did you mean 'width'?",
        ),
        (replaced("width = 32", 'width = "32"'), "3: architecture.width: must be a whole number (found: '32')."),
        (replaced("width = 32", "depth = 7"), "3: architecture.depth: must be at most 6 (found: 7)."),
        (replaced("width = 32", "kernel = 4"), "3: architecture.kernel: must be 3 or 5 (found: 4)."),
        (
            replaced("width = 32", "depth = 0, kernel = 4"),
            "3: architecture.depth: must be at least 1 (found: 0). And 1 more in this file.",
        ),
        (
            replaced('"dcgan", width = 32', '"fcgan", width = 9999'),
            "3: architecture: depth times width is at most 10000 (found: {'name': 'fcgan', 'width': 9999}).",
        ),
        (
            replaced('"dcgan", width = 32', '"touchy", width = 13'),
            "3: architecture: the architecture 'touchy' raised KeyError: 'unlucky'.",
        ),
        (replaced("[]", '["ema", "ema"]'), "4: tricks.ema: the trick 'ema' stands there twice."),
        (replaced("[]", '"ema"'), "4: tricks: must be a list (found: 'ema')."),
        (replaced("[]", '[{ name = "ema", decay = 1 }]'), "4: tricks.ema.decay: must be less than 1 (found: 1)."),
        (
            replaced("[]", '["hinge", "wgan_gp"]'),
            "4: tricks: the tricks 'hinge' and 'wgan_gp' both replace the loss and targets. Use one of them.",
        ),
        (
            replaced("[]", '["hinge", "label_noise"]'),
            "4: tricks: the trick 'label_noise' needs the targets, which 'hinge' replaces. Use one of them.",
        ),
        (BASELINE + "batch_size = 0", "7: batch_size: must be at least 1 (found: 0)."),
        (BASELINE + "[optimizer]\nlr = 0", "8: optimizer.lr: must be more than 0 (found: 0)."),
        (
            BASELINE + "[optimizer]\nname = 'adma'",
            "8: optimizer.name: is no known optimiser (found: 'adma'). Did you mean 'adam'?",
        ),
        (
            BASELINE + "[optimizer]\nmomentum = 0.5",
            "8: optimizer.momentum: is no parameter of adam (found: 0.5). Known: ",
        ),
        (BASELINE + "[optimizer]\nbetas = [0.5]", "8: optimizer.betas: needs two numbers (found: [0.5])."),
        (BASELINE + "[optimizer]\nbetas = [0.5, 1]", "8: optimizer.betas[1]: must be less than 1 (found: 1)."),
        (BASELINE + "[optimizer]\ndiscriminator = 3", "8: optimizer.discriminator: must be a table (found: 3)."),
        (
            BASELINE + "[optimizer.discriminator]\nname = 'sgd'\nbetas = [0.5, 0.9]",
            "9: optimizer.discriminator.betas: is no parameter of sgd (found: [0.5, 0.9]).",
        ),
        (BASELINE + "[evaluate]\nsnapshots = 0", "8: evaluate.snapshots: must be at least 1 (found: 0)."),
        (
            BASELINE + "[evaluate]\nsnapshots = 1\nat_steps = [3]",
            "9: evaluate.at_steps: snapshots and at_steps can't both say when snapshots are taken (found: [3]).",
        ),
        (
            BASELINE + "[evaluate]\nat_steps = [1, 101]",
            "8: evaluate.at_steps: 101 lies behind the end of training at 100",
        ),
        (BASELINE + "[evaluate]\nat_steps = []", "8: evaluate.at_steps: must have at least 1 items (found: [])."),
        (
            BASELINE + "[evaluate]\nkeep = 'none'",
            "8: evaluate.keep: must be 'all', 'best+last' or 'last' (found: 'none').",
        ),
        (BASELINE + "[evaluate]\nmetrics = []", "8: evaluate.metrics: must have at least 1 items (found: [])."),
        (
            BASELINE + "[evaluate]\nmetrics = ['fud']",
            "8: evaluate.metrics[0]: no metric is called 'fud'. Did you mean 'fid'?",
        ),
        (
            BASELINE + "[evaluate]\nfeatures = 'x'",
            "8: evaluate.features: no feature extractor is called 'x'. Known: classifier, pixels, random. "
            "Or name its file in plugins = [...] or with --plugin.",
        ),
        (
            BASELINE + "[evaluate]\nsnapshots = 101",
            "8: evaluate.snapshots: there can't be more snapshots than steps, and this grid trains for 100 (found: 101). ",
        ),
        (BASELINE + "plugins = ['no.py']", "7: plugins[0]: there is no such plugin file (found: "),
        (BASELINE + "compare = 3", "7: compare: must be a list (found: 3). Write [[compare]]."),
        (
            BASELINE + "[compare]\ntitle = 'a'\nbatch_size = [1, 2]",
            "7: compare: must be a list (found: {'batch_size': [1, 2], 'title': 'a'}). Write [[compare]].",
        ),
        (BASELINE + "[[compare]]\nbatch_size = [1, 2]", "7: compare[0].title: is required."),
        (
            BASELINE + '[[compare]]\ntitle = "a\\nb"\nbatch_size = [1, 2]',
            "8: compare[0].title: must be one line of readable text",
        ),
        (
            BASELINE + "[[compare]]\ntitle = 'a'\nbatch_size = [1, 2]\n" * 2,
            "11: compare[1].title: two comparisons have this title (found: 'a').",
        ),
    ],
)
def test_keys(text, error):
    assert refused(text).startswith(error), refused(text)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("", "8: compare[0]: a comparison needs an axis: a setting and the list of its levels. Write, for example,"),
        ("seeds = [1, 2]", "10: compare[0].seeds: seeds is the same for all runs of a grid, so it can't be an axis."),
        ('"evaluate.samples" = [1, 2]', "10: compare[0].evaluate.samples: evaluate is the same for all runs"),
        (
            "architectur = [1]",
            "10: compare[0].architectur: 'architectur' is no setting that can be an axis. Did you mean 'architecture'?",
        ),
        ("exlude = []", "10: compare[0].exlude: 'exlude' is no setting that can be an axis. Did you mean 'exclude'?"),
        ('budget = "time"\nbatch_size = [1, 2]', "10: compare[0].budget: must be 'steps' or 'images' (found: 'time')."),
        (
            "batch_size = 3",
            '10: compare[0].batch_size: an axis needs a list of levels (found: 3). Write "batch_size" = [...].',
        ),
        (
            'optimizer."\\n" = 3',
            '10: compare[0].optimizer.\\n: an axis needs a list of levels (found: 3). Write "optimizer.\\n" =',
        ),
        ("batch_size = []", "10: batch_size: an axis needs at least one level."),
        ("batch_size = [64]", "8: compare[0]: a comparison needs at least two levels, and only one level is left."),
        ("batch_size = [64, 64]", "10: batch_size: this level stands there twice (found: 64)."),
        ("batch_size = [64,\n 0]", "11: batch_size: must be at least 1 (found: 0)."),
        ("batch_size = [64, true]", "10: batch_size: must be a whole number (found: True)."),
        ('architecture = ["dcgan", { name = "dcgan" }]', "10: architecture: this level stands there twice"),
        (
            'architecture = ["dcgan", { name = "dcgan", depth = 2 }]',
            "8: compare[0]: the levels 'dcgan' and 'dcgan, depth 2' are the same settings. Leave one out.",
        ),
        (
            'architecture = ["dcgan",\n "fgan"]',
            "11: architecture: no architecture is called 'fgan'. Did you mean 'fcgan'?",
        ),
        ('architecture = ["dcgan", 3]', "10: architecture: must be a name in quotes, or a table"),
        (
            '"architecture.name" = ["dcgan", "fcgan"]',
            "10: compare[0].architecture.name: a plugin's name is no parameter.",
        ),
        (
            '"architecture.depht" = [1, 2]',
            "10: architecture.depht: is no parameter of dcgan (found: 1). Did you mean 'depth'?",
        ),
        ('"architecture.depth" = [1,\n 2,\n 9]', "12: architecture.depth: must be at most 6 (found: 9)."),
        ("architecture.depth = [1,\n 2,\n 9]", "12: architecture.depth: must be at most 6 (found: 9)."),
        (
            "architecture.depth = [1, 2]\n'architecture.depth' = [3, 4]",
            "11: compare[0].architecture.depth: the axis architecture.depth stands there twice.",
        ),
        (
            'architecture = ["dcgan", "fcgan"]\n"architecture.kernel" = [3, 5]',
            "11: architecture.kernel: is no parameter of fcgan (found: 3).",
        ),
        ('"architecture..depth" = [1, 2]', "10: compare[0].architecture..depth: this path has an empty part"),
        ('"batch_size.x" = [1, 2]', "10: compare[0].batch_size.x: batch_size is one value and has no parts."),
        (
            'tricks = ["ema", "hinge"]',
            "10: tricks: each level is a list of tricks (found: 'ema'). Write [[], [\"label_noise\"], ...]",
        ),
        ('tricks = [[], ["emma"]]', "10: tricks.emma: no trick is called 'emma'. Did you mean 'ema'?"),
        ('tricks = [[],\n ["ema", "ema"]]', "11: tricks.ema: the trick 'ema' stands there twice."),
        (
            'tricks = [[],\n ["hinge", "wgan_gp"]]',
            "11: tricks: the tricks 'hinge' and 'wgan_gp' both replace the loss and targets.",
        ),
        ('"tricks.ema" = [1, 2]', "10: compare[0].tricks.ema: a path into a trick names one of its parameters."),
        (
            '"tricks.ema.decay" = [0.5, 0.9]',
            "10: tricks.ema.decay: there is no trick 'ema' to set this for (found: []). Add it to tricks, or exclude",
        ),
        ('"optimizer.lr" = [1, 0]', "10: optimizer.lr: must be more than 0 (found: 0)."),
        ('"optimizer.name" = ["sgd", "x"]', "10: optimizer.name: is no known optimiser (found: 'x'). Known: "),
        ("optimizer = [{}, 3]", "10: optimizer: must be an optimiser's name or a table (found: 3)."),
        ("batch_size = [1, 2]\nexclude = 3", "11: compare[0].exclude: must be a list (found: 3)."),
        ("batch_size = [1, 2]\nexclude = [{}]", "11: compare[0].exclude[0]: an exclusion needs a path and a level."),
        (
            "batch_size = [1, 2]\nexclude = [{ batch_size = 3 }]",
            "11: compare[0].exclude[0].batch_size: this is no level of batch_size (found: 3).",
        ),
        (
            "batch_size = [1, 2]\nexclude = [{ batchsize = 1 }]",
            "11: compare[0].exclude[0].batchsize: 'batchsize' is no axis of this comparison. Did you mean 'batch_size'?",
        ),
        (
            "batch_size = [1, 2]\nexclude = [{ batch_size = 1 }]",
            "8: compare[0]: a comparison needs at least two levels, and only one level is left.",
        ),
        (
            "batch_size = [1, 2]\nreference = 3",
            "11: compare[0].reference: the reference is no level of batch_size (found: 3).",
        ),
        (
            "batch_size = [1, 2, 3]\nexclude = [{ batch_size = 1 }]\nreference = 1",
            "12: compare[0].reference: the reference is excluded from the comparison (found: 1).",
        ),
        (
            'batch_size = [1, 2]\n"architecture.depth" = [1, 2]\nreference = 1',
            "12: compare[0].reference: where there are several axes, the reference is a table",
        ),
        (
            "batch_size = " + str(list(range(1, 1001))) + '\n"architecture.width" = ' + str(list(range(1, 1001))),
            "8: compare: the grid asks for up to 2,000,000 runs (levels times seeds), and at most 100,000 are allowed.",
        ),
    ],
)
def test_comparisons(lines, error):
    assert refused_comparison(lines).startswith(error), refused_comparison(lines)


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("steps", "--set steps: must have the form KEY=VALUE."),
        ("a b=1", "--set a b=1: the key must be a dotted path such as architecture.depth."),
        ("=1", "--set =1: the key must be a dotted path"),
        ("step=1", "--set step=1: step: is no known key. Did you mean 'steps'?"),
        ("compare.title=1", "--set compare.title=1: compare: comparisons can't be set from here."),
        ("steps=inf", "--set steps=inf: must be a finite number."),
        ("steps=many", "--set steps=many: steps: must be a whole number (found: 'many')."),
        ("architecture.depth=9", "--set architecture.depth=9: architecture.depth: must be at most 6 (found: 9)."),
        (
            "architecture.dept=9",
            "--set architecture.dept=9: architecture.dept: is no parameter of dcgan (found: 9). Did you mean 'depth'?",
        ),
        ("tricks.ema.decay=0.5", "--set tricks.ema.decay=0.5: there is no trick 'ema' among the baseline's tricks."),
        ('tricks=["emma"]', "--set tricks=[\"emma\"]: tricks.emma: no trick is called 'emma'. Did you mean 'ema'?"),
        (
            "optimizer.generator.lr=-1",
            "--set optimizer.generator.lr=-1: optimizer.generator.lr: must be more than 0 (found: -1).",
        ),
    ],
)
def test_overrides(override, error):
    assert refused(BASELINE, overrides=[override]).startswith(error), refused(BASELINE, overrides=[override])


def test_seeds_option():
    assert refused(BASELINE, seeds="x").startswith("--seeds x: seeds: must be a list of whole numbers")
