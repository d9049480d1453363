// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: peers.c.  What is cached is what one would find by looking again,
 * whatever has happened to the fabric meanwhile.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/slab.h>

#include "fabric.h"
#include "provider.h"

#define CLIENTS		200
#define ACS_OFF		0
#define ACS_ON		(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

static void remove(void *provider)
{
	p2pdma_peers_remove(provider);
}

/* BAR 0 of @fn, without pages */
static struct p2pdma_resource *provider_of(struct kunit *test,
					   struct fabric_fn *fn)
{
	struct p2pdma_resource *res;

	res = kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, res);
	res->pdev = fn->pdev;
	res->start = pci_resource_start(fn->pdev, 0);
	res->size = pci_resource_len(fn->pdev, 0);
	res->bus_offset = fn->host->bus_offset;
	p2pdma_peers_add(res);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove, res));
	return res;
}

/* Whether a question about the client walks */
static bool walks(struct p2pdma_resource *res, struct fabric_fn *client)
{
	unsigned long before = atomic_long_read(&res->walks);

	p2pdma_peer_verdict(res, &client->pdev->dev);
	return atomic_long_read(&res->walks) != before;
}

/* Has the verdict on the client cached. */
static void cache(struct kunit *test, struct p2pdma_resource *res,
		  struct fabric_fn *client)
{
	int i;

	for (i = 0; i < 3 && walks(res, client); i++)
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	KUNIT_ASSERT_FALSE(test, walks(res, client));
}

static void expect_same(struct kunit *test, struct p2pdma_resource *res,
			struct fabric_fn *client)
{
	struct p2pdma_verdict cached, now;

	cached = p2pdma_peer_verdict(res, &client->pdev->dev);
	now = p2pdma_route(client->pdev, res->pdev);
	KUNIT_ASSERT_EQ(test, cached.map[P2PDMA_READ], now.map[P2PDMA_READ]);
	KUNIT_ASSERT_EQ(test, cached.map[P2PDMA_WRITE],
			now.map[P2PDMA_WRITE]);
	KUNIT_ASSERT_EQ(test, cached.reason, now.reason);
	KUNIT_ASSERT_EQ(test, cached.distance, now.distance);
	KUNIT_ASSERT_EQ(test, cached.has_port, now.has_port);
	KUNIT_ASSERT_EQ(test, cached.port_bdf, now.port_bdf);
	KUNIT_ASSERT_EQ(test, cached.port_domain, now.port_domain);
}

static u8 writes(struct p2pdma_resource *res, struct fabric_fn *client)
{
	return p2pdma_peer_verdict(res, &client->pdev->dev).map[P2PDMA_WRITE];
}

/*
 *	     root port
 *	         |
 *	      upstream
 *	  /      |      \
 *	d0       d1      d2
 *	 |       |       |
 *	client provider bystander
 */
static struct fabric_fn *two_under_switch(struct kunit *test,
					  struct fabric_fn **client,
					  struct fabric_fn **provider)
{
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct fabric_fn *sw;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	sw = switch_under(root_port(host), 3);
	with_acs(downstream(sw, 0), ACS_OFF);
	with_acs(downstream(sw, 1), ACS_OFF);
	*client = endpoint_under(downstream(sw, 0));
	*provider = endpoint_under(downstream(sw, 1));
	endpoint_under(downstream(sw, 2));
	fabric_scan(host->fabric);
	return sw;
}

/*
 * What is cached of @provider, the direct route of @client, is out of date:
 * ACS redirects since, behind the kernel's back.
 */
static struct p2pdma_resource *out_of_date(struct kunit *test,
					   struct fabric_fn **client,
					   struct fabric_fn **provider,
					   struct fabric_fn **port)
{
	struct p2pdma_resource *res;

	*port = downstream(two_under_switch(test, client, provider), 0);
	res = provider_of(test, *provider);
	KUNIT_EXPECT_EQ(test, writes(res, *client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	cache(test, res, *client);
	fabric_config_poke(*port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
	return res;
}

/* It is cached: a change is not seen, until somebody tells. */
static void peers_cached(struct kunit *test)
{
	struct fabric_fn *client, *provider, *port;
	struct p2pdma_resource *res;

	res = out_of_date(test, &client, &provider, &port);
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	p2pdma_topology_changed();
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	expect_same(test, res, client);
}

/* The kernel has rewritten ACS: what was cached counts no more. */
static void peers_acs_written(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw;
	struct p2pdma_resource *res;
	int i;

	sw = two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	for (i = 0; i < 4; i++) {
		fabric_write_acs(downstream(sw, 0), i % 2 ? ACS_ON : ACS_OFF);
		KUNIT_EXPECT_EQ(test, writes(res, client),
				i % 2 ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, res, client);
		cache(test, res, client);
		expect_same(test, res, client);
	}
}

/*
 * Likewise, written from user space as setpci does: the control register, then
 * a word of the egress vector.
 */
static void peers_acs_written_by_user(struct kunit *test)
{
	const int ctrl = FABRIC_ACS_CAP + PCI_ACS_CTRL;
	const int vector = FABRIC_ACS_CAP + PCI_ACS_EGRESS_CTL_V;
	struct fabric_fn *client, *provider, *sw;
	struct p2pdma_resource *res;
	struct pci_dev *port;
	int i;

	sw = two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	port = downstream(sw, 0)->pdev;
	for (i = 0; i < 4; i++) {
		pci_user_write_config_word(port, ctrl, i % 2 ? ACS_ON : ACS_OFF);
		KUNIT_EXPECT_EQ(test, writes(res, client),
				i % 2 ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, res, client);
		cache(test, res, client);
		expect_same(test, res, client);
	}

	pci_user_write_config_word(port, ctrl, PCI_ACS_EC);
	for (i = 0; i < 4; i++) {
		pci_user_write_config_dword(port, vector, i % 2 ? U32_MAX : 0);
		KUNIT_EXPECT_EQ(test, writes(res, client),
				i % 2 ? PCI_P2PDMA_MAP_NOT_SUPPORTED :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, res, client);
		cache(test, res, client);
	}
}

/*
 * What was cached is not for another device that is at the client's address, and
 * has the number that the old one had as a client.  It may even get the struct
 * pci_dev of the old one.
 */
static void peers_replaced(struct kunit *test)
{
	struct fabric_fn *client, *provider;
	struct p2pdma_resource *res;
	u32 number;
	int i;

	two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, writes(res, client),
				PCI_P2PDMA_MAP_BUS_ADDR);
		cache(test, res, client);
		number = client->pdev->p2pdma_client;
		/* As if it had been there under another topology */
		fabric_config_poke(client->bus->bridge,
				   FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
		fabric_unplug(client);
		client = fabric_replace(client);
		KUNIT_EXPECT_EQ(test, writes(res, client),
				PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
		expect_same(test, res, client);
		cache(test, res, client);
		expect_same(test, res, client);
		KUNIT_EXPECT_EQ(test, client->pdev->p2pdma_client, number);
		fabric_write_acs(client->bus->bridge, ACS_OFF);
	}
}

/* A device that only goes, or only comes, changes the topology as well. */
static void peers_unplugged(struct kunit *test)
{
	struct fabric_fn *client, *provider, *port, *bystander;
	struct p2pdma_resource *res;

	res = out_of_date(test, &client, &provider, &port);
	bystander = downstream(port->bus->bridge, 2)->below->fn[0];
	fabric_unplug(bystander);
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);

	cache(test, res, client);
	fabric_config_poke(port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_OFF);
	fabric_replug(bystander);
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
}

/*
 *		   root port
 *		       |
 *		    upstream
 *	 /	/	...	\	\
 *	d0	d1	...	d24	d31	every other one redirects
 *	|	|		|	|
 *	[8 functions of a device each]	provider
 *
 * Each client has its own verdict, in any order, before it is cached and after.
 */
static void peers_many(struct kunit *test)
{
	struct fabric_fn *clients[CLIENTS], *provider, *sw, *fn;
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct p2pdma_resource *res;
	int i, round;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	sw = switch_under(root_port(host), 32);
	for (i = 0; i < CLIENTS; i++) {
		/* Eight functions below each port; half of the ports redirect */
		fn = downstream(sw, i / 8);
		if (i % 8 == 0)
			with_acs(fn, i / 8 % 2 ? ACS_ON : ACS_OFF);
		clients[i] = i % 8 ? function_beside(clients[i - 1]) :
				     endpoint_under(fn);
		clients[i]->bar[0].size = 0;
	}
	provider = endpoint_under(downstream(sw, 31));
	fabric_scan(host->fabric);
	res = provider_of(test, provider);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < CLIENTS; i++)
			expect_same(test, res, clients[i]);
		for (i = 0; i < CLIENTS; i++)
			expect_same(test, res, clients[i * 67 % CLIENTS]);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	}
	KUNIT_EXPECT_FALSE(test, walks(res, clients[0]));
}

/* ---- what is counted ---- */

/* What is cached of the pair; it is current */
static struct p2pdma_peer cached_peer(struct kunit *test,
				      struct p2pdma_resource *res,
				      struct fabric_fn *client)
{
	const struct p2pdma_verdict *v;

	cache(test, res, client);
	guard(rcu)();
	v = p2pdma_peer_find(res, client->pdev);
	if (!v) {
		KUNIT_FAIL(test, "%s: not cached", pci_name(client->pdev));
		return (struct p2pdma_peer) {};
	}
	return *container_of(v, struct p2pdma_peer, verdict);
}

/* How often a pair was looked at again, and how often that gave another verdict */
static void peers_counted(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw, *other;
	struct p2pdma_peer first, next;
	struct p2pdma_resource *res;

	sw = two_under_switch(test, &client, &provider);
	other = downstream(sw, 2)->below->fn[0];
	res = provider_of(test, provider);
	first = cached_peer(test, res, client);
	KUNIT_EXPECT_EQ(test, first.walks, 1);
	KUNIT_EXPECT_EQ(test, first.changes, 0);
	KUNIT_EXPECT_EQ(test, res->changes, 0);

	p2pdma_topology_changed();
	next = cached_peer(test, res, client);
	KUNIT_EXPECT_EQ(test, next.walks, 2);
	KUNIT_EXPECT_EQ(test, next.changes, 0);

	fabric_write_acs(downstream(sw, 0), ACS_ON);
	next = cached_peer(test, res, client);
	KUNIT_EXPECT_EQ(test, next.walks, 3);
	KUNIT_EXPECT_EQ(test, next.changes, 1);
	KUNIT_EXPECT_EQ(test, res->changes, 1);

	/* Another client has its own. */
	next = cached_peer(test, res, other);
	KUNIT_EXPECT_EQ(test, next.changes, 0);
	fabric_write_acs(downstream(sw, 0), ACS_OFF);
	KUNIT_EXPECT_EQ(test, cached_peer(test, res, other).changes, 0);
	KUNIT_EXPECT_EQ(test, cached_peer(test, res, client).changes, 2);
	KUNIT_EXPECT_EQ(test, res->changes, 2);
}

/* ---- what is kept, and for how long ---- */

/* Entries in the table of @res, those marked to be filled among them */
static unsigned int entries(struct p2pdma_resource *res)
{
	struct p2pdma_peer_table *table;
	unsigned int i, n = 0;

	guard(rcu)();
	table = rcu_dereference(res->peers);
	for (i = 0; table && i < table->size; i++)
		if (rcu_access_pointer(table->peer[i]))
			n++;
	return n;
}

/* Only pairs in use take memory, and only while both are there. */
static void peers_in_use(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw;
	struct p2pdma_resource *res;
	int i;

	sw = two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	for (i = 0; i < 4; i++) {
		p2pdma_peer_verdict_uncached(res, &client->pdev->dev);
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	}
	KUNIT_EXPECT_EQ(test, entries(res), 0);
	KUNIT_EXPECT_EQ(test, client->pdev->p2pdma_client, 0);

	cache(test, res, client);
	KUNIT_EXPECT_EQ(test, entries(res), 1);
	/* Who only wants to know gets what is cached all the same. */
	fabric_config_poke(downstream(sw, 0), FABRIC_ACS_CAP + PCI_ACS_CTRL, 2,
			   ACS_ON);
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_BUS_ADDR,
			p2pdma_peer_verdict_uncached(res, &client->pdev->dev).map[0]);
	fabric_unplug(client);
	KUNIT_EXPECT_EQ(test, entries(res), 0);
}

/* One who still asks about a client that is gone does no harm. */
static void peers_client_gone(struct kunit *test)
{
	struct fabric_fn *client, *provider;
	struct p2pdma_resource *res;
	struct pci_dev *pdev;
	int i;

	two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	cache(test, res, client);
	pdev = pci_dev_get(client->pdev);
	fabric_unplug(client);
	for (i = 0; i < 4; i++) {
		p2pdma_peer_verdict(res, &pdev->dev);
		KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	}
	KUNIT_EXPECT_EQ(test, entries(res), 0);
	pci_dev_put(pdev);
}

static struct p2pdma_peer *no_memory(void)
{
	return NULL;
}

/* Out of memory: walks, and a change is seen as ever. */
static void peers_no_memory(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw;
	struct p2pdma_resource *res;
	int i, error;

	sw = two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	kunit_activate_static_stub(test, p2pdma_peer_alloc, no_memory);
	for (i = 0; i < 4; i++) {
		expect_same(test, res, client);
		/* The work item, which has memory, may be faster. */
		error = p2pdma_peers_fill();
		KUNIT_EXPECT_TRUE(test, !error || error == -ENOMEM);
	}
	kunit_deactivate_static_stub(test, p2pdma_peer_alloc);
	cache(test, res, client);

	kunit_activate_static_stub(test, p2pdma_peer_alloc, no_memory);
	fabric_write_acs(downstream(sw, 0), ACS_ON);
	p2pdma_peers_fill();
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	kunit_deactivate_static_stub(test, p2pdma_peer_alloc);
	cache(test, res, client);
	expect_same(test, res, client);
}

static struct fabric_fn *overlapping;

/* By the time that the walk ends, the port on its way redirects. */
static struct p2pdma_verdict
overlapped_walk(const struct p2pdma_resource *res, struct pci_dev *client)
{
	struct p2pdma_verdict verdict = p2pdma_route(client, res->pdev);

	fabric_write_acs(overlapping, ACS_ON);
	return verdict;
}

/* The topology changes while it is walked: the verdict is of no generation. */
static void peers_overlapped(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw;
	struct p2pdma_resource *res;
	unsigned int overlaps = 0, i;

	sw = two_under_switch(test, &client, &provider);
	overlapping = downstream(sw, 0);
	res = provider_of(test, provider);
	for (i = 0; i < 32; i++) {
		cache(test, res, client);
		kunit_activate_static_stub(test, p2pdma_peer_walk,
					   overlapped_walk);
		p2pdma_topology_changed();
		if (i % 2)
			p2pdma_peers_fill();
		else
			writes(res, client);
		kunit_deactivate_static_stub(test, p2pdma_peer_walk);
		expect_same(test, res, client);
		/* The work item may have been first, and then nothing changed. */
		if (writes(res, client) == PCI_P2PDMA_MAP_THRU_HOST_BRIDGE)
			overlaps++;
		fabric_write_acs(overlapping, ACS_OFF);
	}
	KUNIT_EXPECT_GT(test, overlaps, 0);
}

struct churn {
	struct p2pdma_resource *res;
	struct pci_dev *client;
	bool stop;
};

/* Asks, has it cached, changes the generation */
static void churn(void *data)
{
	struct churn *b = data;

	while (!READ_ONCE(b->stop)) {
		p2pdma_peer_verdict(b->res, &b->client->dev);
		p2pdma_peers_fill();
		p2pdma_topology_changed();
		cond_resched();
	}
}

static void stop(void *data)
{
	struct churn *b = data;

	WRITE_ONCE(b->stop, true);
}

/*
 * Providers and clients come and go while verdicts are being filled in: what is
 * gone is not walked to, and nobody keeps it.  KASAN sees more than this does.
 */
static void peers_come_and_go(struct kunit *test)
{
	struct churn *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct fabric_fn *client, *provider, *sw, *other;
	struct p2pdma_resource *short_lived;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	sw = two_under_switch(test, &client, &provider);
	other = downstream(sw, 2)->below->fn[0];
	b->res = provider_of(test, provider);
	b->client = client->pdev;
	job_start(test, churn, b);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, stop, b));
	for (i = 0; i < 20; i++) {
		short_lived = kzalloc(sizeof(*short_lived), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, short_lived);
		short_lived->pdev = other->pdev;
		p2pdma_peers_add(short_lived);
		p2pdma_peer_verdict(short_lived, &client->pdev->dev);
		p2pdma_peer_verdict(b->res, &other->pdev->dev);
		p2pdma_peers_fill();
		p2pdma_peer_verdict(short_lived, &client->pdev->dev);
		p2pdma_peer_verdict(b->res, &other->pdev->dev);
		p2pdma_peers_remove(short_lived);
		kfree(short_lived);
		fabric_unplug(other);
		other = fabric_replace(other);
		expect_same(test, b->res, client);
	}
	KUNIT_EXPECT_LE(test, entries(b->res), 2);
}

/* A client that cannot address the range, before and after it is cached. */
static void peers_dma_mask(struct kunit *test)
{
	struct fabric_fn *client, *provider;
	struct p2pdma_resource *res;
	struct p2pdma_verdict v;
	u64 last;

	two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	last = res->start + res->size - 1;
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	cache(test, res, client);
	dma_set_mask(&client->pdev->dev, DMA_BIT_MASK(32));
	v = p2pdma_peer_verdict(res, &client->pdev->dev);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_DMA_MASK);

	/* It is the bus address that counts, and the last byte of it. */
	res->bus_offset = DMA_BIT_MASK(32) - last;
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	res->bus_offset++;
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_NOT_SUPPORTED);
	dma_set_mask(&client->pdev->dev, DMA_BIT_MASK(64));
	KUNIT_EXPECT_EQ(test, writes(res, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
}

/* Clients that are no PCI devices. */
static void peers_not_pci(struct kunit *test)
{
	struct fabric_fn *client, *provider;
	struct p2pdma_resource *res;
	struct p2pdma_verdict v;

	two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	v = p2pdma_peer_verdict(res, &client->host->bridge->dev);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_NOT_PCI);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	v = p2pdma_peer_verdict(res, NULL);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_NOT_PCI);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], PCI_P2PDMA_MAP_NOT_SUPPORTED);
}

/*
 * Somebody keeps a virtual function that is gone, and its physical one, too, and
 * asks, with words and without: there is nothing above it any more.
 */
static void peers_virtual_gone(struct kunit *test)
{
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct fabric_fn *sw, *pf, *other;
	struct pci_dev *vf;
	int verbose;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	sw = switch_under(root_port(host), 2);
	pf = with_vfs(endpoint_under(downstream(sw, 0)), 4, 8);
	other = endpoint_under(downstream(sw, 1));
	fabric_scan(host->fabric);
	fabric_enable_vfs(pf, 4);
	vf = pci_dev_get(pf->vf[2]->pdev);
	KUNIT_EXPECT_EQ(test, 4,
			pci_p2pdma_distance(other->pdev, &vf->dev, false));
	KUNIT_EXPECT_PTR_EQ(test, p2pdma_physfn_get(vf), pf->pdev);
	pci_dev_put(pf->pdev);
	fabric_disable_vfs(pf);
	fabric_unplug(pf);
	for (verbose = 0; verbose < 2; verbose++) {
		KUNIT_EXPECT_EQ(test, -1,
				pci_p2pdma_distance(other->pdev, &vf->dev,
						    verbose));
		KUNIT_EXPECT_EQ(test, -1,
				pci_p2pdma_distance(vf, &other->pdev->dev,
						    verbose));
	}
	KUNIT_EXPECT_EQ(test, PCI_P2PDMA_MAP_NOT_SUPPORTED,
			pci_p2pdma_tlp_type(vf, &other->pdev->dev,
					    PCI_P2PDMA_TLP_REQUEST));
	KUNIT_EXPECT_NULL(test, p2pdma_physfn_get(vf));
	pci_dev_put(vf);
}

/* ---- what cannot be read ---- */

enum window {
	RESET_UNREAD,		/* reads as ones while all is looked at */
	RESET_CLEARED,		/* a reset takes ACS controls away */
	SLEEPS,			/* as the first, and no reset says that it is over */
};

/*
 *	 root port, whose host bridge is on no list
 *	   |
 *	function 0	function 1
 *	 provider	  client
 */
static void unread_window(struct kunit *test, enum window window)
{
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	u16 before = window == RESET_CLEARED ? ACS_ON : ACS_OFF;
	struct fabric_fn *client, *provider;
	struct p2pdma_resource *res;

	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_UNKNOWN);
	provider = with_acs(endpoint_under(root_port(host)), ACS_OFF);
	client = with_acs(function_beside(provider), before);
	fabric_scan(host->fabric);
	res = provider_of(test, provider);
	cache(test, res, client);

	if (window != SLEEPS)
		p2pdma_outage_begin(client->pdev, P2PDMA_DOWN_RESET);
	if (window != RESET_CLEARED) {
		client->gone = true;
		p2pdma_topology_changed();
		KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
		KUNIT_EXPECT_EQ(test, writes(res, client),
				PCI_P2PDMA_MAP_NOT_SUPPORTED);
		client->gone = false;
	}
	fabric_config_poke(client, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_OFF);
	if (window != SLEEPS) {
		p2pdma_outage_end(client->pdev, P2PDMA_DOWN_RESET);
	} else {
		/* What was not down is not up again: that is asked often. */
		p2pdma_outage_end(client->pdev, P2PDMA_DOWN_GONE);
		KUNIT_EXPECT_FALSE(test, walks(res, client));
		p2pdma_peers_recheck(false);
	}
	KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	KUNIT_EXPECT_EQ(test, writes(res, client), PCI_P2PDMA_MAP_BUS_ADDR);
	expect_same(test, res, client);
	/* Nothing is in doubt any more. */
	KUNIT_EXPECT_FALSE(test, walks(res, client));
	p2pdma_peers_recheck(false);
	KUNIT_EXPECT_FALSE(test, walks(res, client));
}

static void peers_unread_in_reset(struct kunit *test)
{
	unread_window(test, RESET_UNREAD);
}

static void peers_cleared_by_reset(struct kunit *test)
{
	unread_window(test, RESET_CLEARED);
}

static void peers_unread_asleep(struct kunit *test)
{
	unread_window(test, SLEEPS);
}

/* Whether or not anybody says that it answers again, it is looked at again. */
static void peers_unread_for_long(struct kunit *test)
{
	struct fabric_fn *client, *provider, *sw;
	unsigned long end = jiffies + 20 * HZ;
	struct p2pdma_resource *res;

	sw = two_under_switch(test, &client, &provider);
	res = provider_of(test, provider);
	cache(test, res, client);
	downstream(sw, 0)->gone = true;
	p2pdma_topology_changed();
	KUNIT_ASSERT_EQ(test, 0, p2pdma_peers_fill());
	downstream(sw, 0)->gone = false;
	while (writes(res, client) != PCI_P2PDMA_MAP_BUS_ADDR &&
	       time_before(jiffies, end))
		msleep(20);
	expect_same(test, res, client);
	KUNIT_EXPECT_EQ(test, writes(res, client), PCI_P2PDMA_MAP_BUS_ADDR);
}

static struct kunit_case peers_cases[] = {
	KUNIT_CASE(peers_virtual_gone),
	KUNIT_CASE(peers_unread_in_reset),
	KUNIT_CASE(peers_cleared_by_reset),
	KUNIT_CASE(peers_unread_asleep),
	KUNIT_CASE(peers_unread_for_long),
	KUNIT_CASE(peers_cached),
	KUNIT_CASE(peers_acs_written),
	KUNIT_CASE(peers_acs_written_by_user),
	KUNIT_CASE(peers_replaced),
	KUNIT_CASE(peers_unplugged),
	KUNIT_CASE(peers_many),
	KUNIT_CASE(peers_counted),
	KUNIT_CASE(peers_in_use),
	KUNIT_CASE(peers_client_gone),
	KUNIT_CASE(peers_no_memory),
	KUNIT_CASE(peers_overlapped),
	KUNIT_CASE(peers_come_and_go),
	KUNIT_CASE(peers_dma_mask),
	KUNIT_CASE(peers_not_pci),
	{ }
};

static struct kunit_suite peers_suite = {
	.name = "p2pdma_peers",
	.test_cases = peers_cases,
};

kunit_test_suite(peers_suite);

MODULE_DESCRIPTION("KUnit tests of cached routes of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
