# SPDX-License-Identifier: Apache-2.0
"""Exports a jetcal model file the way a user of PyTorch would: python -m bench.peers.export MODEL.jetcal FILE.onnx"""

import sys
import warnings

from . import networks

warnings.filterwarnings("ignore")
networks.export_padded(networks.Weights(sys.argv[1]), sys.argv[2])
