# SPDX-License-Identifier: GPL-2.0-only
"""What the base's own P2PDMA consists of: the rules that take it out.

A rule reads: name, kind (see kinds.py), pattern, how often it must match. `count` is the exact
number; a tuple lists the numbers that 6.12.y versions have, and `why` says what differs.
`inside` confines a rule to one function. Rules of a file run in order.
"""

from dataclasses import dataclass
from typing import Any

from p2plib.base import kinds as k


@dataclass(frozen=True)
class Rule:
    """One cut."""

    name: str
    file: str
    kind: k.Kind
    pattern: str
    counts: tuple[int, ...]  # of matches, each of which is right
    inside: str | None = None  # a function
    why: str | None = None  # of several counts


# Whole files: nothing in them but P2PDMA.
FILES = (
    "Documentation/driver-api/pci/p2pdma.rst",
    "drivers/pci/p2pdma.c",
    "include/linux/pci-p2pdma.h",
)

# No trace of these may be left, in any case ...
TRACE = ("p2pdma", "p2pmem", "p2p_dma", "dma_is_bus_address", "mark_bus_address", "dma_bus_address")

# ... except in the callers, which stay as they are, and in prose about them.
CALLERS = (
    "Documentation/translations/",
    "drivers/accel/habanalabs/",
    "drivers/gpu/drm/amd/amdgpu/",
    "drivers/gpu/drm/amd/amdkfd/",
    "drivers/gpu/drm/xe/",
)

RULES: list[Rule] = []


def of(path: str, *rules: tuple[Any, ...]) -> None:
    for name, kind, pattern, *rest in rules:
        options = rest[0] if rest else {}
        count = options.get("count", 1)
        counts = count if isinstance(count, tuple) else (count,)
        RULES.append(Rule(name, path, kind, pattern, counts, options.get("inside"), options.get("why")))


# Documentation --------------------------------------------------------------------------------

of("Documentation/ABI/testing/sysfs-bus-pci", ("abi-p2pmem", k.drop_paragraph, r"^What:.*/p2pmem/", {"count": 4}))

of("Documentation/driver-api/pci/index.rst", ("toctree", k.drop_line, r"^   p2pdma$"))

of("Documentation/mm/memory-model.rst", ("zone-device-user", k.drop_paragraph, r"^\* p2pdma:"))

of("MAINTAINERS", ("maintainers", k.drop_paragraph, r"^PCI PEER-TO-PEER DMA"))

# Memory management ----------------------------------------------------------------------------

of("mm/Kconfig", ("zone-device-help", k.drop_text, ", PCI_P2PDMA,"))

of(
    "include/linux/memremap.h",
    ("memory-type-doc", k.drop_comment_paragraph, r"MEMORY_DEVICE_PCI_P2PDMA:"),
    ("memory-type", k.drop_enumerator, "MEMORY_DEVICE_PCI_P2PDMA"),
    ("page-test", k.drop_function, "is_pci_p2pdma_page"),
)

of("mm/memremap.c", ("memremap-pgprot", k.drop_case, "MEMORY_DEVICE_PCI_P2PDMA"))

of("include/linux/mm_types.h", ("foll-flag", k.drop_enumerator, "FOLL_PCI_P2PDMA"))

of(
    "mm/gup.c",
    ("gup-refuse", k.drop_if, r"is_pci_p2pdma_page", {"count": 3}),
    ("gup-longterm", k.drop_if, r"FOLL_LONGTERM\) &&\s.*FOLL_PCI_P2PDMA"),
    ("gup-fast-flags", k.drop_operand, "FOLL_PCI_P2PDMA"),
)

of("include/linux/uio.h", ("iter-flag", k.drop_macro, "ITER_ALLOW_P2PDMA"))

of(
    "lib/iov_iter.c",
    ("iter-to-foll", k.drop_if, "ITER_ALLOW_P2PDMA"),
    ("iter-doc", k.drop_comment_paragraph, "ITER_ALLOW_P2PDMA"),
)

of("lib/scatterlist.c", ("extract-doc", k.drop_comment_paragraph, "ITER_ALLOW_P2PDMA"))

of("fs/netfs/iterator.c", ("netfs-doc", k.drop_comment_paragraph, "ITER_ALLOW_P2PDMA"))

# The DMA API ----------------------------------------------------------------------------------

of(
    "include/linux/scatterlist.h",
    ("sg-flag", k.drop_macro, "SG_DMA_BUS_ADDRESS"),
    ("sg-flag-doc", k.drop_text, r"a specific dma address is a bus address or (?=the\n)"),
    ("sg-is", k.drop_function, "sg_dma_is_bus_address", {"count": 2}),
    ("sg-mark", k.drop_function, "sg_dma_mark_bus_address", {"count": 2}),
    ("sg-unmark", k.drop_function, "sg_dma_unmark_bus_address", {"count": 2}),
)

of(
    "include/linux/dma-map-ops.h",
    ("map-segment", k.drop_ifdef, "CONFIG_PCI_P2PDMA"),
    ("map-type", k.drop_type, "pci_p2pdma_map_type"),
    ("map-state", k.drop_type, "pci_p2pdma_map_state"),
)

of(
    "include/linux/dma-mapping.h",
    ("supported-proto", k.drop_prototype, "dma_pci_p2pdma_supported"),
    ("supported-stub", k.drop_function, "dma_pci_p2pdma_supported"),
)

of(
    "kernel/dma/mapping.c",
    ("map-sg-error", k.drop_operand, "ents != -EREMOTEIO"),
    ("map-sgtable-doc", k.drop_comment_entry, "-EREMOTEIO"),
    ("supported", k.drop_function, "dma_pci_p2pdma_supported"),
)

of("kernel/dma/direct.h", ("direct-bounce", k.drop_if, "is_pci_p2pdma_page", {"count": 2}))

of(
    "kernel/dma/direct.c",
    ("direct-unmap-doc", k.drop_comment, "pci_p2pdma"),
    ("direct-unmap", k.drop_if, "sg_dma_is_bus_address"),
    ("direct-map", k.drop_if, "is_pci_p2pdma_page"),
    ("direct-state", k.drop_local, "p2pdma_state"),
    ("direct-type", k.drop_local, "map", {"inside": "dma_direct_map_sg"}),
)

of(
    "drivers/iommu/dma-iommu.c",
    ("iommu-finalise", k.drop_if, "sg_dma_is_bus_address", {"inside": "__finalise_sg"}),
    ("iommu-finalise-addr", k.drop_local, "s_dma_addr", {"inside": "__finalise_sg"}),
    ("iommu-invalidate", k.drop_if, "sg_dma_is_bus_address", {"inside": "__invalidate_sg"}),
    ("iommu-map", k.drop_if, "is_pci_p2pdma_page"),
    ("iommu-state", k.drop_local, "p2pdma_state"),
    ("iommu-type", k.drop_local, "map", {"inside": "iommu_dma_map_sg"}),
    ("iommu-all-bus", k.drop_if, "^!iova_len$", {"inside": "iommu_dma_map_sg"}),
    ("iommu-map-error", k.drop_operand, "ret != -EREMOTEIO", {"inside": "iommu_dma_map_sg"}),
    ("iommu-unmap", k.drop_if, "sg_dma_is_bus_address", {"inside": "iommu_dma_unmap_sg", "count": 2}),
)

of(
    "drivers/iommu/iommu.c",
    ("iommu-skip", k.drop_if, "sg_dma_is_bus_address"),
    ("iommu-skip-label", k.drop_label, "next", {"inside": "iommu_map_sg"}),
)

# The block layer ------------------------------------------------------------------------------

of(
    "include/linux/blkdev.h",
    ("queue-feature", k.drop_macro, "BLK_FEAT_PCI_P2PDMA"),
    ("queue-test", k.drop_macro, "blk_queue_pci_p2pdma"),
)

of("block/blk.h", ("pages-compatible", k.drop_function, "zone_device_pages_compatible"))

of(
    "block/bio.c",
    ("bio-compatible", k.drop_if, "zone_device_pages_compatible"),
    ("bio-allow", k.drop_if, "blk_queue_pci_p2pdma"),
)

of("block/blk-map.c", ("map-allow", k.drop_if, "blk_queue_pci_p2pdma"))

of(
    "block/bio-integrity.c",
    ("integrity-compatible", k.drop_if, "zone_device_pages_compatible"),
    ("integrity-allow", k.drop_if, "blk_queue_pci_p2pdma"),
    ("integrity-page", k.drop_if, "is_pci_p2pdma_page"),
    ("integrity-param", k.drop_argument, r"bool \*is_p2p"),
    ("integrity-arg", k.drop_argument, "&is_p2p"),
    ("integrity-local", k.drop_argument, "is_p2p = false"),
    ("integrity-nomerge", k.drop_if, "^is_p2p$"),
)

# PCI and RDMA ---------------------------------------------------------------------------------

of("drivers/pci/Kconfig", ("kconfig", k.drop_kconfig, "PCI_P2PDMA"))

of("drivers/pci/Makefile", ("makefile", k.drop_line, "CONFIG_PCI_P2PDMA"))

of(
    "include/linux/pci.h",
    ("pci-dev-type", k.drop_type, "pci_p2pdma"),
    ("pci-dev-member", k.drop_ifdef, "CONFIG_PCI_P2PDMA"),
)

of("include/rdma/ib_verbs.h", ("ib-supported", k.drop_function, "ib_dma_pci_p2p_dma_supported"))

of(
    "drivers/infiniband/core/rw.c",
    ("rw-include", k.drop_include, "linux/pci-p2pdma.h"),
    ("rw-memremap", k.drop_include, "linux/memremap.h"),
)

# NVMe host: the CMB is still found, sized and shown, but nothing uses it -----------------------

of("drivers/nvme/host/nvme.h", ("nvme-op", k.drop_member, "supports_pci_p2pdma"))

of("drivers/nvme/host/core.c", ("nvme-feature", k.drop_if, "supports_pci_p2pdma"))

of(
    "drivers/nvme/host/pci.c",
    ("nvme-include", k.drop_include, "linux/pci-p2pdma.h"),
    ("nvme-op-init", k.drop_initializer, "supports_pci_p2pdma"),
    ("nvme-op-func", k.drop_function, "nvme_pci_supports_pci_p2pdma"),
    ("nvme-simple", k.unwrap_if, "!is_pci_p2pdma_page"),
    ("nvme-map-error", k.drop_if, "rc == -EREMOTEIO"),
    ("nvme-sq-free", k.drop_if, "NVMEQ_SQ_CMB"),
    ("nvme-sq-alloc", k.drop_if, "dev->cmb_use_sqes", {"inside": "nvme_alloc_sq_cmds"}),
    ("nvme-sq-pdev", k.drop_local, "pdev", {"inside": "nvme_alloc_sq_cmds"}),
    ("nvme-sq-flag", k.drop_macro, "NVMEQ_SQ_CMB"),
    ("nvme-sq-enable", k.drop_statement, r"dev->cmb_use_sqes = use_cmb_sqes"),
    ("nvme-cmb-register", k.drop_if, "pci_p2pdma_add_resource"),
    ("nvme-cmb-publish", k.drop_if, "NVME_CMBSZ_WDS", {"inside": "nvme_map_cmb"}),
)

# NVMe target ----------------------------------------------------------------------------------

of(
    "drivers/nvme/target/nvmet.h",
    ("nvmet-radix", k.drop_include, "linux/radix-tree.h"),
    ("nvmet-p2p-dev", k.drop_member, "p2p_dev", {"count": 2}),
    ("nvmet-p2p-client", k.drop_member, "p2p_client", {"count": 2}),
    ("nvmet-ns-use", k.drop_member, "use_p2pmem"),
    ("nvmet-ctrl-map", k.drop_member, "p2p_ns_map"),
    ("nvmet-ns-dev", k.drop_function, "nvmet_ns_dev"),
)

of(
    "drivers/nvme/target/configfs.c",
    ("nvmet-cfs-include", k.drop_include, "linux/pci-p2pdma.h"),
    ("nvmet-cfs", k.drop_ifdef, "CONFIG_PCI_P2PDMA", {"count": 2}),
)

of(
    "drivers/nvme/target/core.c",
    ("nvmet-include", k.drop_include, "linux/pci-p2pdma.h"),
    ("nvmet-enable", k.drop_function, "nvmet_p2pmem_ns_enable"),
    ("nvmet-add", k.drop_function, "nvmet_p2pmem_ns_add_p2p"),
    ("nvmet-enable-call", k.drop_checked_call, "nvmet_p2pmem_ns_enable"),
    (
        "nvmet-add-loop",
        k.drop_statement,
        r"list_for_each_entry\(ctrl, .*\n\s+nvmet_p2pmem_ns_add",
        {"inside": "nvmet_ns_enable"},
    ),
    ("nvmet-del-loop", k.drop_statement, r"list_for_each_entry\(ctrl, .*\n\s+pci_dev_put", {"count": 2}),
    ("nvmet-enable-label", k.drop_label, "out_dev_disable", {"inside": "nvmet_ns_enable"}),
    ("nvmet-enable-ctrl", k.drop_local, "ctrl", {"inside": "nvmet_ns_enable"}),
    ("nvmet-disable-ctrl", k.drop_local, "ctrl", {"inside": "nvmet_ns_disable"}),
    ("nvmet-alloc-p2p", k.drop_function, "nvmet_req_alloc_p2pmem_sgls"),
    ("nvmet-find-p2p", k.drop_function, "nvmet_req_find_p2p_dev"),
    ("nvmet-alloc", k.drop_if, "^p2p_dev &&", {"inside": "nvmet_req_alloc_sgls"}),
    ("nvmet-alloc-dev", k.drop_local, "p2p_dev", {"inside": "nvmet_req_alloc_sgls"}),
    ("nvmet-free", k.drop_if, "req->p2p_dev"),
    ("nvmet-setup", k.drop_function, "nvmet_setup_p2p_ns_map"),
    ("nvmet-release", k.drop_function, "nvmet_release_p2p_ns_map"),
    ("nvmet-setup-call", k.drop_statement, "nvmet_setup_p2p_ns_map"),
    ("nvmet-release-call", k.drop_statement, "nvmet_release_p2p_ns_map"),
    ("nvmet-init", k.drop_statement, r"INIT_RADIX_TREE\(&ctrl->p2p_ns_map"),
)

of("drivers/nvme/target/io-cmd-bdev.c", ("nvmet-nomerge", k.drop_if, "is_pci_p2pdma_page"))

of("drivers/nvme/target/rdma.c", ("nvmet-rdma", k.drop_if, "ib_dma_pci_p2p_dma_supported"))
