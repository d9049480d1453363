// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: route.c, topology by topology, each in both directions.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "topologies.h"

static void expect(struct kunit *test, struct fabric_fn *from,
		   struct fabric_fn *to, const struct expected *expected,
		   const struct fabric_fn *port)
{
	struct p2pdma_verdict v = p2pdma_route(from->pdev, to->pdev);

	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], expected->read);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], expected->write);
	KUNIT_EXPECT_STREQ(test, p2pdma_reason_names[v.reason],
			   p2pdma_reason_names[expected->reason]);
	KUNIT_EXPECT_EQ(test, v.distance, expected->distance);
	KUNIT_EXPECT_EQ(test, v.has_port, !!port);
	if (!port)
		return;
	KUNIT_EXPECT_EQ(test, v.port_domain, pci_domain_nr(port->pdev->bus));
	KUNIT_EXPECT_EQ(test, v.port_bdf, pci_dev_id(port->pdev));
}

static void build(struct kunit *test, const struct topology *topology,
		  struct fabric *fabric, struct pair *pair)
{
	topology->build(fabric, pair);
	if (pair->a->pf && !IS_ENABLED(CONFIG_PCI_IOV))
		kunit_skip(test, "needs CONFIG_PCI_IOV");
	fabric_scan(fabric);
	if (pair->a->pf)
		fabric_enable_vfs(pair->a->pf, 2);
}

static void route_there(struct kunit *test)
{
	const struct topology *topology = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct pair pair = {};

	build(test, topology, fabric, &pair);
	expect(test, pair.a, pair.b, &topology->there, pair.there);
}

static void route_mirrored(struct kunit *test)
{
	const struct topology *topology = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct pair pair = {};

	build(test, topology, fabric, &pair);
	expect(test, pair.b, pair.a, &topology->back, pair.back);
}

static const void *topology_gen_params(const void *prev, char *desc)
{
	const struct topology *topology = prev;

	topology = topology ? topology + 1 : topologies_switches;
	if (topology->go_on)
		topology = topology->go_on;
	if (!topology->name)
		return NULL;
	strscpy(desc, topology->name, KUNIT_PARAM_DESC_SIZE);
	return topology;
}

static struct kunit_case route_cases[] = {
	KUNIT_CASE_PARAM(route_there, topology_gen_params),
	KUNIT_CASE_PARAM(route_mirrored, topology_gen_params),
	{ }
};

static struct kunit_suite route_suite = {
	.name = "p2pdma_route",
	.test_cases = route_cases,
};

kunit_test_suite(route_suite);

MODULE_DESCRIPTION("KUnit tests of the routes of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
