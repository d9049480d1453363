/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private types shared by the rooms of PCI peer-to-peer DMA.
 *
 * The rooms, from the front door down; each may call those below it only:
 *
 *   ../p2pdma.c      providers, most of the exported API, lifetimes
 *    |- memory.c     allocate from them, and free
 *    |- sysfs.c      p2pmem/ attributes, mmap for user space
 *    |- debugfs.c    the routes, for people
 *    |- map.c        how a DMA mapping reaches a page
 *    |- peers.c      verdicts remembered, forgotten when the topology changes
 *    |   `- route.c  walk the tree: distance, map type, reason
 *    |       |- acs.c         what one port does with a peer request
 *    |       `- hostbridge.c  what the root complex may do
 *    |- pool.c       which pieces of the lent memory are free
 *    `- pages.c      struct pages for the lent memory
 */
#ifndef _PCI_P2PDMA_PRIVATE_H
#define _PCI_P2PDMA_PRIVATE_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

struct vm_area_struct;

/* ---- route.c, acs.c, hostbridge.c: verdicts ---- */

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
 * @distance: number of links between the two, as hops over functions: 0 for
 *	the same function, 2 for siblings, 4 under one switch
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

/* What a port does with a request or completion from one peer to another */
enum p2pdma_acs {
	P2PDMA_ACS_DIRECT,		/* forwards it straight to the peer */
	P2PDMA_ACS_REDIRECT,		/* sends it up to the root complex */
	P2PDMA_ACS_BLOCK,		/* drops it as an ACS violation */
	P2PDMA_ACS_NOT_INSIDE,		/* not known to route to its siblings */
};

extern const struct p2pdma_verdict p2pdma_verdict_not_pci;

enum p2pdma_acs p2pdma_acs_request(struct pci_dev *ingress,
				   struct pci_dev *egress);
enum p2pdma_acs p2pdma_acs_completion(struct pci_dev *ingress);
bool p2pdma_acs_forwards(struct pci_dev *port);

/* What a root complex routes between its ports; flags */
#define P2PDMA_ROUTES_READS	BIT(0)
#define P2PDMA_ROUTES_WRITES	BIT(1)
#define P2PDMA_ROUTES_BETWEEN	BIT(2)	/* also from one host bridge to another */

enum p2pdma_reason p2pdma_hostbridge(struct pci_dev *client_top,
				     struct pci_dev *provider_top,
				     unsigned int *routes);
void p2pdma_hostbridge_scan(void);
void p2pdma_hostbridge_learn(struct pci_dev *pdev);
void p2pdma_hostbridge_forget(struct pci_dev *pdev);

struct p2pdma_verdict p2pdma_route(struct pci_dev *client,
				   struct pci_dev *provider);
void p2pdma_verdict_explain(struct pci_dev *provider, struct device *client,
			    const struct p2pdma_verdict *verdict);

/* ---- peers.c: remembered verdicts ---- */

#define P2PDMA_PEER_SLOTS	64

/* One remembered verdict; @seq is odd while a writer is at work: see peers.c */
struct p2pdma_peer_slot {
	atomic_t seq;
	unsigned int generation;
	const struct pci_dev *client;
	struct p2pdma_verdict verdict;
};

/**
 * struct p2pdma_provider - one contiguous MMIO range that peers may reach
 * @pdev: owner
 * @start: first CPU physical address
 * @size: length in bytes
 * @bus_offset: bus address minus CPU physical address; either sign
 * @peers: what is remembered of the routes to it
 *
 * Exists without struct pages.  Freed after a grace period, see
 * pci_p2pdma_range.
 */
struct p2pdma_provider {
	struct pci_dev *pdev;
	phys_addr_t start;
	u64 size;
	u64 bus_offset;
	struct p2pdma_peer_slot peers[P2PDMA_PEER_SLOTS];
};

extern atomic_t p2pdma_topology_generation;

struct p2pdma_verdict p2pdma_peer_verdict(struct p2pdma_provider *provider,
					  struct device *client);

/*
 * Functions of neighbouring buses, or of one bus, do not meet.  By address and
 * not by pointer, so that it is the same after each boot.
 */
static inline unsigned int p2pdma_peer_index(const struct pci_dev *client)
{
	BUILD_BUG_ON(!is_power_of_2(P2PDMA_PEER_SLOTS));
	return (client->bus->number ^ client->devfn) % P2PDMA_PEER_SLOTS;
}

/* What a slot holds, if it holds something of this client and generation */
static __always_inline bool
p2pdma_peer_read(const struct p2pdma_peer_slot *slot,
		 const struct pci_dev *client, unsigned int generation,
		 struct p2pdma_verdict *verdict)
{
	int seq = atomic_read_acquire(&slot->seq);

	/* data_race: a writer may be at it, which the second look tells */
	if (data_race(slot->client != client ||
		      slot->generation != generation))
		return false;
	/* data_race: likewise */
	*verdict = data_race(slot->verdict);
	smp_rmb(); /* the fields before the second look at seq */
	return !(seq & 1) && atomic_read(&slot->seq) == seq;
}

static inline u64 p2pdma_bus_last(const struct p2pdma_provider *provider)
{
	return provider->start + provider->bus_offset + provider->size - 1;
}

/**
 * p2pdma_peer_recall - the verdict, if it is at hand
 * @provider: lent range
 * @client: device that would do DMA
 * @verdict: set on success
 *
 * The fast half of p2pdma_peer_verdict(), for where each instruction counts.
 *
 * Context: any; takes no lock and does not allocate.
 * Return: false if p2pdma_peer_verdict() has to be asked.
 */
static __always_inline bool
p2pdma_peer_recall(const struct p2pdma_provider *provider,
		   struct device *client, struct p2pdma_verdict *verdict)
{
	const struct p2pdma_peer_slot *slot;
	const u64 *mask = client->dma_mask;
	struct pci_dev *pdev;
	unsigned int generation;

	/* Not dma_get_mask(), which has more to say about no mask at all */
	if (unlikely(!dev_is_pci(client) || !mask ||
		     p2pdma_bus_last(provider) > *mask))
		return false;
	pdev = to_pci_dev(client);
	slot = &provider->peers[p2pdma_peer_index(pdev)];
	/* One pointer, and not a sum at each field */
	OPTIMIZER_HIDE_VAR(slot);
	generation = atomic_read_acquire(&p2pdma_topology_generation);
	return likely(p2pdma_peer_read(slot, pdev, generation, verdict));
}

/* ---- pages.c: struct pages ---- */

/**
 * struct p2pdma_backing - struct pages for a provider's range
 * @pgmap: the pages; @pgmap.owner is the provider
 * @kaddr: kernel mapping of the range, write-combined or uncached
 * @writecombine: the range is prefetchable; set before the pages are added
 * @page_free: called when the last reference to a user page is dropped, with
 *	the page's offset in the range; any context
 */
struct p2pdma_backing {
	struct dev_pagemap pgmap;
	void *kaddr;
	bool writecombine;
	void (*page_free)(struct p2pdma_backing *backing, u64 offset);
};

int p2pdma_pages_check(struct pci_dev *pdev, phys_addr_t start, u64 size);
int p2pdma_pages_add(struct p2pdma_backing *backing,
		     struct p2pdma_provider *provider);
void p2pdma_pages_remove(struct p2pdma_backing *backing);
int p2pdma_pages_insert(struct p2pdma_backing *backing, u64 offset,
			struct vm_area_struct *vma, unsigned long *done,
			unsigned long end);

/**
 * p2pdma_page_provider - the provider that a page belongs to
 * @page: page with is_pci_p2pdma_page()
 *
 * Context: any; the caller holds a reference on the page.
 * Return: the provider.
 */
static inline struct p2pdma_provider *
p2pdma_page_provider(const struct page *page)
{
	return page->pgmap->owner;
}

/**
 * p2pdma_virt_backing - the pages that a kernel address lies in
 * @addr: address in memory allocated from them
 *
 * Context: any; the allocation keeps them.
 * Return: the pages.
 */
static inline struct p2pdma_backing *p2pdma_virt_backing(const void *addr)
{
	return container_of(virt_to_page(addr)->pgmap, struct p2pdma_backing,
			    pgmap);
}

/* ---- pool.c: free and used offsets ---- */

#define P2PDMA_POOL_REGIONS	8	/* at most; MAX_LOCKDEP_SUBCLASSES */

struct p2pdma_pool_region;

/**
 * struct p2pdma_pool - allocator of offsets in a range
 * @size: length of the range in bytes
 * @region_mask: pages in each region but the last, which may have less, minus 1
 * @region_shift: log2 of these pages
 * @regions: number of them
 * @region: parts of the range, in ascending order; see pool.c
 * @failures: number of allocations that failed, ever
 * @busy: number of regions that are not both closed and free of allocations
 * @idle: completed when @busy becomes 0
 */
struct p2pdma_pool {
	u64 size;
	unsigned long region_mask;
	unsigned int region_shift;
	unsigned int regions;
	struct p2pdma_pool_region *region[P2PDMA_POOL_REGIONS];
	atomic64_t failures;
	atomic_t busy;
	struct completion idle;
};

/**
 * struct p2pdma_pool_stats - what has become of a pool
 * @free: bytes that are free
 * @largest: bytes in the largest free piece; where more than 256 pieces are
 *	about as large, the largest of these
 * @allocs: allocations that succeeded, ever
 * @failures: allocations that did not
 */
struct p2pdma_pool_stats {
	u64 free;
	u64 largest;
	u64 allocs;
	u64 failures;
};

int p2pdma_pool_init(struct p2pdma_pool *pool, u64 size, int node);
void p2pdma_pool_close(struct p2pdma_pool *pool);
bool p2pdma_pool_wait(struct p2pdma_pool *pool, unsigned long timeout);
void p2pdma_pool_exit(struct p2pdma_pool *pool);
bool p2pdma_pool_alloc(struct p2pdma_pool *pool, u64 size, u64 align,
		       u64 *offset);
void p2pdma_pool_free(struct p2pdma_pool *pool, u64 offset, u64 size);
u64 p2pdma_pool_available(struct p2pdma_pool *pool);
void p2pdma_pool_stats(struct p2pdma_pool *pool,
		       struct p2pdma_pool_stats *stats);

/* ---- p2pdma.c: what a device lends ---- */

/**
 * struct pci_p2pdma_range - one lent range: provider, pages and pool
 * @node: in pci_p2pdma.ranges
 * @provider: where it is and who reaches it
 * @backing: its pages
 * @pool: what of it is free
 * @unlinked: it is about to go, and whoever has a piece should give it back
 * @rcu: freed after a grace period, as allocation walks the list under RCU
 *
 * Removal closes @pool and waits until all of it has come back: from the
 * kernel and, page by page, from user space.
 */
struct pci_p2pdma_range {
	struct list_head node;
	struct p2pdma_provider provider;
	struct p2pdma_backing backing;
	struct p2pdma_pool pool;
	bool unlinked;
	struct rcu_head rcu;
};

/**
 * struct pci_p2pdma - everything one PCI function lends
 * @pdev: the function
 * @ranges: list of struct pci_p2pdma_range; changed under p2pdma_lock, read
 *	under RCU
 * @node: in the list of lending functions, likewise
 * @published: pci_p2pmem_find_many() may choose it
 * @rcu: freed after a grace period
 */
struct pci_p2pdma {
	struct pci_dev *pdev;
	struct list_head ranges;
	struct list_head node;
	bool published;
	struct rcu_head rcu;
};

int p2pdma_for_each_provider(int (*fn)(struct p2pdma_provider *, void *),
			     void *data);

/* ---- memory.c: pieces of any range of a device ---- */

struct pci_p2pdma_range *p2pdma_range_alloc(struct pci_dev *pdev, u64 size,
					    u64 align, u64 *offset);

int p2pdma_sysfs_add(struct pci_dev *pdev);
void p2pdma_sysfs_remove(struct pci_dev *pdev);
void p2pdma_sysfs_revoke(struct p2pdma_provider *provider);

#ifdef CONFIG_DEBUG_FS
void p2pdma_debugfs_init(void);
#else
static inline void p2pdma_debugfs_init(void) { }
#endif

#endif /* _PCI_P2PDMA_PRIVATE_H */
