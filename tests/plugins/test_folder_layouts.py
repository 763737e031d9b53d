"""Folders as people have them, by their names alone: from published datasets, Kaggle, exports of labelling tools and phones."""

from __future__ import annotations

import random
import re
import tomllib
from typing import Any

import pytest
from folder_trees import CATS_DOGS, parts, understood

from gan_bench.errors import GanBenchError
from gan_bench_plugins.datasets._files import sorted_out
from gan_bench_plugins.datasets._split import Split
from gan_bench_plugins.datasets.folder import PictureFolder


@pytest.fixture(autouse=True)
def without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gan_bench_plugins.datasets._formats.find_spec", lambda name: None)


DIGITS = {str(digit): 3 for digit in range(10)}
CHEST = parts("train", "test", "val", of={"NORMAL": 10, "PNEUMONIA": 10})
INTEL = parts("seg_train/seg_train", "seg_test/seg_test", of={"buildings": 5, "forest": 5, "sea": 5})

READ: dict[str, tuple[dict[str, int], dict[str, int | None], tuple[str, ...] | None, dict[str, int]]] = {
    # name: the tree, the lengths of the parts, the classes, what is left out
    "a pile": ({"{}.png": 9}, {"training": 9, "held_out": None}, None, {}),
    "one folder": ({"images": 9}, {"training": 9, "held_out": None}, None, {}),
    "classes": (CATS_DOGS, {"training": 20, "held_out": None}, ("cats", "dogs"), {}),
    "Kaggle's cats and dogs": (
        {
            "PetImages/Cat": 9,
            "PetImages/Dog": 9,
            "PetImages/Cat/Thumbs.db": 0,
            "readme[1].txt": 0,
            "MSR-LA - 3467.docx": 0,
        },
        {"training": 18, "held_out": None},
        ("Cat", "Dog"),
        {"thumbnails or waste of a system": 1, "no pictures (.txt)": 1, "with the ending .docx": 1},
    ),
    "dogs-vs-cats": (
        {"train/cat.{}.jpg": 10, "train/dog.{}.jpg": 10, "test1": 5, "sampleSubmission.csv": 0},
        {"training": 20, "held_out": 5},
        None,
        {"no pictures (.csv)": 1},
    ),
    "dogs and cats as Keras has them": (
        parts("cats_and_dogs_filtered/train", "cats_and_dogs_filtered/validation", of=CATS_DOGS),
        {"training": 20, "held_out": 20},
        ("cats", "dogs"),
        {},
    ),
    "Kaggle's training_set twice": (
        parts("training_set/training_set", "test_set/test_set", of=CATS_DOGS),
        {"training": 20, "held_out": 20},
        ("cats", "dogs"),
        {},
    ),
    "CycleGAN": (
        {f"horse2zebra/{part}{domain}": 4 for part in ("train", "test") for domain in "AB"},
        {"training": 8, "held_out": 8},
        ("A", "B"),
        {},
    ),
    "CycleGAN, one domain": ({"trainA": 4, "testA": 2}, {"training": 4, "held_out": 2}, None, {}),
    "CycleGAN, no test": ({"trainA": 4, "trainB": 2}, {"training": 6, "held_out": None}, ("A", "B"), {}),
    "pix2pix": (
        {"facades/train": 8, "facades/val": 2, "facades/test": 3},
        {"training": 8, "held_out": 3},
        None,
        {"in val, as test is held out": 2},
    ),
    "COCO": (
        {"coco/train2017": 8, "coco/val2017": 2, "coco/test2017": 3, "coco/annotations/instances_val2017.json": 0},
        {"training": 8, "held_out": 3},
        None,
        {"no pictures (.json)": 1, "in val2017, as test2017 is held out": 2},
    ),
    "YOLO": (
        {"images/train": 8, "images/val": 2, "labels/train/{}.txt": 8, "labels/val/{}.txt": 2, "data.yaml": 0},
        {"training": 8, "held_out": 2},
        None,
        {"no pictures (.txt, .yaml)": 11},
    ),
    "Roboflow's export": (
        {**parts("train", "valid", "test", of={"images": 4, "labels/{}.txt": 4}), "README.roboflow.txt": 0},
        {"training": 4, "held_out": 4},
        None,
        {"no pictures (.txt)": 13, "in valid, as test is held out": 4},
    ),
    "ImageNette": (
        {**parts("imagenette2-160/train", "imagenette2-160/val", of=DIGITS), "imagenette2-160/noisy_imagenette.csv": 0},
        {"training": 30, "held_out": 30},
        tuple(DIGITS),
        {"no pictures (.csv)": 1},
    ),
    "tf_flowers": (
        {"flower_photos/daisy": 5, "flower_photos/roses": 5, "flower_photos/LICENSE.txt": 0},
        {"training": 10, "held_out": None},
        ("daisy", "roses"),
        {"no pictures (.txt)": 1},
    ),
    "Kaggle's flowers, which hold themselves": (
        {"flowers/daisy": 5, "flowers/rose": 5, "flowers/flowers/daisy": 5, "flowers/flowers/rose": 5},
        {"training": 10, "held_out": None},
        ("daisy", "rose"),
        {"in flowers, which holds the folders beside it once more": 10},
    ),
    "flowers whose test has no classes": (
        {**parts("dataset/train", "dataset/valid", of={"1": 5, "2": 5}), "dataset/test": 4},
        {"training": 10, "held_out": 10},
        ("1", "2"),
        {"in test, as valid is held out": 4},
    ),
    "FFHQ's thumbnails": (
        {f"thumbnails128x128/{top:05d}/{top + index:05d}.png": 0 for top in (0, 1000, 2000) for index in range(5)},
        {"training": 15, "held_out": None},
        None,
        {},
    ),
    "StyleGAN's folders": (
        {f"{number:05d}/img{number * 1000 + index:08d}.png": 0 for number in range(3) for index in range(5)},
        {"training": 15, "held_out": None},
        None,
        {},
    ),
    "LSUN": (
        {"lsun/bedroom": 5, "lsun/church_outdoor": 5},
        {"training": 10, "held_out": None},
        ("bedroom", "church_outdoor"),
        {},
    ),
    "LSUN's parts": ({"bedroom_train": 5, "bedroom_val": 2}, {"training": 5, "held_out": 2}, None, {}),
    "MNIST as PNG": (
        parts("mnist_png/training", "mnist_png/testing", of=DIGITS),
        {"training": 30, "held_out": 30},
        tuple(DIGITS),
        {},
    ),
    "digits in numbered folders": (
        {f"{digit:03d}/{index:05d}.png": 0 for digit in range(4) for index in range(3)},
        {"training": 12, "held_out": None},
        ("000", "001", "002", "003"),
        {},
    ),
    "CelebA-HQ": (
        parts("celeba_hq/train", "celeba_hq/val", of={"female": 5, "male": 5}),
        {"training": 10, "held_out": 10},
        ("female", "male"),
        {},
    ),
    "AFHQ": (
        parts("afhq/train", "afhq/val", of={"cat": 5, "dog": 5, "wild": 5}),
        {"training": 15, "held_out": 15},
        ("cat", "dog", "wild"),
        {},
    ),
    "chest X-rays": (
        CHEST,
        {"training": 20, "held_out": 20},
        ("NORMAL", "PNEUMONIA"),
        {"in val, as test is held out": 20},
    ),
    "chest X-rays as Kaggle packs them": (
        {
            **parts("chest_xray", "chest_xray/chest_xray", of=CHEST),
            "chest_xray/__MACOSX/chest_xray/._x.jpeg": 0,
            "chest_xray/chest_xray/__MACOSX/._x.jpeg": 0,
            "chest_xray/chest_xray/train/.DS_Store": 0,
        },
        {"training": 20, "held_out": 20},
        ("NORMAL", "PNEUMONIA"),
        {
            "thumbnails or waste of a system": 3,
            "in chest_xray, which holds the folders beside it once more": 60,
            "in val, as test is held out": 20,
        },
    ),
    "Intel's scenes": (INTEL, {"training": 15, "held_out": 15}, ("buildings", "forest", "sea"), {}),
    "Fruits-360": (
        parts("fruits-360/Training", "fruits-360/Test", of={"Apple Braeburn": 5, "Pear 2": 5}),
        {"training": 10, "held_out": 10},
        ("Apple Braeburn", "Pear 2"),
        {},
    ),
    "DIV2K": ({"DIV2K_train_HR": 8, "DIV2K_valid_HR": 2}, {"training": 8, "held_out": 2}, None, {}),
    "images below each class": (
        {f"{part}/{name}/images": 5 for part in ("train", "val") for name in ("n01", "n02")},
        {"training": 10, "held_out": 10},
        ("n01", "n02"),
        {},
    ),
    "images above the classes": (
        parts("train/images", "test/images", of=CATS_DOGS),
        {"training": 20, "held_out": 20},
        ("cats", "dogs"),
        {},
    ),
    "parts below each class": (
        {f"{name}/{part}": 5 for name in ("bottle", "cable") for part in ("train", "test")},
        {"training": 10, "held_out": 10},
        ("bottle", "cable"),
        {},
    ),
    "test-set, Train and so on": (
        {"Training Images": 5, "test-set": 2, "HoldOut": 3},
        {"training": 5, "held_out": 5},
        None,
        {},
    ),
    "only training": (parts("train", of=CATS_DOGS), {"training": 20, "held_out": None}, ("cats", "dogs"), {}),
    "two folders to train on": (
        parts("train_1", "train_2", of=CATS_DOGS),
        {"training": 40, "held_out": None},
        ("cats", "dogs"),
        {},
    ),
    "a test without pictures": (
        {**parts("train", of=CATS_DOGS), "test/{}.txt": 3},
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"no pictures (.txt)": 3},
    ),
    "Places, whose classes are called after trains": (
        {"train_interior": 5, "train_station": 5, "zoo": 5},
        {"training": 15, "held_out": None},
        ("train_interior", "train_station", "zoo"),
        {},
    ),
    "masks that are worn": (
        {"with_mask": 5, "without_mask": 5},
        {"training": 10, "held_out": None},
        ("with_mask", "without_mask"),
        {},
    ),
    "masks and none": ({"Mask": 5, "Non Mask": 5}, {"training": 10, "held_out": None}, ("Mask", "Non Mask"), {}),
    "PACS": (
        {"art_painting": 5, "cartoon": 5, "photo": 5, "sketch": 5},
        {"training": 20, "held_out": None},
        ("art_painting", "cartoon", "photo", "sketch"),
        {},
    ),
    "breast ultrasound": (
        {"benign/benign ({}).png": 5, "benign/benign ({})_mask.png": 5, "benign/benign (1)_mask_1.png": 0, "normal": 5},
        {"training": 10, "held_out": None},
        ("benign", "normal"),
        {"masks of the pictures beside them (x_mask, beside x)": 6},
    ),
    "masks in a folder beside the pictures": (
        {"{}.jpg": 9, "masks/{}.png": 9, "ground truth/{}.png": 9},
        {"training": 9, "held_out": None},
        None,
        {
            "in masks, as what belongs to the pictures beside it": 9,
            "in ground truth, as what belongs to the pictures beside it": 9,
        },
    ),
    "pictures, masks and strays": (
        {"images": 5, "masks": 5, "{}.jpg": 5},
        {"training": 10, "held_out": None},
        None,
        {"in masks, as what belongs to the pictures beside it": 5},
    ),
    "masks in each part": (
        {"train": 9, "train/masks/{}.png": 9, "test": 4, "test/masks/{}.png": 4},
        {"training": 9, "held_out": 4},
        None,
        {"in masks, as what belongs to the pictures beside it": 13},
    ),
    "Google Takeout": (
        {
            "Takeout/Google Photos/Photos from 2019/IMG_{}.jpg": 5,
            "Takeout/Google Photos/Photos from 2020/IMG_{}.HEIC": 3,
            "Takeout/Google Photos/Rome/IMG_{}.jpg": 5,
            "Takeout/Google Photos/Rome/metadata.json": 0,
            "Takeout/archive_browser.html": 0,
        },
        {"training": 10, "held_out": None},
        None,
        {"no pictures (.html, .json)": 2, "with the ending .heic (pip install 'gan-bench[heif]' reads them)": 3},
    ),
    "a phone": (
        {
            "DCIM/100APPLE/IMG_{}.JPG": 5,
            "DCIM/101APPLE/IMG_{}.JPG": 5,
            "DCIM/101APPLE/IMG_{}.MOV": 2,
            "DCIM/.thumbnails": 5,
        },
        {"training": 10, "held_out": None},
        None,
        {"thumbnails or waste of a system": 1, "with the ending .mov": 2},
    ),
    "months": ({"2019-05": 5, "2019-06": 5, "2020-01": 5}, {"training": 15, "held_out": None}, None, {}),
    "LFW": (
        {f"lfw/Person_{index}": 1 for index in range(9)} | {"lfw/George": 5},
        {"training": 14, "held_out": None},
        None,
        {},
    ),
    "classes in the names of the parts": (
        {"cats_train": 5, "dogs_train": 5, "cats_test": 2, "dogs_test": 2},
        {"training": 10, "held_out": 4},
        ("cats", "dogs"),
        {},
    ),
    "Kaggle's natural images": (
        parts("natural_images", "data/natural_images", of=CATS_DOGS),
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"in data, which holds the folders beside it once more": 20},
    ),
    "MNIST of Kaggle": (
        {**parts("trainingSet/trainingSet", "testSet/testSet", of=DIGITS), "testSet/__MACOSX/x.jpg": 0},
        {"training": 30, "held_out": 30},
        tuple(DIGITS),
        {"thumbnails or waste of a system": 1},
    ),
    "NIH's chest X-rays": (
        {"images_001/images/{}.png": 5, "images_002/images/{}.png": 5, "Data_Entry_2017.csv": 0},
        {"training": 10, "held_out": None},
        None,
        {"no pictures (.csv)": 1},
    ),
    "HAM10000": (
        {"HAM10000_images_part_1": 5, "HAM10000_images_part_2": 5},
        {"training": 10, "held_out": None},
        None,
        {},
    ),
    "ORL's faces": ({"s1": 5, "s2": 5, "s3": 5}, {"training": 15, "held_out": None}, ("s1", "s2", "s3"), {}),
    "identities": ({"00000001": 5, "00000002": 5}, {"training": 10, "held_out": None}, ("00000001", "00000002"), {}),
    "Danbooru": (
        {f"original/{number % 1000:04d}/{number}.jpg": 0 for number in (1, 1001, 5001, 2, 7002, 9002, 3, 4003)},
        {"training": 8, "held_out": None},
        None,
        {},
    ),
    "LSUN unpacked by letters": (
        {f"bedroom/{letter}/0/{letter}0{index:038x}.webp": 0 for letter in "0af" for index in range(4)},
        {"training": 12, "held_out": None},
        None,
        {},
    ),
    "ImageNet's names": (
        {f"n0144076{name}/n0144076{name}_{index}.JPEG": 0 for name in range(3) for index in range(4)},
        {"training": 12, "held_out": None},
        ("n01440760", "n01440761", "n01440762"),
        {},
    ),
    "originals and fakes": ({"original": 5, "fake": 5}, {"training": 10, "held_out": None}, ("fake", "original"), {}),
    "pictures of each kind": (
        {"cat_images": 5, "dog_images": 5},
        {"training": 10, "held_out": None},
        ("cat_images", "dog_images"),
        {},
    ),
    "one stray beside classes": (
        {**CATS_DOGS, "me.jpg": 0},
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"beside the class folders": 1},
    ),
    "one stray beside their folder": (
        {**parts("download/PetImages", of=CATS_DOGS), "preview.png": 0},
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"beside the class folders": 1},
    ),
    "one stray beside the parts": (
        {**parts("data/train", "data/test", of=CATS_DOGS), "data/preview.png": 0},
        {"training": 20, "held_out": 20},
        ("cats", "dogs"),
        {"beside the folders of the parts": 1},
    ),
    "one stray in a part": (
        {**parts("train", "test", of=CATS_DOGS), "train/preview.png": 0},
        {"training": 20, "held_out": 20},
        ("cats", "dogs"),
        {"beside the class folders": 1},
    ),
    "one stray beside a folder": ({"images": 20, "preview.png": 0}, {"training": 21, "held_out": None}, None, {}),
    "more strays than one in ten": ({**CATS_DOGS, "{}.jpg": 3}, {"training": 23, "held_out": None}, None, {}),
    "a Synology's thumbnails": (
        {
            **CATS_DOGS,
            "cats/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg": 0,
            "dogs/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg": 0,
            "#recycle": 5,
        },
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"thumbnails or waste of a system": 3},
    ),
    "a store beside the pictures": (
        {
            **CATS_DOGS,
            "runs/mine/grid.json": 0,
            "runs/mine/runs/a/snapshots/{}.png": 3,
            "dogs/old/run.json": 0,
            "dogs/old": 2,
        },
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"a store or a run folder of gan-bench's": 2},
    ),
    "hidden": (
        {**CATS_DOGS, ".git/x.png": 0, "cats/._1.jpg": 0, "dogs/.x.jpg": 0, ".cache/deep/down": 5},
        {"training": 20, "held_out": None},
        ("cats", "dogs"),
        {"hidden": 4},
    ),
    "endings in any case": (
        {"{}.JPG": 2, "{}.Jpeg": 2, "x{}.PnG": 2, "{}.TIFF": 2},
        {"training": 8, "held_out": None},
        None,
        {},
    ),
    "names of all kinds": (
        {
            "my cats/a\nb.jpg": 0,
            "my cats/ü {}.jpg": 3,
            "d.o.g.s/a.b.c.jpg": 0,
            "d.o.g.s/{}.JPG": 3,
            "d.o.g.s/" + 40 * "x/": 2,
        },
        {"training": 10, "held_out": None},
        ("d.o.g.s", "my cats"),
        {},
    ),
}


@pytest.mark.parametrize("name", READ)
def test_read(name: str) -> None:
    tree, lengths, classes, left_out = READ[name]
    found, counted = understood(tree)
    assert {part: None if own is None else len(own) for part, own in found.parts.items()} == lengths
    assert found.classes == classes
    assert counted == left_out


REFUSED: dict[str, tuple[dict[str, int], str, str]] = {
    # name: the tree, what is said of it, and the setting that is said to cure it
    "tiny ImageNet": (
        {
            **{f"tiny-imagenet-200/train/n{index}/images": 5 for index in range(3)},
            **{"tiny-imagenet-200/val/images": 5, "tiny-imagenet-200/test/images": 5},
        },
        "the classes of val are not those of train: it has images besides and lacks n0, n1 and n2",
        'split = { training = "train" }',
    ),
    "folds": (
        parts("data/fold0", "data/fold1", "data/fold2", of={"cats": 5, "dogs": 5}),
        "the folders fold0, fold1 and fold2 all hold the folders cats and dogs: either may be the classes",
        'split = { training = ["fold0", "fold1", "fold2"] }',
    ),
    "Office-31": (
        parts("amazon", "dslr", of={"back_pack": 5, "bike": 5, "mug": 5}),
        "the folders amazon and dslr all hold the folders back_pack, bike and mug",
        'labels = "folders"',
    ),
    "domains of both parts": (
        parts(*(f"{part}/{domain}" for part in ("train", "test") for domain in ("photo", "art")), of={"a": 5, "b": 5}),
        "the folders art and photo all hold the folders a and b",
        'split = { training = ["train/art", "train/photo"], held_out = ["test/art", "test/photo"] }',
    ),
    "GTSRB": (
        {**parts("GTSRB/Final_Training/Images", of={"00000": 5, "00001": 5}), "GTSRB/Final_Test/Images": 5},
        "the classes of Final_Test are not those of Final_Training: it has no folders of classes",
        'split = { training = "Final_Training" }',
    ),
    "GTSRB from Kaggle": (
        {**parts("Train", of={"0": 5, "1": 5}), "Test": 5, "Meta": 2},
        r"\(Test and Train\) stand beside others \(Meta\)",
        'split = { training = "Train" }',
    ),
    "Intel's scenes with seg_pred": (
        {**INTEL, "seg_pred/seg_pred": 5},
        r"\(seg_test and seg_train\) stand beside others \(seg_pred\)",
        'split = { training = "seg_train", held_out = "seg_test" }',
    ),
    "Market-1501": (
        {
            f"Market-1501-v15.09.15/{name}": 5
            for name in ("bounding_box_train", "bounding_box_test", "query", "gt_bbox")
        },
        r"beside others \(gt_bbox and query\) in Market-1501-v15\.09\.15\. ",
        'split = { training = "bounding_box_train", held_out = "bounding_box_test" }',
    ),
    "STL-10": (
        {"train_images": 5, "test_images": 5, "unlabeled_images": 5},
        r"beside others \(unlabeled_images\)",
        'split = { training = "train_images", held_out = "test_images" }',
    ),
    "Fruits-360 whole": (
        {**parts("Training", "Test", of={"Apple": 5, "Pear": 5}), "test-multiple_fruits": 5, "papers": 1},
        r"beside others \(papers and test-multiple_fruits\)",
        'split = { training = "Training", held_out = "Test" }',
    ),
    "Pascal's classes": (
        {"aeroplane": 5, "bus": 5, "train": 5},
        r"\(train\) stand beside others \(aeroplane and bus\)",
        'split = "random"',
    ),
    "classes and a test": (
        {**CATS_DOGS, "test": 5},
        r"\(test\) stand beside others \(cats and dogs\)",
        'split = { training = ["cats", "dogs"], held_out = "test" }',
    ),
    "pictures beside the parts": (
        {"train": 5, "test": 5, "{}.jpg": 5},
        r"\(test and train\) stand beside pictures\. ",
        'split = { training = "train", held_out = "test" }',
    ),
    "parts beside a stray": (
        {"d/train": 25, "d/test": 5, "d/other": 5, "x.jpg": 0},
        r"beside others \(other\) in d\. ",
        'split = { training = "d/train", held_out = "d/test" }',
    ),
    "no training": ({"val": 5, "test": 5}, "none as one to train on", 'split = { training = "test" }'),
    "another class in the test": (
        {**parts("train", "test", of=CATS_DOGS), "test/birds": 3},
        "the classes of test are not those of train: it has birds besides",
        'split = { training = "train" }',
    ),
    "a class written otherwise": (
        {**parts("train", of={"Cat": 5, "dog": 5}), **parts("test", of={"cat": 5, "dog": 5})},
        "it has cat besides and lacks Cat",
        'split = { training = "train" }',
    ),
    "MVTec": (
        {
            f"{name}/{part}": 5
            for name in ("bottle", "cable")
            for part in ("train/good", "test/broken", "ground_truth/broken")
        },
        r"\(test and train\) stand beside others \(ground_truth\) in bottle",
        'split = { training = "bottle/train", held_out = "bottle/test" }',
    ),
    "Pascal VOC": (
        {f"VOCdevkit/VOC2007/{name}": 5 for name in ("JPEGImages", "SegmentationClass", "SegmentationObject")},
        "look like pictures and what belongs to these, not like classes",
        'split = { training = "JPEGImages" }',
    ),
    "CelebAMask-HQ": (
        {"CelebA-HQ-img": 5, "CelebAMask-HQ-mask-anno/0": 5},
        "look like pictures and what belongs to these",
        'split = { training = "CelebA-HQ-img" }',
    ),
    "HAM10000 with segmentations": (
        {"HAM10000_images_part_1": 5, "HAM10000_images_part_2": 5, "HAM10000_segmentations_lesion_tschandl": 5},
        "look like pictures and what belongs to these",
        'split = { training = ["HAM10000_images_part_1", "HAM10000_images_part_2"] }',
    ),
    "ISIC 2018": (
        {
            f"ISIC2018_Task1_{part}_{kind}": 5
            for part in ("Training", "Validation", "Test")
            for kind in ("Input", "GroundTruth")
        },
        "isic task groundtruth and isic task input look like",
        'split = { training = "ISIC2018_Task1_Training_Input", held_out = "ISIC2018_Task1_Test_Input" }',
    ),
    "PlantVillage": (
        parts(
            "plantvillage dataset",
            of={f"{kind}/{leaf}": 5 for kind in ("color", "grayscale", "segmented") for leaf in "ab"},
        ),
        "color, grayscale and segmented look like",
        'split = { training = "color" }',
    ),
    "pictures, classes and strays": ({"images": 5, "cats": 5, "{}.jpg": 5}, "look", 'split = { training = "images" }'),
    "originals and masks": (
        {"Original": 5, "Ground truth": 5},
        "Ground truth and Original look like",
        'split = { training = "Original" }',
    ),
    "Omniglot": (
        {**parts("images_background", of={"Greek/1": 5, "Latin/1": 5}), "images_evaluation/Manga/1": 5},
        r"\(images_evaluation\) stand beside others \(images_background\)",
        'split = { training = "images_background" }',
    ),
    "valid and invalid": ({"valid": 5, "invalid": 5}, r'Say split = "random" for one pile', 'split = "random"'),
    "pictures and masks": ({"images": 5, "masks": 5}, "images and masks look like", 'split = { training = "images" }'),
    "pictures and classes": ({"images": 5, "cats": 5}, "cats and images look like", 'split = { training = "images" }'),
    "Carvana": (
        {"train": 5, "train_masks/{}_mask.gif": 5},
        r"\(train\) stand beside others \(train_masks\)",
        'split = { training = "train" }',
    ),
    "cats and their masks": ({"cats": 5, "cats_masks": 5}, "cats and cats_masks look", 'split = { training = "cats" }'),
    "DRIVE": (
        parts("training", "test", of={"images": 5, "mask": 5, "1st_manual": 5}),
        "1st_manual, images and mask look like",
        'split = { training = "training/images", held_out = "test/images" }',
    ),
    "Cityscapes": (
        {
            f"{kind}/{part}/{city}": 5
            for kind in ("leftImg8bit", "gtFine")
            for part in ("train", "val", "test")
            for city in ("ulm", "bonn")
        },
        "gtFine and leftImg8bit look like",
        'split = { training = "leftImg8bit/train", held_out = "leftImg8bit/test" }',
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_cure_that_works(name: str) -> None:
    tree, told, cure = REFUSED[name]
    with pytest.raises(GanBenchError, match=told) as refused:
        understood(tree)
    assert cure in str(refused.value)
    # What else it names works too, or is refused for another reason, which has a cure of its own.
    for setting in re.findall(r'split = (?:\{.*?\}|"random")|labels = "\w+"', str(refused.value)):
        settings = PictureFolder(root="x", **tomllib.loads(setting))
        again = refusal(tree, split=settings.split, labels=settings.labels)
        assert again != str(refused.value)
        assert not again or setting != cure, again


def test_inner_classes_are_had_by_naming_the_folders_around_them() -> None:
    tree = parts("data/fold0", "data/fold1", of={"cats": 5, "dogs": 5})
    found, _ = understood(tree, split=Split(training=("fold0", "fold1")))
    assert found.classes == ("cats", "dogs")
    assert found.labels == [0] * 5 + [1] * 5 + [0] * 5 + [1] * 5


def refusal(tree: dict[str, int], **settings: Any) -> str:
    """What is said where a tree is refused; "" if it isn't."""
    try:
        understood(tree, **settings)
    except GanBenchError as error:
        return str(error)
    return ""


FOLDERS = [
    *(
        "train",
        "test",
        "val",
        "trainA",
        "testB",
        "seg_train",
        "seg_test",
        "train_cats",
        "test_cats",
        "images",
        "masks",
        "x_mask",
    ),
    *(
        "cats",
        "dogs",
        "00000",
        "01000",
        "2019",
        "images_1",
        "images_2",
        "caf\u00e9",
        "cafe\u0301",
        "\udcff",
        'new\nline"',
        ".hid",
        "",
    ),
]
FILES = [
    "1.jpg",
    "2.JPG",
    "x.jpg",
    "x_mask.png",
    "0001.png",
    "1001.png",
    "a.txt",
    "run.json",
    "b.heic",
    "none",
    "\udcff.png",
]


@pytest.mark.parametrize("seed", range(300))
def test_any_names(seed: int) -> None:
    """Each picture has one place, or one error says what to do; and all that is said can be written down."""
    pick = random.Random(seed)
    some = pick.sample(FOLDERS, pick.randint(1, 6))
    folders = ["/".join(filter(None, pick.choices(some, k=pick.randint(0, 4)))) for _ in range(30)]
    tree = {"/".join(filter(None, (folder, pick.choice(FILES)))): 0 for folder in folders}
    if not sorted_out(tree)[0]:
        return
    split = pick.choice(["auto", "auto", "random", Split(training=pick.choice(FOLDERS[:-2])), Split(training="train")])
    try:
        found, counted = understood(tree, split=split, labels=pick.choice(["auto", "auto", "folders", "none"]))
    except GanBenchError as error:
        str(error).encode()
        for setting in re.findall(r"split = \{.*?\}", str(error)):
            assert PictureFolder(root="x", **tomllib.loads(setting)).split.training
    else:
        assert found.parts["training"]
        assert found.parts["held_out"] != []
        assert found.classes is None or len(found.classes) > 1
        "".join([*found.notes, *counted, *(found.classes or ())]).encode()
