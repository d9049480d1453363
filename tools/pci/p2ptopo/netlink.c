// SPDX-License-Identifier: GPL-2.0-only
/*
 * The running kernel, asked by netlink: Documentation/netlink/specs/pci-p2pdma.yaml.
 *
 * Compiled without the shim, whose headers stand in for those that <linux/netlink.h> includes. In
 * a tree that has no such interface there is nobody to ask.
 */
#include "netlink.h"

#if __has_include("include/uapi/linux/pci_p2pdma.h")

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/uapi/linux/pci_p2pdma.h"

#define ATTRS	16	/* types that are looked at */

struct message {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[8192];
};

static int fd = -1;
static uint16_t family;

/* ---- attributes ---- */

static void add(struct message *m, int type, const char *text)
{
	struct nlattr *attr = (struct nlattr *)((char *)m + NLMSG_ALIGN(m->nlh.nlmsg_len));
	size_t size = strlen(text) + 1;

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + size;
	memcpy(attr + 1, text, size);
	m->nlh.nlmsg_len = (char *)attr - (char *)m + NLA_ALIGN(attr->nla_len);
}

/* Finds the first attribute of each type; what is cut off is not there. */
static void parse(const void *data, size_t len, const struct nlattr **attrs)
{
	const struct nlattr *attr = data;
	unsigned int type;

	memset(attrs, 0, ATTRS * sizeof(*attrs));
	while (len >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len) {
		type = attr->nla_type & NLA_TYPE_MASK;
		if (type < ATTRS && !attrs[type])
			attrs[type] = attr;
		if ((size_t)NLA_ALIGN(attr->nla_len) >= len)
			return;
		len -= NLA_ALIGN(attr->nla_len);
		attr = (const struct nlattr *)((const char *)attr + NLA_ALIGN(attr->nla_len));
	}
}

static bool get(const struct nlattr *attr, void *value, size_t size)
{
	if (!attr || attr->nla_len != NLA_HDRLEN + size)
		return false;
	memcpy(value, attr + 1, size);
	return true;
}

/* ---- messages ---- */

static void begin(struct message *m, int type, int cmd)
{
	static uint32_t seq;

	memset(m, 0, sizeof(m->nlh) + sizeof(m->genl));
	m->nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	m->nlh.nlmsg_type = type;
	m->nlh.nlmsg_flags = NLM_F_REQUEST;
	m->nlh.nlmsg_seq = ++seq;
	m->genl.cmd = cmd;
	m->genl.version = PCI_P2PDMA_FAMILY_VERSION;
}

/* Is it a refusal, as one of the two functions is not there? */
static bool says_gone(const struct message *m)
{
	int error;

	if (m->nlh.nlmsg_type != NLMSG_ERROR || m->nlh.nlmsg_len < NLMSG_HDRLEN + sizeof(error))
		return false;
	memcpy(&error, (const char *)m + NLMSG_HDRLEN, sizeof(error));
	return error == -ENODEV;
}

/* Sends @m, and has the reply in its place */
static enum netlink_result ask(struct message *m, const struct nlattr **attrs)
{
	uint32_t seq = m->nlh.nlmsg_seq;
	int type = m->nlh.nlmsg_type;
	ssize_t len;

	if (send(fd, m, m->nlh.nlmsg_len, 0) != (ssize_t)m->nlh.nlmsg_len)
		return NETLINK_NOBODY;
	len = recv(fd, m, sizeof(*m), 0);
	if (len < (ssize_t)(NLMSG_HDRLEN + GENL_HDRLEN) || m->nlh.nlmsg_len > len ||
	    m->nlh.nlmsg_seq != seq)
		return NETLINK_NOBODY;
	if (m->nlh.nlmsg_type != type)
		return says_gone(m) ? NETLINK_GONE : NETLINK_NOBODY;
	parse(m->attrs, m->nlh.nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, attrs);
	return NETLINK_ANSWERED;
}

/* Once: whether there is somebody to ask */
static bool connect_kernel(void)
{
	const struct nlattr *attrs[ATTRS];
	struct message m;

	if (family)
		return true;
	if (fd >= 0)
		return false;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return false;
	begin(&m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	add(&m, CTRL_ATTR_FAMILY_NAME, PCI_P2PDMA_FAMILY_NAME);
	return ask(&m, attrs) == NETLINK_ANSWERED &&
	       get(attrs[CTRL_ATTR_FAMILY_ID], &family, sizeof(family));
}

/**
 * netlink_ask - ask the running kernel for a route
 * @client: function that would do DMA, DDDD:BB:DD.F
 * @provider: function whose memory it is
 * @route: filled in
 *
 * Return: whether there is an answer, or why not.
 */
enum netlink_result netlink_ask(const char *client, const char *provider,
				struct netlink_route *route)
{
	const struct nlattr *attrs[ATTRS], *nest, *port;
	enum netlink_result result;
	struct message m;

	if (!connect_kernel())
		return NETLINK_NOBODY;
	begin(&m, family, PCI_P2PDMA_CMD_ROUTE_GET);
	add(&m, PCI_P2PDMA_A_ROUTE_CLIENT, client);
	add(&m, PCI_P2PDMA_A_ROUTE_PROVIDER, provider);
	result = ask(&m, attrs);
	if (result != NETLINK_ANSWERED)
		return result;
	nest = attrs[PCI_P2PDMA_A_ROUTE_VERDICT];
	if (!nest)
		return NETLINK_NOBODY;
	parse(nest + 1, nest->nla_len - NLA_HDRLEN, attrs);
	port = attrs[PCI_P2PDMA_A_VERDICT_PORT];
	snprintf(route->port, sizeof(route->port), "%.*s", port ? port->nla_len - NLA_HDRLEN : 1,
		 port ? (const char *)(port + 1) : "-");
	if (get(attrs[PCI_P2PDMA_A_VERDICT_READ], &route->read, sizeof(route->read)) &&
	    get(attrs[PCI_P2PDMA_A_VERDICT_WRITE], &route->write, sizeof(route->write)) &&
	    get(attrs[PCI_P2PDMA_A_VERDICT_DISTANCE], &route->distance,
		sizeof(route->distance)) &&
	    get(attrs[PCI_P2PDMA_A_VERDICT_REASON], &route->reason, sizeof(route->reason)))
		return NETLINK_ANSWERED;
	return NETLINK_NOBODY;
}

#else

enum netlink_result netlink_ask(const char *client, const char *provider,
				struct netlink_route *route)
{
	(void)client;
	(void)provider;
	(void)route;
	return NETLINK_NOBODY;
}

#endif
