// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs of network devices, a wire between the two of each: what one sends the
 * other receives.  With an address at either end, and accept_local for both,
 * two RDMA devices of one machine talk to each other as if they were in two.
 */
#include <linux/atomic.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/udp.h>
#include <linux/unaligned.h>

#define PAIRS	3

static bool lose;
module_param(lose, bool, 0644);
MODULE_PARM_DESC(lose, "What a target sends does not arrive");

static unsigned int lose_every;
module_param(lose_every, uint, 0644);
MODULE_PARM_DESC(lose_every, "One of so many packets does not arrive; 0: all do");

static int lose_rtu;
module_param(lose_rtu, int, 0644);
MODULE_PARM_DESC(lose_rtu, "So many times a client's word that it has the answer of a target does not arrive");

static const char * const ends[] = { "target", "client" };
static struct net_device *wires[PAIRS][2];

/* Of a packet of RoCE: "Ready To Use", a MAD of the communication manager */
static bool is_rtu(const struct sk_buff *skb)
{
	const unsigned int udp = ETH_HLEN + sizeof(struct iphdr);
	const unsigned int bth = udp + sizeof(struct udphdr);
	const unsigned int mad = bth + 12 + 8;
	u8 space[80];
	const u8 *at = skb_header_pointer(skb, 0, sizeof(space), space);

	return at && get_unaligned_be16(at + udp + 2) == 4791 &&
	       at[bth] == 0x64 && at[mad + 1] == 0x07 &&
	       get_unaligned_be16(at + mad + 16) == 0x0014;
}

static bool is_lost(const struct net_device *dev, const struct sk_buff *skb)
{
	static atomic_t sent;
	unsigned int every = READ_ONCE(lose_every);

	if (READ_ONCE(lose) && !strncmp(dev->name, ends[0], strlen(ends[0])))
		return true;
	if (READ_ONCE(lose_rtu) > 0 && is_rtu(skb)) {
		WRITE_ONCE(lose_rtu, lose_rtu - 1);
		return true;
	}
	return every && (unsigned int)atomic_inc_return(&sent) % every == 0;
}

static netdev_tx_t wire_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct net_device *other = *(struct net_device **)netdev_priv(dev);
	unsigned int length = skb->len;

	if (is_lost(dev, skb)) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	if (dev_forward_skb(other, skb) == NET_RX_SUCCESS)
		dev_sw_netstats_tx_add(dev, 1, length);
	else
		dev->stats.tx_dropped++;
	return NETDEV_TX_OK;
}

static const struct net_device_ops wire_ops = {
	.ndo_start_xmit = wire_xmit,
	.ndo_set_mac_address = eth_mac_addr,
};

static void wire_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &wire_ops;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	dev->needs_free_netdev = false;
	dev->features |= NETIF_F_HW_CSUM | NETIF_F_SG;
	dev->hw_features = dev->features;
	dev->mtu = ETH_MAX_MTU - ETH_HLEN;
	dev->max_mtu = ETH_MAX_MTU;
}

static void both_ends(void (*fn)(struct net_device *dev))
{
	int i;

	for (i = 0; i < 2 * PAIRS; i++)
		if (wires[i / 2][i % 2])
			fn(wires[i / 2][i % 2]);
}

static void remove(void)
{
	/* None may be freed while the other end can send to it. */
	both_ends(unregister_netdev);
	both_ends(free_netdev);
}

static int add_end(int i, int end)
{
	struct net_device *dev;
	char name[IFNAMSIZ];
	int error;

	snprintf(name, sizeof(name), "%s%d", ends[end], i);
	dev = alloc_netdev(sizeof(struct net_device *), name, NET_NAME_ENUM,
			   wire_setup);
	if (!dev)
		return -ENOMEM;
	eth_hw_addr_random(dev);
	netif_carrier_off(dev);
	error = register_netdev(dev);
	if (error) {
		free_netdev(dev);
		return error;
	}
	wires[i][end] = dev;
	return 0;
}

static int __init wire_init(void)
{
	int i, end, error = 0;

	for (i = 0; i < PAIRS; i++) {
		for (end = 0; end < 2 && !error; end++)
			error = add_end(i, end);
		if (error) {
			remove();
			return error;
		}
		for (end = 0; end < 2; end++)
			*(struct net_device **)netdev_priv(wires[i][end]) =
				wires[i][!end];
		for (end = 0; end < 2; end++)
			netif_carrier_on(wires[i][end]);
	}
	return 0;
}

module_init(wire_init);
module_exit(remove);
MODULE_DESCRIPTION("Lab: pairs of network devices with a wire between them");
MODULE_LICENSE("GPL");
