// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a DMA mapping reaches a page: the slow half of pci_p2pdma_map_segment().
 */
#include <linux/dma-direction.h>
#include <linux/export.h>
#include <linux/pci-p2pdma.h>

#include "peers.h"
#include "trace.h"

/* What both directions allow, where a caller needs both and they differ */
static enum pci_p2pdma_map_type
map_type_both(const struct p2pdma_verdict *verdict)
{
	if (verdict->map[P2PDMA_READ] == PCI_P2PDMA_MAP_NOT_SUPPORTED ||
	    verdict->map[P2PDMA_WRITE] == PCI_P2PDMA_MAP_NOT_SUPPORTED)
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	/* What need not go up may, by the address that it has there */
	return PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
}

static enum pci_p2pdma_map_type map_type(const struct p2pdma_verdict *verdict,
					 enum dma_data_direction dir)
{
	if (likely(verdict->map[P2PDMA_READ] == verdict->map[P2PDMA_WRITE]))
		return verdict->map[P2PDMA_READ];
	if (dir == DMA_TO_DEVICE)
		return verdict->map[P2PDMA_READ];
	if (dir == DMA_FROM_DEVICE)
		return verdict->map[P2PDMA_WRITE];
	return map_type_both(verdict);
}

static __always_inline void
state_set(struct pci_p2pdma_map_state *state, const struct dev_pagemap *pgmap,
	  const struct p2pdma_resource *res,
	  const struct p2pdma_verdict *verdict)
{
	state->pgmap = pgmap;
	state->bus_offset = res->bus_offset;
	state->type = map_type(verdict, state->dir);
}

/* On its own, so that the usual case need not save a register. */
static noinline void state_set_uncached(struct pci_p2pdma_map_state *state,
					struct device *dev,
					const struct dev_pagemap *pgmap)
{
	struct p2pdma_resource *res = pgmap->owner;
	struct p2pdma_verdict verdict = p2pdma_peer_verdict(res, dev);

	state_set(state, pgmap, res, &verdict);
}

static noinline enum pci_p2pdma_map_type
map_type_uncached(struct p2pdma_resource *res, struct device *dev,
		  enum dma_data_direction dir)
{
	struct p2pdma_verdict verdict = p2pdma_peer_verdict(res, dev);

	return map_type(&verdict, dir);
}

static __always_inline void state_update(struct pci_p2pdma_map_state *state,
					 struct device *dev,
					 const struct dev_pagemap *pgmap)
{
	const struct p2pdma_resource *res = pgmap->owner;
	const struct p2pdma_verdict *verdict;

	/* The cheapest that keeps it: nothing in here sleeps */
	rcu_read_lock_sched();
	verdict = p2pdma_peer_cached(res, dev);
	if (likely(verdict))
		state_set(state, pgmap, res, verdict);
	rcu_read_unlock_sched();
	if (unlikely(!verdict))
		state_set_uncached(state, dev, pgmap);
}

/*
 * While somebody listens.  On its own, as what a tracepoint is told at the end
 * would have to be kept in registers, which have to be saved, for all others.
 */
static noinline void state_update_traced(struct pci_p2pdma_map_state *state,
					 struct device *dev,
					 const struct dev_pagemap *pgmap)
{
	const struct p2pdma_resource *res = pgmap->owner;

	state_update(state, dev, pgmap);
	trace_p2pdma_map(dev, res->pdev, state->dir, state->type);
}

/**
 * __pci_p2pdma_update_state - the segment belongs to other pages than before
 * @state: mapping state to bring up to date
 * @dev: device that will do the DMA
 * @pgmap: the pages; the caller holds a reference on one of them
 *
 * Context: any; takes no lock and does not allocate.
 */
void __pci_p2pdma_update_state(struct pci_p2pdma_map_state *state,
			       struct device *dev,
			       const struct dev_pagemap *pgmap)
{
	if (trace_p2pdma_map_enabled())
		state_update_traced(state, dev, pgmap);
	else
		state_update(state, dev, pgmap);
}

static __always_inline enum pci_p2pdma_map_type
map_resource(struct p2pdma_resource *res, struct device *dev,
	     enum dma_data_direction dir, u64 *bus_offset)
{
	enum pci_p2pdma_map_type type = PCI_P2PDMA_MAP_UNKNOWN;
	const struct p2pdma_verdict *verdict;

	rcu_read_lock_sched();
	verdict = p2pdma_peer_cached(res, dev);
	if (likely(verdict))
		type = map_type(verdict, dir);
	rcu_read_unlock_sched();
	if (unlikely(!verdict))
		type = map_type_uncached(res, dev, dir);
	if (type == PCI_P2PDMA_MAP_BUS_ADDR)
		*bus_offset = res->bus_offset;
	return type;
}

static noinline enum pci_p2pdma_map_type
map_resource_traced(struct p2pdma_resource *res, struct device *dev,
		    enum dma_data_direction dir, u64 *bus_offset)
{
	enum pci_p2pdma_map_type type = map_resource(res, dev, dir, bus_offset);

	trace_p2pdma_map(dev, res->pdev, dir, type);
	return type;
}

/**
 * pci_p2pdma_map_resource - how does a device reach a resource?
 * @res: the resource, see pci_p2pdma_page_resource(); the caller has memory of it
 * @dev: device that will do the DMA
 * @dir: direction of the mapping
 * @bus_offset: set to bus address minus CPU physical address if that is how
 *
 * For a mapping that knows what its ranges are parts of, so that it asks once for
 * all of them.  It holds for the mapping, and no longer.  A driver may ask, too:
 * what it reaches by bus address needs no DMA API, neither to be mapped nor to be
 * unmapped, if dma_pci_p2pdma_supported() says so of the device; all else does.
 *
 * Context: any, takes no lock and does not allocate.
 * Return: the map type; PCI_P2PDMA_MAP_NOT_SUPPORTED also while there is an outage.
 */
enum pci_p2pdma_map_type pci_p2pdma_map_resource(struct p2pdma_resource *res,
						 struct device *dev,
						 enum dma_data_direction dir,
						 u64 *bus_offset)
{
	if (trace_p2pdma_map_enabled())
		return map_resource_traced(res, dev, dir, bus_offset);
	return map_resource(res, dev, dir, bus_offset);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_map_resource);

/**
 * pci_p2pdma_reaches - is there a route from a device to a page?
 * @dev: device that would do the DMA
 * @page: peer page, see is_pci_p2pdma_page(); the caller holds a reference
 * @dir: direction of the mapping that would be made
 *
 * For who has a choice of devices, or several that all have to reach it.
 *
 * Context: any, takes no lock and does not allocate.
 * Return: false if dma_map_sgtable() would fail with -EREMOTEIO now.  True is no
 * promise: the route may be withdrawn before the page is mapped.
 */
bool pci_p2pdma_reaches(struct device *dev, const struct page *page,
			enum dma_data_direction dir)
{
	struct pci_p2pdma_map_state state;

	pci_p2pdma_map_begin(&state, dir);
	/* A question is no mapping, so it is not traced as one. */
	state_update(&state, dev, page->pgmap);
	return state.type != PCI_P2PDMA_MAP_NOT_SUPPORTED;
}
