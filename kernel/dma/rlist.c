// SPDX-License-Identifier: GPL-2.0-only
/*
 * Range lists: mapping them for a device.
 *
 * There are three ways, and the first that will do is taken.  Where the device
 * sees all memory that the list has where the CPU does, but for an offset, the
 * list is used as it is.  Behind an IOMMU there is one range of IOVA space for all
 * of it.  Else each range is mapped like a page, by whatever dma_map_ops there are,
 * and the addresses are stored.
 */
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/iommu-dma.h>
#include <linux/mm.h>
#include <linux/pci-p2pdma.h>
#include <linux/rlist.h>
#include <linux/swiotlb.h>

#include "../../lib/rlist-store.h"

/* A range that is longer is mapped in pieces, if each is mapped alone. */
#define PIECE_MAX	SZ_1G

/* Where an address in rlist_dma.store is from */
enum {
	PIECE_MAPPED,	/* to be unmapped and synced */
	PIECE_PEER,	/* not so */
};

/* ---- verdicts ---- */

/*
 * How the device reaches the peer memory of each provider: asked once, whatever
 * number of ranges there are.
 */
static int map_sources(struct device *dev, struct rlist_dma *dma,
		       const struct rlist_summary *sum)
{
	struct rlist_dma_source *source;
	enum pci_p2pdma_map_type type;
	unsigned int i;

	dma->sources = sum->sources;
	dma->source[0] = (struct rlist_dma_source) { };
	for (i = 1; i < sum->sources; i++) {
		source = &dma->source[i];
		source->peer = sum->source[i].peer;
		source->offset = 0;
		type = pci_p2pdma_map_resource(source->peer, dev, dma->dir,
					       &source->offset);
		if (type == PCI_P2PDMA_MAP_NOT_SUPPORTED)
			return -EREMOTEIO;
		source->bus = type == PCI_P2PDMA_MAP_BUS_ADDR;
	}
	return 0;
}

/* ---- without an IOMMU ---- */

/* Neither bounce buffers, nor cache maintenance, nor address by address */
static bool sees_all_alike(struct device *dev)
{
	return !IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) &&
	       /* Has to be told of each page */
	       !IS_ENABLED(CONFIG_KMSAN) &&
	       !dev->dma_range_map && dev_is_dma_coherent(dev) &&
	       !is_swiotlb_force_bounce(dev);
}

/* Returns false if ranges have to be looked at. */
static bool map_by_offset(struct device *dev, struct rlist_dma *dma,
			  const struct rlist_summary *sum)
{
	const struct rlist_source *from;
	dma_addr_t last;
	unsigned int i;

	if (!sees_all_alike(dev))
		return false;
	for (i = 0; i < sum->sources; i++) {
		from = &sum->source[i];
		if (dma->source[i].bus || !from->spanned)
			continue;
		last = phys_to_dma(dev, from->last);
		if (!dma_capable(dev, last, 1, !i))
			return false;
		dma->source[i].offset = (u64)last - from->last;
	}
	dma->how = RLIST_DMA_OFFSET;
	return true;
}

/* ---- with an IOMMU ---- */

/*
 * How much IOVA space all takes that is not a bus address.  If it is whole pages
 * that was noted when the list was filled.
 */
static u64 iova_len(const struct rlist_dma *dma, const struct rlist_summary *sum)
{
	struct rlist_range range;
	struct rlist_iter it;
	unsigned int i;
	u64 len = 0;

	if (!sum->ragged) {
		for (i = 0; i < sum->sources; i++)
			if (!dma->source[i].bus)
				len += sum->source[i].spanned;
		return len;
	}
	rlist_for_each(&it, &dma->cpu, &range)
		if (!dma->source[rlist_summary_find(sum, range.peer)].bus)
			len += round_up(offset_in_page(range.start) + range.len,
					(u64)PAGE_SIZE);
	return len;
}

static int map_by_iommu(struct device *dev, struct rlist_dma *dma,
			const struct rlist_summary *sum)
{
	unsigned int i;
	int error;

	dma->iova_len = iova_len(dma, sum);
	error = iommu_dma_map_rlist(dev, dma);
	if (error)
		return error;
	dma->single = false;
	for (i = 0; i < sum->sources; i++)
		dma->single |= !dma->source[i].bus &&
			       sum->source[i].spanned == dma->bytes;
	dma->single &= dma->bytes == dma->iova_len && !sum->ragged;
	dma->how = RLIST_DMA_IOVA;
	return 0;
}

/* ---- range by range ---- */

/* Of peer memory behind the root complex; see dma_direct_map_peer() */
static dma_addr_t map_peer(struct device *dev, const struct rlist_range *range)
{
	dma_addr_t addr;

	if (use_dma_iommu(dev) || is_swiotlb_force_bounce(dev) ||
	    !dev_is_dma_coherent(dev))
		return DMA_MAPPING_ERROR;
	addr = phys_to_dma(dev, range->start);
	return dma_capable(dev, addr, range->len, false) ? addr :
							    DMA_MAPPING_ERROR;
}

static int map_ram(struct device *dev, struct rlist_dma *dma,
		   const struct rlist_range *range, gfp_t gfp)
{
	size_t most = min_t(size_t, dma_max_mapping_size(dev), PIECE_MAX);
	phys_addr_t phys = range->start;
	u64 left = range->len;
	dma_addr_t addr;
	size_t len;
	int error;

	for (; left; phys += len, left -= len) {
		len = min_t(u64, left, most);
		addr = dma_map_page_attrs(dev, pfn_to_page(PHYS_PFN(phys)),
					  offset_in_page(phys), len, dma->dir,
					  dma->attrs);
		if (dma_mapping_error(dev, addr))
			return -EIO;
		error = rlist_store_add(&dma->store, addr, len, PIECE_MAPPED,
					false, gfp);
		if (error) {
			dma_unmap_page_attrs(dev, addr, len, dma->dir,
					     dma->attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return error;
		}
	}
	return 0;
}

static int map_range(struct device *dev, struct rlist_dma *dma,
		     const struct rlist_range *range, gfp_t gfp)
{
	const struct rlist_dma_source *source = dma->source;
	dma_addr_t addr;

	if (!range->peer)
		return map_ram(dev, dma, range, gfp);
	while (source->peer != range->peer)
		source++;
	addr = source->bus ? range->start + source->offset :
			     map_peer(dev, range);
	if (addr == DMA_MAPPING_ERROR)
		return -EREMOTEIO;
	return rlist_store_add(&dma->store, addr, range->len, PIECE_PEER, false,
			       gfp);
}

static void unmap_each(struct device *dev, struct rlist_dma *dma,
		       unsigned long attrs)
{
	struct rlist_cursor cursor;
	unsigned int piece;
	u64 addr, len;

	rlist_cursor_enter(&cursor, dma->store.first);
	while (rlist_cursor_next(&cursor, &addr, &len, &piece))
		if (piece == PIECE_MAPPED)
			dma_unmap_page_attrs(dev, addr, len, dma->dir, attrs);
	rlist_store_free(&dma->store);
}

static int map_each(struct device *dev, struct rlist_dma *dma, gfp_t gfp)
{
	struct rlist_range range;
	struct rlist_iter it;
	int error;

	rlist_for_each(&it, &dma->cpu, &range) {
		error = map_range(dev, dma, &range, gfp);
		if (error) {
			/* As for scatterlists: nothing has been written yet */
			unmap_each(dev, dma,
				   dma->attrs | DMA_ATTR_SKIP_CPU_SYNC);
			return error;
		}
	}
	dma->how = RLIST_DMA_EACH;
	return 0;
}

/* ---- all of it ---- */

static int map_all(struct device *dev, struct rlist_dma *dma,
		   const struct rlist_summary *sum, gfp_t gfp)
{
	int error = map_sources(dev, dma, sum);

	if (error)
		return error;
	if (get_dma_ops(dev)) {
		/* These operations would take it for RAM */
		if (sum->sources > 1)
			return -EREMOTEIO;
	} else if (use_dma_iommu(dev)) {
		error = map_by_iommu(dev, dma, sum);
		if (error != -EOPNOTSUPP)
			return error;
	} else if (map_by_offset(dev, dma, sum)) {
		return 0;
	}
	return map_each(dev, dma, gfp);
}

/**
 * dma_map_rlist - map physical ranges for a device
 * @dev: device that will do the DMA
 * @cpu: the ranges.  Copied; but the storage that it names, and the memory, have to
 *	stay as they are until dma_unmap_rlist()
 * @dma: to be set up; may be uninitialized.  The caller's until dma_unmap_rlist(),
 *	one for each mapping: a list may be mapped for several devices
 * @dir: direction of the transfer
 * @attrs: DMA_ATTR_*, as for dma_map_sgtable()
 * @gfp: for memory, if each range has an address of its own.  Nothing is
 *	allocated where the device sees all of the memory where the CPU does, as
 *	is usual without an IOMMU
 *
 * Peer memory may be mixed with RAM.  Whether the device reaches it is asked here
 * and holds until it is unmapped: a provider that has an outage later is found out
 * by rlist_intact(), one that had an outage before, and is back, is mapped.
 *
 * The list is only read, so it may be mapped, walked and unmapped by several at
 * once, without a lock.
 *
 * Context: what @gfp allows; does not sleep with GFP_ATOMIC.
 * Return: 0, and what the device sees is in rlist_dma_for_each() and its like; or
 * nothing is mapped and there is nothing to unmap: -EINVAL, there is no memory in
 * it, or @dir is none; -E2BIG, it has peer memory of more than RLIST_PEERS
 * resources; -ENOMEM, no memory, or no addresses; -EIO, the memory cannot be
 * mapped, or the device has no DMA mask; -EREMOTEIO, the device has no route to peer
 * memory in it, for @dir, or the provider has an outage or is gone, or it is a device
 * that cannot be given peer memory, see dma_pci_p2pdma_supported().
 */
int dma_map_rlist(struct device *dev, const struct rlist_cpu *cpu,
		  struct rlist_dma *dma, enum dma_data_direction dir,
		  unsigned long attrs, gfp_t gfp)
{
	const struct rlist_summary *sum;
	struct rlist_summary own __uninitialized;
	int error;

	dma->how = RLIST_DMA_NOT;
	if (WARN_ON_ONCE(!valid_dma_direction(dir)))
		return -EINVAL;
	if (WARN_ON_ONCE(!dev->dma_mask))
		return -EIO;
	sum = rlist_summary_of(cpu, &own, &error);
	if (unlikely(error))
		return error;
	if (!sum->bytes)
		return -EINVAL;
	dma->cpu = *cpu;
	dma->dir = dir;
	dma->attrs = attrs;
	dma->bytes = sum->bytes;
	dma->iova_len = 0;
	rlist_store_init(&dma->store);
	return map_all(dev, dma, sum, gfp);
}
EXPORT_SYMBOL_GPL(dma_map_rlist);

/**
 * dma_unmap_rlist - unmap what dma_map_rlist() has mapped
 * @dev: the same device
 * @dma: the mapping; all that was allocated for it is freed
 *
 * What was mapped stays mapped across an outage of a provider, and is unmapped like
 * any other.
 *
 * Context: any but NMI.
 */
void dma_unmap_rlist(struct device *dev, struct rlist_dma *dma)
{
	switch (dma->how) {
	case RLIST_DMA_EACH:
		unmap_each(dev, dma, dma->attrs);
		break;
	case RLIST_DMA_IOVA:
		iommu_dma_unmap_rlist(dev, dma);
		break;
	case RLIST_DMA_OFFSET:
		break;
	case RLIST_DMA_NOT:
		WARN_ON_ONCE(1);
		break;
	}
	dma->how = RLIST_DMA_NOT;
}
EXPORT_SYMBOL_GPL(dma_unmap_rlist);

static void sync_each(struct device *dev, const struct rlist_dma *dma,
		      void (*sync)(struct device *, dma_addr_t, size_t,
				   enum dma_data_direction))
{
	struct rlist_cursor cursor;
	unsigned int piece;
	u64 addr, len;

	if (dma->how != RLIST_DMA_EACH)
		return;
	rlist_cursor_enter(&cursor, dma->store.first);
	while (rlist_cursor_next(&cursor, &addr, &len, &piece))
		if (piece == PIECE_MAPPED)
			sync(dev, addr, len, dma->dir);
}

/* May be macros */
static void sync_for_cpu(struct device *dev, dma_addr_t addr, size_t len,
			 enum dma_data_direction dir)
{
	dma_sync_single_for_cpu(dev, addr, len, dir);
}

static void sync_for_device(struct device *dev, dma_addr_t addr, size_t len,
			    enum dma_data_direction dir)
{
	dma_sync_single_for_device(dev, addr, len, dir);
}

/**
 * dma_sync_rlist_for_cpu - the CPU is going to look at the memory of a mapping
 * @dev: device that it is mapped for
 * @dma: the mapping
 *
 * Peer memory needs none of it, and nothing is done for it.
 *
 * Context: any.
 */
void dma_sync_rlist_for_cpu(struct device *dev, const struct rlist_dma *dma)
{
	sync_each(dev, dma, sync_for_cpu);
}
EXPORT_SYMBOL_GPL(dma_sync_rlist_for_cpu);

/**
 * dma_sync_rlist_for_device - the device is going to look at the memory again
 * @dev: device that it is mapped for
 * @dma: the mapping
 *
 * Context: any.
 */
void dma_sync_rlist_for_device(struct device *dev, const struct rlist_dma *dma)
{
	sync_each(dev, dma, sync_for_device);
}
EXPORT_SYMBOL_GPL(dma_sync_rlist_for_device);
