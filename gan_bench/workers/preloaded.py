"""What every worker needs and what takes seconds to import; no plugin, and nothing that starts threads or a GPU."""

import gc
import os
import signal

from gan_bench.workers.processes import ignore_the_terminal

gc.disable()  # what is imported stays
ignore_the_terminal()  # also while this imports
# Slurm ends a job by telling each of its processes: the end of this one would look like that of all workers.
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

import torch._dynamo  # noqa: E402, F401 - PyTorch's optimisers import it when first used
import torchvision.utils  # noqa: E402, F401

import gan_bench.workers.worker  # noqa: E402, F401 - half a second of each worker

gc.enable()
