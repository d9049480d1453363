// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: netlink
 *
 * What programs ask, and hear of: the generic netlink family "pci-p2pdma".
 *
 * The interface is Documentation/netlink/specs/pci-p2pdma.yaml;
 * include/uapi/linux/pci_p2pdma.h and netlink-gen.[ch] are made from it by
 * tools/net/ynl/ynl-regen.sh.  debugfs.c says much the same, to people.
 *
 * Nothing here is on the way of a mapping: requests walk the topology or read
 * what others have cached, and count nothing themselves.
 *
 * Verdicts tell of ACS controls, which are in config space beyond the first 64
 * bytes: who asks needs what reading these takes, see pci_read_config().  Who
 * listens needs nothing, as the changes name no more than uevents and p2pmem/
 * do.  Requests are taken from any network namespace, since the capability is
 * looked for in the initial user namespace; what changes is told in the initial
 * network namespace only.
 *
 * A dump may take several messages, between which resources and clients come
 * and go.  Each one goes on behind what was said last, which is known by its
 * address and not by its position in a list.  If anything has come, gone or
 * changed meanwhile, messages have NLM_F_DUMP_INTR from then on, so that the
 * program asks again.
 */
#include <linux/capability.h>
#include <linux/device/bus.h>
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "../pci.h"
#include "explain.h"
#include "netlink-gen.h"
#include "p2pdma.h"
#include "peers.h"
#include "route.h"

/* "DDDDDDDD:BB:DD.F" */
#define ADDRESS_SIZE	17

/* ---- one value for what is inside, and for what programs see ---- */

static const u8 mappings[] = {
	[PCI_P2PDMA_MAP_NOT_SUPPORTED]	= PCI_P2PDMA_MAPPING_NONE,
	[PCI_P2PDMA_MAP_BUS_ADDR]	= PCI_P2PDMA_MAPPING_BUS_ADDR,
	[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE] = PCI_P2PDMA_MAPPING_HOST_BRIDGE,
};

static const u8 reasons[] = {
	[P2PDMA_REASON_SELF]		= PCI_P2PDMA_REASON_SELF,
	[P2PDMA_REASON_SAME_DEVICE]	= PCI_P2PDMA_REASON_SAME_DEVICE,
	[P2PDMA_REASON_SAME_BUS]	= PCI_P2PDMA_REASON_SAME_BUS,
	[P2PDMA_REASON_SAME_SWITCH]	= PCI_P2PDMA_REASON_SAME_SWITCH,
	[P2PDMA_REASON_ROOT_COMPLEX]	= PCI_P2PDMA_REASON_ROOT_COMPLEX,
	[P2PDMA_REASON_ACS_REDIRECT]	= PCI_P2PDMA_REASON_ACS_REDIRECT,
	[P2PDMA_REASON_ACS_BLOCKED]	= PCI_P2PDMA_REASON_ACS_BLOCKED,
	[P2PDMA_REASON_ROOT_UNKNOWN]	= PCI_P2PDMA_REASON_ROOT_COMPLEX_UNKNOWN,
	[P2PDMA_REASON_ROOT_DIFFERS]	= PCI_P2PDMA_REASON_ROOT_COMPLEX_DIFFERS,
	[P2PDMA_REASON_NOT_PCI]		= PCI_P2PDMA_REASON_NOT_PCI,
	[P2PDMA_REASON_DMA_MASK]	= PCI_P2PDMA_REASON_DMA_MASK,
	[P2PDMA_REASON_FUNCTIONS]	= PCI_P2PDMA_REASON_FUNCTIONS_ISOLATED,
	[P2PDMA_REASON_ROOT_READS]	= PCI_P2PDMA_REASON_ROOT_COMPLEX_READS_ONLY,
	[P2PDMA_REASON_ROOT_WRITES]	= PCI_P2PDMA_REASON_ROOT_COMPLEX_WRITES_ONLY,
	[P2PDMA_REASON_OUTAGE]		= PCI_P2PDMA_REASON_PROVIDER_DOWN,
	[P2PDMA_REASON_ROOT_FORBIDDEN]	= PCI_P2PDMA_REASON_ROOT_COMPLEX_FORBIDDEN,
};

static_assert(ARRAY_SIZE(reasons) == P2PDMA_REASON_COUNT);

static const u8 sources[] = {
	[P2PDMA_ROOT_UNKNOWN]	= PCI_P2PDMA_ROOT_SOURCE_UNKNOWN,
	[P2PDMA_ROOT_TABLE]	= PCI_P2PDMA_ROOT_SOURCE_TABLE,
	[P2PDMA_ROOT_CPU]	= PCI_P2PDMA_ROOT_SOURCE_CPU,
	[P2PDMA_ROOT_POLICY]	= PCI_P2PDMA_ROOT_SOURCE_POLICY,
	[P2PDMA_ROOT_FIRMWARE]	= PCI_P2PDMA_ROOT_SOURCE_FIRMWARE,
};

static_assert(ARRAY_SIZE(sources) == P2PDMA_ROOT_SOURCES);

static_assert(P2PDMA_ROUTES_READS == PCI_P2PDMA_ROOT_ROUTES_READS);
static_assert(P2PDMA_ROUTES_WRITES == PCI_P2PDMA_ROOT_ROUTES_WRITES);
static_assert(P2PDMA_ROUTES_BETWEEN == PCI_P2PDMA_ROOT_ROUTES_BETWEEN);

static const u8 changes[] = {
	[PCI_P2PDMA_PROVIDER_DOWN]	= PCI_P2PDMA_CHANGE_PROVIDER_DOWN,
	[PCI_P2PDMA_PROVIDER_UP]	= PCI_P2PDMA_CHANGE_PROVIDER_UP,
	[PCI_P2PDMA_VERDICTS_CHANGED]	= PCI_P2PDMA_CHANGE_VERDICTS,
	[PCI_P2PDMA_RESOURCE_ADDED]	= PCI_P2PDMA_CHANGE_RESOURCE_ADDED,
	[PCI_P2PDMA_RESOURCE_REMOVED]	= PCI_P2PDMA_CHANGE_RESOURCE_REMOVED,
	[PCI_P2PDMA_PUBLISHED]		= PCI_P2PDMA_CHANGE_PUBLISHED,
	[PCI_P2PDMA_UNPUBLISHED]	= PCI_P2PDMA_CHANGE_UNPUBLISHED,
};

static_assert(ARRAY_SIZE(changes) == PCI_P2PDMA_UNPUBLISHED + 1);

/* ---- who may ask ---- */

static int check_permission(struct sk_buff *request,
			    struct netlink_ext_ack *extack)
{
	if (netlink_capable(request, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "needs CAP_SYS_ADMIN, as config space does");
	return -EPERM;
}

/**
 * pci_p2pdma_nl_pre_doit - before a request is taken
 * @ops: which one
 * @skb: request
 * @info: what it says
 *
 * Context: process context, may sleep.
 * Return: 0, or -EPERM.
 */
int pci_p2pdma_nl_pre_doit(const struct genl_split_ops *ops,
			   struct sk_buff *skb, struct genl_info *info)
{
	return check_permission(skb, info->extack);
}

/**
 * pci_p2pdma_nl_start - before a dump begins
 * @cb: the dump
 *
 * Context: process context, may sleep.
 * Return: 0;
 *	-EPERM;
 *	-EINVAL if it names anything: that may mean something some day.
 */
int pci_p2pdma_nl_start(struct netlink_callback *cb)
{
	if (nlmsg_attrlen(cb->nlh, GENL_HDRLEN)) {
		NL_SET_ERR_MSG(cb->extack, "a list takes no attributes");
		return -EINVAL;
	}
	return check_permission(cb->skb, cb->extack);
}

/* ---- verdicts ---- */

static int put_port(struct sk_buff *skb, const struct p2pdma_verdict *v)
{
	char port[ADDRESS_SIZE];

	if (!v->has_port)
		return 0;
	snprintf(port, sizeof(port), "%04x:%02x:%02x.%d", v->port_domain,
		 PCI_BUS_NUM(v->port_bdf), PCI_SLOT(v->port_bdf),
		 PCI_FUNC(v->port_bdf));
	return nla_put_string(skb, PCI_P2PDMA_A_VERDICT_PORT, port);
}

static int put_verdict(struct sk_buff *skb, int type,
		       const struct p2pdma_verdict *v)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest ||
	    nla_put_u32(skb, PCI_P2PDMA_A_VERDICT_READ,
			mappings[v->map[P2PDMA_READ]]) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_VERDICT_WRITE,
			mappings[v->map[P2PDMA_WRITE]]) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_VERDICT_DISTANCE, v->distance) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_VERDICT_REASON,
			reasons[v->reason]) ||
	    put_port(skb, v))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* ---- route-get ---- */

/**
 * struct route_reply - all that is said of a route
 * @client: device that would do DMA
 * @provider: device whose memory it is, registered or not
 * @verdict: what the topology allows
 * @now: what holds just now, if there is registered memory
 * @registered: there is
 * @found: what is in the way
 * @remedy: what would have to change
 * @why: what decided, and @found, in words
 * @change: @remedy in words; empty if there is nothing to be said
 */
struct route_reply {
	struct pci_dev *client;
	struct pci_dev *provider;
	struct p2pdma_verdict verdict;
	struct p2pdma_verdict now;
	bool registered;
	struct p2pdma_obstacles found;
	struct p2pdma_remedy remedy;
	char why[P2PDMA_TEXT];
	char change[P2PDMA_TEXT];
};

static int put_root(struct sk_buff *skb, const struct p2pdma_root *root)
{
	struct nlattr *nest = nla_nest_start(skb, PCI_P2PDMA_A_ROUTE_ROOT);

	if (!nest)
		return -EMSGSIZE;
	if (root->has_id &&
	    (nla_put_u32(skb, PCI_P2PDMA_A_ROOT_VENDOR, root->vendor) ||
	     nla_put_u32(skb, PCI_P2PDMA_A_ROOT_DEVICE, root->device)))
		return -EMSGSIZE;
	if (nla_put_u32(skb, PCI_P2PDMA_A_ROOT_ROUTES, root->routes) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_ROOT_SOURCE, sources[root->source]))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_roots(struct sk_buff *skb, const struct p2pdma_obstacles *found)
{
	if (!found->by_root)
		return 0;
	return put_root(skb, &found->root[0]) ?:
	       (found->one_root ? 0 : put_root(skb, &found->root[1]));
}

static int put_route(struct sk_buff *skb, const struct route_reply *reply)
{
	if (nla_put_string(skb, PCI_P2PDMA_A_ROUTE_CLIENT,
			   pci_name(reply->client)) ||
	    nla_put_string(skb, PCI_P2PDMA_A_ROUTE_PROVIDER,
			   pci_name(reply->provider)) ||
	    put_verdict(skb, PCI_P2PDMA_A_ROUTE_VERDICT, &reply->verdict))
		return -EMSGSIZE;
	if (reply->registered &&
	    put_verdict(skb, PCI_P2PDMA_A_ROUTE_NOW, &reply->now))
		return -EMSGSIZE;
	if (put_roots(skb, &reply->found) ||
	    nla_put_string(skb, PCI_P2PDMA_A_ROUTE_WHY, reply->why))
		return -EMSGSIZE;
	if (!reply->change[0])
		return 0;
	return nla_put_string(skb, PCI_P2PDMA_A_ROUTE_REMEDY, reply->change);
}

/* The words are about what holds now, where that is less, as in debugfs.c. */
static void ask_route(struct route_reply *reply)
{
	const struct p2pdma_verdict *v = &reply->verdict;
	struct seq_buf why, change;

	reply->verdict = p2pdma_route(reply->client, reply->provider);
	p2pdma_route_obstacles(reply->client, reply->provider, &reply->found);
	reply->registered = p2pdma_verdict_now(reply->provider, reply->client,
					       &reply->now);
	if (reply->registered &&
	    memcmp(reply->verdict.map, reply->now.map, sizeof(reply->now.map)))
		v = &reply->now;

	seq_buf_init(&why, reply->why, sizeof(reply->why));
	p2pdma_explain(&why, v, &reply->found);
	seq_buf_str(&why);
	p2pdma_remedy_add(&reply->remedy, v, &reply->found);
	seq_buf_init(&change, reply->change, sizeof(reply->change));
	p2pdma_remedy_print(&change, &reply->remedy);
	seq_buf_str(&change);
}

static int send_route(struct genl_info *info, const struct route_reply *reply)
{
	struct sk_buff *skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	void *hdr;

	if (!skb)
		return -ENOMEM;
	hdr = genlmsg_iput(skb, info);
	if (!hdr || put_route(skb, reply)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

/* The function that an attribute names, with references on it and what is above */
static int get_function(struct genl_info *info, int type, struct pci_dev **pdev,
			struct pci_dev **physfn)
{
	struct device *dev;

	if (GENL_REQ_ATTR_CHECK(info, type)) {
		NL_SET_ERR_MSG(info->extack,
			       "a client and a provider have to be named");
		return -EINVAL;
	}
	dev = bus_find_device_by_name(&pci_bus_type, NULL,
				      nla_data(info->attrs[type]));
	if (dev) {
		*pdev = to_pci_dev(dev);
		*physfn = p2pdma_physfn_get(*pdev);
		if (*physfn)
			return 0;
	}
	NL_SET_ERR_MSG_ATTR_FMT(info->extack, info->attrs[type],
				"no PCI function has the name %s",
				(char *)nla_data(info->attrs[type]));
	return -ENODEV;
}

/**
 * pci_p2pdma_nl_route_get_doit - say how a client reaches a provider
 * @skb: request
 * @info: what it says
 *
 * Context: process context, may sleep.
 * Return: 0;
 *	-EINVAL if one of the two is not named;
 *	-ENODEV if one is not there;
 *	-ENOMEM if memory is short.
 */
int pci_p2pdma_nl_route_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct pci_dev *client __free(pci_dev_put) = NULL;
	struct pci_dev *provider __free(pci_dev_put) = NULL;
	struct pci_dev *client_physfn __free(pci_dev_put) = NULL;
	struct pci_dev *provider_physfn __free(pci_dev_put) = NULL;
	struct route_reply *reply __free(kfree) = NULL;
	int error;

	error = get_function(info, PCI_P2PDMA_A_ROUTE_CLIENT, &client,
			     &client_physfn) ?:
		get_function(info, PCI_P2PDMA_A_ROUTE_PROVIDER, &provider,
			     &provider_physfn);
	if (error)
		return error;
	reply = kzalloc(sizeof(*reply), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	reply->client = client;
	reply->provider = provider;
	/* What sleeps in D3cold reads as ones. */
	pci_config_pm_runtime_get(client);
	pci_config_pm_runtime_get(provider);
	ask_route(reply);
	pci_config_pm_runtime_put(provider);
	pci_config_pm_runtime_put(client);
	return send_route(info, reply);
}

/* ---- dumps ---- */

/**
 * struct dump_mark - what a dump said last: netlink_callback.ctx
 * @any: it has said something
 * @bdf: of which client, as PCI_DEVID()
 * @domain: its segment
 * @start: of which resource, its first address
 */
struct dump_mark {
	bool any;
	u16 bdf;
	u32 domain;
	u64 start;
};

static_assert(sizeof(struct dump_mark) <=
	      sizeof_field(struct netlink_callback, ctx));

/**
 * struct dump - a dump, for the time of one message
 * @skb: message
 * @cb: the dump
 * @mark: what it said last
 * @ahead: @mark is of a resource that has not been met
 */
struct dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	struct dump_mark *mark;
	bool ahead;
};

/*
 * What the order of resources, of functions, and all verdicts go by.  If it has
 * changed between two messages, something may be left out, also where what was
 * said last has come back: at the end of the list.
 */
static unsigned int dump_seq(void)
{
	u64 generation = atomic64_read_acquire(&p2pdma_topology_generation);

	/* 0 is for a dump that has not begun. */
	return (unsigned int)generation + p2pdma_list_changes() ?: 1;
}

/* @seq: dump_seq() before anything was looked at for this message */
static int dump_resources(struct sk_buff *skb, struct netlink_callback *cb,
			  unsigned int seq,
			  int (*fn)(struct p2pdma_resource *res, void *data))
{
	struct dump_mark *mark = (struct dump_mark *)cb->ctx;
	struct dump dump = {
		.skb = skb,
		.cb = cb,
		.mark = mark,
		.ahead = mark->any,
	};
	int error;

	cb->seq = seq;
	error = p2pdma_for_each_resource(fn, &dump);
	/* For the next message, or the end, if it has changed meanwhile */
	cb->seq = dump_seq();
	return error;
}

static void *dump_begin(struct dump *dump)
{
	const struct genl_info *info = genl_info_dump(dump->cb);
	void *hdr = __genlmsg_iput(dump->skb, info, NLM_F_MULTI);

	if (hdr)
		genl_dump_check_consistent(dump->cb, hdr);
	return hdr;
}

/* ---- resource-get ---- */

/* Under p2pdma_lock, which keeps the provider */
static bool is_published(const struct p2pdma_resource *res)
{
	guard(rcu)();
	return p2pdma_is_published(rcu_dereference(res->pdev->p2pdma));
}

static int put_resource(struct sk_buff *skb, const struct p2pdma_resource *res)
{
	if (nla_put_string(skb, PCI_P2PDMA_A_RESOURCE_PROVIDER,
			   pci_name(res->pdev)) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_START, res->start) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_SIZE, res->size) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_OUTAGE,
			 READ_ONCE(res->outage)))
		return -EMSGSIZE;
	if (is_published(res) &&
	    nla_put_flag(skb, PCI_P2PDMA_A_RESOURCE_PUBLISHED))
		return -EMSGSIZE;
	if (READ_ONCE(res->down) &&
	    nla_put_flag(skb, PCI_P2PDMA_A_RESOURCE_DOWN))
		return -EMSGSIZE;
	return 0;
}

static int put_counters(struct sk_buff *skb, struct p2pdma_resource *res)
{
	struct p2pdma_pool_stats stats;

	p2pdma_pool_stats(&p2pdma_to_memory(res)->pool, &stats);
	if (nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_AVAILABLE, stats.free) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_ALLOCATIONS,
			 stats.allocs) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_FAILURES,
			 stats.failures) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_WALKS,
			 atomic_long_read(&res->walks)) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_RESOURCE_CHANGES,
			 READ_ONCE(res->changes)))
		return -EMSGSIZE;
	return 0;
}

static int dump_resource(struct p2pdma_resource *res, void *data)
{
	struct dump *dump = data;
	void *hdr;

	if (dump->ahead) {
		dump->ahead = res->start != dump->mark->start;
		return 0;
	}
	hdr = dump_begin(dump);
	if (!hdr)
		return -EMSGSIZE;
	if (put_resource(dump->skb, res) || put_counters(dump->skb, res)) {
		genlmsg_cancel(dump->skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(dump->skb, hdr);
	*dump->mark = (struct dump_mark) { .any = true, .start = res->start };
	return 0;
}

/**
 * pci_p2pdma_nl_resource_get_dumpit - list the memory that is registered
 * @skb: next message
 * @cb: the dump
 *
 * Context: process context, takes p2pdma_lock.
 * Return: 0, or -EMSGSIZE if there is more than one message holds.
 */
int pci_p2pdma_nl_resource_get_dumpit(struct sk_buff *skb,
				      struct netlink_callback *cb)
{
	return dump_resources(skb, cb, dump_seq(), dump_resource);
}

/* ---- pair-get ---- */

static bool is_marked(const struct dump_mark *mark, struct pci_dev *client)
{
	return mark->domain == pci_domain_nr(client->bus) &&
	       mark->bdf == pci_dev_id(client);
}

/* A copy of what is cached, also if it is just being renewed */
static bool get_cached(const struct p2pdma_resource *res,
		       struct pci_dev *client, struct p2pdma_peer *copy)
{
	const struct p2pdma_peer_table *table;
	const struct p2pdma_peer *peer;
	u32 number = READ_ONCE(client->p2pdma_client);

	guard(rcu)();
	table = rcu_dereference(res->peers);
	if (!table || number >= table->size)
		return false;
	peer = rcu_dereference(table->peer[number]);
	/* One that is only asked for has no generation. */
	if (!peer || !READ_ONCE(peer->generation))
		return false;
	copy->verdict = peer->verdict;
	copy->walks = READ_ONCE(peer->walks);
	copy->changes = peer->changes;
	p2pdma_peer_masked(res, &client->dev, &copy->verdict);
	return true;
}

static int dump_pair(struct dump *dump, const struct p2pdma_resource *res,
		     struct pci_dev *client, const struct p2pdma_peer *peer)
{
	struct sk_buff *skb = dump->skb;
	void *hdr = dump_begin(dump);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_string(skb, PCI_P2PDMA_A_PAIR_PROVIDER,
			   pci_name(res->pdev)) ||
	    nla_put_uint(skb, PCI_P2PDMA_A_PAIR_START, res->start) ||
	    nla_put_string(skb, PCI_P2PDMA_A_PAIR_CLIENT, pci_name(client)) ||
	    put_verdict(skb, PCI_P2PDMA_A_PAIR_VERDICT, &peer->verdict) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_PAIR_WALKS, peer->walks) ||
	    nla_put_u32(skb, PCI_P2PDMA_A_PAIR_CHANGES, peer->changes)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	*dump->mark = (struct dump_mark) {
		.any = true,
		.bdf = pci_dev_id(client),
		.domain = pci_domain_nr(client->bus),
		.start = res->start,
	};
	return 0;
}

static int dump_pairs(struct p2pdma_resource *res, void *data)
{
	struct pci_dev *client = NULL;
	struct p2pdma_peer peer;
	struct dump *dump = data;
	bool ahead = dump->ahead;

	if (ahead && res->start != dump->mark->start)
		return 0;
	dump->ahead = false;
	for_each_pci_dev(client) {
		if (ahead) {
			ahead = !is_marked(dump->mark, client);
			continue;
		}
		if (get_cached(res, client, &peer) &&
		    dump_pair(dump, res, client, &peer)) {
			pci_dev_put(client);
			return -EMSGSIZE;
		}
	}
	return 0;
}

/**
 * pci_p2pdma_nl_pair_get_dumpit - list the verdicts that are cached
 * @skb: next message
 * @cb: the dump
 *
 * Verdicts are as new as the topology: a program that asks because it has heard
 * of a change may be faster than who renews them.
 *
 * Context: process context, takes p2pdma_lock.
 * Return: 0;
 *	-EMSGSIZE if there is more than one message holds;
 *	-ENOMEM if memory is short.
 */
int pci_p2pdma_nl_pair_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb)
{
	const struct dump_mark *mark = (struct dump_mark *)cb->ctx;
	unsigned int seq = dump_seq();
	int error = mark->any ? 0 : p2pdma_peers_fill();

	return error ?: dump_resources(skb, cb, seq, dump_pairs);
}

/* ---- what changes ---- */

static int put_notice(struct sk_buff *skb, u32 change,
		      const struct pci_dev *provider)
{
	void *hdr = genlmsg_put(skb, 0, 0, &pci_p2pdma_nl_family, 0,
				PCI_P2PDMA_CMD_CHANGE_NTF);

	if (!hdr || nla_put_u32(skb, PCI_P2PDMA_A_NOTICE_CHANGE, change))
		return -EMSGSIZE;
	if (provider && nla_put_string(skb, PCI_P2PDMA_A_NOTICE_PROVIDER,
				       pci_name(provider)))
		return -EMSGSIZE;
	genlmsg_end(skb, hdr);
	return 0;
}

/* Whoever waits for this may be the drive that memory is swapped to: no I/O. */
static void send_notice(u32 change, const struct pci_dev *provider)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&pci_p2pdma_nl_family, &init_net,
				PCI_P2PDMA_NLGRP_CHANGES))
		return;
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_NOIO);
	if (!skb || put_notice(skb, change, provider)) {
		nlmsg_free(skb);
		genl_set_err(&pci_p2pdma_nl_family, &init_net, 0,
			     PCI_P2PDMA_NLGRP_CHANGES, -ENOBUFS);
		return;
	}
	genlmsg_multicast(&pci_p2pdma_nl_family, skb, 0,
			  PCI_P2PDMA_NLGRP_CHANGES, GFP_NOIO);
}

static int notify_listeners(struct notifier_block *nb, unsigned long event,
			    void *provider)
{
	if (event < ARRAY_SIZE(changes))
		send_notice(changes[event], provider);
	return NOTIFY_DONE;
}

/* Last: drivers have to stop what they do, and there may be many listeners. */
static struct notifier_block listeners_nb = {
	.notifier_call = notify_listeners,
	.priority = INT_MIN,
};

static int __init p2pdma_netlink_init(void)
{
	int error = genl_register_family(&pci_p2pdma_nl_family);

	return error ?: pci_p2pdma_register_notifier(&listeners_nb);
}
late_initcall(p2pdma_netlink_init);
