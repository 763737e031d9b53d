"""What every worker needs and what takes seconds to import; no plugin, and nothing that starts threads or a GPU."""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, also while this imports

import torch._dynamo  # noqa: E402, F401 - PyTorch's optimisers import it when first used
import torchmetrics.image.fid  # noqa: E402, F401
import torchvision.utils  # noqa: E402, F401
