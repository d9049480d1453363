// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topologies of switches: what they look like, and what becomes of requests, is
 * read as topologies.h has it.  Fault numbers are those of faults that code of
 * this kind has had.
 */
#include <linux/pci.h>

#include "topologies.h"

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

/* ---- one switch ---- */

/*
 *	root port
 *	    |
 *	endpoint a = b
 *
 *	a	it never leaves
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
 *
 *	a > d0 > up > d1 > b
 *	b > d1 > up > d0 > a
 */
static void one_switch(struct fabric *fabric, struct pair *pair)
{
	switch_of(fabric, pair);
}

/*
 * The same; d0 redirects requests: they go to the root complex, and its IOMMU,
 * and not by bus address.
 *
 *	a > d0[RR] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1 > up > d0[RR] > a
 */
static void redirect_at_client(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
	with_acs(downstream(sw, 1), 0);
}

/*
 * The same; the root complex is not known to route.
 *
 *	a > d0[RR] > up > rp > ROOT > ?
 *	b > d1 > up > d0[RR] > a
 */
static void redirect_unknown_root(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *sw = switch_pair(root_port(host), pair);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
}

/*
 * The same; d1 redirects completions: nothing changes for writes to b.
 *
 *	a > d0 > up > d1[CR] > b, completions: b > d1[CR] > up > rp > ROOT ... a
 *	b > d1[CR] > up > d0 > a, completions: a > d0 > up > d1[CR] > b
 */
static void completion_redirect(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 1), PCI_ACS_CR);
}

/*
 * The same; with an IOMMU in use the kernel sets these at both ports.
 *
 *	a > d0[SV RR CR UF] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1[SV RR CR UF] > up > rp > ROOT > rp > up > d0 > a
 */
static void redirect_everything(struct fabric *fabric, struct pair *pair)
{
	const u16 ctrl = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), ctrl);
	pair->back = with_acs(downstream(sw, 1), ctrl);
}

/*
 * The same; the kernel knows by their ids that the ports redirect, though they
 * have no ACS capability.
 *
 *	a > d0[RR CR UF] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1[RR CR UF] > up > rp > ROOT > rp > up > d0 > a
 */
static void redirect_by_nature(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = quirky_port(downstream(sw, 0));
	pair->back = quirky_port(downstream(sw, 1));
}

/*
 * The same; source validation alone changes nothing.
 *
 *	a > d0[SV] > up > d1 > b
 *	b > d1[SV] > up > d0 > a
 */
static void source_validation(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), PCI_ACS_SV);
	with_acs(downstream(sw, 1), PCI_ACS_SV);
}

/*
 * The same; source validation etc. change nothing for a peer request.
 *
 *	a > d0[SV TB UF DT] > up > d1 > b
 *	b > d1[SV TB UF DT] > up > d0 > a
 */
static void other_controls(struct fabric *fabric, struct pair *pair)
{
	const u16 ctrl = PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_UF | PCI_ACS_DT;
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), ctrl);
	with_acs(downstream(sw, 1), ctrl);
}

/*
 * The same; d0 has egress control, and lets requests to d1 pass: that alone is
 * no redirect.
 *
 *	a > d0[EC 0] > up > d1 > b
 *	b > d1 > up > d0[EC 0] > a
 */
static void egress_allowed(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	with_acs(downstream(sw, 0), PCI_ACS_EC);
}

/*
 * The same; it forbids them.
 *
 *	a > d0[EC d1] > !
 *	b > d1 > up > d0[EC d1] > a
 */
static void egress_forbidden(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_EC);
	forbid(downstream(sw, 0), downstream(sw, 1));
}

/*
 * The same; what it forbids, it redirects.
 *
 *	a > d0[EC d1, RR] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1 > up > d0[EC d1, RR] > a
 */
static void egress_redirects(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw = switch_of(fabric, pair);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_EC | PCI_ACS_RR);
	forbid(downstream(sw, 0), downstream(sw, 1));
}

/*
 * The same; it would redirect, but does not forbid.
 *
 *	a > d0[EC d0, RR] > up > d1 > b
 *	b > d1 > up > d0[EC d0, RR] > a
 */
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

/*
 *	a > e0 > up' > d0 > up > d1 > b
 *	b > d1 > up > d0 > up' > e0 > a
 */
static void switch_in_switch(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner;

	nested(fabric, pair, &inner);
}

/*
 * The same; e0 redirects, but a and b do not meet there.
 *
 *	a > e0[RR CR] > up' > d0 > up > d1 > b
 *	b > d1 > up > d0 > up' > e0[RR CR] > a
 */
static void redirect_below_turn(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner;

	nested(fabric, pair, &inner);
	with_acs(downstream(inner, 0), PCI_ACS_RR | PCI_ACS_CR);
}

/*
 * The same; d0 redirects, where they do.
 *
 *	a > e0 > up' > d0[RR] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1 > up > d0[RR] > up' > e0 > a
 */
static void redirect_at_turn(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR);
}

/*
 * From a to c: e0 redirects, d0 sends it further up.
 *
 *	a > e0[RR] > up' > d0[UF] > up > rp > ROOT > rp > up > d0 > up' > e1 > c
 *	c > e1 > up' > e0[RR] > a
 */
static void redirect_and_forward(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->b = inner->below->fn[PCI_DEVFN(1, 0)]->below->fn[0];
	with_acs(downstream(sw, 0), PCI_ACS_UF);
	pair->there = with_acs(downstream(inner, 0), PCI_ACS_RR);
	pair->back = inner;
}

/*
 * The same; d0 does not: what comes back to where it is from gets lost.
 *
 *	a > e0[RR] > up' > d0[RR CR] > !
 *	c > e1 > up' > e0[RR] > a
 */
static void redirect_not_forwarded(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *inner, *sw = nested(fabric, pair, &inner);

	pair->b = inner->below->fn[PCI_DEVFN(1, 0)]->below->fn[0];
	pair->there = with_acs(downstream(sw, 0), PCI_ACS_RR | PCI_ACS_CR);
	with_acs(downstream(inner, 0), PCI_ACS_RR);
	pair->back = inner;
}

/*
 * The same with completions: only the reads of a get lost.
 *
 *	a > e0 > up' > e1[CR] > c, completions: c > e1[CR] > up' > d0 > !
 *	c > e1[CR] > up' > e0 > a
 */
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
 * More ports with ACS than a list of those on the way might have room for.
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

/*
 *	a > d0[RR] > up > downstream[UF] > ... > ROOT > ... > up > d1 > b
 *	b > d1 > up > d0[RR] > a
 */
static void twelve_switches(struct fabric *fabric, struct pair *pair)
{
	deep(fabric, pair);
}

/*
 * The same; the eleventh downstream port does not forward upstream.
 *
 *	a > d0[RR] > up > downstream[RR CR] > !
 *	b > d1 > up > d0[RR] > a
 */
static void twelve_switches_broken(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port = deep(fabric, pair);

	port->acs_ctrl &= ~PCI_ACS_UF;
	pair->there = port;
}

/* ---- the cases ---- */

const struct topology topologies_switches[] = {
	{ "self", self,
	  EXPECT(BUS, BUS, SELF, 0), EXPECT(BUS, BUS, SELF, 0) },
	{ "one switch", one_switch,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect at a's port", redirect_at_client,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect at a's port, unknown root complex",
	  redirect_unknown_root,
	  EXPECT(NONE, NONE, ACS_REDIRECT, 8), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, completion redirect at b's port", completion_redirect,
	  EXPECT(HOST, BUS, ACS_REDIRECT, 8), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, redirect as behind an IOMMU", redirect_everything,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8),
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8) },
	{ "one switch, redirect without a capability", redirect_by_nature,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8),
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8) },
	{ "one switch, source validation", source_validation,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, ACS controls other than redirect", other_controls,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control allows", egress_allowed,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control forbids", egress_forbidden,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control redirects", egress_redirects,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 8),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "one switch, egress control spares from redirect", egress_spares,
	  EXPECT(BUS, BUS, SAME_SWITCH, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "switch in switch", switch_in_switch,
	  EXPECT(BUS, BUS, SAME_SWITCH, 6), EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect below the turn", redirect_below_turn,
	  EXPECT(BUS, BUS, SAME_SWITCH, 6), EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect at the turn", redirect_at_turn,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 10),
	  EXPECT(BUS, BUS, SAME_SWITCH, 6) },
	{ "switch in switch, redirect, forwarded above", redirect_and_forward,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 12),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "switch in switch, redirect, not forwarded above",
	  redirect_not_forwarded,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "switch in switch, completions not forwarded above",
	  completion_not_forwarded,
	  EXPECT(NONE, BUS, ACS_BLOCKED, 4), EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "twelve switches", twelve_switches,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 52),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ "twelve switches, one does not forward", twelve_switches_broken,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 4),
	  EXPECT(BUS, BUS, SAME_SWITCH, 4) },
	{ .go_on = topologies_roots },
};
