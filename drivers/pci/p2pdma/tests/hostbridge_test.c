// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: hostbridge.c.  Which root complexes route between their ports, and
 * which device speaks for one.
 *
 * On a CPU whose root complex routes whatever its ids are (AMD since Zen)
 * nothing can be told apart: these cases are skipped there.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/processor.h>

#include "fabric.h"

#define INTEL	PCI_VENDOR_ID_INTEL
#define NVIDIA	PCI_VENDOR_ID_NVIDIA
#define ZHAOXIN	PCI_VENDOR_ID_ZHAOXIN
#define GOOGLE	0x1ae0

/* Not on the list, and of no driver */
#define UNKNOWN	0x29c0
#define KNOWN	0x2030

static const struct root_id {
	const char *name;
	u16 vendor;
	u16 device;
	enum fabric_routes routes;
} root_ids[] = {
	{ "8086:3c00", INTEL, 0x3c00, FABRIC_ROUTES_WITHIN },
	{ "8086:3c01", INTEL, 0x3c01, FABRIC_ROUTES_WITHIN },
	{ "8086:2f00", INTEL, 0x2f00, FABRIC_ROUTES_WITHIN },
	{ "8086:2f01", INTEL, 0x2f01, FABRIC_ROUTES_WITHIN },
	{ "8086:2030", INTEL, 0x2030, FABRIC_ROUTES_ANYWHERE },
	{ "8086:2031", INTEL, 0x2031, FABRIC_ROUTES_ANYWHERE },
	{ "8086:2032", INTEL, 0x2032, FABRIC_ROUTES_ANYWHERE },
	{ "8086:2033", INTEL, 0x2033, FABRIC_ROUTES_ANYWHERE },
	{ "8086:2020", INTEL, 0x2020, FABRIC_ROUTES_ANYWHERE },
	{ "8086:09a2", INTEL, 0x09a2, FABRIC_ROUTES_ANYWHERE },
	{ "10de:2f95", NVIDIA, 0x2f95, FABRIC_ROUTES_ANYWHERE },
	{ "10de:2f96", NVIDIA, 0x2f96, FABRIC_ROUTES_ANYWHERE },
	{ "10de:2f97", NVIDIA, 0x2f97, FABRIC_ROUTES_ANYWHERE },
	{ "10de:2f98", NVIDIA, 0x2f98, FABRIC_ROUTES_ANYWHERE },
	{ "1d17:1003", ZHAOXIN, 0x1003, FABRIC_ROUTES_WITHIN },
	{ "1d17:1005", ZHAOXIN, 0x1005, FABRIC_ROUTES_WITHIN },
	{ "1d17:1006", ZHAOXIN, 0x1006, FABRIC_ROUTES_WITHIN },
	{ "1d17:1007", ZHAOXIN, 0x1007, FABRIC_ROUTES_WITHIN },
	{ "1d17:1008", ZHAOXIN, 0x1008, FABRIC_ROUTES_ANYWHERE },
	{ "1ae0:0001", GOOGLE, 0x0001, FABRIC_ROUTES_ANYWHERE },
	{ "1ae0:fffe", GOOGLE, 0xfffe, FABRIC_ROUTES_ANYWHERE },
	{ "8086:29c0", INTEL, UNKNOWN, FABRIC_ROUTES_NOTHING },
	{ "8086:2034", INTEL, 0x2034, FABRIC_ROUTES_NOTHING },
	{ "10de:2030", NVIDIA, 0x2030, FABRIC_ROUTES_NOTHING },
};

KUNIT_ARRAY_PARAM_DESC(root_id, root_ids, name);

static void not_on_amd(struct kunit *test)
{
#ifdef CONFIG_X86
	if (boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	    boot_cpu_data.x86 >= 0x17)
		kunit_skip(test, "this CPU's root complex routes everything");
#endif
}

static void expect_route(struct kunit *test, struct fabric_fn *from,
			 struct fabric_fn *to, enum p2pdma_reason reason)
{
	struct p2pdma_verdict v = p2pdma_route(from->pdev, to->pdev);
	u8 map = reason == P2PDMA_REASON_ROOT_COMPLEX ?
		 PCI_P2PDMA_MAP_THRU_HOST_BRIDGE : PCI_P2PDMA_MAP_NOT_SUPPORTED;

	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], map);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], map);
	KUNIT_EXPECT_STREQ(test, p2pdma_reason_names[v.reason],
			   p2pdma_reason_names[reason]);
}

/*
 *	host bridge 0      host bridge 1	host bridge 2
 *	 |        |		|		     |
 *	 rp      rp		rp		     rp
 *	 |        |		|		     |
 *	 a        b		c		     d
 *	  one segment with the one beside it	another segment
 */
static void hostbridge_ids(struct kunit *test)
{
	const struct root_id *id = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	enum p2pdma_reason within, between;
	struct fabric_fn *a, *b, *c, *d;
	struct fabric_host *host[3];
	int i;

	not_on_amd(test);
	host[0] = host_bridge(fabric);
	host[1] = host_bridge_beside(host[0]);
	host[2] = host_bridge(fabric);
	for (i = 0; i < ARRAY_SIZE(host); i++)
		root_device(host[i], id->vendor, id->device);
	a = endpoint_under(root_port(host[0]));
	b = endpoint_under(root_port(host[0]));
	c = endpoint_under(root_port(host[1]));
	d = endpoint_under(root_port(host[2]));
	fabric_scan(fabric);

	within = id->routes == FABRIC_ROUTES_NOTHING ?
		 P2PDMA_REASON_ROOT_UNKNOWN : P2PDMA_REASON_ROOT_COMPLEX;
	between = id->routes == FABRIC_ROUTES_WITHIN ?
		  P2PDMA_REASON_ROOT_DIFFERS : within;
	expect_route(test, a, b, within);
	expect_route(test, a, c, between);
	expect_route(test, c, a, between);
	expect_route(test, a, d, between);
	expect_route(test, d, c, between);
}

/* Both host bridges have a say. */
static void hostbridge_pairs(struct kunit *test)
{
	static const u16 ids[] = { UNKNOWN, 0x2f00, KNOWN };
	static const enum p2pdma_reason expected[3][3] = {
		{ P2PDMA_REASON_ROOT_UNKNOWN, P2PDMA_REASON_ROOT_UNKNOWN,
		  P2PDMA_REASON_ROOT_UNKNOWN },
		{ P2PDMA_REASON_ROOT_UNKNOWN, P2PDMA_REASON_ROOT_DIFFERS,
		  P2PDMA_REASON_ROOT_DIFFERS },
		{ P2PDMA_REASON_ROOT_UNKNOWN, P2PDMA_REASON_ROOT_DIFFERS,
		  P2PDMA_REASON_ROOT_COMPLEX },
	};
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *from[3], *to[3];
	struct fabric_host *host;
	int i, j;

	not_on_amd(test);
	for (i = 0; i < 3; i++) {
		host = host_bridge(fabric);
		root_device(host, INTEL, ids[i]);
		from[i] = endpoint_under(root_port(host));
		host = host_bridge(fabric);
		root_device(host, INTEL, ids[i]);
		to[i] = endpoint_under(root_port(host));
	}
	fabric_scan(fabric);
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 3; j++)
			expect_route(test, from[i], to[j], expected[i][j]);
	}
}

/* Without 00.0 the first root port stands for the host bridge. */
static void hostbridge_first_root_port(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *a, *b, *c, *d, *rp;
	struct fabric_host *host;

	not_on_amd(test);
	host = host_bridge(fabric);
	rp = root_port(host);
	rp->vendor = INTEL;
	rp->device = KNOWN;
	a = endpoint_under(rp);
	b = endpoint_under(root_port(host));

	host = host_bridge(fabric);
	c = endpoint_under(root_port(host));
	rp = root_port(host);
	rp->vendor = INTEL;
	rp->device = KNOWN;
	d = endpoint_under(rp);
	fabric_scan(fabric);

	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	expect_route(test, b, a, P2PDMA_REASON_ROOT_COMPLEX);
	expect_route(test, c, d, P2PDMA_REASON_ROOT_UNKNOWN);
}

/* With one, nobody else does, be it known or not. */
static void hostbridge_device_zero(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *a, *b, *c, *d, *rp;
	struct fabric_host *host;

	not_on_amd(test);
	host = host_bridge(fabric);
	root_device(host, INTEL, UNKNOWN);
	rp = root_port(host);
	rp->vendor = INTEL;
	rp->device = KNOWN;
	a = endpoint_under(rp);
	b = endpoint_under(root_port(host));

	host = host_bridge(fabric);
	root_device(host, INTEL, KNOWN);
	c = endpoint_under(root_port(host));
	d = endpoint_under(root_port(host));
	fabric_scan(fabric);

	expect_route(test, a, b, P2PDMA_REASON_ROOT_UNKNOWN);
	expect_route(test, c, d, P2PDMA_REASON_ROOT_COMPLEX);
}

/*
 * What is known of a host bridge goes with the last device on its bus, no
 * earlier: another one in the same segment starts from nothing.  Mutations:
 * make p2pdma_hostbridge_forget() empty; let it forget with any device.
 */
static void hostbridge_forgotten(struct kunit *test)
{
	struct fabric_fn *a, *b, *zero;
	struct fabric_host *host;
	struct fabric *fabric;

	not_on_amd(test);
	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	zero = root_device(host, INTEL, KNOWN);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_unplug(zero);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_replug(zero);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_free(fabric);

	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_UNKNOWN);
}

static struct kunit_case hostbridge_cases[] = {
	KUNIT_CASE_PARAM(hostbridge_ids, root_id_gen_params),
	KUNIT_CASE(hostbridge_pairs),
	KUNIT_CASE(hostbridge_first_root_port),
	KUNIT_CASE(hostbridge_device_zero),
	KUNIT_CASE(hostbridge_forgotten),
	{ }
};

static struct kunit_suite hostbridge_suite = {
	.name = "p2pdma_hostbridge",
	.test_cases = hostbridge_cases,
};

kunit_test_suite(hostbridge_suite);

MODULE_DESCRIPTION("KUnit tests of what root complexes route");
MODULE_LICENSE("GPL");
