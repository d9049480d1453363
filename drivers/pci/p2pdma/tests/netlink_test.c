// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the dumps of netlink.c, when there is more to say than one message
 * holds, and what has been said goes meanwhile.  What is in a message, and who
 * gets it, is for the selftests.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/netlink.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/skbuff.h>
#include <linux/string.h>
#include <net/genetlink.h>

#include "../netlink-gen.h"
#include "fabric.h"
#include "provider.h"

#define CLIENTS		40
#define PROVIDERS	3
/* Room for two pairs, or two resources */
#define MESSAGE		320
#define ROUNDS		200	/* messages, after which it will not end */

/**
 * struct machine - clients and providers, each with each
 * @test: the test
 * @fabric: where they are
 * @client: clients, eight functions to a device
 * @provider: devices with memory
 * @said: client i + CLIENTS * provider j has been listed
 * @twice: something has been listed for a second time
 * @interrupted: NLM_F_DUMP_INTR was set
 * @read: of the last pair, enum pci_p2pdma_mapping
 * @write: likewise
 * @request: what was asked for
 * @info: of the dump
 * @cb: the dump
 * @dumpit: its function
 *
 *		root port
 *		    |
 *		 upstream
 *	 /    /  ...  |    \     \
 *	d0   d1 ...  d5    d6    d7
 *	|    |       |     |     |
 *	clients	     p0    p1    p2
 */
struct machine {
	struct kunit *test;
	struct fabric *fabric;
	struct fabric_fn *client[CLIENTS];
	struct fabric_fn *provider[PROVIDERS];
	DECLARE_BITMAP(said, CLIENTS * PROVIDERS);
	bool twice;
	bool interrupted;
	u32 read;
	u32 write;
	struct genlmsghdr request;
	struct genl_dumpit_info info;
	struct netlink_callback cb;
	int (*dumpit)(struct sk_buff *skb, struct netlink_callback *cb);
};

static struct machine *build(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct fabric_host *host;
	struct fabric_fn *sw;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->fabric = fabric_alloc(test);
	host = host_bridge(m->fabric);
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	sw = switch_under(root_port(host), CLIENTS / 8 + PROVIDERS);
	for (i = 0; i < CLIENTS; i++) {
		m->client[i] = i % 8 ? function_beside(m->client[i - 1]) :
				       endpoint_under(downstream(sw, i / 8));
		m->client[i]->bar[0].size = 0;
	}
	for (i = 0; i < PROVIDERS; i++)
		m->provider[i] =
			endpoint_under(downstream(sw, CLIENTS / 8 + i));
	fabric_scan(m->fabric);
	for (i = 0; i < PROVIDERS; i++)
		provider_register(test, m->provider[i]);
	return m;
}

/* Has all pairs cached. */
static void use_all(struct machine *m)
{
	struct device *dev;
	int round, i, j;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < CLIENTS && m->client[i]; i++) {
			dev = &m->client[i]->pdev->dev;
			for (j = 0; j < PROVIDERS && m->provider[j]; j++)
				pci_p2pdma_distance_many(m->provider[j]->pdev,
							 &dev, 1, false);
		}
		KUNIT_ASSERT_EQ(m->test, 0, p2pdma_peers_fill());
	}
}

static void start(struct machine *m, int cmd,
		  int (*dumpit)(struct sk_buff *skb,
				struct netlink_callback *cb))
{
	memset(&m->cb, 0, sizeof(m->cb));
	bitmap_zero(m->said, CLIENTS * PROVIDERS);
	m->twice = false;
	m->interrupted = false;
	m->request.cmd = cmd;
	m->info.info.family = &pci_p2pdma_nl_family;
	m->info.info.genlhdr = &m->request;
	m->cb.data = &m->info;
	m->cb.seq = 1;
	m->dumpit = dumpit;
}

/* Which one has that name; those that are unplugged have none */
static int place_of(struct fabric_fn **fn, int count, const struct nlattr *name)
{
	int i;

	for (i = 0; name && i < count && fn[i]; i++)
		if (fn[i]->pdev && !nla_strcmp(name, pci_name(fn[i]->pdev)))
			return i;
	return -1;
}

static void note_verdict(struct machine *m, const struct nlattr *nest)
{
	struct nlattr *attrs[PCI_P2PDMA_A_VERDICT_MAX + 1];

	KUNIT_ASSERT_NOT_NULL(m->test, nest);
	KUNIT_ASSERT_EQ(m->test, 0,
			nla_parse_nested_deprecated(attrs,
						    PCI_P2PDMA_A_VERDICT_MAX,
						    nest, NULL, NULL));
	KUNIT_ASSERT_NOT_NULL(m->test, attrs[PCI_P2PDMA_A_VERDICT_READ]);
	KUNIT_ASSERT_NOT_NULL(m->test, attrs[PCI_P2PDMA_A_VERDICT_WRITE]);
	m->read = nla_get_u32(attrs[PCI_P2PDMA_A_VERDICT_READ]);
	m->write = nla_get_u32(attrs[PCI_P2PDMA_A_VERDICT_WRITE]);
}

/* Note whom a message is about; other providers of the machine are none of ours. */
static void note(struct machine *m, const struct nlmsghdr *nlh)
{
	const bool pairs = m->request.cmd == PCI_P2PDMA_CMD_PAIR_GET;
	struct nlattr *attrs[PCI_P2PDMA_A_RESOURCE_MAX + 1];
	int client = 0, provider;

	m->interrupted |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
	KUNIT_EXPECT_TRUE(m->test, nlh->nlmsg_flags & NLM_F_MULTI);
	if (nlmsg_parse_deprecated(nlh, GENL_HDRLEN, attrs,
				   PCI_P2PDMA_A_RESOURCE_MAX, NULL, NULL)) {
		KUNIT_FAIL(m->test, "cannot be parsed");
		return;
	}
	/* The first attribute of both */
	provider = place_of(m->provider, PROVIDERS,
			    attrs[PCI_P2PDMA_A_PAIR_PROVIDER]);
	if (pairs)
		client = place_of(m->client, CLIENTS,
				  attrs[PCI_P2PDMA_A_PAIR_CLIENT]);
	if (provider < 0 || client < 0)
		return;
	if (pairs)
		note_verdict(m, attrs[PCI_P2PDMA_A_PAIR_VERDICT]);
	m->twice |= test_and_set_bit(client + CLIENTS * provider, m->said);
}

/* The next message, as netlink_dump() has it made; 0 when there is no more */
static int next(struct machine *m)
{
	struct sk_buff *skb = nlmsg_new(MESSAGE, GFP_KERNEL);
	struct nlmsghdr *nlh;
	int ret, len;

	KUNIT_ASSERT_NOT_NULL(m->test, skb);
	/* An allocation may be larger than that */
	skb_reserve(skb, skb_tailroom(skb) - MESSAGE);
	ret = m->dumpit(skb, &m->cb);
	len = skb->len;
	for (nlh = (struct nlmsghdr *)skb->data; nlmsg_ok(nlh, len);
	     nlh = nlmsg_next(nlh, &len))
		note(m, nlh);
	if (ret == -EMSGSIZE && skb->len)
		ret = skb->len;
	nlmsg_free(skb);
	/* What would be set in NLMSG_DONE */
	m->interrupted |= m->cb.prev_seq && m->cb.seq != m->cb.prev_seq;
	return ret;
}

/* To the end; returns the number of messages that were full */
static int rest(struct machine *m)
{
	int i, ret;

	for (i = 0; i < ROUNDS; i++) {
		ret = next(m);
		if (!ret)
			return i;
		KUNIT_ASSERT_GT(m->test, ret, 0);
	}
	KUNIT_FAIL(m->test, "a dump without an end");
	return i;
}

static void start_pairs(struct machine *m)
{
	use_all(m);
	start(m, PCI_P2PDMA_CMD_PAIR_GET, pci_p2pdma_nl_pair_get_dumpit);
}

static unsigned int said(struct machine *m)
{
	return bitmap_weight(m->said, CLIENTS * PROVIDERS);
}

/*
 * Into the pairs of the first provider: what other machines' drives have used
 * comes before that.
 */
static void first_pairs(struct machine *m)
{
	start_pairs(m);
	do {
		KUNIT_ASSERT_GT(m->test, next(m), 0);
	} while (said(m) < 2);
	KUNIT_ASSERT_LT(m->test, said(m), CLIENTS);
}

/* Each pair once, however many messages it takes */
static void netlink_pairs(struct kunit *test)
{
	struct machine *m = build(test);

	start_pairs(m);
	KUNIT_EXPECT_GT(test, rest(m), PROVIDERS);
	KUNIT_EXPECT_EQ(test, said(m), CLIENTS * PROVIDERS);
	KUNIT_EXPECT_FALSE(test, m->twice);
	KUNIT_EXPECT_FALSE(test, m->interrupted);
}

/*
 *	 root complex: reads
 *	  /	      \
 *	client	    provider
 */
static void netlink_directions(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	const struct kernel_param *policy;
	struct fabric_host *host;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	host = host_bridge(fabric_alloc(test));
	root_device(host, PCI_VENDOR_ID_INTEL, 0x2035);
	m->client[0] = endpoint_under(root_port(host));
	m->provider[0] = endpoint_under(root_port(host));
	fabric_scan(host->fabric);
	provider_register(test, m->provider[0]);
	policy = param_begin(test, "pci_p2pdma.host_bridges");
	KUNIT_ASSERT_EQ(test, 0, param_say(policy, "8086:2035=reads"));
	start_pairs(m);
	rest(m);
	KUNIT_EXPECT_EQ(test, said(m), 1);
	KUNIT_EXPECT_EQ(test, m->read, PCI_P2PDMA_MAPPING_HOST_BRIDGE);
	KUNIT_EXPECT_EQ(test, m->write, PCI_P2PDMA_MAPPING_NONE);
}

/* What nobody has used is not there. */
static void netlink_pairs_unused(struct kunit *test)
{
	struct machine *m = build(test);

	start(m, PCI_P2PDMA_CMD_PAIR_GET, pci_p2pdma_nl_pair_get_dumpit);
	rest(m);
	KUNIT_EXPECT_EQ(test, said(m), 0);
}

static struct fabric_fn *last_said(struct machine *m)
{
	unsigned int bit = find_last_bit(m->said, CLIENTS * PROVIDERS);

	KUNIT_ASSERT_LT(m->test, bit, CLIENTS * PROVIDERS);
	return m->client[bit % CLIENTS];
}

/*
 * A client that was said goes: nobody else is left out or said twice, and the
 * program is told that something has changed.
 */
static void netlink_pairs_client_gone(struct kunit *test)
{
	struct machine *m = build(test);

	first_pairs(m);
	fabric_unplug(m->client[0]);
	rest(m);
	KUNIT_EXPECT_FALSE(test, m->twice);
	KUNIT_EXPECT_TRUE(test, m->interrupted);
	/* With the other two providers there are all but one. */
	KUNIT_EXPECT_EQ(test, said(m), CLIENTS * PROVIDERS - 2);
}

/* The one that it would go on from: the program is told to ask again. */
static void netlink_pairs_lost(struct kunit *test)
{
	struct machine *m = build(test);

	first_pairs(m);
	fabric_unplug(last_said(m));
	rest(m);
	KUNIT_EXPECT_TRUE(test, m->interrupted);
	KUNIT_EXPECT_FALSE(test, m->twice);
}

/* It comes back, as the last of all functions: who is behind it may be left out. */
static void netlink_pairs_back(struct kunit *test)
{
	struct machine *m = build(test);
	struct fabric_fn *fn;

	first_pairs(m);
	fn = last_said(m);
	fabric_unplug(fn);
	fabric_replug(fn);
	rest(m);
	KUNIT_EXPECT_TRUE(test, m->interrupted);
}

/* A client that cannot have the addresses: what is listed is what it would get. */
static void netlink_pairs_mask(struct kunit *test)
{
	struct machine *m = build(test);
	int i;

	for (i = 0; i < CLIENTS; i++)
		KUNIT_ASSERT_EQ(test, 0, dma_set_mask(&m->client[i]->pdev->dev,
						      DMA_BIT_MASK(32)));
	m->read = PCI_P2PDMA_MAPPING_BUS_ADDR;
	m->write = PCI_P2PDMA_MAPPING_BUS_ADDR;
	start_pairs(m);
	rest(m);
	KUNIT_EXPECT_EQ(test, said(m), CLIENTS * PROVIDERS);
	KUNIT_EXPECT_EQ(test, m->read, PCI_P2PDMA_MAPPING_NONE);
	KUNIT_EXPECT_EQ(test, m->write, PCI_P2PDMA_MAPPING_NONE);
}

/* Each resource once */
static void netlink_resources(struct kunit *test)
{
	struct machine *m = build(test);

	start(m, PCI_P2PDMA_CMD_RESOURCE_GET,
	      pci_p2pdma_nl_resource_get_dumpit);
	KUNIT_EXPECT_GT(test, rest(m), 0);
	KUNIT_EXPECT_EQ(test, said(m), PROVIDERS);
	KUNIT_EXPECT_FALSE(test, m->twice);
	KUNIT_EXPECT_FALSE(test, m->interrupted);
}

/* Unregister the last that was said; returns whose it was */
static struct fabric_fn *resource_lost(struct machine *m)
{
	struct fabric_fn *fn;

	start(m, PCI_P2PDMA_CMD_RESOURCE_GET,
	      pci_p2pdma_nl_resource_get_dumpit);
	do {
		KUNIT_ASSERT_GT(m->test, next(m), 0);
	} while (!said(m));
	KUNIT_ASSERT_LT(m->test, said(m), PROVIDERS);
	fn = m->provider[find_last_bit(m->said, CLIENTS * PROVIDERS) / CLIENTS];
	KUNIT_ASSERT_EQ(m->test, 0, pci_p2pdma_remove_resource(fn->pdev, 0, 0));
	return fn;
}

static void netlink_resources_lost(struct kunit *test)
{
	struct machine *m = build(test);

	resource_lost(m);
	rest(m);
	KUNIT_EXPECT_TRUE(test, m->interrupted);
	KUNIT_EXPECT_FALSE(test, m->twice);
}

/* It comes back, as the last of all: those behind it may be left out. */
static void netlink_resources_back(struct kunit *test)
{
	struct machine *m = build(test);

	provider_register(test, resource_lost(m));
	rest(m);
	KUNIT_EXPECT_TRUE(test, m->interrupted);
}

static struct kunit_case netlink_cases[] = {
	KUNIT_CASE(netlink_pairs),
	KUNIT_CASE(netlink_directions),
	KUNIT_CASE(netlink_pairs_unused),
	KUNIT_CASE(netlink_pairs_client_gone),
	KUNIT_CASE(netlink_pairs_lost),
	KUNIT_CASE(netlink_pairs_back),
	KUNIT_CASE(netlink_pairs_mask),
	KUNIT_CASE(netlink_resources),
	KUNIT_CASE(netlink_resources_lost),
	KUNIT_CASE(netlink_resources_back),
	{}
};

static struct kunit_suite netlink_suite = {
	.name = "p2pdma_netlink",
	.test_cases = netlink_cases,
};

kunit_test_suite(netlink_suite);

MODULE_DESCRIPTION("KUnit tests of the dumps of PCI peer-to-peer DMA by netlink");
MODULE_LICENSE("GPL");
