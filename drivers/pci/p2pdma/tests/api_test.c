// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of the exported calls: distance, choice, memory, and
 * the attribute that drivers offer to users.
 */
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/kmsg_dump.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../../pci.h"
#include "fabric.h"
#include "provider.h"

/* In none of its tables, nor of the machine's that this runs on */
#define OTHER		0x2035

/*
 *		 root complex
 *	      /		       \
 *	   port		      port
 *	     |			|
 *	   switch	       away
 *	 /  |   |   \
 *	a near twin switch
 *		    /   \
 *		   b    far
 */
struct machine {
	struct fabric *fabric;
	struct fabric_host *host;
	struct fabric_fn *sw;
	struct fabric_fn *inner;
	struct fabric_fn *a;
	struct fabric_fn *b;
	struct fabric_fn *near;
	struct fabric_fn *twin;
	struct fabric_fn *far;
	struct fabric_fn *away;
};

static struct machine *describe(struct kunit *test, u16 root)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->fabric = fabric_alloc(test);
	m->host = host_bridge(m->fabric);
	root_device(m->host, PCI_VENDOR_ID_INTEL, root);
	m->sw = switch_under(root_port(m->host), 4);
	m->a = endpoint_under(downstream(m->sw, 0));
	m->near = endpoint_under(downstream(m->sw, 1));
	m->twin = endpoint_under(downstream(m->sw, 2));
	m->inner = switch_under(downstream(m->sw, 3), 2);
	m->b = endpoint_under(downstream(m->inner, 0));
	m->far = endpoint_under(downstream(m->inner, 1));
	m->away = endpoint_under(root_port(m->host));
	return m;
}

static struct machine *build(struct kunit *test, u16 root)
{
	struct machine *m = describe(test, root);

	fabric_scan(m->fabric);
	provider_register(test, m->near);
	provider_register(test, m->twin);
	provider_register(test, m->far);
	provider_register(test, m->away);
	return m;
}

static void publish(struct fabric_fn *fn, bool on)
{
	pci_p2pmem_publish(fn->pdev, on);
}

static struct device *dev(struct fabric_fn *fn)
{
	return &fn->pdev->dev;
}

/* ---- distance ---- */

static void distance_sums(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct device *both[] = { dev(m->a), dev(m->b) };
	struct pci_dev *near = m->near->pdev;

	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(near, dev(m->near), true), 0);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(near, dev(m->a), true), 4);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(near, dev(m->b), true), 6);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance_many(near, both, 2, true), 10);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance_many(near, both, 1, true), 4);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance_many(near, both, 0, true), -1);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance_many(near, both, -1, true), -1);
	/* Who provides nothing can be asked about, too. */
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(m->a->pdev, dev(m->b), true), 6);
}

/* One that nobody registers, and too large for the stack */
static struct device *loose_device(struct kunit *test, struct device *parent,
				   const char *name)
{
	struct device *loose = kunit_kzalloc(test, sizeof(*loose), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, loose);
	loose->parent = parent;
	loose->init_name = name;
	return loose;
}

/* A device on top of a PCI function stands for it: an RDMA one, for example. */
static void distance_child(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct device *on_top = loose_device(test, dev(m->a), "on-top");
	struct device *above = loose_device(test, on_top, "above");
	struct device *nowhere = loose_device(test, NULL, "nowhere");
	struct device *one_bad[] = { dev(m->a), nowhere };

	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(m->near->pdev, on_top, true), 4);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(m->near->pdev, above, true), 4);
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance(m->near->pdev, nowhere, true));
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance_many(m->near->pdev, one_bad,
							   2, false));
}

/* Lines of the kernel's log that hold @text; the log is long enough for a test. */
static int log_lines(struct kunit *test, const char *text)
{
	char *line = kunit_kmalloc(test, 1024, GFP_KERNEL);
	struct kmsg_dump_iter iter = {};
	size_t len;
	int lines = 0;

	KUNIT_ASSERT_NOT_NULL(test, line);
	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, 1023, &len)) {
		line[len] = '\0';
		if (strstr(line, text))
			lines++;
	}
	return lines;
}

/* A refusal is explained if asked for, and only then. */
static void expect_explained(struct kunit *test, struct fabric_fn *provider,
			     struct device *client, const char *reason,
			     const char *remedy)
{
	int before, advice;
	char text[240];

	snprintf(text, sizeof(text), "%s cannot reach this device's memory: %s",
		 dev_name(client), reason);
	before = log_lines(test, text);
	advice = log_lines(test, remedy);
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance(provider->pdev, client, false));
	KUNIT_EXPECT_EQ(test, log_lines(test, text), before);
	KUNIT_EXPECT_EQ(test, log_lines(test, remedy), advice);
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance(provider->pdev, client, true));
	KUNIT_EXPECT_EQ_MSG(test, log_lines(test, text), before + 1, "%s", text);
	KUNIT_EXPECT_EQ_MSG(test, log_lines(test, remedy), advice + 1, "%s",
			    remedy);
}

static void distance_explained(struct kunit *test)
{
	struct machine *m = describe(test, ROUTES_UNKNOWN);
	struct device nowhere = { .init_name = "nowhere" };
	struct fabric_fn *beside = function_beside(m->near);
	char text[160], remedy[80];

	with_acs(downstream(m->sw, 1), PCI_ACS_UF);
	with_acs(downstream(m->inner, 1), PCI_ACS_RR | PCI_ACS_UF);
	with_acs(downstream(m->sw, 3), PCI_ACS_UF);
	with_acs(downstream(m->sw, 0), PCI_ACS_EC);
	memset(downstream(m->sw, 0)->egress, 0xff, sizeof(u32) * 8);
	fabric_scan(m->fabric);
	provider_register(test, m->near);

	expect_explained(test, m->near, &nowhere, "not-pci",
			 "to change that: choose a client that does PCI DMA itself");
	snprintf(text, sizeof(text), "acs-blocked at %s; %s drops requests",
		 pci_name(downstream(m->sw, 0)->pdev),
		 pci_name(downstream(m->sw, 0)->pdev));
	snprintf(remedy, sizeof(remedy),
		 "to change that: pci=disable_acs_redir=%s",
		 pci_name(downstream(m->sw, 0)->pdev));
	expect_explained(test, m->near, dev(m->a), text, remedy);
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev(m->b), DMA_BIT_MASK(32)));
	expect_explained(test, m->near, dev(m->b), "dma-mask",
			 "to change that: the driver has to set a wider DMA mask");
	snprintf(text, sizeof(text), "acs-redirect at %s; %s redirects requests; host bridge 8086:29c0 is not known to route",
		 pci_name(downstream(m->inner, 1)->pdev),
		 pci_name(downstream(m->inner, 1)->pdev));
	snprintf(remedy, sizeof(remedy),
		 "to change that: pci=disable_acs_redir=%s, or if it is sure",
		 pci_name(downstream(m->inner, 1)->pdev));
	expect_explained(test, m->b, dev(m->far), text, remedy);
	snprintf(text, sizeof(text), "functions-isolated at %s; %s is not known to reach other functions",
		 pci_name(beside->pdev), pci_name(beside->pdev));
	expect_explained(test, m->near, dev(beside), text,
			 "to change that: use a client that is another device");
	snprintf(text, sizeof(text), "root-complex-unknown at %s; host bridge 8086:29c0 is not known to route",
		 pci_name(m->away->bus->bridge->pdev));
	expect_explained(test, m->near, dev(m->away), text,
			 "to change that: put both below one PCIe switch, or if it is sure");
}

/*
 * Of several clients each is explained, and what has to change for all of them
 * is said once.
 */
static void distance_explains_all(struct kunit *test)
{
	struct machine *m = describe(test, ROUTES_UNKNOWN);
	int i, before, refusals[3];
	struct device *clients[3];
	char advice[256], text[120];

	for (i = 0; i < 3; i++)
		with_acs(downstream(m->sw, i), PCI_ACS_RR | PCI_ACS_CR);
	fabric_scan(m->fabric);
	provider_register(test, m->near);
	clients[0] = dev(m->a);
	clients[1] = dev(m->twin);
	clients[2] = dev(m->away);
	snprintf(advice, sizeof(advice), "to change that: pci=disable_acs_redir=%s;%s;%s; put both below one PCIe switch, or if it is sure that the root complex routes, pci_p2pdma.host_bridges=8086:29c0=",
		 pci_name(downstream(m->sw, 0)->pdev),
		 pci_name(downstream(m->sw, 1)->pdev),
		 pci_name(downstream(m->sw, 2)->pdev));
	before = log_lines(test, advice);
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%s cannot reach this device's memory",
			 dev_name(clients[i]));
		refusals[i] = log_lines(test, text);
	}
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance_many(m->near->pdev, clients,
							   3, true));
	KUNIT_EXPECT_EQ(test, log_lines(test, advice), before + 1);
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%s cannot reach this device's memory",
			 dev_name(clients[i]));
		KUNIT_EXPECT_EQ(test, log_lines(test, text), refusals[i] + 1);
	}
}

/*
 * What is allowed, but goes up to the root complex for no good reason, is said
 * as well; what is as it should be, is not.
 */
static void distance_explains_detour(struct kunit *test)
{
	struct machine *m = describe(test, ROUTES_ANYWHERE);
	char text[120];
	int before;

	with_acs(downstream(m->sw, 0), PCI_ACS_RR);
	fabric_scan(m->fabric);
	provider_register(test, m->near);
	snprintf(text, sizeof(text), "%s reaches this device's memory by way of the root complex: acs-redirect at %s",
		 pci_name(m->a->pdev), pci_name(downstream(m->sw, 0)->pdev));
	before = log_lines(test, text);
	KUNIT_EXPECT_GE(test, pci_p2pdma_distance(m->near->pdev, dev(m->a), false), 0);
	KUNIT_EXPECT_EQ(test, log_lines(test, text), before);
	KUNIT_EXPECT_GE(test, pci_p2pdma_distance(m->near->pdev, dev(m->a), true), 0);
	KUNIT_EXPECT_EQ(test, log_lines(test, text), before + 1);

	snprintf(text, sizeof(text), "%s: to change that", pci_name(m->near->pdev));
	before = log_lines(test, text);
	KUNIT_EXPECT_GE(test, pci_p2pdma_distance(m->near->pdev, dev(m->b), true), 0);
	KUNIT_EXPECT_GE(test, pci_p2pdma_distance(m->near->pdev, dev(m->away), true), 0);
	KUNIT_EXPECT_EQ(test, log_lines(test, text), before);
}

/* A provider with two resources: both have to be within reach. */
static void distance_all_ranges(struct kunit *test)
{
	struct machine *m = describe(test, ROUTES_ANYWHERE);
	struct fabric_fn *fn = m->near;

	fn->bar[0].size = SZ_2M;
	fn->bar[2].size = SZ_2M;
	fn->bar[2].flags = 0;
	m->host->bus_offset = 0;
	fabric_scan(m->fabric);
	/* BAR 2 has a bus address below 4 GiB, BAR 0 has not. */
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(fn->pdev, 2, 0, 0));
	KUNIT_ASSERT_EQ(test, 0, dma_set_mask(dev(m->a), DMA_BIT_MASK(32)));
	KUNIT_EXPECT_EQ(test, 4, pci_p2pdma_distance(fn->pdev, dev(m->a), true));
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_add_resource(fn->pdev, 0, 0, 0));
	KUNIT_EXPECT_EQ(test, -1, pci_p2pdma_distance(fn->pdev, dev(m->a), true));
}

/* ---- choice ---- */

/* What is found, of many tries, as bits: 1 near, 2 twin, 4 far, 8 away, 16 other */
static unsigned int found(struct machine *m, struct device **clients, int num)
{
	struct fabric_fn *fn[] = { m->near, m->twin, m->far, m->away };
	unsigned int seen = 0;
	int try, i;

	for (try = 0; try < 64; try++) {
		struct pci_dev *pdev = pci_p2pmem_find_many(clients, num);

		if (!pdev)
			continue;
		for (i = 0; i < ARRAY_SIZE(fn); i++)
			if (fn[i]->pdev == pdev)
				break;
		seen |= BIT(i);
		pci_dev_put(pdev);
	}
	return seen;
}

static void find_closest(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_UNKNOWN);
	struct device *a[] = { dev(m->a) }, *b[] = { dev(m->b) };
	struct device *both[] = { dev(m->a), dev(m->b) };

	/* Nothing is found before it is published. */
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 0);
	publish(m->far, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 4);
	publish(m->near, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
	KUNIT_EXPECT_EQ(test, found(m, b, 1), 4);
	/* Equally far from both clients together: 4 + 6 */
	KUNIT_EXPECT_EQ(test, found(m, both, 2), 1 | 4);
	KUNIT_EXPECT_EQ(test, found(m, both, 0), 0);

	/* Of equals, each has its turn. */
	publish(m->twin, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1 | 2);
	KUNIT_EXPECT_EQ(test, found(m, both, 2), 1 | 2 | 4);
	publish(m->near, false);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 2);
	publish(m->twin, false);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 4);
}

/* A provider that has nothing left is no help, however close. */
static void find_room(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_UNKNOWN);
	size_t size = resource_size(pci_resource_n(m->near->pdev, 0));
	struct device *a[] = { dev(m->a) };
	void *most, *rest, *far;

	publish(m->near, true);
	publish(m->far, true);
	most = pci_alloc_p2pmem(m->near->pdev, size - size / 16);
	KUNIT_ASSERT_NOT_NULL(test, most);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
	rest = pci_alloc_p2pmem(m->near->pdev, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, rest);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 4);
	/* One of its own kind is as good as it was. */
	publish(m->twin, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 2);
	publish(m->twin, false);

	/* If nobody has any, the distance counts again. */
	far = pci_alloc_p2pmem(m->far->pdev, size);
	KUNIT_ASSERT_NOT_NULL(test, far);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
	pci_free_p2pmem(m->far->pdev, far, size);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 4);
	pci_free_p2pmem(m->near->pdev, rest, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
	pci_free_p2pmem(m->near->pdev, most, size - size / 16);
}

/*
 *		root complex
 *		/	   \
 *	     upstream	  root port
 *	    /   |   \	       |
 *	 d0    d1    d3	      away
 *	  |     |     |
 *	  a   near  upstream
 *		      |
 *		     far
 *
 * Without the root complex, by two of its ports, and up and down one port: in
 * this order, although the links are 6, 6 (or, of a chain, more) and 8.
 */
static void find_ranks(struct kunit *test)
{
	const u16 redirect = PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	struct machine *m = describe(test, ROUTES_ANYWHERE);
	struct fabric_fn *port = downstream(m->sw, 0);
	struct pci_dev *near, *far, *away;
	struct device *a[1];

	with_acs(port, 0);
	port->egress[0] = BIT(downstream(m->sw, 1)->port);
	fabric_scan(m->fabric);
	a[0] = dev(m->a);
	provider_register(test, m->near);
	provider_register(test, m->far);
	provider_register(test, m->away);
	near = m->near->pdev;
	far = m->far->pdev;
	away = m->away->pdev;
	publish(m->near, true);
	publish(m->far, true);
	publish(m->away, true);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(near, a[0], true), 4);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(far, a[0], true), 6);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(away, a[0], true), 512 + 6);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);

	/* Requests to near only: far is the closest now. */
	fabric_write_acs(port, redirect | PCI_ACS_EC);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(near, a[0], true), 1024 + 8);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(far, a[0], true), 6);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 4);

	/* To all: away is, and it is the same when nobody else is there. */
	fabric_write_acs(port, redirect);
	KUNIT_EXPECT_EQ(test, pci_p2pdma_distance(far, a[0], true), 1024 + 10);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 8);
	publish(m->away, false);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
}

static void find_unreachable(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_UNKNOWN);
	struct device *a[] = { dev(m->a) }, *away[] = { dev(m->away) };
	struct device *apart[] = { dev(m->a), dev(m->away) };

	publish(m->away, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 0);
	KUNIT_EXPECT_EQ(test, found(m, away, 1), 8);
	publish(m->near, true);
	KUNIT_EXPECT_EQ(test, found(m, a, 1), 1);
	KUNIT_EXPECT_EQ(test, found(m, apart, 2), 0);
}

/* A provider has to be read and written; a root complex may route one of both. */
static void find_one_way(struct kunit *test)
{
	static const struct {
		const char *policy;
		int distance;
	} ways[] = {
		{ "8086:2035=none", -1 },
		{ "8086:2035=reads", -1 },
		{ "8086:2035=writes", -1 },
		/* Four links up, two down, and by the root complex */
		{ "8086:2035=reads+writes", 512 + 6 },
	};
	const struct kernel_param *kp = param_begin(test, "pci_p2pdma.host_bridges");
	struct machine *m = build(test, OTHER);
	struct device *a[] = { dev(m->a) }, *both[] = { dev(m->a), dev(m->b) };
	int i, distance;

	publish(m->away, true);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		distance = ways[i].distance;
		KUNIT_ASSERT_EQ(test, 0, param_say(kp, ways[i].policy));
		KUNIT_EXPECT_EQ(test, distance,
				pci_p2pdma_distance(m->away->pdev, dev(m->a), false));
		/* Cached now */
		KUNIT_EXPECT_EQ(test, distance,
				pci_p2pdma_distance(m->away->pdev, dev(m->a), false));
		/* Who provides nothing is no better off. */
		KUNIT_EXPECT_EQ(test, distance < 0,
				pci_p2pdma_distance(m->a->pdev, dev(m->away), false) < 0);
		KUNIT_EXPECT_EQ(test, found(m, a, 1), distance < 0 ? 0 : 8);
	}

	/* Nor is it one of those that are equally close. */
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:2035=reads"));
	publish(m->near, true);
	publish(m->twin, true);
	publish(m->far, true);
	KUNIT_EXPECT_EQ(test, found(m, both, 2), 1 | 2 | 4);
}

/* The device found is the caller's to put. */
static void find_reference(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct kobject *kobj = &m->near->pdev->dev.kobj;
	unsigned int before = kref_read(&kobj->kref);
	struct pci_dev *pdev;

	publish(m->near, true);
	pdev = pci_p2pmem_find(dev(m->a));
	KUNIT_EXPECT_PTR_EQ(test, pdev, m->near->pdev);
	KUNIT_EXPECT_EQ(test, kref_read(&kobj->kref), before + 1);
	pci_dev_put(pdev);
	KUNIT_EXPECT_EQ(test, kref_read(&kobj->kref), before);
}

/* To publish what provides nothing is no error, and has no effect. */
static void publish_nothing(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);

	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m->a->pdev));
	publish(m->a, true);
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m->a->pdev));
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m->near->pdev));
	publish(m->near, true);
	KUNIT_EXPECT_TRUE(test, pci_has_p2pmem(m->near->pdev));
	publish(m->near, false);
	KUNIT_EXPECT_FALSE(test, pci_has_p2pmem(m->near->pdev));
}

/* ---- memory ---- */

static u64 available(struct fabric_fn *fn)
{
	struct p2pdma_memory *mem;
	struct pci_p2pdma *p2pdma;
	u64 sum = 0;

	guard(rcu)();
	p2pdma = rcu_dereference(fn->pdev->p2pdma);
	list_for_each_entry_rcu(mem, &p2pdma->resources, node)
		sum += p2pdma_pool_available(&mem->pool);
	return sum;
}

static void alloc_sizes(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct pci_dev *pdev = m->near->pdev;
	void *addr;

	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(m->a->pdev, PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, 0));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, SZ_2M + 1));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, SIZE_MAX));
	KUNIT_EXPECT_EQ(test, available(m->near), SZ_2M);

	addr = pci_alloc_p2pmem(pdev, SZ_2M);
	KUNIT_ASSERT_NOT_NULL(test, addr);
	KUNIT_EXPECT_TRUE(test, is_pci_p2pdma_page(virt_to_page(addr)));
	KUNIT_EXPECT_EQ(test, available(m->near), 0);
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(pdev, 1));
	pci_free_p2pmem(pdev, addr, SZ_2M);
	KUNIT_EXPECT_EQ(test, available(m->near), SZ_2M);
}

/* Of a device that is no provider, there is none. */
static void alloc_nothing(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	unsigned int nents = 7;

	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(m->a->pdev, PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(m->a->pdev, &nents, PAGE_SIZE));
	KUNIT_EXPECT_NULL(test, pci_alloc_p2pmem(m->near->pdev, 0));
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(m->near->pdev, &nents, 0));
	KUNIT_EXPECT_EQ(test, nents, 7);
}

static void alloc_sgl(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct pci_dev *pdev = m->near->pdev;
	unsigned int nents = 77, i;
	struct scatterlist *sgl, *sg;
	u32 length = 0;

	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(m->a->pdev, &nents, 1));
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(pdev, &nents, 0));
	KUNIT_EXPECT_NULL(test, pci_p2pmem_alloc_sgl(pdev, &nents, SZ_2M + 1));
	KUNIT_EXPECT_EQ(test, nents, 77);

	sgl = pci_p2pmem_alloc_sgl(pdev, &nents, 3 * PAGE_SIZE + 100);
	KUNIT_ASSERT_NOT_NULL(test, sgl);
	for_each_sg(sgl, sg, nents, i) {
		KUNIT_EXPECT_TRUE(test, is_pci_p2pdma_page(sg_page(sg)));
		length += sg->length;
	}
	KUNIT_EXPECT_EQ(test, length, 3 * PAGE_SIZE + 100);
	KUNIT_EXPECT_TRUE(test, sg_is_last(&sgl[nents - 1]));
	KUNIT_EXPECT_EQ(test, available(m->near), SZ_2M - 4 * PAGE_SIZE);
	pci_p2pmem_free_sgl(pdev, sgl);
	KUNIT_EXPECT_EQ(test, available(m->near), SZ_2M);
}

/* ---- the user's choice ---- */

static const struct store {
	const char *text;
	int error;
	bool use;
} stores[] = {
	{ "1", 0, true }, { "0", 0, false }, { "y\n", 0, true },
	{ "N", 0, false }, { "on\n", 0, true }, { "off", 0, false },
	{ "1\n", 0, true }, { "0\n", 0, false }, { "true", 0, true },
	{ "FALSE\n", 0, false }, { "Yes", 0, true }, { "none", 0, false },
	{ "oN", 0, true }, { "ofF", 0, false },
	{ "", -ENODEV }, { "\n", -ENODEV }, { "maybe", -ENODEV },
	{ "2", -ENODEV }, { "2\n", -ENODEV }, { "o", -ENODEV },
	{ "00", -ENODEV }, { "01\n", -ENODEV }, { "1x", -ENODEV },
	{ "0000", -ENODEV }, { "-1", -ENODEV }, { " 1", -ENODEV },
	/* Neither a 0 nor a 1, nor what begins with an f */
	{ "0:", -ENODEV }, { "1:00", -ENODEV }, { "0000:", -ENODEV },
	{ "ffff:ff:1f.7", -ENODEV }, { "y:", -ENODEV },
};

static void enable_store(struct kunit *test)
{
	struct pci_dev *const untouched = (void *)test;
	struct pci_dev *pdev;
	int i, error;
	bool use;

	for (i = 0; i < ARRAY_SIZE(stores); i++) {
		const struct store *store = &stores[i];

		pdev = untouched;
		use = !store->use;
		error = pci_p2pdma_enable_store(store->text, &pdev, &use);
		KUNIT_EXPECT_EQ_MSG(test, error, store->error, "'%s'", store->text);
		KUNIT_EXPECT_PTR_EQ(test, pdev, store->error ? untouched : NULL);
		KUNIT_EXPECT_EQ(test, use, store->error ? !store->use : store->use);
	}
}

static void enable_store_device(struct kunit *test)
{
	struct machine *m = build(test, ROUTES_ANYWHERE);
	struct kobject *kobj = &m->near->pdev->dev.kobj;
	unsigned int before = kref_read(&kobj->kref);
	struct pci_dev *pdev = NULL;
	bool use = false;
	char text[32];

	snprintf(text, sizeof(text), "%s\n", pci_name(m->near->pdev));
	KUNIT_EXPECT_EQ(test, -ENODEV, pci_p2pdma_enable_store(text, &pdev, &use));
	KUNIT_EXPECT_FALSE(test, use);
	KUNIT_EXPECT_NULL(test, pdev);
	KUNIT_EXPECT_EQ(test, kref_read(&kobj->kref), before);

	publish(m->near, true);
	KUNIT_EXPECT_EQ(test, 0, pci_p2pdma_enable_store(text, &pdev, &use));
	KUNIT_EXPECT_TRUE(test, use);
	KUNIT_ASSERT_PTR_EQ(test, pdev, m->near->pdev);
	KUNIT_EXPECT_EQ(test, kref_read(&kobj->kref), before + 1);
	pci_dev_put(pdev);
}

static void enable_show(struct kunit *test)
{
	char *page = (char *)__get_free_page(GFP_KERNEL), text[32];
	struct machine *m;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_EQ(test, 2, pci_p2pdma_enable_show(page, NULL, true));
	KUNIT_EXPECT_STREQ(test, page, "1\n");
	KUNIT_EXPECT_EQ(test, 2, pci_p2pdma_enable_show(page, NULL, false));
	KUNIT_EXPECT_STREQ(test, page, "0\n");
	m = build(test, ROUTES_ANYWHERE);
	snprintf(text, sizeof(text), "%s\n", pci_name(m->near->pdev));
	KUNIT_EXPECT_EQ(test, strlen(text),
			pci_p2pdma_enable_show(page, m->near->pdev, true));
	KUNIT_EXPECT_STREQ(test, page, text);
	pci_p2pdma_enable_show(page, m->near->pdev, false);
	KUNIT_EXPECT_STREQ(test, page, "0\n");
	free_page((unsigned long)page);
}

/* ---- names of providers ---- */

static const struct spelling {
	const char *name;
	bool good;
} spellings[] = {
	{ "0000:05:00.0", true }, { "ffff:ff:1f.7", true },
	{ "10000:e1:00.0", true },	/* behind a VMD */
	{ "slot:7", true }, { "slot:7-1", true }, { "slot:Slot 7", true },
	{ "serial:00-02-c9-03-00-0a-b1-ff", true },
	{ "serial:00-02-C9-03-00-0A-B1-FF", true },
	{ "", false }, { ":", false }, { "05:00.0", false },
	{ "0000:05:00", false }, { "0000:05:20.0", false },
	{ "0000:05:00.8", false }, { "0000:100:00.0", false },
	{ "0000:05:00.0 ", false }, { "0000:05:0.0", false },
	{ "0000:0A:00.0", false }, { "x0000:05:00.0", false },
	{ "slot:", false }, { "slot:7/address", false }, { "Slot:7", false },
	{ "slot:7\t", false }, { "slot:\x1b[1m", false }, { "slot:7\n8", false },
	{ "slot:.", false }, { "slot:..", false }, { "slot:..7", true },
	{ "serial:", false }, { "serial:00-02-c9-03-00-0a-b1", false },
	{ "serial:00-02-c9-03-00-0a-b1-ff-", false },
	{ "serial:00-02-c9-03-00-0a-b1-fg", false },
	{ "serial:0002c903000ab1ff0000000", false },
	{ "serial:0-002-c9-03-00-0a-b1-ff", false },
};

static void name_spelling(struct kunit *test)
{
	const struct spelling *s;

	for (s = spellings; s < spellings + ARRAY_SIZE(spellings); s++)
		KUNIT_EXPECT_EQ_MSG(test, pci_p2pmem_check_name(s->name),
				    s->good ? 0 : -EINVAL, "'%s'", s->name);
}

/* Found, with a reference, or not. */
static void expect_named(struct kunit *test, const char *name,
			 struct fabric_fn *fn)
{
	struct pci_dev *pdev;

	KUNIT_EXPECT_EQ_MSG(test, pci_p2pmem_check_name(name), 0, "'%s'", name);
	pdev = pci_p2pmem_find_named(name);
	KUNIT_EXPECT_PTR_EQ_MSG(test, pdev, fn ? fn->pdev : NULL, "'%s'", name);
	pci_dev_put(pdev);
}

/* By each of its names, as long as it has published memory; never another. */
static void name_found(struct kunit *test)
{
	struct machine *m = describe(test, ROUTES_ANYWHERE);
	struct pci_slot *slot;
	struct kobject *kobj;
	unsigned int before;

	m->near->serial = 0x0123456789abcdefULL;
	m->twin->serial = 0x0123456789abcdeeULL;
	m->a->serial = 0xff;		/* has no memory */
	fabric_scan(m->fabric);
	provider_register(test, m->near);
	provider_register(test, m->twin);
	provider_register(test, m->far);		/* has no serial number */
	slot = pci_create_slot(m->near->pdev->bus, 0, "p2pdma-7", NULL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, slot);
	kobj = &m->near->pdev->dev.kobj;
	before = kref_read(&kobj->kref);

	expect_named(test, pci_name(m->near->pdev), NULL);
	expect_named(test, "slot:p2pdma-7", NULL);
	publish(m->near, true);
	publish(m->twin, true);
	publish(m->far, true);
	expect_named(test, pci_name(m->near->pdev), m->near);
	expect_named(test, pci_name(m->twin->pdev), m->twin);
	expect_named(test, "slot:p2pdma-7", m->near);
	expect_named(test, "slot:p2pdma-70", NULL);
	expect_named(test, "serial:01-23-45-67-89-ab-cd-ef", m->near);
	expect_named(test, "serial:01-23-45-67-89-AB-CD-EE", m->twin);
	expect_named(test, "serial:01-23-45-67-89-ab-cd-ed", NULL);
	expect_named(test, "serial:00-00-00-00-00-00-00-ff", NULL);
	expect_named(test, "serial:00-00-00-00-00-00-00-00", NULL);
	/* Slots are being reset: who asks may be whom that waits for. */
	mutex_lock(&pci_slot_mutex);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(pci_p2pmem_find_named("slot:p2pdma-7")),
			-EAGAIN);
	expect_named(test, pci_name(m->near->pdev), m->near);
	mutex_unlock(&pci_slot_mutex);
	publish(m->near, false);
	expect_named(test, "serial:01-23-45-67-89-ab-cd-ef", NULL);
	KUNIT_EXPECT_EQ(test, kref_read(&kobj->kref), before);

	publish(m->near, true);
	pci_destroy_slot(slot);
	expect_named(test, "slot:p2pdma-7", NULL);
}

static struct kunit_case frontdoor_cases[] = {
	KUNIT_CASE(distance_sums),
	KUNIT_CASE(distance_child),
	KUNIT_CASE(distance_explained),
	KUNIT_CASE(distance_explains_all),
	KUNIT_CASE(distance_explains_detour),
	KUNIT_CASE(distance_all_ranges),
	KUNIT_CASE(find_closest),
	KUNIT_CASE(find_room),
	KUNIT_CASE(find_ranks),
	KUNIT_CASE(find_unreachable),
	KUNIT_CASE(find_one_way),
	KUNIT_CASE(find_reference),
	KUNIT_CASE(publish_nothing),
	KUNIT_CASE(alloc_sizes),
	KUNIT_CASE(alloc_nothing),
	KUNIT_CASE(alloc_sgl),
	KUNIT_CASE(enable_store),
	KUNIT_CASE(enable_store_device),
	KUNIT_CASE(enable_show),
	KUNIT_CASE(name_spelling),
	KUNIT_CASE(name_found),
	{}
};

static struct kunit_suite frontdoor_suite = {
	.name = "p2pdma_api",
	.test_cases = frontdoor_cases,
};

kunit_test_suite(frontdoor_suite);

MODULE_DESCRIPTION("KUnit suite of the exported calls of P2PDMA");
MODULE_LICENSE("GPL");
