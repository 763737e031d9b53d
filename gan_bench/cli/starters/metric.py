"""A metric: a number from features of generated and of held-out real samples."""

from gan_bench import Metric, hookimpl


class Mine(Metric):
    """Distance of the mean features (no paper's)."""

    # The line above is shown in lists. Say there where it is from: (Heusel et al. 2017, eq. 6).

    name = "mine"
    side = "distance"  # or "quality", "diversity": what an answer takes it for
    better = "lower"
    scale = "log"  # strictly positive: differences are told in percent; else "raw"

    def score(self, generated, real):  # features (N, d) and (M, d), float32; ValueError: it can't be computed, and why
        return (generated.double().mean(0) - real.double().mean(0)).norm().item()


@hookimpl
def gan_bench_metrics():
    return [Mine]
