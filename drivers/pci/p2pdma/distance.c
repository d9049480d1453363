// SPDX-License-Identifier: GPL-2.0-only
/*
 * How far clients are from a provider, and which one is closest.
 */
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/limits.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/random.h>
#include <linux/rculist.h>

#include "explain.h"
#include "p2pdma.h"
#include "peers.h"
#include "route.h"

/* The PCI function behind a device that sits on top of it, e.g. an RDMA one */
static struct pci_dev *client_function(struct device *client)
{
	while (client && !dev_is_pci(client))
		client = client->parent;
	return client ? to_pci_dev(client) : NULL;
}

static bool verdict_usable(const struct p2pdma_verdict *verdict)
{
	return verdict->map[P2PDMA_READ] != PCI_P2PDMA_MAP_NOT_SUPPORTED &&
	       verdict->map[P2PDMA_WRITE] != PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/* More links than any way without the root complex has: there are 256 buses. */
#define DISTANCE_BY_ROOT	512

/*
 * What a client adds to the distance.  The root complex is the bottleneck of
 * all that goes through it: a longer way without it is the better one.  Worse
 * is one that comes back by the port that it went up, and shares all links
 * above the turn with itself: that is what a redirect makes of it.
 */
static __always_inline int client_distance(const struct p2pdma_verdict *verdict)
{
	if (verdict->map[P2PDMA_READ] != PCI_P2PDMA_MAP_THRU_HOST_BRIDGE &&
	    verdict->map[P2PDMA_WRITE] != PCI_P2PDMA_MAP_THRU_HOST_BRIDGE)
		return verdict->distance;
	if (verdict->reason == P2PDMA_REASON_ROOT_COMPLEX)
		return verdict->distance + DISTANCE_BY_ROOT;
	return verdict->distance + 2 * DISTANCE_BY_ROOT;
}

/*
 * Which resources of a provider a question is about: who is looking for memory to
 * allocate does not care who reaches what has no pages.
 */
enum which { ALL, WITH_PAGES };

/*
 * The verdict on a device, which may have several resources: the worst of them.
 * Drivers that map the BARs of a device themselves ask about it although it has
 * none; nothing is cached for it.
 */
static struct p2pdma_verdict device_verdict(struct pci_dev *provider,
					    struct device *client,
					    enum which which)
{
	struct p2pdma_verdict verdict = p2pdma_verdict_not_pci;
	struct pci_dev *pdev = client_function(client);
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	bool any = false;

	if (!pdev || p2pdma_client_is_gone(pdev))
		return verdict;
	if (p2pdma_client_is_gone(provider))
		return p2pdma_verdict_outage;
	guard(rcu)();
	p2pdma = rcu_dereference(provider->p2pdma);
	if (!p2pdma && !pci_p2pdma_reachable(provider))
		return p2pdma_verdict_outage;
	if (!p2pdma)
		return p2pdma_route(pdev, provider);
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		if (which == WITH_PAGES && mem->pageless)
			continue;
		any = true;
		verdict = p2pdma_peer_verdict(&mem->res, &pdev->dev);
		if (!verdict_usable(&verdict))
			break;
	}
	/* The last one may have gone just now. */
	return any ? verdict : p2pdma_route(pdev, provider);
}

/*
 * total_distance() of what is cached, for callers who ask often.  Adds
 * -EAGAIN to what that returns: there is a client whose verdict is not cached.
 */
static __always_inline int cached_distance(const struct pci_p2pdma *p2pdma,
					   struct device **clients,
					   int num_clients, enum which which)
{
	const struct p2pdma_verdict *verdict;
	const struct p2pdma_memory *mem;
	int i, total = -EAGAIN;
	struct pci_dev *client;

	/* Each resource has to be usable; all of them are as far away. */
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		if (which == WITH_PAGES && mem->pageless)
			continue;
		total = 0;
		for (i = 0; i < num_clients; i++) {
			client = client_function(clients[i]);
			if (unlikely(!client))
				return -EAGAIN;
			verdict = p2pdma_peer_cached(&mem->res,
						     &client->dev);
			if (unlikely(!verdict))
				return -EAGAIN;
			if (!verdict_usable(verdict))
				return -1;
			total += client_distance(verdict);
		}
	}
	return total;
}

static int total_distance(struct pci_dev *provider, struct device **clients,
			  int num_clients, enum which which)
{
	struct p2pdma_verdict verdict;
	int i, total = 0;

	for (i = 0; i < num_clients; i++) {
		verdict = device_verdict(provider, clients[i], which);
		if (!verdict_usable(&verdict))
			return -1;
		total += client_distance(&verdict);
	}
	return total;
}

/* Say of each client what is in its way, and then what to change for all. */
static void explain_clients(struct pci_dev *provider, struct device **clients,
			    int num_clients)
{
	struct p2pdma_remedy remedy = {};
	struct p2pdma_verdict verdict;
	struct pci_dev *function;
	int i;

	for (i = 0; i < num_clients; i++) {
		verdict = device_verdict(provider, clients[i], ALL);
		function = client_function(clients[i]);
		/* There is nothing to be seen above what is gone. */
		if (p2pdma_client_is_gone(provider) ||
		    (function && p2pdma_client_is_gone(function)))
			function = NULL;
		p2pdma_explain_client(provider, clients[i], function, &verdict,
				      &remedy);
	}
	p2pdma_explain_remedy(provider, &remedy);
}

/**
 * pci_p2pdma_distance_many - how far several clients are from a provider
 * @provider: provider (or whose BARs the caller maps itself)
 * @clients: devices that would do DMA, both reading and writing; each one a
 *	PCI device or something on top of one
 * @num_clients: their number
 * @verbose: log for each client why it cannot reach the memory, or why only by
 *	way of the root complex, and then what to change
 *
 * The distance to one client counts the links on the way over the lowest
 * common bridge: 0 for the provider itself, 2 for another function of its
 * device, 4 under one switch.  Where the way is over the root complex, it
 * counts those there and back, and 512 more, or 1,024 if it comes back by the
 * port that it went up, as ACS redirect has it.  Less is better.
 *
 * Context: any.
 * Return: the sum of all distances, or -1 if there is no client, or one that
 * cannot reach the memory.
 */
int pci_p2pdma_distance_many(struct pci_dev *provider, struct device **clients,
			     int num_clients, bool verbose)
{
	struct pci_p2pdma *p2pdma;
	int distance = -EAGAIN;

	if (num_clients <= 0)
		return -1;
	scoped_guard(rcu) {
		p2pdma = rcu_dereference(provider->p2pdma);
		if (p2pdma)
			distance = cached_distance(p2pdma, clients,
						   num_clients, ALL);
	}
	if (verbose)
		explain_clients(provider, clients, num_clients);
	if (distance >= 0)
		return distance;
	return total_distance(provider, clients, num_clients, ALL);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_distance_many);

/*
 * Is a BAR of @pdev at another address on the bus than for the CPU?  What ATS
 * translates to is the latter, what a switch looks at is the former.
 */
static bool has_bus_offset(struct pci_dev *pdev)
{
	int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (pci_resource_flags(pdev, bar) & IORESOURCE_MEM &&
		    pci_bus_address(pdev, bar) != pci_resource_start(pdev, bar))
			return true;
	return false;
}

/**
 * pci_p2pdma_tlp_type - how one kind of packet reaches a provider, or is
 * answered
 * @provider: provider, or whose BARs the caller maps itself
 * @client: device that would do DMA: a PCI device or something on top of one
 * @tlp: kind of packet
 *
 * Mapping decides by Untranslated Requests.  A driver of a device with ATS can
 * ask here what becomes of its Translated Requests for memory that was mapped
 * with an IOMMU that translates: ports with ACS Direct Translated P2P turn them
 * round where others are redirected, ports with ACS Translation Blocking drop
 * them.  What reads come to is the worse of their requests and completions.
 *
 * Nothing is cached, and nothing keeps the answer true: ask when the topology
 * has changed.
 *
 * Context: any.
 * Return: PCI_P2PDMA_MAP_BUS_ADDR if such packets never reach the root complex,
 * PCI_P2PDMA_MAP_THRU_HOST_BRIDGE if they do and it routes them (requests: both
 * reads and writes), PCI_P2PDMA_MAP_NOT_SUPPORTED if they get lost, nothing is
 * known of the way, or @client is no PCI device or has been removed; for
 * Translated Requests also if @client does not have ATS enabled, or if they would
 * turn round at a switch but bus addresses there are not those of the CPU.
 */
enum pci_p2pdma_map_type pci_p2pdma_tlp_type(struct pci_dev *provider,
					     struct device *client,
					     enum pci_p2pdma_tlp tlp)
{
	struct pci_dev *pdev = client_function(client);
	bool translated = tlp == PCI_P2PDMA_TLP_TRANSLATED;
	enum pci_p2pdma_map_type type;

	if (!pdev || p2pdma_client_is_gone(pdev) ||
	    p2pdma_client_is_gone(provider) || tlp > PCI_P2PDMA_TLP_TRANSLATED)
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	/* data_race: other bits of the word change at any time */
	if (translated && !data_race(!!pdev->ats_enabled))
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	type = p2pdma_route_tlp(pdev, provider, tlp);
	if (type == PCI_P2PDMA_MAP_BUS_ADDR && translated &&
	    has_bus_offset(provider))
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	return type;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_tlp_type);

/* As total_distance(), -1 also if nothing is published; caller is in RCU */
static __always_inline int published_distance(const struct pci_p2pdma *p2pdma,
					      struct device **clients,
					      int num_clients)
{
	int distance;

	if (!p2pdma_is_published(p2pdma))
		return -1;
	distance = cached_distance(p2pdma, clients, num_clients, WITH_PAGES);
	if (unlikely(distance == -EAGAIN))
		distance = total_distance(p2pdma->pdev, clients, num_clients,
					  WITH_PAGES);
	return distance;
}

static bool has_free_memory(const struct pci_p2pdma *p2pdma)
{
	const struct p2pdma_memory *mem;

	list_for_each_entry_rcu(mem, &p2pdma->resources, node)
		if (p2pdma_pool_has_free(&mem->pool))
			return true;
	return false;
}

/* Farther than any: what is used up comes behind all that is not. */
#define RANK_USED_UP	0x1000000

/*
 * The distance that a provider is chosen by, if it is not more than @best;
 * caller is in RCU
 */
static __always_inline int ranked_distance(const struct pci_p2pdma *p2pdma,
					   struct device **clients,
					   int num_clients, int best)
{
	int distance = published_distance(p2pdma, clients, num_clients);

	if (distance < 0 || best < distance || has_free_memory(p2pdma))
		return distance;
	return distance + RANK_USED_UP;
}

/*
 * One of the providers at this distance, of which there were @ties just now, at
 * random.  One number for all of them, as it takes longer than to look again.
 */
static noinline struct pci_dev *pick_random(int distance, unsigned int ties,
					    struct device **clients,
					    int num_clients)
{
	unsigned int skip = get_random_u32_below(ties);
	struct pci_dev *last = NULL;
	struct pci_p2pdma *p2pdma;

	list_for_each_entry_rcu(p2pdma, &p2pdma_providers, node) {
		if (ranked_distance(p2pdma, clients, num_clients, distance) !=
		    distance)
			continue;
		last = p2pdma->pdev;
		if (!skip--)
			break;
	}
	return last;
}

/**
 * pci_p2pmem_find_many - find the published memory closest to some clients
 * @clients: devices that will do DMA
 * @num_clients: their number
 *
 * One whose memory is used up, but for a sixteenth, is only chosen if all are.
 * One of several at the same distance is chosen at random, so that they share
 * the load.
 *
 * Context: any.
 * Return: a provider that all clients reach, with a reference
 * that the caller drops with pci_dev_put(), or NULL.
 */
struct pci_dev *pci_p2pmem_find_many(struct device **clients, int num_clients)
{
	struct pci_dev *closest = NULL, *other;
	int distance, best = INT_MAX;
	struct pci_p2pdma *p2pdma;
	unsigned int ties = 0;

	if (num_clients <= 0)
		return NULL;
	guard(rcu)();
	list_for_each_entry_rcu(p2pdma, &p2pdma_providers, node) {
		distance = ranked_distance(p2pdma, clients, num_clients, best);
		if (distance < 0 || distance > best)
			continue;
		ties = distance < best ? 1 : ties + 1;
		best = distance;
		closest = p2pdma->pdev;
	}
	if (ties > 1) {
		other = pick_random(best, ties, clients, num_clients);
		closest = other ?: closest;
	}
	/* Linked, so still there: see memory_release() */
	return pci_dev_get(closest);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_find_many);
