// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/p2pdma/routes: who reaches whom, and why not.
 *
 * One line for each lent range and each PCI function that may master the bus:
 * "PROVIDER CLIENT read=TYPE write=TYPE distance=N reason=WORD at=PORT".
 */
#include <linux/debugfs.h>
#include <linux/pci.h>
#include <linux/seq_file.h>

#include "p2pdma.h"

static const char * const map_names[] = {
	[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= "none",
	[PCI_P2PDMA_MAP_BUS_ADDR]		= "bus-addr",
	[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= "host-bridge",
};

static void show_route(struct seq_file *m, struct p2pdma_provider *provider,
		       struct pci_dev *client)
{
	struct p2pdma_verdict v = p2pdma_peer_verdict(provider, &client->dev);

	seq_printf(m, "%s %s read=%s write=%s distance=%u reason=%s at=",
		   pci_name(provider->pdev), pci_name(client),
		   map_names[v.map[P2PDMA_READ]],
		   map_names[v.map[P2PDMA_WRITE]], v.distance,
		   p2pdma_reason_names[v.reason]);
	if (v.has_port)
		seq_printf(m, "%04x:%02x:%02x.%d\n", v.port_domain,
			   PCI_BUS_NUM(v.port_bdf), PCI_SLOT(v.port_bdf),
			   PCI_FUNC(v.port_bdf));
	else
		seq_puts(m, "-\n");
}

static int show_provider(struct p2pdma_provider *provider, void *data)
{
	struct pci_dev *client = NULL;

	for_each_pci_dev(client)
		if (client->hdr_type == PCI_HEADER_TYPE_NORMAL)
			show_route(data, provider, client);
	return 0;
}

static int routes_show(struct seq_file *m, void *unused)
{
	return p2pdma_for_each_provider(show_provider, m);
}
DEFINE_SHOW_ATTRIBUTE(routes);

/**
 * p2pdma_debugfs_init - create the files
 *
 * Context: may sleep.
 */
void __init p2pdma_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("p2pdma", NULL);

	debugfs_create_file("routes", 0400, dir, NULL, &routes_fops);
}
