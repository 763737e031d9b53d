"""CIFAR-100."""

from __future__ import annotations

from gan_bench import Dataset, Field, hookimpl

from .cifar10 import Cifar

FINE = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree
wolf woman worm
"""
COARSE = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""


class Cifar100(Cifar):
    """Photographs of a hundred kinds of things, 50,000 and 10,000 of 32x32 (Krizhevsky 2009)."""

    name = "cifar100"
    collection = "CIFAR100"
    training = ("train",)
    held_out = "test"
    homes = ("cifar-100-python",)
    required = (*training, held_out)
    origin = "unpack cifar-100-python.tar.gz there"
    instead = {
        "cifar-100-python.tar.gz": "is still packed: unpack it there",
        **dict.fromkeys(
            ("cifar-100-binary", "train.bin", "cifar-100-binary.tar.gz"),
            "is CIFAR-100's binary version: the Python version is needed, cifar-100-python.tar.gz",
        ),
        **dict.fromkeys(
            ("cifar-100-matlab", "train.mat", "cifar-100-matlab.tar.gz"),
            "is CIFAR-100's Matlab version: the Python version is needed, cifar-100-python.tar.gz",
        ),
    }

    coarse: bool = Field(False, description="the 20 superclasses as classes, in place of the 100")

    def classes(self) -> tuple[str, ...]:
        return tuple(name.replace("_", " ") for name in (COARSE if self.coarse else FINE).split())

    def label_key(self) -> str:
        return "coarse_labels" if self.coarse else "fine_labels"


@hookimpl
def gan_bench_datasets() -> list[type[Dataset]]:
    return [Cifar100]
