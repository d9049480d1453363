#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-queues.sh PROVIDER PLAIN PROTECTED: a client whose queues are on two cards, and one that brings protection
# information, which no card here does: see lab/modules/queues.c, which is such a client.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
run=/sys/module/queues/parameters/run

# all_of NQN REQUESTS NAME COUNT: so many in peer memory, with the data of lab/modules/queues.c, and so many under NAME
all_of() {
	[ "$(stat "$1" requests)" = "$2" ] && [ "$(stat "$1" bytes)" = $(($2 * 32768)) ] && [ "$(stat "$1" "$3")" = "$4" ] &&
		[ "$(stat "$1" cpu_requests)" = 0 ]
}

plan 8
announce "$@" && announce_bar "$1"
result $? "drives and peer memory are there"
provider=$(drive_bdf "$1") plain=$(drive_node "$2") protected=$(drive_node "$3")
card=$(drive_bdf "$2") other=$(drive_bdf "$3")
rmmod nvme-fcloop && rmmod nvmet-fc && insmod /lib/queues.ko
result $? "a transport in the place of FC"
integrity=/sys/block/${protected##*/}/integrity
echo 0 >"$integrity/write_generate" && echo 0 >"$integrity/read_verify"
nvmet-config.sh export cards 1 "$plain" "$provider" && nvmet-config.sh export pi 1 "$protected" "$provider" &&
	echo 1 >$config/subsystems/pi/attr_pi_enable && mkdir $config/ports/1 && echo fc >$config/ports/1/addr_trtype &&
	echo fc >$config/ports/1/addr_adrfam && echo 1 >$config/ports/1/param_pi_enable &&
	ln -s $config/subsystems/cards $config/subsystems/pi $config/ports/1/subsystems/
result $? "two namespaces that want peer memory, one with protection information"

echo "cards $card $card" >$run && all_of cards 2 ram_device 0
result $? "both queues on one card: in peer memory"
echo "cards $card $other" >$run && all_of cards 2 ram_device 2
result $? "the queue for data on another card: in RAM, with the reason"
[ "$(stat cards ram_metadata)" = 0 ]
result $? "and no metadata"
echo "pi $card $card" >$run && all_of pi 2 ram_metadata 2
result $? "data in peer memory, their protection information in RAM, which is counted"
sed 's/^/# /' $config/subsystems/pi/namespaces/1/p2pmem_stats
nvmet-config.sh clear && rmmod queues
result $? "everything is taken away"
finish
