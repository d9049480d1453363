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
#define ROUTES_WITHIN	0x2f00
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

/*
 * The same; d0 redirects requests.  Fault 5: a bus address used although they
 * go to the root complex, and its IOMMU.  Mutation: PCI_P2PDMA_MAP_BUS_ADDR in
 * through_root().
 */
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

/* ---- several switches ---- */

/*
 *	      root port
 *	          |
 *	       upstream
 *	      /        \
 *	    d0          d1
 *	     |           |
 *	 upstream        b
 *	  /    \
 *	e0      e1
 *	 |       |
 *	 a       c
 */
static struct fabric_fn *nested(struct fabric *fabric, struct pair *pair,
				struct fabric_fn **inner)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(routing_host(fabric)), 2);
	*inner = switch_under(downstream(sw, 0), 2);
	pair->a = endpoint_under(downstream(*inner, 0));
	endpoint_under(downstream(*inner, 1));
	pair->b = endpoint_under(downstream(sw, 1));
	pair->there = sw;
	pair->back = sw;
	return sw;
}

static void switch_in_switch(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner;

	nested(fabric, pair, &inner);
}

/* The same; e0 redirects, but a and b do not meet there. */
static void redirect_below_turn(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner;

	nested(fabric, pair, &inner);
	with_acs(downstream(inner, 0), PCI_ACS_RR | PCI_ACS_CR);
}

/* The same; d0 redirects, where they do. */
static void redirect_at_turn(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
}

/* From a to c: e0 redirects, d0 sends it further up. */
static void redirect_and_forward(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->b = inner->below->fn[PCI_DEVFN(1, 0)]->below->fn[0];
	with_acs(downstream(sw, 0), PCI_ACS_UF);
	pair->there = with_acs(downstream(inner, 0), PCI_ACS_RR);
	pair->back = inner;
}

/* The same; d0 does not: what comes back to where it is from gets lost. */
static void redirect_not_forwarded(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->b = inner->below->fn[PCI_DEVFN(1, 0)]->below->fn[0];
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR | PCI_ACS_CR);
	with_acs(downstream(inner, 0), PCI_ACS_RR);
	pair->back = inner;
}

/* The same with completions: only the reads of a get lost. */
static void completion_not_forwarded(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->b = inner->below->fn[PCI_DEVFN(1, 0)]->below->fn[0];
	pair->there = downstream(sw, 0);
	with_acs(downstream(inner, 1), PCI_ACS_CR);
	pair->back = inner;
}

/*
 *	root port
 *	    |
 *	 upstream
 *	    |
 *	downstream
 *	    .		twelve switches, all ports with ACS
 *	    .
 *	 upstream
 *	  /    \
 *	d0      d1
 *	|        |
 *	a        b
 *
 * Fault 9: a list of ACS ports on the way overflows at ten or more.  Nothing
 * here makes such a list; the mutation is one of that kind in upstream().
 */
static struct fabric_fn *deep(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = root_port(routing_host(fabric)), *sw;
	int i;

	with_acs(port, PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF);
	for (i = 0; i < 11; i++) {
		port = downstream(switch_under(port, 1), 0);
		with_acs(port, PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF);
	}
	sw = switch_pair(port, pair);
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
	return port;
}

static void twelve_switches(struct fabric *fabric, struct pair *pair)
{
	deep(fabric, pair);
}

/* The same; the eleventh downstream port does not forward upstream. */
static void twelve_switches_broken(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = deep(fabric, pair);

	port->acs_ctrl &= ~PCI_ACS_UF;
	pair->there = port;
}

/* ---- functions of one device ---- */

/*
 *	 root port
 *	     |
 *	[a, b]		two functions of one device
 */
static struct fabric_fn *functions_under(struct fabric_fn *port,
					 struct pair *pair)
{
	pair->a = endpoint_under(port);
	pair->b = function_beside(pair->a);
	return port;
}

/* Nothing tells that they reach each other inside: it goes up and back. */
static void functions_without_acs(struct fabric *fabric, struct pair *pair)
{
	functions_under(root_port(routing_host(fabric)), pair);
	pair->there = pair->a;
	pair->back = pair->b;
}

/* They could redirect, so they reach each other as long as they do not. */
static void functions_with_acs(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port;

	port = functions_under(root_port(routing_host(fabric)), pair);
	with_acs(pair->a, 0);
	with_acs(pair->b, 0);
	pair->there = port;
	pair->back = port;
}

/* The same; a redirects requests. */
static void functions_redirect(struct fabric *fabric, struct pair *pair)
{
	pair->back = functions_under(root_port(routing_host(fabric)), pair);
	pair->there = with_acs(pair->a, PCI_ACS_RR);
	with_acs(pair->b, 0);
}

/* The same; a may not send to b, and does not redirect either. */
static void functions_egress(struct fabric *fabric, struct pair *pair)
{
	pair->back = functions_under(root_port(routing_host(fabric)), pair);
	pair->there = with_acs(pair->a, PCI_ACS_EC);
	pair->a->egress[0] = BIT(1);
	with_acs(pair->b, 0);
}

/*
 *	root port
 *	    |
 *	 upstream
 *	    |
 *	downstream	sends nothing back up that is for below
 *	    |
 *	 [a, b]
 */
static void functions_under_switch(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(routing_host(fabric)), 1);
	functions_under(downstream(sw, 0), pair);
	pair->there = downstream(sw, 0);
	pair->back = downstream(sw, 0);
}

/* The same; it does. */
static void functions_forwarded(struct fabric *fabric, struct pair *pair)
{
	functions_under_switch(fabric, pair);
	with_acs(pair->there, PCI_ACS_UF);
	pair->there = pair->a;
	pair->back = pair->b;
}

/*
 *	     root port
 *	         |
 *	[upstream, b]	the switch has an endpoint of its own
 *	    |
 *	downstream
 *	    |
 *	    a
 */
static void switch_with_function(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = root_port(routing_host(fabric)), *sw;

	sw = with_acs(switch_under(port, 1), 0);
	pair->a = endpoint_under(downstream(sw, 0));
	pair->b = with_acs(function_beside(sw), 0);
	pair->there = port;
	pair->back = port;
}

/*
 *	root port
 *	    |
 *	[PF, VF a, VF b]
 */
static void virtual_functions(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = root_port(routing_host(fabric));
	struct fabric_fn *pf = with_vfs(with_acs(endpoint_under(port), 0), 2, 1);

	pair->a = pf->vf[0];
	pair->b = pf->vf[1];
	pair->there = port;
	pair->back = port;
}

/*
 *	       root port
 *	           |
 *	        upstream
 *	       /        \
 *	     d0          d1
 *	      |           |
 *	[PF, VF a]        b	VFs are on a bus that nothing leads to
 */
static void virtual_function_far(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw, *pf;

	sw = switch_under(root_port(routing_host(fabric)), 2);
	pf = with_vfs(endpoint_under(downstream(sw, 0)), 2, 256);
	pair->a = pf->vf[1];
	pair->b = endpoint_under(downstream(sw, 1));
	pair->there = sw;
	pair->back = sw;
}

/*
 *	root complex, not known to route
 *	     |           |
 *	 root port    root port
 *	     |           |
 *	[PF, VF a]       b
 */
static void virtual_function_unknown(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *pf;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	pair->there = root_port(host);
	pair->back = root_port(host);
	pf = with_vfs(endpoint_under(pair->there), 2, 256);
	pair->a = pf->vf[0];
	pair->b = endpoint_under(pair->back);
}

/* ---- conventional devices ---- */

/*
 *	root port
 *	    |
 *	PCIe to PCI bridge
 *	 |        |
 *	 a        b
 */
static void one_conventional_bus(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *bridge;

	bridge = pci_bridge_under(root_port(routing_host(fabric)));
	pair->a = conventional_under(bridge);
	pair->b = conventional_under(bridge);
	pair->there = bridge;
	pair->back = bridge;
}

/*
 *	root port
 *	    |
 *	PCIe to PCI bridge
 *	 |            |
 *	PCI bridge    b
 *	 |
 *	 a
 */
static void two_conventional_buses(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *bridge;

	bridge = pci_bridge_under(root_port(routing_host(fabric)));
	pair->a = conventional_under(conventional_bridge_under(bridge));
	pair->b = conventional_under(bridge);
	pair->there = bridge;
	pair->back = bridge;
}

/*
 *	       root port
 *	           |
 *	        upstream
 *	       /        \
 *	     d0          d1	d0 redirects requests
 *	      |           |
 *	PCI bridge        b
 *	      |
 *	      a
 */
static void conventional_and_switch(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(routing_host(fabric)), 2);
	pair->a = conventional_under(pci_bridge_under(downstream(sw, 0)));
	pair->b = endpoint_under(downstream(sw, 1));
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
	pair->back = sw;
}

/* ---- the root complex between them ---- */

/*
 *	 root complex
 *	 |          |
 *	root port  root port
 *	 |          |
 *	 a          b
 */
static void ports_under(struct fabric_host *host, struct pair *pair)
{
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(host));
}

static void two_root_ports(struct fabric *fabric, struct pair *pair)
{
	ports_under(routing_host(fabric), pair);
}

static void two_root_ports_unknown(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	ports_under(host, pair);
	pair->there = pair->a->bus->bridge;
	pair->back = pair->b->bus->bridge;
}

/* The same, known; redirect at a root port says what happens anyhow. */
static void two_root_ports_redirect(struct fabric *fabric, struct pair *pair)
{
	ports_under(routing_host(fabric), pair);
	with_acs(pair->a->bus->bridge, PCI_ACS_RR | PCI_ACS_CR);
}

/* The same; the first root port may not send to the second. */
static void two_root_ports_egress(struct fabric *fabric, struct pair *pair)
{
	ports_under(routing_host(fabric), pair);
	pair->there = with_acs(pair->a->bus->bridge, PCI_ACS_EC);
	forbid(pair->there, pair->b->bus->bridge);
}

/*
 *	root complex
 *	 |        |
 *	 |    root port
 *	 |        |
 *	 a        b
 */
static void endpoint_in_root_complex(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);

	pair->a = root_endpoint(host);
	pair->b = endpoint_under(root_port(host));
}

/*
 *	 root complex
 *	  |         |
 *	[PF, VF a]  root port	a is on a bus that nothing leads to
 *	            |
 *	            b
 */
static void virtual_function_in_root_complex(struct fabric *fabric,
					     struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);

	pair->a = with_vfs(root_endpoint(host), 2, 256)->vf[0];
	pair->b = endpoint_under(root_port(host));
}

/*
 * The same; what the root port's vector has no bit for, b may not send to.  The
 * bus of the virtual function looks like another host bridge's.
 */
static void virtual_function_in_root_complex_egress(struct fabric *fabric,
						    struct pair *pair)
{
	virtual_function_in_root_complex(fabric, pair);
	pair->back = with_acs(pair->b->bus->bridge, PCI_ACS_EC);
}

/*
 *	host bridge 0   host bridge 1	one segment
 *	     |               |
 *	 root port       root port
 *	     |               |
 *	     a               b
 */
static void two_host_bridges(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric), *other;

	other = host_bridge_beside(host);
	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(other));
}

/* The same in two segments, with bus offsets of either sign */
static void two_segments(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);
	struct fabric_host *other = routing_host(fabric);

	host->bus_offset = SZ_1T;
	other->bus_offset = -(s64)(192ULL * SZ_1G);
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(other));
}

/* The same; the second routes between its own root ports only. */
static void two_segments_within(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);
	struct fabric_host *other = host_bridge(fabric);

	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_WITHIN);
	pair->there = root_port(host);
	pair->back = root_port(other);
	pair->a = endpoint_under(pair->there);
	pair->b = endpoint_under(pair->back);
}

/*
 *	root port
 *	    |
 *	 upstream
 *	    |
 *	downstream d0	sends nothing back up that is for below
 *	    |
 *	 upstream a	has memory of its own, and a device below
 *	    |
 *	downstream
 *	    |
 *	    b
 */
static void bridge_above(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(routing_host(fabric)), 1);
	pair->a = switch_under(downstream(sw, 0), 1);
	pair->b = endpoint_under(downstream(pair->a, 0));
	pair->there = downstream(sw, 0);
	pair->back = downstream(sw, 0);
}

/* The same; d0 does. */
static void bridge_above_forwarded(struct fabric *fabric, struct pair *pair)
{
	bridge_above(fabric, pair);
	with_acs(pair->there, PCI_ACS_UF);
	pair->there = NULL;
	pair->back = NULL;
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
	{ "switch in switch", switch_in_switch,
	  EXPECT(BUS, BUS, SAME_SWITCH, 6), EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect below the turn", redirect_below_turn,
	  EXPECT(BUS, BUS, SAME_SWITCH, 6), EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect at the turn", redirect_at_turn,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 6),
	  EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect, forwarded above", redirect_and_forward,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "switch in switch, redirect, not forwarded above",
	  redirect_not_forwarded,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "switch in switch, completions not forwarded above",
	  completion_not_forwarded,
	  EXPECT(NONE, BUS, ACS_BLOCKED, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "twelve switches", twelve_switches,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "twelve switches, one does not forward", twelve_switches_broken,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },

	{ "two functions without ACS", functions_without_acs,
	  EXPECT(HOST, HOST, FUNCTIONS, 2), EXPECT(HOST, HOST, FUNCTIONS, 2) },
	{ "two functions with ACS", functions_with_acs,
	  EXPECT(BUS, BUS, SAME_DEVICE, 2), EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions, one redirects", functions_redirect,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 2),
	  EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions, one forbidden", functions_egress,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2), EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions below a switch", functions_under_switch,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2) },
	{ "two functions below a switch that forwards", functions_forwarded,
	  EXPECT(HOST, HOST, FUNCTIONS, 2), EXPECT(HOST, HOST, FUNCTIONS, 2) },
	{ "function beside an upstream port", switch_with_function,
	  EXPECT(BUS, BUS, SAME_DEVICE, 4), EXPECT(BUS, BUS, SAME_DEVICE, 4) },
	{ "two virtual functions", virtual_functions,
	  EXPECT(BUS, BUS, SAME_DEVICE, 2), EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "virtual function on the next bus", virtual_function_far,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "virtual function on the next bus, unknown root complex",
	  virtual_function_unknown,
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4),
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4) },

	{ "one conventional bus", one_conventional_bus,
	  EXPECT(BUS, BUS, SAME_BUS, 2), EXPECT(BUS, BUS, SAME_BUS, 2) },
	{ "two conventional buses", two_conventional_buses,
	  EXPECT(BUS, BUS, SAME_BUS, 3), EXPECT(BUS, BUS, SAME_BUS, 3) },
	{ "conventional device and switch", conventional_and_switch,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 5),
	  EXPECT(BUS, BUS, SAME_SWITCH, 5) },

	{ "two root ports", two_root_ports,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4) },
	{ "two root ports, unknown root complex", two_root_ports_unknown,
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4),
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4) },
	{ "two root ports, redirect", two_root_ports_redirect,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4) },
	{ "two root ports, egress control forbids", two_root_ports_egress,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4) },
	{ "endpoint in the root complex", endpoint_in_root_complex,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 3),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 3) },
	{ "virtual function in the root complex", virtual_function_in_root_complex,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 3),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 3) },
	{ "virtual function in the root complex, egress control",
	  virtual_function_in_root_complex_egress,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 3),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 3) },
	{ "two host bridges", two_host_bridges,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4) },
	{ "two segments, bus offsets", two_segments,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 4) },
	{ "two segments, one routes within", two_segments_within,
	  EXPECT(NONE, NONE, ROOT_DIFFERS, 4),
	  EXPECT(NONE, NONE, ROOT_DIFFERS, 4) },
	{ "a bridge and what is below it", bridge_above,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2) },
	{ "a bridge and what is below it, forwarded", bridge_above_forwarded,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 2),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 2) },
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
