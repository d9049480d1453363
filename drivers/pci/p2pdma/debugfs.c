// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/p2pdma/: who reaches whom, and why not.
 *
 * routes	one line for each resource and each PCI function that may
 *		master the bus: "PROVIDER CLIENT read=TYPE write=TYPE distance=N
 *		reason=WORD at=PORT root=BRIDGE"
 * route	write "CLIENT PROVIDER" to it, any two PCI functions, and read from
 *		the same open file: their line, as the topology has it; what
 *		holds just now if that is less; what is in the way, what to change
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>
#include <linux/seq_buf.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../pci.h"
#include "explain.h"
#include "p2pdma.h"
#include "peers.h"
#include "route.h"

static const char * const map_names[] = {
	[PCI_P2PDMA_MAP_NOT_SUPPORTED]		= "none",
	[PCI_P2PDMA_MAP_BUS_ADDR]		= "bus-addr",
	[PCI_P2PDMA_MAP_THRU_HOST_BRIDGE]	= "host-bridge",
};

static void show_root(struct seq_file *m, const struct p2pdma_root *root)
{
	if (root->has_id)
		seq_printf(m, "%04x:%04x", root->vendor, root->device);
	else
		seq_puts(m, "-");
	seq_printf(m, "/%s", p2pdma_root_source_names[root->source]);
}

/* Host bridges, as VENDOR:DEVICE/SOURCE, if they have a say */
static void show_roots(struct seq_file *m, const struct p2pdma_obstacles *found)
{
	seq_puts(m, " root=");
	if (!found->by_root) {
		seq_puts(m, "-\n");
		return;
	}
	show_root(m, &found->root[0]);
	if (!found->one_root) {
		seq_putc(m, ',');
		show_root(m, &found->root[1]);
	}
	seq_putc(m, '\n');
}

static void show_route(struct seq_file *m, struct pci_dev *provider,
		       struct pci_dev *client, const struct p2pdma_verdict *v,
		       const struct p2pdma_obstacles *found)
{
	seq_printf(m, "%s %s read=%s write=%s distance=%u reason=%s at=",
		   pci_name(provider), pci_name(client),
		   map_names[v->map[P2PDMA_READ]],
		   map_names[v->map[P2PDMA_WRITE]], v->distance,
		   p2pdma_reason_names[v->reason]);
	if (v->has_port)
		seq_printf(m, "%04x:%02x:%02x.%d", v->port_domain,
			   PCI_BUS_NUM(v->port_bdf), PCI_SLOT(v->port_bdf),
			   PCI_FUNC(v->port_bdf));
	else
		seq_puts(m, "-");
	show_roots(m, found);
}

/* ---- routes ---- */

static int show_resource(struct p2pdma_resource *res, void *data)
{
	struct pci_dev *client = NULL, *physfn;
	struct p2pdma_obstacles found;
	struct p2pdma_verdict v;

	for_each_pci_dev(client) {
		if (client->hdr_type != PCI_HEADER_TYPE_NORMAL)
			continue;
		physfn = p2pdma_physfn_get(client);
		if (!physfn)
			continue;
		v = p2pdma_peer_verdict_uncached(res, &client->dev);
		p2pdma_route_obstacles(client, res->pdev, &found);
		show_route(data, res->pdev, client, &v, &found);
		pci_dev_put(physfn);
	}
	return 0;
}

static int routes_show(struct seq_file *m, void *unused)
{
	return p2pdma_for_each_resource(show_resource, m);
}
DEFINE_SHOW_ATTRIBUTE(routes);

/* ---- route ---- */

/* Longer than two addresses with all that there can be around them */
#define QUERY_MAX	64

enum { CLIENT, PROVIDER, ENDS };

/**
 * struct query - the pair that an open file is about
 * @lock: protects the rest
 * @asked: something has been written
 * @domain: segments of client and provider
 * @bdf: their bus, device and function numbers, as PCI_DEVID()
 *
 * Addresses and no devices: these may go before the result is read.
 */
struct query {
	struct mutex lock;	/* protects the rest */
	bool asked;
	u32 domain[ENDS];
	u16 bdf[ENDS];
};

/* [DDDD:]BB:DD.F */
static int parse_address(const char *text, u32 *domain, u16 *bdf)
{
	unsigned int bus, slot, func;
	int end = 0;

	if (sscanf(text, "%8x:%2x:%2x.%1x%n", domain, &bus, &slot, &func,
		   &end) != 4) {
		*domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &slot, &func, &end) != 3)
			return -EINVAL;
	}
	if (!end || text[end] || slot > 0x1f || func > 7)
		return -EINVAL;
	*bdf = PCI_DEVID(bus, PCI_DEVFN(slot, func));
	return 0;
}

/* "CLIENT PROVIDER"; @text is cut into pieces */
static int parse_query(char *text, struct query *query)
{
	char *client, *provider;

	text = strim(text);
	client = strsep(&text, " \t");
	provider = text ? skip_spaces(text) : "";
	if (parse_address(client, &query->domain[CLIENT],
			  &query->bdf[CLIENT]) ||
	    parse_address(provider, &query->domain[PROVIDER],
			  &query->bdf[PROVIDER])) {
		pr_err("P2PDMA: route: write CLIENT PROVIDER, two addresses [DDDD:]BB:DD.F\n");
		return -EINVAL;
	}
	return 0;
}

/* The device, with a reference */
static struct pci_dev *query_device(const struct query *query, int end)
{
	return pci_get_domain_bus_and_slot(query->domain[end],
					   PCI_BUS_NUM(query->bdf[end]),
					   query->bdf[end] & 0xff);
}

static void print_absent(struct seq_buf *text, const struct query *query,
			 int end)
{
	seq_buf_printf(text, "there is no PCI device %04x:%02x:%02x.%d",
		       query->domain[end], PCI_BUS_NUM(query->bdf[end]),
		       PCI_SLOT(query->bdf[end]),
		       PCI_FUNC(query->bdf[end]));
}

static void show_packets(struct seq_file *m, struct pci_dev *client,
			 struct pci_dev *provider)
{
	static const char * const names[] = {
		[PCI_P2PDMA_TLP_REQUEST]	= "request",
		[PCI_P2PDMA_TLP_COMPLETION]	= "completion",
		[PCI_P2PDMA_TLP_TRANSLATED]	= "translated",
	};
	int i;

	seq_puts(m, "packets:");
	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(m, " %s=%s", names[i],
			   map_names[pci_p2pdma_tlp_type(provider, &client->dev,
							 i)]);
	seq_putc(m, '\n');
}

/*
 * The route alone is what the first line is about, which any two devices have.
 * A resource may be out of reach all the same: then @v becomes that.
 */
static void show_now(struct seq_file *m, struct pci_dev *client,
		     struct pci_dev *provider, struct p2pdma_verdict *v)
{
	struct p2pdma_verdict now;

	if (!p2pdma_verdict_now(provider, client, &now) ||
	    !memcmp(v->map, now.map, sizeof(v->map)))
		return;
	*v = now;
	seq_printf(m, "now: read=%s write=%s reason=%s\n",
		   map_names[v->map[P2PDMA_READ]],
		   map_names[v->map[P2PDMA_WRITE]],
		   p2pdma_reason_names[v->reason]);
}

static void show_query(struct seq_file *m, struct pci_dev *client,
		       struct pci_dev *provider)
{
	struct p2pdma_verdict v = p2pdma_route(client, provider);
	struct p2pdma_remedy *remedy __free(kfree) = NULL;
	struct p2pdma_obstacles found;
	DECLARE_SEQ_BUF(text, P2PDMA_TEXT);

	p2pdma_route_obstacles(client, provider, &found);
	show_route(m, provider, client, &v, &found);
	show_now(m, client, provider, &v);
	p2pdma_explain(&text, &v, &found);
	seq_printf(m, "why: %s\n", seq_buf_str(&text));
	show_packets(m, client, provider);
	remedy = kzalloc(sizeof(*remedy), GFP_KERNEL);
	if (!remedy)
		return;
	p2pdma_remedy_add(remedy, &v, &found);
	seq_buf_clear(&text);
	p2pdma_remedy_print(&text, remedy);
	if (seq_buf_used(&text))
		seq_printf(m, "to change that: %s\n", seq_buf_str(&text));
}

static int route_show(struct seq_file *m, void *unused)
{
	struct pci_dev *client __free(pci_dev_put) = NULL;
	struct pci_dev *provider __free(pci_dev_put) = NULL;
	struct pci_dev *client_physfn __free(pci_dev_put) = NULL;
	struct pci_dev *provider_physfn __free(pci_dev_put) = NULL;
	struct query *query = m->private;
	DECLARE_SEQ_BUF(text, 64);

	guard(mutex)(&query->lock);
	if (!query->asked) {
		seq_puts(m, "write CLIENT PROVIDER, two PCI addresses, and read again before closing\n");
		return 0;
	}
	client = query_device(query, CLIENT);
	provider = query_device(query, PROVIDER);
	if (client)
		client_physfn = p2pdma_physfn_get(client);
	if (provider)
		provider_physfn = p2pdma_physfn_get(provider);
	if (client_physfn && provider_physfn) {
		/* What sleeps in D3cold reads as ones. */
		pci_config_pm_runtime_get(client);
		pci_config_pm_runtime_get(provider);
		show_query(m, client, provider);
		pci_config_pm_runtime_put(provider);
		pci_config_pm_runtime_put(client);
		return 0;
	}
	print_absent(&text, query, client_physfn ? PROVIDER : CLIENT);
	seq_printf(m, "%s\n", seq_buf_str(&text));
	return 0;
}

static int route_open(struct inode *inode, struct file *file)
{
	struct query *query = kzalloc(sizeof(*query), GFP_KERNEL);
	int error;

	if (!query)
		return -ENOMEM;
	mutex_init(&query->lock);
	error = single_open(file, route_show, query);
	if (error)
		kfree(query);
	return error;
}

static int route_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;

	kfree(m->private);
	return single_release(inode, file);
}

static int query_check(const struct query *query)
{
	struct pci_dev *pdev;
	int end;

	for (end = 0; end < ENDS; end++) {
		DECLARE_SEQ_BUF(text, 64);

		pdev = query_device(query, end);
		pci_dev_put(pdev);
		if (pdev)
			continue;
		print_absent(&text, query, end);
		pr_err("P2PDMA: route: %s\n", seq_buf_str(&text));
		return -ENODEV;
	}
	return 0;
}

/* What cannot be understood, or is not there, leaves the question as it was. */
static ssize_t route_write(struct file *file, const char __user *buf,
			   size_t len, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	struct query *query = m->private, new = {};
	char text[QUERY_MAX];
	int error;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = '\0';
	error = parse_query(text, &new) ?: query_check(&new);
	if (error)
		return error;
	guard(mutex)(&query->lock);
	query->asked = true;
	memcpy(query->domain, new.domain, sizeof(new.domain));
	memcpy(query->bdf, new.bdf, sizeof(new.bdf));
	/* The result is read from its beginning. */
	*pos = 0;
	return len;
}

static const struct file_operations route_fops = {
	.owner = THIS_MODULE,
	.open = route_open,
	.read = seq_read,
	.write = route_write,
	.llseek = seq_lseek,
	.release = route_release,
};

static int __init p2pdma_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("p2pdma", NULL);

	debugfs_create_file("routes", 0400, dir, NULL, &routes_fops);
	debugfs_create_file("route", 0600, dir, NULL, &route_fops);
	return 0;
}
late_initcall(p2pdma_debugfs_init);
