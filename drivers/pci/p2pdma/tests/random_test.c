// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: properties of routes on random fabrics.
 *
 * A fabric is drawn from a seed, which is printed; random_test.seed= repeats
 * it.  random_test.fabrics= makes a run longer or shorter.
 */
#include <kunit/test.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/prandom.h>
#include <linux/random.h>

#include "oracle.h"

#define MAX_ENDS	96
#define MAX_BUSES	100
#define ROUNDS		8	/* ACS settings per fabric */
#define PAIRS		400	/* per round */
#define DUMP_SIZE	SZ_2M	/* of a fabric's functions, as text */
#define DUMP_PAIRS	100
#define MAX_VFS		6	/* of the one function in a fabric that has any */

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "of the random fabrics; 0 draws one");

static unsigned int fabrics = 32;
module_param(fabrics, uint, 0644);
MODULE_PARM_DESC(fabrics, "number of random fabrics");

static char *dump;
module_param(dump, charp, 0644);
MODULE_PARM_DESC(dump, "write random fabrics and verdicts to files: this, and a number");

/**
 * struct draw - a random fabric
 * @rnd: state of the generator
 * @fabric: the fabric
 * @ends: endpoints
 * @num_ends: their number
 * @pf: function with virtual ones, if there is one
 * @may_have_vfs: there may be one; not everywhere, as VFs take a second to go
 * @buses: bus numbers given away below the current host bridge
 */
struct draw {
	struct rnd_state rnd;
	struct fabric *fabric;
	struct fabric_fn *ends[MAX_ENDS];
	unsigned int num_ends;
	struct fabric_fn *pf;
	bool may_have_vfs;
	unsigned int buses;
};

static unsigned int below(struct draw *d, unsigned int n)
{
	return prandom_u32_state(&d->rnd) % n;
}

static bool percent(struct draw *d, unsigned int n)
{
	return below(d, 100) < n;
}

static struct fabric_fn *any_end(struct draw *d)
{
	return d->ends[below(d, d->num_ends)];
}

/* ---- drawing a fabric ---- */

static void draw_acs(struct draw *d, struct fabric_fn *fn)
{
	int i;

	/* More often than not a function has all, as real ones do. */
	fn->acs_cap = percent(d, 60) ? FABRIC_ACS_ALL : below(d, 128);
	fn->acs_ctrl = percent(d, 40) ? 0 : below(d, 128);
	if (percent(d, 50))
		fn->acs_ctrl |= PCI_ACS_UF;
	fn->egress_bits = percent(d, 70) ? 0 : 1 + below(d, 64);
	for (i = 0; i < ARRAY_SIZE(fn->egress); i++)
		fn->egress[i] = percent(d, 50) ? 0 : prandom_u32_state(&d->rnd);
}

static void maybe_acs(struct draw *d, struct fabric_fn *fn)
{
	fn->acs = percent(d, 70);
	if (fn->acs)
		draw_acs(d, fn);
}

static void add_end(struct draw *d, struct fabric_fn *fn)
{
	/* One too many is there, and is not asked. */
	if (d->num_ends < MAX_ENDS)
		d->ends[d->num_ends++] = fn;
}

/* Virtual functions beside the others of their device, or on a bus of their own */
static void maybe_vfs(struct draw *d, struct fabric_fn *fn, unsigned int odds)
{
	if (!d->may_have_vfs || d->pf || !percent(d, odds))
		return;
	if (percent(d, 50)) {
		with_vfs(fn, MAX_VFS, 256 - fn->devfn);
		d->buses++;
	} else {
		/* Behind all functions of a device; as one, among root ports */
		with_vfs(fn, MAX_VFS, fn->type == PCI_EXP_TYPE_RC_END ? 1 : 8);
	}
	d->pf = fn;
}

static void draw_device(struct draw *d, struct fabric_fn *port)
{
	unsigned int functions = percent(d, 60) ? 1 : 1 + below(d, 5);
	struct fabric_fn *fn = endpoint_under(port);

	port->ari = percent(d, 20);
	while (d->num_ends < MAX_ENDS) {
		fn->ari = port->ari;
		fn->ats = percent(d, 20);
		if (functions > 1 || percent(d, 30))
			maybe_acs(d, fn);
		maybe_vfs(d, fn, 10);
		add_end(d, fn);
		if (!--functions)
			return;
		fn = function_beside(fn);
	}
}

static void enable_vfs(struct draw *d)
{
	unsigned int i, n = 1 + below(d, MAX_VFS);

	if (!d->pf)
		return;
	fabric_enable_vfs(d->pf, n);
	for (i = 0; i < n; i++)
		add_end(d, d->pf->vf[i]);
}

static void draw_conventional(struct draw *d, struct fabric_fn *bridge,
			      unsigned int depth)
{
	unsigned int i, n = 1 + below(d, 3);

	d->buses++;
	for (i = 0; i < n && d->num_ends < MAX_ENDS; i++)
		add_end(d, conventional_under(bridge));
	if (depth && percent(d, 40))
		draw_conventional(d, conventional_bridge_under(bridge),
				  depth - 1);
}

static void draw_below(struct draw *d, struct fabric_fn *port,
		       unsigned int depth)
{
	struct fabric_fn *sw, *extra;
	unsigned int i, n;

	d->buses++;
	maybe_acs(d, port);
	if (!port->acs && percent(d, 20))
		quirky_port(port);
	if (d->buses >= MAX_BUSES || d->num_ends >= MAX_ENDS - 1)
		return;
	if (!depth || percent(d, 30)) {
		draw_device(d, port);
	} else if (percent(d, 15)) {
		draw_conventional(d, pci_bridge_under(port), 2);
	} else {
		n = 1 + below(d, 5);
		sw = switch_under(port, n);
		/* As there are switches whose ports are all number 0 */
		if (percent(d, 10))
			downstream(sw, below(d, n))->port =
				percent(d, 50) ? sw->port : downstream(sw, 0)->port;
		maybe_acs(d, sw);
		if (percent(d, 20)) {
			extra = function_beside(sw);
			maybe_acs(d, extra);
			add_end(d, extra);
		}
		d->buses++;
		for (i = 0; i < n; i++)
			draw_below(d, downstream(sw, i), depth - 1);
	}
}

static void draw_host(struct draw *d, struct fabric_host *host)
{
	static const struct {
		u16 device;
		enum fabric_routes routes;
	} ids[] = {
		{ ROUTES_UNKNOWN, FABRIC_ROUTES_NOTHING },
		{ 0x2f00, FABRIC_ROUTES_WITHIN },
		{ ROUTES_ANYWHERE, FABRIC_ROUTES_ANYWHERE },
		{ ROUTES_ANYWHERE, FABRIC_ROUTES_ANYWHERE },
	};
	/* Far from each other, and from where windows are */
	static const u64 offsets[] = { 0, 0, SZ_1T * 2ULL, SZ_1T * 5ULL,
				       -(u64)(SZ_1G * 224ULL) };
	unsigned int i, n = 1 + below(d, 3), id = below(d, ARRAY_SIZE(ids));
	struct fabric_fn *end;

	host->routes = ids[id].routes;
	host->bus_offset = offsets[below(d, ARRAY_SIZE(offsets))];
	root_device(host, PCI_VENDOR_ID_INTEL, ids[id].device);
	d->buses = 0;
	for (i = 0; i < n; i++)
		draw_below(d, root_port(host), 3);
	if (percent(d, 30) && d->num_ends < MAX_ENDS) {
		end = root_endpoint(host);
		maybe_vfs(d, end, 50);
		add_end(d, end);
	}
}

static void draw_fabric(struct draw *d, struct kunit *test)
{
	struct fabric_host *host;
	unsigned int i, n;

	d->num_ends = 0;
	d->pf = NULL;
	d->may_have_vfs = IS_ENABLED(CONFIG_PCI_IOV) && percent(d, 30);
	d->fabric = fabric_alloc(test);
	n = 1 + below(d, 3);
	for (i = 0; i < n; i++) {
		host = host_bridge(d->fabric);
		if (percent(d, 25))
			draw_host(d, host_bridge_beside(host));
		draw_host(d, host);
	}
	/* At least a pair */
	add_end(d, endpoint_under(root_port(host)));
	fabric_scan(d->fabric);
	enable_vfs(d);
}

static void redraw_acs(struct draw *d)
{
	struct fabric_fn *fn;

	list_for_each_entry(fn, &d->fabric->fns, node) {
		if (!fn->acs)
			continue;
		draw_acs(d, fn);
		fabric_config_acs(fn);
	}
}

/* ---- properties ---- */

/* What the route depends on, for whoever has to find out which one is right */
static void show_way(struct kunit *test, struct fabric_fn *fn)
{
	for (; fn; fn = (fn->pf ?: fn)->bus->bridge)
		kunit_err(test, "%s: type %u, ACS %d: cap %#x ctrl %#x\n",
			  pci_name(fn->pdev), fn->type, fn->acs, fn->acs_cap,
			  fn->acs ? fabric_config_get(fn, FABRIC_ACS_CAP +
						      PCI_ACS_CTRL, 2) : 0);
}

/* What becomes of what the root complex gets to see */
static u8 by_root(const struct fabric_host *from, const struct fabric_host *to)
{
	bool routes = from == to ? from->routes != FABRIC_ROUTES_NOTHING :
				   from->routes == FABRIC_ROUTES_ANYWHERE &&
				   to->routes == FABRIC_ROUTES_ANYWHERE;

	return routes ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
			PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/* Are the map types those that the reason stands for? */
static bool reason_fits(const struct p2pdma_verdict *v,
			const struct fabric_host *from,
			const struct fabric_host *to)
{
	u8 read = v->map[P2PDMA_READ], write = v->map[P2PDMA_WRITE];
	bool unknown = from->routes == FABRIC_ROUTES_NOTHING ||
		       to->routes == FABRIC_ROUTES_NOTHING;

	/* Requests go another way, or nothing but the completions of reads. */
	if (write != read && write != PCI_P2PDMA_MAP_BUS_ADDR)
		return false;
	switch (v->reason) {
	case P2PDMA_REASON_SELF:
	case P2PDMA_REASON_SAME_DEVICE:
	case P2PDMA_REASON_SAME_BUS:
	case P2PDMA_REASON_SAME_SWITCH:
		return read == PCI_P2PDMA_MAP_BUS_ADDR;
	case P2PDMA_REASON_ROOT_COMPLEX:
		return read == PCI_P2PDMA_MAP_THRU_HOST_BRIDGE && write == read;
	case P2PDMA_REASON_ROOT_UNKNOWN:
		return unknown && read == by_root(from, to) && write == read;
	case P2PDMA_REASON_ROOT_DIFFERS:
		return !unknown && read == PCI_P2PDMA_MAP_NOT_SUPPORTED &&
		       write == read;
	case P2PDMA_REASON_ACS_BLOCKED:
		return read == PCI_P2PDMA_MAP_NOT_SUPPORTED;
	case P2PDMA_REASON_ACS_REDIRECT:
	case P2PDMA_REASON_FUNCTIONS:
		return read == by_root(from, to);
	default:
		return false;
	}
}

/* Is it @fn, or something above it, that decided? */
static bool decided_above(const struct fabric_fn *fn,
			  const struct p2pdma_verdict *v)
{
	for (; fn; fn = fn->pf ?: fn->bus->bridge) {
		if (pci_domain_nr(fn->pdev->bus) == v->port_domain &&
		    pci_dev_id(fn->pdev) == v->port_bdf)
			return true;
	}
	return false;
}

static bool reaches(const struct p2pdma_verdict *v)
{
	return v->map[P2PDMA_READ] != PCI_P2PDMA_MAP_NOT_SUPPORTED &&
	       v->map[P2PDMA_WRITE] != PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

static bool goes_up(const struct p2pdma_verdict *v)
{
	return v->map[P2PDMA_READ] == PCI_P2PDMA_MAP_THRU_HOST_BRIDGE ||
	       v->map[P2PDMA_WRITE] == PCI_P2PDMA_MAP_THRU_HOST_BRIDGE;
}

/*
 * Packet by packet, as the oracle sends them.  With a bus offset it is not told
 * what becomes of Translated Requests, whose addresses are no bus addresses.
 */
static void check_tlps(struct kunit *test, struct fabric_fn *a,
		       struct fabric_fn *b, const struct oracle_route *route)
{
	int tlp;

	for (tlp = 0; tlp < ARRAY_SIZE(route->tlp); tlp++) {
		if (tlp == PCI_P2PDMA_TLP_TRANSLATED &&
		    (a->host->bus_offset || b->host->bus_offset))
			continue;
		KUNIT_ASSERT_EQ_MSG(test,
				    p2pdma_route_tlp(a->pdev, b->pdev, tlp),
				    route->tlp[tlp], "%s to %s, kind %d",
				    pci_name(a->pdev), pci_name(b->pdev), tlp);
	}
}

static void check_pair(struct kunit *test, struct fabric_fn *a,
		       struct fabric_fn *b)
{
	struct p2pdma_verdict there = p2pdma_route(a->pdev, b->pdev);
	struct p2pdma_verdict back = p2pdma_route(b->pdev, a->pdev);
	struct oracle_route route = oracle(a, b);
	const char *from = pci_name(a->pdev), *to = pci_name(b->pdev);

	if (memcmp(there.map, route.map, sizeof(route.map))) {
		show_way(test, a);
		show_way(test, b);
	}
	KUNIT_ASSERT_FALSE_MSG(test, route.astray, "%s to %s", from, to);
	KUNIT_ASSERT_EQ_MSG(test, there.map[P2PDMA_WRITE],
			    route.map[P2PDMA_WRITE], "%s to %s: %s", from, to,
			    p2pdma_reason_names[there.reason]);
	KUNIT_ASSERT_EQ_MSG(test, there.map[P2PDMA_READ],
			    route.map[P2PDMA_READ], "%s to %s: %s", from, to,
			    p2pdma_reason_names[there.reason]);
	check_tlps(test, a, b, &route);
	KUNIT_ASSERT_EQ_MSG(test, there.distance, route.distance,
			    "%s to %s", from, to);
	if (goes_up(&there) == goes_up(&back) && reaches(&there) && reaches(&back))
		KUNIT_ASSERT_EQ_MSG(test, there.distance, back.distance,
				    "%s to %s", from, to);
	KUNIT_ASSERT_EQ_MSG(test, !there.distance, a == b, "%s to %s", from, to);
	KUNIT_ASSERT_EQ_MSG(test, there.reason == P2PDMA_REASON_SELF, a == b,
			    "%s to %s", from, to);
	KUNIT_ASSERT_TRUE_MSG(test, reason_fits(&there, a->host, b->host),
			      "%s to %s: %s", from, to,
			      p2pdma_reason_names[there.reason]);
	KUNIT_ASSERT_TRUE_MSG(test, !there.has_port || decided_above(a, &there) ||
			      decided_above(b, &there), "%s to %s: %s", from, to,
			      p2pdma_reason_names[there.reason]);
}

static void start(struct kunit *test, struct draw **d)
{
	u32 from = seed ?: get_random_u32();

	kunit_info(test, "random_test.seed=%u repeats this\n", from);
	*d = kunit_kzalloc(test, sizeof(**d), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, *d);
	prandom_seed_state(&(*d)->rnd, from);
}

/*
 * The verdict is what the oracle finds, whoever asks whom, and its reason and
 * port go with it; the distance does not depend on who asks, unless only one of
 * them is sent up to the root complex.
 */
static void random_routes(struct kunit *test)
{
	unsigned int i, round, pair, count = 0;
	struct draw *d;

	start(test, &d);
	for (i = 0; i < fabrics; i++) {
		draw_fabric(d, test);
		for (round = 0; round < ROUNDS; round++) {
			for (pair = 0; pair < PAIRS; pair++) {
				check_pair(test, any_end(d), any_end(d));
				count++;
			}
			redraw_acs(d);
		}
		fabric_free(d->fabric);
	}
	kunit_info(test, "%u pairs on %u fabrics\n", count, fabrics);
}

/* ---- tighter ACS ---- */

/* How direct: over a switch, through the root complex, not at all */
static unsigned int directness(u8 map)
{
	switch (map) {
	case PCI_P2PDMA_MAP_BUS_ADDR:
		return 2;
	case PCI_P2PDMA_MAP_THRU_HOST_BRIDGE:
		return 1;
	default:
		return 0;
	}
}

static struct fabric_fn *any_with_acs(struct draw *d)
{
	struct fabric_fn *fn;
	unsigned int n = 0;

	list_for_each_entry(fn, &d->fabric->fns, node)
		n += fn->acs && fn->pdev;
	if (!n)
		return NULL;
	n = below(d, n);
	list_for_each_entry(fn, &d->fabric->fns, node) {
		if (fn->acs && fn->pdev && !n--)
			return fn;
	}
	return NULL;
}

/*
 * Take away something that @fn lets pass.  Redirect is no such thing where
 * egress control would block, nor egress control where redirect would redirect
 * everything: see table 6-11.
 */
static void tighten(struct draw *d, struct fabric_fn *fn)
{
	fn->acs_ctrl = fabric_config_get(fn, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2);
	switch (below(d, 4)) {
	case 0:
		if (fn->acs_ctrl & PCI_ACS_RR)
			memset(fn->egress, 0xff, sizeof(fn->egress));
		else if (fn->acs_ctrl & PCI_ACS_EC)
			fn->egress[below(d, 2)] |= prandom_u32_state(&d->rnd);
		else
			fn->acs_ctrl |= PCI_ACS_RR;
		break;
	case 1:
		if (!(fn->acs_ctrl & PCI_ACS_RR))
			fn->acs_ctrl |= PCI_ACS_EC;
		break;
	case 2:
		fn->acs_ctrl |= PCI_ACS_CR;
		break;
	default:
		fn->acs_ctrl &= ~PCI_ACS_UF;
	}
	fabric_config_acs(fn);
}

/* Tighter ACS never makes a route more direct. */
static void random_tighter(struct kunit *test)
{
	unsigned int i, step, pair, access, count = 0;
	struct p2pdma_verdict before[32], after;
	struct fabric_fn *a[32], *b[32], *fn;
	struct draw *d;

	start(test, &d);
	for (i = 0; i < max(fabrics / 4, 4U); i++) {
		draw_fabric(d, test);
		for (pair = 0; pair < ARRAY_SIZE(a); pair++) {
			a[pair] = any_end(d);
			b[pair] = any_end(d);
			before[pair] = p2pdma_route(a[pair]->pdev, b[pair]->pdev);
		}
		for (step = 0; step < 50; step++) {
			fn = any_with_acs(d);
			if (!fn)
				break;
			tighten(d, fn);
			for (pair = 0; pair < ARRAY_SIZE(a); pair++) {
				after = p2pdma_route(a[pair]->pdev,
						     b[pair]->pdev);
				for (access = 0; access < P2PDMA_ACCESSES; access++)
					KUNIT_ASSERT_LE_MSG(test,
							    directness(after.map[access]),
							    directness(before[pair].map[access]),
							    "%s to %s, tighter at %s",
							    pci_name(a[pair]->pdev),
							    pci_name(b[pair]->pdev),
							    pci_name(fn->pdev));
				before[pair] = after;
				count++;
			}
		}
		fabric_free(d->fabric);
	}
	KUNIT_EXPECT_GT(test, count, 1000);
}

/* ---- cached ---- */

static void provider_drop(struct p2pdma_resource *res)
{
	if (!res->pdev)
		return;
	p2pdma_peers_remove(res);
	pci_dev_put(res->pdev);
	memset(res, 0, sizeof(*res));
}

static void providers_drop(void *data)
{
	struct p2pdma_resource *resources = data;
	int i;

	for (i = 0; i < MAX_ENDS; i++)
		provider_drop(&resources[i]);
}

/*
 * Those of virtual functions, which do not keep their physical function: from
 * one that has gone nothing can be walked.  A driver's are gone by then, as it
 * has been unbound.
 */
static void virtual_providers_drop(struct p2pdma_resource *resources)
{
	int i;

	for (i = 0; i < MAX_ENDS; i++)
		if (resources[i].pdev && resources[i].pdev->is_virtfn)
			provider_drop(&resources[i]);
}

/*
 * A provider of each end; starts anew when the end is another device.  Until
 * then it keeps the old one, to which verdicts are still worked out.
 */
static struct p2pdma_resource *provider_of(struct p2pdma_resource *resources,
					   unsigned int i, struct fabric_fn *fn)
{
	struct p2pdma_resource *res = &resources[i];

	if (res->pdev != fn->pdev) {
		provider_drop(res);
		res->pdev = pci_dev_get(fn->pdev);
		res->start = pci_resource_start(fn->pdev, 0);
		res->size = pci_resource_len(fn->pdev, 0);
		res->bus_offset = fn->host->bus_offset;
		p2pdma_peers_add(res);
	}
	return res;
}

static void check_cached(struct draw *d, struct kunit *test,
			 struct p2pdma_resource *resources)
{
	struct p2pdma_verdict cached, now;
	struct p2pdma_resource *res;
	unsigned int i, pair;
	struct fabric_fn *a;

	for (pair = 0; pair < 64; pair++) {
		a = any_end(d);
		i = below(d, d->num_ends);
		if (!a->pdev || !d->ends[i]->pdev)
			continue;
		res = provider_of(resources, i, d->ends[i]);
		cached = p2pdma_peer_verdict(res, &a->pdev->dev);
		now = p2pdma_route(a->pdev, res->pdev);
		KUNIT_ASSERT_EQ_MSG(test, memcmp(cached.map, now.map,
						 sizeof(now.map)), 0,
				    "%s to %s", pci_name(a->pdev),
				    pci_name(res->pdev));
		KUNIT_ASSERT_EQ(test, cached.reason, now.reason);
		KUNIT_ASSERT_EQ(test, cached.distance, now.distance);
		KUNIT_ASSERT_EQ(test, cached.has_port, now.has_port);
		KUNIT_ASSERT_EQ(test, cached.port_domain, now.port_domain);
		KUNIT_ASSERT_EQ(test, cached.port_bdf, now.port_bdf);
	}
	/* Some of the pairs come up again, and are cached by then. */
	KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
}

/* What is plugged into the port that @fn is below; NULL in the root complex */
static struct fabric_fn *pluggable(struct fabric_fn *fn)
{
	const struct fabric_fn *port;

	for (fn = fn->pf ?: fn; (port = fn->bus->bridge); fn = fn->bus->bridge) {
		if (port->type == PCI_EXP_TYPE_ROOT_PORT ||
		    port->type == PCI_EXP_TYPE_DOWNSTREAM)
			return fn;
	}
	return NULL;
}

/* Virtual functions go if they are there, and come if they are not. */
static void change_vfs(struct fabric_fn *pf)
{
	if (!pf->pdev)
		return;
	if (pci_num_vf(pf->pdev))
		fabric_disable_vfs(pf);
	else
		fabric_enable_vfs(pf, MAX_VFS);
}

/* Something happens to the fabric, in the way the kernel gets to know of. */
static void happen(struct draw *d, struct kunit *test,
		   struct p2pdma_resource *resources)
{
	unsigned int i = below(d, d->num_ends);
	struct fabric_fn *fn;

	virtual_providers_drop(resources);
	switch (below(d, 4)) {
	case 0:
		if (d->ends[i]->pf) {
			change_vfs(d->ends[i]->pf);
			break;
		}
		fabric_unplug(d->ends[i]);
		check_cached(d, test, resources);
		d->ends[i] = fabric_replace(d->ends[i]);
		break;
	case 1:
		fn = pluggable(d->ends[i]);
		/* What had virtual functions may have been replaced. */
		if (!fn || !fn->pdev)
			break;
		fabric_unplug(fn);
		check_cached(d, test, resources);
		fabric_replug(fn);
		break;
	default:
		fn = any_with_acs(d);
		if (fn)
			fabric_write_acs(fn, below(d, 128));
	}
	check_cached(d, test, resources);
}

/*
 * Cached is what one would find by looking again, after any sequence of
 * unplug, replug and ACS writes.
 */
static void random_cached(struct kunit *test)
{
	struct p2pdma_resource *resources;
	unsigned int i, step;
	struct draw *d;

	start(test, &d);
	resources = kunit_kcalloc(test, MAX_ENDS, sizeof(*resources),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, resources);
	for (i = 0; i < max(fabrics / 8, 1U); i++) {
		draw_fabric(d, test);
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, providers_drop,
							  resources));
		check_cached(d, test, resources);
		for (step = 0; step < 40; step++)
			happen(d, test, resources);
		kunit_release_action(test, providers_drop, resources);
		fabric_free(d->fabric);
	}
}

/* ---- for p2ptopo ---- */

/* Only with random_test.dump=: fabrics as lspci shows them, and some verdicts */
static void random_dump(struct kunit *test)
{
	char *room, name[64];
	struct seq_buf text;
	unsigned int i, pair;
	struct draw *d;

	if (!dump)
		return;
	room = kunit_kmalloc(test, DUMP_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, room);
	start(test, &d);
	for (i = 0; i < fabrics * ROUNDS; i++) {
		if (i % ROUNDS == 0)
			draw_fabric(d, test);
		redraw_acs(d);
		seq_buf_init(&text, room, DUMP_SIZE);
		fabric_lspci(&text);
		for (pair = 0; pair < DUMP_PAIRS; pair++)
			fabric_lspci_pair(&text, any_end(d), any_end(d));
		snprintf(name, sizeof(name), "%s%u", strim(dump), i);
		fabric_write(test, name, &text);
		if (i % ROUNDS == ROUNDS - 1)
			fabric_free(d->fabric);
	}
}

static struct kunit_case random_cases[] = {
	KUNIT_CASE_SLOW(random_routes),
	KUNIT_CASE_SLOW(random_tighter),
	KUNIT_CASE_SLOW(random_cached),
	KUNIT_CASE_SLOW(random_dump),
	{ }
};

static struct kunit_suite random_suite = {
	.name = "p2pdma_random",
	.test_cases = random_cases,
};

kunit_test_suite(random_suite);

MODULE_DESCRIPTION("KUnit tests of PCI peer-to-peer DMA on random fabrics");
MODULE_LICENSE("GPL");
