/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Verdicts cached per (resource, client): peers.c has how.
 */
#ifndef _PCI_P2PDMA_PEERS_H
#define _PCI_P2PDMA_PEERS_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>

#include "resource.h"
#include "verdict.h"

/* pci_dev.p2pdma_client of what is off the bus; beyond any table */
#define P2PDMA_CLIENT_GONE	(U32_MAX - 1)

/*
 * What is above a device that has gone may have gone, too: a virtual function
 * has no reference on its physical one then.
 */
static inline bool p2pdma_client_is_gone(struct pci_dev *client)
{
	return READ_ONCE(client->p2pdma_client) == P2PDMA_CLIENT_GONE;
}

struct pci_dev *p2pdma_physfn_get(struct pci_dev *pdev);
void p2pdma_peers_recheck(bool changed);

/**
 * struct p2pdma_peer - what is cached of one pair of resource and client
 * @generation: the last one of the topology that @verdict was true in
 * @verdict: does not change
 * @changes: how often there has been another verdict since the pair is cached
 * @walks: how often the topology was walked for it; with the lock of peers.c held
 * @rcu: freed after a grace period
 */
struct p2pdma_peer {
	u64 generation;
	struct p2pdma_verdict verdict;
	u32 changes;
	u32 walks;
	struct rcu_head rcu;
};

/**
 * struct p2pdma_peer_table - what is cached for one resource
 * @rcu: freed after a grace period
 * @size: number of entries in @peer
 * @peer: by pci_dev.p2pdma_client, NULL where the pair is not in use
 */
struct p2pdma_peer_table {
	struct rcu_head rcu;
	u32 size;
	struct p2pdma_peer __rcu *peer[] __counted_by(size);
};

extern atomic64_t p2pdma_topology_generation;

struct p2pdma_verdict p2pdma_peer_verdict(struct p2pdma_resource *res,
					  struct device *client);
struct p2pdma_verdict p2pdma_peer_verdict_uncached(struct p2pdma_resource *res,
						   struct device *client);
struct p2pdma_verdict p2pdma_peer_walk(const struct p2pdma_resource *res,
				       struct pci_dev *client);
void p2pdma_peer_masked(const struct p2pdma_resource *res,
			struct device *client, struct p2pdma_verdict *verdict);
struct p2pdma_peer *p2pdma_peer_alloc(void);
int p2pdma_peers_fill(void);
void p2pdma_peers_add(struct p2pdma_resource *res);
void p2pdma_peers_remove(struct p2pdma_resource *res);

/* What is cached of a pair, if it is current */
static __always_inline const struct p2pdma_verdict *
p2pdma_peer_find(const struct p2pdma_resource *res,
		 const struct pci_dev *client)
{
	/*
	 * Pairs with assign_number(): the table is not one from before the
	 * number was another client's, whose verdict would be in there.
	 */
	u32 number = smp_load_acquire(&client->p2pdma_client);
	const struct p2pdma_peer_table *table;
	const struct p2pdma_peer *peer;

	table = rcu_dereference_check(res->peers, rcu_read_lock_sched_held());
	if (unlikely(!table || number >= table->size))
		return NULL;
	peer = rcu_dereference_check(table->peer[number],
				     rcu_read_lock_sched_held());
	if (unlikely(!peer || READ_ONCE(peer->generation) !=
			      atomic64_read(&p2pdma_topology_generation)))
		return NULL;
	return &peer->verdict;
}

/**
 * p2pdma_peer_cached - the verdict, if it is cached
 * @res: resource
 * @client: device that would do DMA
 *
 * The fast half of p2pdma_peer_verdict(), for where each instruction counts.
 *
 * Context: any; takes no lock and does not allocate.  The caller is in an RCU
 * read-side section, or has preemption disabled, as long as it looks at the
 * result.
 * Return: the verdict, or NULL if p2pdma_peer_verdict() has to be asked.
 */
static __always_inline const struct p2pdma_verdict *
p2pdma_peer_cached(const struct p2pdma_resource *res, struct device *client)
{
	const u64 *mask = client->dma_mask;

	/* Not dma_get_mask(), which has more to say about no mask at all */
	if (unlikely(!dev_is_pci(client) || !mask ||
		     p2pdma_bus_last(res) > *mask))
		return NULL;
	return p2pdma_peer_find(res, to_pci_dev(client));
}

#endif /* _PCI_P2PDMA_PEERS_H */
