// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: peers.c on machines as they are numbered.  However many clients there
 * are, up to 1,024, and whatever their segments, buses and functions: once they
 * have been asked about, no question walks the topology or reads config space.
 */
#include <kunit/test.h>
#include <linux/irqflags.h>
#include <linux/log2.h>
#include <linux/pci.h>

#include "fabric.h"

#define CLIENTS_MAX	1024
#define ACS_ON		(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/**
 * struct machine - what the patterns build
 * @test: the test
 * @fabric: of @test
 * @first: its first host bridge
 * @provider: provider
 * @clients: functions that are asked about
 * @count: number of @clients
 */
struct machine {
	struct kunit *test;
	struct fabric *fabric;
	struct fabric_host *first;
	struct fabric_fn *provider;
	struct fabric_fn *clients[CLIENTS_MAX];
	unsigned int count;
};

/* A host bridge that routes, in a segment of its own */
static struct fabric_host *segment(struct machine *m)
{
	struct fabric_host *host = host_bridge(m->fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	if (!m->first)
		m->first = host;
	return host;
}

static void client(struct machine *m, struct fabric_fn *fn)
{
	KUNIT_ASSERT_LT(m->test, m->count, CLIENTS_MAX);
	m->clients[m->count++] = fn;
}

/* A drive, without a BAR: so many need no address */
static struct fabric_fn *drive_under(struct fabric_fn *port)
{
	struct fabric_fn *fn = endpoint_under(port);

	fn->bar[0].size = 0;
	return fn;
}

static void provider(struct machine *m, struct fabric_fn *port)
{
	m->provider = endpoint_under(port);
}

/* 24 drives below one switch: consecutive buses */
static void drives_24(struct machine *m)
{
	struct fabric_fn *sw = switch_under(root_port(segment(m)), 25);
	int i;

	for (i = 0; i < 24; i++)
		client(m, drive_under(downstream(sw, i)));
	provider(m, downstream(sw, 24));
}

/* EPYC: root complexes 0x20 buses apart in one segment, @each drives below */
static void epyc(struct machine *m, int each)
{
	struct fabric_host *host;
	int i, port;

	for (i = 0; i < 8; i++) {
		host = segment(m);
		host->domain = m->first->domain;
		host->first_bus = 0x20 * i;
		host->last_bus = 0x20 * i + 0x1f;
		for (port = 0; port < each; port++)
			client(m, drive_under(root_port(host)));
		if (i == 0)
			provider(m, root_port(host));
	}
}

static void epyc_8(struct machine *m)
{
	epyc(m, 1);
}

static void epyc_32(struct machine *m)
{
	epyc(m, 4);
}

/* Slots with eight bus numbers each, as for hotplug */
static void slots_24(struct machine *m)
{
	struct fabric_fn *sw = switch_under(root_port(segment(m)), 25);
	int i;

	for (i = 0; i < 24; i++)
		client(m, drive_under(downstream(switch_under(downstream(sw, i), 6), 0)));
	provider(m, downstream(sw, 24));
}

/* @segments segments with @each drives below their root ports */
static void segments(struct machine *m, int segments, int each)
{
	struct fabric_host *host;
	int i, port;

	for (i = 0; i < segments; i++) {
		host = segment(m);
		for (port = 0; port < each; port++)
			client(m, drive_under(root_port(host)));
		if (i == 0)
			provider(m, root_port(host));
	}
}

static void vmd(struct machine *m)
{
	segments(m, 3, 8);
}

static void segments_8(struct machine *m)
{
	segments(m, 8, 1);
}

/* Functions of the root complex, the same number in ten segments */
static void segments_10(struct machine *m)
{
	struct fabric_host *host;
	struct fabric_fn *fn;
	int i;

	for (i = 0; i < 10; i++) {
		host = segment(m);
		fn = root_endpoint(host);
		fn->bar[0].size = 0;
		client(m, fn);
		if (i == 0)
			provider(m, root_port(host));
	}
}

/* @drives drives with @functions functions each, 32 below a switch */
static void switches(struct machine *m, int drives, int functions, u16 acs)
{
	struct fabric_fn *top, *sw = NULL, *fn, *port;
	int i, more;

	top = switch_under(root_port(segment(m)), drives / 32 + 1);
	for (i = 0; i < drives; i++) {
		if (i % 32 == 0)
			sw = switch_under(downstream(top, i / 32), 32);
		port = downstream(sw, i % 32);
		if (acs)
			with_acs(port, acs);
		fn = drive_under(port);
		client(m, fn);
		for (more = 1; more < functions; more++) {
			fn = function_beside(fn);
			fn->bar[0].size = 0;
			client(m, fn);
		}
	}
	provider(m, downstream(top, drives / 32));
}

static void drives_128(struct machine *m)
{
	switches(m, 128, 1, 0);
}

static void drives_128_acs(struct machine *m)
{
	switches(m, 128, 1, ACS_ON);
}

static void functions_1024(struct machine *m)
{
	switches(m, 128, 8, ACS_ON);
}

/* Virtual functions from .1 on, over two buses */
static void vfs_256(struct machine *m)
{
	struct fabric_fn *sw = switch_under(root_port(segment(m)), 2), *pf;
	int i;

	if (!IS_ENABLED(CONFIG_PCI_IOV))
		kunit_skip(m->test, "needs CONFIG_PCI_IOV");
	pf = with_vfs(drive_under(downstream(sw, 0)), 256, 1);
	for (i = 0; i < 256; i++)
		client(m, pf->vf[i]);
	provider(m, downstream(sw, 1));
}

static const struct pattern {
	const char *name;
	void (*build)(struct machine *m);
} patterns[] = {
	{ "24_drives", drives_24 },
	{ "epyc_8", epyc_8 },
	{ "epyc_32", epyc_32 },
	{ "24_hotplug_slots", slots_24 },
	{ "3_vmd_domains", vmd },
	{ "8_segments", segments_8 },
	{ "10_root_endpoints", segments_10 },
	{ "128_drives", drives_128 },
	{ "128_drives_acs", drives_128_acs },
	{ "256_vfs", vfs_256 },
	{ "1024_functions", functions_1024 },
};

KUNIT_ARRAY_PARAM_DESC(pattern, patterns, name);

static unsigned long reads(struct machine *m)
{
	struct fabric_host *host;
	unsigned long n = 0;

	list_for_each_entry(host, &m->fabric->hosts, node)
		n += host->reads;
	return n;
}

/*
 * A question for each client, in steps of @stride, with interrupts off: who
 * asks may be anywhere.  Walks for them.
 */
static unsigned long ask_all(struct machine *m, struct p2pdma_resource *res,
			     unsigned int stride)
{
	unsigned long before = atomic_long_read(&res->walks), flags;
	struct fabric_fn *fn;
	unsigned int i;

	for (i = 0; i < m->count; i++) {
		fn = m->clients[i * stride % m->count];
		local_irq_save(flags);
		p2pdma_peer_verdict(res, &fn->pdev->dev);
		local_irq_restore(flags);
	}
	return atomic_long_read(&res->walks) - before;
}

static void remove(void *provider)
{
	p2pdma_peers_remove(provider);
}

static struct p2pdma_resource *provider_of(struct machine *m)
{
	struct pci_dev *pdev = m->provider->pdev;
	struct p2pdma_resource *res;

	res = kunit_kzalloc(m->test, sizeof(*res), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(m->test, res);
	res->pdev = pdev;
	res->start = pci_resource_start(pdev, 0);
	res->size = pci_resource_len(pdev, 0);
	p2pdma_peers_add(res);
	KUNIT_ASSERT_EQ(m->test, 0, kunit_add_action_or_reset(m->test, remove,
							      res));
	return res;
}

/* What is cached is what a walk finds. */
static void check_all(struct machine *m, struct p2pdma_resource *res)
{
	struct p2pdma_verdict cached, now;
	struct pci_dev *pdev;
	unsigned int i;

	for (i = 0; i < m->count; i++) {
		pdev = m->clients[i]->pdev;
		cached = p2pdma_peer_verdict(res, &pdev->dev);
		now = p2pdma_route(pdev, res->pdev);
		KUNIT_ASSERT_EQ_MSG(m->test, memcmp(cached.map, now.map,
						    sizeof(now.map)), 0,
				    "%s", pci_name(pdev));
		KUNIT_ASSERT_EQ(m->test, cached.distance, now.distance);
		KUNIT_ASSERT_EQ(m->test, cached.reason, now.reason);
	}
}

/* The memory that is taken: as many entries as pairs, a table as long */
static void check_memory(struct machine *m, struct p2pdma_resource *res)
{
	struct p2pdma_peer_table *table;
	unsigned int i, used = 0;

	guard(rcu)();
	table = rcu_dereference(res->peers);
	for (i = 0; i < table->size; i++)
		if (rcu_access_pointer(table->peer[i]))
			used++;
	KUNIT_EXPECT_EQ(m->test, used, m->count);
	/* Devices of the machine itself may have a few numbers. */
	KUNIT_EXPECT_LE(m->test, table->size, roundup_pow_of_two(m->count + 9));
}

/*
 * Three questions for each client, and what they ask for done in between, are
 * enough.
 */
static void numbering_no_walk(struct kunit *test)
{
	const struct pattern *pattern = test->param_value;
	struct p2pdma_resource *res;
	unsigned long walks[3], before;
	struct machine *m;
	int i;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->fabric = fabric_alloc(test);
	pattern->build(m);
	fabric_scan(m->fabric);
	if (m->clients[0]->pf)
		fabric_enable_vfs(m->clients[0]->pf, m->count);
	res = provider_of(m);

	for (i = 0; i < ARRAY_SIZE(walks); i++) {
		walks[i] = ask_all(m, res, 1);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	}
	kunit_info(test, "%s: of %u clients %lu, %lu, %lu walked\n",
		   pattern->name, m->count, walks[0], walks[1], walks[2]);
	KUNIT_EXPECT_EQ(test, walks[0], m->count);

	before = reads(m);
	KUNIT_EXPECT_EQ(test, 0, ask_all(m, res, 1));
	KUNIT_EXPECT_EQ(test, 0, ask_all(m, res, 1));
	KUNIT_EXPECT_EQ(test, 0, ask_all(m, res, 67));
	KUNIT_EXPECT_EQ(test, reads(m), before);
	check_memory(m, res);
	check_all(m, res);

	/* A change costs a walk for each, and the questions none of them. */
	p2pdma_topology_changed();
	KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	KUNIT_EXPECT_EQ(test, 0, ask_all(m, res, 1));
	check_all(m, res);
}

static struct kunit_case numbering_cases[] = {
	KUNIT_CASE_PARAM_ATTR(numbering_no_walk, pattern_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{ }
};

static struct kunit_suite numbering_suite = {
	.name = "p2pdma_numbering",
	.test_cases = numbering_cases,
};

kunit_test_suite(numbering_suite);

MODULE_DESCRIPTION("KUnit tests of cached routes of PCI peer-to-peer DMA by numbers of clients");
MODULE_LICENSE("GPL");
