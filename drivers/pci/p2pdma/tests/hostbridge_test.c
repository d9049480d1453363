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
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fabric.h"
#include "provider.h"

#define INTEL	PCI_VENDOR_ID_INTEL
#define NVIDIA	PCI_VENDOR_ID_NVIDIA
#define ZHAOXIN	PCI_VENDOR_ID_ZHAOXIN
#define GOOGLE	0x1ae0

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
	{ "8086:0b25", INTEL, 0x0b25, FABRIC_ROUTES_ANYWHERE },
	{ "8086:0cfe", INTEL, 0x0cfe, FABRIC_ROUTES_ANYWHERE },
	{ "8086:11fb", INTEL, 0x11fb, FABRIC_ROUTES_ANYWHERE },
	{ "8086:1212", INTEL, 0x1212, FABRIC_ROUTES_ANYWHERE },
	{ "8086:1216", INTEL, 0x1216, FABRIC_ROUTES_ANYWHERE },
	{ "8086:4940", INTEL, 0x4940, FABRIC_ROUTES_ANYWHERE },
	{ "8086:4942", INTEL, 0x4942, FABRIC_ROUTES_ANYWHERE },
	{ "8086:4944", INTEL, 0x4944, FABRIC_ROUTES_ANYWHERE },
	{ "8086:4946", INTEL, 0x4946, FABRIC_ROUTES_ANYWHERE },
	{ "8086:4948", INTEL, 0x4948, FABRIC_ROUTES_ANYWHERE },
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
	{ "8086:29c0", INTEL, ROUTES_UNKNOWN, FABRIC_ROUTES_NOTHING },
	{ "8086:2034", INTEL, 0x2034, FABRIC_ROUTES_NOTHING },
	{ "10de:2030", NVIDIA, 0x2030, FABRIC_ROUTES_NOTHING },
	{ "8086:6f00", INTEL, 0x6f00, FABRIC_ROUTES_NOTHING },
};

KUNIT_ARRAY_PARAM_DESC(root_id, root_ids, name);

/* What the administrator says from now on holds until the test ends. */
static const struct kernel_param *policy_begin(struct kunit *test)
{
	return param_begin(test, "pci_p2pdma.host_bridges");
}

static bool on_amd(void)
{
#ifdef CONFIG_X86
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	       boot_cpu_data.x86 >= 0x17;
#else
	return false;
#endif
}

static void not_on_amd(struct kunit *test)
{
	if (on_amd())
		kunit_skip(test, "this CPU's root complex routes everything");
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

/*
 *	bridge 0  bridge 1  bridge 2  bridge 3	bridge 4  bridge 5
 *	unknown	  unknown   within    within	anywhere  anywhere
 *	   |	     |	       |	 |	   |	     |
 *	   rp	     rp	       rp	 rp	   rp	     rp
 *	   |	     |	       |	 |	   |	     |
 *	from 0	    to 0    from 1	to 1	from 2	    to 2
 *
 * Each in a segment of its own; both host bridges have a say.
 */
static void hostbridge_pairs(struct kunit *test)
{
	static const u16 ids[] = { ROUTES_UNKNOWN, 0x2f00, ROUTES_ANYWHERE };
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

/* Device ids of Intel, or 0 for no device, or one that is none of theirs */
struct root_bus {
	u16 zero;
	u16 ports[2];
	u16 endpoint;
};

/*
 *	   root bus
 *	 /    |   \   \
 *	zero  |    rp   rp
 *	      |    |    |
 *	endpoint   a    b
 */
static void two_ports(struct fabric *fabric, const struct root_bus *ids,
		      struct fabric_fn *ends[2])
{
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *endpoint, *rp;
	int i;

	if (ids->zero)
		root_device(host, INTEL, ids->zero);
	if (ids->endpoint) {
		endpoint = root_endpoint(host);
		endpoint->vendor = INTEL;
		endpoint->device = ids->endpoint;
	}
	for (i = 0; i < 2; i++) {
		rp = root_port(host);
		if (ids->ports[i]) {
			rp->vendor = INTEL;
			rp->device = ids->ports[i];
		}
		ends[i] = endpoint_under(rp);
	}
}

/*
 * Device 00.0 stands for the host bridge, and nobody else, be it known or not.
 * Without one the first device does, if it is a root port or in the root
 * complex: buses of accelerators have nothing else.
 */
static void hostbridge_who_stands(struct kunit *test)
{
	static const struct {
		struct root_bus bus;
		enum p2pdma_reason reason;
	} cases[] = {
		{ { 0, { ROUTES_ANYWHERE, 0 } }, P2PDMA_REASON_ROOT_COMPLEX },
		{ { 0, { 0, ROUTES_ANYWHERE } }, P2PDMA_REASON_ROOT_UNKNOWN },
		{ { ROUTES_UNKNOWN, { ROUTES_ANYWHERE, 0 } }, P2PDMA_REASON_ROOT_UNKNOWN },
		{ { ROUTES_ANYWHERE, { 0, 0 } }, P2PDMA_REASON_ROOT_COMPLEX },
		{ { 0, { 0, 0 }, ROUTES_ANYWHERE }, P2PDMA_REASON_ROOT_COMPLEX },
		{ { 0, { ROUTES_ANYWHERE, 0 }, ROUTES_UNKNOWN }, P2PDMA_REASON_ROOT_UNKNOWN },
		{ { ROUTES_UNKNOWN, { 0, 0 }, ROUTES_ANYWHERE }, P2PDMA_REASON_ROOT_UNKNOWN },
	};
	struct fabric_fn *ends[ARRAY_SIZE(cases)][2];
	struct fabric *fabric = fabric_alloc(test);
	int i;

	not_on_amd(test);
	for (i = 0; i < ARRAY_SIZE(cases); i++)
		two_ports(fabric, &cases[i].bus, ends[i]);
	fabric_scan(fabric);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		expect_route(test, ends[i][0], ends[i][1], cases[i].reason);
		expect_route(test, ends[i][1], ends[i][0], cases[i].reason);
	}
}

/*
 *	 root bus
 *	 |   |   \
 *	 |   rp  rp
 *	 |   |   |
 *	NIC  a   b
 *
 * A function in the root complex that is the first on its bus stands for it if
 * its id is listed, or the administrator names it.  That all root complexes of
 * a vendor route does not make its network card one.
 */
static void hostbridge_virtual_nic(struct kunit *test)
{
	const struct kernel_param *kp = policy_begin(test);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *nic = root_endpoint(host), *a, *b;

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	nic->vendor = GOOGLE;
	nic->device = 0x0042;
	nic->class = PCI_CLASS_NETWORK_ETHERNET << 8;
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_UNKNOWN);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "1ae0:0042"));
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
}

/*
 *	   root bus		and then, in the same segment
 *	 /    |    \		    /	  |    \
 *	zero  rp   rp	conventional	  rp   rp
 *	      |    |			  |    |
 *	      a    b			  a    b
 *
 * What is known of a host bridge goes with the last device on its bus, no
 * earlier: another one in the same segment starts from nothing.
 */
static void hostbridge_forgotten(struct kunit *test)
{
	struct fabric_fn *a, *b, *zero;
	struct fabric_host *host;
	struct fabric *fabric;

	not_on_amd(test);
	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	zero = root_device(host, INTEL, ROUTES_ANYWHERE);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_unplug(zero);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_replug(zero);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_COMPLEX);
	fabric_free(fabric);

	/* A bus that nobody stands for: the first on it is no part of the root */
	fabric = fabric_alloc(test);
	host = host_bridge(fabric);
	root_endpoint(host)->type = FABRIC_CONVENTIONAL;
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_UNKNOWN);
}

/* ---- the administrator's policy ---- */

/* In none of our tables, nor of the machine's that this runs on */
#define OTHER	0x2035

#define NO	PCI_P2PDMA_MAP_NOT_SUPPORTED
#define YES	PCI_P2PDMA_MAP_THRU_HOST_BRIDGE

/*
 * @text comes back as @said.  What it makes of two ports of a host bridge with
 * device id OTHER, which nothing is known of, and of ROUTES_ANYWHERE: reads, writes.
 */
static const struct policy_case {
	const char *name;
	const char *text;
	const char *said;
	u8 other[2];
	u8 known[2];
	bool between;
} policy_cases[] = {
	{ "nothing", "", "", { NO, NO }, { YES, YES } },
	{ "both", "8086:2035", "8086:2035=reads+writes", { YES, YES },
	  { YES, YES } },
	{ "reads", "8086:2035=reads", "8086:2035=reads", { YES, NO },
	  { YES, YES } },
	{ "writes", "8086:2035=writes", "8086:2035=writes", { NO, YES },
	  { YES, YES } },
	{ "between", "8086:2035=between+writes+reads",
	  "8086:2035=reads+writes+between", { YES, YES }, { YES, YES }, true },
	{ "none_of_what_is_known", "8086:2030=none", "8086:2030=none",
	  { NO, NO }, { NO, NO } },
	{ "less_of_what_is_known", "8086:2030=reads", "8086:2030=reads",
	  { NO, NO }, { YES, NO } },
	{ "another_vendor", "10de:2035,1af4:2030=none",
	  "10de:2035=reads+writes,1af4:2030=none", { NO, NO }, { YES, YES } },
	{ "another_device", "8086:2036,8086:2037=none",
	  "8086:2036=reads+writes,8086:2037=none", { NO, NO }, { YES, YES } },
	{ "several", " 1:1,8086:2030=none,8086:2035=writes\n",
	  "0001:0001=reads+writes,8086:2030=none,8086:2035=writes",
	  { NO, YES }, { NO, NO } },
};

KUNIT_ARRAY_PARAM_DESC(policy, policy_cases, name);

static void expect_maps(struct kunit *test, struct fabric_fn *from,
			struct fabric_fn *to, const u8 maps[2])
{
	struct p2pdma_verdict v = p2pdma_route(from->pdev, to->pdev);

	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], maps[0]);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], maps[1]);
	if (maps[0] != maps[1])
		KUNIT_EXPECT_EQ(test, v.reason, maps[0] == YES ?
				P2PDMA_REASON_ROOT_READS :
				P2PDMA_REASON_ROOT_WRITES);
}

/*
 *	bridge 0: OTHER		bridge 1: OTHER		bridge 2: ROUTES_ANYWHERE
 *	   |     |		   |     |		   |     |
 *	   rp    rp		   rp    rp		   rp    rp
 *
 * It holds for bridges that are there already, and for those that come.
 */
static void hostbridge_policy(struct kunit *test)
{
	static const struct root_bus other = { OTHER }, known = { ROUTES_ANYWHERE };
	const struct policy_case *policy = test->param_value;
	const struct kernel_param *kp = policy_begin(test);
	struct fabric_fn *first[2], *second[2], *third[2];
	struct fabric *fabric = fabric_alloc(test);
	static const u8 never[2] = { NO, NO };

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	two_ports(fabric, &other, first);
	fabric_scan(fabric);
	expect_maps(test, first[0], first[1], never);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, policy->text));
	KUNIT_EXPECT_STREQ(test, param_said(test, kp), policy->said);
	expect_maps(test, first[0], first[1], policy->other);

	two_ports(fabric, &other, second);
	two_ports(fabric, &known, third);
	fabric_scan(fabric);
	expect_maps(test, second[0], second[1], policy->other);
	expect_maps(test, third[0], third[1], policy->known);
	/* What is known routes unless somebody said that it does not. */
	if (policy->known[0] == NO && policy->known[1] == NO)
		expect_route(test, third[0], third[1],
			     P2PDMA_REASON_ROOT_FORBIDDEN);
	expect_maps(test, first[0], second[0],
		    policy->between ? policy->other : never);

	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	KUNIT_EXPECT_STREQ(test, param_said(test, kp), "");
	expect_maps(test, second[0], second[1], never);
}

static void remove_peers(void *provider)
{
	p2pdma_peers_remove(provider);
}

/* What is cached of the routes goes with the policy. */
static void hostbridge_policy_cached(struct kunit *test)
{
	static const struct root_bus other = { OTHER };
	const struct kernel_param *kp = policy_begin(test);
	struct fabric *fabric = fabric_alloc(test);
	struct p2pdma_resource *res;
	struct p2pdma_verdict v;
	struct fabric_fn *ends[2];
	int i;

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	two_ports(fabric, &other, ends);
	fabric_scan(fabric);
	res = kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, res);
	res->pdev = ends[1]->pdev;
	res->start = pci_resource_start(res->pdev, 0);
	res->size = pci_resource_len(res->pdev, 0);
	p2pdma_peers_add(res);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove_peers,
							   res));
	/* The last three times it is cached. */
	for (i = 0; i < 6; i++) {
		v = p2pdma_peer_verdict(res, &ends[0]->pdev->dev);
		KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], i % 2 ? YES : NO);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
		KUNIT_ASSERT_EQ(test, 0, param_say(kp, i % 2 ? "" : "8086:2035"));
	}
}

/* What is said of a host bridge is obeyed also when its 00.0 has been removed. */
static void hostbridge_policy_later(struct kunit *test)
{
	static const struct {
		const char *say;
		enum p2pdma_reason reason;
	} steps[] = {
		{ "8086:2035=none", P2PDMA_REASON_ROOT_FORBIDDEN },
		{ "8086:2035", P2PDMA_REASON_ROOT_COMPLEX },
		{ "8086:2035=none", P2PDMA_REASON_ROOT_FORBIDDEN },
	};
	const struct kernel_param *kp = policy_begin(test);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *zero = root_device(host, INTEL, OTHER);
	struct fabric_fn *a = endpoint_under(root_port(host));
	struct fabric_fn *b = endpoint_under(root_port(host));
	int i, there;

	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:2035"));
	fabric_scan(fabric);
	for (there = 1; there >= 0; there--) {
		for (i = 0; i < ARRAY_SIZE(steps); i++) {
			KUNIT_ASSERT_EQ(test, 0, param_say(kp, steps[i].say));
			expect_route(test, a, b, steps[i].reason);
		}
		if (there)
			fabric_unplug(zero);
		/* The first on the bus is a root port now. */
		p2pdma_hostbridge_scan();
		expect_route(test, a, b, P2PDMA_REASON_ROOT_FORBIDDEN);
	}
	fabric_replug(zero);
	expect_route(test, a, b, P2PDMA_REASON_ROOT_FORBIDDEN);
	fabric_unplug(zero);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	expect_route(test, a, b, on_amd() ? P2PDMA_REASON_ROOT_COMPLEX :
					    P2PDMA_REASON_ROOT_UNKNOWN);
}

/* What cannot be understood changes nothing. */
static void hostbridge_policy_bad(struct kunit *test)
{
	static const char * const bad[] = {
		"8086", "8086:", ":2035", "8086:12345", "18086:2035", "g:1",
		"8086:2035=", "8086:2035=no", "8086:2035=between",
		"8086:2035=reads+", "8086:2035=reads,writes", "8086:2035=none+reads",
		"8086:2035,,8086:2036", ",", "8086:2035,", "8086:2035 =reads",
		/* Which of them would it be? */
		"8086:2035=reads,8086:2036,8086:2035=none", "1:1,1:1",
		/* 17 of them */
		"1:1,1:2,1:3,1:4,1:5,1:6,1:7,1:8,1:9,1:a,1:b,1:c,1:d,1:e,1:f,2:1,2:2",
	};
	const struct kernel_param *kp = policy_begin(test);
	char *text = kunit_kzalloc(test, 512, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:2035=reads"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ_MSG(test, -EINVAL, param_say(kp, bad[i]), "%s",
				    bad[i]);
		KUNIT_EXPECT_STREQ(test, param_said(test, kp), "8086:2035=reads");
	}
	/* An entry that has no end */
	strscpy(text, "8086:2035=reads", 512);
	for (i = 0; i < 60; i++)
		strlcat(text, "+reads", 512);
	KUNIT_EXPECT_EQ(test, -EINVAL, param_say(kp, text));
	/* Long, and nothing in it */
	memset(text, ' ', 500);
	text[500] = 0;
	KUNIT_EXPECT_EQ(test, 0, param_say(kp, text));
	KUNIT_EXPECT_STREQ(test, param_said(test, kp), "");
	/* As many as there may be */
	strscpy(text, bad[ARRAY_SIZE(bad) - 1], 512);
	text[strlen(text) - strlen(",2:2")] = 0;
	KUNIT_EXPECT_EQ(test, 0, param_say(kp, text));
}

/* ---- what firmware says ---- */

/*
 *	host bridge with a property	nobody stands for it
 *	   |     |			   |     |
 *	   rp    rp			   rp    rp
 *
 * It goes before the table and the CPU, and the administrator before it.
 */
static const struct firmware_case {
	const char *name;
	const char *words[4];
	u16 id;
	const char *policy;
	u8 maps[2];
	enum p2pdma_root_source source;
	bool above;
} firmware_cases[] = {
	{ "both", { "reads", "writes" }, OTHER, "", { YES, YES },
	  P2PDMA_ROOT_FIRMWARE },
	{ "writes", { "writes" }, OTHER, "", { NO, YES }, P2PDMA_ROOT_FIRMWARE },
	{ "none_of_what_is_known", { "none" }, ROUTES_ANYWHERE, "", { NO, NO },
	  P2PDMA_ROOT_FIRMWARE },
	{ "words_of_later", { "reads", "atomics" }, OTHER, "", { YES, NO },
	  P2PDMA_ROOT_FIRMWARE },
	{ "policy_goes_before", { "reads", "writes" }, OTHER, "8086:2035=none",
	  { NO, NO }, P2PDMA_ROOT_POLICY },
	{ "nobody_stands", { "reads", "writes" }, 0, "", { YES, YES },
	  P2PDMA_ROOT_FIRMWARE },
	{ "device_tree", { "reads", "writes" }, OTHER, "", { YES, YES },
	  P2PDMA_ROOT_FIRMWARE, .above = true },
};

KUNIT_ARRAY_PARAM_DESC(firmware, firmware_cases, name);

static void hostbridge_firmware(struct kunit *test)
{
	const struct firmware_case *firmware = test->param_value;
	const struct kernel_param *kp = policy_begin(test);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct p2pdma_root root;
	struct fabric_fn *a, *b;

	KUNIT_ASSERT_EQ(test, 0, param_say(kp, firmware->policy));
	host->firmware = firmware->words;
	host->firmware_above = firmware->above;
	if (firmware->id)
		root_device(host, INTEL, firmware->id);
	else
		root_function(host, FABRIC_CONVENTIONAL);
	a = endpoint_under(root_port(host));
	b = endpoint_under(root_port(host));
	fabric_scan(fabric);
	expect_maps(test, a, b, firmware->maps);
	p2pdma_hostbridge_get(a->bus->bridge->pdev, &root);
	KUNIT_EXPECT_EQ(test, root.source, firmware->source);
	KUNIT_EXPECT_EQ(test, root.has_id, !!firmware->id);
}

/* ---- out of memory ---- */

#if defined(CONFIG_FAILSLAB) && defined(CONFIG_X86)
/*
 * A bus that cannot be stored is refused, also where the CPU routes: the
 * administrator may have forbidden it.  Nothing is stored of that but that
 * it happened, once and for all.
 */
static bool happened;

/*
 * The first of them needs no memory: KUnit would not run the case again, where
 * allocations can fail, if all of it were skipped.  See kunit.sh of the lab.
 */
static const struct memory {
	const char *name;
	bool none;
} memories[] = {
	{ "enough" },
	{ "none", .none = true },
};

KUNIT_ARRAY_PARAM_DESC(memory, memories, name);

static void expect_root(struct kunit *test, struct pci_dev *pdev,
			enum p2pdma_reason expected)
{
	enum p2pdma_reason reason;
	struct pci_dev *decides;
	unsigned int routes;

	reason = p2pdma_hostbridge_routes(pdev, pdev, &routes, &decides);
	KUNIT_EXPECT_STREQ(test, p2pdma_reason_names[reason],
			   p2pdma_reason_names[expected]);
	KUNIT_EXPECT_EQ(test, routes, expected == P2PDMA_REASON_ROOT_COMPLEX ?
			P2PDMA_ROUTES_READS | P2PDMA_ROUTES_WRITES : 0);
}

/* Nothing else is on this bus, and so nothing is known of it without memory. */
static void hostbridge_no_memory(struct kunit *test)
{
	const struct memory *memory = test->param_value;
	const struct kernel_param *kp = policy_begin(test);
	struct fabric *fabric = fabric_alloc(test);
	struct pci_dev *pdev;
	struct fabric_fn *fn;
	void *probe;

	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:2035=none"));
	fn = root_device(host_bridge(fabric), INTEL, OTHER);
	fabric_scan(fabric);
	pdev = fn->pdev;
	fabric_cpu(test, true, 0x17);
	expect_root(test, pdev, P2PDMA_REASON_ROOT_FORBIDDEN);
	p2pdma_hostbridge_remove(pdev);
	expect_root(test, pdev, happened ? P2PDMA_REASON_ROOT_UNKNOWN :
					   P2PDMA_REASON_ROOT_COMPLEX);
	if (memory->none) {
		current->make_it_fail = 1;
		probe = kmalloc(1, GFP_KERNEL);
		if (!probe)
			p2pdma_hostbridge_add(pdev);
		current->make_it_fail = 0;
		kfree(probe);
		if (probe)
			kunit_skip(test, "nothing failed: see failslab/task-filter");
		happened = true;
		expect_root(test, pdev, P2PDMA_REASON_ROOT_UNKNOWN);
	}

	/* Learnt later, it is what it was said to be. */
	p2pdma_hostbridge_add(pdev);
	expect_root(test, pdev, P2PDMA_REASON_ROOT_FORBIDDEN);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, "8086:2035"));
	expect_root(test, pdev, P2PDMA_REASON_ROOT_COMPLEX);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, ""));
	expect_root(test, pdev, P2PDMA_REASON_ROOT_COMPLEX);
}
#endif

static struct kunit_case hostbridge_cases[] = {
	KUNIT_CASE_PARAM(hostbridge_ids, root_id_gen_params),
	KUNIT_CASE(hostbridge_pairs),
	KUNIT_CASE(hostbridge_who_stands),
	KUNIT_CASE(hostbridge_virtual_nic),
	KUNIT_CASE(hostbridge_forgotten),
	KUNIT_CASE_PARAM(hostbridge_policy, policy_gen_params),
	KUNIT_CASE(hostbridge_policy_cached),
	KUNIT_CASE(hostbridge_policy_later),
	KUNIT_CASE_PARAM(hostbridge_firmware, firmware_gen_params),
	KUNIT_CASE(hostbridge_policy_bad),
#if defined(CONFIG_FAILSLAB) && defined(CONFIG_X86)
	KUNIT_CASE_PARAM(hostbridge_no_memory, memory_gen_params),
#endif
	{ }
};

static struct kunit_suite hostbridge_suite = {
	.name = "p2pdma_hostbridge",
	.test_cases = hostbridge_cases,
};

kunit_test_suite(hostbridge_suite);

MODULE_DESCRIPTION("KUnit tests of what root complexes route");
MODULE_LICENSE("GPL");
