// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI peer-to-peer DMA: the front door.
 *
 * A driver lends (part of) a BAR with pci_p2pdma_add_resource().  The range
 * becomes a provider with struct pages and a pool, and is taken away again
 * when the driver lets go of the device.
 *
 * Who owns what.  struct pci_p2pdma (the lender) hangs off pci_dev and owns
 * its ranges; both are created and unlinked under p2pdma_lock, read under RCU
 * and freed after a grace period.  A range goes when the driver gives it up, or
 * by a devres action of its own, in reverse order of registration; the first of
 * these closes the shop for all ranges, as then the driver lets go of the
 * device.  In this order:
 *
 *	unpublish -> unlink: no new allocation -> remove sysfs: user mappings
 *	go -> wait for allocations and pins -> pages -> pool -> memory
 *
 * For a range that is not the last, the first and the third are left out.
 *
 * Kernel users that do not give their allocations back hold up the unbinding
 * for ever; that is their bug to fix, the alternative being DMA into memory
 * that belongs to somebody else.  A program holds it up as long as its direct
 * I/O lasts, and that may be until it is killed: one that waits for another
 * page of the same request, for example.
 *
 * A device that lends stays awake until all of that is over: its memory must
 * be there for peers, and a bridge above it that sleeps passes nothing on.
 */
#include <linux/cc_platform.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/pm_runtime.h>
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "p2pdma/p2pdma.h"

/* Protects the lists of lenders and of their ranges against other writers */
static DEFINE_MUTEX(p2pdma_lock);
static LIST_HEAD(p2pdma_lenders);

static struct pci_p2pdma *lender_locked(struct pci_dev *pdev)
{
	return rcu_dereference_protected(pdev->p2pdma,
					 lockdep_is_held(&p2pdma_lock));
}

/* How often removal looks for user mappings, and when it says that it waits */
#define DRAIN_PERIOD	(HZ / 5)
#define DRAIN_COMPLAIN	50
#define DRAIN_AGAIN	300

/* ---- registration ---- */

/*
 * Can [@offset, @offset + @size) of BAR @bar be lent?  Turns a size of 0 into
 * what is left behind @offset.
 */
static int check_bar(struct pci_dev *pdev, int bar, u64 *size, u64 offset)
{
	struct resource *res;
	u64 len;

	if (bar < 0 || bar >= PCI_STD_NUM_BARS) {
		pci_err(pdev, "cannot lend BAR %d: there are BARs 0 to %d\n",
			bar, PCI_STD_NUM_BARS - 1);
		return -EINVAL;
	}
	res = pci_resource_n(pdev, bar);
	len = resource_size(res);
	if (!(res->flags & IORESOURCE_MEM)) {
		pci_err(pdev, "cannot lend BAR %d: not a memory BAR\n", bar);
		return -EINVAL;
	}
	if (res->flags & IORESOURCE_UNSET || !res->parent) {
		pci_err(pdev, "cannot lend BAR %d: no address assigned\n", bar);
		return -EINVAL;
	}
	if (offset >= len) {
		pci_err(pdev, "cannot lend BAR %d from %#llx: it has %#llx bytes\n",
			bar, offset, len);
		return -EINVAL;
	}
	if (!*size)
		*size = len - offset;
	if (*size > len - offset) {
		pci_err(pdev, "cannot lend %#llx bytes of BAR %d from %#llx: it has %#llx bytes\n",
			*size, bar, offset, len);
		return -EINVAL;
	}
	return 0;
}

static void range_page_free(struct p2pdma_backing *backing, u64 offset)
{
	struct pci_p2pdma_range *range =
		container_of(backing, struct pci_p2pdma_range, backing);

	p2pdma_pool_free(&range->pool, offset, PAGE_SIZE);
}

static struct pci_p2pdma_range *range_create(struct pci_dev *pdev, int bar,
					     u64 size, u64 offset)
{
	struct pci_p2pdma_range *range;
	phys_addr_t start = pci_resource_start(pdev, bar) + offset;
	int error;

	error = p2pdma_pages_check(pdev, start, size);
	if (error)
		return ERR_PTR(error);

	error = -ENOMEM;
	range = kzalloc_node(sizeof(*range), GFP_KERNEL,
			     dev_to_node(&pdev->dev));
	if (!range)
		goto complain;
	range->provider.pdev = pdev;
	range->provider.start = start;
	range->provider.size = size;
	range->provider.bus_offset = pci_bus_address(pdev, bar) -
				     pci_resource_start(pdev, bar);
	range->backing.writecombine =
		pci_resource_flags(pdev, bar) & IORESOURCE_PREFETCH;
	range->backing.page_free = range_page_free;

	/* Also while its driver is already gone: see range_destroy() */
	error = pm_runtime_resume_and_get(&pdev->dev);
	if (error)
		goto free_range;
	error = p2pdma_pool_init(&range->pool, size, dev_to_node(&pdev->dev));
	if (error)
		goto let_sleep;
	error = p2pdma_pages_add(&range->backing, &range->provider);
	if (error)
		goto exit_pool;
	return range;

exit_pool:
	p2pdma_pool_exit(&range->pool);
let_sleep:
	pm_runtime_put(&pdev->dev);
free_range:
	kfree(range);
complain:
	pci_err(pdev, "cannot lend BAR %d: error %d\n", bar, error);
	return ERR_PTR(error);
}

/*
 * Wait until all of a range that nobody can find any more has come back.  User
 * mappings are torn down, again and again: see p2pdma_sysfs_revoke().
 */
static void range_drain(struct pci_p2pdma_range *range)
{
	struct p2pdma_provider *provider = &range->provider;
	unsigned int tries = 0;

	p2pdma_pool_close(&range->pool);
	do {
		p2pdma_sysfs_revoke(provider);
		if (++tries % DRAIN_AGAIN == DRAIN_COMPLAIN)
			pci_warn(provider->pdev, "waits for %llu bytes of lent memory that are in use: end the programs that do I/O with it\n",
				 provider->size -
				 p2pdma_pool_available(&range->pool));
	} while (!p2pdma_pool_wait(&range->pool, DRAIN_PERIOD));
}

static void range_destroy(struct pci_p2pdma_range *range)
{
	range_drain(range);
	p2pdma_pages_remove(&range->backing);
	p2pdma_pool_exit(&range->pool);
	pm_runtime_put(&range->provider.pdev->dev);
	kfree_rcu(range, rcu);
}

/* The first range of a device: it becomes a lender. */
static int lender_create(struct pci_dev *pdev, struct pci_p2pdma_range *first)
{
	struct pci_p2pdma *lender;
	int error;

	lender = kzalloc(sizeof(*lender), GFP_KERNEL);
	if (!lender)
		return -ENOMEM;
	lender->pdev = pdev;
	INIT_LIST_HEAD(&lender->ranges);
	list_add_rcu(&first->node, &lender->ranges);

	rcu_assign_pointer(pdev->p2pdma, lender);
	error = p2pdma_sysfs_add(pdev);
	if (error) {
		RCU_INIT_POINTER(pdev->p2pdma, NULL);
		list_del_rcu(&first->node);
		kfree_rcu(lender, rcu);
		return error;
	}
	list_add_tail_rcu(&lender->node, &p2pdma_lenders);
	return 0;
}

/* Nobody finds the range after this and a grace period. */
static void range_unlink(struct pci_p2pdma_range *range)
{
	lockdep_assert_held(&p2pdma_lock);
	WRITE_ONCE(range->unlinked, true);
	list_del_rcu(&range->node);
}

/* Nobody finds the lender or a range of it after this and a grace period. */
static void lender_unlink(struct pci_p2pdma *lender)
{
	struct pci_p2pdma_range *range, *next;

	lockdep_assert_held(&p2pdma_lock);
	WRITE_ONCE(lender->published, false);
	list_del_rcu(&lender->node);
	list_for_each_entry_safe(range, next, &lender->ranges, node)
		range_unlink(range);
	RCU_INIT_POINTER(lender->pdev->p2pdma, NULL);
}

/* Take an unlinked range away, and before it @lender, if that is unlinked. */
static void range_remove(struct pci_p2pdma_range *range,
			 struct pci_p2pdma *lender)
{
	if (lender) {
		/* Not under the lock, as it waits for attributes to finish */
		p2pdma_sysfs_remove(range->provider.pdev);
		kfree_rcu(lender, rcu);
	}
	/* Whoever still looks at the lists is done with them after this. */
	synchronize_rcu();
	range_destroy(range);
}

/* Called for each range of a device; see the top of this file. */
static void range_release(void *data)
{
	struct pci_p2pdma_range *range = data;
	struct pci_dev *pdev = range->provider.pdev;
	struct pci_p2pdma *lender;

	scoped_guard(mutex, &p2pdma_lock) {
		lender = lender_locked(pdev);
		if (lender)
			lender_unlink(lender);
	}
	range_remove(range, lender);
}

/**
 * pci_p2pdma_add_resource - lend (part of) a BAR to peers
 * @pdev: device that owns the BAR; its driver is being or has been bound
 * @bar: BAR number, 0 to 5
 * @size: number of bytes, 0 for all from @offset to the end of the BAR
 * @offset: first byte in the BAR
 *
 * Start and size have to be aligned to memremap_compat_align(), usually 2 MiB.
 * A device can lend several ranges.  They are taken back when the driver is
 * unbound, or one by one with pci_p2pdma_remove_resource(); that waits for users
 * of the memory.  pci_p2pmem_find_many() does not find it before
 * pci_p2pmem_publish().
 *
 * Context: process context, may sleep.
 * Return: 0, or with a line in the log and nothing changed:
 *	-EINVAL if the BAR does not exist, is not memory, has no address, is
 *	too small, or the range is misaligned;
 *	-ERANGE if the range is beyond what the kernel can map, or larger than
 *	2^30 pages;
 *	-EBUSY if a part of it has struct pages already;
 *	-EOPNOTSUPP if memory encryption is active;
 *	-ENOMEM if memory is short;
 *	another code from runtime PM, memremap_pages() or sysfs.
 */
int pci_p2pdma_add_resource(struct pci_dev *pdev, int bar, size_t size,
			    u64 offset)
{
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *lender;
	u64 len = size;
	int error;

	/*
	 * phys_to_dma(), page protections and some IOMMU drivers would set the
	 * encryption bit, which is no address bit of a BAR.
	 */
	if (cc_platform_has(CC_ATTR_MEM_ENCRYPT)) {
		pci_err(pdev, "cannot lend BAR %d: memory encryption is active; boot without it\n",
			bar);
		return -EOPNOTSUPP;
	}
	error = check_bar(pdev, bar, &len, offset);
	if (error)
		return error;
	range = range_create(pdev, bar, len, offset);
	if (IS_ERR(range))
		return PTR_ERR(range);

	/* Before anybody sees the range: to link it to others cannot fail. */
	error = devm_add_action(&pdev->dev, range_release, range);
	if (error)
		goto destroy_range;
	scoped_guard(mutex, &p2pdma_lock) {
		lender = lender_locked(pdev);
		if (lender)
			list_add_tail_rcu(&range->node, &lender->ranges);
		else
			error = lender_create(pdev, range);
	}
	if (error)
		goto remove_action;

	pci_info(pdev, "lends BAR %d, %pa+%#llx, to peers\n", bar,
		 &range->provider.start, range->provider.size);
	return 0;

remove_action:
	devm_remove_action(&pdev->dev, range_release, range);
	synchronize_rcu();
destroy_range:
	range_destroy(range);
	pci_err(pdev, "cannot lend BAR %d: error %d\n", bar, error);
	return error;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_add_resource);

/* The range that begins at @start; caller holds p2pdma_lock */
static struct pci_p2pdma_range *range_at(struct pci_p2pdma *lender,
					 phys_addr_t start)
{
	struct pci_p2pdma_range *range;

	list_for_each_entry(range, &lender->ranges, node)
		if (range->provider.start == start)
			return range;
	return NULL;
}

/**
 * pci_p2pdma_remove_resource - lend a range no longer
 * @pdev: device that lends it; its driver is bound and stays so meanwhile
 * @bar: BAR number, 0 to 5
 * @offset: where the range begins in the BAR, as it was registered
 *
 * Only needed by drivers that go on without it.  User mappings of the range are
 * torn down, and what is allocated or pinned of it is waited for; other ranges
 * of the device, and who uses them, are not touched.  With the last range the
 * device is no lender any more; if it lends again, it has to be published again.
 * The driver must not register a range of the same device while it gives up
 * what may be the last one.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOENT if no such range is lent.
 */
int pci_p2pdma_remove_resource(struct pci_dev *pdev, int bar, u64 offset)
{
	struct pci_p2pdma_range *range = NULL;
	struct pci_p2pdma *lender;

	/* What begins behind the BAR, or wraps, may be another BAR's. */
	if (bar < 0 || bar >= PCI_STD_NUM_BARS ||
	    offset >= pci_resource_len(pdev, bar))
		return -ENOENT;
	scoped_guard(mutex, &p2pdma_lock) {
		lender = lender_locked(pdev);
		if (lender)
			range = range_at(lender,
					 pci_resource_start(pdev, bar) + offset);
		if (!range)
			return -ENOENT;
		if (list_is_singular(&lender->ranges)) {
			lender_unlink(lender);
		} else {
			range_unlink(range);
			lender = NULL;
		}
	}
	devm_remove_action(&pdev->dev, range_release, range);
	pci_info(pdev, "lends BAR %d, %pa+%#llx, no longer\n", bar,
		 &range->provider.start, range->provider.size);
	range_remove(range, lender);
	return 0;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_remove_resource);

/**
 * pci_p2pmem_publish - let others find the memory of a device, or stop that
 * @pdev: device that lends memory; ignored if it lends none
 * @publish: whether pci_p2pmem_find_many() may choose it
 *
 * Context: process context, may sleep.
 */
void pci_p2pmem_publish(struct pci_dev *pdev, bool publish)
{
	struct pci_p2pdma *lender;

	guard(mutex)(&p2pdma_lock);
	lender = lender_locked(pdev);
	if (lender)
		WRITE_ONCE(lender->published, publish);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_publish);

/**
 * pci_has_p2pmem - does a device offer memory to everybody?
 * @pdev: device
 *
 * Context: any.
 * Return: true if it lends memory that is published.
 */
bool pci_has_p2pmem(struct pci_dev *pdev)
{
	struct pci_p2pdma *lender;

	guard(rcu)();
	lender = rcu_dereference(pdev->p2pdma);
	return lender && READ_ONCE(lender->published);
}
EXPORT_SYMBOL_GPL(pci_has_p2pmem);

/**
 * p2pdma_for_each_provider - call a function for every lent range
 * @fn: the function; a result other than 0 ends the walk; may sleep
 * @data: passed to it
 *
 * Context: process context, takes p2pdma_lock.
 * Return: 0 or what @fn returned.
 */
int p2pdma_for_each_provider(int (*fn)(struct p2pdma_provider *, void *),
			     void *data)
{
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *lender;
	int ret;

	guard(mutex)(&p2pdma_lock);
	list_for_each_entry(lender, &p2pdma_lenders, node) {
		list_for_each_entry(range, &lender->ranges, node) {
			ret = fn(&range->provider, data);
			if (ret)
				return ret;
		}
	}
	return 0;
}

/* ---- distance and choice ---- */

/* The PCI function behind a device that sits on top of it, e.g. an RDMA one */
static struct pci_dev *client_function(struct device *client)
{
	while (client && !dev_is_pci(client))
		client = client->parent;
	return client ? to_pci_dev(client) : NULL;
}

static bool usable(const struct p2pdma_verdict *verdict)
{
	return verdict->map[P2PDMA_READ] != PCI_P2PDMA_MAP_NOT_SUPPORTED &&
	       verdict->map[P2PDMA_WRITE] != PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/*
 * The verdict on a device, which may lend several ranges: the worst of them.
 * A device that lends none is asked about, too, by drivers that map its BARs
 * themselves; nothing is remembered for it.
 */
static struct p2pdma_verdict device_verdict(struct pci_dev *provider,
					    struct device *client)
{
	struct p2pdma_verdict verdict = p2pdma_verdict_not_pci;
	struct pci_dev *pdev = client_function(client);
	struct pci_p2pdma_range *range;
	struct pci_p2pdma *lender;
	bool any = false;

	if (!pdev)
		return verdict;
	guard(rcu)();
	lender = rcu_dereference(provider->p2pdma);
	if (!lender)
		return p2pdma_route(pdev, provider);
	list_for_each_entry_rcu(range, &lender->ranges, node) {
		any = true;
		verdict = p2pdma_peer_verdict(&range->provider, &pdev->dev);
		if (!usable(&verdict))
			break;
	}
	/* The last one may have gone just now. */
	return any ? verdict : p2pdma_route(pdev, provider);
}

/*
 * total_distance() of what is remembered, for callers who ask often.  Adds
 * -EAGAIN to what that returns: there is a client whose verdict is not at hand.
 */
static __always_inline int recalled_distance(const struct pci_p2pdma *lender,
					     struct device **clients,
					     int num_clients)
{
	struct p2pdma_verdict verdict __uninitialized;
	const struct pci_p2pdma_range *range;
	int i, total = -EAGAIN;
	struct pci_dev *client;

	/* Each range has to be usable; all of them are as far away. */
	list_for_each_entry_rcu(range, &lender->ranges, node) {
		total = 0;
		for (i = 0; i < num_clients; i++) {
			client = client_function(clients[i]);
			if (unlikely(!client) ||
			    !p2pdma_peer_recall(&range->provider, &client->dev,
						&verdict))
				return -EAGAIN;
			if (!usable(&verdict))
				return -1;
			total += verdict.distance;
		}
	}
	return total;
}

static int total_distance(struct pci_dev *provider, struct device **clients,
			  int num_clients, bool verbose)
{
	struct p2pdma_verdict verdict;
	int i, total = 0;

	for (i = 0; i < num_clients; i++) {
		verdict = device_verdict(provider, clients[i]);
		if (!usable(&verdict)) {
			if (verbose)
				p2pdma_verdict_explain(provider, clients[i],
						       &verdict);
			return -1;
		}
		total += verdict.distance;
	}
	return total;
}

/**
 * pci_p2pdma_distance_many - how far several clients are from a provider
 * @provider: device that lends memory (or whose BARs the caller maps itself)
 * @clients: devices that would do DMA, both reading and writing; each one a
 *	PCI device or something on top of one
 * @num_clients: their number
 * @verbose: log the reason of a refusal, and what to do
 *
 * The distance to one client counts the links on the way over the lowest
 * common bridge, or over the root complex: 0 for the provider itself, 2 for
 * another function of its device, 4 under one switch.
 *
 * Context: any.
 * Return: the sum of all distances, or -1 if there is no client, or one that
 * cannot reach the memory.
 */
int pci_p2pdma_distance_many(struct pci_dev *provider, struct device **clients,
			     int num_clients, bool verbose)
{
	struct pci_p2pdma *lender;
	int distance = -EAGAIN;

	if (num_clients <= 0)
		return -1;
	scoped_guard(rcu) {
		lender = rcu_dereference(provider->p2pdma);
		if (lender)
			distance = recalled_distance(lender, clients,
						     num_clients);
	}
	if (distance >= 0)
		return distance;
	return total_distance(provider, clients, num_clients, verbose);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_distance_many);

/* As total_distance(), -1 also if the lender offers nothing; caller is in RCU */
static __always_inline int offered_distance(const struct pci_p2pdma *lender,
					    struct device **clients,
					    int num_clients)
{
	int distance;

	if (!READ_ONCE(lender->published))
		return -1;
	distance = recalled_distance(lender, clients, num_clients);
	if (unlikely(distance == -EAGAIN))
		distance = total_distance(lender->pdev, clients, num_clients,
					  false);
	return distance;
}

/*
 * One of the lenders at this distance, of which there were @ties just now, at
 * random.  One number for all of them, as it takes longer than to look again.
 */
static noinline struct pci_dev *any_at(int distance, unsigned int ties,
				       struct device **clients, int num_clients)
{
	unsigned int skip = get_random_u32_below(ties);
	struct pci_dev *last = NULL;
	struct pci_p2pdma *lender;

	list_for_each_entry_rcu(lender, &p2pdma_lenders, node) {
		if (offered_distance(lender, clients, num_clients) != distance)
			continue;
		last = lender->pdev;
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
 * One of several at the same distance is chosen at random, so that they share
 * the load.
 *
 * Context: any.
 * Return: a device that lends memory that all clients reach, with a reference
 * that the caller drops with pci_dev_put(), or NULL.
 */
struct pci_dev *pci_p2pmem_find_many(struct device **clients, int num_clients)
{
	struct pci_dev *closest = NULL, *other;
	int distance, best = INT_MAX;
	struct pci_p2pdma *lender;
	unsigned int ties = 0;

	if (num_clients <= 0)
		return NULL;
	guard(rcu)();
	list_for_each_entry_rcu(lender, &p2pdma_lenders, node) {
		distance = offered_distance(lender, clients, num_clients);
		if (distance < 0 || distance > best)
			continue;
		ties = distance < best ? 1 : ties + 1;
		best = distance;
		closest = lender->pdev;
	}
	if (ties > 1) {
		other = any_at(best, ties, clients, num_clients);
		closest = other ?: closest;
	}
	/* Linked, so still there: see range_release() */
	return pci_dev_get(closest);
}
EXPORT_SYMBOL_GPL(pci_p2pmem_find_many);

static int __init p2pdma_init(void)
{
	p2pdma_debugfs_init();
	return 0;
}
late_initcall(p2pdma_init);
