// SPDX-License-Identifier: GPL-2.0-only
/*
 * An oracle for routes: send the requests, and see where they go.
 *
 * This shares nothing with route.c, neither code nor idea.  It knows no common
 * bridge and no struct pci_dev.  A packet has an address (or the routing id of
 * the requester, if it is a completion), and wanders through the fabric; each
 * function that it meets decodes it with the BARs, windows and bus numbers in
 * its config space, and applies its ACS controls to it: PCIe r6.0, sec 2.2.4
 * (routing), sec 6.12 (ACS), sec 1.3.1 (root complex).
 *
 * A packet that never sees the root complex can be used with a bus address, one
 * that does needs the address that the host bridge takes, one that gets lost
 * makes the access impossible.  A read is a request and a completion, a write
 * is a request.
 *
 * BARs are BAR 0 of each function, 64-bit and prefetchable, as the builders of
 * the fabric make them.
 */
#include <linux/pci.h>

#include "oracle.h"

/**
 * struct packet - what wanders
 * @completion: routed by @id; else a request, routed by @address
 * @translated: a request whose address the IOMMU has translated
 * @address: bus address, below @host
 * @id: bus, device and function number
 * @host: host bridge that it is below at the moment
 * @goal: whom it is for
 * @by_root: the root complex has had it in its hands
 * @astray: somebody else took it
 */
struct packet {
	bool completion;
	bool translated;
	u64 address;
	u16 id;
	struct fabric_host *host;
	struct fabric_fn *goal;
	bool by_root;
	bool astray;
};

static u32 reg(const struct fabric_fn *fn, int where, int size)
{
	return fabric_config_get(fn, where, size);
}

/* ---- decoding ---- */

static u8 bus_number(const struct fabric_bus *bus)
{
	return bus->bridge ? reg(bus->bridge, PCI_SECONDARY_BUS, 1) :
			     bus->host->first_bus;
}

static unsigned int vf_index(const struct fabric_fn *vf)
{
	unsigned int i = 0;

	while (vf->pf->vf[i] != vf)
		i++;
	return i;
}

static u16 routing_id(const struct fabric_fn *fn)
{
	const int cap = FABRIC_SRIOV_CAP;

	if (!fn->pf)
		return PCI_DEVID(bus_number(fn->bus), fn->devfn);
	return routing_id(fn->pf) + reg(fn->pf, cap + PCI_SRIOV_VF_OFFSET, 2) +
	       vf_index(fn) * reg(fn->pf, cap + PCI_SRIOV_VF_STRIDE, 2);
}

/**
 * oracle_bar_address - what a function's BAR 0 says
 * @fn: function
 *
 * Return: the bus address.
 */
u64 oracle_bar_address(const struct fabric_fn *fn)
{
	const struct fabric_fn *of = fn->pf ?: fn;
	int where = fn->pf ? FABRIC_SRIOV_CAP + PCI_SRIOV_BAR :
			     PCI_BASE_ADDRESS_0;
	u64 address;

	address = reg(of, where, 4) & PCI_BASE_ADDRESS_MEM_MASK;
	address |= (u64)reg(of, where + 4, 4) << 32;
	return fn->pf ? address + vf_index(fn) * fn->bar[0].size : address;
}

/*
 * Routing ids are those of one segment.  To another one the root complex sends
 * requests in its own name, so that it has to get the completions.
 */
static bool id_is_known(const struct packet *p)
{
	return p->host->domain == p->goal->host->domain;
}

static bool is_for(const struct packet *p, const struct fabric_fn *fn)
{
	u64 bar;

	if (p->completion)
		return id_is_known(p) && p->id == routing_id(fn);
	if (!fn->bar[0].size)
		return false;
	bar = oracle_bar_address(fn);
	return p->address >= bar && p->address - bar < fn->bar[0].size;
}

/* Is it for something below @fn? */
static bool is_below(const struct packet *p, const struct fabric_fn *fn)
{
	u64 base, limit;

	if (!fn->below)
		return false;
	if (p->completion)
		return id_is_known(p) &&
		       PCI_BUS_NUM(p->id) >= reg(fn, PCI_SECONDARY_BUS, 1) &&
		       PCI_BUS_NUM(p->id) <= reg(fn, PCI_SUBORDINATE_BUS, 1);
	base = (u64)(reg(fn, PCI_PREF_MEMORY_BASE, 2) & 0xfff0) << 16 |
	       (u64)reg(fn, PCI_PREF_BASE_UPPER32, 4) << 32;
	limit = (u64)(reg(fn, PCI_PREF_MEMORY_LIMIT, 2) & 0xfff0) << 16 |
		(u64)reg(fn, PCI_PREF_LIMIT_UPPER32, 4) << 32 | 0xfffff;
	return p->address >= base && p->address <= limit;
}

/* Who on @bus, @but not that one, takes the packet? */
static struct fabric_fn *taker(const struct packet *p, struct fabric_bus *bus,
			       const struct fabric_fn *but)
{
	struct fabric_fn *fn;
	unsigned int i, j;

	for (i = 0; i < bus->end; i++) {
		fn = bus->fn[i];
		if (!fn)
			continue;
		if (fn != but && (is_for(p, fn) || is_below(p, fn)))
			return fn;
		for (j = 0; j < fn->num_vfs; j++) {
			if (fn->vf[j] != but && fn->vf[j]->pdev &&
			    is_for(p, fn->vf[j]))
				return fn->vf[j];
		}
	}
	return NULL;
}

/* ---- ACS ---- */

static u16 acs_controls(const struct fabric_fn *fn)
{
	u16 ctrl = fn->acs ? reg(fn, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2) : 0;

	return ctrl | fn->acs_always;
}

/* Functions on @bus are found by ARI: bits may stand for groups of them. */
static bool in_groups(const struct fabric_bus *bus)
{
	const int devctl2 = FABRIC_PCIE_CAP + PCI_EXP_DEVCTL2;

	return bus->bridge &&
	       reg(bus->bridge, devctl2, 2) & PCI_EXP_DEVCTL2_ARI;
}

static u32 port_number(const struct fabric_fn *port)
{
	return reg(port, FABRIC_PCIE_CAP + PCI_EXP_LNKCAP, 4) >> 24;
}

/* What a vector says of a number is said of one port, if it has the number alone. */
static bool has_number_alone(const struct fabric_fn *port)
{
	const struct fabric_fn *fn = port->bus->bridge;
	unsigned int i;

	if (fn && fn->type == PCI_EXP_TYPE_UPSTREAM &&
	    port_number(fn) == port_number(port))
		return false;
	for (i = 0; i < port->bus->end; i++) {
		fn = port->bus->fn[i];
		if (fn && fn != port && fn->type == port->type &&
		    port_number(fn) == port_number(port))
			return false;
	}
	return true;
}

static bool is_switching(const struct fabric_fn *fn)
{
	return fn->type == PCI_EXP_TYPE_ROOT_PORT ||
	       fn->type == PCI_EXP_TYPE_DOWNSTREAM;
}

/* Is the bit for @out in the egress vector of @in 1?  As far as there is one */
static bool vector_forbids(const struct fabric_fn *in,
			   const struct fabric_fn *out)
{
	u32 bits = reg(in, FABRIC_ACS_CAP + PCI_ACS_EGRESS_BITS, 1);
	u32 nr, word;

	if (out->pf || is_switching(in) != is_switching(out))
		return true;
	if (is_switching(out))
		nr = has_number_alone(out) ? port_number(out) : U32_MAX;
	else
		nr = in_groups(out->bus) ? U32_MAX : out->devfn % 8;
	/* No bit, or fewer than that: nothing tells that it may be sent to */
	if (nr >= (bits ?: 256))
		return true;
	word = reg(in, FABRIC_ACS_CAP + PCI_ACS_EGRESS_CTL_V + nr / 32 * 4, 4);
	return word >> nr % 32 & 1;
}

enum turn { TURNS, UPSTREAM, DROPPED };

/* @in has the packet, @out beside it would take it: does it get it? */
static enum turn turn(const struct packet *p, const struct fabric_fn *in,
		      const struct fabric_fn *out)
{
	u16 ctrl = acs_controls(in);

	if (in->acs_always & PCI_ACS_RR)
		return UPSTREAM;
	if (p->translated && ctrl & PCI_ACS_DT)
		return TURNS;
	if (p->completion)
		return ctrl & PCI_ACS_CR ? UPSTREAM : TURNS;
	/* Table 6-11 */
	if (!(ctrl & PCI_ACS_EC))
		return ctrl & PCI_ACS_RR ? UPSTREAM : TURNS;
	if (!vector_forbids(in, out))
		return TURNS;
	return ctrl & PCI_ACS_RR ? UPSTREAM : DROPPED;
}

/* ---- wandering ---- */

/* It arrives at @fn from above. */
static bool goes_down(struct packet *p, struct fabric_fn *fn)
{
	while (!is_for(p, fn)) {
		fn = taker(p, fn->below, NULL);
		if (!fn)
			return false;
	}
	p->astray |= fn != p->goal;
	return true;
}

static bool complex_routes(const struct fabric_host *from,
			   const struct fabric_host *to)
{
	if (from == to)
		return from->routes != FABRIC_ROUTES_NOTHING;
	return from->routes == FABRIC_ROUTES_ANYWHERE &&
	       to->routes == FABRIC_ROUTES_ANYWHERE;
}

/* @from, on a root bus, hands it to the root complex. */
static bool in_root_complex(struct packet *p, struct fabric_fn *from)
{
	struct fabric_host *to = p->goal->host;
	struct fabric_fn *fn;

	p->by_root = true;
	if (!complex_routes(from->host, to))
		return false;
	if (to != p->host) {
		p->host = to;
		p->address += to->bus_offset;
	}
	fn = taker(p, to->root, NULL);
	if (!fn)
		return false;
	if (from->type == PCI_EXP_TYPE_ROOT_PORT && fn != from &&
	    fn->bus == from->bus && turn(p, from, fn) == DROPPED)
		return false;
	return goes_down(p, fn);
}

/* Do the functions of the device that @fn is of reach each other inside it? */
static bool device_turns(const struct fabric_fn *fn)
{
	u16 cap = fn->acs ? reg(fn, FABRIC_ACS_CAP + PCI_ACS_CAP, 2) : 0;

	return cap & PCI_ACS_RR && cap & PCI_ACS_CR;
}

/* It arrives from below at @port, which may be no port at all. */
static bool comes_in(const struct packet *p, const struct fabric_fn *port)
{
	if (port->type != PCI_EXP_TYPE_DOWNSTREAM &&
	    port->type != PCI_EXP_TYPE_ROOT_PORT)
		return true;
	if (p->translated && acs_controls(port) & PCI_ACS_TB)
		return false;
	return true;
}

/* @port has something that belongs below it, and that comes from there. */
static bool sends_back_up(const struct fabric_fn *port)
{
	bool uf = acs_controls(port) & PCI_ACS_UF;

	switch (port->type) {
	case PCI_EXP_TYPE_DOWNSTREAM:
		return uf;
	case PCI_EXP_TYPE_ROOT_PORT:
		/* One that cannot be told is a part of the root complex. */
		return uf || !port->acs ||
		       !(reg(port, FABRIC_ACS_CAP + PCI_ACS_CAP, 2) & PCI_ACS_UF);
	default:
		return true;
	}
}

/* @fn has it, to send out on the bus that it is on. */
static bool goes_up(struct packet *p, struct fabric_fn *fn)
{
	struct fabric_fn *to, *above;

	for (;; fn = above) {
		above = fn->bus->bridge;
		if (!above)
			return in_root_complex(p, fn);
		to = taker(p, fn->bus, fn);
		if (to && fn->type == FABRIC_CONVENTIONAL)
			return goes_down(p, to);
		if (to && (fn->type == PCI_EXP_TYPE_DOWNSTREAM ||
			   device_turns(fn))) {
			switch (turn(p, fn, to)) {
			case TURNS:
				return goes_down(p, to);
			case DROPPED:
				return false;
			case UPSTREAM:
				break;
			}
		}
		if (!comes_in(p, above))
			return false;
		/* Back to where it comes from: ACS Upstream Forwarding */
		if (is_below(p, above) && !sends_back_up(above))
			return false;
	}
}

/* ---- the route ---- */

static unsigned int height(const struct fabric_fn *fn)
{
	unsigned int n = 0;

	for (; fn; fn = fn->bus->bridge)
		n++;
	return n;
}

static unsigned int distance(const struct fabric_fn *a,
			     const struct fabric_fn *b, bool by_root)
{
	unsigned int i, j, n = height(a), m = height(b);
	const struct fabric_fn *x, *y;

	for (i = 0, x = a; x && !by_root; x = x->bus->bridge, i++) {
		for (j = 0, y = b; y; y = y->bus->bridge, j++) {
			if (x == y)
				return i + j;
		}
	}
	return n + m;
}

static u8 type_of(bool arrived, bool by_root)
{
	if (!arrived)
		return PCI_P2PDMA_MAP_NOT_SUPPORTED;
	return by_root ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
			 PCI_P2PDMA_MAP_BUS_ADDR;
}

/**
 * oracle - what becomes of the traffic between two functions
 * @client: reads and writes
 * @provider: memory, in BAR 0
 *
 * Both are endpoints of a fabric that has been scanned.
 *
 * Return: the route.
 */
struct oracle_route oracle(struct fabric_fn *client,
			   struct fabric_fn *provider)
{
	struct packet request = { .host = client->host, .goal = provider };
	struct packet completion = { .host = provider->host, .goal = client,
				     .completion = true };
	struct packet translated = { .host = client->host, .goal = provider,
				     .translated = true };
	struct oracle_route route = {};
	bool there, back;

	if (client == provider) {
		route.map[P2PDMA_READ] = PCI_P2PDMA_MAP_BUS_ADDR;
		route.map[P2PDMA_WRITE] = PCI_P2PDMA_MAP_BUS_ADDR;
		memset(route.tlp, PCI_P2PDMA_MAP_BUS_ADDR, sizeof(route.tlp));
		return route;
	}
	request.address = oracle_bar_address(provider);
	/* From another host bridge: as the CPU has it */
	if (client->host != provider->host)
		request.address -= provider->host->bus_offset;
	there = goes_up(&request, client);
	route.map[P2PDMA_WRITE] = type_of(there, request.by_root);

	completion.id = routing_id(client);
	back = goes_up(&completion, provider);
	route.map[P2PDMA_READ] = type_of(there && back, request.by_root ||
					 completion.by_root);
	route.distance = distance(client, provider, request.by_root ||
				  (there && completion.by_root));
	route.tlp[PCI_P2PDMA_TLP_REQUEST] = route.map[P2PDMA_WRITE];
	route.tlp[PCI_P2PDMA_TLP_COMPLETION] = type_of(back, completion.by_root);

	/* The IOMMU gives the address that the CPU has for it. */
	translated.address = oracle_bar_address(provider) -
			     provider->host->bus_offset;
	there = goes_up(&translated, client);
	route.tlp[PCI_P2PDMA_TLP_TRANSLATED] = type_of(there, translated.by_root);
	route.astray = request.astray || completion.astray ||
			translated.astray;
	return route;
}
