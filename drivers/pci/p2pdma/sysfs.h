/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The p2pmem/ attributes of a device.
 */
#ifndef _PCI_P2PDMA_SYSFS_H
#define _PCI_P2PDMA_SYSFS_H

struct pci_dev;

int p2pdma_sysfs_add(struct pci_dev *pdev);
void p2pdma_sysfs_remove(struct pci_dev *pdev);

#endif /* _PCI_P2PDMA_SYSFS_H */
