// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: ranges without struct pages
 *
 * Resources without struct pages, and who uses them.
 *
 * Block I/O takes pages.  Who maps memory by its physical address does not, and
 * so need not pay for them: there is no struct page, no pool, no kernel mapping,
 * and so nothing of what these ask of a BAR but that it consists of whole pages.
 * Routes, outages and everything else that concerns a resource are the same.
 *
 * Nothing is allocated of such a resource: which part of it is whose is between
 * its driver and whoever uses it.  But a user holds it from before it is mapped
 * for the first time until after it is unmapped for the last, and removal waits
 * for that.
 */
#include <linux/align.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rculist.h>
#include <linux/refcount.h>

#include "p2pdma.h"
#include "range.h"

/**
 * p2pdma_range_check - can this be a resource without pages?
 * @pdev: provider, for messages
 * @start: first physical address
 * @size: length in bytes, not 0
 *
 * Context: any.
 * Return: 0; or, with a line in the log, -EINVAL if it is not made of whole pages,
 * which is what an IOMMU maps and a program may get.
 */
int p2pdma_range_check(struct pci_dev *pdev, phys_addr_t start, u64 size)
{
	if (PAGE_ALIGNED(start) && PAGE_ALIGNED(size))
		return 0;
	pci_err(pdev, "cannot register %pa: a range takes multiples of %#lx; start is %#llx and size %#llx bytes off\n",
		&start, PAGE_SIZE, (u64)start % PAGE_SIZE, size % PAGE_SIZE);
	return -EINVAL;
}

/**
 * p2pdma_range_init - a resource has no pages
 * @mem: the resource, which nobody can find yet
 *
 * Whoever has some of it asks for outages as if it had pages, and that looks no
 * further where there is no peer memory at all: it counts as some.
 *
 * Context: may sleep.
 */
void p2pdma_range_init(struct p2pdma_memory *mem)
{
	mem->pageless = true;
	refcount_set(&mem->holds, 1);
	init_completion(&mem->unheld);
	static_branch_inc(&pci_p2pdma_key);
}

/**
 * p2pdma_range_exit - a resource without pages goes
 * @mem: resource that nobody holds any more
 *
 * Context: may sleep.
 */
void p2pdma_range_exit(struct p2pdma_memory *mem)
{
	static_branch_dec(&pci_p2pdma_key);
}

static void drop_hold(struct p2pdma_memory *mem)
{
	/*
	 * It may be freed as soon as it is complete, so that has the last look.
	 * One waits, once; complete_all() is not for hard interrupts everywhere.
	 */
	if (refcount_dec_and_test(&mem->holds))
		complete(&mem->unheld);
}

/**
 * p2pdma_range_close - let nobody hold a resource any more
 * @mem: resource without pages that nobody can find any more; once
 *
 * Context: any.
 */
void p2pdma_range_close(struct p2pdma_memory *mem)
{
	drop_hold(mem);
}

/**
 * p2pdma_range_wait - wait until nobody holds a resource
 * @mem: what p2pdma_range_close() was called for; not once it has returned true
 * @timeout: jiffies to wait at most
 *
 * Context: may sleep.
 * Return: false if somebody holds it still.
 */
bool p2pdma_range_wait(struct p2pdma_memory *mem, unsigned long timeout)
{
	return wait_for_completion_timeout(&mem->unheld, timeout);
}

/**
 * pci_p2pdma_range_get - hold a range of peer memory without pages
 * @pdev: its provider
 * @start: CPU physical address of the first byte
 * @len: bytes
 *
 * To be called before the range is mapped for a device, by who has learned from
 * the provider's driver that it may use it.  Who holds it hears by a notifier,
 * see pci_p2pdma_register_notifier(), of PCI_P2PDMA_RESOURCE_REMOVED, and then
 * unmaps it and lets it go: until then the removal waits.  That comes once, and
 * maybe while this returns: what it looks at is set under a lock that is held
 * around this call, and that the callback takes.
 *
 * Context: any but NMI.
 * Return: a handle for pci_p2pdma_map_resource(), good until
 * pci_p2pdma_range_put(); NULL if @pdev has not registered all of the range as one
 * without pages, is about to remove it, or has no say in what it holds while the
 * kernel is locked down.
 */
struct p2pdma_resource *pci_p2pdma_range_get(struct pci_dev *pdev,
					     phys_addr_t start, u64 len)
{
	struct p2pdma_resource *res;
	struct p2pdma_memory *mem;

	guard(rcu)();
	res = pci_p2pdma_find_resource(pdev, start, len);
	if (!res)
		return NULL;
	mem = p2pdma_to_memory(res);
	if (mem->unvetted && p2pdma_locked_down())
		return NULL;
	/* 0 where there are pages, too */
	if (!refcount_inc_not_zero(&mem->holds))
		return NULL;
	return res;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_range_get);

/**
 * pci_p2pdma_range_put - let a range go
 * @res: what pci_p2pdma_range_get() returned; it is mapped for nobody any more
 *
 * Context: any but NMI.
 */
void pci_p2pdma_range_put(struct p2pdma_resource *res)
{
	drop_hold(p2pdma_to_memory(res));
}
EXPORT_SYMBOL_GPL(pci_p2pdma_range_put);
