/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of any resource of a device.
 */
#ifndef _PCI_P2PDMA_MEMORY_H
#define _PCI_P2PDMA_MEMORY_H

#include <linux/types.h>

struct pci_dev;
struct p2pdma_memory;

void p2pdma_memory_add(struct p2pdma_memory *mem);
void p2pdma_memory_del(struct p2pdma_memory *mem);
struct p2pdma_memory *p2pdma_memory_alloc(struct pci_dev *pdev, u64 size,
					  u64 align, u64 *offset);

#endif /* _PCI_P2PDMA_MEMORY_H */
