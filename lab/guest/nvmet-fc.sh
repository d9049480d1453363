#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-fc.sh MIB A PROVIDER: an NVMe-oF target on drive A over Fibre Channel by software (nvme-fcloop). FC has the data
# in RAM of its own, whatever the namespace asks for; and that is what the target says.
# shellcheck disable=SC2154 # of nvmet-lib.sh

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
mib=$1

plan 9
announce "$2" "$3" && announce_bar "$3"
result $? "drives and peer memory are there"
a=$(drive_node "$2")
provider=$(drive_bdf "$3")
make_pattern "$mib"
fc_ports
result $? "ports of FC"
new_log
nvmet-config.sh export fc 1 "$a" "$provider" 1 && nvmet-config.sh port 1 fc "${fc_target:?}" none fc
result $? "a namespace that wants peer memory is offered over FC"
one=$(connect fc "$fc_target" fc 1 "host_traddr=${fc_host:?}") && disk=$(node "$one" 1) && phase fc round_trip "$disk"
result $? "data come back"
[ "$(stat fc requests)" = 0 ] && [ "$(stat fc bytes)" = 0 ] && more fc ram_transport 0
result $? "all of them counted as in RAM that the transport has"
for reason in cpu unreachable gone pool device outage; do
	[ "$(stat fc ram_$reason)" = 0 ] || echo "# ram_$reason $(stat fc ram_$reason)"
done >/tmp/others
cat /tmp/others && [ ! -s /tmp/others ] && grep -q "^controller [0-9]* transport$" "$config"/subsystems/fc/namespaces/1/p2pmem_stats
result $? "for no other reason, and nobody's memory is chosen"
since_log | grep nsid | sed 's/^/# /'
[ "$(since_log | grep -c "fc nsid 1, .*data where the transport has them")" = 1 ] &&
	! since_log | grep -q -e "in memory of" -e "by the CPU" -e "no peer memory"
result $? "which the log says once, and nothing else"
said=$(p2p_copy --from "$disk" --to "$a" --via "$provider" --bytes 65536 2>&1)
echo "# $said"
case $said in *"Remote I/O error"*) [ "$(stat fc requests)" = 0 ] ;; *) false ;; esac
result $? "peer memory of a client is refused, which FC would have the CPU copy"
disconnect "$one"
nvmet-config.sh clear && fc_ports_gone
result $? "everything is taken away"
finish
