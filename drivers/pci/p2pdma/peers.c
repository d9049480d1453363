// SPDX-License-Identifier: GPL-2.0-only
/*
 * Verdicts remembered per (provider, client).
 *
 * A mapping needs the verdict in any context, without a lock and without
 * allocating.  So each provider has a fixed table, indexed by the client's bus
 * and function; a client may use a second slot as well, so that two that meet
 * do not throw each other out.  A slot is its own little seqlock, except that
 * nobody ever waits: a reader that meets a writer walks the topology itself, a
 * writer that meets another leaves the slot to it.
 *
 * Nothing is ever removed.  Each slot carries the generation of the topology
 * that it was worked out in, and counts only while that is the current one.
 * The generation is read before the walk, and advanced after a change has
 * taken effect: a verdict from a walk that overlapped a change is stored under
 * the old generation and never used.  For the same reason a new device at the
 * address of an old one (in the bus or in memory) inherits nothing.
 */
#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/notifier.h>
#include <linux/pci.h>

#include "p2pdma.h"

atomic_t p2pdma_topology_generation = ATOMIC_INIT(1);

/**
 * pci_p2pdma_topology_changed - forget every remembered verdict
 *
 * To be called after anything that a route depends on has changed: devices
 * added or removed, ACS controls written, policy set.
 *
 * Context: any.
 */
void pci_p2pdma_topology_changed(void)
{
	/* Ordered: whoever sees the new generation sees the change, too. */
	atomic_inc_return(&p2pdma_topology_generation);
}

static void slot_write(struct p2pdma_peer_slot *slot,
		       const struct pci_dev *client, unsigned int generation,
		       const struct p2pdma_verdict *verdict)
{
	int seq = atomic_read(&slot->seq);

	/* An interrupt may find its own CPU half-way here: it gives up, too. */
	if ((seq & 1) || atomic_cmpxchg(&slot->seq, seq, seq + 1) != seq)
		return;
	/* data_race: readers that run into this see seq and look away */
	data_race(slot->client = client);
	/* data_race: likewise */
	data_race(slot->generation = generation);
	/* data_race: likewise */
	data_race(slot->verdict = *verdict);
	atomic_set_release(&slot->seq, seq + 2);
}

/*
 * The client's DMA mask may change without notice, so it is looked at each
 * time.  For a route through the root complex the DMA layer checks it, as it
 * does for RAM.
 */
static void forbid_bus_address(struct p2pdma_verdict *verdict)
{
	int i;

	for (i = 0; i < P2PDMA_ACCESSES; i++) {
		if (verdict->map[i] != PCI_P2PDMA_MAP_BUS_ADDR)
			continue;
		verdict->map[i] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
		verdict->reason = P2PDMA_REASON_DMA_MASK;
	}
}

/* A slot whose content counts no more, or else the first of the two */
static struct p2pdma_peer_slot *slot_to_fill(struct p2pdma_peer_slot *first,
					     struct p2pdma_peer_slot *second,
					     unsigned int generation)
{
	/* data_race: the worst choice costs a walk */
	if (data_race(first->generation != generation ||
		      second->generation == generation))
		return first;
	return second;
}

/**
 * p2pdma_peer_verdict - what the route from a client to a provider allows
 * @provider: lent range
 * @client: device that would do DMA; not necessarily a PCI device
 *
 * Context: any; takes no lock and does not allocate.  The caller keeps
 * @provider (RCU, or a reference on its pages) and @client.
 * Return: the verdict, never older than the topology.
 */
struct p2pdma_verdict p2pdma_peer_verdict(struct p2pdma_provider *provider,
					  struct device *client)
{
	struct p2pdma_peer_slot *first, *second;
	struct p2pdma_verdict verdict;
	unsigned int generation, index;
	struct pci_dev *pdev;

	if (unlikely(!client || !dev_is_pci(client)))
		return p2pdma_verdict_not_pci;

	pdev = to_pci_dev(client);
	index = p2pdma_peer_index(pdev);
	first = &provider->peers[index];
	second = &provider->peers[index ^ P2PDMA_PEER_SLOTS / 2];
	generation = atomic_read_acquire(&p2pdma_topology_generation);
	if (!p2pdma_peer_read(first, pdev, generation, &verdict) &&
	    !p2pdma_peer_read(second, pdev, generation, &verdict)) {
		verdict = p2pdma_route(pdev, provider->pdev);
		slot_write(slot_to_fill(first, second, generation), pdev,
			   generation, &verdict);
	}
	if (unlikely(p2pdma_bus_last(provider) > dma_get_mask(client)))
		forbid_bus_address(&verdict);
	return verdict;
}

/*
 * BUS_NOTIFY_ADD_DEVICE comes before a driver can be bound, and
 * BUS_NOTIFY_REMOVED_DEVICE when the device is off the bus for good: whatever
 * was worked out in between goes.
 */
static int topology_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		p2pdma_hostbridge_learn(pdev);
		break;
	case BUS_NOTIFY_DEL_DEVICE:
		p2pdma_hostbridge_forget(pdev);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		break;
	default:
		return NOTIFY_DONE;
	}
	pci_p2pdma_topology_changed();
	return NOTIFY_OK;
}

static struct notifier_block topology_nb = {
	.notifier_call = topology_notify,
};

/* After the bus type (postcore), before devices are scanned (subsys). */
static int __init p2pdma_peers_init(void)
{
	int error;

	error = bus_register_notifier(&pci_bus_type, &topology_nb);
	if (!error)
		p2pdma_hostbridge_scan();
	return error;
}
arch_initcall(p2pdma_peers_init);
