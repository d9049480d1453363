// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: cached verdicts
 *
 * Verdicts cached per (resource, client).
 *
 * A mapping needs the verdict in any context, without a lock and without
 * allocating.  So it is looked up in a table that another context fills::
 *
 *	pci_dev.p2pdma_client = 2		number of a client, from 1
 *		       |
 *	resource.peers: [-, -, *, -, *, ...]	table, RCU
 *			       |
 *			       v
 *	{ generation, verdict }			struct p2pdma_peer, RCU
 *
 * Numbers are given to devices that were asked about as clients, the lowest
 * free one first, and are good for all resources.  So tables are as long as
 * there are clients, and only pairs that are in use have a struct p2pdma_peer,
 * whatever segments, buses and functions they are on.
 *
 * Three steps lead there, each taken by a work item after a miss: the client
 * gets a number, the table becomes long enough, the pair its verdict.
 * Meanwhile the topology is walked at each question.  A miss allocates nothing
 * and keeps nothing: it leaves a mark (pci_dev.p2pdma_client,
 * p2pdma_resource.grow, the address of peer_requested in the table) that stays
 * until the work is done, or until it is lost in a race with the work; then the
 * next miss leaves it again.
 *
 * A verdict counts while its generation is that of the topology.  This is read
 * before the walk, and advanced after a change has taken effect: a verdict of a
 * walk that overlapped a change is never used.  After each change the work
 * walks for all pairs in use once more: what is as before gets the new
 * generation, what is not is replaced.  So it knows what has really changed,
 * and tells those who ask once and go by the result.
 *
 * Who owns what.  peers_lock covers all writers: numbers, tables, peers and the
 * list of resources.  Tables and peers are freed after a grace period.  A
 * client keeps its number until BUS_NOTIFY_REMOVED_DEVICE, when all of its
 * peers go.  Until then, and with the lock, the work may walk from it without a
 * reference.  A resource is on the list from p2pdma_peers_add() to
 * p2pdma_peers_remove(), which is while its driver is bound, or is just being
 * unbound.
 */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <kunit/static_stub.h>

#include "acs.h"
#include "hooks.h"
#include "hostbridge.h"
#include "notify.h"
#include "peers.h"
#include "route.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* pci_dev.p2pdma_client that is none: beyond any table */
#define CLIENT_REQUESTED	U32_MAX		/* has been asked about */
#define CLIENTS_MAX		(U32_MAX / 4)

#define TABLE_MIN		8U	/* entries */
#define FILL_AT_ONCE		256	/* pairs, before others get the lock */
#define FILL_AGAIN		HZ	/* when there was no memory */

atomic64_t p2pdma_topology_generation = ATOMIC64_INIT(1);

static DEFINE_MUTEX(peers_lock);
static LIST_HEAD(resources);
static DEFINE_XARRAY_ALLOC1(clients);	/* number -> struct pci_dev */
static atomic_t clients_requested;		/* some are CLIENT_REQUESTED */

/* In a table: a pair to be filled.  Never current, as no generation is 0. */
static struct p2pdma_peer peer_requested;

static void fill_worker(struct work_struct *work);
static DECLARE_DELAYED_WORK(fill_work, fill_worker);
static void recheck_worker(struct work_struct *work);
static DECLARE_DEFERRABLE_WORK(recheck_work, recheck_worker);
static void uevent_worker(struct work_struct *work);
static DECLARE_WORK(uevent_work, uevent_worker);

static void fill_soon(unsigned long delay)
{
	queue_delayed_work(system_unbound_wq, &fill_work, delay);
}

/**
 * p2pdma_topology_changed - drop every cached verdict
 *
 * To be called after anything that a route depends on has changed: devices
 * added or removed, ACS controls written, policy set.
 *
 * Context: any but NMI.
 */
void p2pdma_topology_changed(void)
{
	/* Ordered: whoever sees the new generation sees the change, too. */
	atomic64_inc_return(&p2pdma_topology_generation);
	p2pdma_notify_verdicts();
	fill_soon(0);
}

/* ---- looking up ---- */

/*
 * The client's DMA mask may change without notice, so it is looked at each
 * time.  For a route through the root complex the DMA layer checks it, as it
 * does for RAM.
 */
static void forbid_bus_address(struct p2pdma_verdict *verdict)
{
	int i;

	for (i = 0; i < P2PDMA_ACCESSES; i++) {
		if (verdict->map[i] != PCI_P2PDMA_MAP_BUS_ADDR)
			continue;
		verdict->map[i] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
		verdict->reason = P2PDMA_REASON_DMA_MASK;
	}
}

/**
 * p2pdma_peer_masked - what a verdict is for a client's DMA mask
 * @res: resource
 * @client: device that would do DMA
 * @verdict: what is cached of the pair, or would be
 *
 * Context: any.
 */
void p2pdma_peer_masked(const struct p2pdma_resource *res,
			struct device *client, struct p2pdma_verdict *verdict)
{
	if (unlikely(p2pdma_bus_last(res) > dma_get_mask(client)))
		forbid_bus_address(verdict);
}

/* Ask for the pair to be cached by the time of another question. */
static void peer_request(struct p2pdma_resource *res, struct pci_dev *client)
{
	struct p2pdma_peer_table *table;
	u32 number;

	guard(rcu)();
	/* Without a number it gets the mark that it needs one. */
	number = cmpxchg(&client->p2pdma_client, 0, CLIENT_REQUESTED);
	if (number == P2PDMA_CLIENT_GONE)
		return;
	if (!number || number == CLIENT_REQUESTED)
		atomic_set_release(&clients_requested, 1);
	table = rcu_dereference(res->peers);
	if (number && table && number < table->size)
		unrcu_pointer(cmpxchg(&table->peer[number], NULL,
				      RCU_INITIALIZER(&peer_requested)));
	else
		WRITE_ONCE(res->grow, true);
	fill_soon(0);
}

/**
 * p2pdma_peer_walk - work out a verdict, whatever is cached
 * @res: resource
 * @client: function that would do DMA
 *
 * For who is asked when nothing is cached, and for what is cached then.  KUnit
 * looks in here.
 *
 * Context: any but NMI; takes no lock but that of config space accesses.
 * Return: the verdict, without regard to the client's DMA mask.
 */
struct p2pdma_verdict p2pdma_peer_walk(const struct p2pdma_resource *res,
				       struct pci_dev *client)
{
	KUNIT_STATIC_STUB_REDIRECT(p2pdma_peer_walk, res, client);
	if (READ_ONCE(res->down))
		return p2pdma_verdict_outage;
	if (unlikely(p2pdma_client_is_gone(client)))
		return p2pdma_verdict_not_pci;
	return p2pdma_route(client, res->pdev);
}

static struct p2pdma_verdict peer_verdict(struct p2pdma_resource *res,
					  struct device *client, bool cache)
{
	const struct p2pdma_verdict *cached;
	struct p2pdma_verdict verdict;
	struct pci_dev *pdev;

	if (unlikely(!client || !dev_is_pci(client)))
		return p2pdma_verdict_not_pci;

	pdev = to_pci_dev(client);
	scoped_guard(rcu) {
		cached = p2pdma_peer_find(res, pdev);
		if (cached)
			verdict = *cached;
	}
	if (!cached) {
		verdict = p2pdma_peer_walk(res, pdev);
		/* Who only wants to know does not use the pair. */
		if (cache) {
			trace_p2pdma_verdict(pdev, res->pdev, &verdict);
			atomic_long_inc(&res->walks);
			peer_request(res, pdev);
		}
	}
	p2pdma_peer_masked(res, client, &verdict);
	return verdict;
}

/**
 * p2pdma_peer_verdict - what the route from a client to a resource allows
 * @res: resource
 * @client: device that would do DMA; not necessarily a PCI device
 *
 * The pair counts as one in use: its verdict will be cached.
 *
 * Context: any but NMI; takes no lock and does not allocate.  The caller keeps
 * @res (RCU, or a reference on its pages) and @client.
 * Return: the verdict, never older than the topology.
 */
struct p2pdma_verdict p2pdma_peer_verdict(struct p2pdma_resource *res,
					  struct device *client)
{
	return peer_verdict(res, client, true);
}

/**
 * p2pdma_peer_verdict_uncached - the same, for those who only want to know
 * @res: resource
 * @client: device that would do DMA; not necessarily a PCI device
 *
 * Nothing is cached that was not, nor counted or traced.
 *
 * Context: as p2pdma_peer_verdict().
 * Return: the verdict, never older than the topology.
 */
struct p2pdma_verdict p2pdma_peer_verdict_uncached(struct p2pdma_resource *res,
						   struct device *client)
{
	return peer_verdict(res, client, false);
}

/* ---- filling ---- */

static struct p2pdma_peer_table *table_of(struct p2pdma_resource *res)
{
	return rcu_dereference_protected(res->peers,
					 lockdep_is_held(&peers_lock));
}

static struct p2pdma_peer *peer_at(struct p2pdma_peer_table *table, u32 number)
{
	return rcu_dereference_protected(table->peer[number],
					 lockdep_is_held(&peers_lock));
}

/**
 * p2pdma_peer_alloc - allocate what is cached of a pair
 *
 * A function of its own so that KUnit can let it fail.
 *
 * Context: process context, may sleep.
 * Return: the memory, or NULL.
 */
struct p2pdma_peer *p2pdma_peer_alloc(void)
{
	KUNIT_STATIC_STUB_REDIRECT(p2pdma_peer_alloc);
	return kmalloc(sizeof(struct p2pdma_peer), GFP_KERNEL);
}

static int assign_number(struct pci_dev *client)
{
	u32 number;
	int error;

	error = xa_alloc(&clients, &number, client, XA_LIMIT(1, CLIENTS_MAX),
			 GFP_KERNEL);
	if (error)
		return error;
	/* After what client_gone() has taken from all tables at this number */
	smp_store_release(&client->p2pdma_client, number);
	return 0;
}

/* All clients that have been asked about, and have no number yet */
static int assign_numbers(void)
{
	struct pci_dev *pdev = NULL;
	int error = 0;

	lockdep_assert_held(&peers_lock);
	/* Who is marked after this asks again. */
	if (!atomic_xchg(&clients_requested, 0))
		return 0;
	for_each_pci_dev(pdev) {
		if (READ_ONCE(pdev->p2pdma_client) == CLIENT_REQUESTED)
			error = assign_number(pdev) ?: error;
	}
	return error;
}

/* Room for all clients that have a number */
static int table_grow(struct p2pdma_resource *res)
{
	struct p2pdma_peer_table *old = table_of(res), *new;
	unsigned long number, last = 0;
	struct pci_dev *client;
	u32 i, size;

	WRITE_ONCE(res->grow, false);
	xa_for_each(&clients, number, client)
		last = number;
	size = max(TABLE_MIN, roundup_pow_of_two(last + 1));
	if (old && old->size >= size)
		return 0;
	new = kvzalloc(struct_size(new, peer, size), GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	new->size = size;
	for (i = 0; old && i < old->size; i++)
		RCU_INIT_POINTER(new->peer[i], peer_at(old, i));
	rcu_assign_pointer(res->peers, new);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/* Take what is in a table at @number out of it. */
static void peer_drop(struct p2pdma_peer_table *table, u32 number)
{
	struct p2pdma_peer *peer;

	if (!table || number >= table->size)
		return;
	peer = peer_at(table, number);
	RCU_INIT_POINTER(table->peer[number], NULL);
	if (peer && peer != &peer_requested)
		kfree_rcu(peer, rcu);
}

/* What users may have gone by, so that they are notified when it changes */
static bool same_map(const struct p2pdma_verdict *a,
		     const struct p2pdma_verdict *b)
{
	return !memcmp(a->map, b->map, sizeof(a->map)) &&
	       a->distance == b->distance;
}

/*
 * What is said of a pair, for who asks how much its route moves.  Nothing is
 * counted where a verdict is used.
 */
static void peer_count(struct p2pdma_resource *res, struct p2pdma_peer *new,
		       const struct p2pdma_peer *old)
{
	new->changes = 0;
	new->walks = 1;
	if (old == &peer_requested)
		return;
	new->changes = old->changes + 1;
	new->walks = old->walks + 1;
	WRITE_ONCE(res->changes, res->changes + 1);
}

static int peer_fill(struct p2pdma_resource *res,
		     struct p2pdma_peer_table *table, u32 number)
{
	struct p2pdma_peer *old = peer_at(table, number), *new;
	struct pci_dev *client = xa_load(&clients, number);
	struct p2pdma_verdict verdict;
	u64 generation;

	if (!client) {
		/* Asked about while it went away */
		peer_drop(table, number);
		return 0;
	}
	generation = atomic64_read_acquire(&p2pdma_topology_generation);
	verdict = p2pdma_peer_walk(res, client);
	trace_p2pdma_verdict(client, res->pdev, &verdict);
	if (old != &peer_requested &&
	    !memcmp(&old->verdict, &verdict, sizeof(verdict))) {
		WRITE_ONCE(old->walks, old->walks + 1);
		WRITE_ONCE(old->generation, generation);
		return 0;
	}
	/* There may have been no memory before: rather notified once too often */
	if (old != &peer_requested && !same_map(&old->verdict, &verdict)) {
		trace_p2pdma_verdict_changed(client, res->pdev, &old->verdict,
					     &verdict);
		res->changed = true;
	}
	new = p2pdma_peer_alloc();
	if (!new)
		return -ENOMEM;
	new->generation = generation;
	new->verdict = verdict;
	peer_count(res, new, old);
	rcu_assign_pointer(table->peer[number], new);
	if (old != &peer_requested)
		kfree_rcu(old, rcu);
	return 0;
}

/*
 * All pairs of a resource that are not current, of those that are in use, as
 * long as @budget lasts.
 */
static int resource_fill(struct p2pdma_resource *res, int *budget)
{
	struct p2pdma_peer_table *table;
	struct p2pdma_peer *peer;
	int error = 0;
	u32 i;

	if (READ_ONCE(res->grow))
		error = table_grow(res);
	table = table_of(res);
	for (i = 1; table && i < table->size && *budget > 0; i++) {
		peer = peer_at(table, i);
		if (!peer || peer->generation ==
			     atomic64_read(&p2pdma_topology_generation))
			continue;
		error = peer_fill(res, table, i) ?: error;
		(*budget)--;
	}
	return error;
}

/*
 * What reads as ones is being reset, sleeps or is gone, and what is cached then is
 * the cautious choice, no more: so all is looked at once more as soon as something
 * is known to answer again, and else after a while that gets longer.
 */
#define RECHECK_FIRST	HZ
#define RECHECK_LAST	(64 * HZ)

static unsigned int doubtful;		/* some of what is cached is that */
static unsigned long recheck_delay;	/* last one, in jiffies; under peers_lock */

static void note_doubt(bool filled)
{
	lockdep_assert_held(&peers_lock);
	if (!READ_ONCE(p2pdma_acs_unread)) {
		recheck_delay = filled ? 0 : recheck_delay;
		return;
	}
	recheck_delay = clamp(2 * recheck_delay, RECHECK_FIRST, RECHECK_LAST);
	WRITE_ONCE(doubtful, 1);
	queue_delayed_work(system_unbound_wq, &recheck_work, recheck_delay);
}

/**
 * p2pdma_peers_recheck - something answers again that may not have
 * @changed: and it is not as it was
 *
 * Context: any.
 */
void p2pdma_peers_recheck(bool changed)
{
	if (READ_ONCE(doubtful))
		changed |= xchg(&doubtful, 0);
	if (changed)
		p2pdma_topology_changed();
}

static void recheck_worker(struct work_struct *work)
{
	p2pdma_peers_recheck(false);
}

/**
 * p2pdma_peers_fill - cache all that has been asked for, and is not current
 *
 * What is asked for by others meanwhile, or changes, may be left for later.
 *
 * Context: process context, may sleep.
 * Return: 0, or -ENOMEM if it was not possible for all.
 */
int p2pdma_peers_fill(void)
{
	struct p2pdma_resource *res;
	int budget, error;
	unsigned int noio;
	bool changed = false;

	do {
		budget = FILL_AT_ONCE;
		/* A removal of what memory is swapped to waits for the lock. */
		noio = memalloc_noio_save();
		scoped_guard(mutex, &peers_lock) {
			WRITE_ONCE(p2pdma_acs_unread, false);
			error = assign_numbers();
			list_for_each_entry(res, &resources, peers_node) {
				error = resource_fill(res, &budget) ?: error;
				changed |= res->changed;
			}
			note_doubt(budget < FILL_AT_ONCE);
		}
		memalloc_noio_restore(noio);
		cond_resched();
	} while (!error && budget <= 0);
	if (changed)
		queue_work(system_unbound_wq, &uevent_work);
	return error;
}

static void fill_worker(struct work_struct *work)
{
	/* Not left to the next miss: what has changed is to be notified, too. */
	if (p2pdma_peers_fill())
		fill_soon(FILL_AGAIN);
}

/* ---- telling ---- */

/* The next device to which the way has changed, with a reference, or NULL */
static struct pci_dev *next_changed(void)
{
	struct p2pdma_resource *res;
	struct pci_dev *pdev = NULL;

	guard(mutex)(&peers_lock);
	list_for_each_entry(res, &resources, peers_node) {
		/* Once for all of its resources */
		if (!res->changed || (pdev && res->pdev != pdev))
			continue;
		res->changed = false;
		if (!pdev)
			pdev = pci_dev_get(res->pdev);
	}
	return pdev;
}

/*
 * A work item of its own, so that it does not hold up what is to be cached.
 * Programs are notified here; drivers hear of any change, see notify.c.
 */
static void uevent_worker(struct work_struct *work)
{
	char event[] = "P2PDMA_EVENT=verdicts", *envp[] = { event, NULL };
	struct pci_dev *pdev;

	while ((pdev = next_changed())) {
		kobject_uevent_env(&pdev->dev.kobj, KOBJ_CHANGE, envp);
		pci_dev_put(pdev);
	}
}

/* ---- who comes and goes ---- */

/**
 * p2pdma_peers_add - verdicts on a resource can be cached from now on
 * @res: complete but for this; not visible to anybody else yet
 *
 * Context: process context, may sleep.
 */
void p2pdma_peers_add(struct p2pdma_resource *res)
{
	guard(mutex)(&peers_lock);
	list_add_tail(&res->peers_node, &resources);
}

/**
 * p2pdma_peers_remove - drop all that is cached for a resource
 * @res: not visible to anybody else any more, since a grace period
 *
 * Context: process context, may sleep.
 */
void p2pdma_peers_remove(struct p2pdma_resource *res)
{
	struct p2pdma_peer_table *table;
	u32 i;

	guard(mutex)(&peers_lock);
	list_del(&res->peers_node);
	table = table_of(res);
	for (i = 0; table && i < table->size; i++)
		peer_drop(table, i);
	RCU_INIT_POINTER(res->peers, NULL);
	if (table)
		kvfree_rcu(table, rcu);
}

/* Its number may be another device's as soon as the lock is free. */
static void client_gone(struct pci_dev *client)
{
	struct p2pdma_resource *res;
	u32 number;

	guard(mutex)(&peers_lock);
	number = xchg(&client->p2pdma_client, P2PDMA_CLIENT_GONE);
	if (!xa_erase(&clients, number))
		return;
	list_for_each_entry(res, &resources, peers_node)
		peer_drop(table_of(res), number);
}

/**
 * p2pdma_physfn_get - keep all that is above a function
 * @pdev: function, with a reference
 *
 * A virtual function lets go of its physical one when it is off the bus, and
 * whoever has found it on the bus may see it go any time.
 *
 * Context: process context, may sleep.
 * Return: its physical function, or itself, for pci_dev_put(); NULL if it is
 * off the bus.
 */
struct pci_dev *p2pdma_physfn_get(struct pci_dev *pdev)
{
	/* It does not let go before client_gone() is through. */
	guard(mutex)(&peers_lock);
	return p2pdma_client_is_gone(pdev) ? NULL :
					     pci_dev_get(pci_physfn(pdev));
}

/*
 * BUS_NOTIFY_ADD_DEVICE comes before a driver can be bound, and
 * BUS_NOTIFY_REMOVED_DEVICE when the device is off the bus for good: whatever
 * was worked out in between goes.
 */
static int topology_notify(struct notifier_block *nb, unsigned long action,
			   void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);

	switch (action) {
	case BUS_NOTIFY_ADD_DEVICE:
		p2pdma_hostbridge_add(pdev);
		break;
	case BUS_NOTIFY_DEL_DEVICE:
		p2pdma_hostbridge_remove(pdev);
		break;
	case BUS_NOTIFY_REMOVED_DEVICE:
		client_gone(pdev);
		break;
	default:
		return NOTIFY_DONE;
	}
	p2pdma_topology_changed();
	return NOTIFY_OK;
}

static struct notifier_block topology_nb = {
	.notifier_call = topology_notify,
};

/* After the bus type (postcore), before devices are scanned (subsys). */
static int __init p2pdma_peers_init(void)
{
	int error;

	error = bus_register_notifier(&pci_bus_type, &topology_nb);
	if (!error)
		p2pdma_hostbridge_scan();
	return error;
}
arch_initcall(p2pdma_peers_init);
