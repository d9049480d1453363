// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: the route from client to provider
 *
 * From client to provider: a pure function of the topology.
 *
 * A memory request climbs from the client until it meets a bridge whose
 * window holds the address, turns round there, and goes down to the provider
 * (PCIe r6.0, sec 2.2.4.1).  The turning point is the lowest bridge that both
 * have above them::
 *
 *              root port
 *                  |
 *           upstream port          <- common: the switch turns it round
 *            /          \
 *      downstream     downstream   <- ingress and egress: ACS is applied
 *         port           port         where the request comes in
 *          |              |
 *        client        provider
 *
 * Without such a bridge, or where ACS sends the request up to the root
 * complex, the root complex has to route it.
 *
 * The walk holds no lock.  A bound PCI device keeps its upstream bridges
 * registered, and callers have both devices bound or pages of them pinned.
 */
#include <linux/pci.h>
#include <linux/string.h>

#include "acs.h"
#include "hostbridge.h"
#include "route.h"

/*
 * One side of a route while it is climbed: @node has been reached, @below
 * is the step before it, NULL at the start.
 */
struct leg {
	struct pci_dev *node;
	struct pci_dev *below;
	unsigned int hops;
};

/*
 * A route: @up climbs from where packets come from, @down from where they go
 * to.  After walk_to_common() both are at the turning point; or there is none,
 * and their nodes are NULL.
 */
struct walk {
	struct pci_dev *client;
	struct pci_dev *provider;
	struct leg up;
	struct leg down;
	struct p2pdma_verdict verdict;
};

const char * const p2pdma_reason_names[P2PDMA_REASON_COUNT] = {
	[P2PDMA_REASON_SELF]		= "self",
	[P2PDMA_REASON_SAME_DEVICE]	= "same-device",
	[P2PDMA_REASON_SAME_BUS]	= "same-bus",
	[P2PDMA_REASON_SAME_SWITCH]	= "same-switch",
	[P2PDMA_REASON_ROOT_COMPLEX]	= "root-complex",
	[P2PDMA_REASON_ACS_REDIRECT]	= "acs-redirect",
	[P2PDMA_REASON_ACS_BLOCKED]	= "acs-blocked",
	[P2PDMA_REASON_ROOT_UNKNOWN]	= "root-complex-unknown",
	[P2PDMA_REASON_ROOT_DIFFERS]	= "root-complex-differs",
	[P2PDMA_REASON_NOT_PCI]		= "not-pci",
	[P2PDMA_REASON_DMA_MASK]	= "dma-mask",
	[P2PDMA_REASON_FUNCTIONS]	= "functions-isolated",
	[P2PDMA_REASON_ROOT_READS]	= "root-complex-reads-only",
	[P2PDMA_REASON_ROOT_WRITES]	= "root-complex-writes-only",
	[P2PDMA_REASON_OUTAGE]		= "provider-down",
	[P2PDMA_REASON_ROOT_FORBIDDEN]	= "root-complex-forbidden",
};

const struct p2pdma_verdict p2pdma_verdict_not_pci = {
	.map = {
		[P2PDMA_READ]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
		[P2PDMA_WRITE]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
	},
	.reason = P2PDMA_REASON_NOT_PCI,
};

const struct p2pdma_verdict p2pdma_verdict_outage = {
	.map = {
		[P2PDMA_READ]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
		[P2PDMA_WRITE]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
	},
	.reason = P2PDMA_REASON_OUTAGE,
};

static struct pci_dev *physfn_of(struct pci_dev *pdev)
{
	/*
	 * data_race: is_virtfn, which does not change, shares a word with bits
	 * that do, such as state_saved
	 */
	return data_race(pci_physfn(pdev));
}

static struct pci_dev *bridge_above(struct pci_dev *pdev)
{
	/* data_race: likewise */
	return data_race(pci_upstream_bridge(pdev));
}

static unsigned int depth(struct pci_dev *pdev)
{
	unsigned int n = 0;

	while ((pdev = bridge_above(pdev)))
		n++;
	return n;
}

static void climb(struct leg *leg)
{
	leg->below = leg->node;
	leg->node = bridge_above(leg->node);
	leg->hops++;
}

/*
 * Climb until both legs stand on their lowest common bridge, or until both
 * have left the top of their hierarchies (node is NULL, below on a root bus).
 */
static void walk_to_common(struct walk *walk)
{
	struct leg *up = &walk->up, *down = &walk->down;
	unsigned int depth_up = depth(up->node), depth_down = depth(down->node);

	for (; depth_up > depth_down; depth_up--)
		climb(up);
	for (; depth_down > depth_up; depth_down--)
		climb(down);
	while (up->node != down->node) {
		climb(up);
		climb(down);
	}
}

static void verdict_set_port(struct p2pdma_verdict *verdict,
			     struct pci_dev *port)
{
	verdict->has_port = true;
	verdict->port_domain = pci_domain_nr(port->bus);
	verdict->port_bdf = pci_dev_id(port);
}

static void verdict_set_map(struct p2pdma_verdict *verdict,
			    enum pci_p2pdma_map_type type,
			    enum p2pdma_reason reason)
{
	verdict->map[P2PDMA_READ] = type;
	verdict->map[P2PDMA_WRITE] = type;
	verdict->reason = reason;
}

static struct pci_dev *root_ancestor(struct pci_dev *pdev)
{
	struct pci_dev *up;

	while ((up = bridge_above(pdev)))
		pdev = up;
	/* A virtual function may be on a bus that only looks like a root bus. */
	return physfn_of(pdev);
}

/*
 * What the root complex makes of requests that reach it, as far as @ways
 * (P2PDMA_ROUTES_READS, _WRITES) go there.  A refusal is its own decision,
 * unless something below sent the requests there: then that stays the reason.
 */
static void route_via_root(struct walk *walk, unsigned int ways)
{
	static const unsigned int way[P2PDMA_ACCESSES] = {
		[P2PDMA_READ]	= P2PDMA_ROUTES_READS,
		[P2PDMA_WRITE]	= P2PDMA_ROUTES_WRITES,
	};
	struct p2pdma_verdict *verdict = &walk->verdict;
	enum p2pdma_reason reason;
	struct pci_dev *decides;
	unsigned int routes;
	int i;

	reason = p2pdma_hostbridge_routes(root_ancestor(walk->client),
					  root_ancestor(walk->provider),
					  &routes, &decides);
	/* Up to the root complex and down again, whatever was below */
	verdict->distance = depth(walk->client) + 1 + depth(walk->provider) + 1;
	for (i = 0; i < P2PDMA_ACCESSES; i++)
		if (ways & way[i])
			verdict->map[i] = routes & way[i] ?
					  PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					  PCI_P2PDMA_MAP_NOT_SUPPORTED;
	if (verdict->reason == P2PDMA_REASON_ROOT_COMPLEX &&
	    reason != P2PDMA_REASON_ROOT_COMPLEX) {
		verdict->reason = reason;
		verdict_set_port(verdict, decides);
	}
}

/* Is the last port on the way up a root port that drops packets of this kind? */
static bool root_port_drops(const struct walk *walk, enum pci_p2pdma_tlp tlp)
{
	struct pci_dev *in = walk->up.below, *out = walk->down.below;

	/* The bus of a virtual function may only look like a root bus. */
	return pci_pcie_type(in) == PCI_EXP_TYPE_ROOT_PORT &&
	       in->bus == physfn_of(out)->bus &&
	       (tlp == PCI_P2PDMA_TLP_TRANSLATED ?
		p2pdma_acs_translated(in, out) :
		p2pdma_acs_request(in, out)) == P2PDMA_ACS_BLOCK;
}

/* There is no bridge above both: two ports of the root complex, or more */
static void route_between_root_ports(struct walk *walk)
{
	if (root_port_drops(walk, PCI_P2PDMA_TLP_REQUEST)) {
		verdict_set_map(&walk->verdict, PCI_P2PDMA_MAP_NOT_SUPPORTED,
				P2PDMA_REASON_ACS_BLOCKED);
		verdict_set_port(&walk->verdict, walk->up.below);
		return;
	}
	walk->verdict.reason = P2PDMA_REASON_ROOT_COMPLEX;
	route_via_root(walk, P2PDMA_ROUTES_BOTH_WAYS);
}

/*
 * From @port requests, or only the completions of reads, go up to the root
 * complex, if the ports above send on what belongs where it comes from.
 */
static void route_upstream(struct walk *walk, struct pci_dev *port,
			   unsigned int ways)
{
	struct p2pdma_verdict *verdict = &walk->verdict;
	struct pci_dev *up = bridge_above(port);

	while (up && p2pdma_acs_forwards(up))
		up = bridge_above(up);
	if (!up) {
		route_via_root(walk, ways);
		return;
	}
	verdict->reason = P2PDMA_REASON_ACS_BLOCKED;
	verdict_set_port(verdict, up);
	verdict->map[P2PDMA_READ] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
	if (ways & P2PDMA_ROUTES_WRITES)
		verdict->map[P2PDMA_WRITE] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/*
 * @port sends requests, or only the completions of reads, up to the root
 * complex, because ACS says so or because a function does nothing else.
 */
static void route_redirected(struct walk *walk, struct pci_dev *port,
			     enum p2pdma_acs why, unsigned int ways)
{
	walk->verdict.reason = why == P2PDMA_ACS_NOT_ROUTED ?
			       P2PDMA_REASON_FUNCTIONS :
			       P2PDMA_REASON_ACS_REDIRECT;
	verdict_set_port(&walk->verdict, port);
	route_upstream(walk, port, ways);
}

/* How the two below the turning point come to be neighbours */
static enum p2pdma_reason turn_reason(const struct walk *walk)
{
	if (!pci_is_pcie(walk->up.below) || !pci_is_pcie(walk->down.below))
		return P2PDMA_REASON_SAME_BUS;
	if (pci_pcie_type(walk->up.node) == PCI_EXP_TYPE_UPSTREAM)
		return P2PDMA_REASON_SAME_SWITCH;
	return P2PDMA_REASON_SAME_DEVICE;
}

/* Requests could turn round below a bridge: what does ACS say? */
static void route_at_turn(struct walk *walk)
{
	struct pci_dev *in = walk->up.below, *out = walk->down.below;
	enum p2pdma_acs request = p2pdma_acs_request(in, out);
	enum p2pdma_acs completion = p2pdma_acs_completion(out);

	verdict_set_map(&walk->verdict, PCI_P2PDMA_MAP_BUS_ADDR,
			turn_reason(walk));
	verdict_set_port(&walk->verdict, walk->up.node);
	if (request == P2PDMA_ACS_BLOCK) {
		verdict_set_map(&walk->verdict, PCI_P2PDMA_MAP_NOT_SUPPORTED,
				P2PDMA_REASON_ACS_BLOCKED);
		verdict_set_port(&walk->verdict, in);
	} else if (request != P2PDMA_ACS_DIRECT) {
		route_redirected(walk, in, request, P2PDMA_ROUTES_BOTH_WAYS);
	} else if (completion != P2PDMA_ACS_DIRECT) {
		route_redirected(walk, out, completion, P2PDMA_ROUTES_READS);
	}
}

/**
 * p2pdma_route - walk from a client to a provider
 * @client: function that would do DMA
 * @provider: provider
 *
 * Context: any; takes no lock but that of config space accesses.
 * Return: the verdict; valid for the topology at the time of the call.
 */
struct p2pdma_verdict p2pdma_route(struct pci_dev *client,
				   struct pci_dev *provider)
{
	struct walk walk = {
		.client = client,
		.provider = provider,
		.up.node = client,
		.down.node = provider,
	};

	if (client == provider) {
		verdict_set_map(&walk.verdict, PCI_P2PDMA_MAP_BUS_ADDR,
				P2PDMA_REASON_SELF);
		return walk.verdict;
	}

	walk_to_common(&walk);
	walk.verdict.distance = walk.up.hops + walk.down.hops;
	if (!walk.up.node) {
		route_between_root_ports(&walk);
	} else if (walk.up.below && walk.down.below) {
		route_at_turn(&walk);
	} else {
		/*
		 * One is a bridge above the other.  Its own BAR is not in the
		 * window that it forwards, nor does it send anything down by
		 * itself: the request goes all the way up.
		 */
		walk.verdict.reason = P2PDMA_REASON_ROOT_COMPLEX;
		route_upstream(&walk, walk.up.node, P2PDMA_ROUTES_BOTH_WAYS);
	}
	return walk.verdict;
}

/* ---- by kind of packet ---- */

/* No port from @pdev up, @end excepted, drops Translated Requests. */
static bool translated_pass(struct pci_dev *pdev, struct pci_dev *end)
{
	for (; pdev != end; pdev = bridge_above(pdev))
		if (p2pdma_acs_blocks_translated(pdev))
			return false;
	return true;
}

static enum p2pdma_acs tlp_at_turn(const struct walk *walk,
				   enum pci_p2pdma_tlp tlp)
{
	struct pci_dev *in = walk->up.below, *out = walk->down.below;

	switch (tlp) {
	case PCI_P2PDMA_TLP_COMPLETION:
		return p2pdma_acs_completion(in);
	case PCI_P2PDMA_TLP_TRANSLATED:
		return p2pdma_acs_translated(in, out);
	default:
		return p2pdma_acs_request(in, out);
	}
}

static enum pci_p2pdma_map_type tlp_via_root(const struct walk *walk,
					     enum pci_p2pdma_tlp tlp)
{
	unsigned int routes, need = P2PDMA_ROUTES_BOTH_WAYS;
	struct pci_dev *decides;

	if (tlp == PCI_P2PDMA_TLP_COMPLETION)
		need = P2PDMA_ROUTES_READS;
	p2pdma_hostbridge_routes(root_ancestor(walk->client),
				 root_ancestor(walk->provider), &routes,
				 &decides);
	return (routes & need) == need ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					 PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/**
 * p2pdma_route_tlp - walk as one kind of packet does
 * @client: function that would do DMA
 * @provider: function whose memory it is
 * @tlp: kind of packet; completions go from @provider to @client
 *
 * A verdict says what reads and writes come to.  This is what they are made of,
 * and Translated Requests, which a verdict does not know.
 *
 * Context: any; takes no lock but that of config space accesses.
 * Return: PCI_P2PDMA_MAP_BUS_ADDR if such packets never see the root complex,
 * PCI_P2PDMA_MAP_THRU_HOST_BRIDGE if that routes them (requests: reads and
 * writes), else PCI_P2PDMA_MAP_NOT_SUPPORTED.
 */
enum pci_p2pdma_map_type p2pdma_route_tlp(struct pci_dev *client,
					  struct pci_dev *provider,
					  enum pci_p2pdma_tlp tlp)
{
	bool back = tlp == PCI_P2PDMA_TLP_COMPLETION;
	bool translated = tlp == PCI_P2PDMA_TLP_TRANSLATED;
	struct walk walk = {
		.client = client,
		.provider = provider,
		.up.node = back ? provider : client,
		.down.node = back ? client : provider,
	};
	struct pci_dev *from = walk.up.node, *port;

	if (client == provider)
		return PCI_P2PDMA_MAP_BUS_ADDR;
	walk_to_common(&walk);
	port = walk.up.node;
	if (translated && walk.up.below &&
	    !translated_pass(bridge_above(from), port))
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	if (!port) {
		if (!back && root_port_drops(&walk, tlp))
			return PCI_P2PDMA_MAP_NOT_SUPPORTED;
		return tlp_via_root(&walk, tlp);
	}
	if (walk.up.below && walk.down.below) {
		switch (tlp_at_turn(&walk, tlp)) {
		case P2PDMA_ACS_DIRECT:
			return PCI_P2PDMA_MAP_BUS_ADDR;
		case P2PDMA_ACS_BLOCK:
			return PCI_P2PDMA_MAP_NOT_SUPPORTED;
		default:
			break;
		}
	} else {
		port = bridge_above(port);
	}
	if (translated && !translated_pass(port, NULL))
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	for (; port; port = bridge_above(port))
		if (!p2pdma_acs_forwards(port))
			return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	return tlp_via_root(&walk, tlp);
}

/* ---- all that is in the way ---- */

static void add_port(struct p2pdma_obstacles *found, struct pci_dev *port,
		     enum p2pdma_obstacle_kind kind)
{
	static const u16 flag[] = {
		[P2PDMA_REDIRECTS_REQUESTS]		= PCI_ACS_RR,
		[P2PDMA_REDIRECTS_COMPLETIONS]	= PCI_ACS_CR,
		[P2PDMA_NOT_FORWARDED]		= PCI_ACS_UF,
		[P2PDMA_NOT_ROUTED]		= PCI_ACS_RR,
	};
	struct p2pdma_obstacle *obstacle;

	if (found->num_ports++ >= P2PDMA_OBSTACLES)
		return;
	obstacle = &found->port[found->num_ports - 1];
	obstacle->kind = kind;
	obstacle->domain = pci_domain_nr(port->bus);
	obstacle->bdf = pci_dev_id(port);
	obstacle->ctrl = p2pdma_acs_control(port);
	obstacle->fixed = !p2pdma_acs_writable(port, flag[kind]);
}

static void add_root(struct p2pdma_obstacles *found, const struct walk *walk)
{
	struct pci_dev *top = root_ancestor(walk->client);
	struct pci_dev *other = root_ancestor(walk->provider);

	found->by_root = true;
	found->one_root = top->bus == other->bus;
	p2pdma_hostbridge_get(top, &found->root[0]);
	p2pdma_hostbridge_get(other, &found->root[1]);
}

/* What keeps requests from turning round where they could? */
static void add_turn(struct p2pdma_obstacles *found, const struct walk *walk)
{
	struct pci_dev *in = walk->up.below, *out = walk->down.below;
	enum p2pdma_acs request = p2pdma_acs_request(in, out);
	enum p2pdma_acs completion = p2pdma_acs_completion(out);

	found->dropped = request == P2PDMA_ACS_BLOCK;
	if (request == P2PDMA_ACS_NOT_ROUTED)
		add_port(found, in, P2PDMA_NOT_ROUTED);
	else if (request != P2PDMA_ACS_DIRECT)
		add_port(found, in, P2PDMA_REDIRECTS_REQUESTS);
	if (completion == P2PDMA_ACS_NOT_ROUTED)
		add_port(found, out, P2PDMA_NOT_ROUTED);
	else if (completion != P2PDMA_ACS_DIRECT)
		add_port(found, out, P2PDMA_REDIRECTS_COMPLETIONS);
}

/**
 * p2pdma_route_obstacles - find all that keeps a route from being direct
 * @client: function that would do DMA, both reading and writing
 * @provider: function whose memory it is
 * @found: filled in
 *
 * p2pdma_route() ends with what decides.  Who wants to change that has to know
 * of everything that would decide next: both ends of the turn, each port above
 * that does not forward what is redirected, and the root complex.
 *
 * Context: any; takes no lock but that of config space accesses.
 */
void p2pdma_route_obstacles(struct pci_dev *client, struct pci_dev *provider,
			    struct p2pdma_obstacles *found)
{
	struct walk walk = {
		.client = client,
		.provider = provider,
		.up.node = client,
		.down.node = provider,
	};
	struct pci_dev *port;

	memset(found, 0, sizeof(*found));
	if (client == provider)
		return;
	walk_to_common(&walk);
	if (!walk.up.node) {
		found->no_switch = true;
		if (root_port_drops(&walk, PCI_P2PDMA_TLP_REQUEST))
			add_port(found, walk.up.below,
				 P2PDMA_REDIRECTS_REQUESTS);
		add_root(found, &walk);
		return;
	}
	port = walk.up.node;
	if (walk.up.below && walk.down.below) {
		add_turn(found, &walk);
		if (!found->num_ports)
			return;
	} else {
		found->no_switch = true;
		port = bridge_above(port);
	}
	for (; port; port = bridge_above(port))
		if (!p2pdma_acs_forwards(port))
			add_port(found, port, P2PDMA_NOT_FORWARDED);
	add_root(found, &walk);
}
