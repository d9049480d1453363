/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/pci-p2pdma.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_PCI_P2PDMA_GEN_H
#define _LINUX_PCI_P2PDMA_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/pci_p2pdma.h>

int pci_p2pdma_nl_pre_doit(const struct genl_split_ops *ops,
			   struct sk_buff *skb, struct genl_info *info);
int pci_p2pdma_nl_start(struct netlink_callback *cb);

int pci_p2pdma_nl_route_get_doit(struct sk_buff *skb, struct genl_info *info);
int pci_p2pdma_nl_resource_get_dumpit(struct sk_buff *skb,
				      struct netlink_callback *cb);
int pci_p2pdma_nl_pair_get_dumpit(struct sk_buff *skb,
				  struct netlink_callback *cb);

enum {
	PCI_P2PDMA_NLGRP_CHANGES,
};

extern struct genl_family pci_p2pdma_nl_family;

#endif /* _LINUX_PCI_P2PDMA_GEN_H */
