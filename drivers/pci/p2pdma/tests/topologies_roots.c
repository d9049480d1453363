// SPDX-License-Identifier: GPL-2.0-only
/*
 * Topologies of what is below and above switches: functions of one device,
 * conventional devices, root complexes.  See topologies.h.
 */
#include <linux/pci.h>
#include <linux/sizes.h>

#include "topologies.h"

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

/*
 * Nothing tells that they reach each other inside: it goes up and back.
 *
 *	a > rp > ROOT > rp > b
 *	b > rp > ROOT > rp > a
 */
static void functions_without_acs(struct fabric *fabric, struct pair *pair)
{
	functions_under(root_port(routing_host(fabric)), pair);
	pair->there = pair->a;
	pair->back = pair->b;
}

/*
 * The same; the root port could forward upstream what belongs below it, and
 * does not.
 *
 *	a > rp[0] > !
 *	b > rp[0] > !
 */
static void functions_not_forwarded(struct fabric *fabric, struct pair *pair)
{
	pair->there = functions_under(root_port(routing_host(fabric)), pair);
	pair->back = with_acs(pair->there, 0);
}

/*
 * The same; it does.
 *
 *	a > rp[UF] > ROOT > rp > b
 *	b > rp[UF] > ROOT > rp > a
 */
static void functions_root_forwards(struct fabric *fabric, struct pair *pair)
{
	with_acs(functions_under(root_port(routing_host(fabric)), pair),
		 PCI_ACS_UF);
	pair->there = pair->a;
	pair->back = pair->b;
}

/*
 * They could redirect, so they reach each other as long as they do not.
 *
 *	a[0] > b
 *	b[0] > a
 */
static void functions_with_acs(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *port;

	port = functions_under(root_port(routing_host(fabric)), pair);
	with_acs(pair->a, 0);
	with_acs(pair->b, 0);
	pair->there = port;
	pair->back = port;
}

/*
 * The same; a redirects requests.
 *
 *	a[RR] > rp > ROOT > rp > b
 *	b[0] > a
 */
static void functions_redirect(struct fabric *fabric, struct pair *pair)
{
	pair->back = functions_under(root_port(routing_host(fabric)), pair);
	pair->there = with_acs(pair->a, PCI_ACS_RR);
	with_acs(pair->b, 0);
}

/*
 * The same; a may not send to b, and does not redirect either.
 *
 *	a[EC b] > !
 *	b[0] > a
 */
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
 *
 *	a > downstream > !
 *	b > downstream > !
 */
static void functions_under_switch(struct fabric *fabric, struct pair *pair)
{
	struct fabric_fn *sw;

	sw = switch_under(root_port(routing_host(fabric)), 1);
	functions_under(downstream(sw, 0), pair);
	pair->there = downstream(sw, 0);
	pair->back = downstream(sw, 0);
}

/*
 * The same; it does.
 *
 *	a > downstream[UF] > up > rp > ROOT > rp > up > downstream > b
 *	b > downstream[UF] > up > rp > ROOT > rp > up > downstream > a
 */
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
 *
 *	a > downstream > upstream[0] > b
 *	b[0] > upstream > downstream > a
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
 *
 *	a[0] > b
 *	b[0] > a
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
 *
 *	a > d0 > up > d1 > b
 *	b > d1 > up > d0 > a
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
 *
 *	a > rp > ROOT > ?
 *	b > rp > ROOT > ?
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
 *
 *	a > b
 *	b > a
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
 *
 *	a > PCI bridge > b
 *	b > PCI bridge > a
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
 *
 *	a > PCI bridge > d0[RR] > up > rp > ROOT > rp > up > d1 > b
 *	b > d1 > up > d0[RR] > PCI bridge > a
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

/*
 *	a > rp 1 > ROOT > rp 2 > b
 *	b > rp 2 > ROOT > rp 1 > a
 */
static void two_root_ports(struct fabric *fabric, struct pair *pair)
{
	ports_under(routing_host(fabric), pair);
}

/*
 *	a > rp 1 > ROOT > ?
 *	b > rp 2 > ROOT > ?
 */
static void two_root_ports_unknown(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = host_bridge(fabric);

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	ports_under(host, pair);
	pair->there = pair->a->bus->bridge;
	pair->back = pair->b->bus->bridge;
}

/*
 * The same, known; redirect at a root port says what happens anyhow.
 *
 *	a > rp 1[RR CR] > ROOT > rp 2 > b
 *	b > rp 2 > ROOT > rp 1[RR CR] > a
 */
static void two_root_ports_redirect(struct fabric *fabric, struct pair *pair)
{
	ports_under(routing_host(fabric), pair);
	with_acs(pair->a->bus->bridge, PCI_ACS_RR | PCI_ACS_CR);
}

/*
 * The same; the first root port may not send to the second.
 *
 *	a > rp 1[EC rp 2] > !
 *	b > rp 2 > ROOT > rp 1[EC rp 2] > a
 */
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
 *
 *	a > ROOT > rp > b
 *	b > rp > ROOT > a
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
 *
 *	a > ROOT > rp > b
 *	b > rp > ROOT > a
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
 *
 *	a > ROOT > rp[EC a] > b
 *	b > rp[EC a] > !
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
 *
 *	a > rp > ROOT 0 > ROOT 1 > rp > b
 *	b > rp > ROOT 1 > ROOT 0 > rp > a
 */
static void two_host_bridges(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric), *other;

	other = host_bridge_beside(host);
	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(other));
}

/*
 * The same in two segments, with bus offsets of either sign
 *
 *	a > rp > ROOT 0 > ROOT 1 > rp > b	+1 TiB to -192 GiB
 *	b > rp > ROOT 1 > ROOT 0 > rp > a
 */
static void two_segments(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);
	struct fabric_host *other = routing_host(fabric);

	host->bus_offset = SZ_1T;
	other->bus_offset = -(s64)(192ULL * SZ_1G);
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(root_port(other));
}

/*
 * The same; the second routes between its own root ports only, so it is the one
 * that decides, whoever asks.
 *
 *	a > rp > ROOT 0 > ROOT 1 > ?
 *	b > rp > ROOT 1 > ?
 */
static void two_segments_within(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);
	struct fabric_host *other = host_bridge(fabric);

	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_WITHIN);
	pair->there = root_port(other);
	pair->back = pair->there;
	pair->a = endpoint_under(root_port(host));
	pair->b = endpoint_under(pair->back);
}

/*
 * The same; nothing is known of the second.
 *
 *	a > rp > ROOT 0 > ROOT 1 > ?
 *	b > rp > ROOT 1 > ?
 */
static void two_segments_unknown(struct fabric *fabric, struct pair *pair)
{
	struct fabric_host *host = routing_host(fabric);
	struct fabric_host *other = host_bridge(fabric);

	root_device(other, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	pair->there = root_port(other);
	pair->back = pair->there;
	pair->a = endpoint_under(root_port(host));
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
 *
 *	a > d0 > !
 *	b > downstream > a > d0 > !
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

/*
 * The same; d0 does.
 *
 *	a > d0[UF] > up > rp > ROOT > rp > up > d0 > a > downstream > b
 *	b > downstream > a > d0[UF] > up > rp > ROOT > rp > up > d0 > a
 */
static void bridge_above_forwarded(struct fabric *fabric, struct pair *pair)
{
	bridge_above(fabric, pair);
	with_acs(pair->there, PCI_ACS_UF);
	pair->there = NULL;
	pair->back = NULL;
}

/* ---- the cases ---- */

const struct topology topologies_roots[] = {
	{ "two functions without ACS", functions_without_acs,
	  EXPECT(HOST, HOST, FUNCTIONS, 4), EXPECT(HOST, HOST, FUNCTIONS, 4) },
	{ "two functions, the root port does not forward", functions_not_forwarded,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2) },
	{ "two functions, the root port forwards", functions_root_forwards,
	  EXPECT(HOST, HOST, FUNCTIONS, 4), EXPECT(HOST, HOST, FUNCTIONS, 4) },
	{ "two functions with ACS", functions_with_acs,
	  EXPECT(BUS, BUS, SAME_DEVICE, 2), EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions, one redirects", functions_redirect,
	  EXPECT(HOST, HOST, ACS_REDIRECT, 4),
	  EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions, one forbidden", functions_egress,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2), EXPECT(BUS, BUS, SAME_DEVICE, 2) },
	{ "two functions below a switch", functions_under_switch,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2) },
	{ "two functions below a switch that forwards", functions_forwarded,
	  EXPECT(HOST, HOST, FUNCTIONS, 8), EXPECT(HOST, HOST, FUNCTIONS, 8) },
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
	  EXPECT(HOST, HOST, ACS_REDIRECT, 9),
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
	{ "two segments, one unknown", two_segments_unknown,
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4),
	  EXPECT(NONE, NONE, ROOT_UNKNOWN, 4) },
	{ "a bridge and what is below it", bridge_above,
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2),
	  EXPECT(NONE, NONE, ACS_BLOCKED, 2) },
	{ "a bridge and what is below it, forwarded", bridge_above_forwarded,
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 10),
	  EXPECT(HOST, HOST, ROOT_COMPLEX, 10) },
	{ }
};
