/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The walk from client to provider.
 */
#ifndef _PCI_P2PDMA_ROUTE_H
#define _PCI_P2PDMA_ROUTE_H

#include <linux/pci-p2pdma.h>
#include <linux/types.h>

#include "hostbridge.h"
#include "verdict.h"

struct pci_dev;

extern const struct p2pdma_verdict p2pdma_verdict_not_pci;
extern const struct p2pdma_verdict p2pdma_verdict_outage;

/* Ports that are named at most; of others it is said how many there are. */
#define P2PDMA_OBSTACLES	32

/* In which way a port or function is in the way */
enum p2pdma_obstacle_kind {
	P2PDMA_REDIRECTS_REQUESTS,		/* redirects or drops them */
	P2PDMA_REDIRECTS_COMPLETIONS,	/* redirects them */
	P2PDMA_NOT_FORWARDED,		/* what was redirected below it */
	P2PDMA_NOT_ROUTED,		/* reaches no function of its device */
};

/**
 * struct p2pdma_obstacle - a port or function that is in the way
 * @kind: enum p2pdma_obstacle_kind
 * @fixed: it has no ACS controls that could be written
 * @ctrl: its ACS controls as they are
 * @bdf: bus, device and function number, as PCI_DEVID()
 * @domain: segment
 */
struct p2pdma_obstacle {
	u8 kind;
	bool fixed;
	u16 ctrl;
	u16 bdf;
	u32 domain;
};

/**
 * struct p2pdma_obstacles - what keeps a route from being direct
 * @num_ports: ports and functions in the way, may be more than there are in
 *	@port
 * @port: the first of these, in the order in which a request meets them
 * @no_switch: no switch is above both that could turn a request round
 * @dropped: requests are dropped and never get to the root complex
 * @by_root: the root complex has a say
 * @one_root: client and provider are below one host bridge
 * @root: host bridges of client and provider
 *
 * By value, without pointers, as struct p2pdma_verdict.
 */
struct p2pdma_obstacles {
	unsigned int num_ports;
	struct p2pdma_obstacle port[P2PDMA_OBSTACLES];
	bool no_switch;
	bool dropped;
	bool by_root;
	bool one_root;
	struct p2pdma_root root[2];
};

struct p2pdma_verdict p2pdma_route(struct pci_dev *client,
				   struct pci_dev *provider);
enum pci_p2pdma_map_type p2pdma_route_tlp(struct pci_dev *client,
					  struct pci_dev *provider,
					  enum pci_p2pdma_tlp tlp);
void p2pdma_route_obstacles(struct pci_dev *client, struct pci_dev *provider,
			    struct p2pdma_obstacles *found);

#endif /* _PCI_P2PDMA_ROUTE_H */
