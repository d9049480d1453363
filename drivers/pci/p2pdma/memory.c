// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peer memory, given out and taken back.
 *
 * Whoever has memory keeps its resource, as removal waits for all of it.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/preempt.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "memory.h"
#include "p2pdma.h"
#include "trace.h"

/* Those of which somebody may have memory, being removed or not; under RCU */
static LIST_HEAD(all_memory);
static DEFINE_SPINLOCK(all_memory_lock);	/* against writers */

/**
 * p2pdma_memory_add - addresses in a resource are known from now on
 * @mem: resource with pages and pool, of which nothing is allocated yet
 *
 * Context: process context.
 */
void p2pdma_memory_add(struct p2pdma_memory *mem)
{
	guard(spinlock)(&all_memory_lock);
	list_add_tail_rcu(&mem->all, &all_memory);
}

/**
 * p2pdma_memory_del - addresses in a resource are not known any more
 * @mem: resource, of which nothing is allocated any more; there for a grace
 *	period yet
 *
 * Context: process context.
 */
void p2pdma_memory_del(struct p2pdma_memory *mem)
{
	guard(spinlock)(&all_memory_lock);
	list_del_rcu(&mem->all);
}

static __always_inline struct p2pdma_memory *
pool_alloc(struct pci_dev *pdev, u64 size, u64 align, u64 *offset)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;

	if (unlikely(!size))
		return NULL;
	/* As good as rcu_read_lock(), as the pool does not sleep; and cheaper. */
	guard(preempt)();
	p2pdma = rcu_dereference_sched(pdev->p2pdma);
	if (unlikely(!p2pdma))
		return NULL;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node,
				rcu_read_lock_sched_held())
		if (p2pdma_pool_alloc(&mem->pool, size, align, offset))
			return mem;
	return NULL;
}

/* On its own, so that nobody else saves registers for the tracepoint */
static noinline struct p2pdma_memory *
pool_alloc_traced(struct pci_dev *pdev, u64 size, u64 align, u64 *offset)
{
	struct p2pdma_memory *mem = pool_alloc(pdev, size, align, offset);

	trace_p2pmem_alloc(pdev, mem ? mem->res.start + *offset : 0, size);
	return mem;
}

static __always_inline struct p2pdma_memory *
memory_alloc(struct pci_dev *pdev, u64 size, u64 align, u64 *offset)
{
	if (trace_p2pmem_alloc_enabled())
		return pool_alloc_traced(pdev, size, align, offset);
	return pool_alloc(pdev, size, align, offset);
}

/**
 * p2pdma_memory_alloc - allocate from any resource of a device
 * @pdev: provider
 * @size: number of bytes, rounded up to whole pages
 * @align: power of two that the offset in the resource is to be a multiple of
 * @offset: where it begins in the resource
 *
 * Context: any.
 * Return: the resource, which is there until the memory is freed, or NULL.
 */
struct p2pdma_memory *p2pdma_memory_alloc(struct pci_dev *pdev, u64 size,
					  u64 align, u64 *offset)
{
	return memory_alloc(pdev, size, align, offset);
}

/* The resource that allocated memory came from, also while it is being removed */
static struct p2pdma_memory *memory_of(void *addr)
{
	return container_of(p2pdma_virt_backing(addr), struct p2pdma_memory,
			    backing);
}

/**
 * pci_alloc_p2pmem - allocate peer memory
 * @pdev: its provider
 * @size: number of bytes; takes whole pages
 *
 * The mapping is write-combined if the BAR is prefetchable, else uncached.  So
 * stores to it may be held back, joined and reordered until wmb(): a driver
 * that puts a command there and then writes a doorbell, be it with writel() or
 * by way of another CPU, needs a wmb() between the two.  And as stores are
 * posted, only a read back of the last word tells that they have arrived before
 * DMA of another device looks.
 *
 * Context: any.  Removal of @pdev's driver waits for pci_free_p2pmem().
 * Return: kernel address of the memory, which is not cached and not cleared,
 * or NULL if @pdev provides nothing, or nothing of that size is free: see
 * p2pdma_pool_alloc().  To ask again and again is cheap.
 */
void *pci_alloc_p2pmem(struct pci_dev *pdev, size_t size)
{
	struct p2pdma_memory *mem;
	u64 offset;

	mem = memory_alloc(pdev, size, PAGE_SIZE, &offset);
	return mem ? mem->backing.kaddr + offset : NULL;
}
EXPORT_SYMBOL_GPL(pci_alloc_p2pmem);

/* @mem may be gone afterwards. */
static noinline void memory_free_traced(struct p2pdma_memory *mem, u64 offset,
					u64 size)
{
	trace_p2pmem_free(mem->res.pdev, mem->res.start + offset, size);
	p2pdma_pool_free(&mem->pool, offset, size);
}

/**
 * pci_free_p2pmem - give peer memory back
 * @pdev: its provider
 * @addr: what pci_alloc_p2pmem() returned
 * @size: number of bytes allocated
 *
 * Context: any.
 */
void pci_free_p2pmem(struct pci_dev *pdev, void *addr, size_t size)
{
	struct p2pdma_memory *mem = memory_of(addr);
	u64 offset = addr - mem->backing.kaddr;

	if (trace_p2pmem_free_enabled())
		memory_free_traced(mem, offset, size);
	else
		p2pdma_pool_free(&mem->pool, offset, size);
}
EXPORT_SYMBOL_GPL(pci_free_p2pmem);

/**
 * pci_p2pmem_virt_to_bus - bus address of peer memory
 * @pdev: its provider
 * @addr: address in memory from pci_alloc_p2pmem(), or NULL
 *
 * For @pdev itself, which needs no route to its own memory.  For other devices
 * only the DMA API knows the address.
 *
 * Context: any.
 * Return: the address as @pdev's bus has it, also while the memory is being taken
 * back; 0 for NULL, or if @pdev provides nothing; all ones for what is not in
 * its memory.
 */
pci_bus_addr_t pci_p2pmem_virt_to_bus(struct pci_dev *pdev, void *addr)
{
	struct p2pdma_memory *mem;
	pci_bus_addr_t none = 0;
	u64 offset;

	if (!addr)
		return 0;
	guard(rcu)();
	list_for_each_entry_rcu(mem, &all_memory, all) {
		if (mem->res.pdev != pdev)
			continue;
		none = (pci_bus_addr_t)-1;
		/* Wraps if it is before the resource */
		offset = (unsigned long)addr -
			 (unsigned long)mem->backing.kaddr;
		if (offset < mem->res.size)
			return mem->res.start +
			       mem->res.bus_offset + offset;
	}
	return none;
}
EXPORT_SYMBOL_GPL(pci_p2pmem_virt_to_bus);

/*
 * Longest entry of a scatterlist: what each device takes that says nothing
 * else, see dma_get_max_seg_size(); and as many pages as any RDMA card
 * registers at once.
 */
#define SGL_ENTRY	max_t(u32, SZ_64K, PAGE_SIZE)

/* Entries for @length bytes at @addr, or NULL for what is allocated here */
static bool fill_sgl(struct pci_dev *pdev, struct scatterlist *sgl,
		     unsigned int count, void *addr, u32 length)
{
	struct scatterlist *sg;
	unsigned int i;
	void *buf;
	u32 part;

	for_each_sg(sgl, sg, count, i) {
		part = min(length, SGL_ENTRY);
		buf = addr ? addr + i * (size_t)SGL_ENTRY :
			     pci_alloc_p2pmem(pdev, part);
		if (!buf)
			return false;
		sg_set_buf(sg, buf, part);
		length -= part;
	}
	return true;
}

/* Free at once what is contiguous. */
static void free_entries(struct pci_dev *pdev, struct scatterlist *sgl)
{
	struct scatterlist *sg = sgl, *next;
	size_t size;
	void *addr;

	for (; sg && sg_page(sg); sg = next) {
		addr = sg_virt(sg);
		size = sg->length;
		/* What ends within a page is the last entry. */
		for (next = sg_next(sg); next && sg_page(next) &&
		     sg_virt(next) == addr + size &&
		     sg_page(next)->pgmap == sg_page(sg)->pgmap;
		     next = sg_next(next))
			size += next->length;
		pci_free_p2pmem(pdev, addr, size);
	}
}

/**
 * pci_p2pmem_alloc_sgl - allocate peer memory in a scatterlist
 * @pdev: its provider
 * @nents: number of entries, set on success
 * @length: number of bytes
 *
 * No entry is longer than 64 KiB, or one page where pages are larger.  The
 * entries are an array, and all but the last are of whole pages.  They are in
 * one allocation if there is room, or else in as many as it takes.
 *
 * Context: may sleep.
 * Return: the scatterlist, or NULL.
 */
struct scatterlist *pci_p2pmem_alloc_sgl(struct pci_dev *pdev,
					 unsigned int *nents, u32 length)
{
	unsigned int count = length ? (length - 1) / SGL_ENTRY + 1 : 0;
	struct scatterlist *sgl;
	void *addr;

	if (!count)
		return NULL;
	sgl = kvmalloc_array(count, sizeof(*sgl), GFP_KERNEL);
	if (!sgl)
		return NULL;
	sg_init_table(sgl, count);
	addr = pci_alloc_p2pmem(pdev, length);
	if (likely(addr || count > 1) &&
	    likely(fill_sgl(pdev, sgl, count, addr, length))) {
		*nents = count;
		return sgl;
	}
	free_entries(pdev, sgl);
	kvfree(sgl);
	return NULL;
}
EXPORT_SYMBOL_GPL(pci_p2pmem_alloc_sgl);

/**
 * pci_p2pmem_free_sgl - free what pci_p2pmem_alloc_sgl() returned
 * @pdev: its provider
 * @sgl: scatterlist, unmapped
 *
 * Context: any, but for scatterlists that do not fit in a page or two: those
 * may only be freed where kvfree() may be called.
 */
void pci_p2pmem_free_sgl(struct pci_dev *pdev, struct scatterlist *sgl)
{
	free_entries(pdev, sgl);
	kvfree(sgl);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_free_sgl);
