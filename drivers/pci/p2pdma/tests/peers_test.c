// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: peers.c.  What is remembered is what one would find by looking again,
 * whatever has happened to the fabric meanwhile.
 */
#include <kunit/test.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "fabric.h"

#define CLIENTS		200
#define ACS_OFF		0
#define ACS_ON		(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/* BAR 0 of @fn, without pages */
static struct p2pdma_provider *provider_of(struct kunit *test,
					   struct fabric_fn *fn)
{
	struct p2pdma_provider *provider;

	provider = kunit_kzalloc(test, sizeof(*provider), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, provider);
	provider->pdev = fn->pdev;
	provider->start = pci_resource_start(fn->pdev, 0);
	provider->size = pci_resource_len(fn->pdev, 0);
	provider->bus_offset = fn->host->bus_offset;
	return provider;
}

static void expect_same(struct kunit *test, struct p2pdma_provider *provider,
			struct fabric_fn *client)
{
	struct p2pdma_verdict remembered, now;

	remembered = p2pdma_peer_verdict(provider, &client->pdev->dev);
	now = p2pdma_route(client->pdev, provider->pdev);
	KUNIT_ASSERT_EQ(test, remembered.map[P2PDMA_READ], now.map[P2PDMA_READ]);
	KUNIT_ASSERT_EQ(test, remembered.map[P2PDMA_WRITE],
			now.map[P2PDMA_WRITE]);
	KUNIT_ASSERT_EQ(test, remembered.reason, now.reason);
	KUNIT_ASSERT_EQ(test, remembered.distance, now.distance);
	KUNIT_ASSERT_EQ(test, remembered.has_port, now.has_port);
	KUNIT_ASSERT_EQ(test, remembered.port_bdf, now.port_bdf);
	KUNIT_ASSERT_EQ(test, remembered.port_domain, now.port_domain);
}

static u8 writes(struct p2pdma_provider *provider, struct fabric_fn *client)
{
	return p2pdma_peer_verdict(provider, &client->pdev->dev).map[P2PDMA_WRITE];
}

/*
 *	root port
 *	    |
 *	 upstream
 *	  /    \
 *	d0      d1
 *	 |       |
 *	client  lender
 */
static struct fabric_fn *two_under_switch(struct kunit *test,
					  struct fabric_fn **client,
					  struct fabric_fn **lender)
{
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct fabric_fn *sw;

	root_device(host, PCI_VENDOR_ID_INTEL, 0x2030);
	sw = switch_under(root_port(host), 2);
	with_acs(downstream(sw, 0), ACS_OFF);
	with_acs(downstream(sw, 1), ACS_OFF);
	*client = endpoint_under(downstream(sw, 0));
	*lender = endpoint_under(downstream(sw, 1));
	fabric_scan(host->fabric);
	return sw;
}

/*
 * What is remembered of @lender, the direct route of @client, is out of date:
 * ACS redirects since, behind the kernel's back.
 */
static struct p2pdma_provider *out_of_date(struct kunit *test,
					   struct fabric_fn **client,
					   struct fabric_fn **lender,
					   struct fabric_fn **port)
{
	struct p2pdma_provider *provider;

	*port = downstream(two_under_switch(test, client, lender), 0);
	provider = provider_of(test, *lender);
	KUNIT_EXPECT_EQ(test, writes(provider, *client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	fabric_config_poke(*port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
	return provider;
}

/* It is remembered: a change is not seen, until somebody tells. */
static void peers_remember(struct kunit *test)
{
	struct fabric_fn *client, *lender, *port;
	struct p2pdma_provider *provider;

	provider = out_of_date(test, &client, &lender, &port);
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	pci_p2pdma_topology_changed();
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	expect_same(test, provider, client);
}

/*
 * Fault 12: remembered for ever, although the kernel has rewritten ACS.
 * Mutation: drop pci_p2pdma_topology_changed() from pci_enable_acs().
 */
static void peers_acs_written(struct kunit *test)
{
	struct fabric_fn *client, *lender, *sw;
	struct p2pdma_provider *provider;
	int i;

	sw = two_under_switch(test, &client, &lender);
	provider = provider_of(test, lender);
	for (i = 0; i < 4; i++) {
		fabric_write_acs(downstream(sw, 0), i % 2 ? ACS_ON : ACS_OFF);
		KUNIT_EXPECT_EQ(test, writes(provider, client),
				i % 2 ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, provider, client);
	}
}

/*
 * Fault 12: the same, written from user space as setpci does: the control
 * register, then a word of the egress vector.  Mutation: drop
 * pci_user_wrote_config() from PCI_USER_WRITE_CONFIG().
 */
static void peers_acs_written_by_user(struct kunit *test)
{
	const int ctrl = FABRIC_ACS_CAP + PCI_ACS_CTRL;
	const int vector = FABRIC_ACS_CAP + PCI_ACS_EGRESS_CTL_V;
	struct fabric_fn *client, *lender, *sw;
	struct p2pdma_provider *provider;
	struct pci_dev *port;
	int i;

	sw = two_under_switch(test, &client, &lender);
	provider = provider_of(test, lender);
	port = downstream(sw, 0)->pdev;
	for (i = 0; i < 4; i++) {
		pci_user_write_config_word(port, ctrl, i % 2 ? ACS_ON : ACS_OFF);
		KUNIT_EXPECT_EQ(test, writes(provider, client),
				i % 2 ? PCI_P2PDMA_MAP_THRU_HOST_BRIDGE :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, provider, client);
	}

	pci_user_write_config_word(port, ctrl, PCI_ACS_EC);
	for (i = 0; i < 4; i++) {
		pci_user_write_config_dword(port, vector, i % 2 ? U32_MAX : 0);
		KUNIT_EXPECT_EQ(test, writes(provider, client),
				i % 2 ? PCI_P2PDMA_MAP_NOT_SUPPORTED :
					PCI_P2PDMA_MAP_BUS_ADDR);
		expect_same(test, provider, client);
	}
}

/*
 * Fault 12: remembered for ever, although another device is at the client's
 * address.  It may even get the struct pci_dev of the old one.  Mutation: no
 * pci_p2pdma_topology_changed() in topology_notify().
 */
static void peers_replaced(struct kunit *test)
{
	struct fabric_fn *client, *lender;
	struct p2pdma_provider *provider;
	int i;

	two_under_switch(test, &client, &lender);
	provider = provider_of(test, lender);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, writes(provider, client),
				PCI_P2PDMA_MAP_BUS_ADDR);
		/* As if it had been there under another topology */
		fabric_config_poke(client->bus->bridge,
				   FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
		fabric_unplug(client);
		client = fabric_replace(client);
		KUNIT_EXPECT_EQ(test, writes(provider, client),
				PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
		expect_same(test, provider, client);
		fabric_write_acs(client->bus->bridge, ACS_OFF);
	}
}

/*
 * A device that only goes, or only comes, changes the topology as well.
 * Mutation: take BUS_NOTIFY_ADD_DEVICE and BUS_NOTIFY_REMOVED_DEVICE out of
 * topology_notify().
 */
static void peers_unplugged(struct kunit *test)
{
	struct fabric_fn *client, *lender, *port;
	struct p2pdma_provider *provider;

	provider = out_of_date(test, &client, &lender, &port);
	provider->pdev = pci_dev_get(provider->pdev);
	fabric_unplug(lender);
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_THRU_HOST_BRIDGE);
	pci_dev_put(provider->pdev);

	fabric_config_poke(port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_OFF);
	fabric_replug(lender);
	provider->pdev = lender->pdev;
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
}

/*
 *		   root port
 *		       |
 *		    upstream
 *	 /	/	...	\	\
 *	d0	d1	...	d24	d31	every other one redirects
 *	|	|		|	|
 *	[8 functions of a device each]	lender
 *
 * More clients than there is room for: each gets its own verdict, in any order.
 * What is remembered takes no more memory for it.
 */
static void peers_collide(struct kunit *test)
{
	struct fabric_fn *clients[CLIENTS], *lender, *sw, *fn;
	struct fabric_host *host = host_bridge(fabric_alloc(test));
	struct p2pdma_provider *provider;
	int i, round;

	root_device(host, PCI_VENDOR_ID_INTEL, 0x2030);
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
	lender = endpoint_under(downstream(sw, 31));
	fabric_scan(host->fabric);
	provider = provider_of(test, lender);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < CLIENTS; i++)
			expect_same(test, provider, clients[i]);
		for (i = 0; i < CLIENTS; i++)
			expect_same(test, provider, clients[i * 67 % CLIENTS]);
	}
	/* A page for all of it; none of it is allocated while mapping */
	KUNIT_EXPECT_LE(test, sizeof(*provider), PAGE_SIZE);
}

/*
 * A slot that somebody else, or what this interrupts, is just writing: nothing
 * is taken from it, and nothing remembered in it.
 */
static void peers_slot_busy(struct kunit *test)
{
	struct fabric_fn *client, *lender, *port;
	struct p2pdma_provider *provider;
	int i;

	port = downstream(two_under_switch(test, &client, &lender), 0);
	provider = provider_of(test, lender);
	for (i = 0; i < P2PDMA_PEER_SLOTS; i++)
		atomic_inc(&provider->peers[i].seq);
	expect_same(test, provider, client);
	fabric_config_poke(port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
	/* Often enough for each slot that the client may have */
	for (i = 0; i < 4; i++)
		expect_same(test, provider, client);
	fabric_config_poke(port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_OFF);

	/* It is written now: nothing of that is in it, the next verdict will be. */
	for (i = 0; i < P2PDMA_PEER_SLOTS; i++)
		atomic_inc(&provider->peers[i].seq);
	expect_same(test, provider, client);
	fabric_config_poke(port, FABRIC_ACS_CAP + PCI_ACS_CTRL, 2, ACS_ON);
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
}

/*
 * A client that cannot address the range, before and after it is remembered.
 * Mutation: no look at the mask in p2pdma_peer_verdict().
 */
static void peers_dma_mask(struct kunit *test)
{
	struct fabric_fn *client, *lender;
	struct p2pdma_provider *provider;
	struct p2pdma_verdict v;
	u64 last;

	two_under_switch(test, &client, &lender);
	provider = provider_of(test, lender);
	last = provider->start + provider->size - 1;
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	dma_set_mask(&client->pdev->dev, DMA_BIT_MASK(32));
	v = p2pdma_peer_verdict(provider, &client->pdev->dev);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_DMA_MASK);

	/* It is the bus address that counts, and the last byte of it. */
	provider->bus_offset = DMA_BIT_MASK(32) - last;
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
	provider->bus_offset++;
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_NOT_SUPPORTED);
	dma_set_mask(&client->pdev->dev, DMA_BIT_MASK(64));
	KUNIT_EXPECT_EQ(test, writes(provider, client),
			PCI_P2PDMA_MAP_BUS_ADDR);
}

/* Clients that are no PCI devices; fault 4 is theirs.  Mutation: see map_not_pci. */
static void peers_not_pci(struct kunit *test)
{
	struct fabric_fn *client, *lender;
	struct p2pdma_provider *provider;
	struct p2pdma_verdict v;

	two_under_switch(test, &client, &lender);
	provider = provider_of(test, lender);
	v = p2pdma_peer_verdict(provider, &client->host->bridge->dev);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_NOT_PCI);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_READ], PCI_P2PDMA_MAP_NOT_SUPPORTED);
	v = p2pdma_peer_verdict(provider, NULL);
	KUNIT_EXPECT_EQ(test, v.reason, P2PDMA_REASON_NOT_PCI);
	KUNIT_EXPECT_EQ(test, v.map[P2PDMA_WRITE], PCI_P2PDMA_MAP_NOT_SUPPORTED);
}

static struct kunit_case peers_cases[] = {
	KUNIT_CASE(peers_remember),
	KUNIT_CASE(peers_acs_written),
	KUNIT_CASE(peers_acs_written_by_user),
	KUNIT_CASE(peers_replaced),
	KUNIT_CASE(peers_unplugged),
	KUNIT_CASE(peers_collide),
	KUNIT_CASE(peers_slot_busy),
	KUNIT_CASE(peers_dma_mask),
	KUNIT_CASE(peers_not_pci),
	{ }
};

static struct kunit_suite peers_suite = {
	.name = "p2pdma_peers",
	.test_cases = peers_cases,
};

kunit_test_suite(peers_suite);

MODULE_DESCRIPTION("KUnit tests of remembered routes of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
