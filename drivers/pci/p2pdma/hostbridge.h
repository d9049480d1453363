/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What root complexes route.
 */
#ifndef _PCI_P2PDMA_HOSTBRIDGE_H
#define _PCI_P2PDMA_HOSTBRIDGE_H

#include <linux/bits.h>
#include <linux/types.h>

#include "verdict.h"

struct pci_dev;

/* What a root complex routes between its ports; flags */
#define P2PDMA_ROUTES_READS	BIT(0)
#define P2PDMA_ROUTES_WRITES	BIT(1)
#define P2PDMA_ROUTES_BETWEEN	BIT(2)	/* also from one host bridge to another */
#define P2PDMA_ROUTES_BOTH_WAYS	(P2PDMA_ROUTES_READS | P2PDMA_ROUTES_WRITES)

/* Who says what a root complex routes; the names are user visible */
enum p2pdma_root_source {
	P2PDMA_ROOT_UNKNOWN,		/* nobody does */
	P2PDMA_ROOT_TABLE,		/* its ids are in the kernel's table */
	P2PDMA_ROOT_CPU,		/* all of this CPU's do */
	P2PDMA_ROOT_POLICY,		/* the administrator */
	P2PDMA_ROOT_FIRMWARE,		/* a property of the host bridge */
	P2PDMA_ROOT_SOURCES
};

extern const char * const p2pdma_root_source_names[P2PDMA_ROOT_SOURCES];

/**
 * struct p2pdma_root - what is known of a host bridge
 * @has_id: there is a device that stands for it
 * @vendor: its vendor id
 * @device: its device id
 * @routes: P2PDMA_ROUTES_*
 * @source: enum p2pdma_root_source
 */
struct p2pdma_root {
	bool has_id;
	u16 vendor;
	u16 device;
	u8 routes;
	u8 source;
};

/* Words for P2PDMA_ROUTES_*, in host_bridges= and from firmware; "none" is none */
struct p2pdma_route_word {
	const char *word;
	u8 routes;
};

#define P2PDMA_ROUTE_WORDS	3

extern const struct p2pdma_route_word p2pdma_route_words[P2PDMA_ROUTE_WORDS];

/* What the administrator says of the host bridges with these ids */
struct p2pdma_policy {
	u16 vendor;
	u16 device;
	u8 routes;
};

#define P2PDMA_POLICIES		16

enum p2pdma_reason p2pdma_hostbridge_routes(struct pci_dev *client_top,
					    struct pci_dev *provider_top,
					    unsigned int *routes,
					    struct pci_dev **decides);
void p2pdma_hostbridge_get(struct pci_dev *top, struct p2pdma_root *root);
bool p2pdma_hostbridge_set_policies(const struct p2pdma_policy *new,
				    unsigned int count, bool left_out);
unsigned int p2pdma_hostbridge_get_policies(struct p2pdma_policy *copy,
					    bool *left_out);
void p2pdma_hostbridge_scan(void);
void p2pdma_hostbridge_add(struct pci_dev *pdev);
void p2pdma_hostbridge_remove(struct pci_dev *pdev);

#endif /* _PCI_P2PDMA_HOSTBRIDGE_H */
