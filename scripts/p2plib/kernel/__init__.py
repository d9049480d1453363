# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of build/tree, and modules beside them."""
