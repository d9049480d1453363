// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: outages
 *
 * Outages: times in which a provider's memory cannot be reached, and what
 * passed through it cannot be trusted.
 *
 * A provider is *down* while there is a cause for that in its own function, in
 * the physical function of a virtual one, or in a bridge above: a reset, error
 * recovery, D3, memory decoding turned off, removal without notice, or that its
 * driver says so.  Causes are kept in pci_dev.p2pdma_down, of any function,
 * provider or not; the driver may well register memory meanwhile.  Whether a
 * provider is down follows from these and is worked out at each change, so that
 * nobody has to climb to the root to learn it.
 *
 * Every outage has a beginning and an end, and each of these advances one
 * number for all providers.  Its lowest bit says that one has to look closer,
 * as some provider is down right now.  Whoever holds peer memory reads the
 * number before it allocates or maps, and compares when the transfer is over.
 * If it is the same number, and even, no provider was down in between.  If not,
 * the provider itself tells: it keeps the number of its last change.
 *
 * A page that user space has had pinned since before an outage may be mapped
 * for DMA only after it: direct I/O waits in queues.  Each such page carries
 * the number from when it was given out, and the lowest bit is set, too, as
 * long as there are any.
 *
 * At the beginning the order is: the provider is down -> its pool gives nothing
 * -> cached verdicts go -> the number advances -> user mappings are torn
 * down and users are notified -> only then does it stop decoding, if that is up
 * to us.  So who has read the new number cannot allocate or map any more, who has
 * read the old one finds at the end that it is another.
 *
 * Without notice the kernel hears of an outage after it has begun.  What is
 * completed before that is not covered; see
 * Documentation/driver-api/pci/p2pdma.rst.
 */
#include <linux/cleanup.h>
#include <linux/export.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/rculist.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "hooks.h"
#include "notify.h"
#include "outage.h"
#include "p2pdma.h"
#include "peers.h"
#include "trace.h"

/* 2 for each change, as 0 and the lowest bit have a meaning of their own */
#define OUTAGE_STEP	2UL
#define OUTAGE_CHECK	1UL

/*
 * Protects causes, the number, and the list of resources; outside the locks of
 * pools.  Resources are on the list as long as they have pages: longer than
 * anybody can find them by their device.
 */
static DEFINE_SPINLOCK(outage_lock);
static LIST_HEAD(resources);
static unsigned int resources_down;
static unsigned int resources_suspect;

/* Private to pci_p2pdma_outages() */
unsigned long __pci_p2pdma_outage_number __read_mostly = OUTAGE_STEP;
EXPORT_SYMBOL_GPL(__pci_p2pdma_outage_number);

/* Have poll_work look at providers that are not down, too, once. */
static bool check_all;

static void poll_worker(struct work_struct *work);
static DECLARE_DELAYED_WORK(poll_work, poll_worker);

/* Somebody may turn decoding on without notice.  Until then it is an outage. */
static void poll_soon(void)
{
	queue_delayed_work(system_unbound_wq, &poll_work, HZ);
}

static struct pci_dev *physfn_of(struct pci_dev *pdev)
{
	/*
	 * data_race: is_virtfn, which does not change, shares a word with bits
	 * that do
	 */
	return data_race(pci_physfn(pdev));
}

/* The function that @pdev's memory is reached by, if there is one above it */
static struct pci_dev *upstream_function(struct pci_dev *pdev)
{
	struct pci_dev *physfn = physfn_of(pdev);

	/* data_race: likewise */
	return physfn != pdev ? physfn : data_race(pci_upstream_bridge(pdev));
}

static bool is_at_or_below(struct pci_dev *pdev, struct pci_dev *ancestor)
{
	for (; pdev; pdev = upstream_function(pdev))
		if (pdev == ancestor)
			return true;
	return false;
}

/**
 * pci_p2pdma_reachable - can peers reach the memory of a function now?
 * @pdev: function, provider or not
 *
 * Context: any.  The caller keeps @pdev registered.
 * Return: false from the beginning of an outage to its end.  The pool gives
 * memory again a moment later: who was refused some is to ask
 * pci_p2pmem_intact(), too, before it takes the pool for used up.
 */
bool pci_p2pdma_reachable(struct pci_dev *pdev)
{
	for (; pdev; pdev = upstream_function(pdev))
		if (READ_ONCE(pdev->p2pdma_down))
			return false;
	return true;
}
EXPORT_SYMBOL_GPL(pci_p2pdma_reachable);

static unsigned long next_number(void)
{
	lockdep_assert_held(&outage_lock);
	return (__pci_p2pdma_outage_number & ~OUTAGE_CHECK) + OUTAGE_STEP ?:
	       OUTAGE_STEP;
}

/* Whoever sees @number sees what was done before. */
static void publish_number(unsigned long number)
{
	lockdep_assert_held(&outage_lock);
	/* Pairs with pci_p2pdma_outages() */
	smp_store_release(&__pci_p2pdma_outage_number,
			  resources_down || resources_suspect ?
			  number | OUTAGE_CHECK : number);
}

/* User mappings were torn down, so pages that are still out are pinned. */
static void suspect_pages(struct p2pdma_resource *res)
{
	bool before = res->suspect;

	WRITE_ONCE(res->suspect, true);
	/* Who puts the last page and misses this has put it before. */
	smp_mb();
	if (!atomic_long_read(&res->user_pages))
		WRITE_ONCE(res->suspect, false);
	resources_suspect += res->suspect - before;
}

static void resource_set_down(struct p2pdma_resource *res, bool down,
			      unsigned long number)
{
	WRITE_ONCE(res->outage, number);
	WRITE_ONCE(res->down, down);
	trace_p2pdma_outage(res->pdev, res->start, down);
	/* Also if the state before was never notified: see next_unnotified() */
	res->notified_down = !down;
	if (down) {
		resources_down++;
	} else {
		resources_down--;
		suspect_pages(res);
	}
}

/* Update what is at or below @ancestor.  Returns whether anything changed. */
static bool resources_update(struct pci_dev *ancestor, bool down)
{
	unsigned long number = next_number();
	struct p2pdma_resource *res;
	bool changed = false;

	list_for_each_entry(res, &resources, node) {
		if (res->down == down || !is_at_or_below(res->pdev, ancestor) ||
		    pci_p2pdma_reachable(res->pdev) == down)
			continue;
		resource_set_down(res, down, number);
		changed = true;
		if (down)
			p2pdma_pool_suspend(&p2pdma_to_memory(res)->pool);
	}
	if (!changed)
		return false;
	p2pdma_topology_changed();
	/*
	 * Before the number: who is refused memory after reading the new
	 * one would take the pool for used up.  Who gets some and has read the
	 * old one finds at the end that it is another, which is but a pity.
	 */
	list_for_each_entry(res, &resources, node)
		if (!down && !res->down)
			p2pdma_pool_resume(&p2pdma_to_memory(res)->pool);
	publish_number(number);
	return true;
}

/* ---- the life of a resource ---- */

/**
 * p2pdma_outage_add - a resource has pages now
 * @res: resource that nobody can find yet
 *
 * Context: any.
 */
void p2pdma_outage_add(struct p2pdma_resource *res)
{
	guard(spinlock_irqsave)(&outage_lock);
	list_add_tail_rcu(&res->node, &resources);
	if (pci_p2pdma_reachable(res->pdev))
		return;
	resource_set_down(res, true, next_number());
	res->notified_down = true;
	poll_soon();
	p2pdma_pool_suspend(&p2pdma_to_memory(res)->pool);
	p2pdma_topology_changed();
	publish_number(res->outage);
}

/**
 * p2pdma_outage_remove - all of a resource's memory has come back
 * @res: resource that nobody can find any more; to be freed after a grace
 *	period
 *
 * Context: any.
 */
void p2pdma_outage_remove(struct p2pdma_resource *res)
{
	guard(spinlock_irqsave)(&outage_lock);
	list_del_rcu(&res->node);
	resources_down -= res->down;
	resources_suspect -= res->suspect;
	publish_number(__pci_p2pdma_outage_number & ~OUTAGE_CHECK);
}

/**
 * p2pdma_outage_pages_returned - no pages of a resource are in user space any
 * more
 * @res: resource; kept by a page that has not come back yet
 *
 * Context: any.
 */
void p2pdma_outage_pages_returned(struct p2pdma_resource *res)
{
	guard(spinlock_irqsave)(&outage_lock);
	if (!res->suspect || atomic_long_read(&res->user_pages))
		return;
	WRITE_ONCE(res->suspect, false);
	resources_suspect--;
	publish_number(__pci_p2pdma_outage_number & ~OUTAGE_CHECK);
}

/* ---- beginning and end ---- */

static int resource_revoke(struct p2pdma_resource *res, void *ancestor)
{
	if (is_at_or_below(res->pdev, ancestor))
		p2pdma_pages_revoke(res);
	return 0;
}

/* Tear the user mappings of a device and of all below it down. */
static void revoke_below(struct pci_dev *ancestor)
{
	p2pdma_for_each_resource(resource_revoke, ancestor);
}

/*
 * The next device whose users have not heard yet; @ancestor NULL for any.
 * Takes a reference.
 */
static struct pci_dev *next_unnotified(struct pci_dev *ancestor, bool *down)
{
	struct p2pdma_resource *res;
	struct pci_dev *pdev = NULL;

	guard(spinlock_irqsave)(&outage_lock);
	list_for_each_entry(res, &resources, node) {
		if (res->notified_down == res->down ||
		    (pdev && res->pdev != pdev) ||
		    (ancestor && !is_at_or_below(res->pdev, ancestor)))
			continue;
		/* All resources of a device are in the same state. */
		res->notified_down = res->down;
		*down = res->down;
		pdev = res->pdev;
	}
	return pci_dev_get(pdev);
}

/*
 * Whoever begins an outage returns when users have been notified, and if somebody
 * else is about to tell them, when that is done.  Inside a notifier nobody waits
 * for its own task: @notifying is who holds it.
 */
static DEFINE_MUTEX(notify_lock);
static struct task_struct *notifying;

static void notify_users_locked(struct pci_dev *ancestor)
{
	struct pci_dev *pdev;
	bool down;

	while ((pdev = next_unnotified(ancestor, &down))) {
		if (down)
			revoke_below(pdev);
		p2pdma_notify(down ? PCI_P2PDMA_PROVIDER_DOWN :
				     PCI_P2PDMA_PROVIDER_UP, pdev);
		pci_dev_put(pdev);
	}
}

static void notify_users(struct pci_dev *ancestor)
{
	/* Only who holds the lock can be there. */
	if (READ_ONCE(notifying) == current) {
		notify_users_locked(ancestor);
		return;
	}
	guard(mutex)(&notify_lock);
	WRITE_ONCE(notifying, current);
	notify_users_locked(ancestor);
	WRITE_ONCE(notifying, NULL);
}

static void notify_worker(struct work_struct *work)
{
	notify_users(NULL);
}

static DECLARE_WORK(notify_work, notify_worker);

/* Causes that may go without notice */
#define CAUSES_POLLED	(P2PDMA_DOWN_DECODE | P2PDMA_DOWN_GONE)

static bool is_counted(u32 cause)
{
	return cause >= P2PDMA_DOWN_RESET;
}

static bool cause_add(struct pci_dev *pdev, u32 cause)
{
	u32 down;

	guard(spinlock_irqsave)(&outage_lock);
	down = pdev->p2pdma_down;
	WRITE_ONCE(pdev->p2pdma_down,
		   is_counted(cause) ? down + cause : down | cause);
	if (cause & CAUSES_POLLED)
		poll_soon();
	return !down && resources_update(pdev, true);
}

/* The count of a cause, or whether it is there */
static u32 has_cause(struct pci_dev *pdev, u32 cause)
{
	u32 mask = cause;

	if (cause == P2PDMA_DOWN_DRIVER)
		mask = GENMASK(31, 16);
	else if (cause == P2PDMA_DOWN_RESET)
		mask = GENMASK(15, 8);
	return READ_ONCE(pdev->p2pdma_down) & mask;
}

static bool cause_remove(struct pci_dev *pdev, u32 cause)
{
	guard(spinlock_irqsave)(&outage_lock);
	if (!has_cause(pdev, cause))
		return false;
	WRITE_ONCE(pdev->p2pdma_down, pdev->p2pdma_down - cause);
	return !pdev->p2pdma_down && resources_update(pdev, false);
}

/**
 * p2pdma_outage_begin - peers will not reach a function in a moment
 * @pdev: function; what is below it is not reachable either
 * @cause: P2PDMA_DOWN_*
 *
 * To be called before it stops decoding, where that is possible.  When it
 * returns, user mappings are gone and users of the memory have been notified.
 * But for the first cause only: others do not wait until all is done.
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_begin(struct pci_dev *pdev, u32 cause)
{
	if (cause_add(pdev, cause))
		notify_users(pdev);
}

/**
 * p2pdma_outage_begin_async - as p2pdma_outage_begin(), users are notified later
 * @pdev: function
 * @cause: P2PDMA_DOWN_*
 *
 * Context: any.
 */
void p2pdma_outage_begin_async(struct pci_dev *pdev, u32 cause)
{
	if (cause_add(pdev, cause))
		queue_work(system_unbound_wq, &notify_work);
}

static bool bar_is_in_place(struct pci_dev *pdev, int bar)
{
	const struct resource *res = &pdev->resource[bar];
	struct pci_bus_region region;
	u32 low, high = 0;

	if (!(res->flags & IORESOURCE_MEM) || !res->parent ||
	    res->flags & IORESOURCE_PCI_FIXED)
		return true;
	pcibios_resource_to_bus(pdev->bus, &region, (struct resource *)res);
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &low);
	if (res->flags & IORESOURCE_MEM_64)
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * (bar + 1),
				      &high);
	return ((u64)high << 32 | (low & (u32)PCI_BASE_ADDRESS_MEM_MASK)) ==
	       region.start;
}

/* Put into D3 by user space: config space answers there, memory does not. */
static bool sleeps(struct pci_dev *pdev)
{
	u16 pmcsr;

	if (!pdev->pm_cap)
		return false;
	pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
	return pmcsr & PCI_PM_CTRL_STATE_MASK;
}

/*
 * Why does @pdev not answer where the kernel has put its memory?  The cause, or
 * 0 if it does.  A virtual function decodes as long as its physical one lets
 * it.
 */
static u32 find_cause(struct pci_dev *pdev)
{
	u16 command;
	int i;

	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (PCI_POSSIBLE_ERROR(command))
		return P2PDMA_DOWN_GONE;
	if (sleeps(pdev))
		return P2PDMA_DOWN_DECODE;
	if (physfn_of(pdev) != pdev)
		return 0;
	if (!(command & PCI_COMMAND_MEMORY))
		return P2PDMA_DOWN_DECODE;
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return 0;
	for (i = 0; i < PCI_STD_NUM_BARS; i++)
		if (!bar_is_in_place(pdev, i))
			return P2PDMA_DOWN_DECODE;
	return 0;
}

/**
 * struct ending - an outage that is about to end
 * @pdev: function that it is an outage of
 * @checked: how @pdev is has been looked at
 */
struct ending {
	struct pci_dev *pdev;
	bool checked;
};

/*
 * What ends may have cleared the BARs of functions, as the reset
 * of a bridge does to all that is below, which not everybody restores.
 */
static int resource_check(struct p2pdma_resource *res, void *data)
{
	struct pci_dev *pdev = res->pdev;
	struct ending *ending = data;
	u32 cause;

	if (!is_at_or_below(pdev, ending->pdev) || !pci_is_enabled(pdev) ||
	    (pdev == ending->pdev && ending->checked))
		return 0;
	cause = find_cause(pdev);
	if (cause)
		p2pdma_outage_begin_async(pdev, cause);
	return 0;
}

/* Returns whether there is something to tell. */
static bool revoke_and_remove(struct pci_dev *pdev, u32 cause)
{
	struct ending ending = {
		.pdev = pdev,
		.checked = cause == P2PDMA_DOWN_DECODE ||
			   cause == P2PDMA_DOWN_GONE,
	};
	bool up;

	if (!has_cause(pdev, cause))
		return false;
	/* Before the end: there is no moment in which it can be reached. */
	p2pdma_for_each_resource(resource_check, &ending);
	/* Again, as an mmap() that was about to end may have been missed */
	revoke_below(pdev);
	up = cause_remove(pdev, cause);
	/* A reset takes ACS controls away that nobody writes again. */
	p2pdma_peers_recheck(cause == P2PDMA_DOWN_RESET &&
			     (pdev->acs_cap || pdev->subordinate));
	return up;
}

/**
 * p2pdma_outage_end - a cause is there no more
 * @pdev: function
 * @cause: P2PDMA_DOWN_*; nothing happens if it is not there
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_end(struct pci_dev *pdev, u32 cause)
{
	if (revoke_and_remove(pdev, cause))
		notify_users(pdev);
}

/**
 * p2pdma_outage_end_async - as p2pdma_outage_end(), users are notified later
 * @pdev: function
 * @cause: P2PDMA_DOWN_*; nothing happens if it is not there
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_end_async(struct pci_dev *pdev, u32 cause)
{
	if (revoke_and_remove(pdev, cause))
		queue_work(system_unbound_wq, &notify_work);
}

/*
 * Of a function that is found to answer, or not, and what follows from that:
 * else who has found it so may end an outage that somebody has begun since.
 */
static DEFINE_MUTEX(check_lock);

static void apply_cause(struct pci_dev *pdev, u32 cause)
{
	lockdep_assert_held(&check_lock);
	if (cause == P2PDMA_DOWN_GONE) {
		p2pdma_outage_begin_async(pdev, P2PDMA_DOWN_GONE);
		return;
	}
	if (!pci_dev_is_disconnected(pdev))
		p2pdma_outage_end_async(pdev, P2PDMA_DOWN_GONE);
	if (cause)
		return;
	p2pdma_outage_end_async(pdev, P2PDMA_DOWN_DECODE);
	if (pdev->current_state == PCI_D0)
		p2pdma_outage_end_async(pdev, P2PDMA_DOWN_POWER);
}

static bool wants_check(struct pci_dev *pdev)
{
	return READ_ONCE(pdev->p2pdma_down) || rcu_access_pointer(pdev->p2pdma);
}

/**
 * p2pdma_outage_check - how is a function after something happened to it?
 * @pdev: function, whose config space should be in order
 *
 * One that does not answer is gone until it does.  What decodes memory in D0,
 * where the kernel has put it, has neither lost its power nor been switched
 * off.  Nothing is done for functions without any cause that provide nothing.
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_check(struct pci_dev *pdev)
{
	if (!wants_check(pdev))
		return;
	guard(mutex)(&check_lock);
	apply_cause(pdev, find_cause(pdev));
}

/**
 * p2pdma_outage_check_async - as p2pdma_outage_check(), in a moment
 * @pdev: function
 *
 * Context: any.
 */
void p2pdma_outage_check_async(struct pci_dev *pdev)
{
	if (likely(!wants_check(pdev)))
		return;
	WRITE_ONCE(check_all, true);
	mod_delayed_work(system_unbound_wq, &poll_work, 0);
}

/**
 * p2pdma_outage_command_written - user space has written a function's Command
 * register, or its power state
 * @pdev: function
 *
 * As p2pdma_outage_check(), and an outage begins if it does not decode, whoever
 * has written what meanwhile.
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_command_written(struct pci_dev *pdev)
{
	u32 cause;

	guard(mutex)(&check_lock);
	cause = find_cause(pdev);
	if (cause)
		p2pdma_outage_begin_async(pdev, cause);
	apply_cause(pdev, cause);
}

/**
 * p2pdma_outage_check_upstream - look at a function and all that is above it
 * @pdev: function that will provide memory, whose driver has enabled it
 *
 * While nobody needed it, it may have been enabled without notice.
 *
 * Context: process context, may sleep.
 */
void p2pdma_outage_check_upstream(struct pci_dev *pdev)
{
	for (; pdev; pdev = upstream_function(pdev))
		if (READ_ONCE(pdev->p2pdma_down))
			p2pdma_outage_check(pdev);
}

/*
 * The device of the resource at @position, with a reference, if it is down, or
 * @all
 */
static struct pci_dev *device_at(unsigned int position, bool all, bool *more)
{
	struct p2pdma_resource *res;

	guard(spinlock_irqsave)(&outage_lock);
	*more = true;
	list_for_each_entry(res, &resources, node)
		if (!position--)
			return res->down || all ? pci_dev_get(res->pdev) : NULL;
	*more = false;
	return NULL;
}

/* Is it down for a reason that may go without notice? */
static bool is_polled(struct pci_dev *pdev)
{
	for (; pdev; pdev = upstream_function(pdev))
		if ((READ_ONCE(pdev->p2pdma_down) & CAUSES_POLLED) &&
		    !pci_dev_is_disconnected(pdev))
			return true;
	return false;
}

/* A function that is being reset, recovers or sleeps must be left alone. */
static bool may_poll(struct pci_dev *pdev)
{
	for (; pdev; pdev = upstream_function(pdev))
		if (READ_ONCE(pdev->p2pdma_down) & ~CAUSES_POLLED)
			return false;
	return true;
}

static void poll_worker(struct work_struct *work)
{
	bool more = true, again = false, all = xchg(&check_all, false);
	unsigned int position;
	struct pci_dev *pdev;

	/* Nothing above goes away meanwhile. */
	pci_lock_rescan_remove();
	for (position = 0; more; position++) {
		pdev = device_at(position, all, &more);
		if (!pdev)
			continue;
		if (may_poll(pdev)) {
			if (all)
				p2pdma_outage_check(pdev);
			p2pdma_outage_check_upstream(pdev);
		}
		again |= is_polled(pdev);
		pci_dev_put(pdev);
	}
	pci_unlock_rescan_remove();
	if (again)
		poll_soon();
}

/**
 * p2pdma_outage_driver_unbound - the driver of a device has been unbound
 * @pdev: device; what its driver said of it counts no more
 *
 * Context: any; @pdev provides nothing any more.
 */
void p2pdma_outage_driver_unbound(struct pci_dev *pdev)
{
	u32 before, after;

	guard(spinlock_irqsave)(&outage_lock);
	before = pdev->p2pdma_down;
	after = before & (P2PDMA_DOWN_DRIVER - 1);
	WRITE_ONCE(pdev->p2pdma_down, after);
	/* Virtual functions below it may go on. */
	if (before && !after && resources_update(pdev, false))
		queue_work(system_unbound_wq, &notify_work);
}

/**
 * p2pdma_driver_removed - the remove() of a device's driver has returned
 * @pdev: device
 *
 * Resources that are left are devres's to unregister; the last of them ends
 * what the driver has said, not before.
 *
 * Context: process context.
 */
void p2pdma_driver_removed(struct pci_dev *pdev)
{
	if (!has_cause(pdev, P2PDMA_DOWN_DRIVER) ||
	    rcu_access_pointer(pdev->p2pdma))
		return;
	p2pdma_outage_driver_unbound(pdev);
}

/**
 * pci_p2pdma_provider_down - peers cannot reach this device's memory
 * @pdev: device that provides memory, or will
 *
 * For drivers that take away, or lose, what peers have to reach: by a reset of
 * their own, or because the device needs to be told again where its memory is.
 * To be called before that where possible.  The PCI core does it for resets,
 * error recovery and all else that it knows of; calls are counted, so a driver
 * need not care.
 *
 * When it returns, nothing is allocated or mapped any more, user mappings are
 * gone, and those who registered a notifier were notified and had time to end
 * what is in flight.  What was in flight nevertheless fails when it is over: see
 * pci_p2pdma_sg_intact().  What the memory holds afterwards nobody relies on.
 *
 * What a driver has not taken back with pci_p2pdma_provider_up() ends when it
 * is unbound.
 *
 * Context: process context, may sleep.
 */
void pci_p2pdma_provider_down(struct pci_dev *pdev)
{
	p2pdma_outage_begin(pdev, P2PDMA_DOWN_DRIVER);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_provider_down);

/**
 * pci_p2pdma_provider_up - peers reach this device's memory again
 * @pdev: device that pci_p2pdma_provider_down() was called for
 *
 * Once for each call of that.  The outage ends when there is no other cause.
 *
 * Context: process context, may sleep.
 */
void pci_p2pdma_provider_up(struct pci_dev *pdev)
{
	if (!WARN_ON_ONCE(!has_cause(pdev, P2PDMA_DOWN_DRIVER)))
		p2pdma_outage_end(pdev, P2PDMA_DOWN_DRIVER);
}
EXPORT_SYMBOL_GPL(pci_p2pdma_provider_up);

/* ---- was there an outage? ---- */

static bool changed_since(const struct p2pdma_resource *res,
			  unsigned long since)
{
	unsigned long outage = READ_ONCE(res->outage);

	return outage && (long)(outage - (since & ~OUTAGE_CHECK)) > 0;
}

static bool resource_intact(const struct p2pdma_resource *res,
			    unsigned long since)
{
	return !READ_ONCE(res->down) && !changed_since(res, since);
}

/* Pages in user space have a number of their own, from before they were cleared. */
static bool pages_intact(const struct p2pdma_resource *res,
			 const struct page *page, unsigned long count)
{
	unsigned long i, since;

	if (likely(!READ_ONCE(res->suspect)))
		return true;
	for (i = 0; i < count; i++) {
		since = (unsigned long)page[i].zone_device_data;
		if (since && changed_since(res, since))
			return false;
	}
	return true;
}

/* The slow half of pci_p2pmem_intact() */
bool __pci_p2pmem_intact(struct pci_dev *pdev, unsigned long since)
{
	const struct p2pdma_resource *res;

	guard(rcu)();
	list_for_each_entry_rcu(res, &resources, node)
		if (res->pdev == pdev && !resource_intact(res, since))
			return false;
	return true;
}
EXPORT_SYMBOL_GPL(__pci_p2pmem_intact);

/* The slow half of pci_p2pdma_sg_intact() */
bool __pci_p2pdma_sg_intact(struct scatterlist *sgl, unsigned int nents,
			    unsigned long since)
{
	const struct p2pdma_resource *res;
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgl, sg, nents, i) {
		if (!is_pci_p2pdma_page(sg_page(sg)))
			continue;
		res = p2pdma_page_resource(sg_page(sg));
		if (!resource_intact(res, since) ||
		    !pages_intact(res, sg_page(sg),
				  PFN_UP(sg->offset + sg->length)))
			return false;
	}
	return true;
}
EXPORT_SYMBOL_GPL(__pci_p2pdma_sg_intact);

/* Like pci_p2pdma_sg_intact(), of a range of @res that the caller has */
bool __pci_p2pdma_range_intact(struct p2pdma_resource *res, phys_addr_t start,
			       u64 len, unsigned long since)
{
	return resource_intact(res, since) &&
	       pages_intact(res, pfn_to_page(PHYS_PFN(start)),
			    PFN_UP(offset_in_page(start) + len));
}
EXPORT_SYMBOL_GPL(__pci_p2pdma_range_intact);
