// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: route.c, topology by topology.
 *
 * Each case is a picture, and is asked in both directions: there, from a to
 * b, and mirrored.  Above a picture stands what it is about; the fault numbers
 * are those of faults that code of this kind has had.
 *
 * All root complexes here route between their ports, unless the name of the
 * case says otherwise.
 */
#include <kunit/test.h>
#include <linux/pci.h>

#include "fabric.h"

#define BUS	PCI_P2PDMA_MAP_BUS_ADDR
#define HOST	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE
#define NONE	PCI_P2PDMA_MAP_NOT_SUPPORTED

/* Intel's device ids of root complexes, see hostbridge.c */
#define ROUTES_ANYWHERE	0x2030
#define ROUTES_UNKNOWN	0x29c0

/* Two ends, and the port that decides in each direction; may be NULL */
struct pair {
	struct fabric_fn *a;
	struct fabric_fn *b;
	struct fabric_fn *there;
	struct fabric_fn *back;
};

struct expected {
	u8 read;
	u8 write;
	u8 reason;
	u16 distance;
};

struct topology {
	const char *name;
	void (*build)(struct fabric *fabric, struct pair *pair);
	struct expected there;
	struct expected back;
};

#define EXPECT(_read, _write, _reason, _distance) {			\
		.read = _read, .write = _write,				\
		.reason = P2PDMA_REASON_##_reason, .distance = _distance }

static struct fabric_host *routing_host(struct fabric *fabric)
{
	struct fabric_host *host = host_bridge(fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	return host;
}

/* A switch with two ports and an endpoint at each, under @port */
static struct fabric_fn *switch_pair(struct fabric_fn *port, struct pair *pair)
{
	struct fabric_fn *sw = switch_under(port, 2);

	pair->a = endpoint_under(downstream(sw, 0));
	pair->b = endpoint_under(downstream(sw, 1));
	pair->there = sw;
	pair->back = sw;
	return sw;
}

static struct fabric_fn *switch_of(struct fabric *fabric, struct pair *pair)
{
	return switch_pair(root_port(routing_host(fabric)), pair);
}

static void forbid(struct fabric_fn *in, struct fabric_fn *out)
{
	in->egress[out->port / 32] |= BIT(out->port % 32);
}

/* ---- one switch ---- */

/*
 *	root port
 *	    |
 *	endpoint a = b
 */
static void self(struct fabric *fabric, struct pair *pair)
{
	pair->a = endpoint_under(root_port(routing_host(fabric)));
	pair->b = pair->a;
}

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	d0      d1
 *	|        |
 *	a        b
 */
static void one_switch(struct fabric *fabric, struct pair *pair)
{
	switch_of(fabric, pair);
}

/* The same; d0 redirects requests. */
static void redirect_at_client(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
	with_acs(downstream(sw, 1), 0);
}

/* The same; the root complex is not known to route. */
static void redirect_unknown_root(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw = switch_pair(root_port(host), pair);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
}

/* The same; d1 redirects completions: nothing changes for writes to b. */
static void completion_redirect(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 1), PCI_ACS_CR);
}

/* The same; with an IOMMU in use the kernel sets these at both ports. */
static void redirect_everything(struct fabric *fabric, struct pair *pair)
{
	const u16 ctrl = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), ctrl);
	pair->back = with_acs(downstream(sw, 1), ctrl);
}

/* The same; source validation etc. change nothing for a peer request. */
static void other_controls(struct fabric *fabric, struct pair *pair)
{
	const u16 ctrl = PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_UF | PCI_ACS_DT;
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), ctrl);
	with_acs(downstream(sw, 1), ctrl);
}

/*
 * The same; d0 has egress control, and lets requests to d1 pass.  Fault 11:
 * egress control alone taken for redirect.  Mutation: return REDIRECT in
 * p2pdma_acs_request() wherever PCI_ACS_EC is set.
 */
static void egress_allowed(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), PCI_ACS_EC);
}

/*
 * The same; it forbids them.  Fault 11: vector ignored.  Mutation: return
 * false in egress_forbidden().
 */
static void egress_forbidden(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_EC);
	forbid(downstream(sw, 0), downstream(sw, 1));
}

/* The same; what it forbids, it redirects. */
static void egress_redirects(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_EC | PCI_ACS_RR);
	forbid(downstream(sw, 0), downstream(sw, 1));
}

/* The same; it would redirect, but does not forbid. */
static void egress_spares(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), PCI_ACS_EC | PCI_ACS_RR);
	forbid(downstream(sw, 0), downstream(sw, 0));
}

/* ---- the cases ---- */

static const struct topology topologies[] = {
	{ "self", self,
	  EXPECT(BUS, BUS, SELF, 0), EXPECT(BUS, BUS, SELF, 0) },
	{ "one switch", one_switch,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect at a's port", redirect_at_client,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect at a's port, unknown root complex",
	  redirect_unknown_root,
	  EXPECT(NONE, NONE, ACS_REDIRECT, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, completion redirect at b's port", completion_redirect,
	  EXPECT(HOST, BUS, ACS_REDIRECT, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect as behind an IOMMU", redirect_everything,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4),
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4) },
	{ "one switch, ACS controls other than redirect", other_controls,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control allows", egress_allowed,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control forbids", egress_forbidden,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control redirects", egress_redirects,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control spares from redirect", egress_spares,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
};

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

static void route_there(struct kunit *test)
{
	const struct topology *topology = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct pair pair = {};

	topology->build(fabric, &pair);
	fabric_scan(fabric);
	expect(test, pair.a, pair.b, &topology->there, pair.there);
}

static void route_mirrored(struct kunit *test)
{
	const struct topology *topology = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct pair pair = {};

	topology->build(fabric, &pair);
	fabric_scan(fabric);
	expect(test, pair.b, pair.a, &topology->back, pair.back);
}

KUNIT_ARRAY_PARAM_DESC(topology, topologies, name);

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
