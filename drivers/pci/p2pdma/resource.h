/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a provider registers, as far as all parts know it.
 */
#ifndef _PCI_P2PDMA_RESOURCE_H
#define _PCI_P2PDMA_RESOURCE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/list.h>
#include <linux/types.h>

struct p2pdma_peer_table;
struct pci_dev;

/**
 * struct p2pdma_resource - one contiguous MMIO range that peers may reach
 * @pdev: provider
 * @start: first CPU physical address
 * @size: length in bytes
 * @bus_offset: bus address minus CPU physical address; either sign
 * @peers: what is cached of the routes to it; NULL until there is something
 * @peers_node: in the list of peers.c
 * @changed: what is cached has changed, and nobody has been notified yet; with
 *	the lock of peers.c held
 * @walks: how often a question was answered by a walk, as nothing was cached
 * @changes: how often a verdict in @peers has become another; with the lock of
 *	peers.c held
 * @grow: @peers is too short for a client that has been asked about
 * @node: in outage.c's list
 * @outage: number of the last beginning or end of an outage, 0 for none
 * @down: there is an outage; changed with outage.c's lock held, as @outage is
 * @notified_down: what users were notified of @down, likewise
 * @suspect: some of @user_pages are older than @outage, likewise
 * @user_pages: number of pages that belong to user mappings, or to pins that
 *	outlived them
 *
 * Exists without struct pages.  Freed after a grace period, see
 * p2pdma_memory.
 */
struct p2pdma_resource {
	struct pci_dev *pdev;
	phys_addr_t start;
	u64 size;
	u64 bus_offset;
	struct p2pdma_peer_table __rcu *peers;
	struct list_head peers_node;
	bool changed;
	struct list_head node;
	unsigned long outage;
	bool down;
	bool notified_down;
	bool suspect;
	atomic_long_t user_pages;
	/* Written by misses, where a hit reads nothing */
	atomic_long_t walks ____cacheline_aligned_in_smp;
	unsigned long changes;
	bool grow;
};

static inline u64 p2pdma_bus_last(const struct p2pdma_resource *res)
{
	return res->start + res->bus_offset + res->size - 1;
}

#endif /* _PCI_P2PDMA_RESOURCE_H */
