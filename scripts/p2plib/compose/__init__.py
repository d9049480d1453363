# SPDX-License-Identifier: GPL-2.0-only
"""The series on the stripped base, as a git branch in build/tree; bringing work there back; what is mailed."""
