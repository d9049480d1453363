// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/pci-p2pdma.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink-gen.h"

#include <uapi/linux/pci_p2pdma.h>

/* PCI_P2PDMA_CMD_ROUTE_GET - do */
static const struct nla_policy pci_p2pdma_route_get_nl_policy[PCI_P2PDMA_A_ROUTE_PROVIDER + 1] = {
	[PCI_P2PDMA_A_ROUTE_CLIENT] = { .type = NLA_NUL_STRING, .len = 31, },
	[PCI_P2PDMA_A_ROUTE_PROVIDER] = { .type = NLA_NUL_STRING, .len = 31, },
};

/* Ops table for pci_p2pdma */
static const struct genl_split_ops pci_p2pdma_nl_ops[] = {
	{
		.cmd		= PCI_P2PDMA_CMD_ROUTE_GET,
		.pre_doit	= pci_p2pdma_nl_pre_doit,
		.doit		= pci_p2pdma_nl_route_get_doit,
		.policy		= pci_p2pdma_route_get_nl_policy,
		.maxattr	= PCI_P2PDMA_A_ROUTE_PROVIDER,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= PCI_P2PDMA_CMD_RESOURCE_GET,
		.start	= pci_p2pdma_nl_start,
		.dumpit	= pci_p2pdma_nl_resource_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= PCI_P2PDMA_CMD_PAIR_GET,
		.start	= pci_p2pdma_nl_start,
		.dumpit	= pci_p2pdma_nl_pair_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group pci_p2pdma_nl_mcgrps[] = {
	[PCI_P2PDMA_NLGRP_CHANGES] = { "changes", },
};

struct genl_family pci_p2pdma_nl_family __ro_after_init = {
	.name		= PCI_P2PDMA_FAMILY_NAME,
	.version	= PCI_P2PDMA_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= pci_p2pdma_nl_ops,
	.n_split_ops	= ARRAY_SIZE(pci_p2pdma_nl_ops),
	.mcgrps		= pci_p2pdma_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(pci_p2pdma_nl_mcgrps),
};
