// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of outages: while a provider cannot be reached nothing is given
 * out or mapped, what was under way is not trusted, and who wants to know hears
 * of it.
 */
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../hooks.h"
#include "../outage.h"
#include "../peers.h"
#include "fabric.h"
#include "provider.h"

#define EVENTS	(PCI_P2PDMA_UNPUBLISHED + 1)

/*
 *	      root port
 *		  |
 *	       upstream
 *	     /    |    \
 *	  d0	 d1	d2
 *	   |	  |	 |
 *	client provider other
 *
 * Both provide memory; what happens to the provider is of no concern to the
 * other.
 */
struct scene {
	struct notifier_block nb;
	struct fabric_fn *sw;
	struct fabric_fn *client;
	struct fabric_fn *provider;
	struct fabric_fn *other;
	struct device *dev;			/* the client's */
	struct pci_dev *pdev;			/* the provider */
	atomic_t events[EVENTS];		/* of the provider, or of all */
	bool reachable[EVENTS];			/* as the last callback saw it */
	void (*on_down)(struct scene *s);
	struct mutex hold_verdicts;		/* keeps callbacks of that */
};

static int notifier_called(struct notifier_block *nb, unsigned long event, void *data)
{
	struct scene *s = container_of(nb, struct scene, nb);

	if (event != PCI_P2PDMA_VERDICTS_CHANGED && data != s->pdev)
		return NOTIFY_DONE;
	s->reachable[event] = pci_p2pdma_reachable(s->pdev);
	atomic_inc(&s->events[event]);
	if (event == PCI_P2PDMA_PROVIDER_DOWN && s->on_down)
		s->on_down(s);
	if (event == PCI_P2PDMA_VERDICTS_CHANGED) {
		mutex_lock(&s->hold_verdicts);
		mutex_unlock(&s->hold_verdicts);
	}
	return NOTIFY_OK;
}

static void listener_remove(void *nb)
{
	pci_p2pdma_unregister_notifier(nb);
}

static int heard(struct scene *s, enum pci_p2pdma_event event)
{
	return atomic_read(&s->events[event]);
}

static struct scene *scene_alloc(struct kunit *test)
{
	struct scene *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->sw = switch_under(root_port(host_bridge(fabric)), 3);
	s->client = endpoint_under(downstream(s->sw, 0));
	s->provider = endpoint_under(downstream(s->sw, 1));
	s->other = endpoint_under(downstream(s->sw, 2));
	fabric_scan(fabric);
	s->dev = &s->client->pdev->dev;
	s->pdev = s->provider->pdev;
	s->nb.notifier_call = notifier_called;
	mutex_init(&s->hold_verdicts);
	return s;
}

static void scene_listen(struct kunit *test, struct scene *s)
{
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_register_notifier(&s->nb));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, listener_remove,
							   &s->nb));
}

static struct scene *scene(struct kunit *test)
{
	struct scene *s = scene_alloc(test);

	provider_register(test, s->provider);
	provider_register(test, s->other);
	pci_p2pmem_publish(s->pdev, true);
	scene_listen(test, s);
	return s;
}

static int map_one(struct scene *s, void *addr)
{
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .nents = 1, .orig_nents = 1 };
	int ret;

	sg_init_one(&sg, addr, PAGE_SIZE);
	ret = dma_map_sgtable(s->dev, &sgt, DMA_BIDIRECTIONAL, 0);
	if (!ret)
		dma_unmap_sgtable(s->dev, &sgt, DMA_BIDIRECTIONAL, 0);
	return ret;
}

static int reason(struct scene *s, void *addr)
{
	return p2pdma_peer_verdict(p2pdma_page_resource(virt_to_page(addr)),
				   s->dev).reason;
}

static bool found(struct scene *s)
{
	struct pci_dev *pdev = pci_p2pmem_find(s->dev);

	pci_dev_put(pdev);
	return pdev == s->pdev;
}

/* All of the provider, of which @addr is memory, is in use, or nothing is. */
static void expect_usable(struct kunit *test, struct scene *s, void *addr,
			  bool usable)
{
	void *more = pci_alloc_p2pmem(s->pdev, PAGE_SIZE);
	unsigned int nents;
	struct scatterlist *sgl;

	KUNIT_EXPECT_EQ(test, pci_p2pdma_reachable(s->pdev), usable);
	KUNIT_EXPECT_EQ(test, !!more, usable);
	if (more)
		pci_free_p2pmem(s->pdev, more, PAGE_SIZE);
	sgl = pci_p2pmem_alloc_sgl(s->pdev, &nents, SZ_64K);
	KUNIT_EXPECT_EQ(test, !!sgl, usable);
	pci_p2pmem_free_sgl(s->pdev, sgl);
	KUNIT_EXPECT_EQ(test, map_one(s, addr), usable ? 0 : -EREMOTEIO);
	KUNIT_EXPECT_EQ(test, reason(s, addr) == P2PDMA_REASON_OUTAGE, !usable);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(s->pdev, s->dev, !usable),
			usable ? 4 : -1);
	KUNIT_EXPECT_EQ(test, found(s), usable);
}

/* ---- one provider, down and up ---- */

static void outage_nothing_given(struct kunit *test)
{
	struct scene *s = scene(test);
	void *addr = provider_alloc(test, s->provider, PAGE_SIZE);
	void *other = provider_alloc(test, s->other, PAGE_SIZE);
	int round;

	for (round = 0; round < 3; round++) {
		expect_usable(test, s, addr, true);
		pci_p2pdma_provider_down(s->pdev);
		expect_usable(test, s, addr, false);
		KUNIT_EXPECT_EQ(test, map_one(s, other), 0);
		KUNIT_EXPECT_TRUE(test, pci_p2pdma_reachable(s->other->pdev));
		pci_p2pdma_provider_up(s->pdev);
	}
	expect_usable(test, s, addr, true);
}

/* What is given back meanwhile is there afterwards, and counted all the time. */
static void outage_given_back(struct kunit *test)
{
	struct scene *s = scene(test);
	u64 size = pci_resource_len(s->pdev, 0);
	void *addr = pci_alloc_p2pmem(s->pdev, size);

	KUNIT_ASSERT_NOT_NULL(test, addr);
	pci_p2pdma_provider_down(s->pdev);
	provider_expect(test, s->pdev, 1, size, 0);
	pci_free_p2pmem(s->pdev, addr, size);
	provider_expect(test, s->pdev, 1, size, size);
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(s->pdev, PAGE_SIZE));
	pci_p2pdma_provider_up(s->pdev);
	addr = pci_alloc_p2pmem(s->pdev, size);
	KUNIT_EXPECT_NOT_NULL(test, addr);
	if (addr)
		pci_free_p2pmem(s->pdev, addr, size);
}

static const struct cause {
	const char *name;
	u32 cause;
	bool counted;
} causes[] = {
	{ "recovery", P2PDMA_DOWN_RECOVERY },
	{ "gone", P2PDMA_DOWN_GONE },
	{ "power", P2PDMA_DOWN_POWER },
	{ "decode", P2PDMA_DOWN_DECODE },
	{ "reset", P2PDMA_DOWN_RESET, true },
	{ "driver", P2PDMA_DOWN_DRIVER, true },
};

KUNIT_ARRAY_PARAM_DESC(cause, causes, name);

/* Each cause beside another, and twice. */
static void outage_nested(struct kunit *test)
{
	const struct cause *c = test->param_value;
	struct scene *s = scene(test);
	int i;

	/* Else polling finds after a second that it decodes, and ends a cause. */
	pci_lock_rescan_remove();
	for (i = 0; i < ARRAY_SIZE(causes); i++) {
		u32 other = causes[i].cause;

		p2pdma_outage_begin(s->pdev, other);
		p2pdma_outage_begin(s->pdev, c->cause);
		p2pdma_outage_begin(s->pdev, c->cause);
		p2pdma_outage_end(s->pdev, other);
		KUNIT_EXPECT_FALSE(test, pci_p2pdma_reachable(s->pdev) &&
				   (c->counted || other != c->cause));
		p2pdma_outage_end(s->pdev, c->cause);
		KUNIT_EXPECT_EQ(test, pci_p2pdma_reachable(s->pdev),
				!c->counted);
		p2pdma_outage_end(s->pdev, c->cause);
		KUNIT_EXPECT_TRUE(test, pci_p2pdma_reachable(s->pdev));
		/* Nothing to end: nothing happens */
		p2pdma_outage_end(s->pdev, c->cause);
		KUNIT_EXPECT_EQ(test, s->pdev->p2pdma_down, 0);
	}
	pci_unlock_rescan_remove();
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_DOWN),
			heard(s, PCI_P2PDMA_PROVIDER_UP));
}

/* What is below a bridge goes with it. */
static void outage_above(struct kunit *test)
{
	struct pci_dev *up, *down;
	struct scene *s = scene(test);
	void *addr = provider_alloc(test, s->provider, PAGE_SIZE);
	void *other = provider_alloc(test, s->other, PAGE_SIZE);

	up = s->sw->pdev;
	down = downstream(s->sw, 1)->pdev;
	p2pdma_outage_begin(down, P2PDMA_DOWN_RESET);
	expect_usable(test, s, addr, false);
	KUNIT_EXPECT_EQ(test, map_one(s, other), 0);
	p2pdma_outage_begin(up, P2PDMA_DOWN_RESET);
	KUNIT_EXPECT_EQ(test, map_one(s, other), -EREMOTEIO);
	p2pdma_outage_end(down, P2PDMA_DOWN_RESET);
	expect_usable(test, s, addr, false);
	p2pdma_outage_end(up, P2PDMA_DOWN_RESET);
	expect_usable(test, s, addr, true);
	KUNIT_EXPECT_EQ(test, map_one(s, other), 0);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_DOWN), 1);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_UP), 1);
}

/* ---- is it to be trusted? ---- */

static void outage_intact(struct kunit *test)
{
	unsigned long before, during, after;
	struct scene *s = scene(test);
	struct pci_dev *other = s->other->pdev;

	before = pci_p2pdma_outages();
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, before));
	pci_p2pdma_provider_down(s->pdev);
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, before));
	during = pci_p2pdma_outages();
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, during));
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(other, before));
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(other, during));
	pci_p2pdma_provider_up(s->pdev);
	after = pci_p2pdma_outages();
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, before));
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, during));
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, after));

	/* Another's outage changes nothing. */
	pci_p2pdma_provider_down(other);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, after));
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev,
						  pci_p2pdma_outages()));
	pci_p2pdma_provider_up(other);
	KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, after));
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, during));
}

/* Lists of RAM and several providers. */
static void outage_sg_intact(struct kunit *test)
{
	void *ram = (void *)kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	unsigned long since = pci_p2pdma_outages();
	struct scene *s = scene(test);
	struct scatterlist sg[3];

	KUNIT_ASSERT_NOT_NULL(test, ram);
	sg_init_table(sg, 3);
	sg_set_page(&sg[0], virt_to_page(ram), SZ_512, 0);
	sg_set_buf(&sg[1], provider_alloc(test, s->other, PAGE_SIZE), PAGE_SIZE);
	sg_set_buf(&sg[2], provider_alloc(test, s->provider, PAGE_SIZE), PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(sg, 3, since));
	pci_p2pdma_provider_down(s->pdev);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_sg_intact(sg, 3, since));
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(sg, 2, since));
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_sg_intact(sg, 3,
						      pci_p2pdma_outages()));
	pci_p2pdma_provider_up(s->pdev);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_sg_intact(sg, 3, since));
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(sg, 3,
						     pci_p2pdma_outages()));
}

static struct page *pinned(struct p2pdma_resource *res, void *addr)
{
	struct page *page = virt_to_page(addr);

	page->zone_device_data = (void *)pci_p2pdma_outages();
	atomic_long_inc(&res->user_pages);
	return page;
}

static void unpinned(struct p2pdma_resource *res, struct page *page)
{
	page->zone_device_data = NULL;
	if (atomic_long_dec_and_test(&res->user_pages))
		p2pdma_outage_pages_returned(res);
}

/*
 * A page of a program, pinned before an outage, is mapped for DMA after it:
 * what is in it now was never written.  One that was given out afterwards is
 * fine.
 */
static void outage_pinned(struct kunit *test)
{
	struct scene *s = scene(test);
	void *addr = provider_alloc(test, s->provider, 2 * PAGE_SIZE);
	struct p2pdma_resource *res;
	struct page *old, *new;
	struct scatterlist sg;
	unsigned long since;

	res = p2pdma_page_resource(virt_to_page(addr));
	old = pinned(res, addr);
	sg_init_one(&sg, addr, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(&sg, 1,
						     pci_p2pdma_outages()));
	pci_p2pdma_provider_down(s->pdev);
	pci_p2pdma_provider_up(s->pdev);
	since = pci_p2pdma_outages();
	KUNIT_EXPECT_EQ(test, map_one(s, addr), 0);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_sg_intact(&sg, 1, since));

	new = pinned(res, addr + PAGE_SIZE);
	sg_init_one(&sg, addr + PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(&sg, 1, since));
	/* Both in one entry */
	sg_init_one(&sg, addr, 2 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_sg_intact(&sg, 1, since));

	unpinned(res, old);
	KUNIT_EXPECT_TRUE(test, res->suspect);
	unpinned(res, new);
	KUNIT_EXPECT_FALSE(test, res->suspect);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_outages() & 1, 0);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_sg_intact(&sg, 1,
						     pci_p2pdma_outages()));
}

static void number_restore(void *number)
{
	__pci_p2pdma_outage_number = (unsigned long)number;
}

/* The number goes round. */
static void outage_wraps(struct kunit *test)
{
	struct scene *s = scene(test);
	unsigned long since;
	int round;

	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, number_restore,
						  (void *)pci_p2pdma_outages()));
	__pci_p2pdma_outage_number = ULONG_MAX - 5;
	for (round = 0; round < 5; round++) {
		since = pci_p2pdma_outages();
		KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->pdev, since));
		KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->other->pdev,
							  since));
		pci_p2pdma_provider_down(s->pdev);
		KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, since));
		KUNIT_EXPECT_TRUE(test, pci_p2pmem_intact(s->other->pdev,
							  since));
		pci_p2pdma_provider_up(s->pdev);
		KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, since));
	}
}

/* ---- providers come and go meanwhile ---- */

/* A resource registered during an outage is down, too, and none is for ever. */
static void outage_registered_during(struct kunit *test)
{
	struct scene *s = scene_alloc(test);
	void *addr;

	p2pdma_outage_begin(s->pdev, P2PDMA_DOWN_RESET);
	provider_register(test, s->provider);
	pci_p2pmem_publish(s->pdev, true);
	scene_listen(test, s);
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(s->pdev, PAGE_SIZE));
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev,
						   pci_p2pdma_outages()));
	KUNIT_EXPECT_FALSE(test, found(s));
	p2pdma_outage_end(s->pdev, P2PDMA_DOWN_RESET);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_UP), 1);
	addr = provider_alloc(test, s->provider, PAGE_SIZE);
	expect_usable(test, s, addr, true);
}

/*
 * The driver goes while the device is down.  Nobody is down afterwards, and
 * what the driver said goes, what the PCI core knows does not.
 */
static void outage_unregistered_during(struct kunit *test)
{
	struct scene *s = scene(test);
	void *addr;

	pci_p2pdma_provider_down(s->pdev);
	p2pdma_outage_begin(s->pdev, P2PDMA_DOWN_RESET);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_outages() & 1, 1);
	device_release_driver(&s->pdev->dev);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_outages() & 1, 0);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_reachable(s->pdev));
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(s->pdev, s->dev, false), -1);

	KUNIT_ASSERT_EQ(test, 1, device_attach(&s->pdev->dev));
	p2pdma_outage_end(s->pdev, P2PDMA_DOWN_RESET);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_reachable(s->pdev));
	provider_register(test, s->provider);
	pci_p2pmem_publish(s->pdev, true);
	addr = provider_alloc(test, s->provider, PAGE_SIZE);
	expect_usable(test, s, addr, true);
}

/* Pulled out: down for good, and what was moved is not trusted. */
static void outage_yanked(struct kunit *test)
{
	struct scene *s = scene(test);
	unsigned long since = pci_p2pdma_outages();
	struct fabric_fn *fn = s->provider;

	s->pdev = pci_dev_get(s->pdev);
	p2pdma_outage_begin_async(s->pdev, P2PDMA_DOWN_GONE);
	KUNIT_EXPECT_FALSE(test, pci_p2pmem_intact(s->pdev, since));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(s->pdev, PAGE_SIZE));
	fabric_yank(fn);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_reachable(s->pdev));
	KUNIT_EXPECT_EQ(test, pci_p2pdma_outages() & 1, 0);
	pci_dev_put(s->pdev);
}

/* ---- who hears of it ---- */

static void try_to_use(struct scene *s)
{
	void *addr = pci_alloc_p2pmem(s->pdev, PAGE_SIZE);

	if (!addr)
		return;
	atomic_inc(&s->events[PCI_P2PDMA_PROVIDER_DOWN]);
	pci_free_p2pmem(s->pdev, addr, PAGE_SIZE);
}

/* Told once, when nothing is given out any more, and before the call returns. */
static void notify_outage(struct kunit *test)
{
	struct scene *s = scene(test);

	s->on_down = try_to_use;
	pci_p2pdma_provider_down(s->pdev);
	pci_p2pdma_provider_down(s->pdev);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_DOWN), 1);
	KUNIT_EXPECT_FALSE(test, s->reachable[PCI_P2PDMA_PROVIDER_DOWN]);
	pci_p2pdma_provider_up(s->pdev);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_UP), 0);
	pci_p2pdma_provider_up(s->pdev);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_UP), 1);
	KUNIT_EXPECT_TRUE(test, s->reachable[PCI_P2PDMA_PROVIDER_UP]);

	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_unregister_notifier(&s->nb));
	KUNIT_EXPECT_EQ(test, -ENOENT, pci_p2pdma_unregister_notifier(&s->nb));
	pci_p2pdma_provider_down(s->pdev);
	pci_p2pdma_provider_up(s->pdev);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_DOWN), 1);
}

static bool heard_soon(struct scene *s, enum pci_p2pdma_event event, int count)
{
	int tries;

	for (tries = 0; heard(s, event) < count && tries < 500; tries++)
		msleep(20);
	return heard(s, event) >= count;
}

/* Told later, where telling has to wait. */
static void notify_quietly(struct kunit *test)
{
	struct scene *s = scene(test);

	p2pdma_outage_begin_async(s->pdev, P2PDMA_DOWN_POWER);
	KUNIT_EXPECT_FALSE(test, pci_p2pdma_reachable(s->pdev));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(s->pdev, PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, heard_soon(s, PCI_P2PDMA_PROVIDER_DOWN, 1));
	p2pdma_outage_end(s->pdev, P2PDMA_DOWN_POWER);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PROVIDER_UP), 1);
}

/*
 * An outage that begins before the end of the one before has been told is told
 * all the same: somebody may have begun something meanwhile.
 */
static void notify_again(struct kunit *test)
{
	struct scene *s = scene(test);
	int i, before;

	p2pdma_outage_begin(s->pdev, P2PDMA_DOWN_POWER);
	for (i = 0; i < 20; i++) {
		before = heard(s, PCI_P2PDMA_PROVIDER_DOWN);
		p2pdma_outage_end_async(s->pdev, P2PDMA_DOWN_POWER);
		p2pdma_outage_begin(s->pdev, P2PDMA_DOWN_POWER);
		KUNIT_EXPECT_GT(test, heard(s, PCI_P2PDMA_PROVIDER_DOWN),
				before);
	}
	p2pdma_outage_end(s->pdev, P2PDMA_DOWN_POWER);
	KUNIT_EXPECT_TRUE(test, pci_p2pdma_reachable(s->pdev));
}

/* Many changes while one is being told.  Returns the events before that ended. */
static int change_often(struct kunit *test, struct scene *s, u64 *generation)
{
	int before = heard(s, PCI_P2PDMA_VERDICTS_CHANGED), i;

	guard(mutex)(&s->hold_verdicts);
	p2pdma_topology_changed();
	KUNIT_EXPECT_TRUE(test, heard_soon(s, PCI_P2PDMA_VERDICTS_CHANGED,
					   before + 1));
	for (i = 0; i < 10000; i++)
		p2pdma_topology_changed();
	*generation = atomic64_read(&p2pdma_topology_generation);
	return heard(s, PCI_P2PDMA_VERDICTS_CHANGED);
}

/*
 * Changes of the topology.  What comes while an event is being told makes one
 * more, however much it is; and the last one counts.  The machine's own devices
 * may change something, too: not each time.
 */
static void notify_verdicts(struct kunit *test)
{
	struct scene *s = scene(test);
	int before, tries = 0;
	u64 generation;

	do {
		before = change_often(test, s, &generation);
		KUNIT_EXPECT_TRUE(test,
				  heard_soon(s, PCI_P2PDMA_VERDICTS_CHANGED,
					     before + 1));
		/* Time for more, if there are any */
		msleep(100);
	} while (generation != atomic64_read(&p2pdma_topology_generation) &&
		 ++tries < 10);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_VERDICTS_CHANGED),
			before + 1);
}

/* What is registered and published, and when it goes */
static void notify_resources(struct kunit *test)
{
	struct scene *s = scene_alloc(test);

	scene_listen(test, s);
	provider_register(test, s->provider);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_RESOURCE_ADDED), 1);
	pci_p2pmem_publish(s->pdev, true);
	pci_p2pmem_publish(s->pdev, true);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_PUBLISHED), 1);
	pci_p2pmem_publish(s->pdev, false);
	pci_p2pmem_publish(s->pdev, false);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_UNPUBLISHED), 1);
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_RESOURCE_REMOVED), 0);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_remove_resource(s->pdev, 0, 0));
	KUNIT_EXPECT_EQ(test, heard(s, PCI_P2PDMA_RESOURCE_REMOVED), 1);
}

#define OTHERS	16

struct busy_user {
	struct pci_dev *pdev;
	bool stop;
	unsigned long served;
	unsigned long unreachable;
	unsigned long unexplained;
};

/* Takes memory as mmap() does; the provider has plenty of it. */
static void take_and_free(void *data)
{
	struct busy_user *c = data;

	while (!READ_ONCE(c->stop)) {
		unsigned long since = pci_p2pdma_outages();
		void *addr = pci_alloc_p2pmem(c->pdev, PAGE_SIZE);

		if (addr) {
			pci_free_p2pmem(c->pdev, addr, PAGE_SIZE);
			c->served++;
		} else if (pci_p2pdma_reachable(c->pdev) &&
			   pci_p2pmem_intact(c->pdev, since)) {
			c->unexplained++;
		} else {
			c->unreachable++;
		}
		cond_resched();
	}
}

static void busy_user_stop(void *data)
{
	struct busy_user *c = data;

	WRITE_ONCE(c->stop, true);
}

/*
 * Who is refused memory in an outage can tell that it was one, up to its very
 * end.  The ranges of the other provider, which are on the list before that of
 * this one, give the user time.
 */
static void outage_refusal_explained(struct kunit *test)
{
	struct busy_user *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *sw, *fn, *other;
	u64 i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	sw = switch_under(root_port(host_bridge(fabric)), 2);
	fn = endpoint_under(downstream(sw, 0));
	other = endpoint_under(downstream(sw, 1));
	other->bar[0].size = OTHERS * SZ_2M;
	fabric_scan(fabric);
	for (i = 0; i < OTHERS; i++)
		KUNIT_ASSERT_EQ(test, 0,
				pci_p2pdma_add_resource(other->pdev, 0, SZ_2M,
							i * SZ_2M));
	provider_register(test, fn);
	c->pdev = fn->pdev;
	job_start(test, take_and_free, c);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, busy_user_stop, c));
	for (i = 0; i < 2000 || !READ_ONCE(c->served) ||
	     !READ_ONCE(c->unreachable); i++) {
		pci_p2pdma_provider_down(fn->pdev);
		cond_resched();
		pci_p2pdma_provider_up(fn->pdev);
		cond_resched();
	}
	kunit_info(test, "%lu times served, %lu times not reachable\n",
		   c->served, c->unreachable);
	KUNIT_EXPECT_EQ(test, c->unexplained, 0);
}

struct holder {
	struct notifier_block nb;
	struct pci_dev *pdev;
	void *addr;
};

static int unregister(struct notifier_block *nb, unsigned long event, void *data)
{
	struct holder *h = container_of(nb, struct holder, nb);

	if (event != PCI_P2PDMA_RESOURCE_REMOVED || data != h->pdev || !h->addr)
		return NOTIFY_DONE;
	pci_free_p2pmem(h->pdev, h->addr, PAGE_SIZE);
	h->addr = NULL;
	return NOTIFY_OK;
}

/* Removal tells before it waits: who holds memory can give it back then. */
static void notify_removal(struct kunit *test)
{
	struct holder *h = kunit_kzalloc(test, sizeof(*h), GFP_KERNEL);
	struct scene *s = scene(test);

	KUNIT_ASSERT_NOT_NULL(test, h);
	h->nb.notifier_call = unregister;
	h->pdev = s->pdev;
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_register_notifier(&h->nb));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, listener_remove,
							   &h->nb));
	h->addr = pci_alloc_p2pmem(s->pdev, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, h->addr);
	device_release_driver(&s->pdev->dev);
	KUNIT_EXPECT_NULL(test, h->addr);
}

static struct kunit_case outage_cases[] = {
	KUNIT_CASE(outage_nothing_given),
	KUNIT_CASE(outage_given_back),
	KUNIT_CASE_PARAM(outage_nested, cause_gen_params),
	KUNIT_CASE(outage_above),
	KUNIT_CASE(outage_intact),
	KUNIT_CASE(outage_sg_intact),
	KUNIT_CASE(outage_pinned),
	KUNIT_CASE(outage_wraps),
	KUNIT_CASE(outage_registered_during),
	KUNIT_CASE(outage_unregistered_during),
	KUNIT_CASE(outage_yanked),
	KUNIT_CASE(outage_refusal_explained),
	KUNIT_CASE(notify_outage),
	KUNIT_CASE(notify_quietly),
	KUNIT_CASE(notify_again),
	KUNIT_CASE(notify_verdicts),
	KUNIT_CASE(notify_resources),
	KUNIT_CASE(notify_removal),
	{}
};

static struct kunit_suite outage_suite = {
	.name = "p2pdma_outage",
	.test_cases = outage_cases,
};

kunit_test_suite(outage_suite);

MODULE_DESCRIPTION("KUnit suite of outages of providers");
MODULE_LICENSE("GPL");
