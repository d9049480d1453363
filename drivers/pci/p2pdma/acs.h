/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What one port does with peer-to-peer requests.
 */
#ifndef _PCI_P2PDMA_ACS_H
#define _PCI_P2PDMA_ACS_H

#include <linux/types.h>

struct pci_dev;

/* What a port does with a request or completion from one peer to another */
enum p2pdma_acs {
	P2PDMA_ACS_DIRECT,		/* forwards it straight to the peer */
	P2PDMA_ACS_REDIRECT,		/* sends it up to the root complex */
	P2PDMA_ACS_BLOCK,		/* drops it as an ACS violation */
	P2PDMA_ACS_NOT_ROUTED,		/* not known to route to its siblings */
};

enum p2pdma_acs p2pdma_acs_request(struct pci_dev *ingress,
				   struct pci_dev *egress);
enum p2pdma_acs p2pdma_acs_completion(struct pci_dev *ingress);
enum p2pdma_acs p2pdma_acs_translated(struct pci_dev *ingress,
				      struct pci_dev *egress);
bool p2pdma_acs_blocks_translated(struct pci_dev *port);
u16 p2pdma_acs_control(struct pci_dev *pdev);
bool p2pdma_acs_writable(struct pci_dev *pdev, u16 flag);
bool p2pdma_acs_forwards(struct pci_dev *port);

/* Some register has not been read since somebody cleared this */
extern bool p2pdma_acs_unread;

#endif /* _PCI_P2PDMA_ACS_H */
