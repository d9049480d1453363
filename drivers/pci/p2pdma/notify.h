/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who hears of changes.
 */
#ifndef _PCI_P2PDMA_NOTIFY_H
#define _PCI_P2PDMA_NOTIFY_H

#include <linux/pci-p2pdma.h>

struct pci_dev;

void p2pdma_notify(enum pci_p2pdma_event event, struct pci_dev *pdev);
void p2pdma_notify_verdicts(void);

#endif /* _PCI_P2PDMA_NOTIFY_H */
