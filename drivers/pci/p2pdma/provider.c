// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which providers there are.
 */
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rculist.h>
#include <linux/security.h>

#include "p2pdma.h"
#include "peers.h"

/*
 * Protects the lists of providers and of their resources against other writers.
 * The reset of a drive that memory is swapped to takes it: allocate with noio.
 */
DEFINE_MUTEX(p2pdma_lock);
LIST_HEAD(p2pdma_providers);
static unsigned int list_changes;	/* of these two kinds of list, under the lock */

/**
 * p2pdma_lists_changed - a provider or a resource has come or gone
 *
 * Context: p2pdma_lock held.
 */
void p2pdma_lists_changed(void)
{
	lockdep_assert_held(&p2pdma_lock);
	WRITE_ONCE(list_changes, list_changes + 1);
}

/**
 * p2pdma_list_changes - how often has a provider or a resource come or gone?
 *
 * For a walk through the lists in several steps, by what it saw last, which may
 * have come back at another place.
 *
 * Context: any.
 * Return: a number that is another after each change; it may wrap.
 */
unsigned int p2pdma_list_changes(void)
{
	return READ_ONCE(list_changes);
}

/**
 * p2pdma_for_each_resource - call a function for every resource
 * @fn: the function; a result other than 0 ends the walk; may sleep
 * @data: passed to it
 *
 * Context: process context, takes p2pdma_lock.
 * Return: 0 or what @fn returned.
 */
int p2pdma_for_each_resource(int (*fn)(struct p2pdma_resource *, void *),
			     void *data)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	int ret;

	guard(mutex)(&p2pdma_lock);
	list_for_each_entry(p2pdma, &p2pdma_providers, node) {
		list_for_each_entry(mem, &p2pdma->resources, node) {
			ret = fn(&mem->res, data);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/**
 * p2pdma_verdict_now - what holds just now for the memory of a device
 * @provider: device
 * @client: function that would do DMA
 * @verdict: set if @provider has registered memory: of several resources what
 *	holds for one that is refused, as when it is beyond the DMA mask
 *
 * For those who only want to know: nothing is cached that was not.
 *
 * Context: any but NMI.
 * Return: true if @provider has registered memory.
 */
bool p2pdma_verdict_now(struct pci_dev *provider, struct pci_dev *client,
			struct p2pdma_verdict *verdict)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	bool any = false;

	guard(rcu)();
	p2pdma = rcu_dereference(provider->p2pdma);
	if (!p2pdma)
		return false;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		*verdict = p2pdma_peer_verdict_uncached(&mem->res,
							&client->dev);
		any = true;
		if (verdict->map[P2PDMA_READ] == PCI_P2PDMA_MAP_NOT_SUPPORTED ||
		    verdict->map[P2PDMA_WRITE] == PCI_P2PDMA_MAP_NOT_SUPPORTED)
			break;
	}
	return any;
}

/**
 * pci_p2pdma_find_resource - which resource is a range of memory in?
 * @pdev: provider
 * @start: CPU physical address of the first byte
 * @len: bytes
 *
 * Context: any but NMI.
 * Return: a handle, good as long as the caller has memory of it; NULL if @pdev has
 * not registered all of the range in one resource.
 */
struct p2pdma_resource *pci_p2pdma_find_resource(struct pci_dev *pdev,
						 phys_addr_t start, u64 len)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	struct p2pdma_resource *res;

	guard(rcu)();
	p2pdma = rcu_dereference(pdev->p2pdma);
	if (!p2pdma)
		return NULL;
	list_for_each_entry_rcu(mem, &p2pdma->resources, node) {
		res = &mem->res;
		if (start >= res->start && start - res->start < res->size &&
		    len && len <= res->size - (start - res->start))
			return res;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_find_resource);

/**
 * p2pdma_locked_down - is what may be registers out of bounds?
 *
 * Lockdown is only ever raised, and logs whom it stops: so it is asked no more
 * once it has said so, as this is asked by whoever looks for memory.
 *
 * Context: any.
 * Return: true once LOCKDOWN_PCI_ACCESS has been seen in force.
 */
bool p2pdma_locked_down(void)
{
	static bool down;

	if (!READ_ONCE(down) && security_locked_down(LOCKDOWN_PCI_ACCESS))
		WRITE_ONCE(down, true);
	return READ_ONCE(down);
}
