/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a person reads about a route, for the suites that look at it.
 */
#ifndef _PCI_P2PDMA_EXPLAIN_TEST_H
#define _PCI_P2PDMA_EXPLAIN_TEST_H

#include <kunit/test.h>
#include <linux/seq_buf.h>
#include <linux/slab.h>

#include "../explain.h"
#include "fabric.h"

/**
 * struct explanation - a route in words
 * @verdict: the verdict
 * @why: why it is so
 * @remedy: what to change, empty if nothing
 */
struct explanation {
	struct p2pdma_verdict verdict;
	char why[2 * P2PDMA_TEXT];
	char remedy[2 * P2PDMA_TEXT];
};

static inline struct explanation *
explanation_of(struct kunit *test, struct fabric_fn *client,
	       struct fabric_fn *provider)
{
	struct explanation *explanation =
		kunit_kzalloc(test, sizeof(*explanation), GFP_KERNEL);
	struct p2pdma_remedy *remedy = kunit_kzalloc(test, sizeof(*remedy),
						     GFP_KERNEL);
	struct p2pdma_obstacles found;
	struct seq_buf text;

	KUNIT_ASSERT_NOT_NULL(test, explanation);
	KUNIT_ASSERT_NOT_NULL(test, remedy);
	explanation->verdict = p2pdma_route(client->pdev, provider->pdev);
	p2pdma_route_obstacles(client->pdev, provider->pdev, &found);
	seq_buf_init(&text, explanation->why, sizeof(explanation->why));
	p2pdma_explain(&text, &explanation->verdict, &found);
	seq_buf_str(&text);
	p2pdma_remedy_add(remedy, &explanation->verdict, &found);
	seq_buf_init(&text, explanation->remedy, sizeof(explanation->remedy));
	p2pdma_remedy_print(&text, remedy);
	seq_buf_str(&text);
	return explanation;
}

static inline void expect_words(struct kunit *test, struct fabric_fn *client,
				struct fabric_fn *provider, const char *why,
				const char *remedy)
{
	struct explanation *explanation = explanation_of(test, client, provider);

	KUNIT_EXPECT_STREQ(test, explanation->why, why);
	KUNIT_EXPECT_STREQ(test, explanation->remedy, remedy);
	/* All of it fits where it is said. */
	KUNIT_EXPECT_LT(test, strlen(explanation->why), P2PDMA_TEXT);
	KUNIT_EXPECT_LT(test, strlen(explanation->remedy), P2PDMA_TEXT);
}

#endif /* _PCI_P2PDMA_EXPLAIN_TEST_H */
