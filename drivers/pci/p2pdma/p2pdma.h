/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PCI peer-to-peer DMA: which providers there are; and the parts of it.
 *
 * From the top down.  A file includes headers of lines below its own, or of its
 * own line, and no others; a test of the repository reads this table.
 *
 *   stub.c			a driver that registers a BAR of any device
 *   naming.c			attributes in which users name a provider
 *   debugfs.c			routes, for people
 *   netlink.c netlink-gen.c netlink-gen.h	what programs ask, and hear of
 *   distance.c			how far clients are, and which provider is closest
 *   ../p2pdma.c		registration and lifetimes
 *   sysfs.c sysfs.h		p2pmem/ attributes, mmap for user space
 *   memory.c memory.h		allocate, and free
 *   range.c range.h		who uses ranges without pages
 *   map.c			how a DMA mapping reaches a page
 *   outage.c outage.h		which providers peers cannot reach now
 *   provider.c p2pdma.h	which providers there are
 *   explain.c explain.h	routes in words
 *   policy.c			what the administrator says of root complexes
 *   peers.c peers.h		verdicts, cached
 *   notify.c notify.h		who hears of changes
 *   route.c route.h		the walk: distance, map type, reason
 *   acs.c acs.h		what one port does with a peer request
 *   hostbridge.c hostbridge.h	what the root complex routes
 *   trace.h			tracepoints
 *   verdict.h			what a route allows
 *   pages.c pages.h		struct pages, and user mappings of them
 *   pool.c pool-state.c pool.h region.h	which offsets are free
 *   resource.h			one range of a BAR
 *   hooks.h			what the PCI core calls
 */
#ifndef _PCI_P2PDMA_PRIVATE_H
#define _PCI_P2PDMA_PRIVATE_H

#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/container_of.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>

#include "pages.h"
#include "pool.h"
#include "resource.h"
#include "verdict.h"

/**
 * struct p2pdma_memory - a registered resource, with struct pages and a pool or not
 * @node: in pci_p2pdma.resources
 * @all: in a list of all of these, until all memory of it has come back
 * @res: where it is and who reaches it
 * @backing: its pages
 * @pool: what of it is free
 * @unlinked: it is about to go, and whoever has memory of it should free it
 * @unvetted: no driver knows that it holds no registers
 * @pageless: it has no pages, and nothing is in @pool; set before it is linked
 * @holds: of one without pages: who has some of it, and 1 until it is removed; else 0
 * @unheld: completed when @holds becomes 0
 * @rcu: freed after a grace period, as allocation walks the list under RCU
 *
 * Removal closes @pool and waits until all of it has come back: from the
 * kernel and, page by page, from user space.  Or, where there are no pages, until
 * nobody holds it.
 */
struct p2pdma_memory {
	struct list_head node;
	struct list_head all;
	struct p2pdma_resource res;
	struct p2pdma_backing backing;
	struct p2pdma_pool pool;
	bool unlinked;
	bool unvetted;
	bool pageless;
	refcount_t holds;
	struct completion unheld;
	struct rcu_head rcu;
};

/**
 * struct pci_p2pdma - a provider: all that one PCI function has registered
 * @pdev: the function
 * @resources: list of struct p2pdma_memory; changed under p2pdma_lock, read
 *	under RCU
 * @node: in the list of providers, likewise
 * @published: pci_p2pmem_find_many() may choose it
 * @unvetted: a resource of it is or was
 * @rcu: freed after a grace period
 */
struct pci_p2pdma {
	struct pci_dev *pdev;
	struct list_head resources;
	struct list_head node;
	bool published;
	bool unvetted;
	struct rcu_head rcu;
};

bool p2pdma_locked_down(void);

/**
 * p2pdma_is_published - may others find and use the memory of a provider?
 * @p2pdma: the provider
 *
 * Lockdown may have been raised since it was registered.
 *
 * Context: any; caller is in RCU.
 * Return: true if it is published, and vetted if that matters now.
 */
static inline bool p2pdma_is_published(const struct pci_p2pdma *p2pdma)
{
	if (!READ_ONCE(p2pdma->published))
		return false;
	return likely(!READ_ONCE(p2pdma->unvetted)) || !p2pdma_locked_down();
}

static inline struct p2pdma_memory *
p2pdma_to_memory(struct p2pdma_resource *res)
{
	return container_of(res, struct p2pdma_memory, res);
}

extern struct mutex p2pdma_lock;
extern struct list_head p2pdma_providers;

void p2pdma_lists_changed(void);
unsigned int p2pdma_list_changes(void);
int p2pdma_for_each_resource(int (*fn)(struct p2pdma_resource *, void *),
			     void *data);
bool p2pdma_verdict_now(struct pci_dev *provider, struct pci_dev *client,
			struct p2pdma_verdict *verdict);

#endif /* _PCI_P2PDMA_PRIVATE_H */
