// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: acs.c.  Every combination of what a port can do, what of it is
 * enabled, and its egress vector, against PCIe r6.0, sec 6.12.
 */
#include <kunit/test.h>
#include <linux/pci.h>

#include "../../pci.h"
#include "fabric.h"

/*
 * Table 6-11, sec 6.12.3.1: what becomes of a peer request, by ACS P2P Request
 * Redirect, ACS P2P Egress Control and the bit in the egress vector.
 */
static const enum p2pdma_acs table_6_11[2][2][2] = {
	[0][0][0] = P2PDMA_ACS_DIRECT,
	[0][0][1] = P2PDMA_ACS_DIRECT,
	[0][1][0] = P2PDMA_ACS_DIRECT,
	[0][1][1] = P2PDMA_ACS_BLOCK,
	[1][0][0] = P2PDMA_ACS_REDIRECT,
	[1][0][1] = P2PDMA_ACS_REDIRECT,
	[1][1][0] = P2PDMA_ACS_DIRECT,
	[1][1][1] = P2PDMA_ACS_REDIRECT,
};

/* The function that requests enter by, and its sibling that they leave by */
struct siblings {
	struct fabric_fn *in;
	struct fabric_fn *out;
};

/*
 *	root complex
 *	 |        |
 *	in       out
 */
static struct siblings root_ports(struct fabric *fabric)
{
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *in = root_port(host);

	return (struct siblings){ in, root_port(host) };
}

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	in     out
 */
static struct siblings downstream_ports(struct fabric *fabric)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(host_bridge(fabric)), 2);
	return (struct siblings){ downstream(sw, 0), downstream(sw, 1) };
}

/*
 *	root port
 *	    |
 *	[in, out]	two functions of one device
 */
static struct siblings functions(struct fabric *fabric)
{
	struct fabric_fn *in;

	in = endpoint_under(root_port(host_bridge(fabric)));
	return (struct siblings){ in, function_beside(in) };
}

/*
 *	   root port
 *	       |
 *	[in = upstream, out]	a switch with an endpoint in its upstream device
 */
static struct siblings upstream_and_function(struct fabric *fabric)
{
	struct fabric_fn *in;

	in = switch_under(root_port(host_bridge(fabric)), 1);
	return (struct siblings){ in, function_beside(in) };
}

/*
 *	       root port
 *	           |
 *	[in = PCI bridge, out]
 */
static struct siblings bridge_and_function(struct fabric *fabric)
{
	struct fabric_fn *in;

	in = pci_bridge_under(root_port(host_bridge(fabric)));
	return (struct siblings){ in, function_beside(in) };
}

/*
 *	root complex
 *	    |
 *	[in, out]	two functions of one device in it
 */
static struct siblings root_functions(struct fabric *fabric)
{
	struct fabric_fn *in = root_endpoint(host_bridge(fabric));

	return (struct siblings){ in, function_beside(in) };
}

/*
 * Only a function that could redirect peer traffic is known to have any inside
 * its device (sec 6.12.1.2): it has to have both of these capabilities then.
 */
#define INSIDE	(PCI_ACS_RR | PCI_ACS_CR)

static const struct acs_kind {
	const char *name;
	struct siblings (*build)(struct fabric *fabric);
	u16 needs;
} acs_kinds[] = {
	{ "root port", root_ports, 0 },
	{ "downstream port", downstream_ports, 0 },
	{ "function", functions, INSIDE },
	{ "upstream port", upstream_and_function, INSIDE },
	{ "PCIe to PCI bridge", bridge_and_function, INSIDE },
	{ "function in the root complex", root_functions, INSIDE },
};

KUNIT_ARRAY_PARAM_DESC(acs_kind, acs_kinds, name);

/* Bit of the egress vector that stands for @fn, sec 7.7.11.4 */
static unsigned int vector_bit(const struct fabric_fn *fn)
{
	if (fn->type == PCI_EXP_TYPE_ROOT_PORT ||
	    fn->type == PCI_EXP_TYPE_DOWNSTREAM)
		return fn->port;
	return PCI_FUNC(fn->devfn);
}

/* Upstream Forwarding, sec 6.12.1.1 */
static bool forwards(const struct fabric_fn *fn, u16 cap, u16 ctrl)
{
	switch (fn->type) {
	case PCI_EXP_TYPE_DOWNSTREAM:
		return ctrl & PCI_ACS_UF;
	case PCI_EXP_TYPE_ROOT_PORT:
		return !(cap & PCI_ACS_UF) || ctrl & PCI_ACS_UF;
	default:
		return true;
	}
}

static void check(struct kunit *test, const struct acs_kind *kind,
		  const struct siblings *s, u16 cap, u16 ctrl, bool bit)
{
	enum p2pdma_acs request, completion;
	unsigned int out = vector_bit(s->out);

	s->in->acs_cap = cap;
	s->in->acs_ctrl = ctrl;
	/* The bit, or all others */
	memset(s->in->egress, bit ? 0 : 0xff, sizeof(s->in->egress));
	s->in->egress[out / 32] ^= BIT(out % 32);
	fabric_config_acs(s->in);

	request = p2pdma_acs_request(s->in->pdev, s->out->pdev);
	completion = p2pdma_acs_completion(s->in->pdev);
	if ((cap & kind->needs) != kind->needs) {
		KUNIT_ASSERT_EQ_MSG(test, request, P2PDMA_ACS_NOT_ROUTED,
				    "cap %#x ctrl %#x", cap, ctrl);
		KUNIT_ASSERT_EQ_MSG(test, completion, P2PDMA_ACS_NOT_ROUTED,
				    "cap %#x ctrl %#x", cap, ctrl);
		return;
	}
	KUNIT_ASSERT_EQ_MSG(test, request,
			    table_6_11[!!(ctrl & PCI_ACS_RR)]
				      [!!(ctrl & PCI_ACS_EC)][bit],
			    "cap %#x ctrl %#x bit %d", cap, ctrl, bit);
	KUNIT_ASSERT_EQ_MSG(test, completion,
			    ctrl & PCI_ACS_CR ? P2PDMA_ACS_REDIRECT :
						P2PDMA_ACS_DIRECT,
			    "cap %#x ctrl %#x", cap, ctrl);
	KUNIT_ASSERT_EQ_MSG(test, p2pdma_acs_forwards(s->in->pdev),
			    forwards(s->in, cap, ctrl), "cap %#x ctrl %#x", cap,
			    ctrl);
	KUNIT_ASSERT_EQ_MSG(test, p2pdma_acs_translated(s->in->pdev, s->out->pdev),
			    !kind->needs && ctrl & PCI_ACS_TB ? P2PDMA_ACS_BLOCK :
			    ctrl & PCI_ACS_DT ? P2PDMA_ACS_DIRECT : request,
			    "cap %#x ctrl %#x bit %d", cap, ctrl, bit);
	/* Who is isolated by redirect sends nothing straight to a sibling. */
	if (cap & PCI_ACS_RR && pci_acs_enabled(s->in->pdev, PCI_ACS_RR))
		KUNIT_ASSERT_NE_MSG(test, request, P2PDMA_ACS_DIRECT,
				    "cap %#x ctrl %#x bit %d", cap, ctrl, bit);
}

/* Egress control is no redirect, and its vector counts. */
static void acs_truth_table(struct kunit *test)
{
	const struct acs_kind *kind = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	unsigned int cap, ctrl, count = 0;
	struct siblings s;

	s = kind->build(fabric);
	with_acs(s.in, 0);
	fabric_scan(fabric);
	for (cap = 0; cap <= FABRIC_ACS_ALL; cap++) {
		for (ctrl = 0; ctrl <= cap; ctrl++) {
			/* What cannot be enabled, is not. */
			if (ctrl & ~cap)
				continue;
			check(test, kind, &s, cap, ctrl, false);
			check(test, kind, &s, cap, ctrl, true);
			count += 2;
		}
	}
	/* Seven capabilities: missing, there, or enabled; the bit */
	KUNIT_EXPECT_EQ(test, count, 2 * 3 * 3 * 3 * 3 * 3 * 3 * 3);
}

/* Without the capability there is nothing that a port could redirect by. */
static void acs_none(struct kunit *test)
{
	const struct acs_kind *kind = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	enum p2pdma_acs expected;
	struct siblings s;

	s = kind->build(fabric);
	fabric_scan(fabric);
	expected = kind->needs ? P2PDMA_ACS_NOT_ROUTED : P2PDMA_ACS_DIRECT;
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(s.in->pdev, s.out->pdev),
			expected);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_completion(s.in->pdev), expected);
}

/*
 *	root port
 *	    |
 *	PCIe to PCI bridge
 *	 |        |
 *	 in      out
 *
 * Devices on a conventional bus hear each other; nobody is asked.
 */
static void acs_conventional(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_fn *bridge, *in, *out;

	bridge = pci_bridge_under(root_port(host_bridge(fabric)));
	in = conventional_under(bridge);
	out = conventional_under(bridge);
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(in->pdev, out->pdev),
			P2PDMA_ACS_DIRECT);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_completion(in->pdev),
			P2PDMA_ACS_DIRECT);
}

/* Egress control at @s.in, with its vector as it is: what of port number @port? */
static void expect_port(struct kunit *test, const struct siblings *s,
			unsigned int port, enum p2pdma_acs expected)
{
	const int lnkcap = FABRIC_PCIE_CAP + PCI_EXP_LNKCAP;
	u32 value = fabric_config_get(s->out, lnkcap, 4) & ~PCI_EXP_LNKCAP_PN;

	fabric_config_acs(s->in);
	fabric_config_poke(s->out, lnkcap, 4, value | port << 24);
	KUNIT_ASSERT_EQ_MSG(test, p2pdma_acs_request(s->in->pdev, s->out->pdev),
			    expected, "port %u, size %u", port,
			    s->in->egress_bits);
}

static struct siblings with_egress_control(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct siblings s = downstream_ports(fabric);

	with_acs(s.in, PCI_ACS_EC);
	fabric_scan(fabric);
	return s;
}

/* Is it the number of another port of the switch? */
static bool is_taken(const struct siblings *s, unsigned int port)
{
	return port == s->in->port || port == s->in->bus->bridge->port;
}

/* Each Port Number has its bit, in each of the eight words. */
static void acs_port_numbers(struct kunit *test)
{
	struct siblings s = with_egress_control(test);
	unsigned int port;

	for (port = 0; port < 256; port++) {
		if (is_taken(&s, port))
			continue;
		memset(s.in->egress, 0, sizeof(s.in->egress));
		s.in->egress[port / 32] = BIT(port % 32);
		expect_port(test, &s, port, P2PDMA_ACS_BLOCK);
		memset(s.in->egress, 0xff, sizeof(s.in->egress));
		s.in->egress[port / 32] &= ~BIT(port % 32);
		expect_port(test, &s, port, P2PDMA_ACS_DIRECT);
	}
}

/*
 * Egress Control Vector Size: a port beyond it has no bit, so that nothing
 * tells that it may be sent to; 00h stands for 256 (sec 7.7.11.2).
 */
static void acs_vector_size(struct kunit *test)
{
	struct siblings s = with_egress_control(test);
	unsigned int size;

	for (size = 1; size < 256; size++) {
		s.in->egress_bits = size;
		if (!is_taken(&s, size - 1))
			expect_port(test, &s, size - 1, P2PDMA_ACS_DIRECT);
		expect_port(test, &s, size, P2PDMA_ACS_BLOCK);
	}
	s.in->egress_bits = 0;
	expect_port(test, &s, 255, P2PDMA_ACS_DIRECT);
}

/*
 *	upstream port
 *	   |
 *	[in, out, third]	(or three root ports, beside a device with a Port
 *				Number of 0 that is none)
 *
 * Where several ports have the number that @out has, nobody knows whose bit it
 * is: what cannot be told, is forbidden.
 */
static void acs_port_number_twice(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw, *port[2][4];
	unsigned int i, j;
	struct siblings s;

	sw = switch_under(root_port(host), 3);
	port[0][3] = sw;
	host = host_bridge(fabric);
	root_endpoint(host);
	port[1][3] = NULL;
	for (i = 0; i < 3; i++) {
		port[0][i] = downstream(sw, i);
		port[1][i] = root_port(host);
	}
	for (i = 0; i < 2; i++) {
		port[i][1]->port = 0;
		with_acs(port[i][0], PCI_ACS_EC);
	}
	fabric_scan(fabric);
	for (i = 0; i < 2; i++) {
		s = (struct siblings){ port[i][0], port[i][1] };
		expect_port(test, &s, 0, P2PDMA_ACS_DIRECT);
		for (j = 0; j < 4; j++) {
			if (j == 1 || !port[i][j])
				continue;
			s.in->acs_ctrl = PCI_ACS_EC;
			expect_port(test, &s, port[i][j]->port,
				    P2PDMA_ACS_BLOCK);
			s.in->acs_ctrl = PCI_ACS_EC | PCI_ACS_RR;
			expect_port(test, &s, port[i][j]->port,
				    P2PDMA_ACS_REDIRECT);
		}
		s.in->acs_ctrl = PCI_ACS_EC | PCI_ACS_RR;
		expect_port(test, &s, 0, P2PDMA_ACS_DIRECT);
	}
}

/*
 *	root port, with ARI	root port
 *	    |			    |
 *	[in, out]		[PF, its VF]
 *
 * With ARI the bit may stand for a group of functions; a virtual function has
 * none: what cannot be told, is forbidden.
 */
static void acs_function_without_bit(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *rp = root_port(host), *in, *out, *pf;

	rp->ari = true;
	in = with_acs(endpoint_under(rp), PCI_ACS_EC);
	in->ari = true;
	out = function_beside(in);
	out->ari = true;
	pf = with_acs(endpoint_under(root_port(host)), PCI_ACS_EC);
	if (IS_ENABLED(CONFIG_PCI_IOV))
		with_vfs(pf, 1, 1);
	fabric_scan(fabric);
	KUNIT_ASSERT_TRUE(test, pci_ari_enabled(in->pdev->bus));
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(in->pdev, out->pdev),
			P2PDMA_ACS_BLOCK);
	if (!IS_ENABLED(CONFIG_PCI_IOV))
		return;
	fabric_enable_vfs(pf, 1);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(pf->pdev, pf->vf[0]->pdev),
			P2PDMA_ACS_BLOCK);
}

/* Such a quirk is one of ports. */
static const void *acs_port_gen_params(const void *prev, char *desc)
{
	const struct acs_kind *kind = prev;

	do
		kind = acs_kind_gen_params(kind, desc);
	while (kind && kind->needs);
	return kind;
}

/*
 * Ports that redirect without a capability: the kernel knows them by their ids.
 * Routing goes by that as isolation does.
 */
static void acs_quirk(struct kunit *test)
{
	const struct acs_kind *kind = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct siblings s = kind->build(fabric);

	quirky_port(s.in);
	fabric_scan(fabric);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_RR | PCI_ACS_CR |
						PCI_ACS_UF));
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_translated(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_completion(s.in->pdev),
			P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_TRUE(test, p2pdma_acs_forwards(s.in->pdev));
	KUNIT_EXPECT_FALSE(test, p2pdma_acs_writable(s.in->pdev, PCI_ACS_RR));
}

/*
 * Isolation and egress control: only if the vector forbids every other port do
 * requests go up as redirect wants them to.
 */
static void acs_isolation(struct kunit *test)
{
	struct siblings s = with_egress_control(test);
	const u16 flags = PCI_ACS_RR | PCI_ACS_CR;
	unsigned int port;

	s.in->acs_ctrl = flags;
	fabric_config_acs(s.in);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, flags));
	s.in->acs_ctrl = flags | PCI_ACS_EC;
	for (port = 0; port < 256; port++) {
		memset(s.in->egress, 0xff, sizeof(s.in->egress));
		s.in->egress[port / 32] &= ~BIT(port % 32);
		expect_port(test, &s, port, is_taken(&s, port) ?
			    P2PDMA_ACS_REDIRECT : P2PDMA_ACS_DIRECT);
		/* Also if it is the port's own number, which the other has, too */
		KUNIT_ASSERT_FALSE_MSG(test,
				       pci_acs_enabled(s.in->pdev, flags),
				       "port %u", port);
		KUNIT_ASSERT_TRUE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_CR));
	}
	memset(s.in->egress, 0xff, sizeof(s.in->egress));
	expect_port(test, &s, 7, P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, flags));
	/* Bits that there are not do not count. */
	s.in->egress_bits = 40;
	s.in->egress[1] = 0xff;
	expect_port(test, &s, 7, P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, flags));
	s.in->egress[1] = 0x7f;
	expect_port(test, &s, 39, P2PDMA_ACS_DIRECT);
	KUNIT_EXPECT_FALSE(test, pci_acs_enabled(s.in->pdev, flags));
}

/*
 *	root port		root port, with ARI
 *	    |			    |
 *	[in, out]		[in, out]
 *
 * A function sends nothing to itself, but with ARI its bit may stand for a
 * group of functions.
 */
static void acs_isolation_function(struct kunit *test)
{
	const u16 flags = PCI_ACS_RR | PCI_ACS_CR;
	struct fabric *fabric = fabric_alloc(test);
	struct siblings s = functions(fabric), ari = functions(fabric);
	u8 own, other;

	with_acs(s.in, flags | PCI_ACS_EC);
	with_acs(ari.in, flags | PCI_ACS_EC);
	ari.in->bus->bridge->ari = true;
	ari.in->ari = true;
	fabric_scan(fabric);
	KUNIT_ASSERT_TRUE(test, pci_ari_enabled(ari.in->pdev->bus));
	own = PCI_FUNC(s.in->devfn);
	other = PCI_FUNC(s.out->devfn);

	s.in->egress[0] = ~BIT(own);
	memset(s.in->egress + 1, 0xff, sizeof(s.in->egress) - sizeof(u32));
	fabric_config_acs(s.in);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, flags));
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_REDIRECT);
	s.in->egress[0] = ~BIT(other);
	fabric_config_acs(s.in);
	KUNIT_EXPECT_FALSE(test, pci_acs_enabled(s.in->pdev, flags));

	memcpy(ari.in->egress, s.in->egress, sizeof(ari.in->egress));
	ari.in->egress[0] = ~BIT(own);
	fabric_config_acs(ari.in);
	KUNIT_EXPECT_FALSE(test, pci_acs_enabled(ari.in->pdev, flags));
	ari.in->egress[0] = U32_MAX;
	fabric_config_acs(ari.in);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(ari.in->pdev, flags));
}

/* A device that has been pulled reads all ones: nothing of it is direct. */
static void acs_gone(struct kunit *test)
{
	const struct acs_kind *kind = test->param_value;
	struct fabric *fabric = fabric_alloc(test);
	struct siblings s;

	s = kind->build(fabric);
	with_acs(s.in, 0);
	fabric_scan(fabric);
	s.in->gone = true;
	/* Nor does it isolate anybody, or forward. */
	if (!kind->needs || s.in->pdev->multifunction)
		KUNIT_EXPECT_FALSE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_RR));
	KUNIT_EXPECT_EQ(test, p2pdma_acs_forwards(s.in->pdev), !!kind->needs);
	KUNIT_EXPECT_NE(test, p2pdma_acs_translated(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_DIRECT);
	KUNIT_EXPECT_NE(test, p2pdma_acs_request(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_DIRECT);
	KUNIT_EXPECT_NE(test, p2pdma_acs_completion(s.in->pdev),
			P2PDMA_ACS_DIRECT);
	pci_dev_set_disconnected(s.in->pdev, NULL);
	KUNIT_EXPECT_NE(test, p2pdma_acs_request(s.in->pdev, s.out->pdev),
			P2PDMA_ACS_DIRECT);
	KUNIT_EXPECT_NE(test, p2pdma_acs_completion(s.in->pdev),
			P2PDMA_ACS_DIRECT);
}

/*
 *	root port	endpoint of the root complex, function 0
 *
 * The port's vector goes by Port Numbers: a function has none, whatever there is at
 * the place of its function number.
 */
static void acs_port_and_function(struct kunit *test)
{
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *port, *function;

	port = with_acs(root_port(host), PCI_ACS_EC);
	function = root_endpoint(host);
	port->egress_bits = 32;
	port->egress[0] = ~1;
	fabric_scan(fabric);
	KUNIT_EXPECT_EQ(test, PCI_FUNC(function->pdev->devfn), 0);
	KUNIT_EXPECT_EQ(test, p2pdma_acs_request(port->pdev, function->pdev),
			P2PDMA_ACS_BLOCK);
}

/*
 * A port's own bit does not matter, unless another port has the same Port Number:
 * then it has to be set.
 */
static void acs_isolation_own_number(struct kunit *test)
{
	struct siblings s = downstream_ports(fabric_alloc(test));

	with_acs(s.in, PCI_ACS_EC | PCI_ACS_RR);
	s.in->port = 5;
	s.out->port = 6;
	s.in->egress_bits = 32;
	s.in->egress[0] = ~(u32)BIT(5);
	fabric_scan(s.in->host->fabric);
	/* Nothing goes out where it comes in. */
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_RR));
	expect_port(test, &s, 5, P2PDMA_ACS_REDIRECT);
	KUNIT_EXPECT_FALSE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_RR));
	s.in->egress[0] = ~0;
	fabric_config_acs(s.in);
	KUNIT_EXPECT_TRUE(test, pci_acs_enabled(s.in->pdev, PCI_ACS_RR));
}

static struct kunit_case acs_cases[] = {
	KUNIT_CASE(acs_isolation_own_number),
	KUNIT_CASE(acs_port_and_function),
	KUNIT_CASE_PARAM(acs_truth_table, acs_kind_gen_params),
	KUNIT_CASE_PARAM(acs_none, acs_kind_gen_params),
	KUNIT_CASE(acs_conventional),
	KUNIT_CASE(acs_port_numbers),
	KUNIT_CASE(acs_port_number_twice),
	KUNIT_CASE(acs_vector_size),
	KUNIT_CASE(acs_function_without_bit),
	KUNIT_CASE_PARAM(acs_quirk, acs_port_gen_params),
	KUNIT_CASE(acs_isolation),
	KUNIT_CASE(acs_isolation_function),
	KUNIT_CASE_PARAM(acs_gone, acs_kind_gen_params),
	{ }
};

static struct kunit_suite acs_suite = {
	.name = "p2pdma_acs",
	.test_cases = acs_cases,
};

kunit_test_suite(acs_suite);

MODULE_DESCRIPTION("KUnit tests of the ACS rules of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
