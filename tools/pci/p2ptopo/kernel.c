// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the running kernel itself says of a pair, where it has this subsystem.
 */
#include "netlink.h"
#include "show.h"

#define TRIED	16	/* pairs, before a kernel counts as one that cannot be asked */
#define ROUTE	"/sys/kernel/debug/p2pdma/route"

/* What a netlink_route says, as debugfs.c writes it */
static enum netlink_result ask_netlink(const struct answer *answer, char *line, size_t size)
{
	static const char * const mappings[] = { "none", "bus-addr", "host-bridge" };
	char client[BDF_SIZE], provider[BDF_SIZE];
	struct netlink_route route;
	enum netlink_result result;

	result = netlink_ask(pdev_text(client, answer->client),
			     pdev_text(provider, answer->provider), &route);
	if (result != NETLINK_ANSWERED)
		return result;
	/* A kernel that is newer than this program may have more of these. */
	snprintf(line, size, "%s %s read=%s write=%s distance=%u reason=%s at=%s ",
		 provider, client, route.read < ARRAY_SIZE(mappings) ? mappings[route.read] : "?",
		 route.write < ARRAY_SIZE(mappings) ? mappings[route.write] : "?", route.distance,
		 route.reason < P2PDMA_REASON_COUNT ? p2pdma_reason_names[route.reason] : "?",
		 route.port);
	return NETLINK_ANSWERED;
}

/* Where there is no netlink: what is written and read has to go by the same open file. */
static bool ask_debugfs(const struct answer *answer, char *line, size_t size)
{
	char client[BDF_SIZE], provider[BDF_SIZE];
	FILE *file = fopen(ROUTE, "r+");
	bool asked = false;

	if (!file)
		return false;
	if (fprintf(file, "%s %s", pdev_text(client, answer->client),
		    pdev_text(provider, answer->provider)) > 0 && !fflush(file)) {
		rewind(file);
		asked = fgets(line, size, file);
	}
	fclose(file);
	return asked;
}

/* The first line of the kernel's answer, as debugfs.c writes it */
static void expect(const struct answer *answer, char *line, size_t size)
{
	const struct p2pdma_verdict *verdict = &answer->verdict[CPU_OTHER];
	char client[BDF_SIZE], provider[BDF_SIZE], port[BDF_SIZE];

	snprintf(line, size, "%s %s read=%s write=%s distance=%u reason=%s at=%s ",
		 pdev_text(provider, answer->provider), pdev_text(client, answer->client),
		 map_names[verdict->map[P2PDMA_READ]],
		 map_names[verdict->map[P2PDMA_WRITE]], verdict->distance,
		 p2pdma_reason_names[verdict->reason], port_text(port, verdict));
}

/**
 * kernel_ask - ask the running kernel, by netlink or else in debugfs
 * @answer: the pair, and what p2ptopo says of it
 * @says: filled in; nothing is asked where the kernel has nothing to ask, or not us
 */
void kernel_ask(const struct answer *answer, struct kernel_says *says)
{
	char line[sizeof(says->line)];
	enum netlink_result result;

	memset(says, 0, sizeof(*says));
	result = ask_netlink(answer, says->line, sizeof(says->line));
	says->asked = result == NETLINK_ANSWERED ||
		      (result == NETLINK_NOBODY &&
		       ask_debugfs(answer, says->line, sizeof(says->line)));
	if (!says->asked)
		return;
	says->line[strcspn(says->line, "\n")] = '\0';
	expect(answer, line, sizeof(line));
	/* What is not certain here cannot differ from what is certain there. */
	says->differs = answer_certainty(answer) == CERTAIN && !answer->vague &&
			strncmp(says->line, line, strlen(line));
}

/**
 * kernel_compare - ask the running kernel about all pairs
 * @view: the pairs
 * @comparison: filled in
 */
void kernel_compare(const struct view *view, struct comparison *comparison)
{
	struct kernel_says says;
	unsigned int i;

	memset(comparison, 0, sizeof(*comparison));
	comparison->pairs = view->num * view->num;
	for (i = 0; i < comparison->pairs; i++) {
		kernel_ask(&view->answers[i], &says);
		/* One that has nothing to ask has that for no pair. */
		if (!says.asked && i == TRIED && !comparison->asked)
			return;
		if (!says.asked)
			continue;
		comparison->asked++;
		if (!says.differs)
			continue;
		if (!comparison->differ++)
			memcpy(comparison->first, says.line, sizeof(says.line));
	}
}
