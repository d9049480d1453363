#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# nvmet-modules.sh MIB A PROVIDER: the NVMe-oF target and its transports as modules are loaded, serve drive A from PROVIDER's
# memory, and are unloaded, again and again, while PROVIDER comes and goes.

# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
# shellcheck source=/dev/null
. "$(dirname "$0")/nvmet-lib.sh"

config=/sys/kernel/config/nvmet
mib=$1
modules="nvmet nvme-loop nvmet-tcp nvmet-rdma nvmet-fc nvme-fcloop"
transports="loop tcp rdma fc"
stop=/tmp/stop.$$

load() {
	for module in $modules; do
		insmod "/lib/$module.ko" || return 1
	done
}
# A reference may be on its way back.
unload() {
	for module in nvme-fcloop nvmet-fc nvmet-rdma nvmet-tcp nvme-loop nvmet; do
		until_ok unload_one $module || return 1
	done
}
unload_one() { rmmod "$1" 2>/dev/null; }
loaded() { grep -q -e '^nvme_loop ' -e '^nvme_fcloop ' -e '^nvmet' /proc/modules; }

# A subsystem for each transport
export_all() {
	fc_ports || return 1
	for transport in $transports; do
		nvmet-config.sh export "$transport" 1 "$a" 1 1 || return 1
	done
	nvmet-config.sh port 1 loop - - loop && nvmet-config.sh port 2 tcp 127.0.0.1 4420 tcp &&
		nvmet-config.sh port 3 rdma 10.9.9.1 4420 rdma && nvmet-config.sh port 4 fc "${fc_target:?}" none fc
}

connect_all() {
	loop=$(connect loop - loop) && tcp=$(connect tcp 127.0.0.1 tcp) && rdma=$(connect rdma 10.9.9.1 rdma) &&
		fc=$(connect fc "$fc_target" fc 1 "host_traddr=${fc_host:?}")
}
disconnect_all() { disconnect "$loop" && disconnect "$tcp" && disconnect "$rdma" && disconnect "$fc"; }

trips() {
	for instance in $loop $tcp $rdma $fc; do
		round_trip "$(node "$instance" 1)" || { echo "# wrong: $instance"; return 1; }
	done
}

# Over loop it is the host that brings peer memory.
copy_over_loop() { p2p_copy --from "$(node "$loop" 1)" --to "$(node "$loop" 1)" --via "$provider" --bytes $((mib << 20)) >/dev/null; }

from_peer_memory() {
	trips && copy_over_loop && more tcp cpu_requests 0 && more rdma cpu_requests 0 && more loop requests 0 && more fc ram_transport 0
}

# All of it is free, and it can be taken away.
whole() { [ "$(cat "$p2pmem/available")" = "$free" ]; }

unbind() { echo "$provider" >/sys/bus/pci/drivers/nvme/unbind; }
bind() { echo "$provider" >/sys/bus/pci/drivers/nvme/bind; }
remove() { echo 1 >"/sys/bus/pci/devices/$provider/remove"; }
rescan() { echo 1 >/sys/bus/pci/rescan; }
provides() { [ -e "$p2pmem/available" ]; }

# away_and_back: in another way each time
away_and_back() {
	turn=$((turn + 1))
	if [ $((turn % 2)) = 0 ]; then
		unbind && sleep 0.1 && bind
	else
		remove && sleep 0.1 && rescan
	fi
	until_ok provides
}
come_and_go() {
	turn=0
	while [ ! -e $stop ]; do
		away_and_back || { : >/tmp/failed; return; }
		sleep 0.2
	done
}
begin_come_and_go() { rm -f $stop /tmp/failed; come_and_go & coming=$!; }
end_come_and_go() { : >$stop; wait $coming; [ ! -e /tmp/failed ]; }

plan 17
announce "$2" "$3" && announce_bar "$3"
result $? "drives and provider are there"
a=$(drive_node "$2")
provider=$(drive_bdf "$3")
p2pmem=/sys/bus/pci/devices/$provider/p2pmem
free=$(cat "$p2pmem/available")
make_pattern "$mib"
ifconfig dummy0 10.9.9.1 up && rdma link add rxe0 type rxe netdev dummy0
loaded && unload && ! loaded && [ ! -e $config ]
result $? "the modules can be unloaded before they have done anything"
away_and_back && away_and_back && whole
result $? "a provider comes and goes without a target"

load && export_all
result $? "loaded again, four transports offer what wants peer memory"
connect_all && from_peer_memory
result $? "and serve from it: TCP, RDMA, loop; FC from its own"
! unload_one nvmet-tcp && ! unload_one nvmet
result $? "what serves cannot be unloaded"
disconnect_all && nvmet-config.sh clear && fc_ports_gone && unload
result $? "but when nothing is left"
until_ok whole && away_and_back && until_ok whole
result $? "all memory is free, and the provider goes and comes"

begin_come_and_go
status=0
for _ in 1 2 3; do
	if ! { load && export_all && connect_all && trips && trips && disconnect_all && nvmet-config.sh clear &&
		fc_ports_gone && unload; }; then
		status=1
		break
	fi
done
[ $status = 0 ]
result $? "loaded, serving and unloaded three times while the provider comes and goes"
end_come_and_go && until_ok whole
result $? "which it does, and all of its memory is free"

# In flight at the end
load && export_all && connect_all && from_peer_memory
result $? "loaded, and served from peer memory again"
unbind
trips && more tcp ram_gone 0
result $? "the provider's driver is unbound: in RAM"
disconnect_all && nvmet-config.sh clear && fc_ports_gone && unload && bind && until_ok provides && until_ok whole
result $? "unloaded while the provider is away, which comes back"

load && export_all && connect_all && from_peer_memory
result $? "loaded once more"
for instance in $tcp $rdma $loop; do
	dd if="$(node "$instance" 1)" of=/dev/null bs=64k iflag=direct 2>/dev/null &
done
sleep 0.2
nvmet-config.sh clear
result $? "the ports are taken down under load"
disconnect_all 2>/dev/null
fc_ports_gone
unload
result $? "and the modules unloaded"
until_ok whole && ! loaded
result $? "all memory is free"
finish
