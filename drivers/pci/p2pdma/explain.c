// SPDX-License-Identifier: GPL-2.0-only
/*
 * Routes in words: why a client does not reach a provider, or not directly, and
 * what to write where to change that.
 *
 * The words are for whoever reads the log or debugfs.  What is to be pasted on
 * the kernel's command line comes as the kernel takes it:
 * pci=disable_acs_redir= and pci=config_acs= as in
 * Documentation/admin-guide/kernel-parameters.txt, pci_p2pdma.host_bridges= as
 * in hostbridge.c.
 */
#include <linux/pci.h>
#include <linux/seq_buf.h>
#include <linux/string.h>

#include "explain.h"

static bool verdict_refused(const struct p2pdma_verdict *verdict)
{
	return verdict->map[P2PDMA_READ] == PCI_P2PDMA_MAP_NOT_SUPPORTED ||
	       verdict->map[P2PDMA_WRITE] == PCI_P2PDMA_MAP_NOT_SUPPORTED;
}

/* What each of the two host bridges would have to route */
static unsigned int routes_needed(const struct p2pdma_obstacles *found)
{
	return P2PDMA_ROUTES_BOTH_WAYS |
	       (found->one_root ? 0 : P2PDMA_ROUTES_BETWEEN);
}

static void print_port(struct seq_buf *text, u32 domain, u16 bdf)
{
	seq_buf_printf(text, "%04x:%02x:%02x.%d", domain, PCI_BUS_NUM(bdf),
		       PCI_SLOT(bdf), PCI_FUNC(bdf));
}

/* What ends where there was no room does not look as if it were whole. */
static void mark_cut(struct seq_buf *text)
{
	static const char mark[] = " (cut off)";
	size_t len;

	if (!seq_buf_has_overflowed(text) || text->size < sizeof(mark))
		return;
	len = min(strlen(seq_buf_str(text)), text->size - sizeof(mark));
	memcpy(text->buffer + len, mark, sizeof(mark));
}

/* ---- why ---- */

/* Of these, each with a phrase; more would not fit into a line of the log. */
#define MAX_PRINTED_OBSTACLES	8U

static void print_obstacle(struct seq_buf *text,
			   const struct p2pdma_obstacle *port,
			   bool dropped)
{
	static const char * const words[] = {
		[P2PDMA_REDIRECTS_REQUESTS]		= "redirects requests",
		[P2PDMA_REDIRECTS_COMPLETIONS]	= "redirects completions",
		[P2PDMA_NOT_FORWARDED]		= "does not forward upstream what is redirected below it",
		[P2PDMA_NOT_ROUTED]		= "is not known to reach other functions of its device",
	};

	print_port(text, port->domain, port->bdf);
	seq_buf_printf(text, " %s", dropped &&
		       port->kind == P2PDMA_REDIRECTS_REQUESTS ?
		       "drops requests" : words[port->kind]);
	if (port->fixed && port->kind != P2PDMA_NOT_ROUTED)
		seq_buf_puts(text, " and has no control for it");
}

static void print_root(struct seq_buf *text, const struct p2pdma_root *root,
		       unsigned int need)
{
	if (root->has_id)
		seq_buf_printf(text, "host bridge %04x:%04x ", root->vendor,
			       root->device);
	else
		seq_buf_puts(text, "the host bridge, which no device stands for, ");

	if (!(root->routes & P2PDMA_ROUTES_BOTH_WAYS))
		seq_buf_puts(text, root->source == P2PDMA_ROOT_POLICY ?
			     "is set to none in pci_p2pdma.host_bridges=" :
			     root->source == P2PDMA_ROOT_FIRMWARE ?
			     "does not route, as firmware says" :
			     "is not known to route between its ports");
	else if (!(root->routes & P2PDMA_ROUTES_WRITES))
		seq_buf_puts(text, "routes reads only");
	else if (!(root->routes & P2PDMA_ROUTES_READS))
		seq_buf_puts(text, "routes writes only");
	else if (need & ~root->routes)
		seq_buf_puts(text, "routes between its own ports only");
	else
		seq_buf_puts(text, "routes between its ports");
}

static bool same_id(const struct p2pdma_root *a, const struct p2pdma_root *b)
{
	return a->has_id == b->has_id && a->vendor == b->vendor &&
	       a->device == b->device && a->routes == b->routes;
}

static void print_roots(struct seq_buf *text,
			const struct p2pdma_obstacles *found)
{
	unsigned int need = routes_needed(found), i;

	for (i = 0; i < ARRAY_SIZE(found->root); i++) {
		if (i && (found->one_root ||
			  same_id(&found->root[0], &found->root[1])))
			break;
		seq_buf_puts(text, "; ");
		print_root(text, &found->root[i], need);
	}
}

/**
 * p2pdma_explain - say why a route is what it is
 * @text: where to say it; cut off where that is full, and says so
 * @verdict: on the route
 * @found: what is in its way, from p2pdma_route_obstacles()
 *
 * The reason and what decided, then what is in the way from the client on: the
 * first eight ports, as all that have to change are in p2pdma_remedy_print().
 *
 * Context: any.
 */
void p2pdma_explain(struct seq_buf *text, const struct p2pdma_verdict *verdict,
		    const struct p2pdma_obstacles *found)
{
	unsigned int i;

	seq_buf_puts(text, p2pdma_reason_names[verdict->reason]);
	if (verdict->has_port) {
		seq_buf_puts(text, " at ");
		print_port(text, verdict->port_domain, verdict->port_bdf);
	}
	for (i = 0; i < min(found->num_ports, MAX_PRINTED_OBSTACLES); i++) {
		seq_buf_puts(text, i ? ", " : "; ");
		print_obstacle(text, &found->port[i], found->dropped);
	}
	if (i < found->num_ports)
		seq_buf_printf(text, " and %u more", found->num_ports - i);
	if (found->by_root && !found->dropped)
		print_roots(text, found);
	mark_cut(text);
}

/* ---- what to change ---- */

static void add_port(struct p2pdma_obstacle *list, unsigned int *num,
		     const struct p2pdma_obstacle *port)
{
	unsigned int i;

	for (i = 0; i < min(*num, P2PDMA_OBSTACLES); i++)
		if (list[i].domain == port->domain && list[i].bdf == port->bdf)
			return;
	if (i < P2PDMA_OBSTACLES)
		list[i] = *port;
	++*num;
}

/* Have @root, whose routes do not do, do @need as well. */
static void add_root(struct p2pdma_remedy *remedy, const struct p2pdma_root *root,
		     unsigned int need)
{
	unsigned int i;

	for (i = 0; i < min(remedy->num_roots, ARRAY_SIZE(remedy->root)); i++) {
		if (remedy->root[i].has_id == root->has_id &&
		    remedy->root[i].vendor == root->vendor &&
		    remedy->root[i].device == root->device) {
			remedy->root[i].routes |= need;
			return;
		}
	}
	if (i < ARRAY_SIZE(remedy->root)) {
		remedy->root[i] = *root;
		remedy->root[i].routes |= need;
	}
	remedy->num_roots++;
}

/* The way by the root complex; false if nothing makes one */
static bool add_forwarding(struct p2pdma_remedy *remedy,
			   const struct p2pdma_obstacles *found)
{
	unsigned int i;

	for (i = 0; i < min(found->num_ports, P2PDMA_OBSTACLES); i++) {
		struct p2pdma_obstacle port = found->port[i];

		if (port.kind != P2PDMA_NOT_FORWARDED)
			continue;
		if (port.fixed)
			return false;
		port.ctrl |= PCI_ACS_UF;
		add_port(remedy->forward, &remedy->num_forward, &port);
	}
	return true;
}

static void add_root_route(struct p2pdma_remedy *remedy,
			   const struct p2pdma_obstacles *found)
{
	unsigned int need = routes_needed(found), i;

	if (!add_forwarding(remedy, found))
		return;
	for (i = 0; i < ARRAY_SIZE(found->root); i++)
		if (need & ~found->root[i].routes)
			add_root(remedy, &found->root[i], need);
}

/* What stops requests and completions where they could turn round */
static void add_turn(struct p2pdma_remedy *remedy,
		     const struct p2pdma_obstacles *found, bool *direct)
{
	const struct p2pdma_obstacle *port;
	bool stuck = false;
	unsigned int i;

	for (i = 0; i < min(found->num_ports, P2PDMA_OBSTACLES); i++) {
		port = &found->port[i];
		if (port->kind == P2PDMA_NOT_ROUTED) {
			remedy->other_device = true;
			stuck = true;
		} else if (port->kind != P2PDMA_NOT_FORWARDED && port->fixed) {
			remedy->fixed = true;
			stuck = true;
		}
	}
	*direct = !stuck && !found->no_switch;
	/* What takes isolation away, and opens nothing, is no advice. */
	for (i = 0; !stuck && i < min(found->num_ports, P2PDMA_OBSTACLES); i++)
		if (found->port[i].kind != P2PDMA_NOT_FORWARDED)
			add_port(remedy->clear, &remedy->num_clear,
				 &found->port[i]);
}

/**
 * p2pdma_remedy_add - work out what would have to change for one client
 * @remedy: what has to change for others, zeroed before the first
 * @verdict: on the route from this client
 * @found: what is in its way, from p2pdma_route_obstacles()
 *
 * For a route that is allowed but not direct, it is what would make it so.
 *
 * Context: any.
 */
void p2pdma_remedy_add(struct p2pdma_remedy *remedy,
		       const struct p2pdma_verdict *verdict,
		       const struct p2pdma_obstacles *found)
{
	bool direct;

	if (verdict->reason == P2PDMA_REASON_NOT_PCI) {
		remedy->not_pci = true;
		return;
	}
	if (verdict->reason == P2PDMA_REASON_DMA_MASK) {
		remedy->dma_mask = true;
		return;
	}
	if (verdict->reason == P2PDMA_REASON_OUTAGE) {
		remedy->outage = true;
		return;
	}
	if (!found->by_root)
		return;
	add_turn(remedy, found, &direct);
	if (!verdict_refused(verdict))
		return;
	remedy->needs_root |= !direct;
	if (!found->dropped || found->no_switch)
		add_root_route(remedy, found);
}

/* ---- and how to write it ---- */

static void print_list(struct seq_buf *text, const struct p2pdma_obstacle *list,
		       unsigned int num, bool with_ctrl)
{
	unsigned int i;
	int bit;

	for (i = 0; i < min(num, P2PDMA_OBSTACLES); i++) {
		if (i)
			seq_buf_putc(text, ';');
		/* All bits, as one that is left out becomes the firmware's */
		for (bit = 6; with_ctrl && bit >= 0; bit--)
			seq_buf_putc(text, list[i].ctrl & BIT(bit) ? '1' : '0');
		if (with_ctrl)
			seq_buf_putc(text, '@');
		if (list[i].domain)
			seq_buf_printf(text, "%04x:", list[i].domain);
		seq_buf_printf(text, "%02x:%02x.%d", PCI_BUS_NUM(list[i].bdf),
			       PCI_SLOT(list[i].bdf), PCI_FUNC(list[i].bdf));
	}
	/* Not part of what is to be pasted, and who is named twice is not known. */
	if (i < num)
		seq_buf_puts(text, " (and more)");
}

static void print_policy(struct seq_buf *text, const struct p2pdma_policy *policy)
{
	unsigned int i;
	char sep = '=';

	seq_buf_printf(text, "%04x:%04x", policy->vendor, policy->device);
	for (i = 0; i < P2PDMA_ROUTE_WORDS; i++) {
		if (!(policy->routes & p2pdma_route_words[i].routes))
			continue;
		seq_buf_printf(text, "%c%s", sep, p2pdma_route_words[i].word);
		sep = '+';
	}
	if (sep == '=')
		seq_buf_puts(text, "=none");
}

/* Have @list say of @root what it has to route. */
static unsigned int policy_add(struct p2pdma_policy *list, unsigned int num,
			       const struct p2pdma_root *root)
{
	unsigned int i;

	for (i = 0; i < num; i++)
		if (list[i].vendor == root->vendor &&
		    list[i].device == root->device)
			break;
	if (i == P2PDMA_POLICIES)
		return num;
	list[i].vendor = root->vendor;
	list[i].device = root->device;
	list[i].routes = root->routes | P2PDMA_ROUTES_BOTH_WAYS;
	return max(num, i + 1);
}

/* More than these in host_bridges=, and a line of the log might cut them off. */
#define MAX_PRINTED_POLICIES	4

/*
 * The whole of the new value, with what it says now: an id that is in it twice
 * is refused, and of what is left out nothing would be known any more.
 */
static void print_bridges(struct seq_buf *text,
			  const struct p2pdma_remedy *remedy)
{
	struct p2pdma_policy list[P2PDMA_POLICIES];
	bool left_out, all, any = false;
	unsigned int num, i;

	num = p2pdma_hostbridge_get_policies(list, &left_out);
	all = num <= MAX_PRINTED_POLICIES && !left_out;
	if (!all)
		num = 0;
	for (i = 0; i < min(remedy->num_roots, ARRAY_SIZE(remedy->root)); i++) {
		if (!remedy->root[i].has_id)
			continue;
		num = policy_add(list, num, &remedy->root[i]);
		any = true;
	}
	if (!any) {
		seq_buf_puts(text, "(pci_p2pdma.host_bridges= cannot name a host bridge that no device stands for)");
		return;
	}
	seq_buf_puts(text, all ? "pci_p2pdma.host_bridges=" :
				 "in pci_p2pdma.host_bridges= as it is now, set ");
	for (i = 0; i < num; i++) {
		if (i)
			seq_buf_putc(text, ',');
		print_policy(text, &list[i]);
	}
}

/* What makes the way by the root complex */
static void print_root_route(struct seq_buf *text,
			     const struct p2pdma_remedy *remedy)
{
	if (remedy->num_forward) {
		seq_buf_puts(text, "pci=config_acs=");
		print_list(text, remedy->forward, remedy->num_forward, true);
	}
	if (!remedy->num_roots)
		return;
	if (remedy->num_forward)
		seq_buf_puts(text, " and ");
	seq_buf_puts(text, "if it is sure that the root complex routes, ");
	print_bridges(text, remedy);
}

static void print_separator(struct seq_buf *text, const char *separator)
{
	if (seq_buf_used(text))
		seq_buf_puts(text, separator);
}

/**
 * p2pdma_remedy_print - say what has to change
 * @text: where to say it; empty, stays so if there is nothing to be said, and
 *	cut off where it is full, and says so
 * @remedy: what has to change
 *
 * Context: any.
 */
void p2pdma_remedy_print(struct seq_buf *text,
			 const struct p2pdma_remedy *remedy)
{
	bool by_root = remedy->num_forward || remedy->num_roots;

	if (remedy->num_clear) {
		seq_buf_puts(text, "pci=disable_acs_redir=");
		print_list(text, remedy->clear, remedy->num_clear, false);
	}
	if (remedy->other_device) {
		print_separator(text, "; ");
		seq_buf_puts(text, "use a client that is another device");
	} else if (remedy->needs_root && by_root) {
		print_separator(text, "; ");
		seq_buf_puts(text, "put both below one PCIe switch");
	}
	if (by_root) {
		print_separator(text, ", or ");
		print_root_route(text, remedy);
	}
	if (remedy->fixed && !by_root) {
		print_separator(text, "; ");
		seq_buf_puts(text, "use ports that have ACS controls");
	}
	if (remedy->dma_mask) {
		print_separator(text, "; ");
		seq_buf_puts(text, "the driver has to set a wider DMA mask");
	}
	if (remedy->not_pci) {
		print_separator(text, "; ");
		seq_buf_puts(text, "choose a client that does PCI DMA itself");
	}
	if (remedy->outage) {
		print_separator(text, "; ");
		seq_buf_puts(text, "the provider is being reset, recovers from an error, or is gone: try again later");
	}
	mark_cut(text);
}

/* ---- in the log ---- */

/**
 * p2pdma_explain_client - say in the log how a client reaches a provider
 * @provider: device whose memory it is
 * @client: device that would do DMA; not necessarily a PCI device, may be NULL
 * @function: the PCI function that does it; NULL if there is none
 * @verdict: on the two
 * @remedy: what has to change for this client is added
 *
 * If it does not, or not directly though both are below one switch or are one
 * device; nothing if it does.
 *
 * Context: any.
 */
void p2pdma_explain_client(struct pci_dev *provider, struct device *client,
			   struct pci_dev *function,
			   const struct p2pdma_verdict *verdict,
			   struct p2pdma_remedy *remedy)
{
	struct p2pdma_obstacles found = {};
	DECLARE_SEQ_BUF(text, P2PDMA_TEXT);

	if (function)
		p2pdma_route_obstacles(function, provider, &found);
	p2pdma_explain(&text, verdict, &found);
	if (verdict_refused(verdict)) {
		pci_warn(provider, "%s cannot reach this device's memory: %s\n",
			 client ? dev_name(client) : "no device",
			 seq_buf_str(&text));
	} else {
		if (!found.by_root || found.no_switch)
			return;
		pci_info(provider, "%s reaches this device's memory by way of the root complex: %s\n",
			 dev_name(client), seq_buf_str(&text));
	}
	p2pdma_remedy_add(remedy, verdict, &found);
}

/**
 * p2pdma_explain_remedy - say in the log what would have to change
 * @provider: device whose memory it is
 * @remedy: for all clients, from p2pdma_explain_client()
 *
 * Context: any.
 */
void p2pdma_explain_remedy(struct pci_dev *provider,
			   const struct p2pdma_remedy *remedy)
{
	DECLARE_SEQ_BUF(text, P2PDMA_TEXT);

	p2pdma_remedy_print(&text, remedy);
	if (seq_buf_used(&text))
		pci_info(provider, "to change that: %s\n", seq_buf_str(&text));
}
