// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family "pci-p2pdma": what it says is what debugfs and sysfs say, who may ask,
 * what is refused, and what is told of changes.
 *
 * To have something change, the policy on host bridges is written as it is. The provider is
 * unbound and reset only if $P2P_RESET names it.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "../../../../include/uapi/linux/pci_p2pdma.h"
#include "genl.h"
#include "p2pmem.h"

#define DEBUG "/sys/kernel/debug/p2pdma"
#define DEVICES "/sys/bus/pci/devices"
#define POLICY "/sys/module/pci_p2pdma/parameters/host_bridges"
#define NOBODY 65534

/* ---- the family ---- */

static int family;
static unsigned int group;

static void take_family(const struct nlattr **attrs, void *data)
{
	const struct nlattr *groups[ATTRS], *one[ATTRS];

	family = *(const unsigned short *)payload(attrs[CTRL_ATTR_FAMILY_ID]);
	parse_nest(attrs[CTRL_ATTR_MCAST_GROUPS], groups);
	parse_nest(groups[1], one);
	if (!strcmp(text_of(one[CTRL_ATTR_MCAST_GRP_NAME]), PCI_P2PDMA_MCGRP_CHANGES))
		group = number(one[CTRL_ATTR_MCAST_GRP_ID]);
}

static bool find_family(void)
{
	int fd = nl_open(), found;
	struct request r;

	begin(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	add_name(&r, CTRL_ATTR_FAMILY_NAME, PCI_P2PDMA_FAMILY_NAME);
	found = ask(fd, &r, take_family, NULL);
	close(fd);
	return found == 1 && group;
}

static int join(void)
{
	int fd = nl_open();

	return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) ? -1 : fd;
}

/* ---- what is said, in the words of debugfs ---- */

static const char * const mappings[] = { "none", "bus-addr", "host-bridge" };
static const char * const reasons[] = {
	"self", "same-device", "same-bus", "same-switch", "root-complex", "acs-redirect",
	"acs-blocked", "root-complex-unknown", "root-complex-differs", "not-pci", "dma-mask",
	"functions-isolated", "root-complex-reads-only", "root-complex-writes-only",
	"provider-down", "root-complex-forbidden",
};

static const char * const sources[] = { "unknown", "table", "cpu", "policy", "firmware" };

static const char *word(const char * const *words, size_t count, const struct nlattr *attr)
{
	return number(attr) < count ? words[number(attr)] : "?";
}

struct route {
	char verdict[128];
	char now[128];
	char root[64];
	char why[1024];
	char remedy[1024];
};

static void take_verdict(const struct nlattr *nest, char *text, size_t size)
{
	const struct nlattr *v[ATTRS];

	*text = 0;
	if (!nest)
		return;
	parse_nest(nest, v);
	snprintf(text, size, "read=%s write=%s distance=%llu reason=%s at=%s",
		 word(mappings, ARRAY_SIZE(mappings), v[PCI_P2PDMA_A_VERDICT_READ]),
		 word(mappings, ARRAY_SIZE(mappings), v[PCI_P2PDMA_A_VERDICT_WRITE]),
		 number(v[PCI_P2PDMA_A_VERDICT_DISTANCE]),
		 word(reasons, ARRAY_SIZE(reasons), v[PCI_P2PDMA_A_VERDICT_REASON]),
		 text_of(v[PCI_P2PDMA_A_VERDICT_PORT]));
}

/* The first one of two */
static void take_root(const struct nlattr *nest, char *text, size_t size)
{
	const struct nlattr *root[ATTRS];

	snprintf(text, size, "root=-");
	if (!nest)
		return;
	parse_nest(nest, root);
	if (root[PCI_P2PDMA_A_ROOT_VENDOR])
		snprintf(text, size, "root=%04llx:%04llx/%s",
			 number(root[PCI_P2PDMA_A_ROOT_VENDOR]),
			 number(root[PCI_P2PDMA_A_ROOT_DEVICE]),
			 word(sources, ARRAY_SIZE(sources), root[PCI_P2PDMA_A_ROOT_SOURCE]));
	else
		snprintf(text, size, "root=-/%s",
			 word(sources, ARRAY_SIZE(sources), root[PCI_P2PDMA_A_ROOT_SOURCE]));
}

static void take_route(const struct nlattr **attrs, void *data)
{
	struct route *route = data;

	take_verdict(attrs[PCI_P2PDMA_A_ROUTE_VERDICT], route->verdict, sizeof(route->verdict));
	take_verdict(attrs[PCI_P2PDMA_A_ROUTE_NOW], route->now, sizeof(route->now));
	take_root(attrs[PCI_P2PDMA_A_ROUTE_ROOT], route->root, sizeof(route->root));
	snprintf(route->why, sizeof(route->why), "why: %s", text_of(attrs[PCI_P2PDMA_A_ROUTE_WHY]));
	*route->remedy = 0;
	if (attrs[PCI_P2PDMA_A_ROUTE_REMEDY])
		snprintf(route->remedy, sizeof(route->remedy), "to change that: %s",
			 text_of(attrs[PCI_P2PDMA_A_ROUTE_REMEDY]));
}

static int ask_route(int fd, const char *client, const char *provider, struct route *route)
{
	struct request r;

	begin(&r, family, PCI_P2PDMA_CMD_ROUTE_GET, 0);
	add_name(&r, PCI_P2PDMA_A_ROUTE_CLIENT, client);
	add_name(&r, PCI_P2PDMA_A_ROUTE_PROVIDER, provider);
	return ask(fd, &r, take_route, route);
}

static int dump(int fd, int cmd, void (*fn)(const struct nlattr **attrs, void *data), void *data)
{
	struct request r;

	begin(&r, family, cmd, NLM_F_DUMP);
	return ask(fd, &r, fn, data);
}

static void ignore(const struct nlattr **attrs, void *data)
{
}

FIXTURE(family) {
	int fd;
	const char *provider;
};

FIXTURE_SETUP(family)
{
	self->fd = nl_open();
	ASSERT_GE(self->fd, 0);
	self->provider = getenv("P2P_PROVIDER");
}

FIXTURE_TEARDOWN(family)
{
	close(self->fd);
}

/* ---- routes ---- */

/* What holds for each provider and each client is what debugfs has in its list. */
TEST_F(family, routes_as_in_debugfs)
{
	FILE *file = fopen(DEBUG "/routes", "re");
	char line[512], provider[32], client[32], text[256];
	struct route route;
	int words, at, lines = 0;

	if (!file)
		SKIP(return, "no " DEBUG "/routes");
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		words = sscanf(line, "%31s %31s %n", provider, client, &at);
		ASSERT_EQ(words, 2);
		ASSERT_EQ(ask_route(self->fd, client, provider, &route), 1) TH_LOG("%s", said);
		snprintf(text, sizeof(text), "%s %s", route.now, route.root);
		/* Of the second host bridge nothing was taken. */
		EXPECT_EQ(strncmp(text, line + at, strlen(text)), 0)
			TH_LOG("debugfs: %s\nnetlink: %s", line + at, text);
		lines++;
	}
	fclose(file);
	EXPECT_GT(lines, 0);
}

/* The lines of debugfs on two functions, without their ends */
static void ask_debugfs(FILE *file, const char *client, const char *provider, char lines[6][1024])
{
	int i;

	memset(lines, 0, 6 * sizeof(*lines));
	rewind(file);
	fprintf(file, "%s %s", client, provider);
	fflush(file);
	rewind(file);
	for (i = 0; i < 6 && fgets(lines[i], sizeof(*lines), file); i++)
		lines[i][strcspn(lines[i], "\n")] = 0;
}

static bool said_by(char lines[6][1024], const char *text)
{
	int i;

	for (i = 0; i < 6; i++)
		if (!strcmp(lines[i], text))
			return true;
	return false;
}

/* What is not as in debugfs, if anything, is in @text: verdict, what is in the way, what to do. */
static bool same_as_debugfs(int fd, FILE *file, const char *client, const char *provider,
			    char *text, size_t size)
{
	char lines[6][1024];
	struct route route;

	ask_debugfs(file, client, provider, lines);
	snprintf(text, size, "%s %s: refused", client, provider);
	if (ask_route(fd, client, provider, &route) != 1)
		return false;
	snprintf(text, size, "%s %s %s %s", provider, client, route.verdict, route.root);
	if (strncmp(text, lines[0], strlen(text)))
		return false;
	snprintf(text, size, "%s", route.why);
	if (!said_by(lines, route.why))
		return false;
	snprintf(text, size, "%s %s: '%s'", client, provider, route.remedy);
	if (!*route.remedy)
		return !strstr(lines[3], "to change") && !strstr(lines[4], "to change");
	return said_by(lines, route.remedy);
}

/* Any two functions, whether one of them is a provider or not */
TEST_F(family, any_two_as_in_debugfs)
{
	FILE *file = fopen(DEBUG "/route", "r+e");
	size_t skip = strlen(DEVICES "/"), i, j;
	char text[1280];
	glob_t all;

	if (!file)
		SKIP(return, "no " DEBUG "/route, or locked down");
	ASSERT_EQ(glob(DEVICES "/*", 0, NULL, &all), 0);
	for (i = 0; i < all.gl_pathc; i++)
		for (j = 0; j < all.gl_pathc; j++)
			EXPECT_TRUE(same_as_debugfs(self->fd, file, all.gl_pathv[i] + skip,
						    all.gl_pathv[j] + skip, text, sizeof(text)))
				TH_LOG("netlink: %s", text);
	EXPECT_GT(all.gl_pathc, (size_t)1);
	globfree(&all);
	fclose(file);
}

/* Both functions have to be there, and named in full. */
TEST_F(family, absent_devices)
{
	static const char * const names[] = {
		"0000:ff:1f.7", "", "x", "00:00.0", "0000:00:00.0 ", "0000:00:00", "/0000:00:00.0",
	};
	struct route route;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(ask_route(self->fd, names[i], self->provider, &route), -ENODEV)
			TH_LOG("client '%s'", names[i]);
		EXPECT_EQ(ask_route(self->fd, self->provider, names[i], &route), -ENODEV)
			TH_LOG("provider '%s'", names[i]);
		EXPECT_NE(strstr(said, "no PCI function has the name"), NULL) TH_LOG("%s", said);
		EXPECT_NE(strstr(said, names[i]), NULL) TH_LOG("%s", said);
	}
}

/* What is malformed is refused, and says so in one line. */
TEST_F(family, malformed_requests)
{
	struct nlattr *attr;
	struct request r;

	begin(&r, family, PCI_P2PDMA_CMD_ROUTE_GET, 0);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL);
	EXPECT_NE(strstr(said, "have to be named"), NULL) TH_LOG("%s", said);

	add_name(&r, PCI_P2PDMA_A_ROUTE_CLIENT, self->provider);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL);
	EXPECT_NE(strstr(said, "have to be named"), NULL) TH_LOG("%s", said);

	/* Cut off: longer than the message */
	attr = add(&r, PCI_P2PDMA_A_ROUTE_PROVIDER, self->provider, strlen(self->provider) + 1);
	attr->nla_len += 64;
	EXPECT_LT(ask(self->fd, &r, ignore, NULL), 0);
	/* Shorter than its own header */
	attr->nla_len = 2;
	EXPECT_LT(ask(self->fd, &r, ignore, NULL), 0);

	begin(&r, family, PCI_P2PDMA_CMD_ROUTE_GET, 0);
	add(&r, PCI_P2PDMA_A_ROUTE_CLIENT, self->provider, strlen(self->provider));
	add_name(&r, PCI_P2PDMA_A_ROUTE_PROVIDER, self->provider);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL) TH_LOG("without its end");

	begin(&r, family, PCI_P2PDMA_CMD_ROUTE_GET, 0);
	add_name(&r, PCI_P2PDMA_A_ROUTE_CLIENT, "0000:00:00.0 and something long behind it");
	add_name(&r, PCI_P2PDMA_A_ROUTE_PROVIDER, self->provider);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL) TH_LOG("too long");

	begin(&r, family, PCI_P2PDMA_CMD_ROUTE_GET, 0);
	add_name(&r, PCI_P2PDMA_A_ROUTE_CLIENT, self->provider);
	add_name(&r, PCI_P2PDMA_A_ROUTE_PROVIDER, self->provider);
	add_name(&r, PCI_P2PDMA_A_ROUTE_WHY, "nothing that is asked");
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL) TH_LOG("unknown attribute");
}

TEST_F(family, unknown_commands)
{
	static const int cmds[] = { 0, PCI_P2PDMA_CMD_CHANGE_NTF, PCI_P2PDMA_CMD_MAX + 1, 255 };
	struct request r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		begin(&r, family, cmds[i], 0);
		EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EOPNOTSUPP) TH_LOG("%d", cmds[i]);
		EXPECT_EQ(dump(self->fd, cmds[i], ignore, NULL), -EOPNOTSUPP) TH_LOG("%d", cmds[i]);
	}
	/* What a list would be about has no meaning yet */
	begin(&r, family, PCI_P2PDMA_CMD_RESOURCE_GET, NLM_F_DUMP);
	add_name(&r, PCI_P2PDMA_A_RESOURCE_PROVIDER, self->provider);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EINVAL);
	/* A dump of what is no list, and one of what is */
	EXPECT_EQ(dump(self->fd, PCI_P2PDMA_CMD_ROUTE_GET, ignore, NULL), -EOPNOTSUPP);
	begin(&r, family, PCI_P2PDMA_CMD_PAIR_GET, 0);
	EXPECT_EQ(ask(self->fd, &r, ignore, NULL), -EOPNOTSUPP);
}

/* Number of questions that are answered; 100 if one is refused, but not as it should be */
static int count_answers(int fd, const char *provider)
{
	struct route route;
	int got[3], i, answers = 0;

	got[0] = ask_route(fd, provider, provider, &route);
	if (got[0] == -EPERM && !strstr(said, "CAP_SYS_ADMIN"))
		return 100;
	got[1] = dump(fd, PCI_P2PDMA_CMD_RESOURCE_GET, ignore, NULL);
	got[2] = dump(fd, PCI_P2PDMA_CMD_PAIR_GET, ignore, NULL);
	for (i = 0; i < 3; i++) {
		if (got[i] < 0 && got[i] != -EPERM)
			return 100;
		answers += got[i] >= 0;
	}
	return answers;
}

/* Nobody, but for what he may do with networks: exits with the number of answers he gets */
static void nobody(int roots, const char *provider)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { .permitted = 1 << CAP_NET_ADMIN,
						    .effective = 1 << CAP_NET_ADMIN } };

	if (prctl(PR_SET_KEEPCAPS, 1) || setuid(NOBODY) || syscall(SYS_capset, &header, caps))
		_exit(200);
	_exit(4 * count_answers(roots, provider) + count_answers(nl_open(), provider));
}

/* Who may not read config space is refused, with a socket of his own or with root's. */
TEST_F(family, permission)
{
	int status = 0;
	pid_t child;

	EXPECT_EQ(count_answers(self->fd, self->provider), 3);
	child = fork();
	ASSERT_GE(child, 0);
	if (!child)
		nobody(self->fd, self->provider);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	EXPECT_EQ(status, 0);
}

/* Nor does it help him to have root write to his socket. */
TEST_F(family, permission_of_the_socket)
{
	int fd;

	ASSERT_EQ(seteuid(NOBODY), 0);
	fd = nl_open();
	ASSERT_EQ(seteuid(0), 0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(count_answers(fd, self->provider), 0);
	close(fd);
}

#define NO_NAMESPACES 100	/* more than there are answers */

/*
 * In namespaces of his own: exits with the number of answers to a socket of before, four times, and
 * to one of there. Who is not root here is root there, and has all capabilities.
 */
static void elsewhere(int roots, const char *provider, bool root)
{
	if (!root && setuid(NOBODY))
		_exit(200);
	if (unshare(CLONE_NEWNET | (root ? 0 : CLONE_NEWUSER)))
		_exit(NO_NAMESPACES);
	_exit(4 * count_answers(roots, provider) + count_answers(nl_open(), provider));
}

static int answers_elsewhere(int roots, const char *provider, bool root)
{
	int status = -1;
	pid_t child = fork();

	if (!child)
		elsewhere(roots, provider, root);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* Root of a container that has its own users is nobody to the machine's config space. */
TEST_F(family, root_of_own_users)
{
	int answers = answers_elsewhere(self->fd, self->provider, false);

	if (answers == NO_NAMESPACES)
		SKIP(return, "no user or network namespaces");
	EXPECT_EQ(answers, 0);
}

/* One that has only networks of its own is root, whatever network the socket is of. */
TEST_F(family, root_of_own_networks)
{
	int answers = answers_elsewhere(self->fd, self->provider, true);

	if (answers == NO_NAMESPACES)
		SKIP(return, "no network namespaces");
	EXPECT_EQ(answers, 4 * 3 + 3);
}

/* ---- what there is ---- */

struct resources {
	const char *provider;
	int count;
	unsigned long long size, available, allocations, outage, walks, changes;
	bool published, down;
};

static void take_resource(const struct nlattr **attrs, void *data)
{
	struct resources *sum = data;

	if (strcmp(text_of(attrs[PCI_P2PDMA_A_RESOURCE_PROVIDER]), sum->provider))
		return;
	sum->count++;
	sum->size += number(attrs[PCI_P2PDMA_A_RESOURCE_SIZE]);
	sum->available += number(attrs[PCI_P2PDMA_A_RESOURCE_AVAILABLE]);
	sum->allocations += number(attrs[PCI_P2PDMA_A_RESOURCE_ALLOCATIONS]);
	sum->walks += number(attrs[PCI_P2PDMA_A_RESOURCE_WALKS]);
	sum->changes += number(attrs[PCI_P2PDMA_A_RESOURCE_CHANGES]);
	sum->outage += number(attrs[PCI_P2PDMA_A_RESOURCE_OUTAGE]);
	sum->published |= !!attrs[PCI_P2PDMA_A_RESOURCE_PUBLISHED];
	sum->down |= !!attrs[PCI_P2PDMA_A_RESOURCE_DOWN];
}

static struct resources dump_resources(int fd, const char *provider)
{
	struct resources sum = { .provider = provider };

	if (dump(fd, PCI_P2PDMA_CMD_RESOURCE_GET, take_resource, &sum) < 0)
		sum.count = -1;
	return sum;
}

TEST_F(family, resources_as_in_sysfs)
{
	int fd = p2pmem_open("allocate", O_RDWR);
	struct resources before, mapped;
	void *mem;

	before = dump_resources(self->fd, self->provider);
	ASSERT_GT(before.count, 0);
	EXPECT_EQ((long)before.size, p2pmem_read("size"));
	EXPECT_EQ((long)before.available, p2pmem_read("available"));
	EXPECT_EQ((long)before.allocations, p2pmem_read("allocations"));
	EXPECT_EQ(before.published, p2pmem_read("published"));
	EXPECT_FALSE(before.down);
	mem = p2pmem_map(fd, MIB);
	ASSERT_NE(mem, MAP_FAILED);
	mapped = dump_resources(self->fd, self->provider);
	EXPECT_EQ(mapped.available, before.available - MIB);
	EXPECT_GT(mapped.allocations, before.allocations);
	munmap(mem, MIB);
	close(fd);
}

/* Who only asks is nobody who uses it: questions leave its counters alone. */
TEST_F(family, questions_do_not_count)
{
	unsigned long long walks = dump_resources(self->fd, self->provider).walks;
	struct route route;
	int i;

	/* The provider is no client of its own, so nothing is cached of that pair. */
	for (i = 0; i < 10; i++)
		EXPECT_GE(ask_route(self->fd, self->provider, self->provider, &route), 0);
	EXPECT_EQ(dump_resources(self->fd, self->provider).walks, walks);
}

/* ---- what is cached ---- */

struct pair {
	const char *provider;
	char client[32];
	char verdict[128];
	unsigned long long walks, changes;
	int found;
};

static void take_pair(const struct nlattr **attrs, void *data)
{
	struct pair *pair = data;

	if (strcmp(text_of(attrs[PCI_P2PDMA_A_PAIR_PROVIDER]), pair->provider) ||
	    strcmp(text_of(attrs[PCI_P2PDMA_A_PAIR_CLIENT]), pair->client))
		return;
	pair->found++;
	take_verdict(attrs[PCI_P2PDMA_A_PAIR_VERDICT], pair->verdict, sizeof(pair->verdict));
	pair->walks = number(attrs[PCI_P2PDMA_A_PAIR_WALKS]);
	pair->changes = number(attrs[PCI_P2PDMA_A_PAIR_CHANGES]);
}

static void find_pair(int fd, struct pair *pair)
{
	pair->found = 0;
	dump(fd, PCI_P2PDMA_CMD_PAIR_GET, take_pair, pair);
}

/* The policy as it is, so that verdicts are worked out anew */
static bool renew_policy(void)
{
	int fd = open(POLICY, O_RDWR | O_CLOEXEC), len, done = -1;
	char text[512];

	len = read(fd, text, sizeof(text));
	if (len > 0)
		done = write(fd, text, len);
	close(fd);
	return len > 0 && done == len;
}

/* Its drive reads into the provider's memory: the pair is in use from then on. */
static bool use_pair(const char *drive, struct pair *pair)
{
	int from = open(drive, O_RDONLY | O_DIRECT | O_CLOEXEC);
	int fd = p2pmem_open("allocate", O_RDWR);
	char path[PATH_MAX], real[PATH_MAX];
	void *mem = p2pmem_map(fd, 4096);
	bool ok;

	ok = mem != MAP_FAILED && pread(from, mem, 4096, 0) == 4096;
	if (mem != MAP_FAILED)
		munmap(mem, 4096);
	close(fd);
	close(from);
	snprintf(path, sizeof(path), "/sys/block/%.64s/device/device", strrchr(drive, '/') + 1);
	if (!ok || !realpath(path, real))
		return false;
	snprintf(pair->client, sizeof(pair->client), "%.31s", basename(real));
	return true;
}

TEST_F(family, pairs_in_use)
{
	struct pair pair = { .provider = self->provider };
	const char *drive = getenv("P2P_FROM");
	unsigned long long walks;
	struct route route;
	int i;

	if (!drive)
		SKIP(return, "%s", p2p_missing(P2P_READ));
	for (i = 0; i < 100 && !pair.found; i++) {
		ASSERT_TRUE(use_pair(drive, &pair));
		find_pair(self->fd, &pair);
		usleep(50000);
	}
	ASSERT_GT(pair.found, 0);
	ASSERT_EQ(ask_route(self->fd, pair.client, self->provider, &route), 1);
	EXPECT_STREQ(pair.verdict, route.now);
	walks = pair.walks;
	EXPECT_GT(walks, 0ULL);
	ASSERT_TRUE(renew_policy());
	for (i = 0; i < 100 && pair.walks == walks; i++) {
		usleep(50000);
		find_pair(self->fd, &pair);
	}
	EXPECT_GT(pair.walks, walks);
}

/* ---- what changes ---- */

/* Whether that is told within PATIENCE; @provider is "-" if none is named */
static bool told(int fd, unsigned int change, const char *provider)
{
	time_t end = time(NULL) + PATIENCE;
	const struct nlattr *attrs[ATTRS];
	const struct nlmsghdr *nlh = (void *)reply;

	while (time(NULL) < end) {
		if (recv(fd, reply, sizeof(reply), 0) < (int)NLMSG_HDRLEN)
			return false;
		parse_message(nlh, attrs);
		if (nlh->nlmsg_type == family &&
		    number(attrs[PCI_P2PDMA_A_NOTICE_CHANGE]) == change &&
		    !strcmp(text_of(attrs[PCI_P2PDMA_A_NOTICE_PROVIDER]), provider))
			return true;
	}
	return false;
}

TEST_F(family, policy_is_told)
{
	int fd = join();

	ASSERT_GE(fd, 0);
	ASSERT_TRUE(renew_policy());
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_VERDICTS, "-"));
	close(fd);
}

/* Who does not keep up is told that something is missing. */
TEST_F(family, slow_listener)
{
	int fd = join(), least = 1, i, len;

	ASSERT_GE(fd, 0);
	ASSERT_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(renew_policy());
		usleep(10000);
	}
	for (i = 0; i < 50; i++) {
		len = recv(fd, reply, sizeof(reply), 0);
		if (len < 0)
			break;
	}
	EXPECT_LT(len, 0);
	EXPECT_EQ(errno, ENOBUFS);
	close(fd);
}

static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return ok;
}

TEST_F(family, provider_comes_and_goes)
{
	char driver[PATH_MAX], path[PATH_MAX + 8];
	struct resources before, after;
	struct route route;
	int fd, i;

	if (*p2p_missing(P2P_RESET))
		SKIP(return, "%s", p2p_missing(P2P_RESET));
	snprintf(path, sizeof(path), DEVICES "/%s/driver", self->provider);
	ASSERT_NE(realpath(path, driver), NULL);
	before = dump_resources(self->fd, self->provider);
	ASSERT_GT(before.count, 0);
	fd = join();
	ASSERT_GE(fd, 0);

	snprintf(path, sizeof(path), "%s/unbind", driver);
	ASSERT_TRUE(write_to(path, self->provider));
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_RESOURCE_REMOVED, self->provider));
	after = dump_resources(self->fd, self->provider);
	EXPECT_EQ(after.count, 0);
	EXPECT_EQ(ask_route(self->fd, self->provider, self->provider, &route), 1);
	EXPECT_STREQ(route.now, "");

	snprintf(path, sizeof(path), "%s/bind", driver);
	ASSERT_TRUE(write_to(path, self->provider));
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_RESOURCE_ADDED, self->provider));
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_PUBLISHED, self->provider));
	for (i = 0; i < 100 && p2pmem_read("available") != (long)before.available; i++)
		usleep(100000);
	after = dump_resources(self->fd, self->provider);
	EXPECT_EQ(after.count, before.count);
	EXPECT_TRUE(after.published);
	close(fd);
}

/* Whether it decodes memory from now on, by its command register */
static bool set_decoding(const char *bdf, bool on)
{
	unsigned short command;
	char path[PATH_MAX];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), DEVICES "/%s/config", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ok = pread(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command);
	command = on ? command | PCI_COMMAND_MEMORY : command & ~PCI_COMMAND_MEMORY;
	ok = ok && pwrite(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command);
	close(fd);
	return ok;
}

/* While it does not decode, the topology allows what it did, and what holds is told in words. */
TEST_F(family, provider_does_not_decode)
{
	struct route before, down;
	struct resources resources;
	bool set;

	if (*p2p_missing(P2P_RESET))
		SKIP(return, "%s", p2p_missing(P2P_RESET));
	ASSERT_EQ(ask_route(self->fd, self->provider, self->provider, &before), 1);
	/* Where its BAR is beyond its own DMA mask it does not reach itself. */
	EXPECT_EQ(strstr(before.now, "provider-down"), NULL) TH_LOG("%s", before.now);
	set = set_decoding(self->provider, false);
	if (!set)
		SKIP(return, "config space cannot be written");
	EXPECT_EQ(ask_route(self->fd, self->provider, self->provider, &down), 1);
	resources = dump_resources(self->fd, self->provider);
	EXPECT_TRUE(set_decoding(self->provider, true));
	EXPECT_STREQ(down.verdict, before.verdict);
	EXPECT_NE(strstr(down.now, "read=none write=none "), NULL) TH_LOG("%s", down.now);
	EXPECT_NE(strstr(down.now, "reason=provider-down "), NULL) TH_LOG("%s", down.now);
	EXPECT_NE(strstr(down.why, "provider-down"), NULL) TH_LOG("%s", down.why);
	EXPECT_NE(*down.remedy, 0);
	EXPECT_TRUE(resources.down);
}

TEST_F(family, provider_goes_down)
{
	struct resources before, after;
	char path[PATH_MAX];
	int fd;

	if (*p2p_missing(P2P_RESET))
		SKIP(return, "%s", p2p_missing(P2P_RESET));
	snprintf(path, sizeof(path), DEVICES "/%s/reset", self->provider);
	if (access(path, W_OK))
		SKIP(return, "%s has no way to be reset", self->provider);
	before = dump_resources(self->fd, self->provider);
	fd = join();
	ASSERT_GE(fd, 0);
	ASSERT_TRUE(write_to(path, "1"));
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_PROVIDER_DOWN, self->provider));
	EXPECT_TRUE(told(fd, PCI_P2PDMA_CHANGE_PROVIDER_UP, self->provider));
	after = dump_resources(self->fd, self->provider);
	EXPECT_GT(after.outage, before.outage);
	EXPECT_FALSE(after.down);
	close(fd);
}

int main(int argc, char **argv)
{
	p2p_setup(P2P_PROVIDER, P2P_READ | P2P_RESET);
	if (!find_family()) {
		ksft_print_header();
		ksft_exit_skip("the kernel has no generic netlink family %s\n",
			       PCI_P2PDMA_FAMILY_NAME);
	}
	return test_harness_run(argc, argv);
}
