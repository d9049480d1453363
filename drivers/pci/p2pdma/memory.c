// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lent memory, given out and taken back.
 *
 * Whoever has a piece keeps its range, as removal waits for all pieces.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "p2pdma.h"

static __always_inline struct pci_p2pdma_range *
range_alloc(struct pci_dev *pdev, u64 size, u64 align, u64 *offset)
{
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *lender;

	if (unlikely(!size))
		return NULL;
	/* As good as rcu_read_lock(), as the pool does not sleep; and cheaper. */
	guard(preempt)();
	lender = rcu_dereference_sched(pdev->p2pdma);
	if (unlikely(!lender))
		return NULL;
	list_for_each_entry_rcu(range, &lender->ranges, node,
				rcu_read_lock_sched_held())
		if (p2pdma_pool_alloc(&range->pool, size, align, offset))
			return range;
	return NULL;
}

/**
 * p2pdma_range_alloc - take a piece out of any range of a device
 * @pdev: device that lends memory
 * @size: number of bytes, rounded up to whole pages
 * @align: power of two that the offset in the range is to be a multiple of
 * @offset: where the piece begins in the range
 *
 * Context: any.
 * Return: the range, which is there until the piece is given back, or NULL.
 */
struct pci_p2pdma_range *p2pdma_range_alloc(struct pci_dev *pdev, u64 size,
					    u64 align, u64 *offset)
{
	return range_alloc(pdev, size, align, offset);
}

/* The range that allocated memory came from, also while it is being removed */
static struct pci_p2pdma_range *range_of(void *addr)
{
	return container_of(p2pdma_virt_backing(addr), struct pci_p2pdma_range,
			    backing);
}

/**
 * pci_alloc_p2pmem - allocate peer memory
 * @pdev: device that lends it
 * @size: number of bytes; takes whole pages
 *
 * Context: any.  Removal of @pdev's driver waits for pci_free_p2pmem().
 * Return: kernel address of the memory, which is not cached and not cleared,
 * or NULL.
 */
void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size)
{
	struct pci_p2pdma_range *range;
	u64 offset;

	range = range_alloc(pdev, size, PAGE_SIZE, &offset);
	return range ? range->backing.kaddr + offset : NULL;
}
EXPORT_SYMBOL_GPL(pci_alloc_p2pmem);

/**
 * pci_free_p2pmem - give peer memory back
 * @pdev: device that lends it
 * @addr: what pci_alloc_p2pmem() returned
 * @size: number of bytes allocated
 *
 * Context: any.
 */
void pci_free_p2pmem(struct pci_dev *pdev, void *addr, size_t size)
{
	struct pci_p2pdma_range *range = range_of(addr);

	/* @range may be gone after that. */
	p2pdma_pool_free(&range->pool, addr - range->backing.kaddr, size);
}
EXPORT_SYMBOL_GPL(pci_free_p2pmem);

/**
 * pci_p2pmem_virt_to_bus - bus address of peer memory
 * @pdev: device that lends it
 * @addr: address in memory from pci_alloc_p2pmem()
 *
 * For @pdev itself, which needs no route to its own memory.  For other devices
 * only the DMA API knows the address.
 *
 * Context: any.
 * Return: the address as @pdev's bus has it.
 */
pci_bus_addr_t pci_p2pmem_virt_to_bus(struct pci_dev *pdev, void *addr)
{
	struct pci_p2pdma_range *range = range_of(addr);

	return range->provider.start + range->provider.bus_offset +
	       (addr - range->backing.kaddr);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_virt_to_bus);

/**
 * pci_p2pmem_alloc_sgl - allocate peer memory in a scatterlist
 * @pdev: device that lends it
 * @nents: number of entries, set on success
 * @length: number of bytes
 *
 * Context: may sleep.
 * Return: the scatterlist, or NULL.
 */
struct scatterlist *pci_p2pmem_alloc_sgl(struct pci_dev *pdev,
					 unsigned int *nents, u32 length)
{
	struct scatterlist *sgl __free(kfree) = kmalloc(sizeof(*sgl), GFP_KERNEL);
	void *addr = sgl ? pci_alloc_p2pmem(pdev, length) : NULL;

	if (!addr)
		return NULL;
	/* Pieces are contiguous: one entry, whatever the length */
	sg_init_one(sgl, addr, length);
	*nents = 1;
	return no_free_ptr(sgl);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_alloc_sgl);

/**
 * pci_p2pmem_free_sgl - free what pci_p2pmem_alloc_sgl() returned
 * @pdev: device that lends the memory
 * @sgl: scatterlist, unmapped
 *
 * Context: any.
 */
void pci_p2pmem_free_sgl(struct pci_dev *pdev, struct scatterlist *sgl)
{
	struct scatterlist *sg;

	for (sg = sgl; sg; sg = sg_next(sg))
		pci_free_p2pmem(pdev, sg_virt(sg), sg->length);
	kfree(sgl);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_free_sgl);
