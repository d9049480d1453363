// SPDX-License-Identifier: GPL-2.0-only
/*
 * p2p_find provider|read|write|own|reset...: prints what was found, for a
 * script to eval; or says, as a test that is skipped, what is missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "p2pmem.h"

static const char * const names[] = { "provider", "read", "write", "own", "reset" };
static const char * const variables[] = { "P2P_PROVIDER", "P2P_FROM", "P2P_TO", "P2P_OWN" };

static unsigned int parse(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]))
			return 1U << i;
	fprintf(stderr, "p2p_find: '%s' is none of provider, read, write, own, reset\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	unsigned int needs = 0, i;

	while (*++argv)
		needs |= parse(*argv);
	p2p_setup(needs, 0);
	for (i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		if (getenv(variables[i]))
			printf("export %s='%s'\n", variables[i], getenv(variables[i]));
	return 0;
}
