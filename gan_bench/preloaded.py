"""What every worker needs and what takes seconds to import; no plugin, and nothing that starts threads or a GPU."""

import torch._dynamo  # noqa: F401 - PyTorch's optimisers import it when first used
import torchmetrics.image.fid  # noqa: F401
import torchvision.utils  # noqa: F401
