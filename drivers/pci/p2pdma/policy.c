// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the administrator says of root complexes: pci_p2pdma.host_bridges=.
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/kstrtox.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/stringify.h>
#include <linux/sysfs.h>

#include "hooks.h"
#include "hostbridge.h"

/* "VENDOR:DEVICE" in front of *@text, which is what follows then */
static int parse_id(char **text, struct p2pdma_policy *policy)
{
	char *ids = strsep(text, "="), *vendor = strsep(&ids, ":");

	return !ids || kstrtou16(vendor, 16, &policy->vendor) ||
	       kstrtou16(ids, 16, &policy->device) ? -EINVAL : 0;
}

/* WORD[+WORD]..., or nothing at all; @text is cut into pieces */
static int parse_routes(char *text, struct p2pdma_policy *policy)
{
	char *word;
	unsigned int i;

	policy->routes = text ? 0 : P2PDMA_ROUTES_BOTH_WAYS;
	if (text && !strcmp(text, "none"))
		return 0;
	while ((word = strsep(&text, "+"))) {
		for (i = 0; i < P2PDMA_ROUTE_WORDS; i++)
			if (!strcmp(word, p2pdma_route_words[i].word))
				break;
		if (i == P2PDMA_ROUTE_WORDS)
			return -EINVAL;
		policy->routes |= p2pdma_route_words[i].routes;
	}
	return policy->routes & P2PDMA_ROUTES_BOTH_WAYS ? 0 : -EINVAL;
}

/* The entry before @last for the same id, NULL if there is none */
static struct p2pdma_policy *find_twin(struct p2pdma_policy *policies,
				       const struct p2pdma_policy *last)
{
	for (; policies < last; policies++)
		if (policies->vendor == last->vendor &&
		    policies->device == last->device)
			return policies;
	return NULL;
}

/**
 * struct parser - a list of policies that is being read
 * @value: the text, for messages
 * @lenient: take over what can be understood; otherwise nothing is
 * @left_out: there are entries whose id is not known, or for which there is no room
 * @count: number of entries taken
 * @policy: these, and room for one that will not be
 */
struct parser {
	const char *value;
	bool lenient;
	bool left_out;
	unsigned int count;
	struct p2pdma_policy policy[P2PDMA_POLICIES + 1];
};

/* Say what is wrong with an entry, and make of it what is safe. */
static int parse_failed(const struct parser *parser, unsigned int entry,
			const char *why)
{
	int len = strcspn(parser->value, "\n");

	/* A line of the log has an end. */
	pr_err("P2PDMA: host_bridges=%.*s%s: entry %u%s\n", min(len, 256),
	       parser->value, len > 256 ? "..." : "", entry, why);
	return parser->lenient ? 0 : -EINVAL;
}

#define NO_ROOM	": no room for more than " __stringify(P2PDMA_POLICIES)
#define LEFT_OUT	": all that are not listed are taken for none"
#define USAGE	": use VENDOR:DEVICE[=none|reads+writes+between]"

/*
 * At boot there is nobody to correct a list.  To drop it for one slip would
 * leave open what another entry forbids, so the others stay; an id whose words
 * cannot be understood is taken for forbidden, and one that is named twice for
 * what both entries allow.  Whose id cannot be understood, or for whom there is no
 * room, may be anybody, so nothing is open that is not in the list.
 */
static int parse_entry(struct parser *parser, unsigned int entry, char *text)
{
	struct p2pdma_policy *policy = &parser->policy[parser->count], *twin;
	int error = 0;

	if (parser->count == P2PDMA_POLICIES) {
		if (parser->left_out)
			return 0;
		parser->left_out = true;
		return parse_failed(parser, entry, parser->lenient ?
				    NO_ROOM LEFT_OUT : NO_ROOM);
	}
	if (parse_id(&text, policy)) {
		parser->left_out = true;
		return parse_failed(parser, entry, parser->lenient ?
				    LEFT_OUT USAGE : USAGE);
	}
	if (parse_routes(text, policy)) {
		policy->routes = 0;
		error = parse_failed(parser, entry, parser->lenient ?
				     " is taken for none" USAGE : USAGE);
	}
	twin = find_twin(parser->policy, policy);
	if (!twin) {
		parser->count++;
		return error;
	}
	twin->routes &= policy->routes;
	return error ?: parse_failed(parser, entry, ": its id is there already");
}

/* Copy an entry.  What is too long for one gets an end that is none. */
static void copy_entry(char *text, size_t size, const char *value, size_t len)
{
	size_t kept = min(len, size - 2);

	memcpy(text, value, kept);
	if (kept < len)
		text[kept++] = '?';
	text[kept] = '\0';
}

static int parse_list(struct parser *parser)
{
	const char *value = skip_spaces(parser->value);
	const char *end = value + strlen(value);
	unsigned int entry = 0;
	char text[64];
	size_t len;
	int error;

	while (end > value && isspace(end[-1]))
		end--;
	if (value == end)
		return 0;
	do {
		len = min(strcspn(value, ","), (size_t)(end - value));
		copy_entry(text, sizeof(text), value, len);
		error = parse_entry(parser, ++entry, text);
		if (error)
			return error;
		value += len + 1;
	} while (value <= end);
	return 0;
}

/* Runs at boot, too, long before there is anything to allocate from. */
static int policy_set(const char *value, const struct kernel_param *kp)
{
	struct parser parser = {
		.value = value,
		.lenient = system_state == SYSTEM_BOOTING,
	};
	int error = parse_list(&parser);

	if (error)
		return error;
	if (p2pdma_hostbridge_set_policies(parser.policy, parser.count,
					   parser.left_out))
		p2pdma_topology_changed();
	return 0;
}

static int policy_get(char *buffer, const struct kernel_param *kp)
{
	struct p2pdma_policy policies[P2PDMA_POLICIES];
	unsigned int i, j, count;
	bool left_out;
	int len = 0;
	char sep;

	count = p2pdma_hostbridge_get_policies(policies, &left_out);
	for (i = 0; i < count; i++) {
		len += sysfs_emit_at(buffer, len, "%s%04x:%04x", i ? "," : "",
				     policies[i].vendor, policies[i].device);
		sep = '=';
		for (j = 0; j < P2PDMA_ROUTE_WORDS; j++) {
			if (!(policies[i].routes & p2pdma_route_words[j].routes))
				continue;
			len += sysfs_emit_at(buffer, len, "%c%s", sep,
					     p2pdma_route_words[j].word);
			sep = '+';
		}
		if (sep == '=')
			len += sysfs_emit_at(buffer, len, "=none");
	}
	/* No entry, so that what is read here is not written back for all of it */
	if (left_out)
		len += sysfs_emit_at(buffer, len, "%s...", count ? "," : "");
	return len + sysfs_emit_at(buffer, len, "\n");
}

static const struct kernel_param_ops policy_ops = {
	.set = policy_set,
	.get = policy_get,
};

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "pci_p2pdma."
module_param_cb(host_bridges, &policy_ops, NULL, 0644);
MODULE_PARM_DESC(host_bridges,
		 "What host bridges route, over what the kernel knows: VENDOR:DEVICE[=none|reads+writes+between],...");
