/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Topologies, and what becomes of the traffic between two ends of each.
 *
 * A topology is a picture, or a change to the one above it.  Under it are the
 * ways of requests: there, from a to b, and mirrored, from b to a.  Ports stand
 * in the order in which a request meets them: "rp" is a root port, "up" the
 * upstream port of a switch, "up'" that of an inner one, ROOT the root complex.
 * The ACS controls that are on come with a port, 0 if there are none; EC comes
 * with what the egress vector forbids.  At "!" a request is dropped, at "?"
 * nobody knows what becomes of it.
 *
 * All root complexes here route between their ports, unless the name of the
 * case says otherwise.
 */
#ifndef _PCI_P2PDMA_TOPOLOGIES_H
#define _PCI_P2PDMA_TOPOLOGIES_H

#include "fabric.h"

#define BUS	PCI_P2PDMA_MAP_BUS_ADDR
#define HOST	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE
#define NONE	PCI_P2PDMA_MAP_NOT_SUPPORTED

/**
 * struct pair - two ends, and who decides
 * @a: one end
 * @b: the other
 * @there: port that decides from @a to @b, or NULL
 * @back: the same from @b to @a
 */
struct pair {
	struct fabric_fn *a;
	struct fabric_fn *b;
	struct fabric_fn *there;
	struct fabric_fn *back;
};

/**
 * struct expected - a verdict
 * @read: map type of reads
 * @write: map type of writes
 * @reason: reason
 * @distance: links on the way
 */
struct expected {
	u8 read;
	u8 write;
	u8 reason;
	u16 distance;
};

/**
 * struct topology - a case, and its mirrored twin
 * @name: what it is; NULL ends a list
 * @build: describes it
 * @there: what comes of requests from a to b
 * @back: the same from b to a
 * @go_on: where the list goes on, at its end
 */
struct topology {
	const char *name;
	void (*build)(struct fabric *fabric, struct pair *pair);
	struct expected there;
	struct expected back;
	const struct topology *go_on;
};

#define EXPECT(_read, _write, _reason, _distance) {			\
		.read = _read, .write = _write,				\
		.reason = P2PDMA_REASON_##_reason, .distance = _distance }

extern const struct topology topologies_switches[], topologies_roots[];

/* A root complex that routes between its ports, and to others */
static inline struct fabric_host *routing_host(struct fabric *fabric)
{
	struct fabric_host *host = host_bridge(fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	return host;
}

/* From now on the egress vector of @in forbids @out. */
static inline void forbid(struct fabric_fn *in, struct fabric_fn *out)
{
	in->egress[out->port / 32] |= BIT(out->port % 32);
}

#endif /* _PCI_P2PDMA_TOPOLOGIES_H */
