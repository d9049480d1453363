// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: whom peers.c tells that a way has changed.  Programs by a uevent,
 * which is received here as udev does it, for the providers that it is true of
 * and for no other; drivers by a notifier.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/net.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "fabric.h"

#define PATIENCE	(30 * HZ)	/* for what comes at once */
#define KERNEL_GROUP	1		/* what the kernel itself says */
#define ACS_OFF		0
#define ACS_ON		(PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF)

/* Of the pairs in the picture; the last one changes to show that nothing else did. */
enum { FIRST, SECOND, LAST, PAIRS };

/**
 * struct pairs - clients that use memory of one provider each
 * @test: the test
 * @sw: the switch: pair i is at its ports 2 i (client) and 2 i + 1
 * @res: BAR 0 of each
 * @other: BAR 2 of the first one, which its client uses as well
 * @sock: where uevents come
 *
 *	     root port
 *	         |
 *	      upstream
 *	  /      |      \ ...
 *	d0       d1      d2
 *	 |       |       |
 *	client provider client
 */
struct pairs {
	struct kunit *test;
	struct fabric_fn *sw;
	struct p2pdma_resource *res[PAIRS];
	struct p2pdma_resource *other;
	struct socket *sock;
};

static void remove(void *provider)
{
	p2pdma_peers_remove(provider);
}

static struct p2pdma_resource *provider_of(struct kunit *test,
					   struct fabric_fn *fn, int bar)
{
	struct p2pdma_resource *res;

	res = kunit_kzalloc(test, sizeof(*res), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, res);
	res->pdev = fn->pdev;
	res->start = pci_resource_start(fn->pdev, bar);
	res->size = pci_resource_len(fn->pdev, bar);
	p2pdma_peers_add(res);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, remove, res));
	return res;
}

static struct fabric_fn *client_of(struct pairs *p, int pair)
{
	return downstream(p->sw, 2 * pair)->below->fn[0];
}

static struct fabric_fn *provider_pdev(struct pairs *p, int pair)
{
	return downstream(p->sw, 2 * pair + 1)->below->fn[0];
}

/* The client uses it, so that it wants to be told. */
static void use(struct pairs *p, struct p2pdma_resource *res, int pair)
{
	struct device *client = &client_of(p, pair)->pdev->dev;
	unsigned long before;
	int i;

	for (i = 0; i < 4; i++) {
		before = atomic_long_read(&res->walks);
		p2pdma_peer_verdict(res, client);
		if (before == atomic_long_read(&res->walks))
			return;
		KUNIT_ASSERT_EQ(p->test, 0, p2pdma_peers_fill());
	}
	KUNIT_FAIL_AND_ABORT(p->test, "never cached");
}

static void unregister(void *sock)
{
	sock_release(sock);
}

/* From now on: what came before is not heard. */
static void listen(struct pairs *p)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK,
		.nl_groups = KERNEL_GROUP,
	};

	KUNIT_ASSERT_EQ(p->test, 0,
			sock_create_kern(&init_net, PF_NETLINK, SOCK_RAW,
					 NETLINK_KOBJECT_UEVENT, &p->sock));
	KUNIT_ASSERT_EQ(p->test, 0, kunit_add_action_or_reset(p->test, unregister,
							      p->sock));
	p->sock->sk->sk_rcvtimeo = PATIENCE;
	KUNIT_ASSERT_EQ(p->test, 0, kernel_bind(p->sock, (struct sockaddr *)&addr,
						sizeof(addr)));
}

static struct pairs *pairs(struct kunit *test)
{
	struct pairs *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	struct fabric *fabric = fabric_alloc(test);
	struct fabric_host *host = host_bridge(fabric);
	struct fabric_fn *provider;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, p);
	p->test = test;
	root_device(host, PCI_VENDOR_ID_INTEL, ROUTES_ANYWHERE);
	p->sw = switch_under(root_port(host), 2 * PAIRS + 1);
	for (i = 0; i < PAIRS; i++) {
		with_acs(downstream(p->sw, 2 * i), ACS_OFF);
		endpoint_under(downstream(p->sw, 2 * i));
		provider = endpoint_under(downstream(p->sw, 2 * i + 1));
		provider->bar[2] = provider->bar[0];
	}
	/* Has nothing to do with anything */
	endpoint_under(downstream(p->sw, 2 * PAIRS));
	fabric_scan(fabric);
	for (i = 0; i < PAIRS; i++) {
		p->res[i] = provider_of(test, provider_pdev(p, i), 0);
		use(p, p->res[i], i);
	}
	p->other = provider_of(test, provider_pdev(p, FIRST), 2);
	use(p, p->other, FIRST);
	listen(p);
	return p;
}

/* The value of @name in a message: texts with a 0 at their end, one by one */
static const char *value_of(const char *message, int len, const char *name)
{
	const char *text;

	for (text = message; text < message + len; text += strlen(text) + 1)
		if (strstarts(text, name) && text[strlen(name)] == '=')
			return text + strlen(name) + 1;
	return "";
}

/* Whom the next uevent about verdicts is about; others do not matter. */
static void expect_notified(struct pairs *p, int pair)
{
	const char *name = pci_name(provider_pdev(p, pair)->pdev);
	char *message = kunit_kzalloc(p->test, SZ_4K, GFP_KERNEL);
	int len;

	KUNIT_ASSERT_NOT_NULL(p->test, message);
	do {
		struct kvec vec = { .iov_base = message, .iov_len = SZ_4K - 1 };
		struct msghdr msg = {};

		len = kernel_recvmsg(p->sock, &msg, &vec, 1, vec.iov_len, 0);
		KUNIT_ASSERT_GT_MSG(p->test, len, 0, "no uevent about %s", name);
		message[len] = 0;
	} while (strcmp(value_of(message, len, "P2PDMA_EVENT"), "verdicts"));
	KUNIT_EXPECT_STREQ(p->test, value_of(message, len, "ACTION"), "change");
	KUNIT_EXPECT_STREQ(p->test, value_of(message, len, "SUBSYSTEM"), "pci");
	KUNIT_EXPECT_STREQ(p->test, value_of(message, len, "PCI_SLOT_NAME"), name);
}

/* The other way from the client of a pair to its provider */
static void change(struct pairs *p, int pair)
{
	struct fabric_fn *port = downstream(p->sw, 2 * pair);
	u16 ctrl;

	pci_read_config_word(port->pdev, FABRIC_ACS_CAP + PCI_ACS_CTRL, &ctrl);
	fabric_write_acs(port, ctrl ? ACS_OFF : ACS_ON);
	p2pdma_peers_fill();
}

/* What would have been told of others has come before this. */
static void expect_nothing_more(struct pairs *p)
{
	change(p, LAST);
	expect_notified(p, LAST);
}

/* There and back. */
static void notify_of_change(struct kunit *test)
{
	struct pairs *p = pairs(test);
	int i;

	for (i = 0; i < 4; i++) {
		change(p, SECOND);
		expect_notified(p, SECOND);
		expect_nothing_more(p);
	}
}

/* A device is told of once, however many of its resources are concerned. */
static void notify_once(struct kunit *test)
{
	struct pairs *p = pairs(test);

	change(p, FIRST);
	expect_notified(p, FIRST);
	expect_nothing_more(p);
}

/* Verdicts are worked out again, and are what they were. */
static void notify_not_of_nothing(struct kunit *test)
{
	struct pairs *p = pairs(test);
	struct fabric_fn *bystander = downstream(p->sw, 2 * PAIRS)->below->fn[0];

	p2pdma_topology_changed();
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	fabric_unplug(bystander);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	fabric_replug(bystander);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	fabric_write_acs(downstream(p->sw, 2 * SECOND), PCI_ACS_SV);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	expect_nothing_more(p);
}

static struct p2pdma_verdict
for_another_reason(const struct p2pdma_resource *res,
		   struct pci_dev *client)
{
	struct p2pdma_verdict verdict = p2pdma_route(client, res->pdev);

	verdict.reason = P2PDMA_REASON_SAME_BUS;
	return verdict;
}

/* The way is what it was, for another reason: nobody goes by that. */
static void notify_not_of_reason(struct kunit *test)
{
	struct pairs *p = pairs(test);
	unsigned int seen = 0, i;
	struct p2pdma_verdict v;

	for (i = 0; i < 32; i++) {
		kunit_activate_static_stub(test, p2pdma_peer_walk,
					   for_another_reason);
		p2pdma_topology_changed();
		KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
		kunit_deactivate_static_stub(test, p2pdma_peer_walk);
		v = p2pdma_peer_verdict(p->res[SECOND],
					&client_of(p, SECOND)->pdev->dev);
		/* The work item may have been first, and knows better. */
		seen += v.reason == P2PDMA_REASON_SAME_BUS;
	}
	KUNIT_EXPECT_GT(test, seen, 0);
	expect_nothing_more(p);
}

/* Who asked once and has gone, or only wanted to know, is not told. */
static void notify_users_only(struct kunit *test)
{
	struct pairs *p = pairs(test);
	struct p2pdma_resource *third;

	third = provider_of(test, downstream(p->sw, 2 * PAIRS)->below->fn[0], 0);
	p2pdma_peer_verdict_uncached(third, &client_of(p, SECOND)->pdev->dev);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	fabric_unplug(client_of(p, SECOND));
	fabric_write_acs(downstream(p->sw, 2 * SECOND), ACS_ON);
	KUNIT_EXPECT_EQ(test, 0, p2pdma_peers_fill());
	expect_nothing_more(p);
}

struct listener {
	struct notifier_block nb;
	struct completion heard;
};

static int notifier_called(struct notifier_block *nb, unsigned long event, void *data)
{
	struct listener *listener = container_of(nb, struct listener, nb);

	if (event == PCI_P2PDMA_VERDICTS_CHANGED && !data)
		complete(&listener->heard);
	return NOTIFY_OK;
}

static void listener_remove(void *nb)
{
	pci_p2pdma_unregister_notifier(nb);
}

/*
 * Drivers hear that verdicts may have changed, and find the new one when they
 * ask then.
 */
static void notify_drivers(struct kunit *test)
{
	struct pairs *p = pairs(test);
	struct device *client = &client_of(p, SECOND)->pdev->dev;
	struct listener *listener = kunit_kzalloc(test, sizeof(*listener), GFP_KERNEL);
	struct p2pdma_verdict before;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, listener);
	listener->nb.notifier_call = notifier_called;
	init_completion(&listener->heard);
	KUNIT_ASSERT_EQ(test, 0, pci_p2pdma_register_notifier(&listener->nb));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, listener_remove,
							   &listener->nb));
	for (i = 0; i < 4; i++) {
		before = p2pdma_peer_verdict(p->res[SECOND], client);
		reinit_completion(&listener->heard);
		change(p, SECOND);
		KUNIT_ASSERT_NE(test, 0,
				wait_for_completion_timeout(&listener->heard, PATIENCE));
		KUNIT_EXPECT_NE(test, before.map[P2PDMA_WRITE],
				p2pdma_peer_verdict(p->res[SECOND],
						    client).map[P2PDMA_WRITE]);
	}
}

static struct kunit_case notify_cases[] = {
	KUNIT_CASE(notify_of_change),
	KUNIT_CASE(notify_once),
	KUNIT_CASE(notify_not_of_nothing),
	KUNIT_CASE(notify_not_of_reason),
	KUNIT_CASE(notify_users_only),
	KUNIT_CASE(notify_drivers),
	{ }
};

static struct kunit_suite notify_suite = {
	.name = "p2pdma_notify",
	.test_cases = notify_cases,
};

kunit_test_suite(notify_suite);

MODULE_DESCRIPTION("KUnit tests of notifications of changed routes of PCI peer-to-peer DMA");
MODULE_LICENSE("GPL");
