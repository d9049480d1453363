/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A route of the running kernel, by netlink. Nothing of the kernel's own headers, see netlink.c.
 */
#ifndef _P2PTOPO_NETLINK_H
#define _P2PTOPO_NETLINK_H

enum netlink_result {
	NETLINK_NOBODY,		/* there is no such interface, or not for us */
	NETLINK_GONE,		/* one of the two functions is not there any more */
	NETLINK_ANSWERED,
};

/**
 * struct netlink_route - what the topology allows, as the kernel sees it
 * @read: enum pci_p2pdma_mapping
 * @write: likewise
 * @distance: number of links
 * @reason: enum pci_p2pdma_reason
 * @port: address of the deciding port, or "-"
 */
struct netlink_route {
	unsigned int read, write, distance, reason;
	char port[32];
};

enum netlink_result netlink_ask(const char *client, const char *provider,
				struct netlink_route *route);

#endif /* _P2PTOPO_NETLINK_H */
