/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a route allows, and why.
 */
#ifndef _PCI_P2PDMA_VERDICT_H
#define _PCI_P2PDMA_VERDICT_H

#include <linux/types.h>

/*
 * Why a route is what it is.  The names in p2pdma_reason_names[] are user
 * visible (debugfs, log); append only.
 */
enum p2pdma_reason {
	P2PDMA_REASON_SELF,		/* client and provider are one function */
	P2PDMA_REASON_SAME_DEVICE,	/* two functions of one device */
	P2PDMA_REASON_SAME_BUS,		/* one conventional bus */
	P2PDMA_REASON_SAME_SWITCH,	/* a switch turns the request round */
	P2PDMA_REASON_ROOT_COMPLEX,	/* only the root complex joins them */
	P2PDMA_REASON_ACS_REDIRECT,	/* ACS sends it up to the root complex */
	P2PDMA_REASON_ACS_BLOCKED,	/* ACS egress control drops it */
	P2PDMA_REASON_ROOT_UNKNOWN,	/* root complex not known to route */
	P2PDMA_REASON_ROOT_DIFFERS,	/* known to route, but not between two */
	P2PDMA_REASON_NOT_PCI,		/* client does no PCI DMA of its own */
	P2PDMA_REASON_DMA_MASK,		/* client cannot address the range */
	P2PDMA_REASON_FUNCTIONS,	/* not known to reach each other inside */
	P2PDMA_REASON_ROOT_READS,	/* root complex routes reads only */
	P2PDMA_REASON_ROOT_WRITES,	/* root complex routes writes only */
	P2PDMA_REASON_OUTAGE,		/* being reset or recovered, or gone */
	P2PDMA_REASON_ROOT_FORBIDDEN,	/* it is said not to */
	P2PDMA_REASON_COUNT
};

extern const char * const p2pdma_reason_names[P2PDMA_REASON_COUNT];

/* Directions as the client sees them; indices of p2pdma_verdict.map[] */
enum p2pdma_access {
	P2PDMA_READ,			/* DMA_TO_DEVICE */
	P2PDMA_WRITE,			/* DMA_FROM_DEVICE */
	P2PDMA_ACCESSES
};

/**
 * struct p2pdma_verdict - what the route from a client to a provider allows
 * @map: enum pci_p2pdma_map_type for each enum p2pdma_access
 * @reason: enum p2pdma_reason
 * @has_port: @port_domain and @port_bdf name the deciding port or bridge
 * @distance: number of links on the way, as hops over functions: 0 for the
 *	same function, 2 for siblings, 4 under one switch; where requests or
 *	completions go up to the root complex, all the way there and back
 * @port_domain: segment of the deciding port
 * @port_bdf: bus, device and function of the deciding port, as PCI_DEVID()
 *
 * By value, without pointers: a verdict can be copied and kept, it holds
 * nothing and dangles nowhere.
 */
struct p2pdma_verdict {
	u8 map[P2PDMA_ACCESSES];
	u8 reason;
	bool has_port;
	u16 distance;
	u16 port_bdf;
	u32 port_domain;
};

#endif /* _PCI_P2PDMA_VERDICT_H */
