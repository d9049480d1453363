/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which providers peers cannot reach now.
 */
#ifndef _PCI_P2PDMA_OUTAGE_H
#define _PCI_P2PDMA_OUTAGE_H

struct p2pdma_resource;
struct pci_dev;

void p2pdma_outage_add(struct p2pdma_resource *res);
void p2pdma_outage_remove(struct p2pdma_resource *res);
void p2pdma_outage_driver_unbound(struct pci_dev *pdev);
void p2pdma_outage_check_upstream(struct pci_dev *pdev);
void p2pdma_outage_pages_returned(struct p2pdma_resource *res);

#endif /* _PCI_P2PDMA_OUTAGE_H */
