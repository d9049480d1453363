/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink, as far as a test needs it. */
#ifndef GENL_H
#define GENL_H

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE 10		/* seconds, for what comes at once */
#define ATTRS 16		/* types that are looked at */

struct request {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[256];
};

static char reply[64 << 10];
static char said[128];		/* the error message of the last reply, if there was one */

static inline int nl_open(void)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC), one = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return -1;
	return fd;
}

static inline void begin(struct request *r, int family, int cmd, int flags)
{
	static unsigned int seq;

	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	r->nlh.nlmsg_type = family;
	r->nlh.nlmsg_flags = NLM_F_REQUEST | flags;
	r->nlh.nlmsg_seq = ++seq;
	r->genl.cmd = cmd;
	r->genl.version = 1;
}

static inline struct nlattr *add(struct request *r, int type, const void *data, int len)
{
	struct nlattr *attr = (void *)((char *)r + NLMSG_ALIGN(r->nlh.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memcpy(attr + 1, data, len);
	r->nlh.nlmsg_len = NLMSG_ALIGN(r->nlh.nlmsg_len) + NLA_ALIGN(attr->nla_len);
	return attr;
}

static inline void add_name(struct request *r, int type, const char *name)
{
	add(r, type, name, strlen(name) + 1);
}

static inline const void *payload(const struct nlattr *attr)
{
	return attr + 1;
}

static inline const char *text_of(const struct nlattr *attr)
{
	return attr ? payload(attr) : "-";
}

/* A number of whatever width */
static inline unsigned long long number(const struct nlattr *attr)
{
	unsigned long long wide;
	unsigned int narrow;

	if (!attr)
		return ~0ULL;
	if (attr->nla_len - NLA_HDRLEN == sizeof(wide)) {
		memcpy(&wide, payload(attr), sizeof(wide));
		return wide;
	}
	memcpy(&narrow, payload(attr), sizeof(narrow));
	return narrow;
}

/* The first attribute of each type */
static inline void parse(const void *data, int len, const struct nlattr **attrs)
{
	const struct nlattr *attr = data;

	memset(attrs, 0, ATTRS * sizeof(*attrs));
	while (len >= (int)NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN && attr->nla_len <= len) {
		int type = attr->nla_type & NLA_TYPE_MASK;

		if (type < ATTRS && !attrs[type])
			attrs[type] = attr;
		len -= NLA_ALIGN(attr->nla_len);
		attr = (void *)((char *)attr + NLA_ALIGN(attr->nla_len));
	}
}

static inline void parse_message(const struct nlmsghdr *nlh, const struct nlattr **attrs)
{
	const char *data = (const char *)(nlh + 1) + GENL_HDRLEN;

	parse(data, nlh->nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN, attrs);
}

static inline void parse_nest(const struct nlattr *nest, const struct nlattr **attrs)
{
	parse(payload(nest), nest->nla_len - NLA_HDRLEN, attrs);
}

/* What an NLMSG_ERROR comes to, 0 or a negative error number; its message is in said[] */
static inline int error_of(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = (const void *)(nlh + 1);
	const struct nlattr *attrs[ATTRS];
	unsigned int skip = sizeof(*err);

	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - NLMSG_HDRLEN;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		parse((const char *)err + NLMSG_ALIGN(skip),
		      nlh->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(skip), attrs);
		snprintf(said, sizeof(said), "%s", text_of(attrs[NLMSGERR_ATTR_MSG]));
	}
	return err->error;
}

/* Calls @fn for each message of the reply; returns their number, or a negative error number */
static inline int ask(int fd, const struct request *r,
		      void (*fn)(const struct nlattr **attrs, void *data), void *data)
{
	const struct nlattr *attrs[ATTRS];
	const struct nlmsghdr *nlh;
	int len, count = 0;

	*said = 0;
	if (send(fd, r, r->nlh.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		len = recv(fd, reply, sizeof(reply), 0);
		if (len < 0)
			return -errno;
		for (nlh = (void *)reply; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return error_of(nlh) ?: count;
			if (nlh->nlmsg_type == NLMSG_DONE)
				return count;
			parse_message(nlh, attrs);
			fn(attrs, data);
			count++;
			if (!(r->nlh.nlmsg_flags & NLM_F_DUMP))
				return count;
		}
	}
}

#endif
