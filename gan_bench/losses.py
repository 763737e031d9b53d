from gan_bench import BinaryCrossEntropy, Hinge, Loss, Wasserstein  # noqa: F401 - where plugins of other people look for them
