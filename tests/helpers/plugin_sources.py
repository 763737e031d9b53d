"""Plugin files that authors might write."""

HALF_BROKEN = '''
from gan_bench import Architecture, Trick, hookimpl


class Dim(Trick):
    """All that D sees is dimmed."""

    name = "dim"
    by: float = 0.5

    def edit(self, recipe):
        print("a plugin that prints")
        recipe.d_inputs(lambda x: x * self.by)


class Half(Architecture):
    """No discriminator."""

    name = "half"

    def generator(self, data):
        raise ValueError("nothing")


@hookimpl
def gan_bench_tricks():
    return [Dim]


@hookimpl
def gan_bench_architectures():
    return [Half]
'''
