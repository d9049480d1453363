// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: route.c, topology by topology, each in both directions.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/pci-ats.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "oracle.h"
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

#ifdef CONFIG_PCI_ATS
/* ---- by kind of packet, as drivers ask ---- */

#define DMA	(PCI_ACS_RR | PCI_ACS_CR)

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	d0      d1
 *	|        |
 *	upstream b
 *	|
 *	e0
 *	|
 *	a
 */
static const struct tlp_case {
	const char *name;
	u16 e0;
	u16 d0;
	u16 d1;
	u16 rp;
	u8 request;
	u8 completion;
	u8 translated;
} tlp_cases[] = {
	{ "no_acs", 0, 0, 0, 0, BUS, BUS, BUS },
	{ "redirect", 0, DMA, DMA, 0, HOST, HOST, HOST },
	{ "direct_translated", 0, DMA | PCI_ACS_DT, DMA | PCI_ACS_DT, 0,
	  HOST, HOST, BUS },
	{ "direct_translated_elsewhere", PCI_ACS_DT, DMA, DMA | PCI_ACS_DT, 0,
	  HOST, HOST, HOST },
	{ "blocked_at_turn", 0, PCI_ACS_TB | PCI_ACS_DT, 0, 0, BUS, BUS, NONE },
	{ "blocked_below_turn", PCI_ACS_TB, PCI_ACS_DT, 0, 0, BUS, BUS, NONE },
	{ "blocked_at_provider", 0, 0, PCI_ACS_TB, 0, BUS, BUS, BUS },
	{ "blocked_above_turn", 0, 0, 0, PCI_ACS_TB, BUS, BUS, BUS },
	{ "blocked_above_redirect", 0, DMA, DMA, PCI_ACS_TB | PCI_ACS_UF,
	  HOST, HOST, NONE },
	{ "root_port_does_not_forward", 0, DMA | PCI_ACS_DT, 0, PCI_ACS_SV,
	  NONE, BUS, BUS },
	{ "completions_only", 0, 0, PCI_ACS_CR, 0, BUS, HOST, BUS },
	{ "requests_only", 0, PCI_ACS_RR, 0, 0, HOST, BUS, HOST },
};

KUNIT_ARRAY_PARAM_DESC(tlp, tlp_cases, name);

static void with_ctrl(struct fabric_fn *fn, u16 ctrl)
{
	if (ctrl)
		with_acs(fn, ctrl);
}

static void expect_tlps(struct kunit *test, struct fabric_fn *a,
			struct fabric_fn *b, u8 request, u8 completion,
			u8 translated)
{
	struct device *client = &a->pdev->dev;

	KUNIT_EXPECT_EQ(test, request,
			pci_p2pdma_tlp_type(b->pdev, client,
					    PCI_P2PDMA_TLP_REQUEST));
	KUNIT_EXPECT_EQ(test, completion,
			pci_p2pdma_tlp_type(b->pdev, client,
					    PCI_P2PDMA_TLP_COMPLETION));
	KUNIT_EXPECT_EQ(test, translated,
			pci_p2pdma_tlp_type(b->pdev, client,
					    PCI_P2PDMA_TLP_TRANSLATED));
}

/* Translated Requests are there only with ATS, and only at the CPU's addresses. */
static void route_tlps(struct kunit *test)
{
	const struct tlp_case *tlp = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = routing_host(fabric);
	struct fabric_fn *rp = root_port(host), *sw, *inner, *a, *b;
	struct oracle_route route;

	if (pci_ats_disabled())
		kunit_skip(test, "ATS is off");
	host->routes = FABRIC_ROUTES_ANYWHERE;
	with_ctrl(rp, tlp->rp);
	sw = switch_under(rp, 2);
	with_ctrl(downstream(sw, 0), tlp->d0);
	with_ctrl(downstream(sw, 1), tlp->d1);
	inner = switch_under(downstream(sw, 0), 1);
	with_ctrl(downstream(inner, 0), tlp->e0);
	a = endpoint_under(downstream(inner, 0));
	a->ats = true;
	b = endpoint_under(downstream(sw, 1));
	fabric_scan(fabric);
	route = oracle(a, b);
	if (!a->pdev->ats_enabled)
		expect_tlps(test, a, b, tlp->request, tlp->completion, NONE);
	if (!a->pdev->ats_enabled)
		KUNIT_ASSERT_EQ(test, 0, pci_enable_ats(a->pdev, PAGE_SHIFT));
	/* What the oracle says of the table */
	KUNIT_EXPECT_EQ(test, route.tlp[PCI_P2PDMA_TLP_TRANSLATED],
			tlp->translated);
	KUNIT_EXPECT_EQ(test, tlp->translated,
			pci_p2pdma_tlp_type(b->pdev, &a->pdev->dev,
					    PCI_P2PDMA_TLP_TRANSLATED));
	pci_disable_ats(a->pdev);
}

/* What ATS translates to is no bus address here, and may be somebody else's. */
static void route_tlps_offset(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = routing_host(fabric);
	struct pair pair = {};
	struct fabric_fn *sw;

	if (pci_ats_disabled())
		kunit_skip(test, "ATS is off");
	host->bus_offset = -(s64)SZ_16G;
	sw = switch_under(root_port(host), 2);
	pair.a = endpoint_under(downstream(sw, 0));
	pair.a->ats = true;
	pair.b = endpoint_under(downstream(sw, 1));
	fabric_scan(fabric);
	KUNIT_ASSERT_EQ(test, 0, pci_enable_ats(pair.a->pdev, PAGE_SHIFT));
	expect_tlps(test, pair.a, pair.b, BUS, BUS, NONE);
	pci_disable_ats(pair.a->pdev);
	KUNIT_EXPECT_EQ(test, NONE, pci_p2pdma_tlp_type(pair.b->pdev, NULL,
							PCI_P2PDMA_TLP_REQUEST));
}
#endif

static struct kunit_case route_cases[] = {
	KUNIT_CASE_PARAM(route_there, topology_gen_params),
	KUNIT_CASE_PARAM(route_mirrored, topology_gen_params),
#ifdef CONFIG_PCI_ATS
	KUNIT_CASE_PARAM(route_tlps, tlp_gen_params),
	KUNIT_CASE(route_tlps_offset),
#endif
	{ }
};

static struct kunit_suite route_suite = {
	.name = "p2pdma_route",
	.test_cases = route_cases,
};

kunit_test_suite(route_suite);

MODULE_DESCRIPTION("KUnit tests of the routes of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
