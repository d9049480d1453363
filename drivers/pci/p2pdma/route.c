// SPDX-License-Identifier: GPL-2.0-only
/*
 * From client to provider: a pure function of the topology.
 *
 * A memory request climbs from the client until it meets a bridge whose
 * window holds the address, turns round there, and goes down to the provider
 * (PCIe r6.0, sec 2.2.4.1).  The turning point is the lowest bridge that both
 * have above them:
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

#include "p2pdma.h"

#define BOTH_WAYS	(P2PDMA_ROUTES_READS | P2PDMA_ROUTES_WRITES)

/*
 * One side of the route while it is climbed: @node has been reached, @below
 * is the step before it, NULL at the start.
 */
struct leg {
	struct pci_dev *node;
	struct pci_dev *below;
	unsigned int hops;
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
	[P2PDMA_REASON_FUNCTIONS]	= "functions-apart",
	[P2PDMA_REASON_ROOT_READS]	= "root-complex-reads-only",
	[P2PDMA_REASON_ROOT_WRITES]	= "root-complex-writes-only",
};

const struct p2pdma_verdict p2pdma_verdict_not_pci = {
	.map = {
		[P2PDMA_READ]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
		[P2PDMA_WRITE]	= PCI_P2PDMA_MAP_NOT_SUPPORTED,
	},
	.reason = P2PDMA_REASON_NOT_PCI,
};

static struct pci_dev *physical_of(struct pci_dev *pdev)
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
static void climb_to_common(struct leg *a, struct leg *b)
{
	unsigned int depth_a = depth(a->node), depth_b = depth(b->node);

	for (; depth_a > depth_b; depth_a--)
		climb(a);
	for (; depth_b > depth_a; depth_b--)
		climb(b);
	while (a->node != b->node) {
		climb(a);
		climb(b);
	}
}

static void decided_by(struct p2pdma_verdict *verdict, struct pci_dev *port)
{
	verdict->has_port = true;
	verdict->port_domain = pci_domain_nr(port->bus);
	verdict->port_bdf = pci_dev_id(port);
}

static void set_both(struct p2pdma_verdict *verdict,
		     enum pci_p2pdma_map_type type, enum p2pdma_reason reason)
{
	verdict->map[P2PDMA_READ] = type;
	verdict->map[P2PDMA_WRITE] = type;
	verdict->reason = reason;
}

static struct pci_dev *top_of(struct pci_dev *pdev)
{
	struct pci_dev *up;

	while ((up = bridge_above(pdev)))
		pdev = up;
	/* A virtual function may be on a bus that only looks like a root bus. */
	return physical_of(pdev);
}

/*
 * What the root complex makes of requests that reach it, as far as @ways
 * (P2PDMA_ROUTES_READS, _WRITES) go there.  A refusal is its own decision, unless
 * something below sent the requests there: then that stays the reason.
 */
static void through_root(struct p2pdma_verdict *verdict, struct pci_dev *client,
			 struct pci_dev *provider, unsigned int ways)
{
	static const unsigned int way[P2PDMA_ACCESSES] = {
		[P2PDMA_READ]	= P2PDMA_ROUTES_READS,
		[P2PDMA_WRITE]	= P2PDMA_ROUTES_WRITES,
	};
	struct pci_dev *top = top_of(client);
	enum p2pdma_reason answer;
	unsigned int routes;
	int i;

	answer = p2pdma_hostbridge(top, top_of(provider), &routes);
	for (i = 0; i < P2PDMA_ACCESSES; i++)
		if (ways & way[i])
			verdict->map[i] = routes & way[i] ?
					  PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					  PCI_P2PDMA_MAP_NOT_SUPPORTED;
	if (verdict->reason == P2PDMA_REASON_ROOT_COMPLEX &&
	    answer != P2PDMA_REASON_ROOT_COMPLEX) {
		verdict->reason = answer;
		decided_by(verdict, top);
	}
}

/* There is no bridge above both: two ports of the root complex, or more */
static void apart(struct p2pdma_verdict *verdict, struct pci_dev *client,
		  struct pci_dev *provider, const struct leg *up,
		  const struct leg *down)
{
	struct pci_dev *in = up->below, *out = down->below;

	/* The bus of a virtual function may only look like a root bus. */
	if (pci_pcie_type(in) == PCI_EXP_TYPE_ROOT_PORT &&
	    in->bus == physical_of(out)->bus &&
	    p2pdma_acs_request(in, out) == P2PDMA_ACS_BLOCK) {
		set_both(verdict, PCI_P2PDMA_MAP_NOT_SUPPORTED,
			 P2PDMA_REASON_ACS_BLOCKED);
		decided_by(verdict, in);
		return;
	}
	verdict->reason = P2PDMA_REASON_ROOT_COMPLEX;
	through_root(verdict, client, provider, BOTH_WAYS);
}

/*
 * From @port requests, or only the completions of reads, go up to the root
 * complex, if the ports above send on what belongs where it comes from.
 */
static void upstream(struct p2pdma_verdict *verdict, struct pci_dev *client,
		     struct pci_dev *provider, struct pci_dev *port,
		     unsigned int ways)
{
	struct pci_dev *up = bridge_above(port);

	while (up && p2pdma_acs_forwards(up))
		up = bridge_above(up);
	if (!up) {
		through_root(verdict, client, provider, ways);
		return;
	}
	verdict->reason = P2PDMA_REASON_ACS_BLOCKED;
	decided_by(verdict, up);
	verdict->map[P2PDMA_READ] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
	if (ways & P2PDMA_ROUTES_WRITES)
		verdict->map[P2PDMA_WRITE] = PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/*
 * @port sends @client's requests, or only the completions of reads, up to the
 * root complex, because ACS says so or because a function does nothing else.
 */
static void redirected(struct p2pdma_verdict *verdict, struct pci_dev *client,
		       struct pci_dev *provider, struct pci_dev *port,
		       enum p2pdma_acs why, unsigned int ways)
{
	verdict->reason = why == P2PDMA_ACS_NOT_INSIDE ?
			  P2PDMA_REASON_FUNCTIONS : P2PDMA_REASON_ACS_REDIRECT;
	decided_by(verdict, port);
	upstream(verdict, client, provider, port, ways);
}

/* How the siblings @in and @out below @common come to be neighbours */
static enum p2pdma_reason turning_point(struct pci_dev *common,
					struct pci_dev *in, struct pci_dev *out)
{
	if (!pci_is_pcie(in) || !pci_is_pcie(out))
		return P2PDMA_REASON_SAME_BUS;
	if (pci_pcie_type(common) == PCI_EXP_TYPE_UPSTREAM)
		return P2PDMA_REASON_SAME_SWITCH;
	return P2PDMA_REASON_SAME_DEVICE;
}

/**
 * p2pdma_route - walk from a client to a provider
 * @client: function that would do DMA
 * @provider: function that lends memory
 *
 * Context: any; takes no lock but that of config space accesses.
 * Return: the verdict; valid for the topology at the time of the call.
 */
struct p2pdma_verdict p2pdma_route(struct pci_dev *client,
				   struct pci_dev *provider)
{
	struct leg up = { .node = client }, down = { .node = provider };
	struct p2pdma_verdict verdict = {};
	enum p2pdma_acs request, completion;

	if (client == provider) {
		set_both(&verdict, PCI_P2PDMA_MAP_BUS_ADDR, P2PDMA_REASON_SELF);
		return verdict;
	}

	climb_to_common(&up, &down);
	verdict.distance = up.hops + down.hops;
	if (!up.node) {
		apart(&verdict, client, provider, &up, &down);
		return verdict;
	}
	if (!up.below || !down.below) {
		/*
		 * One is a bridge above the other. Its own BAR is not in the
		 * window that it forwards, nor does it send anything down by
		 * itself: the request goes all the way up.
		 */
		verdict.reason = P2PDMA_REASON_ROOT_COMPLEX;
		upstream(&verdict, client, provider, up.node, BOTH_WAYS);
		return verdict;
	}

	set_both(&verdict, PCI_P2PDMA_MAP_BUS_ADDR,
		 turning_point(up.node, up.below, down.below));
	decided_by(&verdict, up.node);
	request = p2pdma_acs_request(up.below, down.below);
	completion = p2pdma_acs_completion(down.below);
	if (request == P2PDMA_ACS_BLOCK) {
		set_both(&verdict, PCI_P2PDMA_MAP_NOT_SUPPORTED,
			 P2PDMA_REASON_ACS_BLOCKED);
		decided_by(&verdict, up.below);
	} else if (request != P2PDMA_ACS_DIRECT) {
		redirected(&verdict, client, provider, up.below, request,
			   BOTH_WAYS);
	} else if (completion != P2PDMA_ACS_DIRECT) {
		redirected(&verdict, client, provider, down.below, completion,
			   P2PDMA_ROUTES_READS);
	}
	return verdict;
}

/* ---- in words ---- */

static const char *remedy(enum p2pdma_reason reason)
{
	switch (reason) {
	case P2PDMA_REASON_ACS_BLOCKED:
		return "let the port's ACS pass peer requests on (pci=config_acs=)";
	case P2PDMA_REASON_ACS_REDIRECT:
		return "clear ACS redirect there (pci=disable_acs_redir=)";
	case P2PDMA_REASON_FUNCTIONS:
		return "use a client that is another device";
	case P2PDMA_REASON_ROOT_UNKNOWN:
	case P2PDMA_REASON_ROOT_DIFFERS:
	case P2PDMA_REASON_ROOT_READS:
	case P2PDMA_REASON_ROOT_WRITES:
		return "put both below one PCIe switch, or see pci_p2pdma.host_bridges=";
	case P2PDMA_REASON_DMA_MASK:
		return "the driver has to set a wider DMA mask";
	default:
		return "choose a client that does PCI DMA itself";
	}
}

/**
 * p2pdma_verdict_explain - say in the log why a client cannot reach a provider
 * @provider: device whose memory it is
 * @client: device that would do DMA; not necessarily a PCI device
 * @verdict: on the two
 *
 * The reason, the port that decided, and what can be done about it.
 *
 * Context: any.
 */
void p2pdma_verdict_explain(struct pci_dev *provider, struct device *client,
			    const struct p2pdma_verdict *verdict)
{
	char port[24] = "";

	if (verdict->has_port)
		snprintf(port, sizeof(port), " at %04x:%02x:%02x.%d",
			 verdict->port_domain, PCI_BUS_NUM(verdict->port_bdf),
			 PCI_SLOT(verdict->port_bdf),
			 PCI_FUNC(verdict->port_bdf));
	pci_warn(provider, "%s cannot reach this device's memory: %s%s; %s\n",
		 dev_name(client), p2pdma_reason_names[verdict->reason], port,
		 remedy(verdict->reason));
}
