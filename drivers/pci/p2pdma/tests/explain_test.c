// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: explain.c.  What a person reads, word by word, and whether it is true:
 * whoever does what is said has what was asked for.
 *
 * Segments, buses and devices are numbered in the order in which a fabric is
 * built, so that addresses can stand here as they are printed.
 */
#include <kunit/test.h>
#include <linux/pci.h>
#include <linux/processor.h>

#include "explain_test.h"
#include "provider.h"
#include "topologies.h"

/* Intel's Broadwell-EP, on which people have tried it */
#define BROADWELL	0x6f00

static void not_on_amd(struct kunit *test)
{
#ifdef CONFIG_X86
	if (boot_cpu_data.x86_vendor == X86_VENDOR_AMD &&
	    boot_cpu_data.x86 >= 0x17)
		kunit_skip(test, "this CPU's root complex routes everything");
#endif
}

static struct fabric_host *host_of(struct fabric *fabric, u16 device)
{
	struct fabric_host *host = host_bridge(fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, device);
	return host;
}

/* A switch at the first root port, with an endpoint at each of its two ports */
static struct fabric_fn *pair_of(struct fabric_host *host, struct pair *pair)
{
	struct fabric_fn *sw = switch_under(root_port(host), 2);

	pair->a = endpoint_under(downstream(sw, 0));
	pair->b = endpoint_under(downstream(sw, 1));
	return sw;
}

/* ---- pictures: from a to b ---- */

/*
 *	root port 00:01.0		the root complex is unknown
 *	    |
 *	upstream 01:00.0
 *	  /           \
 *	02:00.0      02:01.0		both redirect everything
 *	|             |
 *	a             b
 */
static void both_ends(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = pair_of(host_of(fabric, BROADWELL), pair);

	with_acs(downstream(sw, 0), PCI_ACS_RR | PCI_ACS_CR);
	with_acs(downstream(sw, 1), PCI_ACS_RR | PCI_ACS_CR);
}

/* The same, in a root complex that routes: a detour */
static void detour(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = pair_of(host_of(fabric, ROUTES_ANYWHERE), pair);

	with_acs(downstream(sw, 0), PCI_ACS_RR | PCI_ACS_CR);
	with_acs(downstream(sw, 1), PCI_ACS_RR | PCI_ACS_CR);
}

/* The same; only completions make it */
static void completions(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = pair_of(host_of(fabric, BROADWELL), pair);

	with_acs(downstream(sw, 1), PCI_ACS_CR);
}

/* The same; a's port may not send to b's */
static void drops(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = pair_of(host_of(fabric, ROUTES_ANYWHERE), pair);

	with_acs(downstream(sw, 0), PCI_ACS_EC);
	forbid(downstream(sw, 0), downstream(sw, 1));
}

/* The same, without any ACS */
static void direct(struct fabric *fabric, struct pair *pair)
{
	pair_of(host_of(fabric, BROADWELL), pair);
}

/*
 *	root port 00:01.0
 *	    |
 *	upstream 01:00.0
 *	    |
 *	02:00.0			SV, does not forward
 *	    |
 *	upstream 03:00.0
 *	  /           \
 *	04:00.0      04:01.0	redirects
 *	|             |
 *	a             b
 */
static void not_forwarded(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *outer, *sw;

	outer = switch_under(root_port(host_of(fabric, ROUTES_ANYWHERE)), 1);
	with_acs(downstream(outer, 0), PCI_ACS_SV);
	sw = switch_under(downstream(outer, 0), 2);
	with_acs(downstream(sw, 0), PCI_ACS_RR);
	pair->a = endpoint_under(downstream(sw, 0));
	pair->b = endpoint_under(downstream(sw, 1));
}

/* The same; the port above has no ACS at all, so nothing makes it forward */
static void cannot_forward(struct fabric *fabric, struct pair *pair)
{
	not_forwarded(fabric, pair);
	pair->a->bus->bridge->bus->bridge->bus->bridge->acs = false;
}

/*
 *	00:01.0   00:02.0
 *	   |         |
 *	   a         b
 */
static void unknown_root(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_of(fabric, BROADWELL);

	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(host));
}

/* The same; at 00:00.0 is an ordinary device, and no host bridge anywhere */
static void nameless_root(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);

	root_endpoint(host)->type = FABRIC_CONVENTIONAL;
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(host));
}

/* Two segments; the second host bridge keeps to itself */
static void within(struct fabric *fabric, struct pair *pair)
{
	pair->a = endpoint_under(root_port(host_of(fabric, ROUTES_ANYWHERE)));
	pair->b = endpoint_under(root_port(host_of(fabric, ROUTES_WITHIN)));
}

/* Two segments; both are unknown, and not the same */
static void two_unknown(struct fabric *fabric, struct pair *pair)
{
	pair->a = endpoint_under(root_port(host_of(fabric, BROADWELL)));
	pair->b = endpoint_under(root_port(host_of(fabric, ROUTES_UNKNOWN)));
}

/* Two functions of one device, below a root port */
static void functions(struct fabric *fabric, struct pair *pair)
{
	pair->a = endpoint_under(root_port(host_of(fabric, BROADWELL)));
	pair->b = function_beside(pair->a);
}

/* The same, but the second one could, and redirects: to change that is of no use. */
static void one_isolated(struct fabric *fabric, struct pair *pair)
{
	functions(fabric, pair);
	with_acs(pair->b, PCI_ACS_RR | PCI_ACS_CR);
}

/*
 *	root port
 *	    |
 *	 upstream
 *	    |
 *	downstream	not one of 18 forwards
 *	    .
 *	  /    \
 *	redirects
 *	|        |
 *	a        b
 */
static void eighteen(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = root_port(host_of(fabric, ROUTES_ANYWHERE)), *sw;
	int i;

	for (i = 0; i < 18; i++) {
		port = downstream(switch_under(port, 1), 0);
		with_acs(port, 0);
	}
	sw = switch_under(port, 2);
	with_acs(downstream(sw, 0), PCI_ACS_RR);
	pair->a = endpoint_under(downstream(sw, 0));
	pair->b = endpoint_under(downstream(sw, 1));
}

#define UNLESS_SURE	"if it is sure that the root complex routes, "
#define ALL		"=reads+writes+between"
#define MOVE		"put both below one PCIe switch, or " UNLESS_SURE

static const struct words {
	const char *name;
	void (*build)(struct fabric *fabric, struct pair *pair);
	const char *policy;
	const char *why;
	const char *remedy;
} all_words[] = {
	{ "both_ends", both_ends, "",
	  "acs-redirect at fa00:02:00.0; fa00:02:00.0 redirects requests, fa00:02:01.0 redirects completions; host bridge 8086:6f00 is not known to route between its ports",
	  "pci=disable_acs_redir=fa00:02:00.0;fa00:02:01.0, or " UNLESS_SURE
	  "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "both_ends_after_policy", both_ends, "8086:6f00",
	  "acs-redirect at fa00:02:00.0; fa00:02:00.0 redirects requests, fa00:02:01.0 redirects completions; host bridge 8086:6f00 routes between its ports",
	  "pci=disable_acs_redir=fa00:02:00.0;fa00:02:01.0" },
	{ "detour", detour, "",
	  "acs-redirect at fa00:02:00.0; fa00:02:00.0 redirects requests, fa00:02:01.0 redirects completions; host bridge 8086:2030 routes between its ports",
	  "pci=disable_acs_redir=fa00:02:00.0;fa00:02:01.0" },
	{ "completions", completions, "",
	  "acs-redirect at fa00:02:01.0; fa00:02:01.0 redirects completions; host bridge 8086:6f00 is not known to route between its ports",
	  "pci=disable_acs_redir=fa00:02:01.0, or " UNLESS_SURE
	  "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "drops", drops, "",
	  "acs-blocked at fa00:02:00.0; fa00:02:00.0 drops requests",
	  "pci=disable_acs_redir=fa00:02:00.0" },
	{ "direct", direct, "", "same-switch at fa00:01:00.0", "" },
	{ "not_forwarded", not_forwarded, "",
	  "acs-blocked at fa00:02:00.0; fa00:04:00.0 redirects requests, fa00:02:00.0 does not forward upstream what is redirected below it; host bridge 8086:2030 routes between its ports",
	  "pci=disable_acs_redir=fa00:04:00.0, or pci=config_acs=0010001@fa00:02:00.0" },
	{ "cannot_forward", cannot_forward, "",
	  "acs-blocked at fa00:02:00.0; fa00:04:00.0 redirects requests, fa00:02:00.0 does not forward upstream what is redirected below it and has no control for it; host bridge 8086:2030 routes between its ports",
	  "pci=disable_acs_redir=fa00:04:00.0" },
	{ "unknown_root", unknown_root, "",
	  "root-complex-unknown at fa00:00:01.0; host bridge 8086:6f00 is not known to route between its ports",
	  MOVE "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "unknown_root_among_policies", unknown_root, "8086:2035=none",
	  "root-complex-unknown at fa00:00:01.0; host bridge 8086:6f00 is not known to route between its ports",
	  MOVE "pci_p2pdma.host_bridges=8086:2035=none,8086:6f00=reads+writes" },
	{ "unknown_root_among_many", unknown_root, "1:1,1:2,1:3,1:4,1:5",
	  "root-complex-unknown at fa00:00:01.0; host bridge 8086:6f00 is not known to route between its ports",
	  MOVE "in pci_p2pdma.host_bridges= as it is now, set 8086:6f00=reads+writes" },
	{ "forbidden_root", unknown_root, "8086:6f00=none",
	  "root-complex-forbidden at fa00:00:01.0; host bridge 8086:6f00 is set to none in pci_p2pdma.host_bridges=",
	  MOVE "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "reads_only", unknown_root, "8086:6f00=reads",
	  "root-complex-reads-only at fa00:00:01.0; host bridge 8086:6f00 routes reads only",
	  MOVE "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "within_by_policy", within, "8086:2f00=reads+writes,8086:2035=none",
	  "root-complex-differs at fa01:00:01.0; host bridge 8086:2030 routes between its ports; host bridge 8086:2f00 routes between its own ports only",
	  MOVE "pci_p2pdma.host_bridges=8086:2f00=reads+writes+between,8086:2035=none" },
	{ "nameless_root", nameless_root, "",
	  "root-complex-unknown at fa00:00:02.0; the host bridge, which no device stands for, is not known to route between its ports",
	  MOVE "(pci_p2pdma.host_bridges= cannot name a host bridge that no device stands for)" },
	{ "within", within, "",
	  "root-complex-differs at fa01:00:01.0; host bridge 8086:2030 routes between its ports; host bridge 8086:2f00 routes between its own ports only",
	  MOVE "pci_p2pdma.host_bridges=8086:2f00=reads+writes+between" },
	{ "two_unknown", two_unknown, "",
	  "root-complex-unknown at fa00:00:01.0; host bridge 8086:6f00 is not known to route between its ports; host bridge 8086:29c0 is not known to route between its ports",
	  MOVE "pci_p2pdma.host_bridges=8086:6f00" ALL ",8086:29c0" ALL },
	{ "one_isolated", one_isolated, "",
	  "functions-isolated at fa00:01:00.0; fa00:01:00.0 is not known to reach other functions of its device, fa00:01:00.1 redirects completions; host bridge 8086:6f00 is not known to route between its ports",
	  "use a client that is another device, or " UNLESS_SURE
	  "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
	{ "functions", functions, "",
	  "functions-isolated at fa00:01:00.0; fa00:01:00.0 is not known to reach other functions of its device, fa00:01:00.1 is not known to reach other functions of its device; host bridge 8086:6f00 is not known to route between its ports",
	  "use a client that is another device, or " UNLESS_SURE
	  "pci_p2pdma.host_bridges=8086:6f00=reads+writes" },
};

KUNIT_ARRAY_PARAM_DESC(words, all_words, name);

/* What is to be written into host_bridges= is taken, and is all that it takes. */
static void expect_pastable(struct kunit *test, const struct kernel_param *kp,
			    const struct pair *pair, const char *remedy)
{
	static const char param[] = "pci_p2pdma.host_bridges=";
	const char *value = strstr(remedy, param);
	struct p2pdma_verdict v;

	if (!value || strstr(remedy, "cannot name") ||
	    strstr(remedy, "as it is now"))
		return;
	KUNIT_EXPECT_EQ(test, 0, param_say(kp, value + strlen(param)));
	v = p2pdma_route(pair->a->pdev, pair->b->pdev);
	KUNIT_EXPECT_NE(test, v.map[P2PDMA_READ],
			PCI_P2PDMA_MAP_NOT_SUPPORTED);
	KUNIT_EXPECT_NE(test, v.map[P2PDMA_WRITE],
			PCI_P2PDMA_MAP_NOT_SUPPORTED);
}

static void explain_words(struct kunit *test)
{
	const struct kernel_param *kp = param_begin(test, "pci_p2pdma.host_bridges");
	const struct words *words = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct pair pair = {};

	not_on_amd(test);
	KUNIT_ASSERT_EQ(test, 0, param_say(kp, words->policy));
	words->build(fabric, &pair);
	fabric_scan(fabric);
	expect_words(test, pair.a, pair.b, words->why, words->remedy);
	expect_pastable(test, kp, &pair, words->remedy);
}

/* More ports than are named are counted. */
static void explain_many_ports(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct p2pdma_obstacles found;
	struct pair pair = {};
	struct explanation *explanation;

	eighteen(fabric, &pair);
	fabric_scan(fabric);
	explanation = explanation_of(test, pair.a, pair.b);
	KUNIT_EXPECT_NOT_NULL(test, strstr(explanation->why, " and 11 more"));
	p2pdma_route_obstacles(pair.a->pdev, pair.b->pdev, &found);
	KUNIT_EXPECT_EQ(test, found.num_ports, 19);
}

/* What there is no room for is not part of what is to be pasted. */
static void explain_more_ports(struct kunit *test)
{
	struct p2pdma_remedy *remedy;
	DECLARE_SEQ_BUF(text, P2PDMA_TEXT);
	unsigned int i;

	remedy = kunit_kzalloc(test, sizeof(*remedy), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, remedy);
	for (i = 0; i < P2PDMA_OBSTACLES; i++)
		remedy->clear[i].bdf = PCI_DEVID(2, i);
	remedy->num_clear = P2PDMA_OBSTACLES;
	p2pdma_remedy_print(&text, remedy);
	KUNIT_EXPECT_NULL(test, strstr(seq_buf_str(&text), "more"));
	remedy->num_clear++;
	seq_buf_clear(&text);
	p2pdma_remedy_print(&text, remedy);
	KUNIT_EXPECT_NOT_NULL(test, strstr(seq_buf_str(&text),
					   ";02:03.7 (and more)"));
}

/* Nor does anybody paste a part of an address as if it were one. */
static void explain_cut_off(struct kunit *test)
{
	static const char end[] = " (cut off)";
	struct p2pdma_remedy *remedy;
	DECLARE_SEQ_BUF(text, P2PDMA_TEXT);
	unsigned int i;

	remedy = kunit_kzalloc(test, sizeof(*remedy), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, remedy);
	for (i = 0; i < P2PDMA_OBSTACLES; i++) {
		remedy->forward[i].domain = 0x10000;
		remedy->forward[i].bdf = PCI_DEVID(2, i);
	}
	remedy->num_forward = P2PDMA_OBSTACLES / 2;
	p2pdma_remedy_print(&text, remedy);
	KUNIT_EXPECT_NULL(test, strstr(seq_buf_str(&text), "cut"));
	remedy->num_forward = P2PDMA_OBSTACLES;
	seq_buf_clear(&text);
	p2pdma_remedy_print(&text, remedy);
	KUNIT_EXPECT_EQ(test, strlen(seq_buf_str(&text)), P2PDMA_TEXT - 1);
	KUNIT_EXPECT_STREQ(test, seq_buf_str(&text) + P2PDMA_TEXT - sizeof(end),
			   end);
}

/* ---- does it help? ---- */

static void do_as_said(struct fabric *fabric, const struct p2pdma_obstacle *list,
		       unsigned int num, bool clear)
{
	struct fabric_fn *fn;
	unsigned int i;

	for (i = 0; i < num; i++) {
		list_for_each_entry(fn, &fabric->fns, node) {
			if (fn->pdev && pci_dev_id(fn->pdev) == list[i].bdf &&
			    pci_domain_nr(fn->pdev->bus) == list[i].domain)
				fabric_write_acs(fn, clear ? list[i].ctrl &
						 ~(PCI_ACS_RR | PCI_ACS_CR |
						   PCI_ACS_EC) : list[i].ctrl);
		}
	}
}

/*
 * All cases of route.c that are no bus address: after what is said about ACS
 * has been done, it is one, or what the root complex makes of it.
 */
static void explain_helps(struct kunit *test)
{
	const struct topology *topology;
	struct p2pdma_obstacles found;
	struct p2pdma_remedy remedy;
	struct p2pdma_verdict v;
	struct fabric *fabric;
	unsigned int mended = 0;

	not_on_amd(test);
	for (topology = topologies_switches; topology->name;
	     topology = topology[1].go_on ?: topology + 1) {
		struct pair pair = {};

		fabric = fabric_alloc(test);
		topology->build(fabric, &pair);
		if (pair.a->pf) {
			fabric_free(fabric);
			continue;
		}
		fabric_scan(fabric);
		v = p2pdma_route(pair.a->pdev, pair.b->pdev);
		p2pdma_route_obstacles(pair.a->pdev, pair.b->pdev, &found);
		memset(&remedy, 0, sizeof(remedy));
		p2pdma_remedy_add(&remedy, &v, &found);
		KUNIT_EXPECT_EQ_MSG(test, found.by_root,
				    v.map[P2PDMA_READ] != PCI_P2PDMA_MAP_BUS_ADDR,
				    "%s", topology->name);
		if (remedy.num_clear) {
			do_as_said(fabric, remedy.clear, remedy.num_clear, true);
			v = p2pdma_route(pair.a->pdev, pair.b->pdev);
			KUNIT_EXPECT_EQ_MSG(test, v.map[P2PDMA_READ],
					    found.no_switch ? HOST : BUS, "%s",
					    topology->name);
			mended++;
		} else if (remedy.num_forward) {
			do_as_said(fabric, remedy.forward, remedy.num_forward, false);
			v = p2pdma_route(pair.a->pdev, pair.b->pdev);
			KUNIT_EXPECT_EQ_MSG(test, v.map[P2PDMA_READ], HOST, "%s",
					    topology->name);
			mended++;
		}
		fabric_free(fabric);
	}
	KUNIT_EXPECT_GE(test, mended, 15);
}

/*
 * What is said can be put on the kernel's command line as it is said.  The lab
 * does that, and finds another verdict here in the next boot.
 */
static void explain_pasted(struct kunit *test)
{
	static const struct {
		const char *name;
		void (*build)(struct fabric *fabric, struct pair *pair);
	} pictures[] = {
		{ "both_ends", both_ends },
		{ "drops", drops },
		{ "not_forwarded", not_forwarded },
	};
	static const char * const types[] = {
		[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= "none",
		[PCI_P2PDMA_MAP_BUS_ADDR]		= "bus-addr",
		[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= "host-bridge",
	};
	struct fabric *fabric;
	struct explanation *explanation;
	int i;

	not_on_amd(test);
	for (i = 0; i < ARRAY_SIZE(pictures); i++) {
		struct pair pair = {};

		fabric = fabric_alloc(test);
		pictures[i].build(fabric, &pair);
		fabric_scan(fabric);
		explanation = explanation_of(test, pair.a, pair.b);
		kunit_info(test, "%s is %s: %s", pictures[i].name,
			   types[explanation->verdict.map[P2PDMA_READ]],
			   explanation->remedy);
		KUNIT_EXPECT_EQ(test, !explanation->remedy[0],
				explanation->verdict.map[P2PDMA_READ] == BUS);
		fabric_free(fabric);
	}
}

static struct kunit_case explain_cases[] = {
	KUNIT_CASE_PARAM(explain_words, words_gen_params),
	KUNIT_CASE(explain_many_ports),
	KUNIT_CASE(explain_more_ports),
	KUNIT_CASE(explain_cut_off),
	KUNIT_CASE(explain_helps),
	KUNIT_CASE(explain_pasted),
	{ }
};

static struct kunit_suite explain_suite = {
	.name = "p2pdma_explain",
	.test_cases = explain_cases,
};

kunit_test_suite(explain_suite);

MODULE_DESCRIPTION("KUnit tests of what is said about routes");
MODULE_LICENSE("GPL");
