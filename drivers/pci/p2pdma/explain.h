/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routes in words: why they are what they are, and what can be changed.
 *
 * A verdict has one reason and one port.  That is enough to map with, and not
 * for somebody who has to mend it: whoever changes the one port finds the next.
 * So p2pdma_route_obstacles() walks once more, slower, and notes all of them;
 * explain.c makes words of that.
 */
#ifndef _PCI_P2PDMA_EXPLAIN_H
#define _PCI_P2PDMA_EXPLAIN_H

#include <linux/seq_buf.h>

#include "route.h"

/* Room for one of the texts below; a line of the log has not much more. */
#define P2PDMA_TEXT		640

/**
 * struct p2pdma_remedy - what to change for all of some clients
 * @num_clear: ports whose redirect and egress control have to go; may be more
 *	than there are in @clear
 * @clear: the first of these
 * @num_forward: ports that would have to forward upstream, likewise
 * @forward: the first of these, with the ACS controls that they should have
 * @num_roots: host bridges that would have to route more, likewise
 * @root: the first of these; @root.routes is what they would have to
 * @needs_root: for one client nothing but the root complex can help
 * @other_device: a client is a function of the same device
 * @fixed: a port redirects whatever it is told
 * @dma_mask: a client's DMA mask is too small
 * @not_pci: a client does no PCI DMA
 * @outage: the provider's memory cannot be reached just now
 */
struct p2pdma_remedy {
	unsigned int num_clear;
	struct p2pdma_obstacle clear[P2PDMA_OBSTACLES];
	unsigned int num_forward;
	struct p2pdma_obstacle forward[P2PDMA_OBSTACLES];
	unsigned int num_roots;
	struct p2pdma_root root[4];
	bool needs_root;
	bool other_device;
	bool fixed;
	bool dma_mask;
	bool not_pci;
	bool outage;
};

void p2pdma_explain(struct seq_buf *text, const struct p2pdma_verdict *verdict,
		    const struct p2pdma_obstacles *found);
void p2pdma_remedy_add(struct p2pdma_remedy *remedy,
		       const struct p2pdma_verdict *verdict,
		       const struct p2pdma_obstacles *found);
void p2pdma_remedy_print(struct seq_buf *text,
			 const struct p2pdma_remedy *remedy);
void p2pdma_explain_client(struct pci_dev *provider, struct device *client,
			   struct pci_dev *function,
			   const struct p2pdma_verdict *verdict,
			   struct p2pdma_remedy *remedy);
void p2pdma_explain_remedy(struct pci_dev *provider,
			   const struct p2pdma_remedy *remedy);

#endif /* _PCI_P2PDMA_EXPLAIN_H */
