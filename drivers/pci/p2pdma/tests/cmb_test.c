// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite of what an NVMe drive registers of its controller memory buffer.  The
 * drives that QEMU emulates have one kind only: at offset 0 of a BAR of its
 * own, and good for everything.
 */
#include <kunit/test.h>
#include <linux/nvme.h>
#include <linux/sizes.h>

#include "../../../nvme/host/cmb.h"

/* Size unit, number of units, and what it can be used for; BAR and offset */
#define CMBSZ(szu, sz, caps)	((szu) << NVME_CMBSZ_SZU_SHIFT |	\
				 (u32)(sz) << NVME_CMBSZ_SZ_SHIFT | (caps))
#define CMBLOC(bir, ofst)	((bir) | (u32)(ofst) << 12)

#define CAPS	(NVME_CMBSZ_SQS | NVME_CMBSZ_CQS | NVME_CMBSZ_LISTS |	\
		 NVME_CMBSZ_RDS | NVME_CMBSZ_WDS)

/* @len is that of the BAR; 0 for @fits is nothing */
static const struct place {
	const char *name;
	u32 cmbsz;
	u32 cmbloc;
	u64 len;
	unsigned int bar;
	u64 offset;
	u64 size;
	u64 fits;
} places[] = {
	{ "all_of_a_bar", CMBSZ(2, 64, CAPS), CMBLOC(2, 0), SZ_64M,
	  2, 0, SZ_64M, SZ_64M },
	{ "units_of_4_KiB", CMBSZ(0, 3, 0), CMBLOC(4, 5), SZ_64K,
	  4, 5 * SZ_4K, 3 * SZ_4K, 3 * SZ_4K },
	{ "units_of_64_KiB", CMBSZ(1, 3, CAPS), CMBLOC(0, 1), SZ_1M,
	  0, SZ_64K, 3 * SZ_64K, 3 * SZ_64K },
	{ "units_of_16_MiB", CMBSZ(3, 2, 0), CMBLOC(2, 1), SZ_1G,
	  2, SZ_16M, SZ_32M, SZ_32M },
	{ "units_of_64_GiB", CMBSZ(6, 0xfffff, 0), CMBLOC(2, 0xfffff), U64_MAX,
	  2, 0xfffffULL << 36, 0xfffffULL << 36, 0xfffffULL << 36 },
	{ "units_reserved", CMBSZ(7, 64, CAPS), CMBLOC(2, 0), SZ_64M, 2, 0, 0, 0 },
	{ "units_reserved_all", CMBSZ(15, 64, CAPS), CMBLOC(2, 3), SZ_64M,
	  2, 0, 0, 0 },
	{ "no_size", CMBSZ(2, 0, CAPS), CMBLOC(2, 1), SZ_64M, 2, SZ_1M, 0, 0 },
	{ "larger_than_the_bar", CMBSZ(2, 64, CAPS), CMBLOC(2, 0), SZ_16M,
	  2, 0, SZ_64M, SZ_16M },
	{ "reaches_over_the_end", CMBSZ(2, 16, CAPS), CMBLOC(2, 8), SZ_16M,
	  2, SZ_8M, SZ_16M, SZ_8M },
	{ "at_the_end", CMBSZ(2, 16, CAPS), CMBLOC(2, 16), SZ_16M,
	  2, SZ_16M, SZ_16M, 0 },
	{ "beyond_the_end", CMBSZ(2, 16, CAPS), CMBLOC(2, 17), SZ_16M,
	  2, 17 * SZ_1M, SZ_16M, 0 },
	{ "no_such_bar", CMBSZ(2, 16, CAPS), CMBLOC(7, 0), 0, 7, 0, SZ_16M, 0 },
};

KUNIT_ARRAY_PARAM_DESC(place, places, name);

/* Where it is, and what of that is in the BAR. */
static void cmb_place(struct kunit *test)
{
	const struct place *place = test->param_value;
	struct nvme_cmb cmb = nvme_cmb_decode(place->cmbsz, place->cmbloc);

	KUNIT_EXPECT_EQ(test, cmb.bar, place->bar);
	KUNIT_EXPECT_EQ(test, cmb.offset, place->offset);
	KUNIT_EXPECT_EQ(test, cmb.size, place->size);
	KUNIT_EXPECT_EQ(test, nvme_cmb_fit(&cmb, place->len), !!place->fits);
	if (place->fits)
		KUNIT_EXPECT_EQ(test, cmb.size, place->fits);
	KUNIT_EXPECT_EQ(test, cmb.offset, place->offset);
}

#define BASE	(SZ_4G * 17)

/* A CMB at @offset of a BAR at @base, and what of it can be registered */
static const struct cut {
	const char *name;
	u64 base;
	u64 registers;
	u64 offset;
	u64 size;
	u64 start;
	u64 registered;
} cuts[] = {
	{ "aligned", BASE, 0, SZ_4M, SZ_8M, SZ_4M, SZ_8M },
	{ "offset_misaligned", BASE, 0, SZ_64K, SZ_4M, SZ_2M, SZ_2M },
	{ "size_misaligned", BASE, 0, 0, SZ_4M - SZ_4K, 0, SZ_2M },
	{ "both", BASE, 0, SZ_1M, SZ_4M, SZ_2M, SZ_2M },
	{ "bar_misaligned", BASE + SZ_1M, 0, 0, SZ_4M, SZ_1M, SZ_2M },
	{ "together_aligned", BASE + SZ_1M, 0, SZ_1M, SZ_2M, SZ_1M, SZ_2M },
	{ "too_small", BASE, 0, 0, SZ_1M, 0, 0 },
	{ "none_is_whole", BASE, 0, SZ_1M, SZ_2M, 0, 0 },
	{ "registers", BASE, SZ_8K, 0, SZ_4M, SZ_2M, SZ_2M },
	{ "behind_the_registers", BASE, SZ_8K, SZ_2M, SZ_4M, SZ_2M, SZ_4M },
	{ "nothing_but_registers", BASE, SZ_8K, 0, SZ_2M, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(cut, cuts, name);

/* What is aligned is the address, and what is not is left out. */
static void cmb_aligned(struct kunit *test)
{
	const struct cut *cut = test->param_value;
	struct nvme_cmb cmb = { .offset = cut->offset, .size = cut->size };

	KUNIT_ASSERT_EQ(test, !!cut->registered,
			nvme_cmb_align(&cmb, cut->base, cut->registers, SZ_2M));
	if (!cut->registered)
		return;
	KUNIT_EXPECT_EQ(test, cmb.offset, cut->start);
	KUNIT_EXPECT_EQ(test, cmb.size, cut->registered);
}

/* Each capability by itself, in all combinations. */
static void cmb_capabilities(struct kunit *test)
{
	bool queues, reads, writes;
	u32 caps, cmbsz;

	for (caps = 0; caps <= CAPS; caps++) {
		queues = caps & NVME_CMBSZ_SQS;
		reads = caps & NVME_CMBSZ_RDS;
		writes = caps & NVME_CMBSZ_WDS;
		cmbsz = CMBSZ(2, 64, caps);
		KUNIT_EXPECT_EQ(test, nvme_cmb_usable(cmbsz),
				queues || reads || writes);
		KUNIT_EXPECT_EQ(test, nvme_cmb_for_queues(cmbsz), queues);
		KUNIT_EXPECT_EQ(test, nvme_cmb_for_data(cmbsz), reads && writes);
	}
}

#define START	(BASE + SZ_2M)

/* Where data and metadata are, and whether any of it is the CMB at START */
static const struct spot {
	const char *name;
	u64 addr[3];
	bool metadata;
	bool inside;
	bool outside;
} spots[] = {
	{ "nothing", { }, false, false, false },
	{ "first_byte", { START }, false, true, false },
	{ "last_page", { START + SZ_4M - SZ_4K }, false, true, false },
	{ "before", { START - SZ_4K }, false, false, true },
	{ "behind", { START + SZ_4M }, false, false, true },
	{ "low", { SZ_4K }, false, false, true },
	{ "high", { U64_MAX - SZ_4K }, false, false, true },
	{ "own_then_ram", { START, SZ_1M }, false, true, true },
	{ "ram_then_own", { SZ_1M, START, START }, false, true, true },
	{ "metadata", { START }, true, true, true },
	{ "metadata_of_ram", { SZ_1M }, true, false, true },
};

/* All combinations of what it can do, for reads and writes. */
static void cmb_takes(struct kunit *test)
{
	const u32 data[] = { 0, NVME_CMBSZ_RDS, NVME_CMBSZ_WDS, CAPS };
	const struct spot *spot;
	u32 bits, i, j, cmbsz;
	bool takes, can;

	for (spot = spots; spot < spots + ARRAY_SIZE(spots); spot++) {
		struct nvme_cmb_use use = { .outside = spot->metadata };

		for (i = 0; i < ARRAY_SIZE(spot->addr) && spot->addr[i]; i++)
			nvme_cmb_use_add(&use, START, SZ_4M, spot->addr[i]);
		KUNIT_EXPECT_EQ_MSG(test, use.inside, spot->inside, "%s", spot->name);
		KUNIT_EXPECT_EQ_MSG(test, use.outside, spot->outside, "%s", spot->name);
		/* Each bit of CMBLOC alone, and all others */
		for (bits = 0; bits < 64; bits++) {
			u32 cmbloc = bits < 32 ? BIT(bits) : ~BIT(bits - 32);

			for (j = 0; j < 2 * ARRAY_SIZE(data); j++) {
				use.write = j & 1;
				cmbsz = CMBSZ(2, 64, data[j / 2]);
				can = cmbsz & (use.write ? BIT(4) : BIT(3));
				takes = !spot->inside ||
					(can && (!spot->outside || cmbloc & BIT(7)));
				KUNIT_EXPECT_EQ_MSG(test, takes,
						    nvme_cmb_takes(cmbsz, cmbloc, &use),
						    "%s, CMBSZ %#x, CMBLOC %#x",
						    spot->name, cmbsz, cmbloc);
			}
		}
	}
}

static void cmb_status(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, nvme_cmb_decoded(0));
	KUNIT_EXPECT_TRUE(test, nvme_cmb_decoded(~1u));
	KUNIT_EXPECT_FALSE(test, nvme_cmb_decoded(1));
	KUNIT_EXPECT_FALSE(test, nvme_cmb_decoded(~0u));
}

static struct kunit_case cmb_cases[] = {
	KUNIT_CASE_PARAM(cmb_place, place_gen_params),
	KUNIT_CASE_PARAM(cmb_aligned, cut_gen_params),
	KUNIT_CASE(cmb_capabilities),
	KUNIT_CASE(cmb_takes),
	KUNIT_CASE(cmb_status),
	{}
};

static struct kunit_suite cmb_suite = {
	.name = "p2pdma_cmb",
	.test_cases = cmb_cases,
};

kunit_test_suite(cmb_suite);

MODULE_DESCRIPTION("KUnit suite of what NVMe drives register");
MODULE_LICENSE("GPL");
