/* SPDX-License-Identifier: GPL-2.0-only */
/* Words to the lab, for C programs; those of the selftests are compiled with it, too. */
#ifndef LAB_H
#define LAB_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Tell the lab, and wait for its answer, as lib.sh does. Outside the lab nobody listens. */
static inline void __attribute__((format(printf, 1, 2))) lab(const char *fmt, ...)
{
	va_list ap;
	char c;

	if (!getenv("P2P_LAB"))
		return;
	va_start(ap, fmt);
	vdprintf(3, fmt, ap);
	va_end(ap);
	while (read(3, &c, 1) == 1 && c != '\n')
		;
}

/* What p2p_file.c does nothing for otherwise: the host traces the accesses of CPUs meanwhile */
#define watch_begin(name) lab("# lab: phase begin %s watched\n", name)
#define watch_end(name) lab("# lab: phase end %s\n", name)

#endif
